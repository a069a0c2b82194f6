//! Only `store` speaks SQL, and the SDK's fence. So what a statement may touch is reviewed in one
//! place, and a second database needs one crate changed.

use super::source::Source;
use super::{Finding, crate_of};

const ADVICE: &str = "SQL belongs in crates/store: give the Store trait the method that you need";

/// A `.sql` file in the wrong crate.
pub(super) fn check_path(path: &str) -> Option<Finding> {
    if !path.ends_with(".sql") || may_speak_sql(path) {
        return None;
    }
    Some(Finding { path: path.to_owned(), line: 1, message: ADVICE.to_owned() })
}

/// String literals that are statements.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let in_src = crate_of(&source.path).is_some() && source.path.split('/').nth(2) == Some("src");
    if !in_src || may_speak_sql(&source.path) {
        return Vec::new();
    }
    let statements = source.literals().filter(|literal| is_statement(&literal.text));
    statements
        .map(|literal| Finding { path: source.path.clone(), line: literal.line, message: ADVICE.to_owned() })
        .collect()
}

fn may_speak_sql(path: &str) -> bool {
    crate_of(path).is_none_or(|name| name == "store")
        || path == "crates/sdk/src/fence.rs"
        || path.starts_with("crates/sdk/src/fence/")
}

/// Whether a text begins as a statement does. Prose that merely names a keyword is none.
fn is_statement(text: &str) -> bool {
    let text = text.replace("\\n", " ").replace('\\', " ").to_ascii_uppercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["SELECT", rest @ ..] => rest.contains(&"FROM"),
        ["INSERT" | "REPLACE", "INTO", ..]
        | ["INSERT", "OR", _, "INTO", ..]
        | ["UPDATE", _, "SET", ..]
        | ["UPDATE", "OR", _, _, "SET", ..]
        | ["DELETE", "FROM", ..]
        | ["CREATE" | "DROP" | "ALTER", "TABLE" | "INDEX" | "VIEW" | "TRIGGER", ..]
        | ["CREATE", "UNIQUE" | "TEMP" | "TEMPORARY" | "VIRTUAL", "TABLE" | "INDEX" | "VIEW" | "TRIGGER", ..]
        | ["BEGIN", "IMMEDIATE" | "EXCLUSIVE" | "DEFERRED" | "TRANSACTION", ..] => true,
        ["WITH", _, "AS", next, ..] => next.starts_with('('),
        ["PRAGMA", name, ..] => name.starts_with(|c: char| c.is_ascii_alphabetic()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_literal(path: &str, literal: &str, wanted: bool) {
        let source = Source::parse(path, &format!("fn a() {{\n    b({literal:?});\n}}\n")).unwrap();
        let found = check(&source);
        assert_eq!(!found.is_empty(), wanted, "{path}: {literal}");
        assert!(found.iter().all(|finding| finding.line == 2));
    }

    #[test]
    fn statements_are_found() {
        for statement in [
            "SELECT a FROM b",
            "select a, count(*)\n  from b where c = ?1",
            "  INSERT INTO a VALUES (1)",
            "INSERT OR IGNORE INTO a (b) VALUES (1)",
            "UPDATE a SET b = 1",
            "DELETE FROM a",
            "CREATE UNIQUE INDEX a ON b (c)",
            "CREATE TABLE a (b)",
            "PRAGMA user_version",
            "BEGIN IMMEDIATE",
            "WITH a AS (SELECT 1) SELECT * FROM a",
        ] {
            check_literal("crates/app/src/lib.rs", statement, true);
            check_literal("crates/store/src/sqlite.rs", statement, false);
            check_literal("crates/sdk/src/fence.rs", statement, false);
            check_literal("crates/sdk/src/worker.rs", statement, true);
            check_literal("crates/app/tests/it/main.rs", statement, false);
        }
    }

    #[test]
    fn prose_is_not() {
        for prose in ["select a bundle", "failed to delete from the queue", "update", "with two keys as before", ""] {
            check_literal("crates/app/src/lib.rs", prose, false);
        }
    }

    #[test]
    fn statement_files_belong_to_the_store() {
        assert!(check_path("crates/app/src/schema.sql").is_some());
        assert!(check_path("crates/store/migrations/sqlite/V1__schema.sql").is_none());
    }
}
