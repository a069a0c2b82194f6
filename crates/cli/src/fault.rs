//! Faults as the command line names them: `charge=error:Declined`, `charge/undo@2=lose`.

use chancery_api::transaction::{AllAttempts, Fault, FaultAttempts, FaultKind, InjectedError};
use chancery_api::worker::Phase;
use chancery_base::duration;

const FORM: &str = "write it as STEP[/undo|/confirm][@ATTEMPT,…|@all]=FAULT, such as `charge@2=lose`";
const KINDS: &str = "a fault is `error:TYPE`, `final:TYPE`, `unknown:TYPE`, `lose`, `repeat` or `delay:5s`";

/// Reads a fault.
pub(crate) fn parse(text: &str) -> Result<Fault, String> {
    let (place, fault) = text.split_once('=').ok_or(FORM)?;
    let (node, attempts) = match place.split_once('@') {
        Some((node, attempts)) => (node, read_attempts(attempts)?),
        None => (place, FaultAttempts::default()),
    };
    let (step, phase) = match node.split_once('/') {
        None | Some((_, "do")) => (node.strip_suffix("/do").unwrap_or(node), Phase::Do),
        Some((step, "undo")) => (step, Phase::Undo),
        Some((step, "confirm")) => (step, Phase::Confirm),
        Some((_, other)) => return Err(format!("`{other}` is none of do, undo and confirm: {FORM}")),
    };
    if step.is_empty() {
        return Err(FORM.to_owned());
    }
    Ok(Fault { step: step.to_owned(), phase, attempts, fault: read_kind(fault)? })
}

/// A fault as [`parse`] reads it.
pub(crate) fn text(fault: &Fault) -> String {
    let phase = match fault.phase {
        Phase::Do => "",
        Phase::Undo => "/undo",
        Phase::Confirm => "/confirm",
    };
    let attempts = match &fault.attempts {
        first if *first == FaultAttempts::default() => String::new(),
        FaultAttempts::Every(AllAttempts::All) => "@all".to_owned(),
        FaultAttempts::These(these) => {
            format!("@{}", these.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        }
    };
    let kind = match &fault.fault {
        FaultKind::Error(InjectedError { error_type, is_final: true, .. }) => format!("final:{error_type}"),
        FaultKind::Error(InjectedError { error_type, unknown: true, .. }) => format!("unknown:{error_type}"),
        FaultKind::Error(InjectedError { error_type, .. }) => format!("error:{error_type}"),
        FaultKind::LoseAnswer(_) => "lose".to_owned(),
        FaultKind::Repeat(_) => "repeat".to_owned(),
        FaultKind::Delay(delay) => format!("delay:{delay}"),
    };
    format!("{}{phase}{attempts}={kind}", fault.step)
}

fn read_attempts(text: &str) -> Result<FaultAttempts, String> {
    if text == "all" {
        return Ok(FaultAttempts::Every(AllAttempts::All));
    }
    let number = |number: &str| match number.parse::<u32>() {
        Ok(number) if number > 0 => Ok(number),
        Ok(_) | Err(_) => Err(format!("`{number}` is no attempt: {FORM}")),
    };
    text.split(',').map(number).collect::<Result<_, _>>().map(FaultAttempts::These)
}

fn read_kind(text: &str) -> Result<FaultKind, String> {
    let error = |error_type: &str, unknown, is_final| {
        if error_type.is_empty() {
            return Err(KINDS.to_owned());
        }
        let (error_type, message) = (error_type.to_owned(), String::new());
        Ok(FaultKind::Error(InjectedError { error_type, message, unknown, is_final }))
    };
    match text.split_once(':') {
        None if text == "lose" => Ok(FaultKind::LoseAnswer(true)),
        None if text == "repeat" => Ok(FaultKind::Repeat(true)),
        Some(("error", named)) => error(named, false, false),
        Some(("final", named)) => error(named, false, true),
        Some(("unknown", named)) => error(named, true, false),
        Some(("delay", delay)) => match duration::parse(delay) {
            Ok(_) => Ok(FaultKind::Delay(delay.to_owned())),
            Err(error) => Err(error.to_string()),
        },
        None | Some(_) => Err(format!("`{text}`: {KINDS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[track_caller]
    fn check(text: &str, expected: &Value) {
        let read = parse(text);
        if let Ok(fault) = &read {
            assert_eq!(parse(&super::text(fault)).as_ref(), Ok(fault), "{text}");
        }
        let read = read.map(|fault| serde_json::to_value(fault).unwrap());
        assert_eq!(read.unwrap_or_else(Value::from), *expected, "{text}");
    }

    #[test]
    fn a_fault_is_read() {
        let at = |step: &str, phase: &str, attempts: Value, fault: Value| json!({ "step": step, "phase": phase, "attempts": attempts, "fault": fault });
        let error = json!({ "error": { "type": "Declined", "message": "" } });
        check("charge=error:Declined", &at("charge", "do", json!([1]), error.clone()));
        check("charge/do=error:Declined", &at("charge", "do", json!([1]), error));
        let unknown = json!({ "error": { "type": "Cut", "message": "", "unknown": true } });
        check("charge/undo@1,3=unknown:Cut", &at("charge", "undo", json!([1, 3]), unknown));
        let fatal = json!({ "error": { "type": "Closed", "message": "", "final": true } });
        check("seat/confirm@all=final:Closed", &at("seat", "confirm", json!("all"), fatal));
        check("charge@2=lose", &at("charge", "do", json!([2]), json!({ "lose_answer": true })));
        check("charge@1,2=repeat", &at("charge", "do", json!([1, 2]), json!({ "repeat": true })));
        check("ship[3]=delay:5s", &at("ship[3]", "do", json!([1]), json!({ "delay": "5s" })));
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        check("charge", &json!(FORM));
        check("=lose", &json!(FORM));
        check("charge@0=lose", &json!(format!("`0` is no attempt: {FORM}")));
        check("charge/redo=lose", &json!(format!("`redo` is none of do, undo and confirm: {FORM}")));
        check("charge=error:", &json!(KINDS));
        check("charge=twice", &json!(format!("`twice`: {KINDS}")));
        check(
            "charge=delay:5",
            &json!("`5` is not a duration: write a whole number and one of ms, s, m, h, d, such as `30s`"),
        );
    }
}
