//! Bundles compared, linted, imported, asked and replayed.

use crate::server::made;
use crate::support::{ask, run, serve_acme, write};
use std::path::Path;

/// A bundle in a folder of its own.
fn bundle(dir: &Path, name: &str, version: u32, policies: &str) {
    let folder = dir.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let described = format!("name: shop\nversion: {version}\nschema: s.cedarschema\npolicies: [p.cedar]\n");
    write(&folder, "bundle.yaml", &described, 0o644);
    let schema = "entity Role; entity User in [Role]; entity Service in [Role]; entity Agent in [Role];\n\
                  entity Order = {@asserted total?: Long}; entity Definition; entity Step in [Definition];\n\
                  action ship appliesTo {principal: [User, Service, Agent], resource: [Order], context: {}};\n\
                  action pack appliesTo {principal: [Service], resource: [Step], context: {}};\n";
    write(&folder, "s.cedarschema", schema, 0o644);
    write(&folder, "p.cedar", policies, 0o644);
}

const OLD: &str = "@id(\"ship\") permit (principal, action == Action::\"ship\", resource);\n";
const NEW: &str = "@id(\"ship\") permit (principal, action == Action::\"ship\", resource);\n\
                   @id(\"small\") @reason(\"it is too large\") forbid (principal, action, resource is Order)\n\
                   unless { resource has total && resource.total < 100 };\n";

#[test]
fn bundles_are_compared_and_linted_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    bundle(dir.path(), "old", 1, OLD);
    bundle(dir.path(), "new", 2, NEW);
    let ran = run(dir.path(), &["bundle", "diff", "old", "new", "--exit-code"]).fails(1, &[]);
    let said = "shop 1 → shop 2\n+ policy small\n    forbids everybody everything on every Order\n    unless { resource \
                has total && resource.total < 100 }\n    @reason(\"it is too large\")\n";
    assert_eq!(ran.stdout, said);
    let ran = run(dir.path(), &["bundle", "diff", "old", "old", "--exit-code"]).succeeds();
    assert_eq!(ran.stdout, "shop 1 → shop 1\nno difference\n");
    let ran = run(dir.path(), &["bundle", "diff", "new", "old", "-o", "json"]).succeeds().json();
    assert_eq!(ran["differences"][0]["change"], "removed");

    let ran = run(dir.path(), &["bundle", "lint", "new"]).fails(1, &[]);
    assert_eq!(ran.stdout, "schema: no policy permits `pack` [unpermitted-action]\n");
    let all = "permit (principal, action, resource);\n";
    write(&dir.path().join("new"), "p.cedar", &format!("@id(\"all\") {all}{NEW}"), 0o644);
    let ran = run(dir.path(), &["bundle", "lint", "new"]).fails(1, &[]);
    assert!(ran.stdout.starts_with("p.cedar:2:1: policy `ship`: `all` does the same"), "{ran:#?}");
    write(&dir.path().join("new"), "p.cedar", all, 0o644);
    assert_eq!(run(dir.path(), &["bundle", "lint", "new"]).succeeds().stdout, "nothing to say\n");

    std::fs::create_dir(dir.path().join("definitions")).unwrap();
    let order = "name: order\nversion: 1\nsteps:\n- {id: a, action: pack, run: {worker: w}, compensate: {run: {worker: u}}}\n\
                 - {id: b, after: [a], run: {worker: w}}\n";
    write(&dir.path().join("definitions"), "order.yaml", order, 0o644);
    let args = ["bundle", "lint", "old", "--definitions", "definitions"];
    let ran = run(dir.path(), &args).fails(1, &[]);
    let said = "order: step `b` asks for `run`, which the schema does not declare [undeclared-action]\n\
                order: nobody could run step `a`: no policy permits `pack` there, nor run its compensation, which the \
                same permit authorises [unpermitted-step]\nschema: no policy permits `pack` [unpermitted-action]\n";
    assert_eq!(ran.stdout, said);
}

