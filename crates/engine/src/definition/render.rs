//! Drawings of a definition: layers as ranks, compensations dashed.

mod layout;
mod svg;

use super::{Ask, Child, Confirm, Definition, DefinitionKind, Mode, Quorum, Run, Step, Undo};
use chancery_base::duration;
use std::fmt::Write as _;

/// What the decision to confirm is called.
const DECISION: &str = "all tried";

impl Definition {
    /// The graph in DOT (<https://graphviz.org/doc/info/lang.html>).
    #[must_use]
    pub fn graph_dot(&self) -> String {
        let mut out = format!("digraph {} {{\n  rankdir=TB;\n  node [shape=box];\n", quoted(self.name.as_str()));
        for layer in 0..=self.deepest_layer() {
            out.push_str("  { rank=same;");
            for step in self.steps.iter().filter(|step| step.layer == layer) {
                line(&mut out, format_args!(" {};", quoted(step.id.as_str())));
            }
            out.push_str(" }\n");
        }
        for step in &self.steps {
            let id = quoted(step.id.as_str());
            let label = quoted(&self.lines(step).join("\n"));
            line(&mut out, format_args!("  {id} [label={label}];\n"));
            for before in step.after.iter().filter_map(|before| self.step(*before)) {
                line(&mut out, format_args!("  {} -> {id};\n", quoted(before.id.as_str())));
            }
            if let Some(undo) = &step.compensate {
                let title = format!("{} {}", self.undo_word(), step.id);
                let undo_id = quoted(&title);
                let label = quoted(&format!("{title}\n{}", undo.describe()));
                line(&mut out, format_args!("  {undo_id} [label={label}, style=dashed];\n"));
                line(&mut out, format_args!("  {id} -> {undo_id} [style=dashed, constraint=false];\n"));
            }
        }
        self.dot_confirms(&mut out);
        out.push_str("}\n");
        out
    }

    /// The decision to confirm, the tries that it rests on, and the confirms that follow it.
    fn dot_confirms(&self, out: &mut String) {
        let mut before = quoted(DECISION);
        if self.kind == DefinitionKind::Tcc {
            line(out, format_args!("  {before} [shape=diamond];\n"));
        }
        for (step, confirm) in self.confirms() {
            if step.dependents.is_empty() {
                line(out, format_args!("  {} -> {};\n", quoted(step.id.as_str()), quoted(DECISION)));
            }
            let title = format!("confirm {}", step.id);
            let id = quoted(&title);
            let label = quoted(&format!("{title}\n{}", confirm.run.describe()));
            line(out, format_args!("  {id} [label={label}];\n  {before} -> {id};\n"));
            if self.mode == Mode::Sequence {
                before = id;
            }
        }
    }

    /// The graph in Mermaid (<https://mermaid.js.org/syntax/flowchart.html>).
    #[must_use]
    pub fn graph_mermaid(&self) -> String {
        let mut out = String::from("flowchart TD\n");
        for layer in 0..=self.deepest_layer() {
            line(&mut out, format_args!("  subgraph layer{layer}[\" \"]\n    direction LR\n"));
            for (position, step) in self.steps.iter().enumerate().filter(|(_, step)| step.layer == layer) {
                line(&mut out, format_args!("    s{position}[\"{}\"]\n", self.lines(step).join("<br/>")));
            }
            out.push_str("  end\n");
        }
        for (position, step) in self.steps.iter().enumerate() {
            for before in &step.after {
                line(&mut out, format_args!("  s{} --> s{position}\n", before.position()));
            }
        }
        for (position, step) in self.steps.iter().enumerate() {
            let Some(undo) = &step.compensate else { continue };
            let label = mermaid_label(&format!("{} {}", self.undo_word(), step.id), &undo.describe());
            line(&mut out, format_args!("  u{position}[\"{label}\"]:::undo\n  s{position} -.-> u{position}\n"));
        }
        self.mermaid_confirms(&mut out);
        out.push_str("  classDef undo stroke-dasharray: 4\n");
        out
    }

