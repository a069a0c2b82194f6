//! What a definition that is taken means.

use chancery_engine::definition::{Definition, Method, Retry, Run, StepIndex};
use std::time::Duration;

pub(crate) const ORDER: &str = r#"
name: create-order
version: 3
kind: saga
key: "${{ input.order_id }}"
concurrency: 4
compensation: {policy: strict-sequential}
context: {total: "${{ input.total }}"}
steps:
  - id: reserve-inventory
    run: {worker: inventory.reserve}
    with: {sku: "${{ input.sku }}", quantity: "${{ input.?quantity }}"}
    retry: {attempts: 4, backoff: 100ms, factor: 2, max: 10s, jitter: 0.5, unless: [OutOfStock]}
    timeout: 45s
    queue_timeout: 10m
    priority: -3
    fairness: "${{ input.customer }}"
    action: reserve
    resource: {type: Shop::Order, id: "${{ input.order_id }}", attributes: {total: "${{ input.total }}"}}
    context: {amount: "${{ input.total }}"}
    compensate:
      run: {worker: inventory.release}
      with: {reservation: "${{ steps['reserve-inventory'].?output.?id }}"}
      timeout: 1m
  - id: charge
    after: [reserve-inventory]
    when: "${{ input.total > 0 }}"
    run: {http: {method: PUT, url: "http://pay/${{ transaction.id }}", headers: {X-Order: "${{ input.order_id }}"}}}
    with: {amount: "${{ input.total }}", for: "${{ steps['reserve-inventory'].output.id }}"}
    compensate: {run: {http: {url: "http://pay/refunds"}}}
  - id: done
    after: [charge]
    run: noop
output: {charge: "${{ steps.charge.?output.?id }}"}
"#;

#[expect(clippy::panic, reason = "a helper of tests")]
pub(crate) fn parse(text: &str) -> Definition {
    super::schema::takes(text);
    Definition::parse(text.as_bytes()).unwrap_or_else(|err| panic!("{err}"))
}

