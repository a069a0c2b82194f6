//! What is and is not a bundle.

use crate::support::{SCHEMA, bundle, document, parse};
use chancery_base::limits::{NESTING_MAX, OPERATORS_MAX};
use chancery_base::{Kind, json};
use chancery_policy::{Bundle, BundleError};
use serde_json::{Value, json};

fn check_policies(policies: &str, expected: &str) {
    let error = parse(&document(policies)).expect_err("the bundle was taken").to_string();
    assert!(error.contains(expected), "expected {expected:?} in {error:?}");
}

fn check_document(edit: impl FnOnce(&mut Value), expected: &str) {
    let mut document = document("permit (principal, action, resource);");
    edit(&mut document);
    let error = parse(&document).expect_err("the bundle was taken");
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains(expected), "expected {expected:?} in {error}");
}

#[test]
fn keys_are_known_and_complete() {
    check_document(|bundle| bundle["colour"] = json!(1), "a bundle has no key `colour`");
    check_document(|bundle| bundle["budgets"] = json!([]), "`budgets` is not supported by this version");
    check_document(|bundle| bundle["obligations"] = json!([]), "`obligations` must be text");
    check_document(|bundle| bundle["name"] = json!("a b"), "`name` must be a name");
    check_document(|bundle| bundle["version"] = json!(0), "`version` must be a whole number from 1");
    check_document(|bundle| bundle["policies"] = json!([]), "`policies` must be text");
    check_document(|bundle| bundle["entities"] = json!({}), "`entities` must be a list");
    for key in ["name", "version", "schema", "policies"] {
        let edit = |bundle: &mut Value| drop(bundle.as_object_mut().unwrap().remove(key));
        check_document(edit, &format!("the bundle has no `{key}`"));
    }
    assert!(matches!(Bundle::parse(b"{\"name\":1,\"name\":2}"), Err(BundleError::Json(_))));
    assert!(matches!(Bundle::parse(b"\xff"), Err(BundleError::Json(_))));
    let large = Bundle::parse(&vec![b' '; chancery_base::limits::BUNDLE_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(large.kind(), Kind::TooLarge);
}

#[test]
fn problems_have_a_file_a_line_and_a_column() {
    let mut document = document("");
    document["policies"] = json!({
        "a.cedar": "permit (principal, action, resource);\n\n@id(\"typo\") permit (principal, action, resource)\n  when { principal.nmae == \"x\" };",
        "b.cedar": "permit (principal, action == Action::\"fly\", resource);",
    });
    let error = parse(&document).unwrap_err();
    let places: Vec<_> = error.problems().iter().map(|p| (p.file.as_str(), p.place, p.policy.as_deref())).collect();
    assert!(places.contains(&("a.cedar", Some((4, 10)), Some("typo"))), "{places:?}");
    assert!(places.contains(&("b.cedar", Some((1, 30)), Some("b.cedar#0"))), "{places:?}");
    check_policies("permit (principal, action, resource) when { 1 + };", "policies:1:");
    check_policies(
        "permit (principal, action, resource) when { context.amount == 1 };",
        "policies:1:45: policy `policy0`",
    );
    check_document(|bundle| bundle["schema"] = json!("entity User = { a: Nothing };"), "schema:");
    check_document(|bundle| bundle["schema"] = json!("entity"), "schema:");
}

#[test]
fn a_policy_that_can_never_apply_is_a_problem() {
    check_policies(
        "permit (principal is User, action == Action::\"run\", resource is Definition);",
        "policy `policy0`",
    );
}

#[test]
fn ids_come_from_annotations_and_are_unique() {
    let bundle = bundle("@id(\"b\") permit (principal, action, resource); permit (principal, action, resource);");
    assert_eq!(bundle.policies().collect::<Vec<_>>(), ["b", "policy1"]);
    let twice = "@id(\"b\") permit (principal, action, resource);".repeat(2);
    check_policies(&twice, "policy `b`: another policy has the same id");
    check_policies("@id(\"\") permit (principal, action, resource);", "an `@id` is empty");
    check_policies(
        "@obligation(\"approval\") permit (principal, action, resource);",
        "policy `policy0`: `@obligation` is an obligation's: it stands under `obligations`",
    );
    check_policies("permit (principal == ?principal, action, resource);", "template `policy0`");
}

#[test]
fn entities_are_checked() {
    let check = |entities: Value, expected: &str| check_document(|bundle| bundle["entities"] = entities, expected);
    let tier = |value: Value| json!([{ "uid": { "type": "Definition", "id": "a" }, "attrs": { "tier": value }, "parents": [] }]);
    check(tier(json!(1)), "entities");
    check(tier(json!(null)), "`entities[0].attrs.tier` is null");
    check(tier(json!(0.5)), "`entities[0].attrs.tier` is 0.5");
    check(
        json!([{ "uid": { "type": "User", "id": "a" }, "attrs": {}, "parents": [] }]),
        "these come from the directory",
    );
    check(json!([{ "attrs": {} }]), "`entities[0].uid` must be an object of `type` and `id`");
    let mut twice = tier(json!("gold"));
    let first = twice[0].clone();
    twice.as_array_mut().unwrap().push(first);
    check(twice, "Definition::\"a\" stands twice");
    let chain: Vec<Value> = (0..5_000)
        .map(|n| json!({ "uid": { "type": "Role", "id": n.to_string() }, "attrs": {}, "parents": [{ "type": "Role", "id": (n + 1).to_string() }] }))
        .collect();
    check(json!(chain), "in a chain of more than 32 parents, or in a circle");
}

#[test]
fn what_it_says_of_risk_is_kept_and_digested() {
    let mut document = document("permit (principal, action, resource);");
    let without = parse(&document).unwrap();
    assert_eq!(without.risk(), None);
    document["risk"] = json!({ "tables": [{ "anything": 1 }] });
    let with = parse(&document).unwrap();
    assert_eq!(with.risk(), Some(&document["risk"]));
    assert_ne!(with.digest(), without.digest());
    assert_eq!(Bundle::parse(with.canonical()).unwrap().risk(), with.risk());
}

#[test]
fn the_digest_is_of_the_content() {
    let one = br#"{"name":"a","version":1,"schema":"entity User; entity R; action x appliesTo {principal: User, resource: R};","policies":""}"#;
    let other = br#"{ "policies": "", "schema": "entity User; entity R; action x appliesTo {principal: User, resource: R};", "version": 1.0, "name": "a" }"#;
    let (one, other) = (Bundle::parse(one).unwrap(), Bundle::parse(other).unwrap());
    assert_eq!(one.digest(), other.digest());
    assert_eq!(Bundle::parse(one.canonical()).unwrap().digest(), one.digest());
    assert_ne!(bundle("").digest(), one.digest());
    assert!(one.canonical().starts_with(br#"{"name":"a","policies""#));
}

#[test]
fn the_schema_says_what_may_be_given() {
    let bundle = bundle("");
    assert!(bundle.context_declares("run", "attempt") && !bundle.context_declares("start", "attempt"));
    assert!(!bundle.context_declares("fly", "attempt") && bundle.declares("all") && !bundle.declares("fly"));
    assert!(bundle.is_asserted("Step", "amount") && !bundle.is_asserted("Step", "tier"));
}

/// Texts that overflow the stack of Cedar's parser or validator.
#[test]
fn hostile_policies_are_refused_before_cedar_sees_them() {
    let n = 5_000;
    let when = |body: String| format!("permit (principal, action, resource) when {{ {body} }};");
    let texts = [
        when("(".repeat(n) + "true" + &")".repeat(n)),
        when("[".repeat(n) + &"]".repeat(n)),
        when("{a: ".repeat(n) + "1" + &"}".repeat(n)),
        when("(".repeat(n)),
        when("!".repeat(n) + "true"),
        when("-".repeat(n) + "1 == 1"),
        when("if true then ".repeat(n) + "true" + &" else true".repeat(n)),
        when("if true then true else ".repeat(n) + "true"),
        when("true || ".repeat(n) + "true"),
        when("true && ".repeat(n) + "true"),
        when("1 + ".repeat(n) + "1 == 1"),
        when("1 - ".repeat(n) + "1 == 1"),
        when("1 * ".repeat(n) + "1 == 1"),
        when("1 < ".repeat(n) + "1"),
        when("true == ".repeat(n) + "true"),
        when("principal".to_owned() + &".a".repeat(n)),
        when("principal".to_owned() + &".a()".repeat(n)),
        when("principal".to_owned() + &"[\"a\"]".repeat(n)),
        when("principal".to_owned() + &"()".repeat(n)),
        when("principal has a".to_owned() + &".a".repeat(n)),
        when("principal in ".repeat(n) + "principal"),
        when("ip(".repeat(n) + "\"\"" + &")".repeat(n)),
        when("A::".repeat(n) + "\"a\" == principal"),
        "permit (principal, action, resource)".to_owned() + &" when { true }".repeat(n) + ";",
        when("(/*".repeat(n)),
        when("\"\\\"\" == \"".to_owned() + &"(".repeat(n)),
    ];
    for text in texts {
        let begin: String = text.chars().take(80).collect();
        let error = parse(&document(&text)).expect_err(&begin);
        assert!(matches!(error, BundleError::Scan { .. }), "{begin}…: {error}");
    }
    let many = "permit (principal, action, resource);".repeat(10_001);
    check_policies(&many, "more than 10000 policies");
}

#[test]
fn hostile_schemas_are_refused() {
    let n = 5_000;
    let check = |schema: String, expected: &str| check_document(|bundle| bundle["schema"] = json!(schema), expected);
    check("entity A = { a: ".to_owned() + &"Set<".repeat(n) + "Long" + &">".repeat(n) + "};", "nest deeper than 32");
    check("entity A = ".to_owned() + &"{ a: ".repeat(n) + "Long" + &"}".repeat(n) + ";", "nest deeper than 32");
    check("entity A = { a: ".to_owned() + &"A::".repeat(n) + "B };", "a path of more than 32 parts");
    let chain: String = (0..n).map(|at| format!("type T{at} = Set<T{}>;", at + 1)).collect();
    check(chain + "type T5000 = Long;", "nest deeper than 32");
    let laughs: String = (0..12).map(|at| format!("type T{at} = {{ a: T{0}, b: T{0}, c: T{0} }};", at + 1)).collect();
    check(laughs + "type T12 = Long;", "when its common types are written out");
    check("type A = Set<A>;".to_owned(), "in a circle");
    let groups: String = (0..1_000).map(|at| format!("action a{at} in [a{}];", at + 1)).collect();
    check(groups + "action a1000;", "in a chain of more than 32 parents");
    let types: String = (0..200).map(|at| format!("entity T{at};")).collect();
    let names = (0..200).map(|at| format!("T{at}")).collect::<Vec<_>>().join(", ");
    check(format!("{types} action a appliesTo {{ principal: [{names}], resource: [{names}] }};"), "combinations");
    let many: String = (0..n).map(|at| format!("entity T{at};")).collect();
    check(many, "more than 2000 types and actions");
}

/// Within the limits a bundle is taken, and evaluated on a small stack.
#[test]
fn limits_can_be_reached() {
    let (open, close) = ("(".repeat(NESTING_MAX - 1), ")".repeat(NESTING_MAX - 1));
    let deep = format!("permit (principal, action, resource) when {{ {open}true{close} }};");
    // `permit (` and `when` count as operators too.
    let long = format!("permit (principal, action, resource) when {{ {}true }};", "true && ".repeat(OPERATORS_MAX - 2));
    let comment = format!(
        "// {}\npermit (principal, action, resource) when {{ \"{}\" != \"\" }};",
        "(".repeat(5_000),
        "(".repeat(5_000)
    );
    for text in [deep, long, comment] {
        let bundle = bundle(&text);
        let decision = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || chancery_policy::decide(&bundle, &crate::support::directory(), &crate::support::request()))
            .unwrap()
            .join()
            .unwrap();
        assert!(decision.is_permit(), "{}", decision.explanation());
    }
    let schema = format!("{SCHEMA} type Unused = {{ a: String }};");
    let mut document = document("");
    document["schema"] = json!(schema);
    assert!(json::canonical(&document).len() > 100 && parse(&document).is_ok());
}
