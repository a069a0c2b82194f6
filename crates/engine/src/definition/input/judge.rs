//! Holding a schema against an input.

use super::{Id, InputFault, InputSchema, Rule, Type, escaped};
use chancery_base::json;
use chancery_base::limits::{INPUT_FAULTS_MAX, INPUT_LOOKS_MAX, INPUT_PATTERN_TEXT_MAX};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How deep schemas may lie in one another while they are held against an input: as deep as an input nests, some times.
const DEPTH_MAX: usize = 256;

impl InputSchema {
    /// What is wrong with an input; nothing if it is as the schema says.
    #[must_use]
    pub fn faults(&self, input: &Value) -> Vec<InputFault> {
        let mut judge = Judge {
            schema: self,
            at: Vec::new(),
            faults: Vec::new(),
            is_silent: false,
            looks: INPUT_LOOKS_MAX,
            depth: 0,
            given_up: None,
        };
        judge.apply(0, input, &mut Seen::default());
        match judge.given_up {
            // What was found until then may be right or not.
            Some(fault) => vec![fault],
            None => judge.faults,
        }
    }
}

/// Where in the input.
enum Part<'v> {
    Key(&'v str),
    Index(usize),
}

/// What schemas have looked at of a list or a map.
#[derive(Default)]
struct Seen<'v> {
    keys: BTreeSet<&'v str>,
    /// So many of the first items.
    items: usize,
    /// Others that were found among them.
    found: BTreeSet<usize>,
}

impl Seen<'_> {
    fn add(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.items = self.items.max(other.items);
        self.found.extend(other.found);
    }
}

struct Judge<'s, 'v> {
    schema: &'s InputSchema,
    at: Vec<Part<'v>>,
    faults: Vec<InputFault>,
    /// What is found is not told: another schema may do.
    is_silent: bool,
    looks: usize,
    depth: usize,
    given_up: Option<InputFault>,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a rule about another kind of value holds")]
impl<'s, 'v> Judge<'s, 'v> {
    fn pointer(&self) -> String {
        let part = |part: &Part<'_>| match part {
            Part::Key(key) => format!("/{}", escaped(key)),
            Part::Index(index) => format!("/{index}"),
        };
        self.at.iter().map(part).collect()
    }

    fn fail(&mut self, id: Id, keyword: &str, message: impl FnOnce() -> String) -> bool {
        if self.is_silent || self.faults.len() >= INPUT_FAULTS_MAX {
            return false;
        }
        let at = self.schema.schemas.get(id).map_or("", |schema| &schema.at);
        let rule = if keyword == "false" { at.to_owned() } else { format!("{at}/{keyword}") };
        self.faults.push(InputFault { pointer: self.pointer(), rule, message: message() });
        false
    }

    /// Counts looks; whether there are any left.
    fn looks(&mut self, id: Id, looks: usize) -> bool {
        if self.given_up.is_some() {
            return false;
        }
        let left = self.looks.checked_sub(looks).filter(|_| self.depth < DEPTH_MAX);
        if let Some(left) = left {
            self.looks = left;
            return true;
        }
        let message = if self.depth < DEPTH_MAX {
            format!("it takes more than {INPUT_LOOKS_MAX} looks to hold the schema against it")
        } else {
            format!("the schemas that are held against it lie more than {DEPTH_MAX} deep in one another")
        };
        let rule = self.schema.schemas.get(id).map(|schema| schema.at.clone()).unwrap_or_default();
        self.given_up = Some(InputFault { pointer: self.pointer(), rule, message });
        false
    }

    /// Whether a value is as a schema says. Notes what it looked at.
    fn apply(&mut self, id: Id, value: &'v Value, seen: &mut Seen<'v>) -> bool {
        if !self.looks(id, 1) {
            return false;
        }
        self.depth += 1;
        let rules = self.schema.schemas.get(id).map(|schema| schema.rules.as_slice()).unwrap_or_default();
        // A schema does not know what others that are held against the same value have looked at (its cousins), only
        // what those within it have.
        let mut own = Seen::default();
        let mut holds = true;
        for (keyword, rule) in rules {
            holds &= self.hold(id, (keyword, rule), value, &mut own);
        }
        self.depth -= 1;
        holds &= self.looks(id, own.keys.len() + own.found.len());
        seen.add(own);
        holds && self.given_up.is_none()
    }

