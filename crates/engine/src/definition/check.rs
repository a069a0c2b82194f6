//! What expressions may use: the names that are bound where they stand, and only steps that are surely over.

use super::document::Place;
use super::fields::did_you_mean;
use super::flow::{self, Reads, SetPlaces, Setters};
use super::graph::Upstream;
use super::problem::Problems;
use super::{Definition, DefinitionKind, StepIndex};
use crate::settings::is_setting_name;
use chancery_expr::{Access, Program};
use std::collections::{BTreeMap, BTreeSet};

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// The business key.
    Key,
    /// The context of the start.
    Start,
    /// Whether a step runs, and over what it fans out.
    Whole(StepIndex),
    /// What a step, or each clone of it, does.
    Forward(StepIndex),
    /// Whether what a step, or each clone of it, gave in a round is enough.
    Round(StepIndex),
    /// What a step gives once an attempt of it was done.
    Done(StepIndex),
    /// How a step is undone.
    Undo(StepIndex),
    /// How a participant is confirmed, when every one is over.
    Confirm(StepIndex),
    /// The transaction's output.
    Output,
}

/// An expression and where it stands.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) site: Site,
    pub(crate) place: Place,
    pub(crate) path: String,
    pub(crate) program: Program,
}

/// Names that only the clones of a fan-out have.
const OF_CLONES: [&str; 2] = ["item", "index"];

impl Site {
    /// The step that it belongs to.
    pub(crate) const fn step(self) -> Option<StepIndex> {
        match self {
            Self::Whole(step)
            | Self::Forward(step)
            | Self::Round(step)
            | Self::Done(step)
            | Self::Undo(step)
            | Self::Confirm(step) => Some(step),
            Self::Key | Self::Start | Self::Output => None,
        }
    }

    const fn names(self, fans_out: bool) -> &'static [&'static str] {
        match self {
            Self::Key => &["input"],
            Self::Start => &["input", "env", "headers", "transaction", "now"],
            Self::Forward(_) | Self::Round(_) | Self::Undo(_) if fans_out => {
                &["input", "steps", "vars", "env", "headers", "transaction", "now", "item", "index"]
            }
            Self::Whole(_)
            | Self::Forward(_)
            | Self::Round(_)
            | Self::Done(_)
            | Self::Undo(_)
            | Self::Confirm(_)
            | Self::Output => &["input", "steps", "vars", "env", "headers", "transaction", "now"],
        }
    }
}

/// Checks every expression and notes which steps' outputs and variables are read where.
pub(crate) fn uses(
    definition: &mut Definition,
    (uses, sets): (&[Use], &SetPlaces),
    upstream: &Upstream,
    problems: &mut Problems,
) {
    let ids: BTreeMap<String, StepIndex> =
        definition.indices().zip(&definition.steps).map(|(index, step)| (step.id.to_string(), index)).collect();
    let setters = flow::setters(definition, sets, upstream, problems);
    let mut reads: BTreeMap<Option<StepIndex>, Reads> = BTreeMap::new();
    for used in uses {
        let mut checker = Checker { definition, ids: &ids, setters: &setters, upstream, used, problems };
        let found = checker.check();
        match used.site {
            Site::Whole(_)
            | Site::Forward(_)
            | Site::Round(_)
            | Site::Done(_)
            | Site::Undo(_)
            | Site::Confirm(_)
            | Site::Output => reads.entry(used.site.step()).or_default().add(found),
            Site::Key | Site::Start => {}
        }
    }
    for (reader, found) in reads {
        let (steps, variables) = found.in_order(&setters);
        match reader {
            None => (definition.output_reads, definition.output_variables) = (steps, variables),
            Some(index) => {
                if let Some(step) = definition.steps.get_mut(index.position()) {
                    (step.reads, step.variables) = (steps, variables);
                }
            }
        }
    }
}

struct Checker<'c> {
    definition: &'c Definition,
    ids: &'c BTreeMap<String, StepIndex>,
    setters: &'c Setters,
    upstream: &'c Upstream,
    used: &'c Use,
    problems: &'c mut Problems,
}

