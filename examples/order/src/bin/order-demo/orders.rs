//! The four orders, and what each is expected to do.

use crate::children::LOOK_EVERY;
use crate::deviation::{Deviation, expect, expect_eq};
use crate::stage::{AGENT_LIMIT, Sabotage, Stage};
use crate::{head, say};
use chancery_sdk::TransactionId;
use chancery_sdk::api::transaction::{StartedTransaction, Status, Step, Transaction};
use order_example::payments::{DECLINED_CARD, Line};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// How long an order may take.
const ORDER_MAX: &str = "60s";
/// How long the payment call that is interrupted takes.
const SLOW_MS: u64 = 3_000;
/// How long that call may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

/// An order that ended as expected.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Which.
    pub(crate) id: TransactionId,
    /// The steps whose receipts are worth fetching: `charge`, `charge/undo`.
    pub(crate) proves: &'static [&'static str],
}

const ALL_DONE: [(&str, &str, Option<&str>); 4] = [
    ("reserve-inventory", "completed", None),
    ("charge", "completed", None),
    ("book-shipping", "completed", None),
    ("notify", "completed", None),
];
const UNDONE_AFTER_CHARGE: [(&str, &str, Option<&str>); 4] = [
    ("reserve-inventory", "completed", Some("completed")),
    ("charge", "failed", None),
    ("book-shipping", "cancelled", None),
    ("notify", "cancelled", None),
];

/// Everything works.
pub(crate) async fn completes(stage: &Stage) -> Result<Ended, Deviation> {
    head("Order 1: everything works");
    let chairs = stage_chairs(stage).await?;
    let order = order("order-1", 4_200, "visa", None);
    let ended = run(stage, "orders", "order-1", &order, 0).await?;
    show(stage, ended.id).await?;
    expect_eq("the status of order 1", &Status::Completed, &ended.status)?;
    expect_steps("order 1", &ended, &ALL_DONE)?;
    expect_eq("chairs in stock after order 1", &(chairs - 2), &stage.chairs()?)?;
    let calls = calls(stage, ended.id, "/charges")?;
    expect_eq("payment calls of order 1", &vec!["answered".to_owned()], &answers(&calls))?;
    let charge = output(&ended, "charge");
    expect("the output of order 1", charge.is_some_and(|text| text.starts_with("charge-")), "a charge", &ended.output)?;
    Ok(Ended { id: ended.id, proves: &["reserve-inventory", "charge", "book-shipping", "notify"] })
}

/// The card is declined, so the reservation is undone.
pub(crate) async fn payment_declined(stage: &Stage) -> Result<Ended, Deviation> {
    head("Order 2: the payment is declined, the reservation is undone");
    let chairs = stage.chairs()?;
    let order = order("order-2", 4_200, DECLINED_CARD, None);
    let ended = run(stage, "orders", "order-2", &order, 1).await?;
    show(stage, ended.id).await?;
    expect_eq("the status of order 2", &Status::Compensated, &ended.status)?;
    expect_steps("order 2", &ended, &UNDONE_AFTER_CHARGE)?;
    let status = step(&ended, "charge")?.error.as_ref().and_then(|error| error.detail.clone());
    let status = status.and_then(|detail| detail.get("status").and_then(Value::as_u64));
    expect_eq("the payment service's answer to order 2", &Some(402), &status)?;
    expect_eq("payment calls of order 2", &1, &answers(&calls(stage, ended.id, "/charges")?).len())?;
    expect_eq("chairs in stock after order 2", &chairs, &stage.chairs()?)?;
    expect_nothing_left("order 2", &ended)?;
    Ok(Ended { id: ended.id, proves: &["reserve-inventory", "reserve-inventory/undo", "charge"] })
}

/// An agent wants to charge more than it may.
pub(crate) async fn agent_over_limit(stage: &Stage) -> Result<Ended, Deviation> {
    let amount = AGENT_LIMIT + 4_900;
    head(&format!("Order 3: an agent that may charge {AGENT_LIMIT} wants to charge {amount}, policy denies it"));
    let chairs = stage.chairs()?;
    let order = order("order-3", amount, "visa", None);
    let ended = run(stage, "bot", "order-3", &order, 1).await?;
    show(stage, ended.id).await?;
    expect_eq("the status of order 3", &Status::Compensated, &ended.status)?;
    expect_steps("order 3", &ended, &UNDONE_AFTER_CHARGE)?;
    let charge = step(&ended, "charge")?;
    let error = charge.error.as_ref().map(|error| error.error_type.clone());
    expect_eq("why order 3 was not charged", &Some("PolicyDenied".to_owned()), &error)?;
    let text = serde_json::to_string(&charge.error).unwrap_or_default();
    let names_policy = text.contains("agent-limit") && text.contains("above what this agent may charge");
    expect("the denial of order 3", names_policy, "the policy `agent-limit` and its reason", &text)?;
    expect_eq("attempts of the charge of order 3", &0, &charge.attempts)?;
    expect_eq("payment calls of order 3", &0, &calls(stage, ended.id, "/charges")?.len())?;
    expect_eq("chairs in stock after order 3", &chairs, &stage.chairs()?)?;
    expect_nothing_left("order 3", &ended)?;
    // The charge was never permitted, so there is no receipt for it: that it was denied is an entry of the log.
    Ok(Ended { id: ended.id, proves: &["reserve-inventory", "reserve-inventory/undo"] })
}

