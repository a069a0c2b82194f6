//! A bank. Of `transfer.yaml` it takes the money from one account and puts it on another, of `nightly.yaml` it pays
//! interest. Whatever comes in between, no cent is made or lost.

use chancery_sdk::fence::sqlite::FenceError;
use chancery_sdk::{HandlerError, Task, Worker};
use example_participant::{OrNotDone as _, Participant, rows};
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

const FILE: &str = "bank.db";
/// Amounts are cents. What the bank pays it has on an account of its own.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS accounts (
        name TEXT PRIMARY KEY,
        balance INTEGER NOT NULL CHECK (balance >= 0),
        frozen INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    INSERT INTO accounts (name, balance, frozen) VALUES
        ('bank', 1000000, 0), ('ann', 500000, 0), ('ben', 20000, 0), ('cleo', 80000, 0), ('frozen', 30000, 1)
        ON CONFLICT DO NOTHING;
    CREATE TABLE IF NOT EXISTS reports (
        night TEXT PRIMARY KEY,
        paid INTEGER NOT NULL,
        left_out INTEGER NOT NULL
    ) STRICT;
";
/// The account that interest comes from.
const BANK: &str = "bank";
/// One in so many cents is a night's interest: generous.
const INTEREST: i64 = 100;

#[derive(Deserialize)]
struct Amount {
    account: String,
    amount: i64,
}

#[derive(Deserialize)]
struct Interest {
    account: String,
}

#[derive(Deserialize)]
struct Report {
    night: String,
    paid: i64,
    left_out: i64,
}

#[derive(Deserialize)]
struct Approval {
    answer: Answer,
}

/// What the signal `approved` says.
#[derive(Deserialize)]
struct Answer {
    yes: bool,
    by: String,
}

/// Opens the bank's database.
///
/// # Errors
/// If it can't be opened.
pub fn open(data: &Path) -> Result<Participant, FenceError> {
    Participant::open(&data.join(FILE), SCHEMA)
}

/// Adds the handlers of the bank.
#[must_use]
pub fn handle(worker: Worker, bank: &Participant) -> Worker {
    let [debit_db, credit_db, interest_db, report_db] = [(); 4].map(|()| bank.clone());
    let [debit_undo_db, credit_undo_db, interest_undo_db, report_undo_db] = [(); 4].map(|()| bank.clone());
    worker
        .handle("account.debit", move |task| debit(debit_db.clone(), task))
        .handle("account.debit.undo", move |task| debit_undo(debit_undo_db.clone(), task))
        .handle("account.credit", move |task| credit(credit_db.clone(), task))
        .handle("account.credit.undo", move |task| credit_undo(credit_undo_db.clone(), task))
        .handle("account.interest", move |task| interest(interest_db.clone(), task))
        .handle("account.interest.undo", move |task| interest_undo(interest_undo_db.clone(), task))
        .handle("night.report", move |task| report(report_db.clone(), task))
        .handle("night.report.undo", move |task| report_undo(report_undo_db.clone(), task))
        .handle("approval.check", |task| async move { check(&task) })
}

/// The balances and the reports.
///
/// # Errors
/// If the database is missing or can't be read.
pub fn books(data: &Path) -> Result<Value, rusqlite::Error> {
    let database = data.join(FILE);
    let accounts = rows(&database, "SELECT name, balance FROM accounts ORDER BY name")?;
    let reports = rows(&database, "SELECT night, paid, left_out FROM reports ORDER BY night")?;
    Ok(json!({"accounts": accounts, "reports": reports}))
}

async fn debit(bank: Participant, task: Task) -> Result<Value, HandlerError> {
    let Amount { account, amount } = task.input()?;
    positive(amount)?;
    let act = move |tx: &Transaction<'_>| {
        take(tx, &account, amount)?;
        Ok(json!({"account": account, "amount": amount}))
    };
    bank.forward(task.fence_key(), act).await
}

async fn debit_undo(bank: Participant, task: Task) -> Result<Value, HandlerError> {
    bank.undo(task.fence_key(), |tx, taken| change(tx, &account(taken), amount(taken))).await
}

async fn credit(bank: Participant, task: Task) -> Result<Value, HandlerError> {
    let Amount { account, amount } = task.input()?;
    positive(amount)?;
    let act = move |tx: &Transaction<'_>| {
        give(tx, &account, amount)?;
        Ok(json!({"account": account, "amount": amount}))
    };
    bank.forward(task.fence_key(), act).await
}

