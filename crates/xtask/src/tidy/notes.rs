//! A note to come back later names the issue that will.

use super::Finding;

/// The marks, written so that this file does not carry them itself.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Prose may speak of such notes; code, scripts and configuration may not leave one.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    if path.ends_with(".md") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(mark) = MARKS.iter().find(|mark| has_word(line, mark)).filter(|_| !names_issue(line)) {
            let message = format!("{mark} without an issue: write `{mark}(#12): …`, or do it now");
            findings.push(Finding { path: path.to_owned(), line: index + 1, message });
        }
    }
    findings
}

/// Whether `word` stands in `line` by itself, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_word_part) && !after.is_some_and(is_word_part)
    })
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn names_issue(line: &str) -> bool {
    line.match_indices('#').any(|(at, _)| {
        let after = line.get(at + 1..).and_then(|text| text.chars().next());
        after.is_some_and(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(path: &str, line: &str, wanted: bool) {
        let text = format!("first\n{line}\n");
        let found = check(path, &text);
        assert_eq!(!found.is_empty(), wanted, "{line}");
        assert!(found.iter().all(|finding| finding.line == 2));
    }

    #[test]
    fn a_note_needs_its_issue() {
        for mark in MARKS {
            check_line("a.rs", &format!("// {mark}: later"), true);
            check_line("a.sh", &format!("# {mark} later"), true);
            check_line("a.rs", &format!("// {mark}(#12): later"), false);
            check_line("a.rs", &format!("let a = {mark}S;"), false);
            check_line("a.rs", &format!("let NO_{mark} = 1;"), false);
            check_line("a.md", &format!("no {mark} here"), false);
        }
        check_line("a.rs", "// all done", false);
    }
}