#[test]
fn a_policy_of_lexecon_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let policy = r#"{"name": "Small policy", "mode": "strict", "terms": [
        {"id": "actor:clerk", "type": "actor", "name": "clerk"}, {"id": "action:read", "type": "action", "name": "read"}],
        "relations": [{"type": "permits", "subject": "actor:clerk", "action": "action:read", "conditions": ["awake"]}]}"#;
    write(dir.path(), "policy.json", policy, 0o644);
    let ran = run(dir.path(), &["bundle", "import", "lexecon", "policy.json", "--out", "small"]).succeeds();
    assert!(ran.stdout.contains("relations[0]: stricter: its conditions count"), "{ran:#?}");
    assert!(ran.stdout.ends_with("small-policy: 1 policies, 2 tests passed, in small\n"), "{ran:#?}");
    let ran = run(dir.path(), &["bundle", "test", "small"]).succeeds();
    assert!(ran.stdout.ends_with("2 of 2 tests passed\n"), "{ran:#?}");
    let again = run(dir.path(), &["bundle", "import", "lexecon", "policy.json", "--out", "small"]);
    again.fails(2, &["failed to write small", "it exists already"]);
    run(dir.path(), &["bundle", "import", "lexecon", "policy.json", "--out", "small.json"]).succeeds();
    run(dir.path(), &["bundle", "check", "small.json"]).succeeds();
    write(dir.path(), "bad.json", r#"{"name": "x", "relations": [{"type": "allows"}]}"#, 0o644);
    let bad = run(dir.path(), &["bundle", "import", "lexecon", "bad.json", "--out", "bad"]);
    bad.fails(1, &["bad.json: relations[0].type: `allows` is no relation"]);
    assert!(!dir.path().join("bad").exists());
}

