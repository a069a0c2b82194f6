//! Replays the corpora on the stable compiler, on threads with the stack of a server's.
use chancery_api::routes::{Body, ROUTES, Route};
use chancery_fuzz::body::BODIES;
use chancery_fuzz::{TARGETS, Verdict, seeds};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a thread of the server's runtime has: the parsers must not need more, or bring it themselves.
const STACK_BYTES: usize = 2 << 20;
/// Files that a corpus has at least, and bytes that one of its files has at most.
const FILES_MIN: usize = 24;
const FILE_BYTES_MAX: u64 = 96 << 10;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = read.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[track_caller]
fn replay(name: &str) {
    let target = TARGETS.into_iter().find(|target| target.name == name).unwrap();
    let files = files(&fuzz().join("corpus").join(name));
    assert!(files.len() >= FILES_MIN, "{name}: {} files", files.len());
    let replay = move || {
        let mut verdicts: BTreeMap<bool, usize> = BTreeMap::new();
        for file in files {
            assert!(fs::metadata(&file).unwrap().len() <= FILE_BYTES_MAX, "{} is large", file.display());
            println!("{}", file.display());
            *verdicts.entry((target.run)(&fs::read(&file).unwrap()) == Verdict::Taken).or_default() += 1;
        }
        verdicts
    };
    let verdicts = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(replay).unwrap().join().unwrap();
    // Else the corpus would exercise one side of the reader only.
    for side in [true, false] {
        assert!(verdicts.get(&side).is_some_and(|count| *count >= 3), "{name}: {verdicts:?}");
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed_and_fuzzed() {
            let replayed: Vec<&str> = vec![$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|target| target.name).to_vec(), replayed);
            let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
            let named = |folder: &str| -> BTreeSet<String> {
                files(&fuzz().join(folder)).iter().map(|f| f.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
            };
            let wanted: BTreeSet<String> = replayed.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(named("fuzz_targets"), wanted);
            assert_eq!(named("corpus"), wanted);
            for name in replayed {
                assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
                let call = format!("chancery_fuzz::run(\"{name}\", data)");
                let source = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
                assert!(source.contains(&call), "{name}");
            }
        }
    };
}

replays! { json definition expression bundle body exchange callback record receipt checkpoint proof tile search cron table export capability }

#[test]
fn every_body_that_a_route_takes_is_fuzzed() {
    let of_route = |route: &Route| if let Body::Json(name) = route.body { Some(name) } else { None };
    let taken: BTreeSet<&str> = ROUTES.iter().filter_map(of_route).collect();
    assert_eq!(BODIES.iter().copied().collect::<BTreeSet<_>>(), taken);
}

#[test]
fn the_seeds_are_those_that_the_code_makes() {
    let stale = "the seeds are stale: cargo run -p chancery-fuzz";
    let mut made: BTreeSet<(String, String)> = BTreeSet::new();
    for (target, name, bytes) in seeds::all() {
        let file = fuzz().join("corpus").join(target).join(&name);
        assert!(fs::read(&file).is_ok_and(|found| found == bytes), "{}: {stale}", file.display());
        made.insert((target.to_owned(), name));
    }
    for target in TARGETS {
        for file in files(&fuzz().join("corpus").join(target.name)) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let known = name.starts_with("find-") || made.contains(&(target.name.to_owned(), name.clone()));
            assert!(known, "{}: {stale}", file.display());
        }
    }
}
