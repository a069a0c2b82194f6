//! Faults that a start asks for, so that teams can test what their own handlers do about a failure, a lost answer or a
//! late hand-out. They are part of what a transaction begins with: recorded, and the same in replay.

use crate::definition::{Definition, DefinitionKind};
use crate::event::StepError;
use crate::status::Phase;
use chancery_base::limits::{
    ATTEMPTS_MAX, FAULT_ATTEMPTS_MAX, FAULT_DELAY_MAX, FAULT_MESSAGE_BYTES_MAX, FAULTS_MAX, NAME_BYTES_MAX,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Something that is to go wrong. The fields stand in the order of their names, as all of a head do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// At which attempts, from 1; none: at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<u32>>,
    /// What goes wrong.
    pub fault: FaultKind,
    /// At the step, its compensation or its confirm.
    pub phase: Phase,
    /// At which step: all its clones, where it fans out, or one of them: `ship[3]`.
    pub step: String,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The attempt is handed out to nobody and fails.
    Error {
        /// As what.
        error: StepError,
        /// Whether it counts as one that may have taken effect.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unknown: bool,
    },
    /// The attempt is handed out, and its answer is thrown away: whether it took effect is unknown.
    LoseAnswer,
    /// The attempt is handed out, its answer is thrown away, and it does not count as one of the step's attempts: the
    /// handler is called once more than the definition says.
    Repeat,
    /// The attempt is handed out so much later.
    Delay {
        /// In microseconds.
        us: u64,
    },
}

/// A fault that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct BadFault {
    /// Where, such as `faults[2].step`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    /// Whether it is one of an attempt: of a step, by its id, and of a clone, by its name too.
    #[must_use]
    pub fn fits(&self, (id, name): (&str, &str), phase: Phase, attempt: u32) -> bool {
        let is_of = self.step == id || self.step == name;
        is_of && self.phase == phase && self.attempts.as_ref().is_none_or(|attempts| attempts.contains(&attempt))
    }

    /// How much later than without faults an attempt may be handed out.
    #[must_use]
    pub fn delay_of(faults: &[Self], named: (&str, &str), phase: Phase, attempt: u32) -> Duration {
        let fitting = faults.iter().filter(|fault| fault.fits(named, phase, attempt));
        let delays = fitting.map(|fault| match fault.fault {
            FaultKind::Delay { us } => Duration::from_micros(us),
            FaultKind::Error { .. } | FaultKind::LoseAnswer | FaultKind::Repeat => Duration::ZERO,
        });
        delays.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Checks the faults of a start.
    ///
    /// # Errors
    /// Says where the first one is that can't happen in this definition, or is over a limit.
    pub fn check_all(faults: &[Self], definition: &Definition) -> Result<(), BadFault> {
        if faults.is_empty() {
            return Ok(());
        }
        if faults.len() > FAULTS_MAX {
            let message = format!("{} faults, at most {FAULTS_MAX} are allowed", faults.len());
            return Err(BadFault { path: "faults".to_owned(), message });
        }
        if definition.kind == DefinitionKind::Open {
            let name = &definition.name;
            let message = format!("`{name}` is open: its driver makes its attempts, and can fail them itself");
            return Err(BadFault { path: "faults".to_owned(), message });
        }
        for (place, fault) in faults.iter().enumerate() {
            let bad = |(part, message)| BadFault { path: format!("faults[{place}].{part}"), message };
            fault.check_step(definition).map_err(bad)?;
            fault.check_attempts().map_err(bad)?;
            fault.fault.check().map_err(bad)?;
        }
        Ok(())
    }

    fn check_step(&self, definition: &Definition) -> Result<(), (&'static str, String)> {
        let named: String = self.step.chars().take(NAME_BYTES_MAX).collect();
        let missing = || ("step", format!("the definition `{}` has no step `{named}`", definition.name));
        let node = definition.find_node(&self.step).ok_or_else(missing)?;
        let step = definition.step(node.step).ok_or_else(missing)?;
        if node.index().is_some() && step.each.is_none() {
            return Err(("step", format!("step `{}` does not fan out: it has no clones", step.id)));
        }
        match step.run_of(self.phase) {
            None => Err(("phase", format!("step `{}` has no `{}`", step.id, self.phase.word()))),
            Some(run) if run.is_passive() => {
                Err(("step", format!("step `{}` waits: no attempt of it is handed out", step.id)))
            }
            Some(run) if run.child().is_some() => {
                let message = format!("step `{}` runs a transaction: no attempt of it is handed out", step.id);
                Err(("step", message))
            }
            Some(run) if run.is_inline() => {
                let message = format!("nobody is called for step `{}`: no attempt of it is handed out", step.id);
                Err(("step", message))
            }
            Some(_) if self.fault == FaultKind::Repeat && step.retry_of(self.phase).is_some_and(|retry| retry.once) => {
                Err(("fault", format!("step `{}` says `attempts: once`: it is not called twice", step.id)))
            }
            Some(_) => Ok(()),
        }
    }

    fn check_attempts(&self) -> Result<(), (&'static str, String)> {
        let Some(attempts) = &self.attempts else {
            let is_endless = self.fault == FaultKind::Repeat;
            let message = "a repeat of all attempts never ends: name the attempts that are repeated";
            return if is_endless { Err(("attempts", message.to_owned())) } else { Ok(()) };
        };
        if attempts.is_empty() || attempts.len() > FAULT_ATTEMPTS_MAX {
            return Err(("attempts", format!("name 1 to {FAULT_ATTEMPTS_MAX} attempts, or say `all`")));
        }
        match attempts.iter().find(|attempt| !(1..=ATTEMPTS_MAX).contains(*attempt)) {
            Some(attempt) => Err(("attempts", format!("attempts are 1 to {ATTEMPTS_MAX}, not {attempt}"))),
            None => Ok(()),
        }
    }
}

impl FaultKind {
    fn check(&self) -> Result<(), (&'static str, String)> {
        match self {
            Self::Error { error, .. } if !(1..=NAME_BYTES_MAX).contains(&error.r#type.len()) => {
                Err(("fault.error.type", format!("an error's type has 1 to {NAME_BYTES_MAX} bytes")))
            }
            Self::Error { error, .. } if error.message.len() > FAULT_MESSAGE_BYTES_MAX => {
                Err(("fault.error.message", format!("at most {FAULT_MESSAGE_BYTES_MAX} bytes are allowed")))
            }
            Self::Delay { us } if *us == 0 || Duration::from_micros(*us) > FAULT_DELAY_MAX => {
                let longest = chancery_base::duration::format(FAULT_DELAY_MAX);
                Err(("fault.delay", format!("a delay is longer than 0 and at most `{longest}`")))
            }
            Self::Error { .. } | Self::LoseAnswer | Self::Repeat | Self::Delay { .. } => Ok(()),
        }
    }
}
