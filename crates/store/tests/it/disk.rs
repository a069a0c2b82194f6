//! A disk that is really full: a small tmpfs, which takes a superuser to mount.

use crate::fixture::*;
use crate::subject::block_on;
use chancery_base::Kind;
use chancery_shard::row::*;
use chancery_shard::{Batch, CommitError};
use chancery_store::{Options, Scan as _, SqliteStore, Store};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A file system of its own in memory.
pub(crate) struct Mount(TempDir);

impl Mount {
    /// Mounts one, or says that it takes a superuser; in CI, which has one, that is a failure.
    pub(crate) fn tmpfs(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        assert!(std::env::var_os("CI").is_none(), "CI must be able to mount a tmpfs");
        println!("ignored: to mount a tmpfs takes a superuser");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn read_only(&self) {
        let status = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status().unwrap();
        assert!(status.success());
    }

    /// Takes all the room there is.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("ballast")).unwrap();
        for block in [4096, 1] {
            while file.write_all(&vec![1; block]).is_ok() {}
        }
    }

    pub(crate) fn free(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.path()).status().ok();
    }
}

fn large(log: &LogRow, number: u32) -> Batch {
    let mut batch = batch_of(log, number, 0, 4);
    for entry in &mut batch.entries {
        entry.payload = Some(PayloadRow { sealed: Sealed::plain(vec![b'x'; 50_000]), ..payload(1) });
    }
    batch
}

#[test]
fn a_full_disk_fails_commits_and_nothing_else() {
    let Some(mount) = Mount::tmpfs("2m") else { return };
    let store = SqliteStore::open(mount.path(), &Options::default()).unwrap();
    let mut log = block_on(system(&store));
    mount.fill();

    // All of a merge fails, whichever batch finds the disk full.
    for _ in 0..3 {
        let CommitError::Failed(error) = block_on(store.commit(large(&log, 1))).unwrap_err() else { panic!() };
        assert_eq!(error.kind, Kind::Busy);
        assert!(error.message.contains("the disk is full"), "{error}");
    }
    assert_eq!(block_on(store.logs()).unwrap(), [log.clone()]);
    assert_eq!(block_on(store.entries(log.id, 0, 9, true)).unwrap(), []);
    assert_eq!(block_on(store.own(log.id, "node-2")).unwrap_err().kind, Kind::Busy);
    block_on(store.ping()).unwrap();

    mount.free();
    log = block_on(store.own(log.id, "node-1")).unwrap();
    assert_eq!(log.epoch, 2);
    block_on(store.commit(large(&log, 1))).unwrap();
    assert_eq!(block_on(store.entries(log.id, 0, 9, true)).unwrap(), large(&log, 1).entries);
    drop(store);
    let snapshot = SqliteStore::open_read_only(mount.path()).unwrap();
    assert_eq!(snapshot.integrity().unwrap(), Vec::<String>::new());
    assert_eq!(snapshot.logs().unwrap(), [LogRow { size: 4, ..log }]);
}

#[test]
fn a_disk_that_fills_up_loses_nothing_that_was_committed() {
    let Some(mount) = Mount::tmpfs("3m") else { return };
    let store = SqliteStore::open(mount.path(), &Options::default()).unwrap();
    let mut log = block_on(system(&store));
    let mut committed = 0;
    let error = loop {
        match block_on(store.commit(large(&log, committed))) {
            Ok(()) => {
                committed += 1;
                log.size += 4;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, CommitError::Failed(error) if error.kind == Kind::Busy), "{error:?}");
    assert!(committed > 2);
    assert_eq!(block_on(store.logs()).unwrap(), [log.clone()]);
    assert_eq!(block_on(store.entries(log.id, 0, 1_000, true)).unwrap().len(), committed as usize * 4);
    drop(store);
    // As after a crash: another process reads what is there.
    let store = SqliteStore::open(mount.path(), &Options::default()).unwrap();
    assert_eq!(block_on(store.logs()).unwrap(), [log]);
}
