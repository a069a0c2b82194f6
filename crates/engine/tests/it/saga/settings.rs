//! Settings: what expressions see as `env`, and that a transaction keeps those that it began with.

use super::Run;
use chancery_base::Document;
use chancery_engine::definition::HttpRequest;
use chancery_engine::{Call, Given, LoadError, Parts, Phase, Settings, Transaction};
use serde_json::{Value, json};
use std::sync::Arc;

const PAY: &str = "
name: pay
version: 1
context: {stage: '${{ env.?STAGE }}'}
steps:
  - {id: a, when: '${{ env.STAGE != \"off\" }}', each: '${{ env.REGIONS }}', run: {worker: w}, with: '${{ item }}',
     compensate: {run: {worker: u}, with: '${{ env.STAGE }}'}}
  - {id: b, after: [a], run: {http: {url: '${{ env.PAYMENTS }}/charges', headers: {x-stage: '${{ env.STAGE }}'}}},
     retry: {attempts: 1}, set: {stage: '${{ env.STAGE }}'}}
  - {id: c, after: [b], run: {worker: w}, with: {stage: '${{ vars.stage }}', none: '${{ env.?NOTHING }}'}}
output: '${{ env.STAGE }}'
";

fn settings(version: u32, values: &Value) -> Arc<Settings> {
    Arc::new(Settings::new(version, values.as_object().unwrap().clone()).unwrap())
}

fn run(values: &Value) -> Run {
    let given = Given { input: Document::shared(json!({})), settings: settings(3, values) };
    Run::given(PAY, given, None, Vec::new())
}

fn all() -> Value {
    json!({ "STAGE": "test", "REGIONS": ["eu"], "PAYMENTS": "https://pay.example:8443" })
}

#[test]
fn expressions_see_the_settings() {
    let mut run = run(&all());
    assert_eq!(run.transaction.start_context().unwrap(), *json!({ "stage": "test" }).as_object().unwrap());
    run.act("ok a[0]");
    let (node, phase) = run.transaction.out().next().unwrap();
    let called = run.transaction.offer(node, phase).unwrap().call;
    let Call::Http(HttpRequest { url, headers, .. }) = called else { panic!("{called:?}") };
    assert_eq!(url, "https://pay.example:8443/charges");
    assert_eq!(headers, [("x-stage".to_owned(), "test".to_owned())]);
    assert_eq!(run.transaction.url(node, Phase::Do).as_deref(), Some("https://pay.example:8443/charges"));
    run.act("ok b");
    let (node, phase) = run.transaction.out().next().unwrap();
    assert_eq!(*run.transaction.offer(node, phase).unwrap().input, Document::new(json!({ "stage": "test" })));
    run.act("ok c");
    assert!(run.told().ends_with("completed c, completed"), "{}", run.told());
    run.assert_replays();
}

#[test]
fn an_undo_sees_them_too() {
    let mut run = run(&all());
    run.act("ok a[0]");
    run.act("fatal b");
    let (node, phase) = run.transaction.out().next().unwrap();
    assert_eq!(phase, Phase::Undo);
    assert_eq!(*run.transaction.offer(node, phase).unwrap().input, Document::new(json!("test")));
}

#[test]
fn what_is_not_set_fails_the_step() {
    let without = |name: &str| {
        let mut values = all();
        values.as_object_mut().unwrap().remove(name);
        values
    };
    assert!(run(&without("STAGE")).told().ends_with("attempt failed a, failed"));
    assert!(run(&without("REGIONS")).told().ends_with("attempt failed a, failed"));
    let mut unpaid = run(&without("PAYMENTS"));
    unpaid.act("ok a[0]");
    let told = unpaid.told();
    assert!(told.contains("attempt failed b"), "{told}");
    let error = unpaid.transaction.head().error.clone().unwrap();
    assert_eq!(error.r#type, "BadExpression");
    assert!(error.message.starts_with("run.http.url: "), "{}", error.message);
}

/// What a step has set is computed anew when a transaction is loaded: with the settings that it began with.
#[test]
fn a_transaction_is_loaded_with_the_settings_that_it_began_with() {
    let run = run(&all());
    let parts = |settings| Parts {
        definition: Arc::clone(run.transaction.definition()),
        head: run.transaction.head().clone(),
        nodes: Vec::new(),
        declared: Vec::new(),
        given: Given { input: Document::shared(json!({})), settings },
        kept: Vec::new(),
    };
    assert_eq!(run.transaction.head().beginning.settings, Some(3));
    for other in [settings(4, &all()), Settings::none()] {
        assert_eq!(Transaction::from_parts(parts(other)).unwrap_err(), LoadError::Settings);
    }
    assert!(!matches!(Transaction::from_parts(parts(settings(3, &all()))), Err(LoadError::Settings)));
}
