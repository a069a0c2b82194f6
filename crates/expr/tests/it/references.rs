//! Which names an expression uses.

use chancery_expr::Program;

fn check(text: &str, expected: &[&str]) {
    let program = Program::compile(text);
    let accesses = program.iter().flat_map(Program::references);
    let shown = accesses.map(|access| {
        let mut out = if access.test { format!("has {}", access.root) } else { access.root.clone() };
        for segment in &access.segments {
            out += if segment.optional { ".?" } else { "." };
            out += &segment.name;
        }
        if access.dynamic { out + "[*]" } else { out }
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected, "{text}");
}

#[test]
fn constant_paths_are_found_wherever_they_stand() {
    check("steps['reserve-inventory'].?output.?id", &["steps.reserve-inventory.?output.?id"]);
    check(
        "steps.charge.output == input.total ? [input.a.b] : {'k': -input.c}",
        &["input.a.b", "input.c", "input.total", "steps.charge.output"],
    );
    check("has(steps.a.output) && steps[?'a'].output[0].x", &["has steps.a.output", "steps.?a.output[*]"]);
    check("steps[input.which].output", &["input.which", "steps[*]"]);
    check("steps", &["steps"]);
    check("(steps).a.output", &["steps.a.output"]);
    check("input.l.map(steps, steps.x + input.y)", &["input.l", "input.y"]);
    check("f.exists(x, x.a[steps.b.output])", &["f", "steps.b.output"]);
    check("size(now) + int(transaction.id)", &["now", "transaction.id"]);
    check("optional.of(optional)", &["optional"]);
    check("[1][0] + {'a': 1}.a", &[]);
    check("type(1) == int", &[]);
}
