//! Drawings of a definition: layers as ranks, compensations dashed.

mod layout;
mod svg;

use super::{Definition, Mode, Run, Step};
use std::fmt::Write as _;

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
            let label = quoted(&step.lines().join("\n"));
            line(&mut out, format_args!("  {id} [label={label}];\n"));
            for before in step.after.iter().filter_map(|before| self.step(*before)) {
                line(&mut out, format_args!("  {} -> {id};\n", quoted(before.id.as_str())));
            }
            if let Some(undo) = &step.compensate {
                let undo_id = quoted(&format!("undo {}", step.id));
                let label = quoted(&format!("undo {}\n{}", step.id, undo.run.describe()));
                line(&mut out, format_args!("  {undo_id} [label={label}, style=dashed];\n"));
                line(&mut out, format_args!("  {id} -> {undo_id} [style=dashed, constraint=false];\n"));
            }
        }
        out.push_str("}\n");
        out
    }

    /// The graph in Mermaid (<https://mermaid.js.org/syntax/flowchart.html>).
    #[must_use]
    pub fn graph_mermaid(&self) -> String {
        let mut out = String::from("flowchart TD\n");
        for layer in 0..=self.deepest_layer() {
            line(&mut out, format_args!("  subgraph layer{layer}[\" \"]\n    direction LR\n"));
            for (position, step) in self.steps.iter().enumerate().filter(|(_, step)| step.layer == layer) {
                line(&mut out, format_args!("    s{position}[\"{}\"]\n", step.lines().join("<br/>")));
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
            let label = format!("{}<br/>{}", step.id, undo.run.describe());
            line(&mut out, format_args!("  u{position}[\"undo {label}\"]:::undo\n  s{position} -.-> u{position}\n"));
        }
        out.push_str("  classDef undo stroke-dasharray: 4\n");
        out
    }

    fn deepest_layer(&self) -> u32 {
        self.steps.iter().map(|step| step.layer).max().unwrap_or(0)
    }
}

impl Step {
    /// What is special about it, in a few words each.
    fn marks(&self) -> Vec<String> {
        let marks = [
            (self.when.is_some(), "conditional"),
            (self.pivot, "pivot"),
            (self.irreversible, "irreversible"),
            (self.optional, "may fail"),
            (self.retry.once, "once"),
            (!self.set.is_empty(), "sets variables"),
        ];
        marks.into_iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark.to_owned()).collect()
    }

    /// Its lines in a drawing: id, what it runs, what is special about it.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.id.to_string(), self.run.describe()];
        let marks = self.marks();
        if !marks.is_empty() {
            lines.push(marks.join(", "));
        }
        lines
    }
}

impl Mode {
    /// The word in a definition.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Layers => "layers",
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