impl Checker<'_> {
    fn fail(&mut self, message: impl Into<String>) {
        self.problems.add(self.used.place, &self.used.path, message);
    }

    /// The steps whose outputs or variables the expression reads.
    fn check(&mut self) -> Reads {
        let program = &self.used.program;
        let mut read = Reads::default();
        for access in program.references() {
            let root = access.root.as_str();
            if !self.names().contains(&root) {
                self.unknown_name(root);
            } else if root == "steps" {
                read.steps.extend(self.step(access));
            } else if root == "vars" {
                read.variables.extend(self.variable(access));
            } else if root == "env" {
                self.setting(access);
            } else if root == "headers" {
                self.header(access);
            } else if root == "transaction" {
                self.transaction(access);
            }
        }
        read
    }

    /// The names that are bound where the expression stands.
    fn names(&self) -> &'static [&'static str] {
        let fans_out = match self.used.site {
            Site::Forward(step) | Site::Round(step) | Site::Undo(step) => {
                self.definition.step(step).is_some_and(|step| step.each.is_some())
            }
            Site::Key | Site::Start | Site::Whole(_) | Site::Done(_) | Site::Confirm(_) | Site::Output => false,
        };
        self.used.site.names(fans_out)
    }

    fn unknown_name(&mut self, root: &str) {
        if OF_CLONES.contains(&root) {
            return self.fail(format!("`{root}` is known in what a step with `each` does, and in its `compensate`"));
        }
        let names = self.names();
        let hint = did_you_mean(root, names.iter().copied());
        self.fail(format!("`{root}` is not known here; there is `{}`{hint}", names.join("`, `")));
    }

    /// Which settings there are is not known here, only how they are called.
    fn setting(&mut self, access: &Access) {
        if let Some(segment) = access.segments.first().filter(|segment| !is_setting_name(&segment.name)) {
            self.fail(format!(
                "no setting is called `{}`: write it like `env.PAYMENTS_URL`, in capitals",
                segment.name
            ));
        }
    }

    /// Which headers a start will have is not known here, only how they are called.
    fn header(&mut self, access: &Access) {
        let Some(segment) = access.segments.first() else { return };
        let name = &segment.name;
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.fail(format!("headers are called in lower case: `headers['{}']`", name.to_ascii_lowercase()));
        }
    }

    fn transaction(&mut self, access: &Access) {
        match access.segments.first() {
            Some(segment) if matches!(segment.name.as_str(), "id" | "key") => {}
            Some(segment) => self.fail(format!("`transaction` has `id` and `key`, no `{}`", segment.name)),
            None => self.fail("write `transaction.id` or `transaction.key`"),
        }
    }

    /// The variable that is read, and the steps that may have set it.
    fn variable(&mut self, access: &Access) -> Option<(String, BTreeSet<StepIndex>)> {
        let Some(first) = access.segments.first() else {
            self.fail("`vars` is followed by the name of a variable: `vars.total`");
            return None;
        };
        let name = &first.name;
        let Some(setters) = self.setters.get(name) else {
            let hint = did_you_mean(name, self.setters.keys().map(String::as_str));
            self.fail(format!("no step sets `{name}`{hint}"));
            return None;
        };
        let visible: BTreeSet<StepIndex> = flow::visible(setters, self.used.site, self.upstream).collect();
        if visible.is_empty() {
            let reading = self.used.site.step().and_then(|step| self.definition.step(step));
            let reading = reading.map_or("", |step| step.id.as_str()).to_owned();
            self.fail(format!("no step upstream of `{reading}` sets `{name}`: put one that does in an `after`"));
            return None;
        }
        if let Site::Undo(own) = self.used.site
            && visible.iter().eq([&own])
            && !self.handles_unset(access)
        {
            let id = self.definition.step(own).map_or("", |step| step.id.as_str());
            self.fail(format!("`{name}` is not set when the outcome of `{id}` is unknown: write `vars.?{name}`"));
        }
        Some((name.clone(), visible))
    }

    fn step(&mut self, access: &Access) -> Option<StepIndex> {
        let Some(first) = access.segments.first() else {
            self.fail("`steps` is followed by the id of a step: `steps.charge.output` or `steps['charge'].output`");
            return None;
        };
        let Some(index) = self.ids.get(&first.name).copied() else {
            self.unknown_step(&first.name);
            return None;
        };
        match access.segments.get(1) {
            Some(second) if matches!(second.name.as_str(), "output" | "status" | "error") => {}
            Some(second) => {
                self.fail(format!("a step has `output`, `status` and `error`, no `{}`", second.name));
                return None;
            }
            None => {
                self.fail(format!("write `{}.output`", step_path(&first.name)));
                return None;
            }
        }
        self.reach(access, index).then_some(index)
    }

    fn unknown_step(&mut self, name: &str) {
        let hint = did_you_mean(name, self.ids.keys().map(String::as_str));
        // `steps.reserve-inventory` reads as a subtraction.
        let cut = self.ids.keys().find(|id| id.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')));
        let hint = cut.map_or(hint, |id| format!("; an id with `-` is written `steps['{id}']`"));
        self.fail(format!("there is no step `{name}`{hint}"));
    }

    /// Whether the step's output can be known where the expression stands.
    fn reach(&mut self, access: &Access, index: StepIndex) -> bool {
        let (reader, undo) = match self.used.site {
            Site::Key | Site::Start | Site::Confirm(_) | Site::Output => return true,
            // An attempt was done: there is its output.
            Site::Round(reader) | Site::Done(reader) if reader == index => return true,
            Site::Whole(reader) | Site::Forward(reader) | Site::Round(reader) | Site::Done(reader) => (reader, false),
            Site::Undo(reader) => (reader, true),
        };
        if self.upstream.has(reader, index) {
            return true;
        }
        let id = |index| self.definition.step(index).map_or("", |step| step.id.as_str()).to_owned();
        let (read, reading) = (id(index), id(reader));
        if reader != index {
            self.fail(match self.definition.kind {
                DefinitionKind::Saga | DefinitionKind::Open => {
                    format!("step `{read}` is not upstream of `{reading}`: put it in an `after`")
                }
                DefinitionKind::Tcc => format!("participant `{read}` is not tried before `{reading}`"),
            });
            return false;
        }
        if !undo {
            self.fail(format!("step `{read}` cannot use its own output"));
            return false;
        }
        let reads_output = access.segments.get(1).is_some_and(|segment| segment.name == "output");
        if reads_output && !self.handles_absence(access) {
            let path = step_path(&read);
            self.fail(format!("the output of `{read}` is absent when its outcome is unknown: write `{path}.?output`"));
        }
        true
    }

    /// Whether an access to a variable stands what happens if it is not set.
    fn handles_unset(&self, access: &Access) -> bool {
        let variable = access.segments.first();
        let name = variable.map(|segment| &segment.name);
        let tested = self.used.program.references().any(|other| {
            let same = other.root == "vars" && other.segments.first().map(|segment| &segment.name) == name;
            same && other.test && other.segments.len() == 1
        });
        tested || variable.is_some_and(|segment| segment.optional)
    }

    /// Whether an access to a step's output stands what happens if there is none.
    fn handles_absence(&self, access: &Access) -> bool {
        let is_optional = |access: &Access| access.segments.iter().take(2).any(|segment| segment.optional);
        // `has(steps.a.output)` itself, or anything beside it in the same expression.
        let step = access.segments.first().map(|segment| &segment.name);
        let tested = self.used.program.references().any(|other| {
            let same = other.root == "steps" && other.segments.first().map(|segment| &segment.name) == step;
            same && other.test && other.segments.len() == 2
        });
        is_optional(access) || tested
    }
}

pub(super) fn step_path(id: &str) -> String {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins_well = id.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if is_plain && begins_well { format!("steps.{id}") } else { format!("steps['{id}']") }
}
