//! Policies and types in words, as differences and warnings show them.

use crate::types::{Extension, Record, Type};
use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

/// What a policy does, to whom, and on what: its scope as a sentence.
pub(crate) fn scope(policy: &Policy) -> String {
    let effect = match policy.effect() {
        cedar_policy::Effect::Permit => "permits",
        cedar_policy::Effect::Forbid => "forbids",
    };
    let who = match policy.principal_constraint() {
        PrincipalConstraint::Any => "everybody".to_owned(),
        PrincipalConstraint::Is(kind) => format!("every {kind}"),
        PrincipalConstraint::Eq(uid) => uid.to_string(),
        PrincipalConstraint::In(uid) => format!("whoever is in {uid}"),
        PrincipalConstraint::IsIn(kind, uid) => format!("every {kind} in {uid}"),
    };
    let what = match policy.action_constraint() {
        ActionConstraint::Any => "everything".to_owned(),
        ActionConstraint::Eq(uid) => action(&uid),
        ActionConstraint::In(uids) => uids.iter().map(action).collect::<Vec<_>>().join(", "),
    };
    let on = match policy.resource_constraint() {
        ResourceConstraint::Any => "anything".to_owned(),
        ResourceConstraint::Is(kind) => format!("every {kind}"),
        ResourceConstraint::Eq(uid) => uid.to_string(),
        ResourceConstraint::In(uid) => format!("whatever is in {uid}"),
        ResourceConstraint::IsIn(kind, uid) => format!("every {kind} in {uid}"),
    };
    format!("{effect} {who} {what} on {on}")
}

/// An action without the type that all of them have.
pub(crate) fn action(uid: &EntityUid) -> String {
    let id: &str = uid.id().as_ref();
    if uid.type_name().to_string() == "Action" { format!("`{id}`") } else { uid.to_string() }
}

/// The conditions of a policy as they are written, in one line; empty if there are none.
pub(crate) fn conditions(policy: &Policy) -> String {
    let text = policy.to_cedar().unwrap_or_else(|| policy.to_string());
    let (mut depth, mut scopes, mut previous) = (0_usize, 0_usize, "");
    let mut out: Vec<&str> = Vec::new();
    let mut is_annotation = false;
    for word in Words::new(&text) {
        // `@name("value")` comes before the scope, and `permit (…)` is the first bracket that is no annotation's.
        match word {
            "@" if scopes == 0 && depth == 0 => is_annotation = true,
            "(" => depth += 1,
            ")" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && scopes == 0 {
                    if is_annotation {
                        is_annotation = false;
                    } else {
                        scopes = 1;
                    }
                    previous = word;
                    continue;
                }
            }
            "permit" | "forbid" if depth == 0 && scopes == 0 && previous != "@" => is_annotation = false,
            _ => {}
        }
        if scopes == 1 && word != ";" {
            out.push(word);
        }
        previous = word;
    }
    spaced(&out)
}

/// Puts words together again, alike however they were laid out.
fn spaced(words: &[&str]) -> String {
    let mut out = String::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
        let is_tight = matches!(*word, "," | "." | ")" | "]" | "::" | ":")
            || matches!(before, "." | "(" | "[" | "::" | "!")
            || (matches!(*word, "(" | "[")
                && before.ends_with(|c: char| c == '_' || c.is_alphanumeric())
                && before != "in")
            || before == "@";
        if at > 0 && !is_tight {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// The words of a Cedar text: names, strings and signs, without comments.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with("//") {
                break;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.rest = self.rest.get(end..).unwrap_or_default();
        }
        let first = self.rest.chars().next()?;
        let is_name = |c: char| c == '_' || c.is_alphanumeric();
        let len = if is_name(first) {
            self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len())
        } else if first == '"' {
            string_len(self.rest)
        } else {
            let pair = ["::", "&&", "||", "==", "!=", "<=", ">="].iter().any(|pair| self.rest.starts_with(pair));
            if pair { 2 } else { first.len_utf8() }
        };
        let (word, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(word)
    }
}

/// The length of the string that a text begins with, quotes included.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (offset, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return offset + 1,
            _ => {}
        }
    }
    text.len()
}

/// A type as the schema writes it.
pub(crate) fn type_text(kind: &Type) -> String {
    match kind {
        Type::Long => "Long".to_owned(),
        Type::String => "String".to_owned(),
        Type::Bool => "Bool".to_owned(),
        Type::Set(element) => format!("Set<{}>", type_text(element)),
        Type::Record(record) => record_text(record),
        Type::Entity(name) => name.clone(),
        Type::Extension(extension) => match extension {
            Extension::Ip => "ipaddr",
            Extension::Decimal => "decimal",
            Extension::Datetime => "datetime",
            Extension::Duration => "duration",
        }
        .to_owned(),
    }
}

fn record_text(record: &Record) -> String {
    let attributes = record.attributes.iter().map(|(name, attribute)| {
        let optional = if attribute.is_required { "" } else { "?" };
        format!("{name}{optional}: {}", type_text(&attribute.kind))
    });
    format!("{{ {} }}", attributes.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_what_is_written_after_the_scope() {
        let check = |text: &str, expected: &str| {
            let set: cedar_policy::PolicySet = text.parse().unwrap();
            assert_eq!(conditions(set.policies().next().unwrap()), expected);
        };
        check("permit(principal,action,resource);", "");
        check(
            "@id(\"a (b\") // when (\n@permit(\"x\") forbid (principal == User::\"a)\", action in [Action::\"b\"], resource)\n when\n{ context.a  > 3 // less\n&& principal.b.contains( \"x  y\" ) }\nunless {!context.c};",
            "when { context.a > 3 && principal.b.contains(\"x  y\") } unless { !context.c }",
        );
    }
}
