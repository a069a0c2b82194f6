//! What needs no server.

use crate::support::{run, run_with, write};
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

const BAD: &str = "\
name: order
version: 1
steps:
  - id: reserve
    run: {worker: inventory.reserve}
    after: [charge]
  - id: charge
    run: {worker: payments.charge}
    unitl: \"${{ input.done }}\"
";

#[test]
fn a_definition_is_checked_without_a_server() {
    let hello = examples().join("hello.yaml");
    let ran = run(Path::new("/"), &["definition".as_ref(), "check".as_ref(), hello.as_os_str()]).succeeds();
    assert!(ran.stdout.starts_with("hello 1 is sound: 2 steps, sha256:"), "{ran:#?}");
    let text = std::fs::read(&hello).unwrap();
    let ran = run_with(Path::new("/"), &["definition", "check", "-", "-o", "json"], &text).succeeds();
    assert_eq!(ran.json()["name"], "hello");
    assert_eq!(ran.json()["version"], 1);
}

#[test]
fn faults_of_a_definition_have_path_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "order.yaml", BAD, 0o644);
    let ran = run(dir.path(), &["definition", "check", "order.yaml"]);
    let ran = ran.fails(1, &["order.yaml:9:5: steps[1].unitl: ", "error: order.yaml has 1 fault", "try: "]);
    assert_eq!(ran.stdout, "");
    let ran = run(dir.path(), &["definition", "check", "order.yaml", "-o", "json"]).fails(1, &[]);
    let fault = ran.json()["errors"][0].clone();
    assert_eq!((&fault["line"], &fault["column"]), (&9.into(), &5.into()));
    assert_eq!((&fault["path"], &fault["file"]), (&"steps[1].unitl".into(), &"order.yaml".into()));
}

#[test]
fn bad_definitions_say_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let deep = "[".repeat(5_000);
    let chain = format!(
        "name: a\nversion: 1\nsteps:\n  - {{id: a, run: noop, when: \"${{{{ 1{} == 2 }}}}\"}}\n",
        "+1".repeat(5_000)
    );
    let twice = "{\"name\": \"a\", \"name\": \"b\"}";
    for (name, text, said) in [
        ("cut.json", "{\"name\": ", "cut.json:1"),
        ("twice.json", twice, "twice.json:1"),
        ("deep.json", deep.as_str(), "deep.json:1"),
        ("chain.yaml", chain.as_str(), "chain.yaml:4"),
        ("empty.yaml", "", "empty.yaml:1"),
    ] {
        write(dir.path(), name, text, 0o644);
        run(dir.path(), &["definition", "check", name]).fails(1, &[said]);
    }
    std::fs::write(dir.path().join("latin.yaml"), b"name: \xe9").unwrap();
    run(dir.path(), &["definition", "check", "latin.yaml"]).fails(1, &["not UTF-8"]);
    std::fs::write(dir.path().join("large.yaml"), vec![b' '; 2 << 20]).unwrap();
    run(dir.path(), &["definition", "check", "large.yaml"]).fails(2, &["large.yaml has more than 524288 bytes"]);
    run(dir.path(), &["definition", "check", "absent.yaml"]).fails(2, &["failed to read absent.yaml", "No such file"]);
}

#[test]
fn a_definition_is_drawn() {
    let hello = examples().join("hello.yaml");
    let args = |format| ["definition".into(), "graph".into(), hello.clone().into(), "--format".into(), format];
    let dot = run(Path::new("/"), &args(std::ffi::OsString::from("dot"))).succeeds();
    assert!(dot.stdout.starts_with("digraph \"hello\" {") && dot.stdout.contains("style=dashed"), "{dot:#?}");
    let mermaid = run(Path::new("/"), &args(std::ffi::OsString::from("mermaid"))).succeeds();
    assert!(mermaid.stdout.starts_with("flowchart TD") && mermaid.stdout.contains("-.->"), "{mermaid:#?}");
}

#[test]
fn a_definition_is_drawn_as_a_picture() {
    let hello = examples().join("hello.yaml");
    let args = ["definition".as_ref(), "graph".as_ref(), hello.as_os_str(), "--format".as_ref(), "svg".as_ref()];
    let svg = run(Path::new("/"), &args).succeeds().stdout;
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains(">undo greet</text>"), "{svg}");
}