/// The server is killed while the payment service works.
pub(crate) async fn server_killed(stage: &mut Stage) -> Result<Ended, Deviation> {
    head("Order 4: the server is killed while the payment call is in flight");
    let order = order("order-4", 4_200, "visa", Some(SLOW_MS)).to_string();
    let access = stage.access("orders");
    let arguments = ["tx", "start", "create-order", "--input", &order, "--idempotency-key", "order-4"];
    let started: StartedTransaction = stage.offline().json(0, &stage.online(&access, &arguments)).await?;
    wait_for_call(stage, started.id).await?;
    say("the payment service has the call and takes its time");
    if stage.sabotage != Some(Sabotage::NoKill) {
        stage.kill_server().await?;
    }
    let id = started.id.to_string();
    let arguments = ["tx", "wait", &id, "--timeout", ORDER_MAX];
    let ended: Transaction = stage.offline().json(0, &stage.online(&access, &arguments)).await?;
    show(stage, ended.id).await?;
    expect_eq("the status of order 4", &Status::Completed, &ended.status)?;
    expect_steps("order 4", &ended, &ALL_DONE)?;
    let calls = calls(stage, ended.id, "/charges")?;
    say("what the payment service logged:");
    for line in &calls {
        say(&format!("  {:<9} {} key {}", line.result, line.path, line.key));
    }
    let received = calls.iter().filter(|line| line.result == "received").count();
    expect_eq("payment calls of order 4", &2, &received)?;
    let mut keys: Vec<&String> = calls.iter().map(|line| &line.key).collect();
    keys.dedup();
    expect_eq("idempotency keys of the payment calls of order 4", &1, &keys.len())?;
    let charged = vec!["answered".to_owned(), "repeated".to_owned()];
    expect_eq("the payment service's answers to order 4", &charged, &answers(&calls))?;
    expect_eq("attempts of the charge of order 4", &2, &step(&ended, "charge")?.attempts)?;
    Ok(Ended { id: ended.id, proves: &["reserve-inventory", "charge", "book-shipping", "notify"] })
}

fn order(id: &str, total: i64, card: &str, delay_ms: Option<u64>) -> Value {
    let mut order = json!({"order_id": id, "sku": "chair", "quantity": 2, "total": total, "card": card});
    if let (Some(delay), Some(members)) = (delay_ms, order.as_object_mut()) {
        members.insert("delay_ms".to_owned(), Value::from(delay));
    }
    order
}

/// Starts an order as somebody and waits for its end; the command exits with `code`.
async fn run(stage: &Stage, who: &str, key: &str, order: &Value, code: i32) -> Result<Transaction, Deviation> {
    let order = order.to_string();
    let arguments = ["tx", "start", "create-order", "--input", &order, "--idempotency-key", key, "--wait", ORDER_MAX];
    stage.offline().json(code, &stage.online(&stage.access(who), &arguments)).await
}

/// Shows a transaction's steps as a table.
async fn show(stage: &Stage, id: TransactionId) -> Result<(), Deviation> {
    let table = stage.ok("owner", &["tx", "get", &id.to_string()]).await?;
    say(table.text().trim_end());
    Ok(())
}

/// What is in stock, once the worker has made its database.
async fn stage_chairs(stage: &Stage) -> Result<i64, Deviation> {
    let until = Instant::now() + ARRIVAL_MAX;
    loop {
        match stage.chairs() {
            Err(_not_yet) if Instant::now() < until => tokio::time::sleep(LOOK_EVERY).await,
            known => return known,
        }
    }
}

async fn wait_for_call(stage: &Stage, transaction: TransactionId) -> Result<(), Deviation> {
    let until = Instant::now() + ARRIVAL_MAX;
    while calls(stage, transaction, "/charges")?.is_empty() {
        if Instant::now() > until {
            return Err(Deviation::Late { what: "the payment call of order 4".to_owned(), after: ARRIVAL_MAX });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// What the payment service logged of a transaction's charge: its key ends with the step.
fn calls(stage: &Stage, transaction: TransactionId, path: &str) -> Result<Vec<Line>, Deviation> {
    let reference = transaction.to_string();
    let lines = stage.payment_calls()?.into_iter();
    Ok(lines.filter(|line| line.path == path && line.reference == reference).collect())
}

/// How the calls were answered.
fn answers(calls: &[Line]) -> Vec<String> {
    calls.iter().filter(|line| line.result != "received").map(|line| line.result.clone()).collect()
}

fn step<'a>(transaction: &'a Transaction, name: &str) -> Result<&'a Step, Deviation> {
    let found = transaction.steps.iter().find(|step| step.step.as_str() == name);
    found.ok_or_else(|| Deviation::Value {
        what: format!("the steps of {}", transaction.id),
        expected: format!("a step `{name}`"),
        found: "none".to_owned(),
    })
}

fn output<'a>(transaction: &'a Transaction, name: &str) -> Option<&'a str> {
    transaction.output.as_ref()?.get(name)?.as_str()
}

fn expect_steps(
    order: &str,
    transaction: &Transaction,
    expected: &[(&str, &str, Option<&str>)],
) -> Result<(), Deviation> {
    let found: Vec<(&str, &str, Option<&str>)> = transaction
        .steps
        .iter()
        .map(|step| {
            let undo = step.compensation.as_ref().map(|undo| undo.status.as_str());
            (step.step.as_str(), step.status.as_str(), undo)
        })
        .collect();
    expect_eq(format!("the steps of {order}, each with its status and its undo's"), &expected.to_vec(), &found)
}

fn expect_nothing_left(order: &str, transaction: &Transaction) -> Result<(), Deviation> {
    expect(format!("what {order} left undone"), transaction.left_undone.is_empty(), "nothing", &transaction.left_undone)
}
