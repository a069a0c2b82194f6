//! Lexecon's policies: terms, and relations between them, in JSON.
//!
//! Actors become roles, actions Cedar actions, resources entities, data classes and conditions attributes of the
//! context. References are matched exactly: by a term's id, by its label, or by the same id in another spelling
//! (`actor:x` and `act_x`). What Lexecon only records and never evaluates, such as conditions, requirements and
//! conflicts, is policy here; where that or anything else makes a difference, a [`Note`] says so.
//!
//! Where a request says nothing of a condition, permits do not apply and forbids do.

mod condition;
mod rule;
mod terms;

use crate::decide::{Effect, Outcome};
use crate::mode::Mode;
use chancery_base::{Name, Timestamp};
use condition::{Attributes, CLASSES, NOW};
use rule::{Clause, Implied, Question, Rule, quote};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use terms::{Kind, Terms};

/// What a policy became.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// A name made of the policy's.
    pub name: Name,
    /// What the policy says of itself.
    pub description: Option<String>,
    /// How what it leaves open is answered.
    pub mode: Mode,
    /// Cedar schema text.
    pub schema: String,
    /// Cedar policies.
    pub policies: String,
    /// The roles that imply others.
    pub entities: Vec<Value>,
    /// Tests of what each relation says.
    pub tests: Vec<Value>,
    /// What is not as it was.
    pub notes: Vec<Note>,
}

/// What is not as it was, and where it stands in the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Such as `relations[3]`.
    pub at: String,
    /// How it differs.
    pub change: Change,
    /// What.
    pub text: String,
}

/// How something differs from what Lexecon would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Less is permitted.
    Stricter,
    /// More is permitted.
    Looser,
    /// It is in the policy and not in the bundle.
    LeftOut,
    /// The same, said otherwise.
    Same,
}

impl Change {
    /// In a word or two.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stricter => "stricter",
            Self::Looser => "looser",
            Self::LeftOut => "left out",
            Self::Same => "same",
        }
    }
}

/// Why a document is no policy that can be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct ImportError {
    /// Such as `relations[3].type`.
    pub at: String,
    /// What is wrong there.
    pub problem: String,
}

impl ImportError {
    fn new(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { at: at.into(), problem: problem.into() }
    }
}

const BEGINS: [&str; 3] = ["effective_date", "effective_from", "valid_from"];
const ENDS: [&str; 4] = ["expiration_date", "expires_at", "effective_until", "valid_until"];
const OBJECT: [&str; 1] = ["object"];

impl Import {
    /// The bundle's document.
    #[must_use]
    pub fn document(&self, version: u32) -> Value {
        let mut document = json!({
            "name": self.name.as_str(), "version": version, "schema": self.schema,
            "policies": { "policies.cedar": self.policies }, "entities": self.entities, "tests": self.tests,
        });
        if let Some(map) = document.as_object_mut() {
            map.extend(self.said());
        }
        document
    }
}

impl Import {
    /// Those keys of the document that are texts and need not be there.
    pub fn said(&self) -> impl Iterator<Item = (String, Value)> {
        let mode = Some(self.mode).filter(|mode| *mode != Mode::Strict);
        let said = [("description", self.description.as_deref()), ("mode", mode.map(Mode::word))];
        said.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::from(text?))))
    }
}

/// Imports a policy.
///
/// # Errors
/// Says what in it is not understood. What is understood and has no place in a bundle is a note.
pub fn import(policy: &Value) -> Result<Import, ImportError> {
    let map = policy.as_object().ok_or_else(|| ImportError::new("the policy", "it must be an object"))?;
    let mut reader = Reader::default();
    let name = reader.head(map)?;
    reader.terms = Terms::read(map.get("terms"), &mut reader.notes)?;
    let dates = Dates::read("the policy", &[map])?;
    let relations = Relation::read_all(map.get("relations"), &dates, &mut reader.notes)?;
    for relation in &relations {
        if relation.kind == RelationKind::Implies {
            reader.implies(relation)?;
        }
    }
    for relation in &relations {
        match relation.kind {
            RelationKind::Permits => reader.permits(relation)?,
            RelationKind::Forbids => reader.forbids(relation)?,
            RelationKind::Requires => reader.requires(relation)?,
            RelationKind::Conflicts => reader.conflicts(relation)?,
            RelationKind::Implies => {}
        }
    }
    Ok(reader.finish(name, text(map, &["description"], "the policy")?.map(str::to_owned)))
}

