//! Variables: what steps set when they are done, and who sees which.

use super::check::Site;
use super::document::Place;
use super::graph::Upstream;
use super::problem::Problems;
use super::{BadExpression, Definition, Step, StepIndex};
use chancery_base::json;
use chancery_base::limits::VARIABLES_BYTES_MAX;
use chancery_expr::Scope;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Variables, by name.
pub type Variables = BTreeMap<String, Value>;

impl Step {
    /// The variables that it sets when it is done; absent values are left out.
    ///
    /// # Errors
    /// If they can't be computed, or have more than `VARIABLES_BYTES_MAX` bytes.
    pub fn set_variables(&self, scope: &Scope<'_>) -> Result<Variables, BadExpression> {
        let set = super::facts::named(&self.set, "set", scope)?;
        let mut text = String::new();
        set.values().for_each(|value| json::write_canonical(value, &mut text));
        if text.len() > VARIABLES_BYTES_MAX {
            let message = format!("{} bytes, at most {VARIABLES_BYTES_MAX} are allowed", text.len());
            return Err(BadExpression::new("set", message));
        }
        Ok(set.into_iter().collect())
    }
}

impl Definition {
    /// The steps that set variables, each after those that it comes after.
    pub(crate) fn setters(&self) -> impl Iterator<Item = StepIndex> {
        let mut setters: Vec<(u32, StepIndex)> = self
            .indices()
            .zip(&self.steps)
            .filter(|(_, step)| !step.set.is_empty())
            .map(|(index, step)| (step.layer, index))
            .collect();
        setters.sort_unstable();
        setters.into_iter().map(|(_, index)| index)
    }
}

/// Where each step sets each variable: for what is told of it.
pub(super) type SetPlaces = BTreeMap<(StepIndex, String), (Place, String)>;

/// For each variable the steps that set it, the last one first.
pub(super) type Setters = BTreeMap<String, Vec<StepIndex>>;

/// Checks that of any two steps that set a variable one comes after the other, so that its value does not depend on
/// which is done first.
pub(super) fn setters(
    definition: &Definition,
    places: &SetPlaces,
    upstream: &Upstream,
    problems: &mut Problems,
) -> Setters {
    let mut setters = Setters::new();
    for (index, step) in definition.indices().zip(&definition.steps) {
        for (name, _) in &step.set {
            setters.entry(name.clone()).or_default().push(index);
        }
    }
    let layer = |index: &StepIndex| definition.step(*index).map_or(0, |step| step.layer);
    let id = |index: StepIndex| definition.step(index).map_or("", |step| step.id.as_str());
    for (name, steps) in &mut setters {
        steps.sort_by_key(|index| (std::cmp::Reverse(layer(index)), *index));
        for (later, earlier) in steps.iter().zip(steps.iter().skip(1)) {
            if upstream.has(*later, *earlier) {
                continue;
            }
            let (first, second) = (*later.min(earlier), *later.max(earlier));
            let message = format!(
                "`{}` sets `{name}` too, and neither comes after the other: put one in the other's `after`",
                id(first)
            );
            if let Some((place, path)) = places.get(&(second, name.clone())) {
                problems.add(*place, path, message);
            }
        }
    }
    setters
}

/// The steps whose variable an expression may see, the last one first: those surely over where it stands.
pub(super) fn visible<'s>(
    setters: &'s [StepIndex],
    site: Site,
    upstream: &'s Upstream,
) -> impl Iterator<Item = StepIndex> + 's {
    setters.iter().copied().filter(move |setter| match site {
        Site::Key | Site::Start => false,
        Site::Confirm(_) | Site::Output => true,
        Site::Whole(reader) | Site::Forward(reader) | Site::Round(reader) | Site::Done(reader) => {
            upstream.has(reader, *setter)
        }
        Site::Undo(reader) => reader == *setter || upstream.has(reader, *setter),
    })
}

/// What an expression, or all of a step's, read.
#[derive(Debug, Default)]
pub(super) struct Reads {
    pub(super) steps: BTreeSet<StepIndex>,
    pub(super) variables: BTreeMap<String, BTreeSet<StepIndex>>,
}

impl Reads {
    pub(super) fn add(&mut self, other: Self) {
        self.steps.extend(other.steps);
        for (name, setters) in other.variables {
            self.variables.entry(name).or_default().extend(setters);
        }
    }

    /// The steps ascending; of each variable the steps that may have set it, the last one first.
    pub(super) fn in_order(self, all: &Setters) -> (Vec<StepIndex>, Vec<(String, Vec<StepIndex>)>) {
        let variables = self.variables.into_iter().map(|(name, visible)| {
            let setters = all.get(&name).map(Vec::as_slice).unwrap_or_default();
            let setters = setters.iter().copied().filter(|setter| visible.contains(setter)).collect();
            (name, setters)
        });
        let variables = variables.collect();
        (self.steps.into_iter().collect(), variables)
    }
}
