//! From a document to a schema: every keyword checked, every reference resolved.

use super::{Id, InputSchema, Rule, Schema, Type, escaped, pattern};
use crate::definition::document::{Data, Node, Place};
use crate::definition::fields::{Cursor, did_you_mean, join};
use crate::definition::problem::Problems;
use chancery_base::limits::INPUT_SCHEMAS_MAX;
use serde_json::Value;
use std::collections::BTreeMap;

/// What says something of a schema and nothing of an input.
const REMARKS: [&str; 13] = [
    "$comment",
    "title",
    "description",
    "default",
    "deprecated",
    "examples",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "$defs",
];
/// What belongs to another keyword, which reads it.
const PARTS: [&str; 8] =
    ["minContains", "maxContains", "then", "else", "prefixItems", "patternProperties", "additionalProperties", "items"];
const RULES: [&str; 26] = [
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "contains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "dependentSchemas",
    "properties",
    "propertyNames",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
];
/// What is looked at when all else is.
const LAST: [&str; 2] = ["unevaluatedItems", "unevaluatedProperties"];
/// The one dialect that is read.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Reads the schema that stands at a cursor. None where something is wrong with it, which is noted.
pub(in crate::definition) fn compile(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<InputSchema> {
    let mut compiler =
        Compiler { problems, schemas: Vec::new(), places: BTreeMap::new(), refs: Vec::new(), failed: false };
    compiler.schema(cursor, "");
    compiler.resolve();
    let tracks = compiler.schemas.iter().flat_map(|schema| &schema.rules).any(|(keyword, _)| LAST.contains(keyword));
    compiler.check_circles();
    (!compiler.failed).then_some(InputSchema { schemas: compiler.schemas, tracks })
}

struct Compiler<'p> {
    problems: &'p mut Problems,
    schemas: Vec<Schema>,
    /// The schemas by the pointers to them, with where they stand.
    places: BTreeMap<String, (Id, Place, String)>,
    /// References that have yet to be resolved: of which schema, to what, and where that is said.
    refs: Vec<(Id, String, Place, String)>,
    failed: bool,
}