#[test]
fn everything_that_is_written_is_read() {
    let order = parse(ORDER);
    assert_eq!((order.name.as_str(), order.version, order.concurrency), ("create-order", 3, 4));
    let [reserve, charge, done] = order.steps.as_slice() else { panic!("three steps") };
    assert!(matches!(&reserve.run, Run::Worker(name) if name.as_str() == "inventory.reserve"));
    let seconds = Duration::from_secs;
    assert_eq!((reserve.timeout, reserve.queue_timeout), (seconds(45), seconds(600)));
    assert_eq!((charge.timeout, charge.queue_timeout), (seconds(30), seconds(300)));
    assert_eq!((reserve.priority, reserve.fairness.is_some()), (-3, true));
    assert_eq!((charge.priority, charge.fairness.is_some()), (0, false));
    let unless = vec!["OutOfStock".parse().unwrap()];
    let ms = Duration::from_millis;
    let retry =
        Retry { attempts: 4, backoff: ms(100), factor: 2.0, max: seconds(10), jitter: 0.5, unless, once: false };
    assert_eq!(reserve.retry, retry);
    assert!(reserve.retry.is_final("OutOfStock") && !reserve.retry.is_final("Timeout"));
    assert_eq!(charge.retry, Retry::default());
    assert_eq!((reserve.action.as_str(), charge.action.as_str()), ("reserve", "run"));
    assert_eq!(reserve.resource.as_ref().map(|resource| resource.resource_type.as_str()), Some("Shop::Order"));
    assert_eq!(reserve.compensate.as_ref().map(|undo| undo.timeout), Some(seconds(60)));
    let Run::Http(http) = &charge.run else { panic!("http") };
    assert_eq!(http.method, Method::Put);
    assert_eq!(http.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x-order"]);
    assert!(matches!(&charge.compensate.as_ref().unwrap().run, Run::Http(http) if http.method == Method::Post));
    assert!(matches!(done.run, Run::Noop));
    assert_eq!((&charge.after, &charge.dependents), (&vec![StepIndex(0)], &vec![StepIndex(2)]));
    assert_eq!(reserve.reads, [StepIndex(0)]);
    assert_eq!(charge.reads, [StepIndex(0)]);
    assert_eq!(done.reads, []);
    assert_eq!(order.output_reads, [StepIndex(1)]);
    assert_eq!(order.find("charge"), Some(StepIndex(1)));
    assert_eq!(order.find("nothing"), None);
}

#[test]
fn yaml_and_json_of_the_same_are_the_same() {
    let order = parse(ORDER);
    let json = order.document();
    let pretty = serde_json::to_string_pretty(&json).unwrap();
    for spelling in [json.to_string(), pretty.clone(), pretty.replace("\": ", "\" :\t")] {
        assert_eq!(parse(&spelling).digest, order.digest, "{spelling}");
    }
    assert_eq!(Definition::from_canonical(&order.source).unwrap().digest, order.digest);
    assert_eq!(
        Definition::from_canonical(pretty.as_bytes()).unwrap_err().to_string(),
        "1:1: the stored definition is not in canonical form"
    );
    let other = parse(&ORDER.replace("version: 3", "version: 4"));
    assert_ne!(other.digest, order.digest);
}

#[test]
fn yaml_scalars_are_read_by_the_core_schema() {
    let with = r#"
name: x
version: 1
steps:
- id: a
  run: {noop: {}}
  with:
    numbers: [1, -1, +1, 1.5, 1., .5, 1e3, 0x1F, 0o17, 1.0]
    nulls: [~, null, ]
    booleans: [true, False, TRUE]
    texts: [yes, no, on, "1", '1.5', 1_000, 2026-11-21, 1:30, 0b1, .., e5, "\u00e9"]
    block: |
      a
      b
    folded: >-
      a
      b
"#;
    let json = parse(with).document();
    let expected = serde_json::json!({
        "numbers": [1, -1, 1, 1.5, 1, 0.5, 1000, 31, 15, 1],
        "nulls": [null, null],
        "booleans": [true, false, true],
        "texts": ["yes", "no", "on", "1", "1.5", "1_000", "2026-11-21", "1:30", "0b1", "..", "e5", "é"],
        "block": "a\nb\n",
        "folded": "a b",
    });
    assert_eq!(json["steps"][0]["with"], expected);
}

#[test]
fn delays_grow_to_their_cap_within_their_jitter_and_repeat() {
    let retry = parse(ORDER).steps[0].retry.clone();
    let name = "reserve-inventory";
    let mut distinct = std::collections::BTreeSet::new();
    for seed in 0..200_u8 {
        let transaction = chancery_base::TransactionId::from_bytes([seed; 16]);
        for (attempt, middle) in [(1, 100), (2, 200), (3, 400), (7, 6_400), (8, 10_000), (1_000, 10_000)] {
            let delay = retry.delay(&transaction, name, attempt);
            let millis = u64::try_from(delay.as_millis()).unwrap();
            assert!((middle / 2 - 1..=middle * 3 / 2).contains(&millis), "attempt {attempt}: {millis} ms");
            assert_eq!(delay, retry.delay(&transaction, name, attempt));
            distinct.insert((attempt, millis));
        }
    }
    assert!(distinct.len() > 600, "{} distinct delays", distinct.len());
    let steady = Retry { jitter: 0.0, ..retry };
    let transaction = chancery_base::TransactionId::from_bytes([1; 16]);
    assert_eq!(steady.delay(&transaction, name, 3), Duration::from_millis(400));
}

const GRAPH: &str = "\
name: g
version: 1
mode: layers
steps:
- {id: a, run: {worker: w}, compensate: {run: {worker: u}}}
- {id: b-1, run: noop, after: [a], irreversible: true, when: '${{ input.b }}'}
- {id: c, run: noop, after: [a, b-1]}
";

#[test]
fn the_graph_is_drawn_in_layers() {
    let definition = parse(GRAPH);
    assert_eq!(
        definition.graph_dot(),
        r#"digraph "g" {
  rankdir=TB;
  node [shape=box];
  { rank=same; "a"; }
  { rank=same; "b-1"; }
  { rank=same; "c"; }
  "a" [label="a\nworker w"];
  "undo a" [label="undo a\nworker u", style=dashed];
  "a" -> "undo a" [style=dashed, constraint=false];
  "b-1" [label="b-1\nnoop\nconditional, irreversible"];
  "a" -> "b-1";
  "c" [label="c\nnoop"];
  "a" -> "c";
  "b-1" -> "c";
}
"#
    );
    assert_eq!(
        definition.graph_mermaid(),
        r#"flowchart TD
  subgraph layer0[" "]
    direction LR
    s0["a<br/>worker w"]
  end
  subgraph layer1[" "]
    direction LR
    s1["b-1<br/>noop<br/>conditional, irreversible"]
  end
  subgraph layer2[" "]
    direction LR
    s2["c<br/>noop"]
  end
  s0 --> s1
  s0 --> s2
  s1 --> s2
  u0["undo a<br/>worker u"]:::undo
  s0 -.-> u0
  classDef undo stroke-dasharray: 4
"#
    );
}

#[test]
fn the_graph_is_drawn_as_a_picture() {
    let svg = parse(GRAPH).graph_svg();
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\""), "{svg}");
    assert!(svg.contains("<text class=\"title\" x=\"28.0\" y=\"34.0\">g 1</text>"), "{svg}");
    let count = |what: &str| svg.matches(what).count();
    let classes = ["class=\"step\"", "class=\"undo\"", "class=\"line\"", "class=\"back\"", "class=\"band\""];
    assert_eq!(classes.map(count), [3, 1, 3, 1, 3]);
    // The line from `a` to `c` passes the layer of `b-1`: it goes down beside it.
    assert_eq!(svg.lines().filter(|line| line.contains("class=\"line\"") && line.matches('C').count() == 3).count(), 1);
    assert!(svg.contains(">conditional, irreversible</text>"), "{svg}");
    assert_eq!(count("<g>"), count("</g>"));
    let pivot = parse(&GRAPH.replace("irreversible: true", "pivot: true")).graph_svg();
    assert!(pivot.contains("class=\"step pivot\""));
}

#[test]
fn what_fans_out_is_drawn_as_one_step() {
    let fan = |more: &str| {
        let step = format!("{{id: a, each: '${{{{ input.l }}}}', {more}run: {{worker: w}}, irreversible: true}}");
        parse(&format!("name: x\nversion: 1\nsteps: [{step}]\n"))
    };
    assert!(fan("").graph_dot().contains("\"a\" [label=\"a\\nworker w\\neach, irreversible\"];"));
    let window = fan("concurrency: 4, ");
    assert!(window.graph_mermaid().contains("s0[\"a<br/>worker w<br/>each, 4 at once, irreversible\"]"));
    assert!(window.graph_svg().contains(">each, 4 at once, irreversible</text>"));
}
