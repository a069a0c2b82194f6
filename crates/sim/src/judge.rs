//! The outsider's record of a shard that a test drives, with definitions that somebody wrote: each batch is judged as
//! those of drawn runs are.

use crate::model::Model;
use crate::reference::{Plan, WrongRule};
use chancery_base::TransactionId;
use chancery_engine::Intent;
use chancery_engine::definition::Definition;
use chancery_shard::input::{Permit, ReportedOutcome, Task};
use chancery_shard::token::AttemptRef;
use chancery_store::SimStore;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a hand-out is leased where a shard's configuration says nothing else.
const LEASE: Duration = Duration::from_secs(10);

/// Judges what a shard does with a definition.
#[derive(Debug)]
pub struct Judge(Model);

impl Judge {
    /// Of transactions that have this input. `script` has the steps that the driver of an open one asks for.
    ///
    /// # Errors
    /// What of the definition's document the reference model does not know.
    pub fn new(
        definition: &Arc<Definition>,
        input: &Value,
        script: &[Intent],
        wrong_rule: Option<WrongRule>,
    ) -> Result<Self, String> {
        let plan = Plan::read(&definition.source, input, script);
        let plan = plan.map_err(|why| format!("definition {}: {why}", definition.name))?;
        let mut model = Model::new(LEASE, Duration::MAX, wrong_rule);
        model.know(definition, &Arc::new(plan));
        Ok(Self(model))
    }

    /// Looks at what has become durable since it looked last. An owner's batches have to be looked at before another
    /// owns the log.
    ///
    /// # Errors
    /// What does not hold.
    pub fn look(&mut self, store: &SimStore) -> Result<(), String> {
        self.0.look(store)
    }

    /// A worker was given a task.
    ///
    /// # Errors
    /// What does not hold.
    pub fn took(&mut self, task: &Task) -> Result<(), String> {
        self.0.delivered(task)
    }

    /// A driver was given a permit.
    ///
    /// # Errors
    /// What does not hold.
    pub fn permitted(&mut self, id: TransactionId, permit: &Permit) -> Result<(), String> {
        self.0.permit_acknowledged(id, permit)
    }

    /// Somebody says this of an attempt, whether or not it arrives.
    pub fn said(&mut self, attempt: AttemptRef, outcome: &ReportedOutcome) {
        self.0.report(attempt, outcome.clone());
    }
}
