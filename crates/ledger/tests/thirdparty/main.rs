//! A log of ours, verified by code that is not: Go's `sumdb/tlog` and `note`.
//!
//! `scripts/go-verifier.sh` builds the verifier. Where it cannot (no network, no Python) the tests are reported as
//! ignored and say so, or, in CI, fail.

#[path = "../it/support.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it makes a sample; what fails there is a failed test"
)]
mod support;

use chancery_ledger::tile::{TILE_WIDTH, write_bundle};
use chancery_ledger::{Checkpoint, Resource};
use libtest_mimic::{Arguments, Failed, Trial};
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{fs, thread};
use support::{Log, signing_key};

/// Three levels would take 65,536 entries; two, both with partial tiles, are what a proof crosses.
const ENTRIES: u64 = 3_000;
const OLD: u64 = 1_117;

type Test = fn(&Path) -> Result<(), Failed>;

const TESTS: [(&str, Test); 4] = [
    ("go verifies a log", sound),
    ("go verifies a log over HTTP", over_http),
    ("go refuses a log with one flipped bit", flipped),
    ("go verifies logs of every awkward size", sizes),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let names = TESTS.map(|(name, _)| name);
    // Also when only asked for a list: whether a test is ignored is part of it.
    let trials = match build() {
        Ok(verifier) => TESTS.map(|(name, test)| {
            let verifier = verifier.clone();
            Trial::test(name, move || test(&verifier))
        }),
        Err(reason) => names.map(|name| unavailable(name, &reason)),
    };
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn build() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/go-verifier.sh");
    let output = Command::new(&script).output().map_err(|err| format!("{}: {err}", script.display()))?;
    if output.status.success() {
        return Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let messages = String::from_utf8_lossy(&output.stderr);
    Err(messages.lines().last().unwrap_or("it says nothing").to_owned())
}

#[expect(clippy::print_stderr, reason = "says why tests are ignored")]
fn unavailable(name: &str, reason: &str) -> Trial {
    let message = format!("no Go verifier: {reason}");
    if std::env::var_os("CI").is_some() {
        return Trial::test(name, move || Err(message.into()));
    }
    eprintln!("{message}");
    Trial::test(name, || Ok(())).with_kind(message).with_ignored_flag(true)
}

/// Writes what the log serves under its last checkpoint; gives the files' paths below the folder.
fn serve(log: &Log, folder: &Path) -> Result<Vec<String>, Failed> {
    let note = log.checkpoints.last().ok_or("no checkpoint")?;
    let size = Checkpoint::open(note, &log.keys())?.size;
    let mut paths = vec![Resource::Checkpoint.to_string()];
    write(folder, &Resource::Checkpoint, note.as_bytes())?;
    for resource in Resource::all(size) {
        let bytes = match resource {
            Resource::Tile { id, width } => log
                .tiles
                .get(&id)
                .and_then(|row| row.get(..usize::from(width) * 32))
                .ok_or("a tile is missing")?
                .to_vec(),
            Resource::Entries { index, width } => {
                let first = usize::try_from(index * u64::from(TILE_WIDTH))?;
                let entries = log.entries.iter().skip(first).take(usize::from(width));
                write_bundle(entries.map(|entry| entry.record.as_slice()))?
            }
            Resource::Checkpoint => return Err("it is written already".into()),
        };
        write(folder, &resource, &bytes)?;
        paths.push(resource.to_string());
    }
    Ok(paths)
}

fn write(folder: &Path, resource: &Resource, bytes: &[u8]) -> Result<(), Failed> {
    let path = folder.join(resource.to_string());
    fs::create_dir_all(path.parent().ok_or("no folder")?)?;
    Ok(fs::write(path, bytes)?)
}

/// The verifier's answer: its one line, or what it says is wrong.
fn verify(verifier: &Path, folder: &Path, key: &str, old: Option<&Path>) -> Result<String, Failed> {
    answer(Command::new(verifier).args(["-key", key]), folder.as_os_str(), old)
}

fn answer(command: &mut Command, base: &OsStr, old: Option<&Path>) -> Result<String, Failed> {
    if let Some(old) = old {
        command.arg("-old").arg(old);
    }
    let output = command.arg(base).output()?;
    match output.status.code() {
        Some(0) => Ok(String::from_utf8(output.stdout)?),
        Some(1) => Err(String::from_utf8(output.stderr)?.into()),
        _ => Err(format!("the verifier ended with {}", output.status).into()),
    }
}

fn sound(verifier: &Path) -> Result<(), Failed> {
    let (folder, log) = (tempfile::tempdir()?, Log::new(ENTRIES + 10, &[OLD, ENTRIES]));
    serve(&log, folder.path())?;
    let old = folder.path().join("old");
    fs::write(&old, log.checkpoints.first().ok_or("no checkpoint")?)?;
    let answer = verify(verifier, folder.path(), &log.key.verifier().to_string(), Some(&old))?;
    let expected = "ok: example.org/acme/0/0, 3000 entries included, consistent with the checkpoint of 1117\n";
    if answer != expected {
        return Err(answer.into());
    }
    // What is served and digested tells nothing of the payloads.
    let told = log.entries.iter().find(|entry| {
        let payload = entry.payload.as_ref().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        !payload.is_empty() && entry.record.windows(payload.len()).any(|part| part == payload)
    });
    told.map_or(Ok(()), |_| Err("a record has a payload in it".into()))
}

fn over_http(verifier: &Path) -> Result<(), Failed> {
    let (folder, log) = (tempfile::tempdir()?, Log::new(700, &[700]));
    serve(&log, folder.path())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base = OsString::from(format!("http://{}/log/", listener.local_addr()?));
    let root = folder.path().to_owned();
    // It serves until the process ends.
    thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| reply(&stream, &root)));
    let with = |authorization: &str| {
        let mut command = Command::new(verifier);
        command.args(["-key", &log.key.verifier().to_string()]).env("LOGVERIFY_AUTHORIZATION", authorization);
        answer(&mut command, &base, None)
    };
    with("Bearer one")?;
    match with("Bearer two") {
        Ok(_) => Err("it was verified without having been read".into()),
        Err(_) => Ok(()),
    }
}

