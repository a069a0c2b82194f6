//! What only the store in PostgreSQL meets: poolers, TLS, lost connections, late statements, a server's crash.

use crate::dump::dump;
use crate::fixture::*;
use crate::proxy::{ALL, Proxy};
use crate::server::{PASSWORD, Server, USER, free_port, hand_over, unprivileged, wait_until_open};
use crate::subject::{block_on, migrated, postgres_options};
use chancery_base::{Kind, Secret, TransactionId, digest};
use chancery_shard::row::*;
use chancery_shard::{Batch, CommitError};
use chancery_store::postgres::{OpenError, Options, PostgresStore};
use chancery_store::{Store, migration, postgres};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A store through a proxy, with one connection at a time.
async fn behind(proxy: &Proxy, database: &str) -> PostgresStore {
    let options = Options { connections: 1, ..postgres_options(&Server::url_at(proxy.port(), database)) };
    PostgresStore::open(&options).await.unwrap()
}

/// A database with a tenant whose log is owned.
fn prepared(server: &Server) -> (String, PostgresStore) {
    let database = server.database("template0");
    let store = migrated(&postgres_options(&server.url(&database)));
    block_on(system(&store));
    (database, store)
}

#[test]
fn a_commit_cut_anywhere_is_whole_or_nothing() {
    let server = Server::shared();
    let (database, direct) = prepared(&server);
    block_on(async {
        let proxy = Proxy::start(server.port()).await;
        let store = behind(&proxy, &database).await;
        let mut log = log(&direct, "system", 0).await;
        proxy.pass(ALL, ALL);
        store.commit(batch_of(&log, 1, 0, 3)).await.unwrap();
        let whole = proxy.passed_up();
        assert!(whole > 500, "{whole}");
        let (mut unknown, mut written) = (0, 0);
        // The request cut short, the answer cut short, and neither.
        let ups = (0..=8).map(|part| (whole * part / 8 - i64::from(part == 8), ALL));
        let downs = [0, 1, 5, 20, 40].map(|down| (ALL, down));
        for (up, down) in ups.chain(downs).chain([(ALL, ALL)]) {
            log = store.own(log.id, "node").await.unwrap();
            let transaction = u32::try_from(log.epoch).unwrap();
            let batch = Batch {
                transactions: vec![self::transaction(log.id, transaction, "running")],
                ..batch_of(&log, transaction, 0, 2)
            };
            // A connection that is open, so that the cut meets the batch and not the handshake.
            store.logs().await.unwrap();
            proxy.pass(up, down);
            let answer = store.commit(batch).await;
            proxy.pass(ALL, ALL);
            let now = store.own(log.id, "node").await.unwrap();
            let is_there = store.transaction(&grant("system"), id(transaction)).await.unwrap().is_some();
            assert_eq!(is_there, now.size == log.size + 2, "{up} {down}");
            assert!(is_there || now.size == log.size, "{up} {down}");
            match answer {
                Ok(()) => assert!(is_there, "{up} {down}"),
                Err(CommitError::Unknown(_)) => {
                    unknown += 1;
                    written += u32::from(is_there);
                    assert!(down < ALL || !is_there, "{up} {down}");
                }
                Err(CommitError::Failed(error)) => assert!(!is_there, "{up} {down}: {error}"),
                Err(other) => panic!("{up} {down}: {other}"),
            }
            log = now;
        }
        assert!(unknown >= 10 && written >= 3, "{unknown} unknown, {written} of them written");
    });
}

#[test]
fn a_server_that_cannot_be_reached_fails_and_is_not_unknown() {
    let server = Server::shared();
    let (database, direct) = prepared(&server);
    block_on(async {
        let proxy = Proxy::start(server.port()).await;
        let options = Options { connections: 1, ..postgres_options(&Server::url_at(proxy.port(), &database)) };
        let store = PostgresStore::open(&options).await.unwrap();
        let log = log(&direct, "system", 0).await;
        // Kills the open connection, and lets no new one come about.
        proxy.pass(0, 0);
        store.logs().await.unwrap_err();
        let Err(CommitError::Failed(error)) = store.commit(batch_of(&log, 1, 0, 1)).await else { panic!() };
        assert_eq!(error.kind, Kind::Busy, "{error}");
        assert!(!error.to_string().contains(PASSWORD), "{error}");
        proxy.pass(ALL, ALL);
        store.commit(batch_of(&log, 1, 0, 1)).await.unwrap();
    });
}

