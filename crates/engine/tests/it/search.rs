//! Searches: how they read, what is wrong with them, and what they find.

use chancery_base::limits::{SEARCH_BYTES_MAX, SEARCH_TERMS_MAX, SEARCH_VALUES_MAX};
use chancery_base::{PrincipalId, Timestamp, TransactionId};
use chancery_engine::search::{Facts, Search};
use proptest::prelude::*;

const NOW: &str = "2026-11-21T12:00:00.000000Z";

fn parse(text: &str) -> Result<Search, String> {
    Search::parse(text, NOW.parse().unwrap()).map_err(|error| error.to_string())
}

/// What is read, written again.
#[track_caller]
fn check(text: &str, expected: &str) {
    let search = parse(text).unwrap();
    assert_eq!(search.to_string(), expected);
    assert_eq!(parse(expected), Ok(search));
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
}

#[test]
fn terms_stand_beside_one_another() {
    check("", "");
    check("  status:failed\t-definition:create-order\n", "status:failed -definition:create-order");
    check("status:parked,failed,failed", "status:parked,failed");
    check("status:paused,waiting", "status:waiting,paused");
    check("version:2,1", "version:1,2");
    check("label.region:eu label.a-b.c:\"\"", "label.region:eu label.a-b.c:\"\"");
    check("id:txn_019312d8a0b07c3e9f2a4b5c6d7e8f90", "id:txn_019312d8a0b07c3e9f2a4b5c6d7e8f90");
    check("-parent:txn_019312d8a0b07c3e9f2a4b5c6d7e8f90", "-parent:txn_019312d8a0b07c3e9f2a4b5c6d7e8f90");
    check("principal:svc_019312d8a0b07c3e9f2a4b5c6d7e8f90", "principal:svc_019312d8a0b07c3e9f2a4b5c6d7e8f90");
}

#[test]
fn quotes_hold_any_character() {
    check("key:\"order 7\"", "key:\"order 7\"");
    check(r#"key:"a\"b\\c,d",-e:f>g"#, r#"key:-e:f>g,"a\"b\\c,d""#);
    check("key:\"plain\"", "key:plain");
}

#[test]
fn an_age_counts_back_from_now() {
    check("started<2h", "started>2026-11-21T10:00:00.000000Z");
    check("-started>2d", "-started<2026-11-19T12:00:00.000000Z");
    check("ended<2026-11-21T07:27:00+01:00", "ended<2026-11-21T06:27:00.000000Z");
    check("ended>\"90m\"", "ended<2026-11-21T10:30:00.000000Z");
}

#[test]
fn a_refusal_says_what_and_where() {
    const FIELDS: &str =
        "the fields are status, definition, version, principal, key, parent, label.<name>, id, started, ended";
    refused("failed", &format!("column 1: write a field, `:` and a value; {FIELDS}"));
    refused("status:failed -", &format!("column 16: write a field, `:` and a value; {FIELDS}"));
    refused("version:1 colour:failed", &format!("column 11: there is no field `colour`; {FIELDS}"));
    refused(
        "status:failed,dead",
        "column 15: there is no status `dead`; there are running, waiting, confirming, compensating, paused, parked, \
         completed, compensated, failed, cancelled, terminated",
    );
    refused("version:one", "column 9: a version is a whole number");
    refused("version:+1", "column 9: a version is a whole number");
    refused("definition:a,", "column 14: a value is missing");
    refused("definition: a", "column 12: a value is missing");
    refused("définition:a", &format!("column 1: there is no field `définition`; {FIELDS}"));
    refused(
        "key:é definition:a/b",
        "column 18: `/` is not allowed in a name: use a-z, A-Z, 0-9, `-`, `_`, `.`, and begin with a letter or digit",
    );
    refused("label.:a", "column 7: a name has 1 to 128 bytes, this one has 0");
    refused("key:\"a", "column 5: this quote is not closed");
    refused("key:\"a\\n\"", "column 8: only `\"` and `\\` stand behind a `\\`");
    refused("key:\"a\"b", "column 8: a space belongs before `b`");
    refused("status>failed", "column 1: only `started` and `ended` take `>`");
    refused("started:2h", "column 1: `started` and `ended` take `<` or `>`, such as `started<2h`");
    refused("started>soon", "column 9: write an age such as `2h`, or a time such as `2026-11-21T07:27:00Z`");
}

#[test]
fn limits_are_reached() {
    let terms = |count: usize| vec!["key:a"; count].join(" ");
    assert!(parse(&terms(SEARCH_TERMS_MAX)).is_ok());
    refused(&terms(SEARCH_TERMS_MAX + 1), "column 97: a search has at most 16 terms");
    let values = |count: usize| format!("key:{}", vec!["a"; count].join(","));
    assert!(parse(&values(SEARCH_VALUES_MAX)).is_ok());
    refused(&values(SEARCH_VALUES_MAX + 1), "column 37: a term has at most 16 values");
    let bytes = |count: usize| format!("key:{}", "a".repeat(count - 4));
    assert!(parse(&bytes(SEARCH_BYTES_MAX)).is_ok());
    refused(&bytes(SEARCH_BYTES_MAX + 1), "column 1: a search has at most 2000 bytes, this one has 2001");
}

/// Whether it holds of a transaction that failed.
#[track_caller]
fn holds(text: &str, expected: bool) {
    let id: TransactionId = "txn_019312d8a0b07c3e9f2a4b5c6d7e8f90".parse().unwrap();
    let facts = Facts {
        id,
        status: "failed",
        definition: &"create-order".parse().unwrap(),
        version: 2,
        principal: PrincipalId::SYSTEM,
        key: None,
        parent: Some(TransactionId::from_bytes([7; 16])),
        started_at: "2026-11-21T10:00:00Z".parse::<Timestamp>().unwrap(),
        ended_at: None,
    };
    let search = parse(text).unwrap();
    assert_eq!(search.holds(&facts, |name| (name.as_str() == "region").then_some("eu")), expected, "{text}");
}

#[test]
fn a_term_that_is_negated_holds_of_all_others() {
    for (text, expected) in [
        ("status:failed,parked", true),
        ("definition:create-order version:2", true),
        ("parent:txn_07070707070707070707070707070707", true),
        ("-parent:txn_019312d8a0b07c3e9f2a4b5c6d7e8f90", true),
        ("definition:create-order version:1", false),
        ("label.region:eu", true),
        ("label.region:us", false),
        ("label.zone:eu", false),
        ("key:a", false),
        ("ended<2h", false),
        ("started<3h started>1h", true),
        // The instant itself is on neither side.
        ("started>2h", false),
        ("started<2h", false),
    ] {
        holds(text, expected);
    }
    for (text, expected) in [("-status:failed", false), ("-key:a", true), ("-ended<2h", true), ("-label.zone:eu", true)]
    {
        holds(text, expected);
    }
}

proptest! {
    #[test]
    fn any_text_reads_as_itself_or_is_refused_within_itself(text in "[a-z:<>\",.\\\\ \u{e9}\u{0}-]{0,24}|(-?(key|label\\.a):\"([^\"\\\\]|\\\\[\"\\\\])*\" ){0,3}") {
        match Search::parse(&text, Timestamp::EPOCH) {
            Ok(search) => prop_assert_eq!(Search::parse(&search.to_string(), Timestamp::MAX), Ok(search)),
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error),
        }
    }
}
