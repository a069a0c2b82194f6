//! Every refusal, with its line, column and path.

use chancery_engine::definition::Definition;

/// A definition whose first step is `a`, a noop, followed by `rest`.
fn with_step(rest: &str) -> String {
    format!("name: x\nversion: 1\nsteps:\n  - id: a\n    run: noop\n{rest}")
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let shown = match Definition::parse(text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(err) => err.problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(shown, expected, "{text}");
    super::schema::agrees(text, &shown);
}

#[track_caller]
fn check_step(rest: &str, expected: &[&str]) {
    check(&with_step(rest), expected);
}

#[test]
fn keys_are_known_later_or_unknown() {
    check(
        "name: x\nversion: 1\nsubjects: []\nstesp: []\nsteps: [{id: a, run: noop}]",
        &["3:1: subjects: `subjects` is not supported yet", "4:1: stesp: unknown key `stesp`; did you mean `steps`?"],
    );
    check_step(
        "    vars: {}\n    headers: {}\n    tiemout: 3s\n    whatever: 1\n",
        &[
            "6:5: steps[0].vars: `vars` is not supported yet",
            "7:5: steps[0].headers: `headers` does not belong here: they are said in `run: {http: {headers}}`; a worker's task has those of its transaction",
            "8:5: steps[0].tiemout: unknown key `tiemout`; did you mean `timeout`?",
            "9:5: steps[0].whatever: unknown key `whatever`",
        ],
    );
    check_step(
        "    lint: {allow: [no-und, 3], deny: []}\n",
        &[
            "6:20: steps[0].lint.allow[0]: unknown rule `no-und`; there is `no-undo`, `undo-never-runs`, `retry-without-backoff`, `timeout-too-long`, `constant-condition`, `absent-output`, `similar-ids`; did you mean `no-undo`?",
            "6:28: steps[0].lint.allow[1]: a text is expected here, not a number",
            "6:32: steps[0].lint.deny: unknown key `deny`",
        ],
    );
    check("{}", &["1:1: `name` is missing", "1:1: `steps` is missing", "1:1: `version` is missing"]);
    check("name: x\nversion: 1\nsteps: []", &["3:8: steps: a definition has at least one step"]);
    check("name: x\nversion: 1\nsteps: {}", &["3:8: steps: a list is expected here, not a map"]);
    check("name: x\nversion: 1\nsteps: [1]", &["3:9: steps[0]: a map is expected here, not a number"]);
    check("name: x\nversion: 1\nsteps: [{}]", &["3:9: steps[0]: `id` is missing", "3:9: steps[0]: `run` is missing"]);
    check("[]", &["1:1: a map is expected here, not a list"]);
}

#[test]
fn what_says_a_step_s_turn_is_checked() {
    check_step("    priority: 9\n    fairness: one\n", &[]);
    check_step("    each: ${{ input.orders }}\n    fairness: ${{ item.customer }}/${{ index }}\n", &[]);
    for wrong in ["10", "-10", "1.5", "high", "[1]"] {
        let place = "6:15: steps[0].priority";
        check_step(
            &format!("    priority: {wrong}\n"),
            &[&format!("{place}: a whole number from -9 to 9 is expected here")],
        );
    }
    check_step(
        "    fairness: {a: 1}\n    prioritty: 1\n",
        &[
            "6:15: steps[0].fairness: a text is expected here, not a map",
            "7:5: steps[0].prioritty: unknown key `prioritty`; did you mean `priority`?",
        ],
    );
    check_step(
        "    fairness: \"${{ steps.b.output.customer }}\"\n  - id: b\n    run: noop\n",
        &["6:15: steps[0].fairness: step `b` is not upstream of `a`: put it in an `after`"],
    );
}

#[test]
fn top_level_values_are_checked() {
    let top = |lines: &str| format!("{lines}\nsteps: [{{id: a, run: noop}}]\n");
    check(
        &top("name: a b\nversion: 0"),
        &[
            "1:7: name: ` ` is not allowed in a name: use a-z, A-Z, 0-9, `-`, `_`, `.`, and begin with a letter or digit",
            "2:10: version: a whole number from 1 to 4294967295 is expected here",
        ],
    );
    check(
        &top("name: 1\nversion: '1'"),
        &[
            "1:7: name: a text is expected here, not a number",
            "2:10: version: a whole number from 1 to 4294967295 is expected here",
        ],
    );
    let named = |lines: &str| top(&format!("name: x\nversion: 1\n{lines}"));
    check(&named("kind: workflow"), &["3:7: kind: unknown kind `workflow`; there is `saga`, `tcc`, `open`"]);
    check(&named("concurrency: 1001"), &["3:14: concurrency: a whole number from 1 to 1000 is expected here"]);
    check(
        &named("compensation: {policy: grouped, on_error: ignore}"),
        &[
            "3:24: compensation.policy: unknown compensation policy `grouped`; there is `strict-sequential`, `grouped-parallel`, `retry-with-backoff`, `circuit-breaker`, `best-effort-parallel`",
            "3:43: compensation.on_error: unknown action `ignore`; there is `continue`, `retry`, `fail`, `skip`, `mark-compensated`",
        ],
    );
    check(
        &named("mode: layer"),
        &["3:7: mode: unknown mode `layer`; there is `graph`, `layers`; did you mean `layers`?"],
    );
    check(&named("timeout: 0s"), &["3:10: timeout: a timeout is longer than nothing"]);
    check(&named("compensation: {}"), &["3:15: compensation: `policy` is missing"]);
    for key in ["vars: {}", "labels: {}"] {
        let name = key.split(':').next().unwrap_or_default();
        check(&named(key), &[&format!("3:1: {name}: `{name}` is not supported yet")]);
    }
    check(
        &named("headers: {}"),
        &[
            "3:1: headers: `headers` does not belong here: a start says what its transaction's are, `chancery tx start --header`",
        ],
    );
    check(
        &named("env: {}"),
        &["3:1: env: `env` does not belong here: the tenant's settings are set by `chancery settings set`"],
    );
    check(&named("key: ${{ env.PREFIX }}"), &["3:6: key: `env` is not known here; there is `input`"]);
    check(&named("key: ${{ steps.a.output }}"), &["3:6: key: `steps` is not known here; there is `input`"]);
    check(&named("key: ${{ now }}"), &["3:6: key: `now` is not known here; there is `input`"]);
    check(
        &named("context: {a-b: 1, c: '${{ steps.a.output }}'}"),
        &[
            "3:16: context.a-b: `a-b` is not a name here: use letters, digits and `_`",
            "3:22: context.c: `steps` is not known here; there is `input`, `env`, `headers`, `transaction`, `now`",
        ],
    );
}

#[test]
fn step_values_are_checked() {
    check_step("  - {id: a, run: noop}\n", &["6:10: steps[1].id: steps[0] has this id already"]);
    check_step(
        "    timeout: 0s\n    queue_timeout: 5\n",
        &[
            "6:14: steps[0].timeout: a timeout is longer than nothing",
            "7:20: steps[0].queue_timeout: `5` has no unit: write `5s`, say; there are ms, s, m, h and d",
        ],
    );
    check_step("    timeout: 11000d\n", &["6:14: steps[0].timeout: `11000d` is longer than 10 years"]);
    check_step(
        "    action: 'a b'\n    with: ok\n",
        &[
            "6:13: steps[0].action: ` ` is not allowed in a name: use a-z, A-Z, 0-9, `-`, `_`, `.`, and begin with a letter or digit",
        ],
    );
    check_step(
        "    retry: {attempts: twice}\n",
        &["6:23: steps[0].retry.attempts: a whole number from 1 to 1000 is expected here"],
    );
    check_step(
        "    pivot: yes\n    on_failure: ignore\n",
        &[
            "6:12: steps[0].pivot: `true` or `false` is expected here, not a text",
            "7:17: steps[0].on_failure: a pivot has no `on_failure`: what comes after it rests on it",
            "7:17: steps[0].on_failure: unknown outcome `ignore`; there is `continue`, `stop`",
        ],
    );
    check_step(
        "    compensate: {run: noop}\n    irreversible: true\n",
        &["7:19: steps[0].irreversible: a step with `compensate` has no `irreversible`"],
    );
    check_step(
        "    retry: {attempts: 0, factor: 0.5, jitter: 2, backoff: 5, unless: [a b]}\n",
        &[
            "6:23: steps[0].retry.attempts: a whole number from 1 to 1000 is expected here",
            "6:34: steps[0].retry.factor: a number from 1 to 100 is expected here",
            "6:47: steps[0].retry.jitter: a number from 0 to 1 is expected here",
            "6:59: steps[0].retry.backoff: `5` has no unit: write `5s`, say; there are ms, s, m, h and d",
            "6:71: steps[0].retry.unless[0]: ` ` is not allowed in a name: use a-z, A-Z, 0-9, `-`, `_`, `.`, and begin with a letter or digit",
        ],
    );
    check_step("    retry: {backoff: 5s, max: 1s}\n", &["6:31: steps[0].retry.max: `max` is shorter than `backoff`"]);
    check_step(
        "    resource: {type: 'Or der', attributes: {x: 1}}\n",
        &[
            "6:15: steps[0].resource: `id` is missing",
            "6:22: steps[0].resource.type: `Or der` is not the name of an entity type",
        ],
    );
    check_step("    compensate: {with: {}}\n", &["6:17: steps[0].compensate: `run` is missing"]);
    check_step(
        "    concurrency: 4\n",
        &["6:18: steps[0].concurrency: `concurrency` of a step is for its clones: it has no `each`"],
    );
    check_step("    each: [1]\n", &["6:11: steps[0].each: a list of elements is written as `${{ … }}`"]);
    check_step(
        "    each: 'all ${{ input.l }}'\n",
        &["6:11: steps[0].each: a list of elements is one `${{ … }}` and nothing else"],
    );
    check_step(
        "    each: '${{ input.l }}'\n    concurrency: 0\n",
        &["7:18: steps[0].concurrency: a whole number from 1 to 1000 is expected here"],
    );
    check_step(
        "    compensate: {run: noop, critical: true}\n",
        &["6:39: steps[0].compensate.critical: `critical` is for the compensation policy `circuit-breaker`"],
    );
}

#[test]
fn what_runs_is_one_of_few() {
    let run = |run: &str| format!("name: x\nversion: 1\nsteps:\n- id: a\n  run: {run}\n");
    check(
        &run("{transaction: x}"),
        &["5:22: steps[0].run.transaction: a definition does not run itself: it would never end"],
    );
    for later in ["rules", "mcp"] {
        let expected = format!("5:9: steps[0].run.{later}: `{later}` is not supported yet");
        check(&run(&format!("{{{later}: y}}")), &[&expected]);
    }
    check(&run("{wroker: y}"), &["5:9: steps[0].run.wroker: unknown key `wroker`; did you mean `worker`?"]);
    check(
        &run("{}"),
        &[
            "5:8: steps[0].run: one of `worker`, `http`, `noop`, `wait`, `signal`, `request`, `transaction`, `decide` and `emit` is expected here",
        ],
    );
    check(&run("{worker: y, noop: {}}"), &["5:8: steps[0].run: only one of `worker`, `noop` can run"]);
    check(&run("nothing"), &["5:8: steps[0].run: a map is expected here, not a text"]);
    check(&run("{http: {}}"), &["5:15: steps[0].run.http: `url` is missing"]);
    check(
        &run("{http: {url: 'ftp://x'}}"),
        &["5:21: steps[0].run.http.url: a URL begins with `http://` or `https://`"],
    );
    check(
        &run("{http: {url: 'http://x', method: post}}"),
        &[
            "5:41: steps[0].run.http.method: unknown method `post`; there are GET, POST, PUT, PATCH, DELETE; did you mean `POST`?",
        ],
    );
    check(
        &run("{http: {url: 'http://x', headers: {x-a: z}, pass: [x-a, X-B, x-b, 'c d'], keep: etag}}"),
        &[
            "5:58: steps[0].run.http.pass: the header `x-a` stands in `headers`, too",
            "5:69: steps[0].run.http.pass[2]: the header `x-b` stands twice",
            "5:74: steps[0].run.http.pass[3]: `c d` is not the name of a header",
            "5:88: steps[0].run.http.keep: a list is expected here, not a text",
        ],
    );
    check(
        &run("{http: {url: 'http://x', keep: [etag, Set-Cookie]}}"),
        &["5:46: steps[0].run.http.keep[1]: `set-cookie` is for secrets, and what it says would be recorded"],
    );
    check(&run("{http: {url: '${{ env.PAY }}/x', headers: {x-env: '${{ env.?STAGE }}'}}}"), &[]);
    check(
        &run("{http: {url: '${{ env.pay }}/x'}}"),
        &["5:21: steps[0].run.http.url: no setting is called `pay`: write it like `env.PAYMENTS_URL`, in capitals"],
    );
    check(
        &run("{http: {url: 'http://x', headers: {'a b': x, Host: y, X-A: z, x-a: z, B: 1}}}"),
        &[
            "5:50: steps[0].run.http.headers.a b: `a b` is not the name of a header",
            "5:59: steps[0].run.http.headers.Host: the server sets the header `host` itself",
            "5:75: steps[0].run.http.headers.x-a: the header `x-a` stands twice",
            "5:81: steps[0].run.http.headers.B: a text is expected here, not a number",
        ],
    );
}

#[test]
fn the_graph_has_no_gaps_and_no_cycles() {
    check_step(
        "  - {id: beta, run: noop, after: [betta, gamma, a, a]}\n",
        &[
            "6:35: steps[1].after[0]: there is no step `betta`; did you mean `beta`?",
            "6:42: steps[1].after[1]: there is no step `gamma`",
            "6:52: steps[1].after[3]: this step stands here twice",
        ],
    );
    check_step("    after: [a]\n", &["6:12: steps[0].after: the steps wait for one another: a → a"]);
    check_step(
        "  - {id: b, run: noop, after: [a, d]}\n  - {id: c, run: noop, after: [b]}\n  - {id: d, run: noop, after: [c]}\n  - {id: e, run: noop, after: [d]}\n",
        &["6:31: steps[1].after: the steps wait for one another: b → c → d → b"],
    );
    check_step("    after: b\n", &["6:12: steps[0].after: a list is expected here, not a text"]);
}

#[test]
fn expressions_use_only_what_is_known_where_they_stand() {
    check_step(
        "    with: {k: '${{ 1 + }}', l: ['${{ nope(1) }}']}\n",
        &[
            "6:15: steps[0].with.k: the expression ends too early (column 8)",
            "6:33: steps[0].with.l[0]: unknown function `nope` (column 9)",
        ],
    );
    check_step(
        "    with: '${{ inptu.x + vars.y + env.z + headers.H }}'\n",
        &[
            "6:11: steps[0].with: `inptu` is not known here; there is `input`, `steps`, `vars`, `env`, `headers`, `transaction`, `now`; did you mean `input`?",
            "6:11: steps[0].with: headers are called in lower case: `headers['h']`",
            "6:11: steps[0].with: no setting is called `z`: write it like `env.PAYMENTS_URL`, in capitals",
            "6:11: steps[0].with: no step sets `y`",
        ],
    );
    check_step(
        "    with: '${{ transaction.tenant }} ${{ string(transaction) }} ${{ transaction.id }}'\n",
        &[
            "6:11: steps[0].with: `transaction` has `id` and `key`, no `tenant`",
            "6:11: steps[0].with: write `transaction.id` or `transaction.key`",
        ],
    );
    check_step("    with: '${{ steps.a.output }}'\n", &["6:11: steps[0].with: step `a` cannot use its own output"]);
    let second = |with: &str, after: &str| format!("  - id: b-c\n    run: noop\n    with: \"{with}\"\n{after}");
    check_step(
        &second("${{ steps.a.output }}", ""),
        &["8:11: steps[1].with: step `a` is not upstream of `b-c`: put it in an `after`"],
    );
    check_step(&second("${{ steps.a.output }}", "    after: [a]\n"), &[]);
    check_step(
        &second("${{ steps.b.output }}", ""),
        &["8:11: steps[1].with: there is no step `b`; an id with `-` is written `steps['b-c']`"],
    );
    check_step(
        &second("${{ steps.aa.output }}", ""),
        &["8:11: steps[1].with: there is no step `aa`; did you mean `a`?"],
    );
    check_step(
        &second("${{ steps[input.x].output }}", ""),
        &[
            "8:11: steps[1].with: `steps` is followed by the id of a step: `steps.charge.output` or `steps['charge'].output`",
        ],
    );
    check_step(
        &second("${{ steps.a.result }}", "    after: [a]\n"),
        &["8:11: steps[1].with: a step has `output`, `status` and `error`, no `result`"],
    );
    check_step(&second("${{ steps['b-c'] }}", ""), &["8:11: steps[1].with: write `steps['b-c'].output`"]);
}

#[test]
fn a_variable_is_set_upstream_and_in_one_order() {
    let two =
        |second: &str| format!("  - {{id: b, run: noop, set: {{total: 1}}}}\n  - {{id: c, run: noop, {second}}}\n");
    check_step(&two("after: [b], set: {total: '${{ vars.total + 1 }}'}"), &[]);
    check_step(
        &two("set: {total: 2}"),
        &[
            "7:37: steps[2].set.total: `b` sets `total` too, and neither comes after the other: put one in the other's `after`",
        ],
    );
    check_step(
        &two("with: '${{ vars.total }}'"),
        &["7:30: steps[2].with: no step upstream of `c` sets `total`: put one that does in an `after`"],
    );
    check_step(
        &two("after: [b], with: '${{ vars.totl }} ${{ string(vars) }}'"),
        &[
            "7:42: steps[2].with: `vars` is followed by the name of a variable: `vars.total`",
            "7:42: steps[2].with: no step sets `totl`; did you mean `total`?",
        ],
    );
    // What a step sets it can't read before it is done; its undo can.
    check_step(
        "    with: '${{ vars.n }}'\n    set: {n: '${{ steps.a.output }}', a-b: 1}\n    compensate: {run: noop, with: '${{ vars.?n }}'}\n",
        &[
            "6:11: steps[0].with: no step upstream of `a` sets `n`: put one that does in an `after`",
            "7:44: steps[0].set.a-b: `a-b` is not a name here: use letters, digits and `_`",
        ],
    );
    check_step(
        "    set: {n: 1}\n    compensate: {run: noop, with: '${{ vars.n }}'}\n",
        &["7:35: steps[0].compensate.with: `n` is not set when the outcome of `a` is unknown: write `vars.?n`"],
    );
    check_step("    set: {n: 1}\n    compensate: {run: noop, with: '${{ has(vars.n) ? vars.n : 0 }}'}\n", &[]);
    // Clones set nothing: their step does.
    check_step(
        "    each: '${{ input.l }}'\n    set: {n: '${{ item }}'}\n",
        &["7:14: steps[0].set.n: `item` is known in what a step with `each` does, and in its `compensate`"],
    );
    check_step("    each: '${{ input.l }}'\n    set: {n: '${{ size(steps.a.output) }}'}\n", &[]);
    check_step("  - {id: b, run: {wait: 5m}, set: {n: 1}}\n  - {id: c, run: {signal: {name: go}}, set: {m: 1}}\n", &[]);
    check_step("    set: 1\n", &["6:10: steps[0].set: a map is expected here, not a number"]);
    check(
        "name: x\nversion: 1\nkey: '${{ vars.n }}'\nsteps: [{id: a, run: noop, set: {n: 1}}]",
        &["3:6: key: `vars` is not known here; there is `input`"],
    );
}

#[test]
fn an_undo_handles_that_its_own_output_is_absent() {
    let undo = |with: &str| format!("    compensate:\n      run: noop\n      with: {{id: \"{with}\"}}\n");
    let absent = "8:18: steps[0].compensate.with.id: the output of `a` is absent when its outcome is unknown: write `steps.a.?output`";
    check_step(&undo("${{ steps.a.output.id }}"), &[absent]);
    check_step(&undo("${{ steps.a.output.?id }}"), &[absent]);
    check_step(&undo("${{ steps['a']['output'] }}"), &[absent]);
    check_step(&undo("${{ has(steps.a.output.id) ? 1 : 2 }}"), &[absent]);
    check_step(&undo("${{ steps.a.?output.id }}"), &[]);
    check_step(&undo("${{ steps.a.?output.?id }}"), &[]);
    check_step(&undo("${{ steps['a'][?'output'].orValue('x') }}"), &[]);
    check_step(&undo("${{ has(steps.a.output) ? steps.a.output.id : 'none' }}"), &[]);
    check_step(
        &(undo("${{ steps.b.output }}") + "  - {id: b, run: noop}\n"),
        &["8:18: steps[0].compensate.with.id: step `b` is not upstream of `a`: put it in an `after`"],
    );
}

#[test]
fn a_condition_can_be_true_or_false() {
    let never = ["6:11: steps[0].when: a condition is true or false, this can be neither"];
    for when in ["${{ 1 }}", "${{ 'true' }}", "${{ input.a + 1 }}", "${{ [true] }}", "${{ size(input) }}"] {
        check_step(&format!("    when: \"{when}\"\n"), &never);
    }
    check_step("    when: ${{ input.a > 1 }}\n", &[]);
    check_step("    when: input.a > 1\n", &["6:11: steps[0].when: a condition is written as `${{ … }}`"]);
    check_step("    when: true\n", &["6:11: steps[0].when: a condition is written as `${{ … }}`"]);
    check_step("    when: x${{ true }}\n", &["6:11: steps[0].when: a condition is one `${{ … }}` and nothing else"]);
}

#[test]
fn yaml_is_taken_as_far_as_it_is_json() {
    check("", &["1:1: the document is empty"]);
    check("name: x\nname: y\n", &["2:1: key `name` stands twice"]);
    check("{\"name\": 1, \"name\": 2}", &["1:13: key `name` stands twice"]);
    check("a: &x 1\nb: *x\n", &["1:7: anchors and aliases are not allowed: write the value out"]);
    check("a: !!str 1\n", &["1:10: tags are not allowed"]);
    check("a: 1\n---\nb: 1\n", &["2:1: a second document begins; one is allowed"]);
    check("1: a\n", &["1:1: a key is a text: put it in quotes"]);
    check("a: .inf\n", &["1:4: `.inf` is not a number that JSON has"]);
    check("a: 9007199254740993\n", &["1:4: `9007199254740993` is beyond ±2^53: put it in quotes"]);
    check("a: 1e400\n", &["1:4: `1e400` is beyond ±2^53: put it in quotes"]);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n";
    check(bomb, &["1:7: anchors and aliases are not allowed: write the value out"]);
    assert!(Definition::parse(b"%YAML 1.2\n---\na: 1\n").is_err());
    assert!(Definition::parse(b"a: [1\n").is_err());
    assert!(Definition::parse(b"a: \"\\ud800\"\n").is_err());
    let refused = |text: &[u8]| Definition::parse(text).map(|_| ()).map_err(|err| err.to_string());
    assert_eq!(refused(b"name: \xff"), Err("1:1: the definition is not UTF-8".to_owned()));
    let large = vec![b' '; (512 << 10) + 1];
    assert_eq!(refused(&large), Err("1:1: the definition has 524289 bytes, at most 524288 are allowed".to_owned()));
}

#[test]
fn depth_is_limited_in_both_spellings() {
    for (open, close, count) in [("[", "]", 33), ("[", "]", 5_000), ("{a: ", "}", 33), ("{\"a\": ", "}", 5_000)] {
        let text = format!("name: {}1{}", open.repeat(count), close.repeat(count));
        let err = Definition::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(err.contains("nested deeper") || err.contains("recursion limit"), "{err}");
    }
    let block: String = (0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth.min(200)))).collect();
    assert!(Definition::parse(block.as_bytes()).is_err());
    let json = format!("{{\"name\": {}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(Definition::parse(json.as_bytes()).is_err());
}

#[test]
fn expressions_of_five_thousand_operators_are_refused() {
    for expression in ["a".to_owned() + &"+a".repeat(4_000), "!".repeat(5_000) + "a", "(".repeat(5_000)] {
        let err = Definition::parse(with_step(&format!("    with: \"${{{{ {expression} }}}}\"\n")).as_bytes());
        let err = err.unwrap_err().to_string();
        assert!(err.contains("more than 256 operators") || err.contains("nests deeper than 32"), "{err}");
    }
    let err = Definition::parse(
        with_step(&format!("    with: \"${{{{ {}1{} }}}}\"\n", "(".repeat(4_000), ")".repeat(4_000))).as_bytes(),
    );
    assert_eq!(err.unwrap_err().to_string(), "6:11: steps[0].with: the expression nests deeper than 32 (column 37)");
}
