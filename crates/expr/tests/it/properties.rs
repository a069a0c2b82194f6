//! Properties: nothing panics, the same gives the same, and where CEL's own interpreter gives a value it is ours.

use chancery_base::json;
use chancery_expr::{EvalError, FUEL_DEFAULT, Program, Scope, Template, Tree};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Values whose objects have at most `keys` keys.
fn any_value(keys: usize) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000..1000_i64).prop_map(Value::from),
        (-1e3..1e3_f64).prop_map(|double| json::number(double).unwrap_or(Value::Null)),
        "[a-c$}{ ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]", inner, 0..=keys)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Expressions, mostly well-formed, over the bound name `x`.
fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-5..5_i64).prop_map(|number| number.to_string()),
        (0..5_u64).prop_map(|number| format!("{number}u")),
        (-4..4_i64).prop_map(|number| format!("{}.5", number)),
        Just("2.0".to_owned()),
        "[a-c]{0,3}".prop_map(|text| format!("'{text}'")),
        prop_oneof![Just("true"), Just("false"), Just("null"), Just("x"), Just("x.a"), Just("x.?b"), Just("x[?'c']")]
            .prop_map(str::to_owned),
        Just("optional.none()".to_owned()),
    ];
    leaf.prop_recursive(4, 20, 3, |inner| {
        let operator = prop_oneof![
            Just("+"),
            Just("-"),
            Just("*"),
            Just("/"),
            Just("%"),
            Just("=="),
            Just("!="),
            Just("<"),
            Just("<="),
            Just(">"),
            Just(">="),
            Just("in"),
            Just("&&"),
            Just("||"),
        ];
        let method = prop_oneof![
            Just("size()"),
            Just("contains('a')"),
            Just("startsWith('a')"),
            Just("endsWith('b')"),
            Just("a"),
            Just("?b"),
            Just("hasValue()"),
            Just("orValue(1)"),
            Just("or(optional.of(2))"),
            Just("value()"),
            Just("map(e, e)"),
            Just("filter(e, e == 1)"),
            Just("all(e, e != 1)"),
            Just("exists(e, e > 1)"),
            Just("exists_one(e, e == 1)"),
            Just("map(e, e != 1, [e])"),
            Just("optMap(o, [o])"),
        ];
        let function = prop_oneof![Just("size"), Just("int"), Just("double"), Just("bool"), Just("optional.of")];
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), method).prop_map(|(a, method)| format!("({a}).{method}")),
            (function, inner.clone()).prop_map(|(function, a)| format!("{function}({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            inner.clone().prop_map(|a| format!("{{'a': {a}}}")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.prop_map(|a| format!("-({a})")),
        ]
    })
}

fn with_x<T>(x: &Value, run: impl FnOnce(&Scope<'_>) -> T) -> T {
    let mut scope = Scope::new();
    scope.bind("x", Tree::Value(x));
    run(&scope)
}

/// What the interpreter of the `cel` crate makes of it; `None` where it fails or the value is outside our domain.
fn reference(text: &str, x: &Value) -> Option<Value> {
    let env = cel::Env::stdlib();
    let program = env.compile(text).ok()?;
    let mut context = cel::Context::default();
    context.add_variable("x", cel_value(x)).ok()?;
    json_value(&program.execute(&context).ok()?)
}

fn cel_value(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(boolean) => cel::Value::Bool(*boolean),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)), cel::Value::Int)
        }
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(cel_value).collect::<Vec<_>>().into(),
        Value::Object(map) => {
            let map: std::collections::HashMap<String, cel::Value> =
                map.iter().map(|(key, item)| (key.clone(), cel_value(item))).collect();
            map.into()
        }
    }
}

fn json_value(value: &cel::Value) -> Option<Value> {
    Some(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(boolean) => json!(boolean),
        cel::Value::Int(number) => json!(number),
        cel::Value::UInt(number) => json!(number),
        cel::Value::Float(number) => json::number(*number).ok()?,
        cel::Value::String(text) => json!(text.as_str()),
        cel::Value::List(items) => Value::Array(items.iter().map(json_value).collect::<Option<_>>()?),
        cel::Value::Map(map) => {
            let pairs = map.map.iter().map(|(key, item)| Some((key.to_string(), json_value(item)?)));
            Value::Object(pairs.collect::<Option<_>>()?)
        }
        cel::Value::Function(..) | cel::Value::Bytes(_) | cel::Value::Opaque(_) | cel::Value::Struct(_) => return None,
    })
}

proptest! {
    #[test]
    fn a_template_without_expressions_is_itself(value in any_value(3)) {
        let text = value.to_string();
        prop_assume!(!text.contains("${{"));
        let rendered = Template::compile(&value).unwrap().render(&Scope::new(), FUEL_DEFAULT).unwrap();
        prop_assert_eq!(rendered, Some(value));
    }

    #[test]
    fn evaluation_is_repeatable_and_gives_canonical_values(text in any_expression(), x in any_value(3)) {
        if let Ok(program) = Program::compile(&text) {
            let first = with_x(&x, |scope| program.evaluate(scope, 20_000));
            // A replay reads the value from its canonical bytes and compiles anew.
            let read_back = json::parse(&json::canonical(&x), 1 << 20).unwrap();
            let again = Program::compile(&text).unwrap();
            let second = with_x(&read_back, |scope| again.evaluate(scope, 20_000));
            prop_assert_eq!(&first, &second);
            if let Ok(Some(value)) = first {
                prop_assert_eq!(json::normalize(value.clone()), Ok(value));
            }
        }
    }

    #[test]
    fn where_the_reference_gives_a_value_it_is_ours(
        text in any_expression(),
        // With one key, since the reference goes over a map in the order of its hashes.
        x in any_value(1),
    ) {
        if let Some(expected) = reference(&text, &x) {
            let program = Program::compile(&text);
            prop_assert!(program.is_ok(), "{}: {:?}", text, program);
            let ours = with_x(&x, |scope| program.unwrap().evaluate(scope, FUEL_DEFAULT));
            // The reference adds a map's keys to a list, which CEL does not have.
            let beyond_cel = matches!(&ours, Err(EvalError::Overload { operands, .. }) if operands == "list and map");
            prop_assume!(!beyond_cel);
            // It looks at no index into an absent optional; in CEL the index' error is that of the whole.
            let has_optional = [".?", "[?", "optional."].iter().any(|sign| text.contains(sign));
            prop_assume!(!(ours.is_err() && has_optional && text.contains(")[")));
            prop_assert_eq!(ours, Ok(Some(expected)), "{}", text);
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(text in "[a-c0-9.?:+*/%!<>=&|(){}\\[\\]'\"\\\\$, \n-]{0,40}") {
        let program = Program::compile(&text);
        let as_template = Template::compile(&json!({"t": format!("${{{{{text}}}}}"), "u": text}));
        let _either_is_fine = (program, as_template);
    }

    #[test]
    fn no_unicode_makes_the_compiler_panic(text in any::<String>()) {
        let _either_is_fine = Program::compile(&text);
    }
}
