//! Folders that say what a tenant is to be like.

use crate::server::made;
use crate::support::{ask, serve_acme, write};
use std::path::Path;

const SCHEMA: &str = "entity Definition; entity Step in [Definition]; entity User; entity Service; entity Agent;
action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };\n";

fn folder(dir: &Path) {
    for part in ["definitions", "targets", "queues", "schedules", "budgets", "policy"] {
        std::fs::create_dir_all(dir.join("shop").join(part)).unwrap();
    }
    let shop = dir.join("shop");
    write(&shop, "README.md", "for people\n", 0o644);
    write(&shop, "settings.yaml", "LIMIT: 3\nPAYMENTS: https://pay.example\n", 0o644);
    write(&shop, "targets/payments.yaml", "target: https://pay.example\nconcurrency: 5\ntimeout: 60s\n", 0o644);
    write(&shop, "queues/charge.yaml", "queue: charge\nconcurrency: 2\n", 0o644);
    let budget = "budget: refunds\nmeasure: amount\nunit: EUR cents\nper: principal\nwindow: 60m\nlimit: 5000\n";
    write(&shop, "budgets/refunds.yaml", budget, 0o644);
    let order = "name: order\nversion: 1\nsteps:\n  - id: charge\n    run: {worker: charge}\n";
    write(&shop, "definitions/order.yaml", order, 0o644);
    write(&shop, "schedules/nightly.yaml", "schedule: nightly\ndefinition: order\nevery: 60m\n", 0o644);
    let bundle = "name: shop\nschema: schema.cedarschema\npolicies: [all.cedar]\n";
    write(&shop, "policy/bundle.yaml", bundle, 0o644);
    write(&shop, "policy/schema.cedarschema", SCHEMA, 0o644);
    write(&shop, "policy/all.cedar", "@id(\"all\") permit (principal, action, resource);\n", 0o644);
}

#[test]
fn a_folder_is_applied_with_a_plan_first_and_a_second_time_does_nothing() {
    let dir = made();
    let server = serve_acme(dir.path());
    let ask = |args: &[&str]| ask(dir.path(), &server, "acme", args);
    folder(dir.path());

    let plan = ask(&["apply", "-f", "shop", "--dry-run"]).succeeds().stdout;
    for line in [
        "+ settings env\n    LIMIT: 3\n",
        "+ target https:pay.example:443\n    concurrency: 5\n    timeout: \"1m\"\n",
        "+ queue charge\n",
        "+ budget refunds\n    measure: \"amount\"\n    unit: \"EUR cents\"\n",
        "+ definition order 1\n",
        "+ bundle shop 1\n+ policy shop 1\n",
        "+ schedule nightly\n",
        "\n8 added, 0 changed, 0 as they are to be\n",
    ] {
        assert!(plan.contains(line), "{line} is not in\n{plan}");
    }
    ask(&["definition", "get", "order"]).fails(3, &[]);
    ask(&["apply", "-f", "shop"]).fails(2, &["--yes"]);
    ask(&["diff", "-f", "shop"]).fails(1, &[]);
    let applied = ask(&["apply", "-f", "shop", "--yes"]).succeeds();
    assert!(applied.stdout.contains("done: 8 added"), "{applied:#?}");

    let same = ask(&["diff", "-f", "shop"]).succeeds().stdout;
    assert!(same.contains("= policy shop 1\n") && same.ends_with("nothing to do: 8 as they are to be\n"), "{same}");
    let again = ask(&["apply", "-f", "shop"]).succeeds().stdout;
    assert!(again.ends_with("nothing to do: 8 as they are to be\n"), "nobody is asked: {again}");

    let budget = ask(&["budget", "show", "refunds", "-o", "json"]).succeeds().json();
    assert_eq!(
        (&budget["unit"], &budget["window"], &budget["limit"]),
        (&"EUR cents".into(), &"1h".into(), &5000.into())
    );

    // Drift: somebody set another limit by hand; and the folder says something new.
    ask(&["settings", "set", "LIMIT=9", "OTHER=1"]).succeeds();
    let shop = dir.path().join("shop");
    write(&shop, "queues/charge.yaml", "queue: charge\nrate: 7\n", 0o644);
    ask(&["budget", "set", "refunds", "--amount", "EUR cents", "--per", "principal", "--limit", "6000"]).succeeds();
    let forbid = "@id(\"all\") permit (principal, action, resource);\n@id(\"none\") forbid (principal is Agent, action, \
        resource);\n";
    write(&shop, "policy/all.cedar", forbid, 0o644);
    let drift = ask(&["diff", "-f", "shop"]).fails(1, &[]).stdout;
    for line in [
        "~ settings env\n    LIMIT: 9 → 3\n=",
        "~ queue charge\n    concurrency: 2 → nothing\n    rate: 7\n",
        "~ budget refunds\n    window: \"1h\"\n    limit: 6000 → 5000\n",
        "~ bundle shop 2\n~ policy shop 2\n    in place of shop 1\n    + policy none\n",
    ] {
        assert!(drift.contains(line), "{line} is not in\n{drift}");
    }
    let applied = ask(&["apply", "-f", "shop", "--yes", "-o", "json"]).succeeds().json();
    assert_eq!((&applied["applied"], &applied["plan"][0]["change"]), (&true.into(), &"changed".into()), "{applied}");
    ask(&["diff", "-f", "shop"]).succeeds();
    let settings = ask(&["settings", "get", "-o", "json"]).succeeds().json();
    assert_eq!(settings["values"]["OTHER"], 1, "what the folder does not name stays");

    // Other content under a version that is there, and what is not part of such a folder.
    let order = "name: order\nversion: 1\nsteps:\n  - id: pay\n    run: {worker: charge}\n";
    write(&shop, "definitions/order.yaml", order, 0o644);
    ask(&["diff", "-f", "shop"]).fails(1, &["order 1 is registered with other content: raise its version"]);
    write(&shop, "budgets/pilots.yaml", "budget: pilots\nmeasure: count\nunit: pilots\nper: tenant\nlimit: 3\n", 0o644);
    ask(&["diff", "-f", "shop"]).fails(1, &["budget `pilots`: unit: it is of amounts, and the measure is `count`"]);
    std::fs::create_dir(shop.join("quues")).unwrap();
    ask(&["apply", "-f", "shop", "--yes"]).fails(1, &["quues: it is none of definitions"]);
    assert_eq!(server.stop(), 0);
}
