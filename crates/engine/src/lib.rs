//! Definitions of sagas, TCCs and open transactions, and the state machine that runs them: commands and answers in,
//! events out.
//!
//! Pure: time is an argument, and nothing here knows of workers' connections, policies or the ledger.

mod conditions;
pub mod definition;
mod event;
mod fault;
mod fork;
mod headers;
mod node;
mod open;
mod request;
pub mod schedule;
pub mod search;
mod settings;
mod state;
mod status;
mod tcc;
mod transaction;

pub use conditions::{AccountId, AccountOf, Charge, Conditions};
pub use event::{
    Beginning, CarriedOut, Cause, ChildStart, Deed, Emission, Event, Failure, Parent, Permitted, Signal, StepError,
};
pub use fault::{BadFault, Fault, FaultKind};
pub use fork::{Fork, ForkRefusal, Inherited, Origin, Stood};
pub use headers::Headers;
pub use node::NodeRef;
pub use open::{Intent, IntentResource, IntentTarget, IntentUndo, OpenHead};
pub use request::{
    Acknowledgement, Deferral, Delegation, Demand, Gate, Opener, Person, REQUEST_WARNED_BEFORE, RequestAnswer,
    RequestFact, RequestKind, RequestRefusal, RequestState, RequestStatus, RequestTerms, Requested, Say, Trigger,
    sla_of,
};
pub use settings::Settings;
pub use state::{Head, KeptSignal, StepState, UndoState, left_undone};
pub use status::{CauseKind, Phase, ShownStatus, Status, StepStatus, UndoStatus};
pub use tcc::{ParticipantState, TccState};
pub use transaction::{
    Answer, Asked, Authorization, Call, ChildEnd, Cx, Given, IllegalEvent, LoadError, Look, Offer, OpenRefusal,
    Outgoing, Parts, Ready, Refusal, RequestAt, Staged, Summary, Transaction, queue_ends,
};
