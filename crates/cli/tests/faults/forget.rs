//! The interposer itself: what it gives back after a loss of power, and what it must not take.

use crate::disk::Disk;
use std::path::Path;
use std::process::Command;

/// Runs a script over the disk's directory, in a process that dies by SIGKILL at its end.
fn dies_after(disk: &Disk, script: &str) {
    let head = "import os, signal\n\
                def put(name, data, sync=False, at=None, flags=os.O_RDWR | os.O_CREAT):\n    \
                    f = os.open(name, flags, 0o600)\n    \
                    os.write(f, data) if at is None else os.pwrite(f, data, at)\n    \
                    sync and os.fsync(f)\n    \
                    os.close(f)\n\
                def sync(name='.'):\n    \
                    f = os.open(name, os.O_RDONLY)\n    \
                    os.fsync(f)\n    \
                    os.close(f)\n";
    let script = format!("{head}{script}\nos.kill(os.getpid(), signal.SIGKILL)\n");
    let mut command = Command::new("python3");
    command.args(["-c", &script]).current_dir(&disk.dir);
    disk.attach(&mut command);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), None, "{}", String::from_utf8_lossy(&output.stderr));
}

fn files(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Runs scripts one after the other, loses the power and compares what is left.
#[track_caller]
fn check(scripts: &[&str], left: &[(&str, &str)]) {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path(), "data");
    for script in scripts {
        dies_after(&disk, script);
    }
    disk.lose_power(None);
    let left: Vec<_> = left.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(files(&disk.dir), left, "{scripts:?}");
    // What was set back is as if it had been synced.
    disk.lose_power(None);
    assert_eq!(files(&disk.dir), left, "{scripts:?}, again");
}

#[test]
fn writes_come_back_as_they_were_synced() {
    check(&["put('a', b'one'); sync()"], &[("a", "")]);
    check(&["put('a', b'one', True)"], &[("a", "one")]);
    check(&["put('a', b'one', True); put('a', b'TWO!')"], &[("a", "one")]);
    check(&["put('a', b'one', True); put('a', b'N', at=1); put('a', b'EE', at=2)"], &[("a", "one")]);
    check(&["put('a', b'one', True); put('a', b'N', True, at=1); put('a', b'E', at=2)"], &[("a", "oNe")]);
    check(&["put('a', b'one', True); put('a', b'more', flags=os.O_WRONLY | os.O_APPEND)"], &[("a", "one")]);
    check(&["put('a', b'one', True); os.truncate('a', 1); put('a', b'x', at=5)"], &[("a", "one")]);
    check(&["put('a', b'one', True); put('a', b'x', flags=os.O_WRONLY | os.O_TRUNC)"], &[("a", "one")]);
    check(&["put('a', b'one', True); f = os.open('a', os.O_RDWR); os.posix_fallocate(f, 0, 99)"], &[("a", "one")]);
    check(&["put('a', b'one', True); f = os.open('a', os.O_RDWR); os.writev(f, [b'T', b'W'])"], &[("a", "one")]);
}

#[test]
fn what_one_process_left_unsynced_the_next_one_s_sync_keeps() {
    check(&["put('a', b'one', True); put('a', b'two')", "put('a', b'!', at=3)"], &[("a", "one")]);
    check(&["put('a', b'one', True); put('a', b'two')", "sync('a')"], &[("a", "two")]);
}

#[test]
fn names_come_back_unless_their_directory_was_synced() {
    check(&["put('a', b'one')"], &[]);
    check(&["put('a', b'one', True); os.rename('a', 'b')"], &[("a", "one")]);
    check(&["put('a', b'one', True); os.rename('a', 'b'); sync()"], &[("b", "one")]);
    check(&["put('a', b'one', True); os.rename('a', 'b'); sync('b')"], &[("b", "one")]);
    check(&["put('a', b'1', True); put('b', b'2', True); os.rename('a', 'b')"], &[("a", "1"), ("b", "2")]);
    check(&["put('a', b'1', True); put('b', b'2', True); os.rename('a', 'b'); sync()"], &[("b", "1")]);
    check(&["put('a', b'one', True); os.unlink('a')"], &[("a", "one")]);
    check(&["put('a', b'one', True); os.unlink('a'); sync()"], &[]);
    check(&["put('a', b'one', True); os.unlink('a'); put('a', b'two', True)"], &[("a", "two")]);
    check(&["put('a', b'one', True); put('x-shm', b'shared'); os.unlink('a')"], &[("a", "one")]);
}

#[test]
fn a_random_part_of_what_was_unsynced_may_stay() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path(), "data");
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..40 {
        dies_after(&disk, "put('a', b'....', True); put('a', b'1', at=0); put('a', b'2', at=1); put('a', b'3', at=2)");
        disk.lose_power(Some(seed));
        found.insert(files(&disk.dir)[0].1.clone());
    }
    let all = ["....", "1...", "12..", "123."].map(str::to_owned);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), all, "a beginning of the writes, whichever");
}

#[test]
fn it_fails_syncs_and_fills_up_when_told_to() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path(), "data");
    dies_after(&disk, "put('a', b'one', True)");
    assert_eq!(disk.syncs(), 1);
    disk.fail_sync(3);
    let fails = "put('a', b'two', True)\n\
                 put('a', b'six')\n\
                 try: sync('a'); os._exit(1)\n\
                 except OSError as e: assert e.errno == 5, e";
    dies_after(&disk, fails);
    disk.lose_power(None);
    assert_eq!(files(&disk.dir), [("a".to_owned(), "two".to_owned())]);
    disk.fail_sync(0);
    disk.limit(2);
    let full = "put('a', b'ab', at=3)\n\
                try: put('a', b'c', at=5); os._exit(1)\n\
                except OSError as e: assert e.errno == 28, e\n\
                put('a', b'ONE')";
    dies_after(&disk, full);
    assert_eq!((disk.refused(), files(&disk.dir)[0].1.as_str()), (1, "ONEab"));
    disk.unlimit();
    dies_after(&disk, "put('a', b'c', at=5)");
    assert_eq!(files(&disk.dir)[0].1, "ONEabc");
}
