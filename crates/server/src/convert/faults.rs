//! Faults that a start asks for.

use super::workers;
use chancery_api::transaction::{AllAttempts, Fault, FaultAttempts, FaultKind, InjectedError};
use chancery_api::worker::Phase;
use chancery_app::Error;
use chancery_base::duration;
use chancery_engine as engine;
use std::time::Duration;

/// The faults of a start; the error says at which one what is wrong.
pub(super) fn asked(faults: Vec<Fault>) -> Result<Vec<engine::Fault>, Error> {
    faults.into_iter().enumerate().map(|(place, fault)| one(place, fault)).collect()
}

fn one(place: usize, fault: Fault) -> Result<engine::Fault, Error> {
    let invalid = |part: &str, message: String| Error::Invalid(format!("faults[{place}].fault.{part}: {message}"));
    let kind = match fault.fault {
        FaultKind::Error(error) => engine::FaultKind::Error {
            unknown: error.unknown,
            error: engine::StepError {
                r#type: error.error_type,
                message: error.message,
                detail: None,
                is_final: error.is_final,
                injected: true,
            },
        },
        FaultKind::LoseAnswer(true) => engine::FaultKind::LoseAnswer,
        FaultKind::LoseAnswer(false) => {
            return Err(invalid("lose_answer", "write `true`, or leave the fault out".to_owned()));
        }
        FaultKind::Repeat(true) => engine::FaultKind::Repeat,
        FaultKind::Repeat(false) => {
            return Err(invalid("repeat", "write `true`, or leave the fault out".to_owned()));
        }
        FaultKind::Delay(text) => {
            let delay = duration::parse(&text).map_err(|error| invalid("delay", error.to_string()))?;
            engine::FaultKind::Delay { us: super::micros(delay) }
        }
    };
    let attempts = match fault.attempts {
        FaultAttempts::Every(AllAttempts::All) => None,
        FaultAttempts::These(attempts) => Some(attempts),
    };
    let phase = match fault.phase {
        Phase::Do => engine::Phase::Do,
        Phase::Undo => engine::Phase::Undo,
        Phase::Confirm => engine::Phase::Confirm,
    };
    Ok(engine::Fault { attempts, fault: kind, phase, step: fault.step })
}

/// A fault as it was asked for.
pub(super) fn shown(fault: engine::Fault) -> Fault {
    let kind = match fault.fault {
        engine::FaultKind::Error { error, unknown } => FaultKind::Error(InjectedError {
            error_type: error.r#type,
            message: error.message,
            unknown,
            is_final: error.is_final,
        }),
        engine::FaultKind::LoseAnswer => FaultKind::LoseAnswer(true),
        engine::FaultKind::Repeat => FaultKind::Repeat(true),
        engine::FaultKind::Delay { us } => FaultKind::Delay(duration::format(Duration::from_micros(us))),
    };
    let attempts = fault.attempts.map_or(FaultAttempts::Every(AllAttempts::All), FaultAttempts::These);
    Fault { step: fault.step, phase: workers::phase(fault.phase), attempts, fault: kind }
}
