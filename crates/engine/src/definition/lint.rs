//! What is allowed in a definition and probably not meant.

use super::check::Use;
use super::document::Node;
use super::fields::{Cursor, Keys};
use super::graph::Upstream;
use super::problem::{Problem, Problems};
use super::read::{Reader, Reading};
use super::{Definition, Step, StepIndex};
use crate::status::Phase;
use chancery_base::duration;
use chancery_expr::{Access, FUEL_DEFAULT, Program, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// A rule of the linter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A step is neither undone nor a pivot nor irreversible, and another can fail after it.
    NoUndo,
    /// A compensation stands behind a pivot: when its step is done, nothing is undone any more.
    UndoNeverRuns,
    /// What is tried again is tried again at once.
    RetryWithoutBackoff,
    /// An attempt, or the wait for a round, may take longer than the whole transaction.
    TimeoutTooLong,
    /// A condition is the same for every transaction, or in every round.
    ConstantCondition,
    /// An expression needs an output that may be absent.
    AbsentOutput,
    /// Two ids differ by a slip of the pen.
    SimilarIds,
}

/// What a rule found, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Where, and what.
    pub problem: Problem,
    /// Which rule.
    pub rule: Rule,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 7] = [
        Self::NoUndo,
        Self::UndoNeverRuns,
        Self::RetryWithoutBackoff,
        Self::TimeoutTooLong,
        Self::ConstantCondition,
        Self::AbsentOutput,
        Self::SimilarIds,
    ];

    /// Its id, as `lint: {allow: […]}` names it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::NoUndo => "no-undo",
            Self::UndoNeverRuns => "undo-never-runs",
            Self::RetryWithoutBackoff => "retry-without-backoff",
            Self::TimeoutTooLong => "timeout-too-long",
            Self::ConstantCondition => "constant-condition",
            Self::AbsentOutput => "absent-output",
            Self::SimilarIds => "similar-ids",
        }
    }
}

/// The longest id that is compared with others: a slip in a longer one is found by reading it.
const SIMILAR_BYTES_MAX: usize = 64;
/// The shortest: `ship` and `skip` are both words.
const SIMILAR_BYTES_MIN: usize = 5;

/// Reads a definition and what the linter says of it, in the order of the lines.
pub(super) fn lint(root: &Node) -> Result<(Definition, Vec<Warning>), super::DefinitionError> {
    let Reading { definition, upstream, uses } = Reader::read(root)?;
    let cursor = Cursor::root(root);
    let mut problems = Problems::default();
    let list = cursor.field("steps").or_else(|| cursor.field("participants"));
    let items = list.map(|field| field.items(&mut problems)).unwrap_or_default();
    let allowed = allowed(&cursor, &items);
    let mut linter = Linter { definition: &definition, upstream: &upstream, items, allowed, found: BTreeSet::new() };
    for index in definition.indices() {
        linter.step(index);
    }
    linter.outputs(&uses);
    linter.ids();
    let found = linter.found.into_iter().collect();
    Ok((definition, found))
}

/// The rules that the document allows: for the whole, and for each step.
fn allowed(root: &Cursor<'_>, items: &[Cursor<'_>]) -> BTreeMap<Option<StepIndex>, BTreeSet<Rule>> {
    let of = |cursor: &Cursor<'_>| {
        let list = cursor.field("lint").and_then(|field| field.field("allow"));
        // What is wrong with it was told when it was read.
        let items = list.map(|list| list.items(&mut Problems::default())).unwrap_or_default();
        items.iter().filter_map(|item| rule(item, &mut Problems::default())).collect::<BTreeSet<_>>()
    };
    let steps = items.iter().enumerate().map(|(position, item)| (Some(StepIndex::at(position)), of(item)));
    steps.chain([(None, of(root))]).filter(|(_, rules)| !rules.is_empty()).collect()
}

/// What `lint` of the definition or of a step may say.
pub(super) const LINT: Keys = Keys { known: &["allow"], later: &[], elsewhere: &[] };

/// Checks a `lint`.
pub(super) fn check(cursor: &Cursor<'_>, problems: &mut Problems) {
    let Some(field) = cursor.field("lint") else { return };
    if !field.check_keys(&LINT, problems) {
        return;
    }
    let Some(list) = field.field("allow") else { return };
    for item in list.items(problems) {
        rule(&item, problems);
    }
}

fn rule(item: &Cursor<'_>, problems: &mut Problems) -> Option<Rule> {
    item.word("rule", &Rule::ALL.map(|rule| (rule.id(), rule)), problems)
}

struct Linter<'l> {
    definition: &'l Definition,
    upstream: &'l Upstream,
    items: Vec<Cursor<'l>>,
    allowed: BTreeMap<Option<StepIndex>, BTreeSet<Rule>>,
    found: BTreeSet<Warning>,
}

