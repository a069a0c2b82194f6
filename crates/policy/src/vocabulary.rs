//! The classes of data and the purposes that a bundle knows: a name that is none of them denies.

use crate::bundle::BundleError;
use chancery_base::Name;
use chancery_base::limits::CLASSES_MAX;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The class that one question is about, in its context.
pub(crate) const CLASS: &str = "class";
/// All classes of data that a request uses, in its context.
pub(crate) const CLASSES: &str = "classes";
/// The classes that a transaction has come to use, in the context.
pub(crate) const TAINT: &str = "taint";
/// What it is done for, in the context.
pub(crate) const PURPOSE: &str = "purpose";
/// The class of what has none; every bundle knows it.
pub(crate) const UNCLASSIFIED: &str = "unclassified";

/// Names that a list of a bundle may have.
const NAMES_MAX: usize = 1_000;

/// What a bundle lists of each; where it has no list any name goes to its policies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    classes: Option<BTreeSet<String>>,
    purposes: Option<BTreeSet<String>>,
}

impl Vocabulary {
    /// Reads the bundle's keys `classes` and `purposes`.
    pub(crate) fn read(classes: Option<&Value>, purposes: Option<&Value>) -> Result<Self, BundleError> {
        let read = |at: &str, list: Option<&Value>| list.map(|list| names(at, list)).transpose();
        Ok(Self { classes: read(CLASSES, classes)?, purposes: read("purposes", purposes)? })
    }

    /// Whether it says nothing.
    pub(crate) const fn is_open(&self) -> bool {
        self.classes.is_none() && self.purposes.is_none()
    }

    /// Looks at every class and purpose of a context.
    ///
    /// # Errors
    /// Says which it does not know.
    pub(crate) fn check(&self, context: &Map<String, Value>) -> Result<(), String> {
        let one = context.get(CLASS).and_then(Value::as_str);
        if let Some(known) = &self.classes {
            let named = listed(context, CLASSES)?.into_iter().chain(listed(context, TAINT)?).chain(one);
            if let Some(class) = named.into_iter().find(|class| *class != UNCLASSIFIED && !known.contains(*class)) {
                return Err(format!("the bundle knows no class of data `{class}`"));
            }
        }
        let purpose = context.get(PURPOSE).and_then(Value::as_str);
        match (&self.purposes, purpose) {
            (Some(known), Some(purpose)) if !known.contains(purpose) => {
                Err(format!("the bundle knows no purpose `{purpose}`"))
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}

/// The names in a list of a context.
///
/// # Errors
/// If it is no list of names, or one of too many.
pub(crate) fn listed<'a>(context: &'a Map<String, Value>, name: &str) -> Result<Vec<&'a str>, String> {
    let Some(value) = context.get(name) else { return Ok(Vec::new()) };
    let texts = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    texts
        .filter(|texts| texts.len() <= CLASSES_MAX)
        .ok_or_else(|| format!("context.{name}: at most {CLASSES_MAX} names are expected here"))
}

fn names(at: &str, list: &Value) -> Result<BTreeSet<String>, BundleError> {
    let form = |expected: String| BundleError::Form { at: at.to_owned(), expected };
    let list = list.as_array().filter(|list| list.len() <= NAMES_MAX);
    let list = list.ok_or_else(|| form(format!("a list of at most {NAMES_MAX} names")))?;
    let name = |value: &Value| value.as_str().filter(|text| text.parse::<Name>().is_ok()).map(str::to_owned);
    list.iter().map(name).collect::<Option<_>>().ok_or_else(|| form("a list of names".to_owned()))
}