#[test]
fn the_linter_warns_and_check_says_so_too() {
    let dir = tempfile::tempdir().unwrap();
    let text = "name: x\nversion: 1\nsteps:\n- {id: a, run: {worker: w}}\n- {id: b, run: {worker: w}, after: [a]}\n";
    write(dir.path(), "x.yaml", text, 0o644);
    write(dir.path(), "y.yaml", &text.replace("id: a, run", "id: a, lint: {allow: [no-undo]}, run"), 0o644);
    let line = "x.yaml:4:3: steps[0]: `a` stays done if another step fails after it: give it a `compensate`, or say \
                `irreversible: true` or `pivot: true` [no-undo]\n";
    let ran = run(dir.path(), &["definition", "lint", "x.yaml", "y.yaml"]).fails(1, &[]);
    assert_eq!(ran.stdout, line);
    assert_eq!(run(dir.path(), &["definition", "lint", "y.yaml"]).succeeds().stdout, "nothing to say\n");
    let ran = run(dir.path(), &["definition", "lint", "x.yaml", "-o", "json"]).fails(1, &[]);
    let warning = &ran.json()["warnings"][0];
    assert_eq!(
        (&warning["rule"], &warning["line"], &warning["file"]),
        (&"no-undo".into(), &4.into(), &"x.yaml".into())
    );
    let ran = run(dir.path(), &["definition", "check", "x.yaml"]).succeeds();
    assert!(ran.stdout.starts_with(line) && ran.stdout.contains("\nx 1 is sound: 2 steps, "), "{ran:#?}");
    write(dir.path(), "z.yaml", "name: x", 0o644);
    // One that is none hides nothing of the others.
    let all = ["definition", "lint", "z.yaml", "x.yaml"];
    run(dir.path(), &all).fails(1, &["x.yaml:4:3: steps[0]: `a` stays done", "z.yaml:1:1: `steps` is missing"]);
    let found = run(dir.path(), &[&all[..], &["-o", "json"]].concat()).fails(1, &[]).json();
    assert_eq!((&found["errors"][0]["file"], &found["warnings"][0]["file"]), (&"z.yaml".into(), &"x.yaml".into()));
}

#[test]
fn two_definitions_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let before = "name: x\nversion: 1\nsteps:\n- {id: a, run: {worker: w}, compensate: {run: {worker: u}}}\n- {id: b, run: noop}\n";
    let after = before
        .replace("version: 1", "version: 2")
        .replace("worker: u", "worker: v")
        .replace("id: b", "id: c, after: [a]");
    write(dir.path(), "1.yaml", before, 0o644);
    write(dir.path(), "2.yaml", &after, 0o644);
    let ran = run(dir.path(), &["definition", "diff", "1.yaml", "2.yaml"]).succeeds();
    let undone = |by: &str| format!("is undone by worker {by}; if that fails, the transaction is parked");
    let expected = format!(
        "x 1 → x 2\n+ step c\n- step b\n~ step a\n  ~ compensate.run.worker: \"u\" → \"v\"\ncompensation\n  \
         `a` {}; now it {}\n  `c` is new: it stays done\n  `b` is gone: it stays done\n",
        undone("u"),
        undone("v")
    );
    assert_eq!(ran.stdout, expected);
    let ran = run(dir.path(), &["definition", "diff", "1.yaml", "2.yaml", "--exit-code", "-o", "json"]).fails(1, &[]);
    assert_eq!(ran.json()["changed"][0]["changes"][0]["after"], "v");
    let ran = run(dir.path(), &["definition", "diff", "1.yaml", "1.yaml", "--exit-code"]).succeeds();
    assert_eq!(ran.stdout, "x 1 → x 1\nno difference\n");
    run(dir.path(), &["definition", "diff", "1.yaml", "x@2"]).fails(2, &["no server is named"]);
    run(dir.path(), &["definition", "diff", "1.yaml", "absent.yaml"]).fails(2, &["failed to read absent.yaml"]);
}

#[test]
fn the_schema_is_written_as_it_is_published() {
    let published = include_str!("../../../../schemas/definition.schema.json");
    assert_eq!(run(Path::new("/"), &["definition", "schema"]).succeeds().stdout, published);
}

#[test]
fn a_bundle_is_checked_without_a_server() {
    let starter = examples().join("starter");
    let ran = run(Path::new("/"), &["bundle".as_ref(), "check".as_ref(), starter.as_os_str()]).succeeds();
    assert_eq!(ran.stdout, "starter is sound; a push gives it its version\n");
}

