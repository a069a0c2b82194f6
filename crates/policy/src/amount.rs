//! Amounts that an obligation says as expressions.

use chancery_base::json::INTEGER_MAX;
use chancery_expr::{FUEL_DEFAULT, Program, Scope};

/// A CEL expression that gives a whole number, zero or more.
#[derive(Debug, Clone)]
pub struct Amount(Program);

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Amount {}

impl Amount {
    /// What an amount that is about to be spent may use: the action's context, the resource's attributes, and the
    /// step's input.
    pub const OF_STEP: &[&str] = &["context", "input", "resource"];
    /// What an amount that was spent may use: the step's output.
    pub const OF_OUTCOME: &[&str] = &["output"];

    /// Reads it.
    ///
    /// # Errors
    /// Says what is no expression, or which name it does not know.
    pub fn read(text: &str, names: &[&str]) -> Result<Self, String> {
        let program =
            Program::compile(text).map_err(|err| format!("line {}, column {}: {err}", err.line, err.column))?;
        if let Some(unknown) = program.references().find(|access| !names.contains(&access.root.as_str())) {
            return Err(format!("`{}` is not known here: there are {}", unknown.root, list(names)));
        }
        Ok(Self(program))
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// How much it is.
    ///
    /// # Errors
    /// If it can't be told, or is no whole number, zero or more.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<u64, String> {
        let value = self.0.evaluate(scope, FUEL_DEFAULT).map_err(|err| format!("`{}`: {err}", self.text()))?;
        let most = INTEGER_MAX.unsigned_abs();
        let amount = value.as_ref().and_then(serde_json::Value::as_u64).filter(|amount| *amount <= most);
        amount.ok_or_else(|| {
            let value = value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
            format!("`{}` gives {value}, which is no whole number from 0 to {most}", self.text())
        })
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_expr::Tree;
    use serde_json::json;

    #[test]
    fn an_amount_is_a_whole_number_of_what_is_known() {
        let context = json!({ "cents": 250, "share": 0.5, "back": -1 });
        let mut scope = Scope::new();
        scope.bind("context", Tree::Value(&context));
        for (text, amount) in [("context.cents", 250), ("context.cents * 2 + 1", 501), ("7", 7), ("0", 0)] {
            assert_eq!(Amount::read(text, Amount::OF_STEP).unwrap().evaluate(&scope), Ok(amount), "{text}");
        }
        for (text, why) in [
            ("context.back", "gives -1, which is no whole number"),
            ("context.share", "gives 0.5, which is no whole number"),
            ("'7'", "gives \"7\", which is no whole number"),
            ("context.euros", "there is no `euros`"),
            ("context.?euros", "gives nothing"),
        ] {
            let err = Amount::read(text, Amount::OF_STEP).unwrap().evaluate(&scope).unwrap_err();
            assert!(err.contains(why), "{text}: {err}");
        }
    }

    #[test]
    fn what_is_no_expression_or_uses_what_is_not_there_is_refused() {
        for (text, why) in [
            ("context.", "line 1, column"),
            ("principal.cents", "`principal` is not known here: there are `context`, `input`, `resource`"),
        ] {
            let err = Amount::read(text, Amount::OF_STEP).unwrap_err();
            assert!(err.contains(why), "{text}: {err}");
        }
        assert!(Amount::read("input.cents", Amount::OF_OUTCOME).unwrap_err().contains("there are `output`"));
    }
}
