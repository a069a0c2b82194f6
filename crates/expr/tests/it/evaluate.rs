//! What expressions evaluate to.

use chancery_expr::{FUEL_DEFAULT, Program, Scope, Tree};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Evaluates over `input`, a map `steps` and a text `now`; shows the result as JSON, `absent`, or the error.
pub(crate) fn evaluate(text: &str) -> String {
    let program = match Program::compile(text) {
        Ok(program) => program,
        Err(err) => return format!("{}:{}: {err}", err.line, err.column),
    };
    let input = json!({
        "total": 12, "price": 9.5, "sku": "a-1", "none": null, "big": 9_007_199_254_740_992_i64,
        "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}, {"sku": "c", "n": 3}],
        "nested": {"list": [1, 2.5, "x", true, null]},
    });
    let output = json!({"id": "r-1", "note": null});
    let mut reserve = BTreeMap::new();
    reserve.insert("output", Tree::Value(&output));
    let steps = BTreeMap::from([("reserve-inventory", Tree::Map(reserve)), ("skipped", Tree::Map(BTreeMap::new()))]);
    let mut scope = Scope::new();
    scope.bind("input", Tree::Value(&input));
    scope.bind("steps", Tree::Map(steps));
    scope.bind("now", Tree::Text("2026-11-21T07:27:00.000000Z".to_owned()));
    match program.evaluate(&scope, FUEL_DEFAULT) {
        Ok(Some(value)) => value.to_string(),
        Ok(None) => "absent".to_owned(),
        Err(err) => format!("error: {err}"),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(evaluate(text), *expected, "{text}");
    }
}

#[test]
fn literals_and_arithmetic() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("7 / 2", "3"),
        ("-7 % 3", "-1"),
        ("7.0 / 2.0", "3.5"),
        ("2.0", "2"),
        ("1u + 2u", "3"),
        ("'a' + \"b\" + r'\\c'", r#""ab\\c""#),
        ("[1] + [2, 3]", "[1,2,3]"),
        ("{'a': 1, 'b': [true, null]}", r#"{"a":1,"b":[true,null]}"#),
        ("-(3)", "-3"),
        ("--3", "3"),
        ("1 + 1.5", "error: `+` does not work on int and double"),
        ("double(input.total) * 1.5", "18"),
        ("9223372036854775807 + 1", "error: `+` overflows"),
        ("1 / 0", "error: division by zero"),
        ("1 % 0", "error: division by zero"),
        (
            "1.0 / 0.0",
            "error: the result is not a value: a number beyond ±2^53 has no exact value everywhere: send it as text",
        ),
        ("input.big + 1", "error: the result is not a value: it is beyond ±2^53"),
        ("{'a': 1, 'a': 2}", "error: the key `a` stands twice in a map"),
        ("{1: 2}", "1:2: a key of a map is a string"),
        ("b'x'", "1:1: bytes are not supported: values are JSON"),
        ("int", "error: the result is not a value: it is a type"),
    ]);
}