impl Compiler<'_> {
    fn fail(&mut self, cursor: &Cursor<'_>, message: impl Into<String>) {
        self.failed = true;
        cursor.fail(self.problems, message);
    }

    /// Reads a schema: its number. What is none counts as one that says nothing.
    fn schema(&mut self, cursor: &Cursor<'_>, at: &str) -> Id {
        let id = self.schemas.len();
        self.schemas.push(Schema { at: at.to_owned(), rules: Vec::new() });
        self.places.insert(at.to_owned(), (id, cursor.place(), cursor.path.clone()));
        if id == INPUT_SCHEMAS_MAX {
            self.fail(cursor, format!("more than {INPUT_SCHEMAS_MAX} schemas are too many"));
        }
        let rules = match &cursor.node.data {
            _ if id >= INPUT_SCHEMAS_MAX => Vec::new(),
            Data::Bool(true) => Vec::new(),
            Data::Bool(false) => vec![("false", Rule::Nothing)],
            Data::Map(entries) => {
                let keywords: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
                self.check_keywords(cursor, &keywords, at.is_empty());
                if let Some(defs) = cursor.field("$defs") {
                    self.named(&defs, &format!("{at}/$defs"));
                }
                self.rules(cursor, at, id)
            }
            Data::Null | Data::Number(_) | Data::Text(_) | Data::List(_) => {
                self.fail(cursor, format!("a schema is a map, `true` or `false`, not {}", cursor.node.kind()));
                Vec::new()
            }
        };
        if let Some(schema) = self.schemas.get_mut(id) {
            schema.rules.extend(rules);
        }
        id
    }

    fn check_keywords(&mut self, cursor: &Cursor<'_>, keywords: &[&str], is_whole: bool) {
        for keyword in keywords {
            let Some(field) = cursor.field(keyword) else { continue };
            match *keyword {
                "$ref" | "if" => {}
                "$schema" | "$id" if !is_whole => {
                    self.fail(&field, format!("`{keyword}` is said of the whole, where `input` begins"));
                }
                "$id" => {}
                "$schema" => {
                    let is_known =
                        matches!(&field.node.data, Data::Text(text) if text.trim_end_matches('#') == DIALECT);
                    if !is_known {
                        self.fail(&field, format!("only draft 2020-12 is read: `{DIALECT}`"));
                    }
                }
                "$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$vocabulary" => {
                    self.fail(
                        &field,
                        format!("`{keyword}` is not read: name schemas in `$defs`, refer to `#/$defs/…`"),
                    );
                }
                "definitions" | "dependencies" | "additionalItems" | "$recursiveRef" | "$recursiveAnchor" => {
                    self.fail(&field, format!("`{keyword}` is of an older draft: 2020-12 is read"));
                }
                known if REMARKS.contains(&known) || RULES.contains(&known) || PARTS.contains(&known) => {}
                known if LAST.contains(&known) || known.starts_with("x-") => {}
                unknown => {
                    let all = RULES.iter().chain(&PARTS).chain(&LAST).chain(&REMARKS).chain(&["$ref", "if"]).copied();
                    let hint = did_you_mean(unknown, all);
                    self.fail(&field, format!("no keyword of JSON Schema is called `{unknown}`{hint}"));
                }
            }
        }
    }

    fn rules(&mut self, cursor: &Cursor<'_>, at: &str, id: Id) -> Vec<(&'static str, Rule)> {
        let mut rules = Vec::new();
        if let Some(field) = cursor.field("$ref") {
            match &field.node.data {
                Data::Text(to) => self.refs.push((id, to.clone(), field.place(), field.path.clone())),
                Data::Null | Data::Bool(_) | Data::Number(_) | Data::List(_) | Data::Map(_) => {
                    self.fail(&field, "`$ref` is a text such as `#/$defs/item`");
                }
            }
        }
        for keyword in RULES {
            let Some(field) = cursor.field(keyword) else { continue };
            let at = format!("{at}/{keyword}");
            let rule =
                self.rule_of_value(keyword, &field).or_else(|| self.rule_of_schemas(keyword, (cursor, &field), &at));
            rules.extend(rule.map(|rule| (keyword, rule)));
        }
        rules.extend(self.items(cursor, at));
        if cursor.field("properties").is_none() {
            rules.extend(self.properties(cursor, at));
        }
        if let Some(field) = cursor.field("if") {
            let condition = self.schema(&field, &format!("{at}/if"));
            let mut branch = |key: &str| cursor.field(key).map(|field| self.schema(&field, &format!("{at}/{key}")));
            rules.push(("if", Rule::If { condition, then: branch("then"), otherwise: branch("else") }));
        }
        for keyword in LAST {
            let Some(field) = cursor.field(keyword) else { continue };
            let schema = self.schema(&field, &format!("{at}/{keyword}"));
            let is_items = keyword == "unevaluatedItems";
            rules.push((
                keyword,
                if is_items { Rule::UnevaluatedItems(schema) } else { Rule::UnevaluatedProperties(schema) },
            ));
        }
        rules
    }

    /// A rule that is a value; none where the keyword is of another sort, or its value is wrong.
    fn rule_of_value(&mut self, keyword: &'static str, field: &Cursor<'_>) -> Option<Rule> {
        Some(match keyword {
            "type" => Rule::Type(self.types(field)?),
            "enum" => match field.node.to_json() {
                Value::Array(values) if !values.is_empty() => Rule::Enum(values),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_) => {
                    self.fail(field, "`enum` is a list of values");
                    return None;
                }
            },
            "const" => Rule::Const(field.node.to_json()),
            "multipleOf" => match self.number(keyword, field)? {
                step if step > 0.0 => Rule::MultipleOf(step),
                _ => {
                    self.fail(field, "`multipleOf` is above 0");
                    return None;
                }
            },
            "maximum" => Rule::Maximum(self.number(keyword, field)?),
            "exclusiveMaximum" => Rule::ExclusiveMaximum(self.number(keyword, field)?),
            "minimum" => Rule::Minimum(self.number(keyword, field)?),
            "exclusiveMinimum" => Rule::ExclusiveMinimum(self.number(keyword, field)?),
            "maxLength" => Rule::MaxLength(self.count(keyword, field)?),
            "minLength" => Rule::MinLength(self.count(keyword, field)?),
            "pattern" => Rule::Pattern(self.pattern(field, None)?),
            "maxItems" => Rule::MaxItems(self.count(keyword, field)?),
            "minItems" => Rule::MinItems(self.count(keyword, field)?),
            "uniqueItems" => match field.node.data {
                Data::Bool(true) => Rule::UniqueItems,
                Data::Bool(false) => return None,
                Data::Null | Data::Number(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => {
                    self.fail(field, "`uniqueItems` is `true` or `false`");
                    return None;
                }
            },
            "maxProperties" => Rule::MaxProperties(self.count(keyword, field)?),
            "minProperties" => Rule::MinProperties(self.count(keyword, field)?),
            "required" => Rule::Required(self.texts(keyword, field)?),
            "dependentRequired" => {
                let pairs = self.pairs(keyword, field)?;
                let read = |(name, field): (&str, Cursor<'_>)| Some((name.to_owned(), self.texts(keyword, &field)?));
                Rule::DependentRequired(pairs.into_iter().filter_map(read).collect())
            }
            _ => return None,
        })
    }

    /// A rule that is made of schemas.
    fn rule_of_schemas(
        &mut self,
        keyword: &'static str,
        (cursor, field): (&Cursor<'_>, &Cursor<'_>),
        at: &str,
    ) -> Option<Rule> {
        Some(match keyword {
            "contains" => {
                let schema = self.schema(field, at);
                let mut of = |key: &'static str| cursor.field(key).and_then(|field| self.count(key, &field));
                let (min, max) = (of("minContains").unwrap_or(1), of("maxContains"));
                Rule::Contains { schema, min, max }
            }
            "dependentSchemas" => Rule::DependentSchemas(self.named(field, at)),
            "properties" => return self.properties(cursor, at.strip_suffix("/properties")?).map(|(_, rule)| rule),
            "propertyNames" => Rule::PropertyNames(self.schema(field, at)),
            "allOf" => Rule::AllOf(self.list(keyword, field, at)?),
            "anyOf" => Rule::AnyOf(self.list(keyword, field, at)?),
            "oneOf" => Rule::OneOf(self.list(keyword, field, at)?),
            "not" => Rule::Not(self.schema(field, at)),
            _ => return None,
        })
    }

    /// What lists hold.
    fn items(&mut self, cursor: &Cursor<'_>, at: &str) -> Option<(&'static str, Rule)> {
        let first = cursor.field("prefixItems");
        let first = first.and_then(|field| self.list("prefixItems", &field, &format!("{at}/prefixItems")));
        let rest = cursor.field("items").map(|field| self.schema(&field, &format!("{at}/items")));
        let has_any = first.is_some() || rest.is_some();
        has_any.then(|| ("items", Rule::Items { first: first.unwrap_or_default(), rest }))
    }

    /// What maps hold.
    fn properties(&mut self, cursor: &Cursor<'_>, at: &str) -> Option<(&'static str, Rule)> {
        let named = cursor.field("properties").map(|field| self.named(&field, &format!("{at}/properties")));
        let mut patterns = Vec::new();
        if let Some(field) = cursor.field("patternProperties") {
            for (name, field) in self.pairs("patternProperties", &field)? {
                let schema = self.schema(&field, &format!("{at}/patternProperties/{}", escaped(name)));
                patterns.extend(self.pattern(&field, Some(name)).map(|pattern| (pattern, schema)));
            }
        }
        let rest = cursor.field("additionalProperties");
        let rest = rest.map(|field| self.schema(&field, &format!("{at}/additionalProperties")));
        let has_any = named.is_some() || !patterns.is_empty() || rest.is_some();
        let named = named.unwrap_or_default().into_iter().collect();
        has_any.then_some(("properties", Rule::Properties { named, patterns, rest }))
    }

    fn named(&mut self, field: &Cursor<'_>, at: &str) -> Vec<(String, Id)> {
        let pairs = self.pairs("such a keyword", field).unwrap_or_default();
        let read = |(name, field): (&str, Cursor<'_>)| {
            (name.to_owned(), self.schema(&field, &format!("{at}/{}", escaped(name))))
        };
        pairs.into_iter().map(read).collect()
    }

    fn list(&mut self, keyword: &str, field: &Cursor<'_>, at: &str) -> Option<Vec<Id>> {
        let Data::List(items) = &field.node.data else {
            self.fail(field, format!("`{keyword}` is a list of schemas"));
            return None;
        };
        if items.is_empty() {
            self.fail(field, format!("`{keyword}` is a list of at least one schema"));
        }
        let read = |(index, node)| {
            let cursor = Cursor { node, path: format!("{}[{index}]", field.path) };
            self.schema(&cursor, &format!("{at}/{index}"))
        };
        Some(items.iter().enumerate().map(read).collect())
    }

    fn pairs<'n>(&mut self, keyword: &str, field: &Cursor<'n>) -> Option<Vec<(&'n str, Cursor<'n>)>> {
        let Data::Map(entries) = &field.node.data else {
            self.fail(field, format!("{keyword} is a map"));
            return None;
        };
        let pair = |entry: &'n crate::definition::document::Entry| {
            (entry.key.as_str(), Cursor { node: &entry.node, path: join(&field.path, &entry.key) })
        };
        Some(entries.iter().map(pair).collect())
    }

    fn types(&mut self, field: &Cursor<'_>) -> Option<Vec<Type>> {
        let named = match &field.node.data {
            Data::Text(text) => vec![text.clone()],
            Data::List(_) => self.texts("type", field)?,
            Data::Null | Data::Bool(_) | Data::Number(_) | Data::Map(_) => {
                self.fail(field, "`type` is the name of a type, or a list of such");
                return None;
            }
        };
        let mut types = Vec::with_capacity(named.len());
        for name in named {
            match Type::ALL.into_iter().find(|(word, _)| *word == name) {
                Some((_, found)) => types.push(found),
                None => {
                    let words = Type::ALL.map(|(word, _)| word);
                    let hint = did_you_mean(&name, words.into_iter());
                    self.fail(field, format!("`{name}` is no type; there are {}{hint}", words.join(", ")));
                }
            }
        }
        Some(types)
    }

    fn number(&mut self, keyword: &str, field: &Cursor<'_>) -> Option<f64> {
        match &field.node.data {
            Data::Number(number) => number.as_f64(),
            Data::Null | Data::Bool(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => {
                self.fail(field, format!("`{keyword}` is a number"));
                None
            }
        }
    }

    fn count(&mut self, keyword: &str, field: &Cursor<'_>) -> Option<usize> {
        let number = match &field.node.data {
            Data::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
            Data::Null | Data::Bool(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => None,
        };
        if number.is_none() {
            self.fail(field, format!("`{keyword}` is a whole number from 0"));
        }
        number
    }

    fn texts(&mut self, keyword: &str, field: &Cursor<'_>) -> Option<Vec<String>> {
        let text = |node: &Node| match &node.data {
            Data::Text(text) => Some(text.clone()),
            Data::Null | Data::Bool(_) | Data::Number(_) | Data::List(_) | Data::Map(_) => None,
        };
        let texts = match &field.node.data {
            Data::List(items) => items.iter().map(text).collect(),
            Data::Null | Data::Bool(_) | Data::Number(_) | Data::Text(_) | Data::Map(_) => None,
        };
        if texts.is_none() {
            self.fail(field, format!("`{keyword}` is a list of texts"));
        }
        texts
    }

    fn pattern(&mut self, field: &Cursor<'_>, text: Option<&str>) -> Option<regex::Regex> {
        let text = text.or(match &field.node.data {
            Data::Text(text) => Some(text),
            Data::Null | Data::Bool(_) | Data::Number(_) | Data::List(_) | Data::Map(_) => None,
        });
        match text.map(pattern::read) {
            Some(Ok(pattern)) => Some(pattern),
            Some(Err(why)) => {
                self.fail(field, why);
                None
            }
            None => {
                self.fail(field, "`pattern` is a text");
                None
            }
        }
    }

    fn resolve(&mut self) {
        for (id, to, place, path) in std::mem::take(&mut self.refs) {
            let found = pointer(&to).and_then(|at| {
                let known = self.places.get(&at).map(|(target, ..)| *target);
                known.ok_or_else(|| format!("there is no schema at `{to}`"))
            });
            match found {
                Ok(target) => {
                    if let Some(schema) = self.schemas.get_mut(id) {
                        schema.rules.insert(0, ("$ref", Rule::Ref(target)));
                    }
                }
                Err(message) => {
                    self.failed = true;
                    self.problems.add(place, &path, message);
                }
            }
        }
    }

    /// What a schema comes to must not take the schema itself for the same value: it would never end.
    fn check_circles(&mut self) {
        let mut known = vec![Looked::Not; self.schemas.len()];
        for id in 0..self.schemas.len() {
            let mut stack = vec![(id, false)];
            while let Some((at, is_left)) = stack.pop() {
                let state = known.get(at).copied().unwrap_or(Looked::Over);
                if is_left {
                    known.get_mut(at).into_iter().for_each(|state| *state = Looked::Over);
                } else if state == Looked::Under {
                    self.fail_circle(at);
                } else if state == Looked::Not {
                    known.get_mut(at).into_iter().for_each(|state| *state = Looked::Under);
                    stack.push((at, true));
                    let rules = self.schemas.get(at).map(|schema| schema.rules.as_slice()).unwrap_or_default();
                    stack.extend(rules.iter().flat_map(|(_, rule)| in_place(rule)).map(|next| (next, false)));
                }
            }
        }
    }

    fn fail_circle(&mut self, id: Id) {
        let of = self.places.values().find(|(of, ..)| *of == id).cloned();
        if let Some((_, place, path)) = of.filter(|_| !self.failed) {
            self.failed = true;
            self.problems.add(place, &path, "this schema comes to itself without going deeper into the input");
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    Not,
    Under,
    Over,
}

/// The schemas that a rule holds against the same value.
fn in_place(rule: &Rule) -> Vec<Id> {
    match rule {
        Rule::Ref(id) | Rule::Not(id) => vec![*id],
        Rule::AllOf(ids) | Rule::AnyOf(ids) | Rule::OneOf(ids) => ids.clone(),
        Rule::DependentSchemas(named) => named.iter().map(|(_, id)| *id).collect(),
        Rule::If { condition, then, otherwise } => {
            [Some(*condition), *then, *otherwise].into_iter().flatten().collect()
        }
        Rule::Nothing
        | Rule::Type(_)
        | Rule::Enum(_)
        | Rule::Const(_)
        | Rule::MultipleOf(_)
        | Rule::Maximum(_)
        | Rule::ExclusiveMaximum(_)
        | Rule::Minimum(_)
        | Rule::ExclusiveMinimum(_)
        | Rule::MaxLength(_)
        | Rule::MinLength(_)
        | Rule::Pattern(_)
        | Rule::MaxItems(_)
        | Rule::MinItems(_)
        | Rule::UniqueItems
        | Rule::Contains { .. }
        | Rule::Items { .. }
        | Rule::MaxProperties(_)
        | Rule::MinProperties(_)
        | Rule::Required(_)
        | Rule::DependentRequired(_)
        | Rule::Properties { .. }
        | Rule::PropertyNames(_)
        | Rule::UnevaluatedItems(_)
        | Rule::UnevaluatedProperties(_) => Vec::new(),
    }
}

/// The pointer that a reference within the document has behind its `#`.
fn pointer(to: &str) -> Result<String, String> {
    let Some(fragment) = to.strip_prefix('#') else {
        return Err(if to.contains("://") {
            format!("`{to}` is elsewhere: a schema refers to nothing outside of the definition")
        } else {
            format!("`{to}` is a file: `chancery definition check` and `push` put it in its place")
        });
    };
    if !fragment.is_empty() && !fragment.starts_with('/') {
        return Err(format!("`{to}` is an anchor: refer to `#/$defs/…`"));
    }
    let decoded = percent_decoded(fragment).ok_or_else(|| format!("`{to}` is not written as a reference is"))?;
    Ok(decoded)
}

/// What stands behind `%xx`s (RFC 3986, 2.1).
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?.to_owned();
            bytes.push(u8::from_str_radix(&digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