#[test]
fn faults_of_a_bundle_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = "name: b\nversion: 3\nschema: s.cedarschema\npolicies: [p.cedar]\n";
    write(dir.path(), "bundle.yaml", bundle, 0o644);
    let schema = "entity User; entity Order = {total: Long};\n\
                  action ship appliesTo {principal: [User], resource: [Order]};\n";
    write(dir.path(), "s.cedarschema", schema, 0o644);
    write(
        dir.path(),
        "p.cedar",
        "permit (principal, action == Action::\"ship\", resource)\nwhen {\n  resource.totl > 3 };",
        0o644,
    );
    run(dir.path(), &["bundle", "check", "."]).fails(1, &["./p.cedar:3:3: ", "totl", "./bundle.yaml has 1 fault"]);
    write(
        dir.path(),
        "p.cedar",
        "permit (principal, action == Action::\"ship\", resource)\nwhen {\n  resource.total > 3 };",
        0o644,
    );
    let ran = run(dir.path(), &["bundle", "check", ".", "-o", "yaml"]).succeeds();
    assert!(ran.stdout.contains("name: b\n") && ran.stdout.contains("version: 3\n"), "{ran:#?}");

    let chain = format!("permit (principal, action, resource) when {{ 1{} > 2 }};", "+1".repeat(5_000));
    for (described, policy, said) in [
        ("name: b\nschema: s.cedarschema\npolicies: [p.cedar]\nbudgets: []\n", "", "budgets"),
        ("name: b\nschema: ../s.cedarschema\npolicies: []\n", "", "is not a path within the directory"),
        ("name: b\nschema: /etc/passwd\npolicies: []\n", "", "is not a path within the directory"),
        ("name: b\nschema: s.cedarschema\npolicies: [p.cedar, p.cedar]\n", "", "`p.cedar` stands twice"),
        ("name: b\nname: c\nschema: s.cedarschema\npolicies: []\n", "", "name"),
        ("name: [\n", "", "bundle.yaml:"),
        ("name: b\nschema: s.cedarschema\npolicies: [p.cedar]\n", "permit (", "p.cedar"),
        ("name: b\nschema: s.cedarschema\npolicies: [p.cedar]\n", chain.as_str(), "p.cedar"),
    ] {
        write(dir.path(), "bundle.yaml", described, 0o644);
        write(dir.path(), "p.cedar", policy, 0o644);
        run(dir.path(), &["bundle", "check", "."]).fails(1, &[said]);
    }
    write(dir.path(), "bundle.yaml", "name: b\nschema: s.cedarschema\npolicies: [q.cedar]\n", 0o644);
    run(dir.path(), &["bundle", "check", "."]).fails(2, &["failed to read ./q.cedar"]);
}

/// A bundle of one policy, in a directory.
fn greeting_bundle(dir: &Path) {
    write(dir, "bundle.yaml", "name: greeting\nversion: 2\nschema: s.cedarschema\npolicies: [p.cedar]\n", 0o644);
    let schema = "entity User; entity Step;\n\
                  action greet appliesTo {principal: [User], resource: [Step], context: {times: Long}};\n";
    write(dir, "s.cedarschema", schema, 0o644);
    let policies = "@id(\"few\") @reason(\"a few are fine\")\n\
                    permit (principal, action == Action::\"greet\", resource) when { context.times < 3 };";
    write(dir, "p.cedar", policies, 0o644);
    std::fs::create_dir(dir.join("tests")).unwrap();
}

/// A test in YAML of so many greetings.
fn greeting_test(name: &str, times: u32, expect: &str) -> String {
    format!(
        "- name: {name}\n  principal: {{kind: user}}\n  action: greet\n  resource: {{type: Step, id: a/b}}\n  \
         context: {{times: {times}}}\n  expect: {expect}\n"
    )
}

#[test]
fn a_bundle_is_tested_and_built_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    greeting_bundle(dir.path());
    assert_eq!(run(dir.path(), &["bundle", "test", "."]).succeeds().stdout, "0 of 0 tests passed\n");
    let good = format!("{}  policies: [few]\n", greeting_test("two", 2, "permit"));
    write(dir.path(), "tests/a.yaml", &good, 0o644);
    write(dir.path(), "tests/README", "no test", 0o644);
    let ran = run(dir.path(), &["bundle", "build", ".", "--out", "b.json"]).succeeds();
    assert!(ran.stdout.starts_with("greeting 2, 1 tests passed: sha256:"), "{ran:#?}");
    let built: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.path().join("b.json")).unwrap()).unwrap();
    assert_eq!(built["tests"][0]["name"], "two");
    let of_file = run(dir.path(), &["bundle", "check", "b.json", "-o", "json"]).succeeds().json();
    assert!(ran.stdout.contains(of_file["digest"].as_str().unwrap()), "{of_file}");

    write(dir.path(), "tests/b.yaml", &greeting_test("three", 3, "permit"), 0o644);
    let ran = run(dir.path(), &["bundle", "test", "."]).fails(1, &[]);
    let said = "ok    two\nFAIL  three\n      expected permit, got deny because no policy permits `greet` on \
                Step::\"a/b\"\n1 of 2 tests passed\n";
    assert_eq!(ran.stdout, said);
    let ran = run(dir.path(), &["bundle", "test", ".", "-o", "json"]).fails(1, &[]).json();
    assert_eq!((&ran["passed"], &ran["tests"][1]["name"]), (&1.into(), &"three".into()));
    std::fs::remove_file(dir.path().join("b.json")).unwrap();
    for args in [["bundle", "check", ".", "-o", "table"], ["bundle", "build", ".", "--out", "b.json"]] {
        run(dir.path(), &args).fails(1, &["./tests: test `three`: expected permit, got deny", "has 1 fault"]);
    }
    assert!(!dir.path().join("b.json").exists());

    write(dir.path(), "tests/b.yaml", &greeting_test("two", 2, "permit"), 0o644);
    run(dir.path(), &["bundle", "test", "."]).fails(1, &["./tests: test 2 `two`: another test has the same name"]);
    write(dir.path(), "tests/b.yaml", &greeting_test("four", 4, "maybe"), 0o644);
    run(dir.path(), &["bundle", "test", "."]).fails(1, &["./tests/b.yaml: test 1 `four`: unknown variant `maybe`"]);
    write(dir.path(), "bundle.yaml", "name: g\nschema: s.cedarschema\npolicies: [p.cedar]\n", 0o644);
    write(dir.path(), "tests/b.yaml", "[]", 0o644);
    run(dir.path(), &["bundle", "build", ".", "--out", "b.json"]).fails(2, &["says no version"]);
    run(dir.path(), &["bundle", "build", ".", "--out", "b.json", "--version-number", "7"]).succeeds();
}

