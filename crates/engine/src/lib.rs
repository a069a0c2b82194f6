//! Definitions of sagas and the state machine that runs them: commands and answers in, events out.
//!
//! Pure: time is an argument, and nothing here knows of workers' connections, policies or the ledger.

pub mod definition;
mod event;
mod node;
mod state;
mod status;
mod transaction;

pub use event::{Beginning, Cause, Event, Failure, Signal, StepError};
pub use node::NodeRef;
pub use state::{Head, KeptSignal, StepState, UndoState, left_undone};
pub use status::{CauseKind, Phase, ShownStatus, Status, StepStatus, UndoStatus};
pub use transaction::{
    Answer, Authorization, Call, Cx, IllegalEvent, LoadError, Offer, Parts, Ready, Refusal, Staged, Summary,
    Transaction,
};