/// Fails if the money was spent meanwhile: a person has to look at that.
async fn credit_undo(bank: Participant, task: Task) -> Result<Value, HandlerError> {
    bank.undo(task.fence_key(), |tx, given| change(tx, &account(given), -amount(given))).await
}

/// A signal says yes or no; a no fails the step, and so has the transfer undone.
fn check(task: &Task) -> Result<Value, HandlerError> {
    let Approval { answer } = task.input()?;
    if answer.yes {
        Ok(json!({"by": answer.by}))
    } else {
        Err(HandlerError::refused("NotApproved", format!("{} says no", answer.by)))
    }
}

async fn interest(bank: Participant, task: Task) -> Result<Value, HandlerError> {
    let Interest { account } = task.input()?;
    let act = move |tx: &Transaction<'_>| {
        let amount = balance(tx, &account)? / INTEREST;
        take(tx, BANK, amount)?;
        give(tx, &account, amount)?;
        Ok(json!({"account": account, "amount": amount}))
    };
    bank.forward(task.fence_key(), act).await
}

async fn interest_undo(bank: Participant, task: Task) -> Result<Value, HandlerError> {
    let act = |tx: &Transaction<'_>, paid: &Value| {
        change(tx, &account(paid), -amount(paid))?;
        change(tx, BANK, amount(paid))
    };
    bank.undo(task.fence_key(), act).await
}

async fn report(bank: Participant, task: Task) -> Result<Value, HandlerError> {
    let Report { night, paid, left_out } = task.input()?;
    let act = move |tx: &Transaction<'_>| {
        let insert = "INSERT INTO reports (night, paid, left_out) VALUES (?1, ?2, ?3)";
        tx.execute(insert, params![night, paid, left_out]).or_not_done()?;
        Ok(json!({"night": night}))
    };
    bank.forward(task.fence_key(), act).await
}

async fn report_undo(bank: Participant, task: Task) -> Result<Value, HandlerError> {
    let act = |tx: &Transaction<'_>, reported: &Value| {
        let night = reported.get("night").and_then(Value::as_str);
        tx.execute("DELETE FROM reports WHERE night = ?1", [night]).or_not_done()?;
        Ok(())
    };
    bank.undo(task.fence_key(), act).await
}

/// The account of what was done, as it was recorded.
fn account(done: &Value) -> String {
    done.get("account").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// How much it was.
fn amount(done: &Value) -> i64 {
    done.get("amount").and_then(Value::as_i64).unwrap_or_default()
}

fn positive(amount: i64) -> Result<(), HandlerError> {
    if amount > 0 { Ok(()) } else { Err(HandlerError::refused("BadInput", "a transfer is of a cent or more")) }
}

fn take(tx: &Transaction<'_>, account: &str, amount: i64) -> Result<(), HandlerError> {
    let balance = balance(tx, account)?;
    if balance < amount {
        return Err(HandlerError::refused("TooLittle", format!("{account} has {balance}, {amount} are asked for")));
    }
    change(tx, account, -amount)
}

fn give(tx: &Transaction<'_>, account: &str, amount: i64) -> Result<(), HandlerError> {
    balance(tx, account)?;
    change(tx, account, amount)
}

/// What is on an account that is there and not frozen.
fn balance(tx: &Transaction<'_>, account: &str) -> Result<i64, HandlerError> {
    let select = "SELECT balance, frozen FROM accounts WHERE name = ?1";
    let found = tx.query_row(select, [account], |row| Ok((row.get(0)?, row.get(1)?))).optional().or_not_done()?;
    match found {
        Some((balance, false)) => Ok(balance),
        Some((_, true)) => Err(HandlerError::refused("Frozen", format!("{account} is frozen"))),
        None => Err(HandlerError::refused("NoAccount", format!("there is no account {account}"))),
    }
}

fn change(tx: &Transaction<'_>, account: &str, by: i64) -> Result<(), HandlerError> {
    let update = "UPDATE accounts SET balance = balance + ?2 WHERE name = ?1";
    match tx.execute(update, params![account, by]).or_not_done()? {
        1 => Ok(()),
        _ => Err(HandlerError::failed("NoAccount", format!("there is no account {account}"))),
    }
}
