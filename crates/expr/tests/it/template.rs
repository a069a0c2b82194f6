//! Templates: what they render to, and what is refused.

use chancery_expr::{FUEL_DEFAULT, Scope, Template, Tree};
use serde_json::{Value, json};

fn check(template: &Value, expected: &str) {
    let input = json!({"n": 3, "s": "x", "l": [1, {"a": 2}], "d": 1.5});
    let mut scope = Scope::new();
    scope.bind("input", Tree::Value(&input));
    let shown = match Template::compile(template) {
        Ok(compiled) => match compiled.render(&scope, FUEL_DEFAULT) {
            Ok(Some(value)) => value.to_string(),
            Ok(None) => "absent".to_owned(),
            Err(err) => format!("render: {err}"),
        },
        Err(errors) => errors.iter().map(|err| format!("{}: {err}", err.path)).collect::<Vec<_>>().join("; "),
    };
    assert_eq!(shown, expected, "{template}");
}

#[test]
fn whole_strings_give_values_and_others_text() {
    check(&json!("${{ input.l }}"), r#"[1,{"a":2}]"#);
    check(&json!("n is ${{ input.n }}, d is ${{input.d}} ${{ true }}"), r#""n is 3, d is 1.5 true""#);
    check(&json!({"a": ["${{ input.n + 1 }}", "$ {{ }}", "{{x}}"], "b": 1}), r#"{"a":[4,"$ {{ }}","{{x}}"],"b":1}"#);
    check(&json!("${{ '}}' }}"), r#""}}""#);
    check(&json!("${{ {'a': {'b': 1}} }}"), r#"{"a":{"b":1}}"#);
    check(&json!("${{ '${{' }}"), r#""${{""#);
    check(&json!(" ${{ 1 }}"), r#"" 1""#);
}

#[test]
fn what_is_absent_is_dropped() {
    check(&json!({"a": "${{ input.?x }}", "b": "${{ input.?n }}"}), r#"{"b":3}"#);
    check(&json!(["${{ input.?x }}", 1]), "[1]");
    check(&json!("${{ input.?x }}"), "absent");
    check(
        &json!("a ${{ input.?x }}"),
        "render: only a text, a number or a boolean can stand within text, this is optional_type",
    );
}

#[test]
fn errors_say_where() {
    check(
        &json!({"a": ["x", "${{ input.x }}"]}),
        "render: a[1]: there is no `x`; write `.?x` or `[?'x']` if it may be absent",
    );
    check(
        &json!("l: ${{ input.l }}"),
        "render: only a text, a number or a boolean can stand within text, this is list",
    );
    check(
        &json!({"a": "x ${{ 1 +", "b": {"c": "${{ nope(1) }}"}}),
        "a: `${{` at column 3 is not closed by `}}`; b.c: unknown function `nope` (column 9)",
    );
    check(&json!("${{ }}"), ": the expression is empty (column 5)");
    check(&json!({"${{ 1 }}": 1}), ": the key `${{ 1 }}` holds an expression; only values may");
    let mut deep = json!(1);
    for _ in 0..40 {
        deep = json!([deep]);
    }
    let path = "[0]".repeat(33);
    check(&deep, &format!("{path}: nested deeper than 32"));
}

#[test]
fn every_expression_is_listed_with_its_path() {
    let template = Template::compile(&json!({"a": ["x", "${{ input.a }} ${{ input.b }}"], "b": "${{ 1 }}"})).unwrap();
    let listed = template.programs().into_iter().map(|(path, program)| format!("{path} {}", program.text()));
    assert_eq!(listed.collect::<Vec<_>>(), ["a[1] input.a", "a[1] input.b", "b 1"]);
    assert_eq!(Template::compile(&json!({"a": 1})).unwrap().as_literal(), Some(&json!({"a": 1})));
}

#[test]
fn a_whole_payload_can_be_handed_on() {
    let payload = Value::Array(vec![json!(1); 500_000]);
    let mut scope = Scope::new();
    scope.bind("input", Tree::Value(&payload));
    let template = Template::compile(&json!({"all": "${{ input }}"})).unwrap();
    assert_eq!(template.render(&scope, FUEL_DEFAULT).unwrap().unwrap()["all"], payload);
}
