//! Other people's cases, one test each: RFC 6962 proofs, RFC 8785 canonical JSON, Wycheproof's Ed25519 signatures.
//!
//! The folder is `CHANCERY_VECTORS`, or `../shared/vectors` beside the project. Where it is missing the tests are
//! reported as ignored and say so, or, in CI, fail.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_base::{Digest, json};
use chancery_ledger::proof::{verify_consistency, verify_inclusion};
use chancery_ledger::{Hash, LeafIndex, TreeSize, VerifierKey};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Group = (&'static str, fn(&Path) -> Vec<Trial>);

const GROUPS: [Group; 4] = [
    ("merkle/inclusion", |folder| files(folder, "json").into_iter().map(|file| trial(&file, inclusion)).collect()),
    ("merkle/consistency", |folder| files(folder, "json").into_iter().map(|file| trial(&file, consistency)).collect()),
    ("jcs", |folder| files(&folder.join("input"), "json").into_iter().map(|file| trial(&file, canonical)).collect()),
    ("wycheproof", |folder| vec![trial(&folder.join("ed25519_test.json"), wycheproof)]),
];

/// How many cases of each group there are at least, so that an emptied folder does not pass.
const CASES_MIN: [usize; 4] = [65, 57, 6, 1];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = root();
    let mut trials = Vec::new();
    for ((group, make), at_least) in GROUPS.into_iter().zip(CASES_MIN) {
        let folder = root.join(group);
        if folder.is_dir() {
            let made = make(&folder);
            let count = made.len();
            trials.extend(made);
            trials.push(Trial::test(format!("{group}: all cases are here"), move || {
                if count >= at_least {
                    Ok(())
                } else {
                    Err(format!("{count} cases, at least {at_least} expected").into())
                }
            }));
        } else {
            trials.push(missing(group, &folder));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn root() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    std::env::var_os("CHANCERY_VECTORS").map_or(beside, PathBuf::from)
}

#[expect(clippy::print_stderr, reason = "says why tests are ignored")]
fn missing(group: &str, folder: &Path) -> Trial {
    let message = format!("vectors not found: {}", folder.display());
    if std::env::var_os("CI").is_some() {
        return Trial::test(group, move || Err(message.into()));
    }
    eprintln!("{message}");
    Trial::test(group, || Ok(())).with_kind(message).with_ignored_flag(true)
}

#[expect(clippy::expect_used, reason = "without the cases there is nothing to test")]
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|have| have == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn trial(file: &Path, run: fn(&Path) -> Result<(), Failed>) -> Trial {
    let file = file.to_owned();
    let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
    Trial::test(name, move || run(&file))
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T, Failed> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

fn proof(proof: Option<Vec<String>>) -> Result<Vec<Hash>, String> {
    let hashes = proof.unwrap_or_default().into_iter().map(|hash| hash.parse::<Hash>().map_err(|err| err.to_string()));
    hashes.collect()
}

/// Some consistency cases have a word for a root where its value does not matter; its digest stands for it here.
fn hash(text: &str) -> Result<Hash, Failed> {
    match text.parse() {
        Ok(hash) => Ok(hash),
        Err(_) => Ok(Hash(*Digest::of(&STANDARD.decode(text)?).as_bytes())),
    }
}

fn expect(want_err: bool, result: Result<(), String>) -> Result<(), Failed> {
    match (want_err, result) {
        (true, Err(_)) | (false, Ok(())) => Ok(()),
        (true, Ok(())) => Err("a wrong proof was taken".into()),
        (false, Err(err)) => Err(format!("a right proof was refused: {err}").into()),
    }
}

fn inclusion(file: &Path) -> Result<(), Failed> {
    let case: Inclusion = read(file)?;
    let hashes = case.leaf_hash.parse::<Hash>().and_then(|leaf| Ok((leaf, case.root.parse::<Hash>()?)));
    let (index, size) = (LeafIndex(case.leaf_idx), TreeSize(case.tree_size));
    let verified = hashes.map_err(|err| err.to_string()).and_then(|(leaf, root)| {
        let proof = proof(case.proof)?;
        verify_inclusion(&leaf, index, size, &proof, &root).map_err(|err| err.to_string())
    });
    expect(case.want_err, verified)
}

fn consistency(file: &Path) -> Result<(), Failed> {
    let case: Consistency = read(file)?;
    let (root1, root2) = (hash(&case.root1)?, hash(&case.root2)?);
    let (size1, size2) = (TreeSize(case.size1), TreeSize(case.size2));
    let verified = proof(case.proof)
        .and_then(|proof| verify_consistency(size1, &root1, size2, &root2, &proof).map_err(|err| err.to_string()));
    expect(case.want_err, verified)
}

fn canonical(file: &Path) -> Result<(), Failed> {
    let value = read(file)?;
    let output = file.parent().and_then(Path::parent).ok_or("no folder")?.join("output");
    let expected = fs::read_to_string(output.join(file.file_name().ok_or("no name")?))?;
    let found = String::from_utf8(json::canonical(&value))?;
    if found == expected { Ok(()) } else { Err(format!("found    {found}\nexpected {expected}").into()) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wycheproof {
    number_of_tests: usize,
    test_groups: Vec<WycheproofGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofGroup {
    public_key: WycheproofKey,
    tests: Vec<WycheproofCase>,
}

#[derive(Deserialize)]
struct WycheproofKey {
    pk: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofCase {
    tc_id: u32,
    msg: String,
    sig: String,
    result: String,
}

fn hex(text: &str) -> Result<Vec<u8>, Failed> {
    let digits: Vec<char> = text.chars().collect();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16));
    Ok(pairs.collect::<Result<_, _>>()?)
}

fn wycheproof(file: &Path) -> Result<(), Failed> {
    let suite: Wycheproof = read(file)?;
    let mut seen = 0;
    let mut wrong = Vec::new();
    for group in suite.test_groups {
        let bytes: [u8; 32] = hex(&group.public_key.pk)?.try_into().ok().ok_or("a key is not 32 bytes")?;
        let key = VerifierKey::from_bytes("wycheproof".parse()?, &bytes);
        for case in group.tests {
            let (message, signature) = (hex(&case.msg)?, hex(&case.sig)?);
            let verified = key.as_ref().is_ok_and(|key| key.verify(&message, &signature));
            if verified != (case.result == "valid") {
                wrong.push(format!("{} is {} and was {verified}", case.tc_id, case.result));
            }
            seen += 1;
        }
    }
    if seen != suite.number_of_tests {
        wrong.push(format!("{seen} of {} cases were read", suite.number_of_tests));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}
