//! Rows to write.

use chancery_base::*;
use chancery_engine::{RequestKind, RequestStatus};
use chancery_shard::row::*;
use chancery_shard::search::Search;
use chancery_shard::{Batch, Grant, Origin};
use chancery_store::{EventSearch, Reach, Store};
use std::sync::Arc;

pub(crate) fn time(second: u32) -> Timestamp {
    Timestamp::from_micros(1_795_246_020_000_000 + i64::from(second) * 1_000_000)
}

fn entropy(number: u32) -> Entropy {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    Entropy::from_seed(seed)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn grant(name: &str) -> Grant {
    Grant::system("test", tenant(name))
}

pub(crate) fn tenant_row(name: &str, shards: u16) -> TenantRow {
    TenantRow { tenant: tenant(name), shards, hash_key: [7; 32], created_at: time(0) }
}

pub(crate) fn origins(name: &str, shards: u16) -> Vec<Origin> {
    (0..shards).map(|shard| format!("test/{name}/{shard}/1").parse().unwrap()).collect()
}

/// The id of a transaction; a greater number is a greater id.
pub(crate) fn id(number: u32) -> TransactionId {
    let slot = Slot::new(u16::try_from(number % 4096).unwrap()).unwrap();
    TransactionId::draw(time(number), slot, &mut entropy(number))
}

pub(crate) fn principal(number: u32) -> PrincipalId {
    let kind = PrincipalKind::ALL[number as usize % 3];
    PrincipalId::draw(kind, time(number), &mut entropy(number))
}

pub(crate) fn key_id(number: u32) -> KeyId {
    KeyId::draw(time(number), &mut entropy(number))
}

pub(crate) fn payload(number: u64) -> PayloadRow {
    let byte = number.to_be_bytes()[7];
    // Every third is as it will be once there are keys and subjects.
    let sealed = if number.is_multiple_of(3) {
        Sealed { key: "k1".into(), nonce: vec![byte; 12], bytes: vec![byte, 0, 0xff] }
    } else {
        Sealed::plain(format!("{{\"payload\":{number}}}").into_bytes())
    };
    let subject = number.is_multiple_of(3).then_some([byte; 32]);
    PayloadRow { salt: Salt([byte; 16]), sealed, subject }
}

/// An entry, with a payload if its number is even.
pub(crate) fn entry(seq: u64, transaction: Option<(TransactionId, u64)>) -> EntryRow {
    let payload = seq.is_multiple_of(2).then(|| payload(seq));
    EntryRow { seq, transaction, record: format!("{{\"seq\":{seq}}}").into_bytes(), payload }
}

pub(crate) fn transaction(log: LogId, number: u32, status: &'static str) -> TransactionRow {
    let ended = matches!(status, "completed" | "failed" | "cancelled" | "compensated" | "terminated");
    TransactionRow {
        id: id(number),
        log,
        definition: name(if number.is_multiple_of(2) { "order" } else { "refund" }),
        version: 1 + number % 2,
        definition_digest: Digest::of(b"definition"),
        status,
        principal: principal(number % 3),
        started_at: time(number),
        ended_at: ended.then(|| time(number + 100)),
        wake_at: (!ended).then(|| time(number + 10)),
        input_seq: 0,
        output_seq: ended.then_some(2),
        kept: if status == "waiting" { vec![2, 3] } else { Vec::new() },
        body: Sealed::plain(b"{\"v\":1}".to_vec()),
        business_key: number.is_multiple_of(3).then(|| format!("key {}\0", number % 4)),
        parent: number.is_multiple_of(5).then(|| id(number % 2)),
        settings: number.is_multiple_of(2).then_some(1 + number % 3),
    }
}

/// The labels of a transaction; every fourth has none.
pub(crate) fn labels(log: LogId, number: u32) -> Vec<LabelRow> {
    let label = |name: &str, value: &str| LabelRow {
        log,
        name: name.to_owned(),
        value: value.to_owned(),
        transaction: id(number),
    };
    let region = label("region", if number.is_multiple_of(2) { "eu" } else { "us, \"east\"" });
    match number % 4 {
        0 => Vec::new(),
        1 => vec![region],
        2 => vec![label("channel", "\0"), region],
        _ => vec![label("channel", "web"), region],
    }
}

/// The events of a batch: its odd entries emitted one each.
pub(crate) fn events(log: LogId, entries: &[EntryRow]) -> Vec<EventRow> {
    let event = |entry: &EntryRow| EventRow {
        log,
        seq: entry.seq,
        event_type: ["order.paid", "order.shipped", "parcel.shipped"][usize::try_from(entry.seq % 3).unwrap()]
            .to_owned(),
        subject: entry.seq.is_multiple_of(5).then(|| format!("order {}\0", entry.seq % 2)),
    };
    entries.iter().filter(|entry| !entry.seq.is_multiple_of(2)).map(event).collect()
}

/// A request of a transaction: every third has no role, and those of odd numbers are decided.
pub(crate) fn request(log: LogId, transaction: u32, number: u32) -> RequestRow {
    let statuses = [RequestStatus::Open, RequestStatus::Approved, RequestStatus::Acknowledged, RequestStatus::Expired];
    let status = statuses[usize::try_from(number % 4).unwrap()];
    RequestRow {
        id: RequestId::of(time(0), id(transaction), number.into()),
        log,
        transaction: id(transaction),
        step: number % 3,
        clone: number % 2,
        status,
        kind: if number.is_multiple_of(5) { RequestKind::Escalation } else { RequestKind::Approval },
        role: (!number.is_multiple_of(3)).then(|| name(if number.is_multiple_of(2) { "finance" } else { "legal" })),
        opened_at: time(number),
        // Some are due at the same time.
        due_at: time(1_000 - number / 2),
        decided_at: (!status.is_open()).then(|| time(number + 5)),
        body: Sealed::plain(format!("{{\"number\":{number}}}").into_bytes()),
    }
}

/// Events that are called so, about this.
pub(crate) fn event_search(types: Option<&str>, subject: Option<&str>) -> EventSearch {
    EventSearch { types: types.map(|types| types.parse().unwrap()), subject: subject.map(str::to_owned) }
}

/// A search for what happened at [`time`]s.
pub(crate) fn search(text: &str) -> Search {
    Search::parse(text, time(10_000)).unwrap()
}

/// As far as a test needs.
pub(crate) fn reach(before: Option<TransactionId>, limit: usize) -> Reach {
    Reach { before, limit, looks: 1_000 }
}

pub(crate) fn step(number: u32, step: u32, status: &'static str) -> StepRow {
    StepRow {
        transaction: id(number),
        step,
        clone: step / 2,
        status,
        attempt: 1,
        wake_at: (status == "dispatched").then(|| time(number)),
        output_seq: (status == "completed").then_some(1),
        undo_seq: status.starts_with("undo").then_some(2),
        intent_seq: (status == "completed").then_some(0),
        body: Sealed::plain(b"{}".to_vec()),
    }
}

pub(crate) fn key(scope: KeyScope, number: u8, transaction: u32) -> KeyRow {
    let request = match scope {
        KeyScope::Start | KeyScope::Fork => [number; 32],
        KeyScope::Business => [0; 32],
    };
    KeyRow { scope, slot: u16::from(number) * 16, key: [number; 32], request, transaction: id(transaction) }
}

pub(crate) fn principal_row(number: u32, body: &str) -> PrincipalRow {
    PrincipalRow { id: principal(number), body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn credential(number: u32, revoked: bool) -> CredentialRow {
    CredentialRow {
        id: key_id(number),
        principal: principal(number),
        hash: Digest::of(&number.to_be_bytes()),
        issued_at: time(number),
        expires_at: number.is_multiple_of(2).then(|| time(number + 1000)),
        revoked_at: revoked.then(|| time(number + 500)),
    }
}

pub(crate) fn target(number: u32, body: &str) -> TargetRow {
    let target = format!("https://a{number}.example").parse().unwrap();
    TargetRow { target, body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn queue(number: u32, body: &str) -> QueueRow {
    QueueRow { queue: name(&format!("w{number}")), body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn settings(version: u32) -> SettingsRow {
    let source: Arc<[u8]> = format!("{{\"VERSION\":{version}}}").into_bytes().into();
    SettingsRow { version, changed_at: time(version), changed_by: principal(version), source }
}

pub(crate) fn maintenance(body: &str) -> MaintenanceRow {
    MaintenanceRow { body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn notifier(number: u32, body: &str) -> NotifierRow {
    let secret = number.is_multiple_of(2).then(|| Secret::new(format!("hunter{body}")));
    NotifierRow { name: name(&format!("n{number}")), body: Sealed::plain(body.as_bytes().to_vec()), secret }
}

pub(crate) fn over(number: u32, body: &str) -> OverrideRow {
    let id = OverrideId::draw(time(number), &mut entropy(number));
    OverrideRow { id, body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn stop(number: u32, body: &str) -> StopRow {
    let id = StopId::draw(time(number), &mut entropy(number));
    StopRow { id, body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn budget(number: u32, body: &str) -> BudgetRow {
    BudgetRow { name: name(&format!("b{number}")), body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn account(number: u32, body: &str) -> AccountRow {
    let account = format!("budget/b{number}/usr_{number}");
    AccountRow { account, body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn evidence(number: u32, body: &str) -> EvidenceRow {
    let id = EvidenceId::draw(time(number), &mut entropy(number));
    EvidenceRow { id, body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn content(number: u32, body: &str) -> EvidenceContentRow {
    EvidenceContentRow { id: evidence(number, "").id, body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn schedule(number: u32, body: &str) -> ScheduleRow {
    ScheduleRow { name: name(&format!("s{number}")), body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn trust(body: &str) -> TrustRow {
    TrustRow { body: Sealed::plain(body.as_bytes().to_vec()) }
}

pub(crate) fn retention(body: &str) -> RetentionRow {
    RetentionRow { body: Sealed::plain(body.as_bytes().to_vec()) }
}

/// Of one target if the number is even.
pub(crate) fn signing_secret(number: u32) -> SigningSecretRow {
    let target = number.is_multiple_of(2).then(|| target(number, "").target);
    let id = SigningSecretId::draw(time(number), &mut entropy(number));
    let secret = webhook::SigningSecret::draw(&mut entropy(number));
    SigningSecretRow { id, target, secret, issued_at: time(number) }
}

pub(crate) fn definition(text: &str, version: u32) -> DefinitionRow {
    let source: Arc<[u8]> = format!("{{\"name\":\"{text}\",\"version\":{version}}}").into_bytes().into();
    DefinitionRow { name: name(text), version, digest: Digest::of(&source), registered_at: time(version), source }
}

pub(crate) fn bundle(text: &str, version: u32) -> BundleRow {
    let source: Arc<[u8]> = format!("{{\"bundle\":\"{text}\",\"version\":{version}}}").into_bytes().into();
    BundleRow {
        name: name(text),
        version,
        digest: Digest::of(&source),
        pushed_at: time(version),
        pushed_by: principal(version),
        signatures: "".into(),
        source,
    }
}

/// A batch with an entry for each of its transaction's numbers.
pub(crate) fn batch_of(log: &LogRow, number: u32, from: u64, count: u64) -> Batch {
    let entry = |index| entry(log.size + index, Some((id(number), from + index)));
    Batch { entries: (0..count).map(entry).collect(), ..Batch::after(log) }
}

pub(crate) async fn log(store: &dyn Store, tenant: &str, shard: u16) -> LogRow {
    let logs = store.logs().await.unwrap();
    logs.into_iter().find(|log| log.tenant.as_str() == tenant && log.shard == shard).unwrap()
}

/// Makes the tenant `system` and owns its log.
pub(crate) async fn system(store: &dyn Store) -> LogRow {
    let log = store.bootstrap(tenant_row("system", 1), origins("system", 1).remove(0)).await.unwrap();
    store.own(log.id, "node-1").await.unwrap()
}

/// Makes tenants with this many shards beside `system`, and owns all their logs.
pub(crate) async fn tenants(store: &dyn Store, tenants: &[(&str, u16)]) {
    let log = system(store).await;
    let rows =
        tenants.iter().map(|(name, shards)| ControlRow::Tenant(tenant_row(name, *shards), origins(name, *shards)));
    store.commit(Batch { control: rows.collect(), ..Batch::after(&log) }).await.unwrap();
    for log in store.logs().await.unwrap().into_iter().filter(|log| log.epoch == 0) {
        store.own(log.id, "node-1").await.unwrap();
    }
}

/// Statements that fill a store as it was before transactions could be searched.
pub(crate) fn in_older_store(id_of: impl Fn(TransactionId) -> String, bytes: impl Fn(&str) -> String) -> String {
    let mut statements = vec![format!(
        "INSERT INTO tenants VALUES ('system', 1, {}, 0); \
             INSERT INTO logs VALUES (1, 'system', 0, 1, 'test/system/0/1', 1, 0, 0, '')",
        bytes("0123456789abcdef0123456789abcdef")
    )];
    let bodies =
        [r#"{"business_key":"order \"7\"","labels":{"region":"eu, \u00e9","shop":"north"},"v":1}"#, r#"{"v":1}"#];
    for (number, body) in (1..).zip(bodies) {
        statements.push(format!(
            "INSERT INTO transactions VALUES ({}, 1, 'order', 1, {}, 'running', '{}', {}, NULL, NULL, 0, NULL, 'none', \
             {}, {})",
            id_of(id(number)),
            bytes("0123456789abcdef0123456789abcdef"),
            principal(1),
            time(number).as_micros(),
            bytes(""),
            bytes(body),
        ));
    }
    statements.join("; ")
}

/// Looks for what [`in_older_store`] put there.
pub(crate) async fn found_after_migrating(store: &dyn Store) {
    for (text, expected) in [
        ("key:\"order \\\"7\\\"\"", vec![id(1)]),
        ("label.region:\"eu, \u{e9}\" label.shop:north", vec![id(1)]),
        ("-key:other", vec![id(2), id(1)]),
        ("-label.shop:north", vec![id(2)]),
    ] {
        let found = store.transactions(&grant("system"), search(text), reach(None, 9)).await.unwrap();
        assert_eq!(found.rows.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{text}");
        assert_eq!(found.rows.last().unwrap().business_key.is_some(), expected.contains(&id(1)), "{text}");
    }
}
