//! How risky what is asked for is, by the tables of its bundle.
//!
//! A bundle's `risk` is an object of `tables`, a list of decision tables ([`chancery_rules::Table`]). Each output of
//! one is named as a [`Dimension`] and is a whole number from 0 to 100. Where several tables give one dimension, the
//! highest counts; a table of which no row fires says nothing. The tables see `principal` (`id`, `kind`, `name`, `roles`,
//! `attributes`), `action`, `resource` (`type`, `id`, `attributes`) and `context`.

use chancery_base::limits::{RISK_FUEL, RISK_TABLES_MAX};
use chancery_expr::{Scope, Tree};
use chancery_policy::{Bundle, Dimension, External, Information, Principal, Request, Risk, RiskRow};
use chancery_rules::{Evaluation, Finding, Hit, HitPolicy, Severity, Table, Type};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What the tables are asked with.
const NAMES: [&str; 4] = ["principal", "action", "resource", "context"];
/// The highest that a dimension can be given.
const MOST: u8 = 100;
/// The attribute of the context that the score is given as.
pub const ATTRIBUTE: &str = "risk";

/// The risk tables of a bundle, compiled.
#[derive(Debug, Clone)]
pub struct RiskTables {
    tables: Vec<Table>,
}

/// What is wrong with a bundle's risk tables, or probably is, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskFinding {
    /// The table: its name, or `tables[0]` where it has none that can be read. None where it is about none.
    pub table: Option<String>,
    /// What it is.
    pub finding: Finding,
}

impl RiskFinding {
    fn error(table: Option<&str>, row: Option<usize>, column: Option<&str>, message: impl Into<String>) -> Self {
        let (column, message) = (column.map(str::to_owned), message.into());
        let finding = Finding { severity: Severity::Error, row, column, message };
        Self { table: table.map(str::to_owned), finding }
    }

    /// Where in the bundle it is: `risk`, `risk, table …`.
    #[must_use]
    pub fn place(&self) -> String {
        self.table.as_ref().map_or_else(|| "risk".to_owned(), |table| format!("risk, table `{table}`"))
    }
}

impl fmt::Display for RiskFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.finding)
    }
}

/// Reads the risk tables of a bundle, if it has any, and looks for all that is wrong with them: what the analysis of
/// each finds, and its test cases. The warnings and notes are given with them.
///
/// # Errors
/// If one can't be read, contradicts itself, fails a test, or does not give dimensions.
pub fn check(bundle: &Bundle) -> Result<Vec<RiskFinding>, Vec<RiskFinding>> {
    let Some(document) = bundle.risk() else { return Ok(Vec::new()) };
    let tables = RiskTables::read(document)?;
    let mut findings: Vec<RiskFinding> = bundle
        .not_long(ATTRIBUTE)
        .map(|action| {
            let message = format!("action `{action}` declares `context.{ATTRIBUTE}`, but not as a Long");
            RiskFinding::error(None, None, None, message)
        })
        .collect();
    for table in &tables.tables {
        let name = Some(table.name().to_string());
        let found = |finding: Finding| RiskFinding { table: name.clone(), finding };
        findings.extend(table.analyse().into_iter().map(found));
        let failures = table.test().into_iter().filter(|result| !result.passed());
        findings.extend(failures.map(|result| RiskFinding::error(name.as_deref(), None, None, result.to_string())));
    }
    let (faults, others): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|found| found.finding.severity == Severity::Error);
    if faults.is_empty() { Ok(others) } else { Err(faults) }
}

