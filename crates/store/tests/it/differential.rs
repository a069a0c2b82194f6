//! Random calls to SQLite, to PostgreSQL and to the memory store: the same answers, and in the end the same rows.

use crate::fixture::*;
use crate::server::Server;
use crate::subject::{Subject, block_on};
use chancery_base::Kind;
use chancery_shard::row::*;
use chancery_shard::{Batch, CommitError, StoreError};
use chancery_store::{CheckpointRow, Durability, EventReach, Options, Reach, Store, TileRow};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

#[derive(Debug, Clone)]
enum Op {
    Commit(Box<Plan>),
    Own(u8),
    Checkpoint { log: u8, size: u8, tile: u8, epoch_off: bool },
    Read(u8, u8),
    Search { text: String, before: Option<u8>, limit: usize, looks: usize },
    Events { log: u8, types: Option<&'static str>, subject: Option<u8>, from: u8, limit: usize, looks: usize },
    EntriesAt { log: u8, numbers: Vec<u8> },
}

/// A batch, but for what depends on how its log is when its turn comes.
#[derive(Debug, Clone)]
struct Plan {
    log: u8,
    stale: u8,
    raises: bool,
    entries: Vec<Option<(u8, u8)>>,
    transactions: Vec<(u8, u8)>,
    steps: Vec<(u8, u8, u8)>,
    keys: Vec<(bool, u8, u8)>,
    control: Vec<(u8, u8)>,
    accounts: Vec<(u8, Option<u8>)>,
}

const STATUSES: [&str; 6] = ["running", "parked", "compensating", "completed", "failed", "waiting"];
const STEPS: [&str; 4] = ["ready", "dispatched", "completed", "undo_completed"];

fn plan() -> impl Strategy<Value = Plan> {
    use prop::collection::vec;
    // Mostly right, and few ids, so that most batches are written and many rows meet.
    let stale = prop_oneof![8 => Just(0_u8), 1 => 1..4_u8];
    let few = 0..12_u8;
    (
        (0..3_u8, stale, prop::bool::weighted(0.1), vec(prop::option::of((few.clone(), any::<u8>())), 0..4)),
        (vec((few.clone(), 0..6_u8), 0..3), vec((few.clone(), 0..4_u8, 0..4_u8), 0..4)),
        (
            vec((any::<bool>(), 0..60_u8, few), 0..3),
            vec((0..32_u8, 0..20_u8), 0..2),
            vec((0..4_u8, prop::option::of(0..9_u8)), 0..3),
        ),
    )
        .prop_map(|((log, stale, raises, entries), (transactions, steps), (keys, control, accounts))| Plan {
            log,
            stale,
            raises,
            entries,
            transactions,
            steps,
            keys,
            control,
            accounts,
        })
}

fn term() -> impl Strategy<Value = String> {
    let time = |number: u32| format!("{}", time(number));
    let number = || 0..12_u32;
    prop_oneof![
        prop::sample::subsequence(&STATUSES[..], 1..4).prop_map(|words| format!("status:{}", words.join(","))),
        prop_oneof![Just("definition:order"), Just("definition:refund,order"), Just("version:1"), Just("version:2,3")]
            .prop_map(str::to_owned),
        number().prop_map(|number| format!("principal:{}", principal(number % 3))),
        number().prop_map(|number| format!("key:\"key {}\0\",other", number % 4)),
        number().prop_map(|number| format!("parent:{}", id(number % 3))),
        prop_oneof![Just("label.region:eu"), Just("label.region:eu,\"us, \\\"east\\\"\""), Just("label.channel:web")]
            .prop_map(str::to_owned),
        prop::collection::vec(number(), 1..4)
            .prop_map(|numbers| numbers.iter().map(|number| format!("{}", id(*number))).collect::<Vec<_>>().join(","))
            .prop_map(|ids| format!("id:{ids}")),
        number().prop_map(move |number| format!("started<{}", time(number))),
        number().prop_map(move |number| format!("started>{}", time(number))),
        number().prop_map(move |number| format!("ended<{}", time(number + 100))),
        number().prop_map(move |number| format!("ended>{}", time(number + 100))),
    ]
}

fn searching() -> impl Strategy<Value = Op> {
    let term = (prop::bool::weighted(0.3), term()).prop_map(|(not, term)| if not { format!("-{term}") } else { term });
    let terms = prop::collection::vec(term, 0..4);
    (terms, prop::option::of(0..12_u8), 1..6_usize, 1..5_usize).prop_map(|(terms, before, limit, looks)| Op::Search {
        text: terms.join(" "),
        before,
        limit,
        looks,
    })
}

const PATTERNS: [&str; 6] = ["order.paid", "order.shipped", "order.*", "*.shipped", "**", "parcel.**"];

fn of_events() -> impl Strategy<Value = Op> {
    let types = prop::option::of(prop::sample::select(&PATTERNS[..]));
    let subject = prop::option::weighted(0.3, 0..2_u8);
    (0..3_u8, types, subject, 0..20_u8, 1..4_usize, 1..6_usize)
        .prop_map(|(log, types, subject, from, limit, looks)| Op::Events { log, types, subject, from, limit, looks })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => plan().prop_map(|plan| Op::Commit(Box::new(plan))),
        1 => (0..4_u8).prop_map(Op::Own),
        2 => (0..3_u8, 0..20_u8, 0..9_u8, prop::bool::weighted(0.2))
            .prop_map(|(log, size, tile, epoch_off)| Op::Checkpoint { log, size, tile, epoch_off }),
        3 => (0..3_u8, 0..12_u8).prop_map(|(log, id)| Op::Read(log, id)),
        4 => searching(),
        4 => of_events(),
        1 => (0..3_u8, prop::collection::vec(0..20_u8, 0..6))
            .prop_map(|(log, numbers)| Op::EntriesAt { log, numbers }),
    ]
}

