//! `cargo run -p chancery-fuzz` writes the seeds into `fuzz/corpus/`; `… -- <target> <file>…` runs a target on files.

use chancery_fuzz::{run, seeds};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((target, files)) = arguments.split_first() else {
        write()?;
        return Ok(ExitCode::SUCCESS);
    };
    for file in files {
        let data = fs::read(file)?;
        say(&format!("{file}: {:?}", run(target, &data)));
    }
    Ok(ExitCode::SUCCESS)
}

fn write() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, name, bytes) in seeds::all() {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a program that prints")]
fn say(line: &str) {
    println!("{line}");
}