impl RiskTables {
    /// Reads what a bundle says of risk.
    ///
    /// # Errors
    /// All that is wrong with its form, with its tables and its rows.
    pub fn read(document: &Value) -> Result<Self, Vec<RiskFinding>> {
        let one = |message: String| vec![RiskFinding::error(None, None, None, message)];
        let form = || one("it is an object with a list of `tables`, and nothing else".to_owned());
        let Some(map) = document.as_object().filter(|map| map.len() == 1) else { return Err(form()) };
        let Some(documents) = map.get("tables").and_then(Value::as_array) else { return Err(form()) };
        if documents.is_empty() || documents.len() > RISK_TABLES_MAX {
            return Err(one(format!("there are 1 to {RISK_TABLES_MAX} tables, not {}", documents.len())));
        }
        let (mut tables, mut faults, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (number, document) in documents.iter().enumerate() {
            let name = document.get("name").and_then(Value::as_str).map(str::to_owned);
            let name = name.unwrap_or_else(|| format!("tables[{number}]"));
            match Table::read(document) {
                Ok(table) => {
                    faults.extend(misfits(&table));
                    if !names.insert(table.name().clone()) {
                        faults.push(RiskFinding::error(Some(&name), None, None, "another table has the same name"));
                    }
                    tables.push(table);
                }
                Err(err) => {
                    let found = |finding: Finding| RiskFinding { table: Some(name.clone()), finding };
                    faults.extend(err.0.into_iter().map(found));
                }
            }
        }
        if faults.is_empty() { Ok(Self { tables }) } else { Err(faults) }
    }

    /// How risky a request is.
    ///
    /// # Errors
    /// Which table could not say, and why; or that none of them says anything of it.
    pub fn assess(&self, bundle: &Bundle, asker: Asker<'_>, request: &Request) -> Result<Risk, String> {
        let (principal, resource) = (asker.to_json(bundle), resource_json(bundle, request));
        let context = Value::Object(request.context.clone());
        let mut scope = Scope::new();
        scope.bind("principal", Tree::Value(&principal));
        scope.bind("action", Tree::Text(request.action.clone()));
        scope.bind("resource", Tree::Value(&resource));
        scope.bind("context", Tree::Value(&context));
        let (mut dimensions, mut rows, mut fuel) = (BTreeMap::new(), Vec::new(), RISK_FUEL);
        for table in &self.tables {
            let wrong = |problem: String| format!("risk table `{}`: {problem}", table.name());
            let evaluation = table.evaluate(&scope, &mut fuel).map_err(|err| wrong(err.to_string()))?;
            for (dimension, risk) in given(table, &evaluation).map_err(wrong)? {
                let highest: &mut u8 = dimensions.entry(dimension).or_default();
                *highest = risk.max(*highest);
            }
            // Of rows with an order only the first was obeyed.
            let obeyed = if table.hit_policy() == HitPolicy::Priority { 1 } else { usize::MAX };
            rows.extend(evaluation.fired.iter().take(obeyed).map(|fired| RiskRow {
                table: table.name().clone(),
                version: table.version(),
                row: fired.row,
                id: table.row_id(fired.row).cloned(),
            }));
        }
        Risk::of(dimensions, rows).ok_or_else(|| "no row of the bundle's risk tables fires for it".to_owned())
    }
}

/// What of a table does not fit one that says how high risks are.
fn misfits(table: &Table) -> Vec<RiskFinding> {
    let name = Some(table.name().as_str());
    let mut found = Vec::new();
    if table.hit_policy().is_list() {
        let message = format!("the hit policy `{}` gives a list: a risk is one number", table.hit_policy().word());
        found.push(RiskFinding::error(name, None, None, message));
    }
    for (input, access) in table.references().filter(|(_, access)| !NAMES.contains(&access.root.as_str())) {
        let message = format!("`{}` is not known here: there are {}", access.root, NAMES.join(", "));
        found.push(RiskFinding::error(name, None, Some(input), message));
    }
    for (output, kind) in table.outputs() {
        if Dimension::of_word(output).is_none() {
            let words = Dimension::ALL.map(Dimension::word).join(", ");
            found.push(RiskFinding::error(name, None, Some(output), format!("an output is one of {words}")));
        }
        if kind != Type::Integer {
            found.push(RiskFinding::error(name, None, Some(output), "a risk is of the type `integer`"));
        }
        let constants = (1..=table.rows()).filter_map(|row| Some((row, table.constant(row, output)?)));
        for (row, value) in constants.filter(|(_, value)| of_value(value).is_none()) {
            found.push(RiskFinding::error(
                name,
                Some(row),
                Some(output),
                format!("a risk is 0 to {MOST}, not {value}"),
            ));
        }
    }
    found
}

fn of_value(value: &Value) -> Option<u8> {
    value.as_u64().and_then(|risk| u8::try_from(risk).ok()).filter(|risk| *risk <= MOST)
}

/// What a table gave of each dimension.
fn given(table: &Table, evaluation: &Evaluation) -> Result<Vec<(Dimension, u8)>, String> {
    for fired in &evaluation.fired {
        if let Some((output, value)) = fired.outputs.iter().find(|(_, value)| of_value(value).is_none()) {
            return Err(format!("row {}, `{output}`: a risk is 0 to {MOST}, not {value}", fired.row));
        }
    }
    let outputs = match &evaluation.hit {
        Hit::One(outputs) => outputs,
        Hit::None => return Ok(Vec::new()),
        Hit::List(_) => return Err("it gives a list".to_owned()),
    };
    let dimensions = outputs.iter().map(|(output, value)| {
        let dimension = Dimension::of_word(output).ok_or_else(|| format!("`{output}` is no dimension"))?;
        // A sum or a count of what is each within the bounds may be beyond them.
        Ok((dimension, of_value(value).unwrap_or(MOST)))
    });
    debug_assert!(table.hit_policy().aggregates() || outputs.values().all(|value| of_value(value).is_some()));
    dimensions.collect()
}

/// Who asks, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// A principal of the directory.
    Principal(&'a Principal),
    /// Somebody that the directory does not know, who has no roles, and an id for a name.
    External(&'a External),
}

impl Asker<'_> {
    fn to_json(self, bundle: &Bundle) -> Value {
        match self {
            Self::Principal(principal) => {
                let roles: Vec<&str> = principal.roles.iter().map(AsRef::as_ref).collect();
                json!({
                    "id": principal.id.to_string(), "kind": principal.id.kind().entity_type(),
                    "name": principal.name, "roles": roles, "attributes": principal.attributes,
                })
            }
            Self::External(External { entity, attributes: asserted, information }) => {
                let mut attributes = bundle.attributes_of(entity).cloned().unwrap_or_default();
                let told = match information {
                    Information::Known { attributes, .. } => Some(attributes),
                    Information::Unasked | Information::InBundle | Information::Missing(_) => None,
                };
                let said = told.into_iter().flatten().chain(asserted);
                attributes.extend(said.map(|(name, value)| (name.clone(), value.clone())));
                json!({ "id": entity.id, "kind": entity.kind, "name": entity.id, "roles": [], "attributes": attributes })
            }
        }
    }
}

/// The resource with what the bundle's entities say of it and what the request does. What of that the schema does not
/// let a request say is denied whatever the tables make of it.
fn resource_json(bundle: &Bundle, request: &Request) -> Value {
    let resource = &request.resource;
    let mut attributes: Map<String, Value> = bundle.attributes_of(&resource.entity).cloned().unwrap_or_default();
    attributes.extend(resource.attributes.iter().map(|(name, value)| (name.clone(), value.clone())));
    json!({ "type": resource.entity.kind, "id": resource.entity.id, "attributes": attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(document: &Value, expected: &str) {
        let said = match RiskTables::read(document) {
            Ok(tables) => format!("{} tables", tables.tables.len()),
            Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        };
        assert!(said.contains(expected), "expected {expected:?} in {said:?}");
    }

    fn table(edit: impl FnOnce(&mut Value)) -> Value {
        let mut table = json!({
            "name": "amounts", "version": 1, "hit_policy": "first",
            "inputs": [{ "name": "amount", "type": "integer", "expression": "context.amount" }],
            "outputs": [{ "name": "financial", "type": "integer" }],
            "rows": [{ "when": { "amount": "> 100" }, "then": { "financial": 90 } }, { "then": { "financial": 10 } }],
        });
        edit(&mut table);
        json!({ "tables": [table] })
    }

    #[test]
    fn risk_tables_are_of_one_form() {
        check(&table(|_| {}), "1 tables");
        check(&json!([]), "risk: it is an object with a list of `tables`");
        check(&json!({ "tables": [], "more": 1 }), "and nothing else");
        check(&json!({ "tables": [] }), "there are 1 to 32 tables, not 0");
        check(&json!({ "tables": vec![1; RISK_TABLES_MAX + 1] }), "not 33");
        check(&json!({ "tables": [1] }), "risk, table `tables[0]`: it is no object");
        check(
            &table(|table| table["rows"][0]["when"]["amount"] = json!("'x'")),
            "`amounts`: row 1, `amount`: \"x\" is not",
        );
        check(&table(|table| table["hit_policy"] = json!("collect")), "`collect` gives a list");
        check(&table(|table| table["inputs"][0]["expression"] = json!("ctx.amount")), "`ctx` is not known here");
        check(&table(|table| table["outputs"][0]["type"] = json!("number")), "of the type `integer`");
        check(
            &table(|table| table["rows"][1]["then"]["financial"] = json!(101)),
            "row 2, `financial`: a risk is 0 to 100",
        );
        let named = table(|table| {
            table["outputs"][0]["name"] = json!("money");
            table["rows"] = json!([{ "then": { "money": 1 } }]);
        });
        check(&named, "`money`: an output is one of security, privacy");
        let mut twice = table(|_| {});
        let first = twice["tables"][0].clone();
        twice["tables"].as_array_mut().unwrap().push(first);
        check(&twice, "another table has the same name");
    }
}