/// What is being made.
#[derive(Debug, Default)]
struct Reader {
    mode: Mode,
    terms: Terms,
    attributes: Attributes,
    rules: Vec<Rule>,
    notes: Vec<Note>,
    /// What each term directly implies.
    implied: BTreeMap<(Kind, String), BTreeSet<String>>,
}

/// What a relation is about, resolved.
#[derive(Debug, Default)]
struct Object {
    class: Option<String>,
    resource: Option<String>,
}

impl Reader {
    fn note(&mut self, at: &str, change: Change, text: impl Into<String>) {
        self.notes.push(Note { at: at.to_owned(), change, text: text.into() });
    }

    fn head(&mut self, map: &Map<String, Value>) -> Result<Name, ImportError> {
        let name = text(map, &["name", "policy_name", "policy_id"], "the policy")?.unwrap_or("lexecon");
        let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let slug = words.collect::<Vec<_>>().join("-").to_lowercase();
        let slug: String = slug.chars().take(63).collect();
        let name = slug.parse::<Name>().map_err(|err| ImportError::new("name", err.to_string()))?;
        self.mode(text(map, &["mode"], "the policy")?)?;
        if map.contains_key("version") {
            self.note("version", Change::LeftOut, "bundles count their versions from 1: a push gives the next one");
        }
        for (number, constraint) in map.get("constraints").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let called = constraint.get("name").and_then(Value::as_str).unwrap_or_default();
            let text = format!("constraint `{called}`: Lexecon records constraints and does not evaluate them");
            self.note(&format!("constraints[{number}]"), Change::LeftOut, text);
        }
        let known =
            ["name", "policy_name", "policy_id", "description", "mode", "version", "terms", "relations", "constraints"];
        let dates = BEGINS.iter().chain(&ENDS);
        for key in map.keys().filter(|key| !known.iter().chain(dates.clone()).any(|known| known == key)) {
            self.note(key, Change::LeftOut, "it says nothing about decisions");
        }
        Ok(name)
    }

    /// The mode, strict where none is said.
    fn mode(&mut self, mode: Option<&str>) -> Result<(), ImportError> {
        let Some(mode) = mode else { return Ok(()) };
        let found = Mode::ALL.into_iter().find(|known| known.word() == mode);
        self.mode = found.ok_or_else(|| ImportError::new("mode", format!("`{mode}` is no mode")))?;
        match self.mode {
            Mode::Strict => {}
            Mode::Permissive => {
                self.note("mode", Change::Stricter, "permissive permits nothing irreversible that no policy permits");
            }
            Mode::Paranoid => {
                let text = "what is irreversible waits for somebody's approval, too, whatever its risk";
                self.note("mode", Change::Stricter, text);
            }
        }
        Ok(())
    }

    fn permits(&mut self, relation: &Relation<'_>) -> Result<(), ImportError> {
        let at = &relation.at;
        let (Some(actor), Some(action)) = (relation.source, relation.target) else {
            self.note(at, Change::LeftOut, "a permit names an actor and an action: this one matched nothing");
            return Ok(());
        };
        let role = self.terms.resolve(at, actor, &[Kind::Actor], &mut self.notes)?.1;
        let action = self.terms.resolve(at, action, &[Kind::Action], &mut self.notes)?.1;
        let object = self.object(relation)?;
        let mut actions = self.reachable(Kind::Action, &action);
        actions.insert(action);
        let mut when: Vec<Clause> = Vec::new();
        // Which others it may come with is known when all relations are.
        when.extend(object.class.map(|class| Clause::Covered(class, BTreeSet::new())));
        let conditions = self.conditions(relation);
        if !conditions.is_empty() {
            self.note(at, Change::Stricter, "its conditions count: Lexecon does not evaluate them");
        }
        when.extend(conditions.into_iter().map(Clause::Known));
        when.extend(relation.dates.conditions(&mut self.attributes).into_iter().map(Clause::Known));
        self.rule(relation, Effect::Permit, Some(role), Some(actions), object.resource, when, Vec::new());
        Ok(())
    }

    fn forbids(&mut self, relation: &Relation<'_>) -> Result<(), ImportError> {
        let at = &relation.at;
        let role = relation.source.map(|actor| self.terms.resolve(at, actor, &[Kind::Actor], &mut self.notes));
        let action = relation.target.map(|action| self.terms.resolve(at, action, &[Kind::Action], &mut self.notes));
        let (role, action) = (role.transpose()?, action.transpose()?);
        if role.is_none() || action.is_none() {
            let what = if role.is_none() { "actor" } else { "action" };
            self.note(
                at,
                Change::Stricter,
                format!("it names no {what}: it forbids for every one, and matched nothing"),
            );
        }
        let object = self.object(relation)?;
        let mut when: Vec<Clause> = Vec::new();
        when.extend(object.class.map(|class| Clause::AnyClass(self.narrower(&class))));
        let conditions = self.conditions(relation);
        if !conditions.is_empty() {
            let text = "where the request says that a condition does not hold, it does not forbid: Lexecon does not \
                        evaluate conditions and forbids always";
            self.note(at, Change::Looser, text);
        }
        when.extend(conditions.into_iter().map(Clause::NotRefuted));
        when.extend(relation.dates.conditions(&mut self.attributes).into_iter().map(Clause::NotRefuted));
        let (role, actions) = (role.map(|(_, role)| role), action.map(|(_, action)| BTreeSet::from([action])));
        self.rule(relation, Effect::Forbid, role, actions, object.resource, when, Vec::new());
        Ok(())
    }

    /// A forbid unless what is required is known to hold.
    fn requires(&mut self, relation: &Relation<'_>) -> Result<(), ImportError> {
        let at = &relation.at;
        let kinds = [Kind::Action, Kind::Actor, Kind::Context];
        let mut resolve = |text: &str, kinds: &[Kind]| self.terms.resolve(at, text, kinds, &mut self.notes);
        let source = relation.source.map(|text| resolve(text, &kinds[..2])).transpose()?;
        let target = relation.target.map(|text| resolve(text, &kinds)).transpose()?;
        let (mut role, mut actions, mut needed) = (None, None, Vec::new());
        match source {
            Some((Kind::Actor, actor)) => role = Some(actor),
            Some((_, action)) => actions = Some(BTreeSet::from([action])),
            None => {}
        }
        match target {
            Some((Kind::Action, action)) if actions.is_none() => actions = Some(BTreeSet::from([action])),
            Some((Kind::Action, action)) => {
                let text = format!("that `{action}` was done before is nothing that a decision can see");
                self.note(at, Change::LeftOut, text);
                return Ok(());
            }
            Some((Kind::Actor, actor)) => needed.push(Clause::Role(actor)),
            Some((_, context)) => needed.extend(self.attributes.read(&context).0.into_iter().map(Clause::Known)),
            None => {}
        }
        needed.extend(self.conditions(relation).into_iter().map(Clause::Known));
        if needed.is_empty() {
            self.note(at, Change::LeftOut, "it requires nothing that a request can show");
            return Ok(());
        }
        let object = self.object(relation)?;
        let mut when: Vec<Clause> = Vec::new();
        when.extend(object.class.map(|class| Clause::AnyClass(self.narrower(&class))));
        when.extend(relation.dates.conditions(&mut self.attributes).into_iter().map(Clause::NotRefuted));
        self.note(at, Change::Stricter, "what it requires must be shown: Lexecon records it and does not evaluate it");
        self.rule(relation, Effect::Forbid, role, actions, object.resource, when, needed);
        Ok(())
    }

    fn implies(&mut self, relation: &Relation<'_>) -> Result<(), ImportError> {
        let at = &relation.at;
        let Some((kind, source, target)) = self.pair(relation)? else { return Ok(()) };
        if source == target || self.reachable(kind, &target).contains(&source) {
            self.note(at, Change::LeftOut, format!("`{target}` implies `{source}` already: it closes a circle"));
            return Ok(());
        }
        let (change, text) = match kind {
            Kind::Actor => {
                (Change::Looser, format!("whoever is `{source}` is `{target}`, too, for permits and forbids"))
            }
            Kind::Action => (Change::Looser, format!("whoever is permitted `{source}` is permitted `{target}`, too")),
            Kind::Data => {
                (Change::Stricter, format!("what is forbidden for `{target}` is forbidden for `{source}`, too"))
            }
            Kind::Resource | Kind::Context => {
                self.note(at, Change::LeftOut, "resources and contexts imply nothing for a decision");
                return Ok(());
            }
        };
        self.note(at, change, format!("{text}: Lexecon records it and does not evaluate it"));
        self.implied.entry((kind, source)).or_default().insert(target);
        Ok(())
    }

    fn conflicts(&mut self, relation: &Relation<'_>) -> Result<(), ImportError> {
        let at = &relation.at;
        let Some((kind, one, other)) = self.pair(relation)? else { return Ok(()) };
        if one == other {
            self.note(at, Change::LeftOut, format!("`{one}` stands twice: nothing conflicts with itself"));
            return Ok(());
        }
        let (role, clause) = match kind {
            Kind::Actor => (Some(one), Clause::Role(other)),
            Kind::Data => (None, Clause::AllClasses(BTreeSet::from([one, other]))),
            Kind::Action | Kind::Resource | Kind::Context => {
                self.note(at, Change::LeftOut, format!("a decision is about one {}, and sees no other", kind.word()));
                return Ok(());
            }
        };
        self.note(at, Change::Stricter, "both at once are forbidden: Lexecon records it and does not evaluate it");
        let mut when = vec![clause];
        when.extend(self.conditions(relation).into_iter().map(Clause::NotRefuted));
        when.extend(relation.dates.conditions(&mut self.attributes).into_iter().map(Clause::NotRefuted));
        self.rule(relation, Effect::Forbid, role, None, None, when, Vec::new());
        Ok(())
    }

    /// Two terms of one kind.
    fn pair(&mut self, relation: &Relation<'_>) -> Result<Option<(Kind, String, String)>, ImportError> {
        let at = &relation.at;
        let (Some(one), Some(other)) = (relation.source, relation.target.or(relation.object)) else {
            self.note(at, Change::LeftOut, "it names one term and not two");
            return Ok(None);
        };
        let (kind, one) = self.terms.resolve(at, one, &Kind::ALL, &mut self.notes)?;
        let (other_kind, other) = self.terms.resolve(at, other, &Kind::ALL, &mut self.notes)?;
        if kind == other_kind {
            return Ok(Some((kind, one, other)));
        }
        let text = format!("`{one}` is of another kind ({}) than `{other}` ({})", kind.word(), other_kind.word());
        self.note(at, Change::LeftOut, text);
        Ok(None)
    }

    fn object(&mut self, relation: &Relation<'_>) -> Result<Object, ImportError> {
        let Some(object) = relation.object else { return Ok(Object::default()) };
        let kinds = [Kind::Data, Kind::Resource];
        Ok(match self.terms.resolve(&relation.at, object, &kinds, &mut self.notes)? {
            (Kind::Resource, resource) => Object { class: None, resource: Some(resource) },
            (_, class) => Object { class: Some(class), resource: None },
        })
    }

    fn conditions(&mut self, relation: &Relation<'_>) -> Vec<condition::Condition> {
        let mut all = Vec::new();
        for text in &relation.conditions {
            let (conditions, is_opaque) = self.attributes.read(text);
            if let Some(condition) = conditions.first().filter(|_| is_opaque) {
                let text = format!("`context.{}` says whether “{text}” holds", condition.attribute);
                self.note(&relation.at, Change::Same, text);
            }
            all.extend(conditions);
        }
        all
    }

    /// What a term implies, through others too.
    fn reachable(&self, kind: Kind, term: &str) -> BTreeSet<String> {
        let (mut reached, mut queue) = (BTreeSet::new(), vec![term.to_owned()]);
        while let Some(next) = queue.pop() {
            let direct = self.implied.get(&(kind, next)).into_iter().flatten();
            queue.extend(direct.filter(|term| reached.insert((*term).clone())).cloned());
        }
        reached
    }

    /// The class and those that imply it.
    fn narrower(&self, class: &str) -> BTreeSet<String> {
        let known = self.terms.of(Kind::Data).map(str::to_owned);
        known.filter(|other| other == class || self.reachable(Kind::Data, other).contains(class)).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a policy, each from another place")]
    fn rule(
        &mut self,
        relation: &Relation<'_>,
        effect: Effect,
        role: Option<String>,
        actions: Option<BTreeSet<String>>,
        resource: Option<String>,
        when: Vec<Clause>,
        unless: Vec<Clause>,
    ) {
        let parts = [relation.source, relation.target, relation.object].into_iter().flatten();
        let made = [relation.kind.word()].into_iter().chain(parts).collect::<Vec<_>>().join(":");
        // Cedar shows an id with what it escapes; so that it reads alike everywhere there is nothing to escape.
        let base: String =
            relation.id.unwrap_or(&made).chars().map(|c| if c.escape_debug().count() == 1 { c } else { '_' }).collect();
        let numbered = (2_u32..).map(|n| format!("{base}#{n}"));
        let mut ids = [base.clone()].into_iter().chain(numbered);
        let id = ids.find(|id| self.rules.iter().all(|rule| rule.id != *id)).unwrap_or(base);
        let (at, reason) = (relation.at.clone(), relation.reason.map(str::to_owned));
        self.rules.push(Rule { id, at, reason, effect, role, actions, resource, when, unless });
    }

    /// A request of several classes is permitted where each of them is, alike.
    fn cover(&mut self) {
        type Key = (Option<String>, Option<BTreeSet<String>>, Vec<Clause>);
        let key = |rule: &Rule| -> Key {
            let others = rule.when.iter().filter(|clause| !matches!(clause, Clause::Covered(..)));
            (rule.role.clone(), rule.actions.clone(), others.cloned().collect())
        };
        let mut groups: Vec<(Key, BTreeSet<String>)> = Vec::new();
        for rule in &self.rules {
            for clause in &rule.when {
                if let Clause::Covered(class, _) = clause {
                    let own = key(rule);
                    match groups.iter_mut().find(|(key, _)| *key == own) {
                        Some((_, classes)) => drop(classes.insert(class.clone())),
                        None => groups.push((own, BTreeSet::from([class.clone()]))),
                    }
                }
            }
        }
        for rule in &mut self.rules {
            let own = key(rule);
            let found = groups.iter().find(|(key, _)| *key == own).map(|(_, classes)| classes);
            for clause in &mut rule.when {
                if let (Clause::Covered(_, all), Some(classes)) = (clause, found) {
                    all.clone_from(classes);
                }
            }
        }
    }

    fn finish(mut self, name: Name, description: Option<String>) -> Import {
        self.cover();
        let has_classes = self.terms.of(Kind::Data).next().is_some();
        if has_classes {
            let text = "every request says its data classes in `context.data_classes`, `[]` if there are none, and a \
                        permit must cover each of them: Lexecon took a permit for one as a permit for all";
            self.note("terms", Change::Stricter, text);
        }
        if self.attributes.kinds().any(|(name, _)| name == NOW) {
            self.note(
                "the policy",
                Change::Stricter,
                "dates count, against `context.now`: Lexecon does not evaluate them",
            );
        }
        let policies: Vec<String> = self.rules.iter().map(Rule::cedar).collect();
        let roles: Vec<String> = self.terms.of(Kind::Actor).map(str::to_owned).collect();
        let role = |id: &str| json!({ "type": "Role", "id": id });
        let direct = |id: &String| self.implied.get(&(Kind::Actor, id.clone()));
        let entities = roles.iter().filter_map(|id| {
            let parents: Vec<Value> = direct(id)?.iter().map(|parent| role(parent)).collect();
            Some(json!({ "uid": role(id), "attrs": {}, "parents": parents }))
        });
        Import {
            name,
            description,
            mode: self.mode,
            schema: self.schema(has_classes),
            policies: policies.join("\n"),
            entities: entities.collect(),
            tests: self.tests(has_classes),
            notes: self.notes,
        }
    }

    fn schema(&self, has_classes: bool) -> String {
        let mut out = "\
entity Role in [Role];
entity User in [Role];
entity Service in [Role];
entity Agent in [Role];
entity Resource;
// A step's action may be one of those below.
entity Definition;
entity Step in [Definition];

// What a request says besides. What it leaves out is not known: permits do not apply then, and forbids do.
type Asked = {\n"
            .to_owned();
        if has_classes {
            out.push_str(&format!("  {CLASSES}: Set<String>,\n"));
        }
        for (name, kind) in self.attributes.kinds() {
            out.push_str(&format!("  {name}?: {kind},\n"));
        }
        out.push_str("};\n");
        for action in self.terms.of(Kind::Action) {
            let action = quote(action);
            out.push_str(&format!(
                "\naction {action} appliesTo {{\n  principal: [User, Service, Agent], resource: [Resource, Step], context: Asked\n}};\n"
            ));
        }
        out
    }

    /// A test of each policy, and for each action one of somebody without a role.
    fn tests(&self, has_classes: bool) -> Vec<Value> {
        let implied: Implied =
            self.terms.of(Kind::Actor).map(|role| (role.to_owned(), self.reachable(Kind::Actor, role))).collect();
        // Without an action there is nothing to ask.
        let any = self.terms.of(Kind::Action).next();
        let of_rules = self.rules.iter().filter_map(|rule| Some((rule.id.clone(), rule.question(any?))));
        // Under `permissive` what nobody is permitted is permitted all the same.
        let is_open = self.mode == Mode::Permissive;
        let of_nobody = self.terms.of(Kind::Action).filter(|_| !is_open).map(|action| {
            (format!("nobody in particular: {action}"), Question { action: action.to_owned(), ..Question::default() })
        });
        let test = |(name, question): (String, Question)| {
            let (is_permit, policies) = question.answer(&self.rules, &implied);
            let mut context: Map<String, Value> =
                question.context.iter().map(|(name, value)| (name.clone(), value.json())).collect();
            if has_classes {
                context.insert(CLASSES.to_owned(), question.classes.iter().map(String::as_str).collect());
            }
            let expect = if is_permit { Outcome::Permit } else { Outcome::Deny };
            let resource = question.resource.as_deref().unwrap_or("any");
            json!({
                "name": name, "principal": { "kind": "agent", "roles": question.roles }, "action": question.action,
                "resource": { "type": "Resource", "id": resource }, "context": context,
                "expect": expect.word(), "policies": policies,
            })
        };
        of_rules.chain(of_nobody).map(test).collect()
    }
}

/// What kind of relation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RelationKind {
    Permits,
    Forbids,
    Requires,
    Implies,
    Conflicts,
}

