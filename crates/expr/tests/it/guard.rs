//! What is refused before it is parsed, and what must not be.

use chancery_expr::Program;

fn check(text: &str, expected: &str) {
    let shown = match Program::compile(text) {
        Ok(_) => "ok".to_owned(),
        Err(err) => format!("{}:{}: {err}", err.line, err.column),
    };
    let start: String = text.chars().take(40).collect();
    assert_eq!(shown, expected, "{start}");
}

#[test]
fn five_thousand_nested_or_chained_operators_are_refused() {
    let too_many = |column: usize| format!("1:{column}: the expression has more than 256 operators");
    let too_deep = "1:33: the expression nests deeper than 32";
    let too_long = |bytes: usize| format!("1:1: the expression has {bytes} bytes, at most 8192 are allowed");
    let chain = |unit: &str, count: usize| format!("a{}", unit.repeat(count));
    check(&chain("+a", 5000), &too_long(10001));
    check(&chain("+a", 4000), &too_many(514));
    check(&chain(".b", 4000), &too_many(514));
    check(&chain("[0]", 2700), &too_many(770));
    check(&chain(".f()", 2000), &too_many(514));
    check(&chain("&&a", 2700), &too_many(770));
    check(&chain(" in a", 1600), &too_many(1283));
    check(&chain("?a:a", 2000), &too_many(1026));
    check(&format!("{}a", "!".repeat(5000)), &too_many(257));
    check(&format!("{}a", "-".repeat(5000)), &too_many(257));
    check(&"[".repeat(5000), too_deep);
    check(&"(".repeat(5000), too_deep);
    check(&"{".repeat(5000), too_deep);
    check(&"f(".repeat(4000), "1:66: the expression nests deeper than 32");
    check(&format!("{}1{}", "(".repeat(4000), ")".repeat(4000)), too_deep);
}

#[test]
fn what_is_within_the_limits_is_parsed() {
    let chain = |unit: &str, count: usize| format!("a{}", unit.repeat(count));
    for text in [
        chain("+a", 256),
        chain(".b", 256),
        chain("[0]", 256),
        chain("&&a", 256),
        chain("||a", 256),
        chain("?a:a", 256),
        format!("{}a", "!".repeat(256)),
        format!("{}a", "-".repeat(256)),
        format!("{}a{}", "(".repeat(32), ")".repeat(32)),
        format!("{}a{}", "[".repeat(32), "]".repeat(32)),
        format!("{}1{}", "{'a': ".repeat(32), "}".repeat(32)),
        format!("{}a{}", "(a ? (".repeat(16), ") : a)".repeat(16)),
        format!("'{}'", "[".repeat(5000)),
        format!("\"\"\"{}\"\"\"", "+\n".repeat(2000)),
        format!("1 // {}", "+".repeat(5000)),
        format!("[{}]", vec!["1.5"; 2000].join(",")),
    ] {
        check(&text, "ok");
    }
}

#[test]
fn the_deepest_expressions_evaluate_on_a_small_stack() {
    let texts =
        [format!("1{}", "+1".repeat(256)), format!("true{}", "?true:true".repeat(256)), "!".repeat(256) + "true"];
    let evaluate = move || {
        for text in texts {
            let program = Program::compile(&text).unwrap();
            assert!(program.evaluate(&chancery_expr::Scope::new(), 10_000).is_ok(), "{text}");
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(evaluate).unwrap().join().unwrap();
}

#[test]
fn bad_expressions_say_what_and_where() {
    check("", "1:1: the expression is empty");
    check("a +", "1:4: the expression ends too early");
    check("a\n + \u{e9}", "2:4: `\u{e9}` has no meaning in an expression");
    check("'abc", "1:1: `'abc` has no meaning in an expression");
    check("a b", "1:3: `b` is not expected here");
    check("M{a: 1}", "1:2: messages are not supported: write a map");
    check("1e300", "1:1: a number beyond ±2^53");
    check("has(a)", "1:5: `has` takes a field, as `has(a.b)`");
}
