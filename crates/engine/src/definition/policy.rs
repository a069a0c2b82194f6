//! What a definition says to policy beside actions and resources: under which bundle its steps are decided, which
//! classes of data they use, and what for.

use super::fields::Cursor;
use super::read::Reader;
use chancery_base::Name;
use chancery_base::limits::CLASSES_MAX;
use std::collections::BTreeSet;

/// Under which bundle a transaction is decided once it runs. Stops and suspensions always apply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PolicyInFlight {
    /// The one that it started under.
    #[default]
    Pinned,
    /// The one that is active.
    Latest,
    /// Both: the stricter.
    Both,
}

/// Classes of data, such as `personal`, by name.
pub type Classes = BTreeSet<Name>;

impl PolicyInFlight {
    /// The word in a definition.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Latest => "latest",
            Self::Both => "both",
        }
    }
}

impl Reader {
    /// Under which bundle steps are decided.
    pub(super) fn policy(&mut self, cursor: &Cursor<'_>) -> PolicyInFlight {
        let bundles = [PolicyInFlight::Pinned, PolicyInFlight::Latest, PolicyInFlight::Both];
        let bundles = bundles.map(|policy| (policy.word(), policy));
        let field = cursor.field("policy");
        field.and_then(|field| field.word("policy in flight", &bundles, &mut self.problems)).unwrap_or_default()
    }

    /// The classes of data that something uses.
    pub(super) fn classes(&mut self, cursor: &Cursor<'_>) -> Classes {
        let Some(field) = cursor.field("classes") else { return Classes::new() };
        let items = field.items(&mut self.problems);
        if items.len() > CLASSES_MAX {
            field.fail(&mut self.problems, format!("{} classes, at most {CLASSES_MAX} are allowed", items.len()));
            return Classes::new();
        }
        let mut classes = Classes::new();
        for item in &items {
            if let Some(class) = item.name(&mut self.problems)
                && !classes.insert(class.clone())
            {
                item.fail(&mut self.problems, format!("`{class}` is there already"));
            }
        }
        classes
    }

    /// What something is done for.
    pub(super) fn purpose(&mut self, cursor: &Cursor<'_>) -> Option<Name> {
        cursor.field("purpose").and_then(|field| field.name(&mut self.problems))
    }
}
