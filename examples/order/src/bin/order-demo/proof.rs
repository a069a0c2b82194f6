//! Receipts while the server is up; their verification when it is not.

use crate::deviation::Deviation;
use crate::orders::Ended;
use crate::stage::{Sabotage, Stage};
use crate::{head, say};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Files that prove what happened.
#[derive(Debug)]
pub(crate) struct Proofs {
    receipts: Vec<(String, String)>,
    key: String,
}

/// Fetches the key and the receipts.
pub(crate) async fn fetch(stage: &Stage, orders: &[Ended]) -> Result<Proofs, Deviation> {
    head("Receipts");
    let key = stage.path("chancery.pub");
    write(&key, &stage.ok("owner", &["ledger", "key"]).await?.stdout)?;
    let mut receipts = Vec::new();
    for order in orders {
        let steps = order.proves.iter().map(|step| format!("{}/{step}", order.id));
        for entry in steps.chain([order.id.to_string()]) {
            let file = stage.path(&format!("{}.receipt", entry.replace('/', ".")));
            write(&file, &stage.ok("owner", &["receipt", &entry]).await?.stdout)?;
            receipts.push((entry, file));
        }
    }
    say(&format!("{} receipts fetched", receipts.len()));
    Ok(Proofs { receipts, key })
}

/// Verifies the receipts and the whole log, without a server.
pub(crate) async fn verify(stage: &Stage, proofs: &Proofs) -> Result<(), Deviation> {
    head("The server is stopped; what follows needs none");
    if stage.sabotage == Some(Sabotage::TamperReceipt) {
        tamper_receipt(proofs)?;
    }
    if stage.sabotage == Some(Sabotage::TamperLog) {
        let database = Path::new(&stage.path("data")).join("chancery.db");
        tamper_log(&database).map_err(|error| Deviation::Service(error.to_string()))?;
    }
    for (entry, file) in &proofs.receipts {
        stage.offline().ok(&["verify", "receipt", file, "--key", &proofs.key]).await?;
        say(&format!("verified  {entry}"));
    }
    let log = stage.offline().ok(&["verify", "log", "--data", &stage.path("data"), "--key", &proofs.key]).await?;
    say(log.text().trim_end());
    Ok(())
}

/// Flips one bit of a receipt, somewhere in its middle.
fn tamper_receipt(proofs: &Proofs) -> Result<(), Deviation> {
    let Some((_, file)) = proofs.receipts.first() else { return Ok(()) };
    let failed = |source| Deviation::System { doing: "read", path: PathBuf::from(file), source };
    let mut bytes = std::fs::read(file).map_err(failed)?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.iter_mut().skip(middle).find(|byte| byte.is_ascii_alphanumeric()) {
        *byte ^= 1;
    }
    write(file, &bytes)
}

/// Flips one bit of the last payload in the log.
fn tamper_log(database: &Path) -> Result<(), rusqlite::Error> {
    let db = Connection::open(database)?;
    let last = "SELECT position, payload FROM entries WHERE payload IS NOT NULL ORDER BY position DESC LIMIT 1";
    let (position, mut payload) =
        db.query_row(last, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    if let Some(byte) = payload.last_mut() {
        *byte ^= 1;
    }
    db.execute("UPDATE entries SET payload = ?2 WHERE position = ?1", rusqlite::params![position, payload])?;
    Ok(())
}

fn write(path: &str, bytes: &[u8]) -> Result<(), Deviation> {
    std::fs::write(path, bytes).map_err(|source| Deviation::System {
        doing: "write",
        path: PathBuf::from(path),
        source,
    })
}
