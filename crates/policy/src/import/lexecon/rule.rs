//! A relation as a policy, and what it says of a question: in Cedar, and worked out here, so that one can be held
//! against the other.

use super::condition::{CLASSES, Condition, Literal};
use crate::decide::Effect;
use std::collections::{BTreeMap, BTreeSet};

/// One policy.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) id: String,
    /// Where it comes from, such as `relations[3]`.
    pub(super) at: String,
    pub(super) reason: Option<String>,
    pub(super) effect: Effect,
    /// None: of every principal.
    pub(super) role: Option<String>,
    /// None: all.
    pub(super) actions: Option<BTreeSet<String>>,
    /// None: on all.
    pub(super) resource: Option<String>,
    /// All must hold.
    pub(super) when: Vec<Clause>,
    /// Unless all hold; nothing if there is none.
    pub(super) unless: Vec<Clause>,
}

/// One condition of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clause {
    /// It is known to hold.
    Known(Condition),
    /// It is not known not to hold.
    NotRefuted(Condition),
    /// The principal has this role, too.
    Role(String),
    /// This is among the classes, and all of them are among these.
    Covered(String, BTreeSet<String>),
    /// One of these is among the classes.
    AnyClass(BTreeSet<String>),
    /// All of these are among the classes.
    AllClasses(BTreeSet<String>),
}

/// A question to try the policies with.
#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    pub(super) roles: BTreeSet<String>,
    pub(super) action: String,
    pub(super) resource: Option<String>,
    pub(super) classes: BTreeSet<String>,
    pub(super) context: BTreeMap<String, Literal>,
}

/// The roles that each role implies, itself and those that it implies by others among them.
pub(super) type Implied = BTreeMap<String, BTreeSet<String>>;

/// A text as Cedar and Rust write it.
pub(super) fn quote(text: &str) -> String {
    format!("{text:?}")
}

fn list(texts: &BTreeSet<String>) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

impl Rule {
    pub(super) fn cedar(&self) -> String {
        let mut out = format!("// {}\n@id({})\n", self.at, quote(&self.id));
        if let Some(reason) = &self.reason {
            out.push_str(&format!("@reason({})\n", quote(reason)));
        }
        let principal = self
            .role
            .as_ref()
            .map_or_else(|| "principal".to_owned(), |role| format!("principal in Role::{}", quote(role)));
        let action = self.actions.as_ref().map_or_else(
            || "action".to_owned(),
            |actions| {
                let mut names = actions.iter().map(|action| format!("Action::{}", quote(action)));
                match (names.len(), names.next()) {
                    (1, Some(only)) => format!("action == {only}"),
                    (_, first) => {
                        let all: Vec<String> = first.into_iter().chain(names).collect();
                        format!("action in [{}]", all.join(", "))
                    }
                }
            },
        );
        let resource = self
            .resource
            .as_ref()
            .map_or_else(|| "resource".to_owned(), |resource| format!("resource == Resource::{}", quote(resource)));
        out.push_str(&format!("{} ({principal}, {action}, {resource})", self.effect.word()));
        for (word, clauses) in [("when", &self.when), ("unless", &self.unless)] {
            if !clauses.is_empty() {
                let texts: Vec<String> = clauses.iter().map(Clause::cedar).collect();
                out.push_str(&format!("\n{word} {{ {} }}", texts.join(" && ")));
            }
        }
        out.push_str(";\n");
        out
    }

    /// Whether it applies.
    pub(super) fn applies(&self, question: &Question, implied: &Implied) -> bool {
        let holds = |clause: &Clause| clause.holds(question, implied);
        self.role.as_ref().is_none_or(|role| question.has_role(role, implied))
            && self.actions.as_ref().is_none_or(|actions| actions.contains(&question.action))
            && (self.resource.is_none() || self.resource == question.resource)
            && self.when.iter().all(holds)
            && (self.unless.is_empty() || !self.unless.iter().all(holds))
    }

    /// A question that it is about: of an action that it names, or if it names none of this one.
    pub(super) fn question(&self, any: &str) -> Question {
        let named = self.actions.as_ref().and_then(BTreeSet::first);
        let action = named.map_or(any, String::as_str).to_owned();
        let mut question = Question { action, resource: self.resource.clone(), ..Question::default() };
        question.roles.extend(self.role.clone());
        for clause in &self.when {
            match clause {
                Clause::Known(condition) | Clause::NotRefuted(condition) => {
                    question.context.insert(condition.attribute.clone(), condition.witness());
                }
                Clause::Role(role) => drop(question.roles.insert(role.clone())),
                Clause::Covered(class, _) => drop(question.classes.insert(class.clone())),
                Clause::AnyClass(classes) => question.classes.extend(classes.first().cloned()),
                Clause::AllClasses(classes) => question.classes.extend(classes.iter().cloned()),
            }
        }
        question
    }
}

impl Clause {
    fn cedar(&self) -> String {
        match self {
            Self::Known(condition) => condition.known(),
            Self::NotRefuted(condition) => condition.not_refuted(),
            Self::Role(role) => format!("principal in Role::{}", quote(role)),
            Self::Covered(class, all) => {
                let classes = format!("context.{CLASSES}");
                format!("{classes}.contains({}) && {}.containsAll({classes})", quote(class), list(all))
            }
            Self::AnyClass(classes) => format!("context.{CLASSES}.containsAny({})", list(classes)),
            Self::AllClasses(classes) => format!("context.{CLASSES}.containsAll({})", list(classes)),
        }
    }

    fn holds(&self, question: &Question, implied: &Implied) -> bool {
        match self {
            Self::Known(condition) => condition.truth(&question.context) == Some(true),
            Self::NotRefuted(condition) => condition.truth(&question.context) != Some(false),
            Self::Role(role) => question.has_role(role, implied),
            Self::Covered(class, all) => question.classes.contains(class) && question.classes.is_subset(all),
            Self::AnyClass(classes) => !question.classes.is_disjoint(classes),
            Self::AllClasses(classes) => question.classes.is_superset(classes),
        }
    }
}

impl Question {
    fn has_role(&self, role: &str, implied: &Implied) -> bool {
        self.roles.iter().any(|own| own == role || implied.get(own).is_some_and(|all| all.contains(role)))
    }

    /// The answer, and the policies that determine it.
    pub(super) fn answer<'a>(&self, rules: &'a [Rule], implied: &Implied) -> (bool, Vec<&'a str>) {
        let that_apply = |effect: Effect| {
            let rules = rules.iter().filter(|rule| rule.effect == effect && rule.applies(self, implied));
            rules.map(|rule| rule.id.as_str()).collect::<Vec<_>>()
        };
        let forbids = that_apply(Effect::Forbid);
        if forbids.is_empty() {
            let permits = that_apply(Effect::Permit);
            (!permits.is_empty(), permits)
        } else {
            (false, forbids)
        }
    }
}