fn control(tenant: &str, kind: u8, number: u8) -> ControlRow {
    let version = u32::from(number % 5);
    match kind {
        0 => ControlRow::Principal(principal_row(version, &number.to_string())),
        1 => ControlRow::Credential(credential(version, number.is_multiple_of(2))),
        2 => ControlRow::Definition(definition("order", version)),
        3 => ControlRow::Bundle(bundle("main", version)),
        4 => ControlRow::ActiveBundle(bundle("main", version).digest),
        5 => ControlRow::Target(target(version, &number.to_string())),
        6 => ControlRow::SigningSecret(signing_secret(u32::from(number))),
        // Not one that the same batch may have issued: no shard makes both at once.
        7 => ControlRow::SigningSecretGone(signing_secret(u32::from(number) + 100).id),
        8 => ControlRow::Queue(queue(version, &number.to_string())),
        // Nor one that the same batch may have set.
        9 => ControlRow::QueueGone(queue(version + 100, "").queue),
        10 => ControlRow::Maintenance(maintenance(&number.to_string())),
        11 => ControlRow::MaintenanceOver,
        12 => ControlRow::Schedule(schedule(version, &number.to_string())),
        13 => ControlRow::ScheduleGone(schedule(version, "").name),
        14 => ControlRow::Settings(settings(version)),
        15 => ControlRow::Retention(retention(&number.to_string())),
        16 => ControlRow::RetentionGone,
        17 => ControlRow::Stop(stop(version, &number.to_string())),
        // Nor one that the same batch may have set.
        18 => ControlRow::StopGone(stop(version + 100, "").id),
        19 => ControlRow::Trust(trust(&number.to_string())),
        20 => ControlRow::TrustGone,
        21 => ControlRow::BundleSigned(bundle("main", version).digest, number.to_string().into()),
        22 => ControlRow::Budget(budget(version, &number.to_string())),
        // Nor one that the same batch may have set.
        23 => ControlRow::BudgetGone(budget(version + 100, "").name),
        24 => ControlRow::ShadowBundle(number.is_multiple_of(2).then(|| bundle("main", version).digest)),
        // Content stays with what it is of: no shard adds the same twice.
        25 => ControlRow::Evidence(evidence(u32::from(number), "{}"), Some(content(u32::from(number), "content"))),
        26 => ControlRow::EvidenceGone(evidence(u32::from(number) + 100, "").id),
        27 => ControlRow::Override(over(version, &number.to_string())),
        // Nor one that the same batch may have written.
        28 => ControlRow::OverrideGone(over(version + 100, "").id),
        29 => ControlRow::Notifier(notifier(version, &number.to_string())),
        30 => ControlRow::NotifierGone(notifier(version, "").name),
        // On another log than the platform's it is refused.
        _ => {
            let name = format!("{tenant}-{}", number % 3);
            ControlRow::Tenant(tenant_row(&name, 1), origins(&name, 1))
        }
    }
}

impl Plan {
    fn batch(&self, log: &LogRow) -> Batch {
        let off = |which| u64::from(self.stale == which);
        let size = log.size + off(1);
        let entries = (size..).zip(&self.entries);
        // Numbers within a transaction are wild, so that some are there already.
        let number = |(transaction, n): &(u8, u8)| (id(u32::from(*transaction)), u64::from(n % 32));
        let entries: Vec<EntryRow> = entries.map(|(seq, numbers)| entry(seq, numbers.as_ref().map(number))).collect();
        Batch {
            events: events(log.id, &entries),
            epoch: log.epoch + off(2),
            size,
            control_epoch: log.control_epoch + off(3),
            raises_control_epoch: u64::from(self.raises) * 2,
            entries,
            transactions: self
                .transactions
                .iter()
                .map(|(number, status)| transaction(log.id, u32::from(*number), STATUSES[usize::from(*status)]))
                .collect(),
            labels: self.transactions.iter().flat_map(|(number, _)| labels(log.id, u32::from(*number))).collect(),
            steps: self
                .steps
                .iter()
                .map(|(number, index, status)| step(u32::from(*number), u32::from(*index), STEPS[usize::from(*status)]))
                .collect(),
            keys: self
                .keys
                .iter()
                .map(|(start, number, transaction)| {
                    let scope = if *start { KeyScope::Start } else { KeyScope::Business };
                    key(scope, *number, u32::from(*transaction))
                })
                .collect(),
            accounts: self
                .accounts
                .iter()
                .map(|(number, body)| {
                    (account(u32::from(*number), "").account, body.map(|body| account(0, &body.to_string()).body))
                })
                .collect(),
            control: self.control.iter().map(|(kind, number)| control(log.tenant.as_str(), *kind, *number)).collect(),
            ..Batch::after(log)
        }
    }
}