#[test]
fn comparison_and_logic() {
    check(&[
        ("1 == 1.0 && 1u == 1 && 1 != 2", "true"),
        ("1 < 1.5 && 2.5 > 2 && 1u <= 1", "true"),
        ("9007199254740993 > 9007199254740992.0", "true"),
        ("'a' < 'b'", "true"),
        ("[1, [2.0]] == [1.0, [2]]", "true"),
        ("{'a': 1} == {'a': 1.0}", "true"),
        ("1 == '1'", "false"),
        ("1 < 'a'", "error: `<` does not work on int and string"),
        ("false && input.absent", "false"),
        ("input.absent && false", "false"),
        ("input.absent || true", "true"),
        ("input.absent || false", "error: there is no `absent`; write `.?absent` or `[?'absent']` if it may be absent"),
        ("1 && true", "error: `&&` does not work on int"),
        ("input.total > 10 ? 'big' : 'small'", r#""big""#),
        ("2 in [1, 2]", "true"),
        ("'total' in input", "true"),
        ("'x' in 'xyz'", "error: `in` does not work on string and string"),
        ("type(1) == int && type('') == string && type(input) == map", "true"),
    ]);
}

#[test]
fn access_and_absence() {
    check(&[
        ("input.items[1].sku", r#""b""#),
        ("input['sku']", r#""a-1""#),
        ("input.items[9]", "error: there is no element 9"),
        ("input.items[-1]", "error: there is no element -1"),
        ("input.none.x", "error: `.` does not work on null_type"),
        ("steps['reserve-inventory'].?output.?id", r#""r-1""#),
        ("steps['reserve-inventory'].?output.?note", "null"),
        ("steps['reserve-inventory'].?output.?nothing", "absent"),
        ("steps.skipped.?output.?id", "absent"),
        ("steps.skipped.?output.id", "absent"),
        (
            "steps.skipped.output.id",
            "error: there is no `output`; write `.?output` or `[?'output']` if it may be absent",
        ),
        ("steps.skipped[?'output'].orValue('x')", r#""x""#),
        ("input[?'total'].value()", "12"),
        ("input.?x.value()", "error: the optional value is absent"),
        ("input.?x.hasValue()", "false"),
        ("input.?x.or(input.?total).orValue(0)", "12"),
        ("input.?total.optMap(t, t + 1)", "13"),
        ("input.?x.optMap(t, t + 1)", "absent"),
        ("input.?items.optFlatMap(l, l[?7])", "absent"),
        ("{?'a': input.?x, ?'b': input.?total}", r#"{"b":12}"#),
        ("[?input.?x, ?input.?total, 1]", "[12,1]"),
        ("{'a': input.?x, 'b': [input.?x]}", r#"{"b":[]}"#),
        ("input.?x[0]", "absent"),
        ("input.?x[0 ? 0 : 0]", "error: `? :` does not work on int"),
        ("optional.none()", "absent"),
        ("optional.of(1)", "1"),
        ("optional.ofNonZeroValue(0)", "absent"),
        ("has(input.total) && !has(input.x) && !has(steps.skipped.output)", "true"),
        ("has(input.total.x)", "error: `has` does not work on int"),
        ("now < '2027'", "true"),
        ("nothing", "error: `nothing` is not known here"),
    ]);
}

#[test]
fn functions_and_comprehensions() {
    check(&[
        ("size('añb') + size([1, 2]) + size({'a': 1})", "6"),
        ("input.items.size()", "3"),
        ("'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')", "true"),
        ("' Ab '.trim().lowerAscii() + 'x'.upperAscii()", r#""abX""#),
        ("'a,b'.split(',')", r#"["a","b"]"#),
        ("'ab'.split('')", r#"["a","b"]"#),
        ("['a', 'b'].join('-') + ['c', 'd'].join()", r#""a-bcd""#),
        ("'a.b.c'.replace('.', '/')", r#""a/b/c""#),
        ("string(1) + string(1.5) + string(true) + string('x')", r#""11.5truex""#),
        ("int('12') + int(3.9) + int(2u)", "17"),
        ("double('1.5') + double(1)", "2.5"),
        ("bool('true')", "true"),
        ("uint(3) == 3u", "true"),
        ("int('x')", "error: `int` cannot convert this string"),
        ("string([])", "error: `string` does not work on list"),
        ("input.items.map(i, i.n * 2)", "[2,4,6]"),
        ("input.items.map(i, i.n > 1, i.sku)", r#"["b","c"]"#),
        ("input.items.filter(i, i.n > 2)[0].sku", r#""c""#),
        ("input.items.all(i, i.n > 0) && input.items.exists(i, i.n == 3)", "true"),
        ("input.items.exists_one(i, i.n > 2)", "true"),
        ("input.items.exists(i, i.x || i.n == 3)", "true"),
        ("input.items.all(i, i.x)", "error: there is no `x`; write `.?x` or `[?'x']` if it may be absent"),
        ("{'b': 1, 'a': 2}.map(k, k)", r#"["a","b"]"#),
        ("[1, 2].map(x, [3, 4].map(y, x * y))", "[[3,4],[6,8]]"),
        ("[1].map(x, x).map(x, x + 1).map(x, x + 1)", "[3]"),
        ("[1].map(input, input)", "[1]"),
        ("[1].map(a, [1].map(b, [1].map(c, c)))", "1:30: comprehensions nest at most 2 deep"),
        ("[1].map(1, 2)", "1:9: the first argument is the name of a variable"),
        ("[1].all(x)", "1:8: `all` takes a variable and an expression, as `list.all(x, …)`"),
        ("nope(1)", "1:5: unknown function `nope`"),
        ("'a'.size(1)", "1:9: `size` does not take 1 arguments"),
        ("contains('a', 'b')", "1:9: `contains` is called on a value, as `value.contains(…)`"),
    ]);
}

#[test]
fn fuel_bounds_the_work() {
    let list: Vec<Value> = (0..1000).map(Value::from).collect();
    let list = Value::Array(list);
    let mut scope = Scope::new();
    scope.bind("l", Tree::Value(&list));
    let run = |text: &str, fuel: u64| Program::compile(text).unwrap().evaluate(&scope, fuel).map(|v| v.is_some());
    for text in [
        "l.all(a, l.all(b, a + b >= 0))",
        "l.all(a, l.all(b, a + b >= 0)) || true",
        "l.exists(a, l.all(b, a + b >= 0) && false) || true",
        "l.map(a, l)",
        "l.map(a, l + l)",
        "['0123456789012345678901234567890123456789'].map(s, s+s+s+s+s+s+s+s).map(s, s+s+s+s+s+s+s+s).map(s, s+s+s+s+s+s+s+s).map(s, s+s+s+s+s+s+s+s).map(s, s+s+s+s+s+s+s+s).map(s, s+s+s+s+s+s+s+s)",
        "'aaaaaaaaaaaaaaaa'.replace('', 'bbbbbbbbbbbbbbbb').replace('', 'bbbbbbbbbbbbbbbb').replace('', 'bbbbbbbbbbbbbbbb').replace('', 'bbbbbbbbbbbbbbbb').replace('', 'bbbbbbbbbbbbbbbb')",
        "l.all(a, l == l)",
        "l.all(a, !(-1 in l))",
    ] {
        assert_eq!(run(text, 500_000), Err(chancery_expr::EvalError::OutOfFuel), "{text}");
    }
    assert_eq!(run("l.all(a, a >= 0)", 10_000), Ok(true));
    assert_eq!(run("l.map(a, a)", 10_000), Ok(true));
    assert_eq!(run("1", 1), Err(chancery_expr::EvalError::OutOfFuel));
}

#[test]
fn a_condition_is_a_boolean() {
    let scope = Scope::new();
    let run =
        |text: &str| Program::compile(text).unwrap().evaluate_bool(&scope, FUEL_DEFAULT).map_err(|err| err.to_string());
    assert_eq!(run("1 < 2"), Ok(true));
    assert_eq!(run("optional.none()"), Ok(false));
    assert_eq!(run("optional.of(true)"), Ok(true));
    assert_eq!(run("'true'"), Err("a condition is true or false, this one is string".to_owned()));
    for (text, never) in [
        ("1", true),
        ("'a'", true),
        ("[1]", true),
        ("{}", true),
        ("a + b", true),
        ("size(a)", true),
        ("a.map(x, x)", true),
        ("true ? 1 : 'x'", true),
        ("1u", true),
        ("true", false),
        ("a.b", false),
        ("a ? 1 : b", false),
        ("a == b", false),
        ("a.exists(x, x)", false),
    ] {
        assert_eq!(Program::compile(text).unwrap().provably_not_bool(), never, "{text}");
    }
}
