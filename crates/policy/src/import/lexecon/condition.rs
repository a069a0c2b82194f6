//! Lexecon's conditions: texts, of which some are comparisons and the others names of what somebody has to know.

use std::collections::BTreeMap;

/// What a condition compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// An attribute of the context.
    pub(super) attribute: String,
    op: Op,
    value: Literal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Longer signs first, so that `<=` is not read as `<`.
const OPS: [(&str, Op); 6] =
    [("==", Op::Equal), ("!=", Op::Unequal), ("<=", Op::AtMost), (">=", Op::AtLeast), ("<", Op::Less), (">", Op::More)];

/// A value of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Bool(bool),
    Long(i64),
    Text(String),
    /// As Cedar writes it, in UTC, so that the order of texts is that of times.
    Date(String),
}

/// What Cedar keeps for itself.
const RESERVED: [&str; 9] = ["true", "false", "if", "then", "else", "in", "is", "like", "has"];
/// The attributes that every action's context has.
pub(super) const CLASSES: &str = "data_classes";
/// The time, as the request gives it.
pub(super) const NOW: &str = "now";
/// Characters of an attribute's name that is made of a text.
const NAME_LEN_MAX: usize = 48;

/// The attributes of the context that conditions ask for, with their types.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    kinds: BTreeMap<String, &'static str>,
    /// What stands for a text that is no comparison.
    opaque: BTreeMap<String, String>,
}

impl Attributes {
    /// Every attribute and its Cedar type.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.kinds.iter().map(|(name, kind)| (name.as_str(), *kind))
    }

    /// The comparisons that a text is made of; or one attribute that says whether it holds, and that it is so.
    pub(super) fn read(&mut self, text: &str) -> (Vec<Condition>, bool) {
        let parts: Vec<&str> = text.split("&&").flat_map(|part| part.split(" and ")).map(str::trim).collect();
        let read: Option<Vec<Condition>> = parts.iter().map(|part| Condition::read(part)).collect();
        let fits = |condition: &Condition| {
            self.kinds.get(&condition.attribute).is_none_or(|kind| *kind == condition.value.kind())
        };
        match read.filter(|conditions| conditions.iter().all(fits)) {
            Some(conditions) if consistent(&conditions) => {
                for condition in &conditions {
                    self.kinds.insert(condition.attribute.clone(), condition.value.kind());
                }
                (conditions, false)
            }
            Some(_) | None => (vec![Condition::is(self.opaque(text))], true),
        }
    }

    /// That the time is at least, or less than, a date.
    pub(super) fn date(&mut self, date: &str, is_begin: bool) -> Condition {
        let value = Literal::Date(date.to_owned());
        self.kinds.insert(NOW.to_owned(), value.kind());
        Condition { attribute: NOW.to_owned(), op: if is_begin { Op::AtLeast } else { Op::Less }, value }
    }

    fn opaque(&mut self, text: &str) -> String {
        if let Some(known) = self.opaque.get(text) {
            return known.clone();
        }
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let joined: String = words.collect::<Vec<_>>().join("_").to_lowercase().chars().take(NAME_LEN_MAX).collect();
        let base = if is_name(&joined) { joined } else { format!("condition_{joined}") };
        let numbered = (2_u32..).map(|n| format!("{base}_{n}"));
        let free = [base.clone()].into_iter().chain(numbered).find(|name| !self.kinds.contains_key(name));
        let name = free.unwrap_or(base);
        self.kinds.insert(name.clone(), "Bool");
        self.opaque.insert(text.to_owned(), name.clone());
        name
    }
}

/// Whether no attribute is compared with values of two types.
fn consistent(conditions: &[Condition]) -> bool {
    let mut kinds = BTreeMap::new();
    conditions.iter().all(|condition| {
        let kind = condition.value.kind();
        *kinds.entry(&condition.attribute).or_insert(kind) == kind
    })
}

fn is_name(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|first| first == '_' || first.is_ascii_alphabetic());
    first
        && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        && !RESERVED.contains(&text)
        && text != CLASSES
        && text != NOW
}

impl Condition {
    const fn is(attribute: String) -> Self {
        Self { attribute, op: Op::Equal, value: Literal::Bool(true) }
    }