    fn mermaid_confirms(&self, out: &mut String) {
        let mut before = "decision".to_owned();
        if self.kind == DefinitionKind::Tcc {
            line(out, format_args!("  decision{{\"{DECISION}\"}}\n"));
        }
        for (position, (step, confirm)) in self.confirms().enumerate() {
            if step.dependents.is_empty() {
                line(out, format_args!("  s{position} --> decision\n"));
            }
            let label = mermaid_label(&format!("confirm {}", step.id), &confirm.run.describe());
            line(out, format_args!("  c{position}[\"{label}\"]\n  {before} --> c{position}\n"));
            if self.mode == Mode::Sequence {
                before = format!("c{position}");
            }
        }
    }

    /// Each participant and its confirm: every one has one.
    fn confirms(&self) -> impl Iterator<Item = (&Step, &Confirm)> {
        self.steps.iter().filter_map(|step| Some((step, step.confirm.as_ref()?)))
    }

    /// A step's lines in a drawing: what it is, what it runs, what is special about it.
    fn lines(&self, step: &Step) -> Vec<String> {
        let mut lines = vec![self.title(step), step.run.describe()];
        let marks = step.marks();
        if !marks.is_empty() {
            lines.push(marks.join(", "));
        }
        lines
    }

    fn title(&self, step: &Step) -> String {
        match self.kind {
            DefinitionKind::Saga | DefinitionKind::Open => step.id.to_string(),
            DefinitionKind::Tcc => format!("try {}", step.id),
        }
    }

    const fn undo_word(&self) -> &'static str {
        match self.kind {
            DefinitionKind::Saga | DefinitionKind::Open => "undo",
            DefinitionKind::Tcc => "cancel",
        }
    }

    fn deepest_layer(&self) -> u32 {
        self.steps.iter().map(|step| step.layer).max().unwrap_or(0)
    }
}

impl Step {
    /// What is special about it, in a few words each.
    fn marks(&self) -> Vec<String> {
        let each = self.each.as_ref().map(|each| match each.concurrency {
            Some(most) => format!("each, {most} at once"),
            None => "each".to_owned(),
        });
        let marks = [
            (self.when.is_some(), "conditional"),
            (self.pivot, "pivot"),
            (self.irreversible, "irreversible"),
            (self.optional, "may fail"),
            (self.retry.once, "once"),
        ];
        let poll = self.poll.as_ref().map(|poll| format!("polls every {}", duration::format(poll.every)));
        let approval = self.approval.as_ref().map(|approval| format!("approved by {}", approval.quorum.describe()));
        each.into_iter()
            .chain(poll)
            .chain(approval)
            .chain(marks.into_iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark.to_owned()))
            .collect()
    }
}

impl Ask {
    fn describe(&self) -> String {
        format!("{} by {}", self.kind.word(), self.quorum.describe())
    }
}

impl Quorum {
    fn describe(&self) -> String {
        match (&self.role, self.approvers) {
            (Some(role), 1) => role.to_string(),
            (Some(role), count) => format!("{count} of {role}"),
            (None, 1) => "a person".to_owned(),
            (None, count) => format!("{count} people"),
        }
    }
}

impl Mode {
    /// The word in a definition.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Layers => "layers",
            Self::Sequence => "sequence",
            Self::Parallel => "parallel",
        }
    }
}

impl Undo {
    /// What it runs, in a few words; a child undoes what it did itself.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.run.child() {
            Some(child) => format!("recall {}", child.name),
            None => self.run.describe(),
        }
    }
}

impl Run {
    /// What it runs, in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Worker(name) => format!("worker {name}"),
            Self::Http(http) => format!("http {}", http.method.word()),
            Self::Noop => "noop".to_owned(),
            Self::Wait(until) => match until.as_literal().and_then(|until| until.as_str()) {
                Some(until) => format!("wait {until}"),
                None => "wait".to_owned(),
            },
            Self::Signal(signal) => format!("signal {}", signal.name),
            Self::Request(ask) => ask.describe(),
            Self::Transaction(Child { name, version: None }) => format!("transaction {name}"),
            Self::Transaction(Child { name, version: Some(version) }) => format!("transaction {name} {version}"),
            Self::Decide(question) => format!("decide {}", question.action),
            Self::Emit(emit) => format!("emit {}", emit.event_type),
        }
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    // Writing to a String cannot fail.
    debug_assert!(written.is_ok());
}

/// A quoted id of DOT. Names have no quotes and no backslashes; a line break is written as one.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\n', "\\n"))
}

fn mermaid_label(title: &str, what: &str) -> String {
    format!("{title}<br/>{what}")
}