/// Answers one request with a file, if it names one and is authorised.
fn reply(mut stream: &TcpStream, root: &Path) -> io::Result<()> {
    let head: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.strip_prefix("GET /log/")?.strip_suffix(" HTTP/1.1"));
    let file = path.filter(|_| head.iter().any(|line| line == "Authorization: Bearer one"));
    let (status, body) = match file.and_then(|path| fs::read(root.join(path)).ok()) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

fn sizes(verifier: &Path) -> Result<(), Failed> {
    for size in [1, 2, 255, 256, 257, 512, 700] {
        let (folder, log) = (tempfile::tempdir()?, Log::new(size, &[size]));
        serve(&log, folder.path())?;
        verify(verifier, folder.path(), &log.key.verifier().to_string(), None)
            .map_err(|err| format!("{size} entries: {}", err.message().unwrap_or_default()))?;
    }
    Ok(())
}

fn flipped(verifier: &Path) -> Result<(), Failed> {
    let (folder, log) = (tempfile::tempdir()?, Log::new(700, &[300, 700]));
    let mut paths = serve(&log, folder.path())?;
    fs::write(folder.path().join("old"), log.checkpoints.first().ok_or("no checkpoint")?)?;
    paths.push("old".to_owned());
    let key = log.key.verifier().to_string();
    let old = folder.path().join("old");
    // Of every file that is served: a bit near its start, in its middle and near its end.
    for path in paths {
        let file = folder.path().join(&path);
        let sound = fs::read(&file)?;
        for (at, bit) in [(2, 0), (sound.len() / 2, 3), (sound.len() - 2, 0)] {
            fs::write(&file, with_flipped(&sound, at, bit))?;
            if verify(verifier, folder.path(), &key, Some(&old)).is_ok() {
                return Err(format!("bit {bit} of byte {at} of {path} was not noticed").into());
            }
        }
        fs::write(&file, sound)?;
    }
    for at in 0..key.len() {
        let bytes = with_flipped(key.as_bytes(), at, 0);
        let wrong = String::from_utf8_lossy(&bytes);
        if !wrong.contains('\0') && verify(verifier, folder.path(), &wrong, Some(&old)).is_ok() {
            return Err(format!("a flipped bit in byte {at} of the key was not noticed").into());
        }
    }
    let stranger = signing_key("example.org", 8).verifier().to_string();
    if verify(verifier, folder.path(), &stranger, None).is_ok() {
        return Err("another key was taken".into());
    }
    verify(verifier, folder.path(), &key, Some(&old)).map(|_| ())
}

fn with_flipped(bytes: &[u8], at: usize, bit: u8) -> Vec<u8> {
    let flip = |(place, byte): (usize, &u8)| if place == at { byte ^ (1 << bit) } else { *byte };
    bytes.iter().enumerate().map(flip).collect()
}