impl RelationKind {
    const ALL: [Self; 5] = [Self::Permits, Self::Forbids, Self::Requires, Self::Implies, Self::Conflicts];

    const fn word(self) -> &'static str {
        match self {
            Self::Permits => "permits",
            Self::Forbids => "forbids",
            Self::Requires => "requires",
            Self::Implies => "implies",
            Self::Conflicts => "conflicts",
        }
    }
}

/// A relation, its references still texts.
#[derive(Debug)]
struct Relation<'a> {
    at: String,
    kind: RelationKind,
    id: Option<&'a str>,
    source: Option<&'a str>,
    target: Option<&'a str>,
    object: Option<&'a str>,
    conditions: Vec<&'a str>,
    reason: Option<&'a str>,
    dates: Dates,
}

impl<'a> Relation<'a> {
    fn read_all(relations: Option<&'a Value>, dates: &Dates, notes: &mut Vec<Note>) -> Result<Vec<Self>, ImportError> {
        let Some(relations) = relations else { return Ok(Vec::new()) };
        let relations = relations.as_array().ok_or_else(|| ImportError::new("relations", "it must be a list"))?;
        let read = |(number, json): (usize, &'a Value)| Self::read(format!("relations[{number}]"), json, dates, notes);
        relations.iter().enumerate().map(read).collect()
    }

    fn read(at: String, json: &'a Value, policy: &Dates, notes: &mut Vec<Note>) -> Result<Self, ImportError> {
        let map = json.as_object().ok_or_else(|| ImportError::new(&at, "it must be an object"))?;
        let word = text(map, &["relation_type", "type"], &at)?;
        let word = word.ok_or_else(|| ImportError::new(format!("{at}.type"), "it is missing"))?;
        let kind = RelationKind::ALL.into_iter().find(|kind| kind.word() == word);
        let kind = kind.ok_or_else(|| ImportError::new(format!("{at}.type"), format!("`{word}` is no relation")))?;
        let none = Map::new();
        let metadata = map.get("metadata").and_then(Value::as_object);
        // A key may stand in the relation or in its metadata.
        let find = |keys: &[&str]| match text(map, keys, &at)? {
            Some(found) => Ok(Some(found)),
            None => metadata.map_or(Ok(None), |metadata| text(metadata, keys, &at)),
        };
        let mut conditions: Vec<&str> = find(&["condition"])?.into_iter().collect();
        if let Some(list) = map.get("conditions") {
            let texts = list.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
            conditions.extend(texts.ok_or_else(|| ImportError::new(format!("{at}.conditions"), "a list of texts"))?);
        }
        let known = ["relation_id", "id", "relation_type", "type", "source", "subject", "target", "action", "object"];
        let known = known.iter().chain(&["conditions", "condition", "justification", "metadata"]);
        let known: BTreeSet<&str> = known.chain(&BEGINS).chain(&ENDS).copied().collect();
        for key in map.keys().filter(|key| !known.contains(key.as_str())) {
            let text = format!("`{key}` says nothing about decisions");
            notes.push(Note { at: at.clone(), change: Change::LeftOut, text });
        }
        let dates = Dates::read(&at, &[map, metadata.unwrap_or(&none)])?.within(policy);
        Ok(Self {
            kind,
            id: text(map, &["relation_id", "id"], &at)?,
            source: text(map, &["source", "subject"], &at)?,
            target: text(map, &["target", "action"], &at)?,
            object: find(&OBJECT)?,
            conditions,
            reason: find(&["justification"])?,
            dates,
            at,
        })
    }
}

/// From when and until when something holds, as Cedar writes times.
#[derive(Debug, Clone, Default)]
struct Dates {
    begin: Option<String>,
    end: Option<String>,
}

impl Dates {
    fn read(at: &str, maps: &[&Map<String, Value>]) -> Result<Self, ImportError> {
        let find = |keys: &[&str]| {
            let found = maps.iter().map(|map| text(map, keys, at)).collect::<Result<Vec<_>, _>>()?;
            found.into_iter().flatten().next().map(|date| read_date(at, date)).transpose()
        };
        Ok(Self { begin: find(&BEGINS)?, end: find(&ENDS)? })
    }

