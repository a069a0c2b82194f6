//! Definitions at the limits.

use chancery_engine::definition::{Definition, StepIndex};
use std::fmt::Write as _;

fn chain(steps: usize) -> String {
    let step = |at: usize| {
        let base = format!("- id: s{at}\n  run: {{worker: w}}\n  with: {{n: \"${{{{ input.n + {at} }}}}\"}}\n");
        let Some(before) = at.checked_sub(1) else { return base };
        format!("{base}  when: ${{{{ steps.s0.output.ok }}}}\n  after: [s{before}]\n")
    };
    let steps: String = (0..steps).map(step).collect();
    format!("name: large\nversion: 1\nsteps:\n{steps}")
}

#[test]
fn a_thousand_steps_in_a_row_are_read() {
    let definition = Definition::parse(chain(1_000).as_bytes()).unwrap();
    assert_eq!(definition.steps.len(), 1_000);
    assert_eq!(definition.steps[999].reads, [StepIndex(0)]);
    assert_eq!(Definition::from_canonical(&definition.source).unwrap().digest, definition.digest);
    assert_eq!(definition.graph_dot().lines().filter(|line| line.contains("rank=same")).count(), 1_000);
}

#[test]
fn steps_after_each_of_the_others_are_read() {
    let ids: Vec<String> = (0..400).map(|step| format!("s{step}")).collect();
    let mut text = "name: dense\nversion: 1\nsteps:\n".to_owned();
    for (at, id) in ids.iter().enumerate() {
        writeln!(text, "- {{id: {id}, run: noop, after: [{}]}}", ids[..at].join(", ")).unwrap();
    }
    let definition = Definition::parse(text.as_bytes()).unwrap();
    assert_eq!(definition.steps[399].after.len(), 399);
    // Far more lines pass layers than there is room for.
    let svg = definition.graph_svg();
    assert_eq!(svg.matches("class=\"line\"").count(), 400 * 399 / 2);
}

#[test]
fn more_than_a_thousand_are_not() {
    let err = Definition::parse(chain(1_001).as_bytes()).unwrap_err();
    assert_eq!(err.to_string(), "4:3: steps: 1001 steps, at most 1000 are allowed");
}

#[test]
fn at_most_a_hundred_problems_are_told() {
    let text = chain(200).replace("worker:", "wroker:");
    assert_eq!(Definition::parse(text.as_bytes()).unwrap_err().problems.len(), 100);
}
