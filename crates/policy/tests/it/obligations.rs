//! Obligations: what is demanded of what is permitted.

use crate::support::{directory, document, object, parse, request};
use chancery_base::{Digest, EvidenceId, Name};
use chancery_policy::replay::{Unreplayable, again};
use chancery_policy::{
    Artefact, Bundle, Citation, Decision, Demand, FieldPath, Handed, Limits, Obligation, Outcome, Reason, Scope,
    decide, decide_again,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const PERMIT: &str = "permit (principal, action, resource);";

fn with(policies: &str, obligations: &Value) -> Result<Bundle, String> {
    let mut document = document(policies);
    document["obligations"] = obligations.clone();
    document["entities"] = json!([{
        "uid": { "type": "Definition", "id": "create-order" }, "attrs": { "tier": "gold" }, "parents": [],
    }]);
    parse(&document).map_err(|err| err.to_string())
}

fn decided(policies: &str, obligations: &str) -> Decision {
    let bundle = with(policies, &json!(obligations)).unwrap_or_else(|err| panic!("{err}"));
    let decision = decide(&bundle, &directory(), &request());
    let payload: Value = serde_json::from_str(decision.payload()).unwrap();
    assert_eq!(decide_again(&bundle, &payload), decision.outcome, "{payload}");
    assert_eq!(payload.get("obligations").is_some(), !decision.obligations.is_empty());
    decision
}

#[test]
fn what_applies_is_demanded_and_what_does_not_is_not() {
    let decision = decided(
        PERMIT,
        "@id(\"four-eyes\") @obligation(\"approval\") @approvers(\"2\") @role(\"finance\") @sla(\"2h\") @reason(\"it is \
         dear\") permit (principal is Agent, action == Action::\"run\", resource);
         @obligation(\"mask\") @fields(\"card.number, email\") permit (principal, action, resource) when \
         { resource in Definition::\"create-order\" && Definition::\"create-order\" has tier && Definition::\"create-order\".tier == \"gold\" };
         @obligation(\"limits\") @timeout(\"30s\") permit (principal is User, action, resource);",
    );
    assert!(decision.is_permit());
    let json: Vec<Value> = decision.obligations.iter().map(Obligation::to_json).collect();
    assert_eq!(
        json,
        [
            json!({ "kind": "approval", "policy": "four-eyes", "reason": "it is dear", "approvers": 2,
                    "role": "finance", "within": "2h" }),
            json!({ "kind": "mask", "policy": "obligation1", "fields": ["card.number", "email"] }),
        ]
    );
}

#[test]
fn what_is_denied_is_demanded_nothing_of() {
    let all = "@obligation(\"limits\") @cpu(\"500m\") permit (principal, action, resource);";
    let decision = decided("", all);
    assert_eq!((decision.outcome, decision.obligations.len()), (Outcome::Deny, 0));
}

/// What meets it stands in the payload, and what lacks it is a deny that no replay turns over.
#[test]
fn evidence_is_cited_or_the_permit_becomes_a_denial() {
    let obligations =
        "@id(\"assessed\") @obligation(\"evidence\") @name(\"dpia\") permit (principal, action, resource);
         @obligation(\"evidence\") @name(\"use\") @for(\"tenant\") permit (principal, action, resource);";
    let decision = decided(PERMIT, obligations);
    let asked: Value = serde_json::from_str(decision.payload()).unwrap();
    let demanded: Vec<_> = decision
        .obligations
        .iter()
        .map(|obligation| match &obligation.demand {
            Demand::Evidence(artefact) => (artefact.name.as_str(), artefact.scope, artefact.cited),
            Demand::Approval(_)
            | Demand::Mask(_)
            | Demand::Limits(_)
            | Demand::Budget(_)
            | Demand::Rate(_)
            | Demand::Notify(_) => panic!("{obligation:?}"),
        })
        .collect();
    assert_eq!(demanded, [("dpia", Scope::Transaction, None), ("use", Scope::Tenant, None)]);

    let cited = Citation { id: EvidenceId::from_bytes([7; 16]), digest: Digest::of(b"it") };
    let cite = |obligation: &Obligation| match &obligation.demand {
        Demand::Evidence(artefact) => {
            let demand = Demand::Evidence(Artefact { cited: Some(cited), ..artefact.clone() });
            Obligation { demand, ..obligation.clone() }
        }
        Demand::Approval(_)
        | Demand::Mask(_)
        | Demand::Limits(_)
        | Demand::Budget(_)
        | Demand::Rate(_)
        | Demand::Notify(_) => obligation.clone(),
    };
    let met = decision.with_obligations(decision.obligations.iter().map(cite).collect());
    let payload: Value = serde_json::from_str(met.payload()).unwrap();
    assert_eq!(payload["obligations"][0]["digest"], json!(cited.digest));
    assert_eq!(payload["obligations"][0]["evidence"], json!(cited.id));
    let reason = Reason { policy: Some("assessed".to_owned()), effect: None, text: "there is none".to_owned() };
    let lacking = decision.lacking(reason);
    assert_eq!((lacking.outcome, lacking.obligations.len()), (Outcome::Deny, 0));
    let denied: Value = serde_json::from_str(lacking.payload()).unwrap();
    assert_eq!(denied["refused"], "assessed: there is none");
    let bundle = with(PERMIT, &json!(obligations)).unwrap();
    let other = with(PERMIT, &json!("")).unwrap();
    for (payload, outcome) in [(&payload, Outcome::Permit), (&denied, Outcome::Deny)] {
        for part in ["bundle", "engine", "entities", "entities_digest", "request", "request_digest"] {
            assert_eq!(payload[part], asked[part], "{part} stays as it was asked");
        }
        assert_eq!(decide_again(&bundle, payload), outcome);
        assert_eq!(again(&bundle, payload), Ok(None), "replayed under its own bundle nothing flips");
    }
    assert_eq!(again(&other, &denied), Err(Unreplayable::Refused));
}

/// To pass it over would demand less than the bundle does.
#[test]
fn an_obligation_that_errs_denies() {
    let decision = decided(
        PERMIT,
        "@id(\"deep\") @obligation(\"approval\") permit (principal is Agent, action, resource) when \
         { principal has limit && principal.limit * 9223372036854775807 > 0 };",
    );
    assert_eq!(decision.outcome, Outcome::Deny);
    assert!(decision.explanation().contains("deep: this obligation failed, and one that fails denies"));
    assert_eq!((decision.obligations.len(), decision.errors.len()), (0, 1));
}

#[test]
fn limits_take_the_least_paths_intersect_and_masks_unite() {
    let decision = decided(
        PERMIT,
        "@obligation(\"limits\") @timeout(\"30s\") @paths(\"/tmp, /srv/a\") @memory(\"1Gi\") @cpu(\"2\") permit \
         (principal, action, resource);
         @obligation(\"limits\") @timeout(\"2m\") @paths(\"/srv/a, /etc\") @memory(\"256Mi\") @network(\"\") permit \
         (principal, action, resource);
         @obligation(\"mask\") @fields(\"a\") permit (principal, action, resource);
         @obligation(\"mask\") @fields(\"b.c\") permit (principal, action, resource);",
    );
    let handed = decision.handed();
    let expected = json!({ "timeout": "30s", "paths": ["/srv/a"], "network": [], "cpu": 2000, "memory": 268_435_456 });
    assert_eq!(Value::Object(Map::clone(&handed.limits)), expected);
    assert_eq!(handed.mask.iter().collect::<Vec<_>>(), ["a", "b.c"]);
}

#[test]
fn budgets_and_rates_say_what_they_count() {
    let decision = decided(
        PERMIT,
        "@obligation(\"budget\") @budget(\"refunds\") @amount(\"context.cents\") @cost(\"output.cents\") permit \
         (principal, action, resource);
         @obligation(\"budget\") @budget(\"calls\") permit (principal, action, resource);
         @obligation(\"rate\") @limit(\"100\") @window(\"1m\") @per(\"label:team\") permit (principal, action, resource);",
    );
    let json: Vec<Value> = decision.obligations.iter().map(Obligation::to_json).collect();
    let expected = [
        json!({ "kind": "budget", "policy": "obligation0", "budget": "refunds", "amount": "context.cents",
                "cost": "output.cents" }),
        json!({ "kind": "budget", "policy": "obligation1", "budget": "calls" }),
        json!({ "kind": "rate", "policy": "obligation2", "limit": 100, "window": "1m", "per": "label:team" }),
    ];
    assert_eq!(json, expected);
}

#[test]
fn all_notifiers_that_apply_are_to_tell_once_each() {
    let decision = decided(
        PERMIT,
        "@id(\"seen\") @obligation(\"notify\") @notifier(\"finance, desk\") @reason(\"it is dear\") permit \
         (principal, action, resource);
         @obligation(\"notify\") @notifier(\"desk,\") permit (principal, action, resource);
         @obligation(\"notify\") @notifier(\"law\") permit (principal is User, action, resource);",
    );
    let json: Vec<Value> = decision.obligations.iter().map(Obligation::to_json).collect();
    let expected = [
        json!({ "kind": "notify", "policy": "obligation1", "notifiers": ["desk"] }),
        json!({ "kind": "notify", "policy": "seen", "reason": "it is dear", "notifiers": ["desk", "finance"] }),
    ];
    assert_eq!(json, expected);
    assert_eq!(decision.told().into_iter().map(Name::as_str).collect::<Vec<_>>(), ["desk", "finance"]);
    assert_eq!(*decision.handed(), Handed::default(), "the worker is told nothing of it");
}

#[test]
fn a_mask_takes_away_what_it_names() {
    let decision = decided(
        PERMIT,
        "@obligation(\"mask\") @fields(\"card.number, lines.price, gone.deep\") permit (principal, action, resource);",
    );
    let mut value = json!({
        "card": { "number": "4111", "name": "Ada" }, "lines": [{ "sku": 1, "price": 2 }, { "sku": 3 }, 7], "gone": 1,
    });
    decision.handed().mask.iter().for_each(|path| FieldPath::from_text(path).remove(&mut value));
    assert_eq!(value, json!({ "card": { "name": "Ada" }, "lines": [{ "sku": 1 }, { "sku": 3 }, 7], "gone": 1 }));
}

#[test]
fn what_is_no_obligation_is_refused_and_said_why() {
    let all = "permit (principal, action, resource);";
    for (annotations, expected) in [
        ("", "an obligation says its kind"),
        ("@obligation(\"evidence\")", "evidence says what it is called"),
        ("@obligation(\"evidence\") @name(\"a b\")", "@name: "),
        ("@obligation(\"evidence\") @name(\"dpia\") @for(\"ever\")", "@for: `ever` is neither"),
        ("@obligation(\"evidence\") @name(\"dpia\") @sla(\"2h\")", "an obligation `evidence` has no `@sla`"),
        ("@obligation(\"prayer\")", "there is no obligation `prayer`"),
        ("@obligation(\"approval\") @approvers(\"0\")", "@approvers: `0` is no whole number from 1 to 10"),
        ("@obligation(\"approval\") @approvers(\"two\")", "@approvers: `two`"),
        ("@obligation(\"approval\") @sla(\"soon\")", "@sla: `soon` is not a duration"),
        ("@obligation(\"approval\") @sla(\"0s\")", "@sla: nobody answers within no time"),
        ("@obligation(\"approval\") @role(\"a b\")", "@role:"),
        ("@obligation(\"approval\") @fields(\"a\")", "an obligation `approval` has no `@fields`"),
        ("@obligation(\"mask\")", "a mask says what it takes away"),
        ("@obligation(\"mask\") @fields(\"a..b\")", "@fields: `a..b` is no path"),
        ("@obligation(\"limits\")", "limits say what they limit"),
        ("@obligation(\"limits\") @cpu(\"0\")", "@cpu: `0` is no share"),
        ("@obligation(\"limits\") @memory(\"256Mb\")", "@memory: `256Mb` is no size"),
        ("@obligation(\"limits\") @timeout(\"1ms\")", "@timeout: `1ms` is less than 100ms"),
        ("@obligation(\"budget\")", "an obligation `budget` says of which"),
        ("@obligation(\"budget\") @budget(\"a b\")", "@budget: ` ` is not allowed in a name"),
        ("@obligation(\"budget\") @budget(\"b\") @amount(\"1 +\")", "@amount: line 1, column"),
        ("@obligation(\"budget\") @budget(\"b\") @amount(\"cents\")", "@amount: `cents` is not known here"),
        ("@obligation(\"budget\") @budget(\"b\") @cost(\"input.cents\")", "@cost: `input` is not known here"),
        ("@obligation(\"budget\") @budget(\"b\") @limit(\"9\")", "an obligation `budget` has no `@limit`"),
        ("@obligation(\"rate\") @limit(\"9\") @window(\"1m\")", "a rate says how many, in what time and for whom"),
        ("@obligation(\"rate\") @limit(\"0\")", "@limit: `0` is no whole number from 1 on"),
        ("@obligation(\"rate\") @window(\"week\")", "@window: `week` is no window"),
        ("@obligation(\"rate\") @per(\"team\")", "@per: `team` is none of"),
        ("@obligation(\"notify\")", "an obligation `notify` says who tells of it"),
        ("@obligation(\"notify\") @notifier(\" , \")", "an obligation `notify` says who tells of it"),
        ("@obligation(\"notify\") @notifier(\"a b\")", "@notifier: ` ` is not allowed in a name"),
        ("@obligation(\"notify\") @notifier(\"a\") @event(\"b\")", "an obligation `notify` has no `@event`"),
    ] {
        let err = with(PERMIT, &json!(format!("{annotations} {all}"))).unwrap_err();
        assert!(err.contains(expected), "expected {expected:?} in {err:?}");
        assert!(err.contains("obligations: policy `obligation0`"), "{err:?} does not say where");
    }
    let long = format!(
        "@id(\"{}\") @obligation(\"rate\") @limit(\"9\") @window(\"1m\") @per(\"tenant\") {all}",
        "x".repeat(129)
    );
    assert!(with(PERMIT, &json!(long)).unwrap_err().contains("has an `@id` of at most 128 bytes"));
    let names: String = (0..33).map(|number| format!("n{number},")).collect();
    let many = format!("@obligation(\"notify\") @notifier(\"{names}\") {all}");
    assert!(with(PERMIT, &json!(many)).unwrap_err().contains("it names 33, and a tenant has at most 32"));
    let forbid = "@obligation(\"approval\") forbid (principal, action, resource);";
    assert!(with(PERMIT, &json!(forbid)).unwrap_err().contains("an obligation is a `permit`"));
    let misplaced = "@obligation(\"approval\") permit (principal, action, resource);";
    assert!(with(misplaced, &json!("")).unwrap_err().contains("stands under `obligations`"));
    let untyped = "@obligation(\"approval\") permit (principal, action, resource) when { resource.nothing };";
    assert!(with(PERMIT, &json!(untyped)).unwrap_err().contains("obligation0"));
    assert!(with(PERMIT, &json!(7)).unwrap_err().contains("`obligations` must be text"));
}

fn limits() -> impl Strategy<Value = Limits> {
    let set = || prop::option::of(prop::collection::btree_set(prop::sample::select(vec!["a", "b", "c"]), 0..3));
    let texts = |set: Option<BTreeSet<&str>>| set.map(|set| set.into_iter().map(str::to_owned).collect());
    let number = || prop::option::of(1_u64..5);
    (number(), set(), set(), set(), number(), number()).prop_map(
        move |(timeout, paths, commands, network, cpu, memory)| Limits {
            timeout: timeout.map(Duration::from_secs),
            paths: texts(paths),
            commands: texts(commands),
            network: texts(network),
            cpu,
            memory,
        },
    )
}

/// They are written with each hand-out: what is not in its canonical order is read and written anew there.
#[test]
fn limits_stand_in_their_canonical_order() {
    let set = |text: &str| Some(BTreeSet::from([text.to_owned()]));
    let limits = Limits {
        timeout: Some(Duration::from_secs(1)),
        paths: set("/tmp"),
        commands: set("ls"),
        network: set("a.example"),
        cpu: Some(1),
        memory: Some(2),
    };
    let text = serde_json::to_string(&limits.to_json()).unwrap();
    assert!(chancery_base::json::is_canonical(&text), "{text}");
}

proptest! {
    #[test]
    fn limits_together_are_the_same_in_any_order_and_never_wider(one in limits(), other in limits(), third in limits()) {
        let both = one.and(&other);
        prop_assert_eq!(&both, &other.and(&one));
        prop_assert_eq!(both.and(&third), one.and(&other.and(&third)));
        prop_assert_eq!(&both.and(&one), &both);
        for part in [&one, &other] {
            prop_assert!(part.timeout.is_none_or(|most| both.timeout.is_some_and(|timeout| timeout <= most)));
            prop_assert!(part.cpu.is_none_or(|most| both.cpu.is_some_and(|cpu| cpu <= most)));
            prop_assert!(part.memory.is_none_or(|most| both.memory.is_some_and(|memory| memory <= most)));
            for (all, own) in [
                (&both.paths, &part.paths),
                (&both.commands, &part.commands),
                (&both.network, &part.network),
            ] {
                prop_assert!(own.as_ref().is_none_or(|own| all.as_ref().is_some_and(|all| all.is_subset(own))));
            }
        }
    }

    #[test]
    fn what_is_demanded_is_what_each_obligation_alone_demands(chosen in prop::collection::vec(0_usize..4, 0..4)) {
        let texts = [
            "@obligation(\"mask\") @fields(\"a\") permit (principal is Agent, action, resource);",
            "@obligation(\"limits\") @cpu(\"1\") permit (principal is User, action, resource);",
            "@obligation(\"approval\") permit (principal in Role::\"buyer\", action, resource);",
            "@obligation(\"approval\") @approvers(\"3\") permit (principal, action, resource in Definition::\"other\");",
        ];
        let together: Vec<&str> = chosen.iter().map(|number| texts[*number]).collect();
        let demands = |decision: &Decision| {
            decision.obligations.iter().map(|obligation| obligation.demand.clone()).collect::<Vec<Demand>>()
        };
        let alone: Vec<Demand> = together.iter().flat_map(|text| demands(&decided(PERMIT, text))).collect();
        prop_assert_eq!(demands(&decided(PERMIT, &together.join("\n"))), alone);
    }

    #[test]
    fn masked_is_gone_and_nothing_else_is(path in "[a-c](\\.[a-c]){0,2}", seed in any::<u64>()) {
        let mut value = json!({ "a": { "a": { "a": 1, "b": seed }, "c": [{ "a": 1 }, { "b": 2 }] }, "b": { "c": 3 }, "d": 4 });
        let before = value.clone();
        FieldPath::from_text(&path).remove(&mut value);
        let pointer = format!("/{}", path.replace('.', "/"));
        prop_assert!(value.pointer(&pointer).is_none());
        prop_assert_eq!(&value["d"], &before["d"]);
        if before.pointer(&pointer).is_none() && !path.starts_with("a.c.") {
            prop_assert_eq!(value, before);
        }
    }
}

#[test]
fn asserted_amounts_bear_on_obligations() {
    let bundle = with(
        PERMIT,
        &json!(
            "@id(\"dear\") @obligation(\"approval\") permit (principal, action == Action::\"run\", resource) when \
                { resource has amount && resource.amount > 1000 };"
        ),
    )
    .unwrap();
    for (amount, count) in [(1000, 0), (1001, 1)] {
        let mut request = request();
        request.resource.attributes = object(json!({ "amount": amount }));
        assert_eq!(decide(&bundle, &directory(), &request).obligations.len(), count);
    }
}
