//! A log that a server wrote and serves, verified by code that is not ours: Go's `sumdb/tlog` and `note`.
//!
//! It gets what anyone gets who may read the log: its address, a key to ask with and the verifier key.
//! `scripts/go-verifier.sh` builds it; where it cannot, these tests fail.

use crate::house::House;
use chancery_ledger::tile::TILE_WIDTH;
use chancery_ledger::{Resource, TreeSize};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Orders that are begun before any of them is worked on.
const BATCH: usize = 20;

/// The verifier and what it is given each time.
#[derive(Clone)]
struct Go {
    binary: PathBuf,
    /// The public key of the log, as the server gives it.
    key: String,
    /// What it shows the server.
    authorization: String,
}

impl Go {
    async fn new(house: &House) -> Self {
        let answer = house.get("/v1/ledger/key", &house.owner).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let binary = tokio::task::spawn_blocking(build).await.unwrap();
        let authorization = format!("Bearer {}", house.owner);
        Self { binary, key: answer.text().trim().to_owned(), authorization }
    }

    /// The verifier's one line, or what it says is wrong.
    async fn verify(&self, base: impl Into<OsString>, old: &Path) -> Result<String, String> {
        let mut command = Command::new(&self.binary);
        command.args(["-key", &self.key, "-old"]).arg(old).arg(base.into());
        command.env("LOGVERIFY_AUTHORIZATION", &self.authorization);
        // The server answers on this thread meanwhile.
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        match output.status.code() {
            Some(0) => Ok(String::from_utf8(output.stdout).unwrap()),
            Some(1) => Err(String::from_utf8(output.stderr).unwrap()),
            _ => panic!("the verifier ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
        }
    }
}

/// Builds the verifier, unless it is there already, and gives its path.
fn build() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/go-verifier.sh");
    let output = Command::new(&script).output().unwrap();
    assert!(output.status.success(), "no Go verifier: {}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Starts orders, does their steps as a worker and waits for their ends.
async fn orders(house: &House) {
    let mut started = Vec::new();
    for _ in 0..BATCH {
        started.push(house.order(&house.owner).await);
    }
    let mut done: Vec<Value> = Vec::new();
    let mut recorded = 0;
    while recorded < BATCH {
        let body = json!({
            "worker": "w1", "queues": [{ "name": "reserve", "want": BATCH }], "wait": "1s", "done": done,
        });
        let answer = house.post("/v1/workers/exchange", &house.owner, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let acks: Vec<&Value> = answer["acks"].as_array().into_iter().flatten().map(|ack| &ack["ack"]).collect();
        assert_eq!(acks, vec![&json!("recorded"); done.len()]);
        recorded += acks.len();
        let tasks = answer["tasks"].as_array().into_iter().flatten();
        done = tasks.map(|task| json!({ "task": task["task"], "output": { "id": 7 } })).collect();
    }
    for id in started {
        let result = house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json();
        assert_eq!(result["status"], json!("completed"), "{result}");
    }
}

/// Runs orders until the log has more than `entries`; gives a checkpoint that covers them all, as served.
async fn grow(house: &House, entries: u64) -> String {
    let mut before = house.log_size().await;
    while before <= entries {
        orders(house).await;
        let size = house.log_size().await;
        assert!(size > before, "orders are in the log");
        before = size;
    }
    let path = house.log().await + "/checkpoint";
    for _ in 0..1_000 {
        let answer = house.get(&path, &house.owner).await;
        if answer.status == 200 && size(answer.text()) == house.log_size().await {
            return answer.text().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no checkpoint covers the whole log");
}

/// How many entries a checkpoint covers.
fn size(checkpoint: &str) -> u64 {
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

/// Writes a file below a folder and gives its path.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// Fetches all that the server serves of the log under a checkpoint; gives the files' names below the folder.
async fn fetch(house: &House, checkpoint: &str, folder: &Path) -> Vec<String> {
    let log = house.log().await;
    let mut names = vec![Resource::Checkpoint.to_string()];
    write(folder, &names[0], checkpoint.as_bytes());
    for resource in Resource::all(TreeSize(size(checkpoint))) {
        let name = resource.to_string();
        let answer = house.get(&format!("{log}/{name}"), &house.owner).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        write(folder, &name, &answer.body);
        names.push(name);
    }
    names
}

#[tokio::test]
async fn go_verifies_what_the_server_wrote_and_serves() {
    let house = House::new().await;
    house.shop().await;
    let go = Go::new(&house).await;
    let folder = TempDir::new().unwrap();
    let mut earlier = Vec::new();
    for entries in [10, 260, 400] {
        earlier.push(grow(&house, entries).await);
    }
    let width = u64::from(TILE_WIDTH);
    let newest = size(&grow(&house, 2 * width).await);
    let log = house.log().await;
    let base = format!("http://{}{log}", house.addr);
    let origin = log.replacen("/tlog", "test.example", 1);
    let old = folder.path().join("old");
    for checkpoint in &earlier {
        let covered = size(checkpoint);
        assert!(covered < newest, "{covered} of {newest}");
        fs::write(&old, checkpoint).unwrap();
        let expected =
            format!("ok: {origin}, {newest} entries included, consistent with the checkpoint of {covered}\n");
        assert_eq!(go.verify(&base, &old).await, Ok(expected));
    }

    // It did read that from the server, which shows it only to those who may read it.
    let stranger = Go { authorization: "Bearer x".to_owned(), ..go.clone() };
    let refusal = stranger.verify(&base, &old).await.unwrap_err();
    assert!(refusal.contains("401"), "{refusal}");
    // To another tenant, there is no such log.
    let other = house.tenant("other").await;
    let auditor = Go { authorization: format!("Bearer {other}"), ..go };
    let refusal = auditor.verify(&base, &old).await.unwrap_err();
    assert!(refusal.contains("404"), "{refusal}");
}

#[tokio::test]
async fn go_refuses_what_the_server_served_with_one_bit_flipped() {
    let house = House::new().await;
    house.shop().await;
    let go = Go::new(&house).await;
    let folder = TempDir::new().unwrap();
    let old = write(folder.path(), "old", grow(&house, 10).await.as_bytes());
    let checkpoint = grow(&house, u64::from(TILE_WIDTH)).await;
    let mut names = fetch(&house, &checkpoint, folder.path()).await;
    for sample in ["checkpoint", "tile/entries/000", "tile/0/000"] {
        assert!(names.iter().any(|name| name == sample), "{sample} is not in {names:?}");
    }
    names.push("old".to_owned());
    go.verify(folder.path(), &old).await.unwrap();
    for name in names {
        let file = folder.path().join(&name);
        let sound = fs::read(&file).unwrap();
        for (at, bit) in [(2, 0), (sound.len() / 2, 3), (sound.len() - 2, 0)] {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&file, bytes).unwrap();
            let said = go.verify(folder.path(), &old).await.expect_err(&format!("bit {bit} of byte {at} of {name}"));
            assert!(!said.contains("no such file"), "{name}: {said}");
        }
        fs::write(&file, sound).unwrap();
    }
    // Nothing but the flipped bits was wrong.
    go.verify(folder.path(), &old).await.unwrap();
}