/// A session that holds the lock of a log's row.
async fn lock(server: &Server, database: &str, log: LogId) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&server.url(database), tokio_postgres::NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "it ends with its client")]
    tokio::task::spawn(connection);
    client.batch_execute(&format!("BEGIN; SELECT 1 FROM logs WHERE id = {} FOR UPDATE", log.0)).await.unwrap();
    client
}

/// Waits until this many statements wait for a lock.
async fn wait_for_waiters(server: &Server, database: &str, count: usize) {
    let query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    for _ in 0..600 {
        if server.psql(database, query).unwrap() == count.to_string() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there never were {count} statements that wait");
}

#[test]
fn an_orphan_that_lands_before_the_new_epoch_is_seen() {
    let server = Server::shared();
    let (database, direct) = prepared(&server);
    block_on(async {
        let log = log(&direct, "system", 0).await;
        let holder = lock(&server, &database, log.id).await;
        let options = Options { statement: Duration::from_millis(300), ..postgres_options(&server.url(&database)) };
        let hasty = PostgresStore::open(&options).await.unwrap();
        let answer = hasty.commit(batch_of(&log, 1, 0, 4)).await;
        assert!(matches!(answer, Err(CommitError::Unknown(_))), "{answer:?}");
        // The orphan waits for the lock still, and the next owner waits behind it.
        wait_for_waiters(&server, &database, 1).await;
        let own = async {
            let own = direct.own(log.id, "node-2");
            let release = async {
                wait_for_waiters(&server, &database, 2).await;
                holder.batch_execute("COMMIT").await.unwrap();
            };
            tokio::join!(own, release).0.unwrap()
        };
        let owned = own.await;
        assert_eq!((owned.epoch, owned.size), (log.epoch + 1, 4));
        assert_eq!(direct.entries(log.id, 0, 9, true).await.unwrap().len(), 4);
    });
}

#[test]
fn an_orphan_that_lands_after_the_new_epoch_is_shut_out() {
    let server = Server::shared();
    let (database, direct) = prepared(&server);
    block_on(async {
        let log = log(&direct, "system", 0).await;
        let holder = lock(&server, &database, log.id).await;
        let orphan = async {
            wait_for_waiters(&server, &database, 1).await;
            let commit = direct.commit(batch_of(&log, 1, 0, 4));
            let release = async {
                wait_for_waiters(&server, &database, 2).await;
                holder.batch_execute("COMMIT").await.unwrap();
            };
            tokio::join!(commit, release).0
        };
        let (owned, orphan) = tokio::join!(direct.own(log.id, "node-2"), orphan);
        let owned = owned.unwrap();
        assert_eq!((owned.epoch, owned.size), (log.epoch + 1, 0));
        assert_eq!(orphan, Err(CommitError::Fenced { log: log.id, epoch: owned.epoch, size: 0 }));
        assert_eq!(direct.entries(log.id, 0, 9, true).await.unwrap(), []);
    });
}

#[test]
fn a_stale_owner_that_wakes_writes_nothing() {
    let server = Server::shared();
    let (database, stale) = prepared(&server);
    block_on(async {
        let before = log(&stale, "system", 0).await;
        let other = PostgresStore::open(&postgres_options(&server.url(&database))).await.unwrap();
        let owned = other.own(before.id, "node-2").await.unwrap();
        other.commit(batch_of(&owned, 2, 0, 2)).await.unwrap();
        let dumped = || dump(&PostgresStore::open_read_only(&postgres_options(&server.url(&database))).unwrap());
        let expected = dumped();
        let fenced = Err(CommitError::Fenced { log: before.id, epoch: owned.epoch, size: 2 });
        let written = Batch {
            transactions: vec![transaction(before.id, 1, "running")],
            steps: vec![step(1, 0, "ready")],
            keys: vec![key(KeyScope::Start, 1, 1), key(KeyScope::Business, 2, 1)],
            control: vec![
                ControlRow::Principal(principal_row(1, "{}")),
                ControlRow::Definition(definition("order", 1)),
            ],
            raises_control_epoch: 1,
            ..batch_of(&before, 1, 0, 3)
        };
        assert_eq!(stale.commit(written).await, fenced);
        assert_eq!(stale.commit(Batch::after(&before)).await, fenced);
        assert_eq!(dumped(), expected);
    });
}

#[test]
fn what_was_acknowledged_survives_a_crash_of_the_server() {
    let server = Server::start(&[]);
    let database = server.database("template0");
    // A server that syncs: the check of its settings passes.
    let options = Options { durable: true, ..postgres_options(&server.url(&database)) };
    let store = migrated(&options);
    block_on(async {
        let mut log = system(&store).await;
        for round in 0..3_u32 {
            for n in 0..20 {
                store.commit(batch_of(&log, 1 + round, n, 1)).await.unwrap();
                log.size += 1;
            }
            server.restart_immediately();
            let owned = loop {
                // Connections of before the crash are found to be lost as they are used.
                match store.own(log.id, "node").await {
                    Ok(owned) => break owned,
                    Err(error) => assert_eq!(error.kind, Kind::Busy, "{error}"),
                }
            };
            assert_eq!(owned.size, log.size);
            log = owned;
            while let Err(error) = store.logs().await {
                assert_eq!(error.kind, Kind::Busy, "{error}");
            }
        }
        assert_eq!(store.entries(log.id, 0, 99, true).await.unwrap().len(), 60);
    });
}

#[test]
fn a_server_that_does_not_sync_is_refused() {
    let server = Server::shared();
    let options = postgres_options(&server.url("postgres"));
    let error = block_on(PostgresStore::open(&Options { durable: true, ..options })).unwrap_err();
    assert!(matches!(error, OpenError::NotDurable { setting: "fsync" }), "{error}");
    assert_eq!(error.kind(), Kind::Invalid);
}

#[test]
fn migrations_are_applied_once_and_newer_ones_refused() {
    let server = Server::shared();
    let database = server.database("template0");
    let options = postgres_options(&server.url(&database));
    block_on(async {
        let error = PostgresStore::open(&options).await.unwrap_err();
        assert!(matches!(error, OpenError::Pending(9)), "{error}");
        let schema = || {
            let names = ["schema", "transactions", "stops", "requests", "bundle_trust", "budgets", "evidence"];
            let names = names.into_iter().chain(["overrides", "notifiers"]);
            let all: Vec<(i64, &str)> = (1..).zip(names).collect();
            all.into_iter().map(|(number, name)| (number, name.to_owned())).collect::<Vec<_>>()
        };
        let before = migration::State { applied: vec![], pending: schema() };
        assert_eq!(postgres::migration_state(&options).await.unwrap(), before);
        let after = migration::State { applied: schema(), pending: vec![] };
        // Two at once, as when two servers start.
        let (one, two) = tokio::join!(postgres::migrate(&options), postgres::migrate(&options));
        assert_eq!((one.unwrap(), two.unwrap()), (after.clone(), after.clone()));
        assert_eq!(postgres::migrate(&options).await.unwrap(), after);
        PostgresStore::open(&options).await.unwrap();
    });
    for (sql, says) in [
        ("UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1", "migration 1 (schema) is not the one"),
        (
            "INSERT INTO refinery_schema_history SELECT 99, 'later', applied_on, checksum FROM refinery_schema_history \
          WHERE version = 1; DELETE FROM refinery_schema_history WHERE version < 99",
            "version 99, this build knows versions up to 9",
        ),
    ] {
        server.psql(&database, sql).unwrap();
        let error = block_on(PostgresStore::open(&options)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.kind(), Kind::Invalid);
    }
}

#[test]
fn what_an_older_store_has_is_found_after_migrating() {
    let server = Server::shared();
    let database = server.database("template0");
    server.psql(&database, include_str!("../../migrations/postgres/V1__schema.sql")).unwrap();
    let hex = |text: &str| format!("'\\x{}'", digest::hex_encode(text.as_bytes()));
    let uuid = |id: TransactionId| format!("'{}'", digest::hex_encode(id.as_bytes()));
    server.psql(&database, &in_older_store(uuid, hex)).unwrap();
    let history = "CREATE TABLE refinery_schema_history \
         (version int4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255))";
    server.psql(&database, history).unwrap();
    let options = postgres_options(&server.url(&database));
    // As if the first migration had made the tables.
    let pristine = server.database("template0");
    drop(migrated(&postgres_options(&server.url(&pristine))));
    let checksum = server.psql(&pristine, "SELECT checksum FROM refinery_schema_history WHERE version = 1").unwrap();
    let applied = format!(
        "INSERT INTO refinery_schema_history VALUES (1, 'schema', '2026-11-21T00:00:00Z', '{}')",
        checksum.trim()
    );
    server.psql(&database, &applied).unwrap();
    let store = migrated(&options);
    block_on(found_after_migrating(&store));
}

/// `PgBouncer`, stopped when it is dropped.
#[derive(Debug)]
struct Bouncer {
    child: Child,
    port: u16,
}

impl Bouncer {
    /// In transaction mode, with two connections to a database.
    fn start(server: &Server) -> Self {
        let (port, dir) = (free_port(), server.dir());
        let (ini, users, log) = (dir.join("bouncer.ini"), dir.join("users.txt"), dir.join("bouncer.log"));
        std::fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n")).unwrap();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 2\nlogfile = {}\n",
            server.port(),
            users.display(),
            log.display(),
        );
        std::fs::write(&ini, text).unwrap();
        for file in [&ini, &users] {
            hand_over(file);
        }
        let mut command = unprivileged(Path::new("/usr/sbin/pgbouncer"));
        command.arg("-q").arg(&ini).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let bouncer = Self { child: command.spawn().unwrap(), port };
        wait_until_open(port, &log);
        bouncer
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn everything_goes_through_pgbouncer_in_transaction_mode() {
    let server = Server::shared();
    let bouncer = Bouncer::start(&server);
    let database = server.database("template0");
    let options = postgres_options(&Server::url_at(bouncer.port, &database));
    // More clients than the pooler has connections, so that each statement may come to another.
    let stores = [migrated(&options), migrated(&options)];
    block_on(async {
        tenants(&stores[0], &[("acme", 2)]).await;
        let work = async |shard: u16| {
            let store = &stores[usize::from(shard)];
            let mut log = log(store, "acme", shard).await;
            for round in 0..40_u32 {
                let number = 1 + round * 2 + u32::from(shard);
                let written = Batch {
                    transactions: vec![transaction(log.id, number, "running")],
                    steps: vec![step(number, 0, "ready")],
                    keys: vec![key(KeyScope::Start, u8::try_from(number).unwrap(), number)],
                    ..batch_of(&log, number, 0, 3)
                };
                store.commit(written).await.unwrap();
                log.size += 3;
                let loaded = store.load(log.id, vec![id(number)], vec![]).await.unwrap();
                assert_eq!(loaded.transactions[0].steps, [step(number, 0, "ready")]);
                store.control(log.id).await.unwrap();
            }
            log.size
        };
        assert_eq!(tokio::join!(work(0), work(1)), (120, 120));
    });
    let through = dump(&PostgresStore::open_read_only(&options).unwrap());
    let direct = dump(&PostgresStore::open_read_only(&postgres_options(&server.url(&database))).unwrap());
    assert_eq!(through.transactions.len(), 80);
    assert_eq!(through, direct);
}

#[test]
fn tls_is_checked_as_the_url_says() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = |name: &str, address: &str| {
        let (cert, key) = (dir.path().join(format!("{name}.crt")), dir.path().join(format!("{name}.key")));
        let status = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"])
            .args(["-subj", "/CN=test", "-addext", &format!("subjectAltName={address}")])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        (cert, key)
    };
    let (cert, key) = certificate("server", "DNS:elsewhere.example");
    let (other, _) = certificate("other", "IP:127.0.0.1");
    let server =
        Server::start_with(&["ssl=on", "ssl_cert_file='server.crt'", "ssl_key_file='server.key'"], &[&cert, &key]);
    for (query, works) in [
        ("sslmode=disable".to_owned(), true),
        ("sslmode=require".to_owned(), true),
        (format!("sslmode=verify-ca&sslrootcert={}", cert.display()), true),
        (format!("sslmode=verify-ca&sslrootcert={}", other.display()), false),
        (format!("sslmode=verify-full&sslrootcert={}", cert.display()), false),
    ] {
        let options = Options::new(Secret::new(format!("{}?{query}", server.url("postgres"))));
        let state = block_on(postgres::migration_state(&options));
        assert_eq!(state.is_ok(), works, "{query}: {state:?}");
        if let Err(error) = state {
            assert!(!format!("{error:?} {error}").contains(PASSWORD), "{error:?}");
        }
    }
    let used = server.psql("postgres", "SHOW ssl").unwrap();
    assert_eq!(used, "on");
}