    fn hold(&mut self, id: Id, (keyword, rule): (&str, &'s Rule), value: &'v Value, seen: &mut Seen<'v>) -> bool {
        match (rule, value) {
            (Rule::Nothing, _) => self.fail(id, keyword, || "it is not allowed here".to_owned()),
            (Rule::Type(types), _) => {
                types.iter().any(|kind| kind.has(value))
                    || self.fail(id, keyword, || {
                        let words: Vec<&str> = types.iter().map(|kind| kind.word()).collect();
                        format!("{} is needed here, not {}", words.join(" or "), word_of(value))
                    })
            }
            (Rule::Enum(values), _) => {
                let is_one = self.looks(id, values.len()) && values.contains(value);
                is_one || self.fail(id, keyword, || format!("it is none of {}", shown(&Value::Array(values.clone()))))
            }
            (Rule::Const(expected), _) => {
                expected == value || self.fail(id, keyword, || format!("it is not {}", shown(expected)))
            }
            (Rule::Ref(_) | Rule::AllOf(_) | Rule::AnyOf(_) | Rule::OneOf(_) | Rule::Not(_) | Rule::If { .. }, _) => {
                self.hold_in_place(id, (keyword, rule), value, seen)
            }
            (_, Value::Number(number)) => {
                self.hold_number(id, (keyword, rule), number.as_f64().unwrap_or(f64::NAN), value)
            }
            (_, Value::String(text)) => self.hold_text(id, (keyword, rule), text),
            (_, Value::Array(items)) => self.hold_list(id, (keyword, rule), items, seen),
            (_, Value::Object(map)) => self.hold_map(id, (keyword, rule), (map, value), seen),
            (_, Value::Null | Value::Bool(_)) => true,
        }
    }

    /// Asks without telling what is found.
    fn asks(&mut self, id: Id, value: &'v Value, seen: &mut Seen<'v>) -> bool {
        let before = std::mem::replace(&mut self.is_silent, true);
        let mut own = Seen::default();
        let holds = self.apply(id, value, &mut own);
        self.is_silent = before;
        // What does not hold has looked at nothing.
        if holds {
            seen.add(own);
        }
        holds
    }

    /// What is held against the same value.
    fn hold_in_place(
        &mut self,
        id: Id,
        (keyword, rule): (&str, &'s Rule),
        value: &'v Value,
        seen: &mut Seen<'v>,
    ) -> bool {
        match rule {
            Rule::Ref(target) => self.apply(*target, value, seen),
            // All are held, so that what is wrong by any of them is told.
            Rule::AllOf(all) => all.iter().filter(|one| !self.apply(**one, value, seen)).count() == 0,
            Rule::AnyOf(any) => {
                let mut held = 0;
                for one in any {
                    held += usize::from(self.asks(*one, value, seen));
                    // Whether another one holds matters only for what it looks at.
                    if held > 0 && !self.schema.tracks {
                        return true;
                    }
                }
                held > 0 || self.fail(id, keyword, || format!("it is as none of the {} schemas says", any.len()))
            }
            Rule::OneOf(ones) => {
                let held = ones.iter().filter(|one| self.asks(**one, value, seen)).count();
                held == 1
                    || self.fail(id, keyword, || {
                        format!("it is as {held} of the {} schemas say, and must be as one of them says", ones.len())
                    })
            }
            Rule::Not(not) => {
                let holds = self.asks(*not, value, &mut Seen::default());
                !holds || self.fail(id, keyword, || "it is as it must not be".to_owned())
            }
            Rule::If { condition, then, otherwise } => {
                let branch = if self.asks(*condition, value, seen) { then } else { otherwise };
                branch.is_none_or(|branch| self.apply(branch, value, seen))
            }
            _ => true,
        }
    }

    fn hold_number(&mut self, id: Id, (keyword, rule): (&str, &Rule), number: f64, value: &Value) -> bool {
        let (holds, says) = match rule {
            Rule::MultipleOf(step) => (is_multiple(number, *step), ("a multiple of", step)),
            Rule::Maximum(most) => (number <= *most, ("at most", most)),
            Rule::ExclusiveMaximum(most) => (number < *most, ("below", most)),
            Rule::Minimum(least) => (number >= *least, ("at least", least)),
            Rule::ExclusiveMinimum(least) => (number > *least, ("above", least)),
            _ => return true,
        };
        holds || self.fail(id, keyword, || format!("{} is not {} {}", shown(value), says.0, says.1))
    }

    fn hold_text(&mut self, id: Id, (keyword, rule): (&str, &Rule), text: &str) -> bool {
        let length = || text.chars().count();
        match rule {
            Rule::MaxLength(most) => {
                length() <= *most
                    || self.fail(id, keyword, || format!("{} characters, at most {most} are allowed", length()))
            }
            Rule::MinLength(least) => {
                length() >= *least
                    || self.fail(id, keyword, || format!("{} characters, at least {least} are needed", length()))
            }
            Rule::Pattern(pattern) => {
                if text.len() > INPUT_PATTERN_TEXT_MAX {
                    return self.fail(id, keyword, || {
                        format!("{} bytes, at most {INPUT_PATTERN_TEXT_MAX} are matched with a pattern", text.len())
                    });
                }
                let matches = self.looks(id, text.len()) && pattern.is_match(text);
                matches || self.fail(id, keyword, || format!("it does not match `{pattern}`"))
            }
            _ => true,
        }
    }

    fn hold_list(
        &mut self,
        id: Id,
        (keyword, rule): (&str, &'s Rule),
        items: &'v [Value],
        seen: &mut Seen<'v>,
    ) -> bool {
        let count = items.len();
        match rule {
            Rule::MaxItems(most) => {
                count <= *most || self.fail(id, keyword, || format!("{count} items, at most {most} are allowed"))
            }
            Rule::MinItems(least) => {
                count >= *least || self.fail(id, keyword, || format!("{count} items, at least {least} are needed"))
            }
            Rule::UniqueItems => {
                self.are_unique(id, items) || self.fail(id, keyword, || "two items are the same".to_owned())
            }
            Rule::Contains { schema, min, max } => {
                let is_it = |judge: &mut Self, (index, item): (usize, &'v Value)| {
                    judge.asks(*schema, item, &mut Seen::default()).then_some(index)
                };
                let found: Vec<usize> = items.iter().enumerate().filter_map(|item| is_it(self, item)).collect();
                let held = found.len();
                seen.found.extend(found);
                let fits = held >= *min && max.is_none_or(|max| held <= max);
                fits || self.fail(id, keyword, || {
                    let most = max.map_or_else(String::new, |max| format!(" and at most {max}"));
                    format!("{held} items are as `contains` says, at least {min}{most} must be")
                })
            }
            Rule::Items { first, rest } => {
                let mut holds = true;
                for (index, item) in items.iter().enumerate() {
                    let Some(schema) = first.get(index).or(rest.as_ref()) else { break };
                    seen.items = seen.items.max(index + 1);
                    holds &= self.below(Part::Index(index), *schema, item);
                }
                holds
            }
            Rule::UnevaluatedItems(schema) => {
                let mut holds = true;
                for (index, item) in items.iter().enumerate() {
                    if index >= seen.items && !seen.found.contains(&index) {
                        holds &= self.below(Part::Index(index), *schema, item);
                    }
                }
                seen.items = count;
                holds
            }
            _ => true,
        }
    }

    fn hold_map(
        &mut self,
        id: Id,
        (keyword, rule): (&str, &'s Rule),
        (map, value): (&'v Map<String, Value>, &'v Value),
        seen: &mut Seen<'v>,
    ) -> bool {
        let count = map.len();
        match rule {
            Rule::MaxProperties(most) => {
                count <= *most || self.fail(id, keyword, || format!("{count} properties, at most {most} are allowed"))
            }
            Rule::MinProperties(least) => {
                count >= *least || self.fail(id, keyword, || format!("{count} properties, at least {least} are needed"))
            }
            Rule::Required(names) => self.has_all(id, keyword, names, map),
            Rule::DependentRequired(named) => {
                let present = named.iter().filter(|(name, _)| map.contains_key(name));
                present.fold(true, |holds, (_, names)| self.has_all(id, keyword, names, map) && holds)
            }
            Rule::DependentSchemas(named) => {
                let present = named.iter().filter(|(name, _)| map.contains_key(name));
                present.fold(true, |holds, (_, schema)| self.apply(*schema, value, seen) && holds)
            }
            Rule::Properties { named, patterns, rest } => {
                let mut holds = true;
                for (name, value) in map {
                    holds &= self.property(id, (named.get(name).copied(), patterns, *rest), (name, value), seen);
                }
                holds
            }
            Rule::PropertyNames(schema) => map.keys().filter(|name| !self.is_named(id, *schema, name)).count() == 0,
            Rule::UnevaluatedProperties(schema) => {
                let mut holds = true;
                for (name, value) in map.iter().filter(|(name, _)| !seen.keys.contains(name.as_str())) {
                    holds &= self.below(Part::Key(name), *schema, value);
                }
                seen.keys.extend(map.keys().map(String::as_str));
                holds
            }
            _ => true,
        }
    }

    fn property(
        &mut self,
        id: Id,
        (named, patterns, rest): (Option<Id>, &[(regex::Regex, Id)], Option<Id>),
        (name, value): (&'v str, &'v Value),
        seen: &mut Seen<'v>,
    ) -> bool {
        let (mut holds, mut is_known) = (true, named.is_some());
        if let Some(schema) = named {
            holds &= self.below(Part::Key(name), schema, value);
        }
        for (pattern, schema) in patterns {
            if self.looks(id, 1 + name.len()) && pattern.is_match(name) {
                is_known = true;
                holds &= self.below(Part::Key(name), *schema, value);
            }
        }
        if let Some(schema) = rest.filter(|_| !is_known) {
            is_known = true;
            holds &= self.below(Part::Key(name), schema, value);
        }
        if is_known {
            seen.keys.insert(name);
        }
        holds
    }

    /// Whether a part of the value is as a schema says.
    fn below(&mut self, part: Part<'v>, id: Id, value: &'v Value) -> bool {
        self.at.push(part);
        let holds = self.apply(id, value, &mut Seen::default());
        self.at.pop();
        holds
    }

    fn has_all(&mut self, id: Id, keyword: &str, names: &[String], map: &Map<String, Value>) -> bool {
        let mut holds = self.looks(id, names.len());
        for name in names.iter().filter(|name| !map.contains_key(*name)) {
            holds = self.fail(id, keyword, || format!("`{name}` is needed"));
        }
        holds
    }

    /// Whether a property may be called so. The name is a value of its own, of which nothing else is known.
    fn is_named(&mut self, id: Id, schema: Id, name: &'v str) -> bool {
        let text = Value::from(name);
        let mut judge = Judge {
            schema: self.schema,
            at: Vec::new(),
            faults: Vec::new(),
            is_silent: true,
            looks: self.looks,
            depth: self.depth,
            given_up: None,
        };
        let holds = judge.apply(schema, &text, &mut Seen::default());
        let (looks, is_over) = (judge.looks, judge.given_up.is_some());
        self.looks = if is_over { 0 } else { looks };
        let is_over = is_over && !self.looks(id, 1);
        holds && !is_over || self.fail(id, "propertyNames", || format!("no property may be called `{}`", shown(&text)))
    }

    fn are_unique(&mut self, id: Id, items: &[Value]) -> bool {
        let mut known = BTreeSet::new();
        for item in items {
            let text = json::canonical_text(item);
            if !self.looks(id, 1 + text.len() / 16) || !known.insert(text) {
                return false;
            }
        }
        true
    }
}

fn is_multiple(number: f64, step: f64) -> bool {
    let times = number / step;
    // As near as numbers of 64 bits come to being one: 0.0075 is a multiple of 0.0001.
    times.is_finite() && (times - times.round()).abs() <= f64::EPSILON * times.abs().max(1.0) * 4.0
}

fn word_of(value: &Value) -> &'static str {
    let kind = [Type::Integer, Type::Number, Type::Null, Type::Boolean, Type::String, Type::Array, Type::Object];
    kind.into_iter().find(|kind| kind.has(value)).map_or("", Type::word)
}

/// A value as a message has it: no more of it than helps.
fn shown(value: &Value) -> String {
    const CHARS_MAX: usize = 80;
    let text = json::canonical_text(value);
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
