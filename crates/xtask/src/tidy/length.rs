//! No file grows past what one sitting can hold. (How long a function may be is Clippy's to say.)

use super::Finding;
use super::source::Source;

/// The most lines a Rust file may have, its `#[cfg(test)]` items not counted.
const LINES_MAX: usize = 800;

pub(super) fn check(source: &Source) -> Option<Finding> {
    let lines = source.lines_without_tests();
    if lines <= LINES_MAX || is_test_file(&source.path) {
        return None;
    }
    let message = format!(
        "{lines} lines without tests, at most {LINES_MAX} are allowed: split it by what its parts are for (STYLE.md)"
    );
    Some(Finding { path: source.path.clone(), line: source.lines, message })
}

/// Whether the whole file is tests: below a folder `tests`, or a module `tests.rs`.
fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(path: &str, text: &str, wanted: bool) {
        let source = Source::parse(path, text).unwrap();
        assert_eq!(check(&source).is_some(), wanted, "{path}, {} lines", source.lines);
    }

    #[test]
    fn eight_hundred_is_the_most() {
        let line = "fn a() {}\n";
        check_lines("crates/a/src/lib.rs", &line.repeat(800), false);
        check_lines("crates/a/src/lib.rs", &line.repeat(801), true);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", line.repeat(800), line.repeat(300));
        check_lines("crates/a/src/lib.rs", &tested, false);
    }

    #[test]
    fn files_of_tests_may_be_long() {
        check_lines("crates/a/tests/it/cases.rs", &"fn a() {}\n".repeat(900), false);
        check_lines("crates/a/src/b/tests.rs", &"fn a() {}\n".repeat(900), false);
        check_lines("crates/a/src/latests.rs", &"fn a() {}\n".repeat(900), true);
    }

    #[test]
    fn the_message_says_how_many() {
        let source = Source::parse("crates/a/src/lib.rs", &"fn a() {}\n".repeat(812)).unwrap();
        let finding = check(&source).unwrap().to_string();
        assert!(finding.starts_with("crates/a/src/lib.rs:812: 812 lines"), "{finding}");
    }
}