#[test]
fn a_bundle_is_asked_and_past_decisions_are_taken_again_under_it() {
    let dir = made();
    let server = serve_acme(dir.path());
    let ask = |args: &[&str]| ask(dir.path(), &server, "acme", args);
    bundle(dir.path(), "old", 1, OLD);
    bundle(dir.path(), "new", 2, NEW);
    let pushed = ask(&["bundle", "push", "old", "--activate", "-o", "json"]).succeeds().json();
    let digest = pushed["digest"].as_str().unwrap();
    let order = |total: &str| {
        let question = ["--action", "ship", "--resource", "Order::1", "--attribute"];
        [&question[..], &[total]].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let with = |args: &[&str], total: &str| {
        let all: Vec<String> = args.iter().map(|word| (*word).to_owned()).chain(order(total)).collect();
        ask(&all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for total in ["total=50", "total=500", "total=5000"] {
        with(&["decide"], total).succeeds();
    }
    let owner =
        ask(&["principal", "list", "-o", "json"]).succeeds().json()["items"][0]["id"].as_str().unwrap().to_owned();
    let ran = with(&["bundle", "simulate", "new", "--principal", &owner], "total=500").fails(1, &[]);
    assert!(ran.stdout.contains("would be denied") && ran.stdout.contains("it is too large"), "{ran:#?}");
    with(&["bundle", "simulate", digest], "total=500").succeeds();

    let own = ask(&["bundle", "replay", digest, "-o", "json"]).succeeds().json();
    assert_eq!(
        (&own["decisions"], &own["would_deny"], &own["would_permit"]),
        (&3.into(), &0.into(), &0.into()),
        "{own}"
    );
    let other = ask(&["bundle", "replay", "new", "-o", "json"]).fails(1, &[]).json();
    assert_eq!((&other["would_deny"], &other["groups"][0]["would_deny"]), (&2.into(), &2.into()), "{other}");
    let flip = &other["flips"][0];
    assert_eq!(
        (&flip["before"], &flip["after"], &flip["reasons"][0]["policy"]),
        (&"permit".into(), &"deny".into(), &"small".into())
    );
    let second = other["flips"][1]["entry"].to_string();
    let ran = ask(&["bundle", "replay", "new", "--from-entry", &second]).fails(1, &[]);
    assert!(
        ran.stdout.starts_with(&format!("entry {second}: permit → deny: {owner} `ship` Order::\"1\": policy `small`")),
        "{ran:#?}"
    );
    assert!(ran.stdout.ends_with("1 decisions: 1 would be denied, 0 permitted\n"), "{ran:#?}");
    let none = ask(&["bundle", "replay", "new", "--until", "2020-01-01T00:00:00Z"]).succeeds();
    assert_eq!(none.stdout, "0 decisions: 0 would be denied, 0 permitted\n");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_replay_sums_by_the_definition_of_a_step_that_names_its_resource() {
    let dir = made();
    let server = serve_acme(dir.path());
    let ask = |args: &[&str]| ask(dir.path(), &server, "acme", args);
    for (name, version, policies) in [("old", 1, OLD), ("new", 2, NEW)] {
        bundle(
            dir.path(),
            name,
            version,
            &format!("{policies}permit (principal, action == Action::\"start\", resource);"),
        );
        let schema = std::fs::read_to_string(dir.path().join(name).join("s.cedarschema")).unwrap();
        let start = "action start appliesTo {principal: [User, Service, Agent], resource: [Definition], context: {}};";
        write(&dir.path().join(name), "s.cedarschema", &format!("{schema}{start}"), 0o644);
    }
    ask(&["bundle", "push", "old", "--activate"]).succeeds();
    let step = "resource: {type: Order, id: \"17\"}, compensate: {run: noop}";
    write(
        dir.path(),
        "parcel.yaml",
        &format!("name: parcel\nversion: 1\nsteps:\n- {{id: go, run: noop, action: ship, {step}}}\n"),
        0o644,
    );
    ask(&["definition", "push", "parcel.yaml"]).succeeds();
    let done = ask(&["tx", "start", "parcel", "--wait", "10s", "-o", "json"]).succeeds().json();
    ask(&["decide", "--action", "ship", "--resource", "Order::18"]).succeeds();
    let history = ask(&["tx", "history", done["id"].as_str().unwrap(), "-o", "json"]).succeeds().json();
    let after_start = (history["items"][0]["seq"].as_u64().unwrap() + 1).to_string();
    let pushed = ask(&["bundle", "push", "new", "-o", "json"]).succeeds().json()["digest"].as_str().unwrap().to_owned();
    // By a folder, which the command line asks, and by what the server has; with the start in the range and without.
    for bundle in ["new", &pushed] {
        for from in ["0", &after_start] {
            let sums = ask(&["bundle", "replay", bundle, "--from-entry", from, "-o", "json"]).fails(1, &[]).json();
            let groups = sums["groups"].as_array().unwrap();
            let told: Vec<_> =
                groups.iter().map(|group| (group["definition"].as_str(), &group["would_deny"])).collect();
            assert_eq!(told, [(None, &1.into()), (Some("parcel"), &1.into())], "{bundle} from {from}: {sums}");
            assert_eq!(sums["flips"].as_array().unwrap().len(), 2, "{sums}");
        }
    }
    assert_eq!(server.stop(), 0);
}

/// The guide's patterns answer their own questions.
#[test]
fn the_patterns_of_the_policy_guide_hold() {
    let patterns = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/policies");
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(&patterns).unwrap() {
        let pattern = entry.unwrap().path();
        let tested = run(dir.path(), &["bundle", "test", pattern.to_str().unwrap()]).succeeds();
        assert!(!tested.stdout.contains("FAIL"), "{tested:#?}");
        run(dir.path(), &["bundle", "check", pattern.to_str().unwrap()]).succeeds();
        count += 1;
    }
    let guide = patterns.join("../../docs/policy-guide.md");
    let told = std::fs::read_to_string(guide).unwrap().matches("](../examples/policies/").count();
    assert_eq!((count, told), (10, 10), "each is told of");
}

#[test]
fn a_bundle_is_signed_offline_and_put_into_force_by_another_person() {
    let dir = made();
    let server = serve_acme(dir.path());
    let ask = |args: &[&str]| ask(dir.path(), &server, "acme", args);
    bundle(dir.path(), "shop", 1, OLD);
    let key = |name: &str| {
        let file = format!("{name}.private");
        run(dir.path(), &["bundle", "keygen", name, "--out", &file, "-o", "json"]).succeeds().json()["public"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (ann, ben) = (key("ann"), key("ben"));
    run(dir.path(), &["bundle", "keygen", "ann", "--out", "ann.private"]).fails(2, &["ann.private"]);
    ask(&["signer", "add", &ann]).succeeds();
    let rules = ask(&["bundle", "rules", "--signatures", "1"]).succeeds().stdout;
    assert!(rules.contains("anyone who may") && rules.contains("signatures"), "{rules}");
    ask(&["bundle", "rules", "--signatures", "2"]).fails(2, &["signatures of 2 signers cannot be demanded where 1"]);

    ask(&["bundle", "push", "shop", "--activate"]).fails(4, &["it takes signatures of 1 trusted signers"]);
    let signed = run(dir.path(), &["bundle", "sign", "shop", "--with", "ben.private"]).succeeds().stdout;
    assert!(signed.contains("is signed by ben, one of 1: sha256:") && signed.contains("shop/bundle.sig"), "{signed}");
    let warned = ask(&["bundle", "push", "shop"]).succeeds();
    assert!(warned.stderr.contains("signatures: `ben` is no trusted signer"), "{warned:#?}");
    std::fs::remove_file(dir.path().join("shop/bundle.sig")).unwrap();
    for name in ["ann", "ann"] {
        let with = format!("{name}.private");
        let signed = run(dir.path(), &["bundle", "sign", "shop", "--with", &with, "-o", "json"]).succeeds().json();
        assert_eq!(signed["signatures"], 1, "the same again is one");
    }
    ask(&["bundle", "push", "shop", "--activate"]).succeeds();
    let listed = ask(&["bundle", "list"]).succeeds().stdout;
    assert!(listed.contains("SIGNED BY") && listed.contains(" ann "), "{listed}");

    // Of another version the signature is none.
    bundle(dir.path(), "shop", 2, NEW);
    ask(&["bundle", "push", "shop"]).fails(2, &["the signatures are of `chancery bundle,"]);
    run(dir.path(), &["bundle", "sign", "shop", "--with", "ann.private"]).succeeds();
    ask(&["bundle", "rules", "--second-person", "on"]).succeeds();
    ask(&["bundle", "push", "shop", "--activate"]).fails(4, &["pushed this bundle, and somebody else has to"]);
    let principal =
        ["principal", "create", "--kind", "user", "--name", "ben", "--role", "policy-approver", "-o", "json"];
    let approver = ask(&principal).succeeds().json()["id"].as_str().unwrap().to_owned();
    ask(&["key", "issue", &approver, "--key-out", "approver.key"]).succeeds();
    let digest =
        ask(&["bundle", "list", "-o", "json"]).succeeds().json()["items"][1]["digest"].as_str().unwrap().to_owned();
    let as_approver = ["--server", &server.url, "--key-file", "approver.key"];
    run(dir.path(), &[&["bundle", "activate", &digest], &as_approver[..]].concat()).succeeds();
    ask(&["signer", "add", &ben]).succeeds();
    ask(&["signer", "remove", "ben"]).succeeds();
    ask(&["signer", "remove", "ann"]).fails(2, &["cannot be demanded where 0 are trusted"]);
    let left = ask(&["signer", "list", "-o", "json"]).succeeds().json();
    assert_eq!((&left["items"][0]["key"], left["items"].as_array().unwrap().len()), (&ann.into(), 1));
    assert_eq!(server.stop(), 0);
}