    /// `name`, `!name`, `not name`, `name == 3`, `name >= 4`, `name != "text"`.
    fn read(text: &str) -> Option<Self> {
        let Some((at, sign, op)) = OPS
            .iter()
            .filter_map(|(sign, op)| Some((text.find(sign)?, sign, *op)))
            .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())))
        else {
            let name = text.strip_prefix('!').or_else(|| text.strip_prefix("not "));
            let attribute = name.unwrap_or(text).trim();
            let value = Literal::Bool(name.is_none());
            return is_name(attribute).then(|| Self { attribute: attribute.to_owned(), op: Op::Equal, value });
        };
        let (left, right) = (text.get(..at)?.trim(), text.get(at + sign.len()..)?.trim());
        let value = Literal::read(right)?;
        let is_ordered = matches!(value, Literal::Long(_)) || matches!(op, Op::Equal | Op::Unequal);
        (is_name(left) && is_ordered).then(|| Self { attribute: left.to_owned(), op, value })
    }

    /// Whether it holds; none where nothing is known of it.
    pub(super) fn truth(&self, context: &BTreeMap<String, Literal>) -> Option<bool> {
        let value = context.get(&self.attribute)?;
        let order = match (value, &self.value) {
            (Literal::Bool(a), Literal::Bool(b)) => a.cmp(b),
            (Literal::Long(a), Literal::Long(b)) => a.cmp(b),
            (Literal::Text(a), Literal::Text(b)) | (Literal::Date(a), Literal::Date(b)) => a.cmp(b),
            (Literal::Bool(_) | Literal::Long(_) | Literal::Text(_) | Literal::Date(_), _) => return None,
        };
        Some(match self.op {
            Op::Equal => order.is_eq(),
            Op::Unequal => order.is_ne(),
            Op::Less => order.is_lt(),
            Op::AtMost => order.is_le(),
            Op::More => order.is_gt(),
            Op::AtLeast => order.is_ge(),
        })
    }

    /// A value with which it holds.
    pub(super) fn witness(&self) -> Literal {
        match (&self.value, self.op) {
            (Literal::Bool(value), Op::Unequal) => Literal::Bool(!value),
            (Literal::Long(value), Op::Unequal | Op::More) => Literal::Long(value + 1),
            (Literal::Long(value), Op::Less) => Literal::Long(value - 1),
            (Literal::Text(value), Op::Unequal) => Literal::Text(format!("not {value}")),
            (Literal::Date(_), Op::Less) => Literal::Date("1970-01-01T00:00:00.000Z".to_owned()),
            (value, Op::Equal | Op::Unequal | Op::Less | Op::AtMost | Op::More | Op::AtLeast) => value.clone(),
        }
    }

    /// In Cedar, where the attribute is there.
    fn comparison(&self) -> String {
        let at = format!("context.{}", self.attribute);
        match (&self.value, self.op) {
            (Literal::Bool(value), op) => {
                if *value == (op == Op::Equal) {
                    at
                } else {
                    format!("!{at}")
                }
            }
            (value, op) => {
                let sign = OPS.iter().find(|(_, other)| *other == op).map_or("==", |(sign, _)| *sign);
                format!("{at} {sign} {}", value.cedar())
            }
        }
    }

    /// In Cedar: it is known, and holds.
    pub(super) fn known(&self) -> String {
        format!("context has {} && {}", self.attribute, self.comparison())
    }

    /// In Cedar: it is not known not to hold.
    pub(super) fn not_refuted(&self) -> String {
        format!("!(context has {} && !({}))", self.attribute, self.comparison())
    }
}

impl Literal {
    fn read(text: &str) -> Option<Self> {
        match text {
            "true" => return Some(Self::Bool(true)),
            "false" => return Some(Self::Bool(false)),
            _ => {}
        }
        let quoted = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
        if let Some(inner) = quoted {
            return (!inner.contains(['"', '\'', '\\'])).then(|| Self::Text(inner.to_owned()));
        }
        // Beyond it a payload does not keep a number, and one more or less is asked for below.
        text.parse::<i64>().ok().filter(|value| value.unsigned_abs() < 1 << 53).map(Self::Long)
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "Bool",
            Self::Long(_) => "Long",
            Self::Text(_) => "String",
            Self::Date(_) => "datetime",
        }
    }

    fn cedar(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Long(value) => value.to_string(),
            Self::Text(value) => format!("{value:?}"),
            Self::Date(value) => format!("datetime({value:?})"),
        }
    }

    pub(super) fn json(&self) -> serde_json::Value {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Long(value) => (*value).into(),
            Self::Text(value) | Self::Date(value) => value.as_str().into(),
        }
    }
}