    /// What lies in both.
    fn within(self, outer: &Self) -> Self {
        let (begin, end) = ([self.begin, outer.begin.clone()], [self.end, outer.end.clone()]);
        Self { begin: begin.into_iter().flatten().max(), end: end.into_iter().flatten().min() }
    }

    fn conditions(&self, attributes: &mut Attributes) -> Vec<condition::Condition> {
        let begin = self.begin.as_ref().map(|date| attributes.date(date, true));
        let end = self.end.as_ref().map(|date| attributes.date(date, false));
        // The beginning last: a test asks at it, and it lies before the end.
        end.into_iter().chain(begin).collect()
    }
}

fn read_date(at: &str, text: &str) -> Result<String, ImportError> {
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let time = whole.parse::<Timestamp>().map_err(|err| ImportError::new(at, format!("`{text}` is no date: {err}")))?;
    // To the millisecond, which is all that Cedar takes.
    let time = Timestamp::from_micros(time.as_millis().saturating_mul(1_000)).to_string();
    let seconds = time.get(..19).unwrap_or(&time);
    let millis = time.get(20..23).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    Ok(format!("{seconds}.{}Z", millis.unwrap_or("000")))
}

/// The text at the first of these keys that is there.
fn text<'a>(map: &'a Map<String, Value>, keys: &[&str], at: &str) -> Result<Option<&'a str>, ImportError> {
    let Some((key, value)) = keys.iter().find_map(|key| Some((key, map.get(*key)?))) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| ImportError::new(format!("{at}.{key}"), "it must be text"))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests;
