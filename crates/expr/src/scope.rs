use chancery_base::Document;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The names that an expression may use, and what they stand for. Nothing is converted or copied until it is used.
#[derive(Debug, Clone, Default)]
pub struct Scope<'a> {
    names: BTreeMap<&'a str, Tree<'a>>,
}

/// What a name stands for: a value that lies elsewhere, a text, a number, or a list or map of such.
#[derive(Debug, Clone)]
pub enum Tree<'a> {
    /// A value in the domain of `chancery_base::json`.
    Value(&'a Value),
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A list of documents; where there is none it has null.
    List(&'a [Option<Arc<Document>>]),
    /// A map.
    Map(BTreeMap<&'a str, Tree<'a>>),
}

impl<'a> Scope<'a> {
    /// Binds nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { names: BTreeMap::new() }
    }

    /// Binds a name, instead of what it was bound to.
    pub fn bind(&mut self, name: &'a str, tree: Tree<'a>) {
        self.names.insert(name, tree);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Tree<'a>> {
        self.names.get(name)
    }
}
