//! Values while an expression is evaluated: mostly borrowed from the scope, cheap to copy where not.

use crate::scope::Tree;
use chancery_base::Document;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(crate) enum Val<'e> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'e>),
    List(List<'e>),
    Map(Map<'e>),
    Optional(Option<Rc<Val<'e>>>),
    Type(&'static str),
}

#[derive(Debug, Clone)]
pub(crate) enum Text<'e> {
    Borrowed(&'e str),
    Owned(Rc<str>),
}

#[derive(Debug, Clone)]
pub(crate) enum List<'e> {
    Json(&'e [Value]),
    Documents(&'e [Option<Arc<Document>>]),
    Owned(Rc<[Val<'e>]>),
}

#[derive(Debug, Clone)]
pub(crate) enum Map<'e> {
    Json(&'e serde_json::Map<String, Value>),
    Tree(&'e BTreeMap<&'e str, Tree<'e>>),
    Owned(Rc<BTreeMap<Text<'e>, Val<'e>>>),
}

impl<'e> Val<'e> {
    pub(crate) fn from_json(value: &'e Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(boolean) => Self::Bool(*boolean),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Self::Int(whole),
                (None, Some(double)) => Self::Double(double),
                (None, None) => Self::Double(f64::NAN),
            },
            Value::String(text) => Self::Text(Text::Borrowed(text)),
            Value::Array(items) => Self::List(List::Json(items)),
            Value::Object(map) => Self::Map(Map::Json(map)),
        }
    }

    pub(crate) fn from_tree(tree: &'e Tree<'e>) -> Self {
        match tree {
            Tree::Value(value) => Self::from_json(value),
            Tree::Text(text) => Self::Text(Text::Borrowed(text)),
            Tree::Int(whole) => Self::Int(*whole),
            Tree::List(documents) => Self::List(List::Documents(documents)),
            Tree::Map(map) => Self::Map(Map::Tree(map)),
        }
    }

    pub(crate) fn text(text: String) -> Self {
        Self::Text(Text::Owned(Rc::from(text)))
    }

    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::List(List::Owned(Rc::from(items)))
    }

    pub(crate) fn present(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    pub(crate) const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(boolean) = self { Some(*boolean) } else { None }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text.as_str()) } else { None }
    }

    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
        }
    }
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl<'e> List<'e> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Documents(items) => items.len(),
            Self::Owned(items) => items.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Val<'e>> {
        match self {
            Self::Json(items) => items.get(index).map(Val::from_json),
            Self::Documents(items) => items.get(index).map(|document| match document {
                Some(document) => Val::from_json(document.value()),
                None => Val::Null,
            }),
            Self::Owned(items) => items.get(index).cloned(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Val<'e>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'e> Map<'e> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(map) => map.len(),
            Self::Tree(map) => map.len(),
            Self::Owned(map) => map.len(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Val<'e>> {
        match self {
            Self::Json(map) => map.get(key).map(Val::from_json),
            Self::Tree(map) => map.get(key).map(Val::from_tree),
            Self::Owned(map) => map.get(key).cloned(),
        }
    }

    /// The keys in one order, whatever order the map has, so that a replay sees the same.
    pub(crate) fn keys(&self) -> Vec<Text<'e>> {
        let mut keys: Vec<Text<'e>> = match self {
            Self::Json(map) => map.keys().map(|key| Text::Borrowed(key)).collect(),
            Self::Tree(map) => map.keys().map(|key| Text::Borrowed(key)).collect(),
            Self::Owned(map) => map.keys().cloned().collect(),
        };
        keys.sort_unstable();
        keys
    }
}
