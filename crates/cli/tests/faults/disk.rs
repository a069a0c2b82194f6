//! The disk that forgets: the interposer of `interpose/forget.c`, built once a test, and what it is told.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/interpose/forget.c");

/// The words of the control file.
const SYNCS: u64 = 0;
const FAIL_SYNC: u64 = 1;
const LIMITED: u64 = 2;
const ROOM: u64 = 3;
const REFUSED: u64 = 4;

/// What the source is built into.
#[derive(Debug)]
struct Programs {
    library: PathBuf,
    restore: PathBuf,
}

/// Builds them, once a process.
fn programs() -> &'static Programs {
    static BUILT: OnceLock<Programs> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let built = Programs { library: dir.join("forget.so"), restore: dir.join("forget-restore") };
        compile(&["-shared", "-fPIC"], &built.library);
        compile(&["-DRESTORE"], &built.restore);
        built
    })
}

/// A directory on a disk that can lose power, fill up and fail.
#[derive(Debug)]
pub(crate) struct Disk {
    programs: &'static Programs,
    /// What is on the disk.
    pub(crate) dir: PathBuf,
    state: PathBuf,
}

impl Disk {
    /// A disk in `home`, for the directory `dir` in it.
    pub(crate) fn new(home: &Path, dir: &str) -> Self {
        let disk = Self { programs: programs(), dir: home.join(dir), state: home.join("forget") };
        std::fs::create_dir_all(&disk.state).unwrap();
        std::fs::create_dir_all(&disk.dir).unwrap();
        disk
    }

    /// Has a process write to this disk.
    pub(crate) fn attach(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.programs.library).env("FORGET_DIR", &self.dir).env("FORGET_STATE", &self.state);
    }

    /// The power is lost: what was not synced is forgotten, or with a seed all but a random beginning of it. Nothing
    /// may have the files open. Gives how many writes were undone.
    pub(crate) fn lose_power(&self, seed: Option<u64>) -> u64 {
        let mut command = Command::new(&self.programs.restore);
        command.arg(&self.state).env("FORGET_DIR", &self.dir).args(seed.map(|seed| seed.to_string()));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "restore: {text}{}", String::from_utf8_lossy(&output.stderr));
        text.split(' ').next().unwrap().parse().unwrap()
    }

    /// How often files were synced.
    pub(crate) fn syncs(&self) -> u64 {
        self.get(SYNCS)
    }

    /// Fails the sync of this number and all after.
    pub(crate) fn fail_sync(&self, number: u64) {
        self.set(FAIL_SYNC, number);
    }

    /// Lets files grow by so many bytes more.
    pub(crate) fn limit(&self, bytes: u64) {
        self.set(ROOM, bytes);
        self.set(LIMITED, 1);
    }

    /// Lets files grow.
    pub(crate) fn unlimit(&self) {
        self.set(LIMITED, 0);
    }

    /// How many writes found no room.
    pub(crate) fn refused(&self) -> u64 {
        self.get(REFUSED)
    }

    fn control(&self) -> std::fs::File {
        let mut options = std::fs::File::options();
        options.read(true).write(true).create(true).truncate(false).open(self.state.join("control")).unwrap()
    }

    fn get(&self, word: u64) -> u64 {
        let mut bytes = [0; 8];
        match self.control().read_exact_at(&mut bytes, word * 8) {
            Ok(()) => u64::from_ne_bytes(bytes),
            // Nobody has written yet.
            Err(_) => 0,
        }
    }

    fn set(&self, word: u64, value: u64) {
        self.control().write_all_at(&value.to_ne_bytes(), word * 8).unwrap();
    }
}

fn compile(flags: &[&str], out: &Path) {
    // Another test may be using what is there: it is replaced as a whole.
    let draft = out.with_extension(std::process::id().to_string());
    let mut command = Command::new("cc");
    command.args(["-O2", "-Wall", "-Wextra", "-Werror"]).args(flags).arg("-o").arg(&draft).arg(SOURCE);
    let output = command.output().expect("a C compiler: scripts/setup.sh installs one");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(draft, out).unwrap();
}