#[test]
fn a_receipt_that_is_none_does_not_verify() {
    let dir = tempfile::tempdir().unwrap();
    let key = "acme+f9d8a32b+AfQGbB3cmEFJdXrj0xJzF1W0hUXYQ7Ymq0eCZmXJfZ4Z";
    run_with(dir.path(), &["verify", "receipt", "-"], b"{}").fails(2, &["no verifier key is named", "--key TEXT"]);
    run(dir.path(), &["verify", "receipt", "absent", "--key", key]).fails(2, &["failed to read absent"]);
    run_with(dir.path(), &["verify", "receipt", "-", "--key", "acme"], b"{}").fails(2, &["neither a verifier key"]);
}

#[test]
fn files_that_an_input_refers_to_are_put_in_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let order = "name: order\nversion: 1\ninput: {$ref: schemas/order.json}\nsteps: [{id: a, run: noop}]\n";
    write(dir.path(), "order.yaml", order, 0o644);
    std::fs::create_dir(dir.path().join("schemas")).unwrap();
    let schema = r##"{"type": "object", "properties": {"item": {"$ref": "parts/item.yaml#/$defs/item"}, "self": {"$ref": "#"}}}"##;
    write(dir.path(), "schemas/order.json", schema, 0o644);
    std::fs::create_dir(dir.path().join("schemas/parts")).unwrap();
    write(dir.path(), "schemas/parts/item.yaml", "$defs: {item: {type: string, const: {$ref: as it is}}}\n", 0o644);
    let checked = run(dir.path(), &["definition", "check", "order.yaml", "-o", "json"]).succeeds().json();
    assert_eq!(checked["name"], "order");
    // The same as if it were written in one piece.
    let whole = r##"{"name": "order", "version": 1, "steps": [{"id": "a", "run": "noop"}], "input": {
        "$ref": "#/$defs/schemas~1order.json", "$defs": {
            "schemas/order.json": {"type": "object", "properties": {
                "item": {"$ref": "#/$defs/schemas~1parts~1item.yaml/$defs/item"}, "self": {"$ref": "#/$defs/schemas~1order.json"}}},
            "schemas/parts/item.yaml": {"$defs": {"item": {"type": "string", "const": {"$ref": "as it is"}}}}}}}"##;
    write(dir.path(), "whole.json", whole, 0o644);
    let of_whole = run(dir.path(), &["definition", "check", "whole.json", "-o", "json"]).succeeds().json();
    assert_eq!(checked["digest"], of_whole["digest"]);

    write(dir.path(), "schemas/parts/item.yaml", "$defs: {item: {type: text}}\n", 0o644);
    let wrong = run(dir.path(), &["definition", "check", "order.yaml"]);
    wrong.fails(1, &["order.yaml: input.$defs.schemas/parts/item.yaml.$defs.item.type: `text` is no type"]);
    for (reference, says) in [
        ("../order.json", "schemas lie in the definition's folder or below it"),
        ("/etc/order.json", "schemas lie in the definition's folder or below it"),
        ("nothing.json", "failed to read"),
        ("https://example.com/order.json", "a schema refers to nothing outside of the definition"),
    ] {
        write(dir.path(), "bad.yaml", &order.replace("schemas/order.json", reference), 0o644);
        let ran = run(dir.path(), &["definition", "check", "bad.yaml"]);
        assert!(ran.stderr.contains(says), "{reference}: {ran:#?}");
    }
}