impl Linter<'_> {
    fn warn(&mut self, rule: Rule, step: Option<StepIndex>, at: &Cursor<'_>, message: String) {
        self.warn_at(rule, step, (at.place(), &at.path), message);
    }

    fn warn_at(
        &mut self,
        rule: Rule,
        step: Option<StepIndex>,
        (place, path): (super::document::Place, &str),
        message: String,
    ) {
        // Of the whole, and of the step if there is one.
        let allows = |part| self.allowed.get(&part).is_some_and(|rules: &BTreeSet<Rule>| rules.contains(&rule));
        if !allows(None) && !allows(step) {
            let problem = Problem { line: place.line, column: place.column, path: path.to_owned(), message };
            self.found.insert(Warning { problem, rule });
        }
    }

    fn step(&mut self, index: StepIndex) {
        let definition = self.definition;
        let Some(item) = self.items.get(index.position()).cloned() else { return };
        let Some(step) = definition.step(index) else { return };
        self.undo(index, step, &item);
        self.backoff(index, step, &item);
        self.timeout(index, step, &item);
        self.condition(index, step, &item);
        self.rounds(index, step, &item);
    }

    fn undo(&mut self, index: StepIndex, step: &Step, item: &Cursor<'_>) {
        let id = &step.id;
        if let Some(field) = item.field("compensate")
            && let Some(pivot) = self.pivot_before(index)
        {
            let message = format!("the undo of `{id}` never runs: past the pivot `{pivot}` nothing is undone");
            return self.warn(Rule::UndoNeverRuns, Some(index), &field, message);
        }
        let says = step.compensate.is_some() || step.pivot || step.irreversible || step.run.leaves_nothing();
        if says || self.is_last(index) || self.pivot_before(index).is_some() {
            return;
        }
        let message = format!(
            "`{id}` stays done if another step fails after it: give it a `compensate`, or say `irreversible: true` or `pivot: true`"
        );
        self.warn(Rule::NoUndo, Some(index), item, message);
    }

    /// A pivot that was surely done when the step begins: one that fans out may do so over nothing.
    fn pivot_before(&self, index: StepIndex) -> Option<&str> {
        let definition = self.definition;
        let mut steps = definition.indices().zip(&definition.steps);
        let found = steps.find(|(other, step)| step.is_sure_pivot() && self.upstream.has(index, *other));
        found.map(|(_, step)| step.id.as_str())
    }

    /// Whether every other step is over before this one begins.
    fn is_last(&self, index: StepIndex) -> bool {
        self.definition.indices().all(|other| other == index || self.upstream.has(index, other))
    }

    fn backoff(&mut self, index: StepIndex, step: &Step, item: &Cursor<'_>) {
        // A step says it of itself, a participant of its try.
        let forward = item.field("try").unwrap_or_else(|| item.clone());
        let retries = [
            (step.retry_of(Phase::Do), Some(forward)),
            (step.retry_of(Phase::Confirm), item.field("confirm")),
            (step.retry_of(Phase::Undo), item.field("compensate").or_else(|| item.field("cancel"))),
        ];
        for (retry, part) in retries {
            let field = part.and_then(|part| part.field("retry")).and_then(|retry| retry.field("backoff"));
            if let (Some(retry), Some(field)) = (retry, field)
                && retry.attempts > 1
                && retry.backoff.is_zero()
            {
                let message =
                    format!("{} attempts follow one another at once: a target in trouble stays so", retry.attempts);
                self.warn(Rule::RetryWithoutBackoff, Some(index), &field, message);
            }
        }
    }

    fn timeout(&mut self, index: StepIndex, step: &Step, item: &Cursor<'_>) {
        let Some(whole) = self.definition.timeout.filter(|whole| step.timeout > *whole) else { return };
        if !step.run.is_call() {
            return;
        }
        let (own, whole) = (duration::format(step.timeout), duration::format(whole));
        let message = format!(
            "an attempt of `{}` may take {own}, and the transaction has {whole}: what is out is waited for",
            step.id
        );
        let said = item.field("try").unwrap_or_else(|| item.clone());
        let at = said.field("timeout").unwrap_or_else(|| item.clone());
        self.warn(Rule::TimeoutTooLong, Some(index), &at, message);
    }

    fn condition(&mut self, index: StepIndex, step: &Step, item: &Cursor<'_>) {
        let (Some(when), Some(field)) = (&step.when, item.field("when")) else { return };
        if when.references().next().is_some() {
            return;
        }
        let message = match when.evaluate_bool(&Scope::new(), FUEL_DEFAULT) {
            Ok(true) => format!("`{}` always runs: its condition is true for every transaction", step.id),
            Ok(false) => format!("`{}` never runs: its condition is false for every transaction", step.id),
            Err(error) => format!("`{}` always fails: {error}", step.id),
        };
        self.warn(Rule::ConstantCondition, Some(index), &field, message);
    }

    /// An `until` that no round changes, and rounds for which there is no time.
    fn rounds(&mut self, index: StepIndex, step: &Step, item: &Cursor<'_>) {
        let Some(poll) = &step.poll else { return };
        let id = step.id.as_str();
        let is_own =
            |access: &Access| access.root == "steps" && access.segments.first().is_some_and(|first| first.name == id);
        let changes = poll.until.references().any(|access| access.root == "now" || is_own(access));
        if let Some(field) = item.field("until").filter(|_| !changes) {
            let output = format!("{}.output", super::check::step_path(id));
            let message = format!("`until` of `{id}` is the same in every round: it does not read `{output}`");
            self.warn(Rule::ConstantCondition, Some(index), &field, message);
        }
        let Some(whole) = self.definition.timeout.filter(|whole| poll.every >= *whole) else { return };
        let (every, whole) = (duration::format(poll.every), duration::format(whole));
        let message = format!("`{id}` has its second round after {every}, and the transaction has {whole}");
        let at = item.field("every").or_else(|| item.field("until")).unwrap_or_else(|| item.clone());
        self.warn(Rule::TimeoutTooLong, Some(index), &at, message);
    }

    /// Outputs that are read as if they were always there.
    fn outputs(&mut self, uses: &[Use]) {
        for used in uses {
            let reader = used.site.step();
            for access in used.program.references() {
                let Some(read) = self.needs_output(&used.program, access) else { continue };
                let Some(step) = self.definition.step(read).filter(|_| reader != Some(read)) else { continue };
                if self.is_guarded(reader, step) {
                    continue;
                }
                let why = match (step.optional, &step.each) {
                    (false, _) => "may be skipped",
                    (true, None) => "may fail",
                    // Of a clone that fails there is null.
                    (true, Some(_)) => "may fail before it fans out",
                };
                let id = step.id.as_str();
                let message = format!(
                    "`{id}` {why}, and then its output is absent: write `{}.?output`",
                    super::check::step_path(id)
                );
                self.warn_at(Rule::AbsentOutput, reader, (used.place, &used.path), message);
            }
        }
    }

    /// The step whose output an access needs, if that may be absent.
    fn needs_output(&self, program: &Program, access: &Access) -> Option<StepIndex> {
        let [first, second, ..] = access.segments.as_slice() else { return None };
        let is_bare = access.root == "steps" && second.name == "output" && !first.optional && !second.optional;
        let asks = |other: &Access| {
            let same =
                other.root == "steps" && other.segments.first().map(|segment| &segment.name) == Some(&first.name);
            let of_output = other.segments.get(1).is_some_and(|segment| segment.name == "output");
            same && (!of_output || other.test)
        };
        if !is_bare || access.test || program.references().any(asks) {
            return None;
        }
        let index = self.definition.find(&first.name)?;
        self.definition.step(index).filter(|step| step.when.is_some() || step.optional).map(|_| index)
    }

    /// Whether the step that reads runs only where the other was done, as far as its condition tells.
    fn is_guarded(&self, reader: Option<StepIndex>, read: &Step) -> bool {
        let Some(when) = reader.and_then(|reader| self.definition.step(reader)?.when.as_ref()) else { return false };
        let same = read.when.as_ref().is_some_and(|other| other.text() == when.text());
        let names = |access: &Access| {
            access.root == "steps" && access.segments.first().is_some_and(|first| first.name == read.id.as_str())
        };
        same && !read.optional || when.references().any(names)
    }

    fn ids(&mut self) {
        let definition = self.definition;
        let is_compared = |id: &str| (SIMILAR_BYTES_MIN..=SIMILAR_BYTES_MAX).contains(&id.len());
        let ids: Vec<_> = definition.indices().zip(definition.steps.iter().map(|step| step.id.as_str())).collect();
        let ids: Vec<_> = ids.into_iter().filter(|(_, id)| is_compared(id)).collect();
        for (at, (second, id)) in ids.iter().enumerate() {
            let Some((first, other)) = ids.iter().take(at).find(|(_, other)| differs_by_a_slip(other, id)) else {
                continue;
            };
            let allows = |step: &StepIndex| {
                self.allowed.get(&Some(*step)).is_some_and(|rules| rules.contains(&Rule::SimilarIds))
            };
            if allows(first) {
                continue;
            }
            let Some(field) = self.items.get(second.position()).and_then(|item| item.field("id")) else { continue };
            let message = format!("`{id}` and `{other}` differ by one letter: is one of them a typing error?");
            self.warn(Rule::SimilarIds, Some(*second), &field, message);
        }
    }
}

/// Whether one text becomes the other when a letter is put in, left out or changed, or two neighbours change places.
/// Digits are meant as they are: `step-1` and `step-2` are two steps.
fn differs_by_a_slip(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len().abs_diff(other.len()) > 1 || one == other {
        return false;
    }
    let before = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (one.get(before..).unwrap_or_default(), other.get(before..).unwrap_or_default());
    let after = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let (one, other) = (cut(one, after), cut(other, after));
    let has_digit = |text: &[u8]| text.iter().any(u8::is_ascii_digit);
    let are_swapped = matches!((one, other), ([a, b], [c, d]) if a == d && b == c);
    (one.len() <= 1 && other.len() <= 1 || are_swapped) && !has_digit(one) && !has_digit(other)
}

fn cut(text: &[u8], after: usize) -> &[u8] {
    text.get(..text.len().saturating_sub(after)).unwrap_or_default()
}
