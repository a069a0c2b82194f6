//! What two versions differ in.

use super::read::parse;
use chancery_engine::definition::Diff;
use serde_json::json;

const BEFORE: &str = "\
name: x
version: 1
concurrency: 4
steps:
- {id: a, run: {worker: w}, with: {n: 1, m: {k: 1}}, compensate: {run: {worker: u}}}
- {id: b, run: {worker: w}, after: [a], compensate: {run: {worker: u}}}
- {id: c, run: {worker: w}, after: [b]}
";

fn diff(after: &str) -> Diff {
    Diff::between(&parse(BEFORE), &parse(after))
}

#[test]
fn a_new_version_of_the_same_is_no_difference() {
    let same = diff(&BEFORE.replace("version: 1", "version: 2"));
    assert!(same.is_empty() && same.order.is_empty() && same.undoing.is_empty(), "{same:?}");
}

#[test]
fn keys_are_told_with_their_values() {
    let changed =
        diff(&BEFORE.replace("concurrency: 4\n", "mode: layers\n").replace("n: 1", "n: 2").replace("k: 1", "l: [3]"));
    let told = |path: &str, before, after| (path.to_owned(), before, after);
    let shown: Vec<_> =
        changed.whole.iter().map(|change| told(&change.path, change.before.clone(), change.after.clone())).collect();
    assert_eq!(shown, [told("concurrency", Some(json!(4)), None), told("mode", None, Some(json!("layers")))]);
    assert_eq!(changed.changed.len(), 1);
    let shown: Vec<_> = changed.changed[0]
        .changes
        .iter()
        .map(|change| told(&change.path, change.before.clone(), change.after.clone()))
        .collect();
    assert_eq!(
        shown,
        [
            told("with.m.k", Some(json!(1)), None),
            told("with.m.l", None, Some(json!([3]))),
            told("with.n", Some(json!(1)), Some(json!(2))),
        ]
    );
}

#[test]
fn steps_come_go_and_wait_for_others() {
    let text = BEFORE
        .replace("- {id: b, run: {worker: w}, after: [a], compensate: {run: {worker: u}}}\n", "")
        .replace("[b]", "[d]");
    let changed = diff(&(text + "- {id: d, run: {worker: w}}\n"));
    let names = |names: &[chancery_base::Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((names(&changed.added), names(&changed.removed)), (vec!["d".to_owned()], vec!["b".to_owned()]));
    let [order] = changed.order.as_slice() else { panic!("{:?}", changed.order) };
    assert_eq!(order.step.as_str(), "c");
    assert_eq!(
        (names(&order.waits_for), names(&order.no_longer)),
        (vec!["d".to_owned()], vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(
        changed.undoing,
        [
            "`d` is new: it stays done",
            "`b` is gone: it is undone by worker u; if that fails, the transaction is parked",
        ]
    );
}

#[test]
fn what_it_means_for_compensation_is_told() {
    let pivot = diff(&BEFORE.replace(
        "- {id: a, run: {worker: w}, with: {n: 1, m: {k: 1}}, compensate: {run: {worker: u}}}",
        "- {id: a, run: {worker: w}, pivot: true}",
    ));
    assert_eq!(
        pivot.undoing,
        [
            "`a` is undone by worker u; if that fails, the transaction is parked; now it is a pivot: once it is done, nothing is undone",
            "`b` is undone by worker u; if that fails, the transaction is parked; now it stays done, since it comes after the pivot `a`",
            "`c` stays done; now it stays done, since it comes after the pivot `a`",
        ]
    );
    let policy =
        diff(&BEFORE.replace("concurrency: 4", "concurrency: 4\ncompensation: {policy: best-effort-parallel}"));
    assert_eq!(
        policy.undoing.first().map(String::as_str),
        Some(
            "steps were undone in reverse order of completion, one at a time, and parked at a failure; now all together, going on after a failure"
        )
    );
    assert_eq!(policy.undoing.len(), 3, "{:?}", policy.undoing);
}