/// An answer without the words that each store chooses itself.
fn plain<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Result<String, Kind> {
    answer.map(|value| format!("{value:?}")).map_err(|error| error.kind)
}

fn plain_commit(answer: Result<(), CommitError>) -> Result<(), String> {
    answer.map_err(|error| match error {
        CommitError::Failed(error) => format!("failed: {:?}", error.kind),
        CommitError::Unknown(error) => format!("unknown: {error:?}"),
        CommitError::Fenced { .. } | CommitError::Control { .. } => format!("{error:?}"),
    })
}

async fn apply(store: &dyn Store, op: &Op) -> String {
    let logs = store.logs().await.unwrap();
    match op {
        Op::Commit(plan) => {
            let batch = plan.batch(&logs[usize::from(plan.log)]);
            format!("{:?}", plain_commit(store.commit(batch).await))
        }
        Op::Own(log) => format!("{:?}", plain(store.own(LogId(i64::from(*log)), "node").await)),
        Op::Checkpoint { log, size, tile, epoch_off } => {
            let log = &logs[usize::from(*log)];
            let epoch = log.epoch + u64::from(*epoch_off);
            let tiles = vec![TileRow {
                level: tile % 2,
                index: u64::from(tile % 3),
                hashes: vec![*tile; usize::from(*tile) * 32],
            }];
            let checkpoint = CheckpointRow { size: u64::from(*size), note: size.to_string() };
            let checkpoint = (!size.is_multiple_of(4)).then_some(checkpoint);
            format!("{:?}", plain(store.checkpoint_put(log.id, tiles, checkpoint, epoch).await))
        }
        Op::Read(log, number) => {
            let (log, id) = (&logs[usize::from(*log)], id(u32::from(*number)));
            let grant = grant(log.tenant.as_str());
            let loaded = plain(store.load(log.id, vec![id], vec![(KeyScope::Start, 16, [1; 32])]).await);
            let recovered = plain(store.recover(log.id, Some(id), 2).await);
            let asleep = plain(store.asleep(log.id, None, 4).await);
            let control = plain(store.control(log.id).await);
            let history = plain(store.history(&grant, id, 3, 4).await);
            let listed = plain(store.transactions(&grant, Default::default(), reach(Some(id), 3)).await);
            format!("{:?}", (loaded, recovered, asleep, control, history, listed))
        }
        Op::Search { text, before, limit, looks } => {
            let before = before.map(|number| id(u32::from(number)));
            let reach = Reach { before, limit: *limit, looks: *looks };
            let found = plain(store.transactions(&grant("acme"), search(text), reach).await);
            let counted = plain(store.transaction_count(&grant("acme"), search(text), reach).await);
            format!("{:?}", (found, counted))
        }
        Op::Events { log, types, subject, from, limit, looks } => {
            let subject = subject.map(|number| format!("order {number}\0"));
            let search = event_search(*types, subject.as_deref());
            let reach = EventReach { from: u64::from(*from), limit: *limit, looks: *looks };
            format!("{:?}", plain(store.events(logs[usize::from(*log)].id, search, reach).await))
        }
        Op::EntriesAt { log, numbers } => {
            let numbers = numbers.iter().map(|number| u64::from(*number)).collect();
            format!("{:?}", plain(store.entries_at(logs[usize::from(*log)].id, numbers).await))
        }
    }
}

#[test]
fn every_store_answers_the_same() {
    // Held, so that the cases share one.
    let _server = Server::shared();
    let config = ProptestConfig { cases: 64, ..ProptestConfig::default() };
    let ops = prop::collection::vec(op(), 1..40);
    TestRunner::new(config).run(&ops, |ops| compared(&ops)).unwrap();
}

fn compared(ops: &[Op]) -> Result<(), TestCaseError> {
    let sqlite = Subject::sqlite_with(&Options { durability: Durability::Off, ..Options::default() });
    let (postgres, sim) = (Subject::postgres(), Subject::sim());
    block_on(async {
        for subject in [&sqlite, &postgres, &sim] {
            tenants(subject.store(), &[("acme", 2)]).await;
        }
        for op in ops {
            let expected = apply(sim.store(), op).await;
            prop_assert_eq!(&apply(sqlite.store(), op).await, &expected, "SQLite: {:?}", op);
            prop_assert_eq!(&apply(postgres.store(), op).await, &expected, "PostgreSQL: {:?}", op);
        }
        Ok(())
    })?;
    let expected = sim.dump();
    prop_assert_eq!(&sqlite.dump(), &expected);
    prop_assert_eq!(&postgres.dump(), &expected);
    Ok(())
}
