//! Forks: transactions that take over from one that has ended.
//!
//! INVARIANT: a transaction is forked once. Its history is closed and its rows are final: that it was forked stands in
//! the fork's beginning, and a key of its own, which is written once and in the same commit, keeps a second one away.

use super::build::Needs;
use super::dispatch::{KeyOf, NO_BUNDLE, Standing, key_hash, refused};
use super::work::Work;
use super::{Control, Shard};
use crate::input::{Fork, Refusal, ReplyTo, Response};
use crate::row::{KeyRow, KeyScope};
use chancery_base::webhook::hmac_sha256;
use chancery_base::{DecisionId, Digest, Name, TransactionId, json};
use chancery_engine::{Beginning, Given, Inherited, Settings, ShownStatus, Transaction};
use serde_json::Value;
use std::sync::Arc;

/// The keyed hash under which it stands that a transaction was forked.
#[must_use]
pub fn fork_hash(hash_key: &[u8; 32], source: TransactionId) -> [u8; 32] {
    key_hash(hash_key, KeyScope::Fork, "", &source.to_string())
}

/// What tells one fork of a transaction from another that is asked for.
pub(crate) fn fork_request(hash_key: &[u8; 32], key: Option<&str>, step: &Name, justification: &str) -> [u8; 32] {
    let asked = [key.map_or(Value::Null, Value::from), Value::from(step.as_str()), Value::from(justification)];
    hmac_sha256(hash_key, &[&json::canonical(&Value::from(asked.to_vec()))])
}

impl Shard {
    /// Its source, whether that was forked before, and who has its business key.
    pub(super) fn needs_of_fork(&self, fork: &Fork, needs: &mut Needs) {
        let Some(control) = &self.control else { return };
        let source = self.members.get(&fork.source);
        if source.is_none() && !self.asked.contains(&fork.source) {
            needs.transactions.insert(fork.source);
        }
        let of_fork = fork_key(control, fork.source);
        if !self.keys.contains_key(&of_fork) {
            needs.keys.insert(of_fork);
        }
        let Some(of_business) = source.and_then(|source| business_key(control, source)) else { return };
        match self.keys.get(&of_business) {
            None => {
                needs.keys.insert(of_business);
            }
            Some(Some(KeyRow { transaction, .. }))
                if !self.members.contains_key(transaction) && !self.asked.contains(transaction) =>
            {
                needs.transactions.insert(*transaction);
            }
            Some(_) => {}
        }
    }

    pub(super) fn fork(&mut self, reply: ReplyTo, fork: &Fork, control: &Control, work: &mut Work) {
        let answer = self.try_fork(fork, control, work);
        work.reply(reply, answer);
    }

    fn try_fork(&mut self, fork: &Fork, control: &Control, work: &mut Work) -> Result<Response, Refusal> {
        let of_fork = fork_key(control, fork.source);
        let key = fork.idempotency_key.as_deref();
        let request = fork_request(&control.tenant.hash_key, key, &fork.step, &fork.justification);
        if let Some(Some(row)) = self.keys.get(&of_fork) {
            let (id, is_same) = (row.transaction, key.is_some() && row.request == request);
            let status = self.members.get(&id).map_or(ShownStatus::Running, |member| member.shown());
            return if is_same {
                Ok(Response::Started { id, existing: true, status })
            } else {
                Err(Refusal::Forked(id))
            };
        }
        // What was forked stands as it stood: memory says no more than the store did.
        work.rests_on_memory = true;
        let source = self.members.get(&fork.source).ok_or(Refusal::Missing(fork.source))?;
        let of_business = business_key(control, source);
        let inherited = source.fork_from(fork.step.as_str()).map_err(chancery_engine::Refusal::from)?;
        if let Some(Some(row)) = of_business.and_then(|key| self.keys.get(&key))
            && self.members.get(&row.transaction).is_some_and(|member| !member.status().is_ended())
        {
            return Err(Refusal::BusinessKeyTaken(row.transaction));
        }
        if self.members.contains_key(&fork.id) {
            return Err(Refusal::Exists(format!("transaction {}", fork.id)));
        }
        if fork.id.slot() != fork.source.slot() {
            return Err(Refusal::Invalid("a fork is in the slot of its source".to_owned()));
        }
        self.expect_open(fork.is_closed, control, work)?;
        let id = DecisionId::draw(work.now, &mut work.entropy);
        let Some(bundle) = &control.bundle else {
            return Err(Refusal::Denied(Arc::new(refused(fork.actor, id, NO_BUNDLE, work))));
        };
        let source = self.members.get(&fork.source).ok_or(Refusal::Missing(fork.source))?;
        let member = begin((fork, id), source, &inherited, (bundle.digest(), &control.settings), work);
        let decision = self.decide_start(&member, bundle, control, work)?;
        self.keep_key(Some(of_fork), request, fork.id, work);
        self.keep_key(of_business, [0; 32], fork.id, work);
        self.enter(member, bundle, work);
        let standing = Standing { actor: fork.actor, decision: Some(&*decision) };
        self.run(fork.id, standing, work, |transaction, cx| transaction.start_fork(inherited, cx))?;
        let status = self.members.get(&fork.id).map_or(ShownStatus::Running, |member| member.shown());
        Ok(Response::Started { id: fork.id, existing: false, status })
    }
}

fn fork_key(control: &Control, source: TransactionId) -> KeyOf {
    (KeyScope::Fork, source.slot().number(), fork_hash(&control.tenant.hash_key, source))
}

fn business_key(control: &Control, source: &Transaction) -> Option<KeyOf> {
    let key = source.head().beginning.business_key.as_deref()?;
    let hash = key_hash(&control.tenant.hash_key, KeyScope::Business, key, "");
    Some((KeyScope::Business, source.id().slot().number(), hash))
}

/// A fork: of the version that its source ran, with its input, key and labels, under the bundle and with the settings
/// that are in force.
fn begin(
    (fork, decision): (&Fork, DecisionId),
    source: &Transaction,
    inherited: &[Inherited],
    (bundle, settings): (Digest, &Arc<Settings>),
    work: &Work,
) -> Transaction {
    let above = &source.head().beginning;
    let beginning = Beginning {
        bundle,
        business_key: above.business_key.clone(),
        definition: above.definition.clone(),
        digest: above.digest,
        // What was to go wrong for a test was its source's.
        faults: Vec::new(),
        fork: Some(chancery_engine::Fork {
            // INVARIANT: there are few enough: the engine has a limit.
            inherits: u32::try_from(inherited.len()).unwrap_or(u32::MAX),
            justification: fork.justification.clone(),
            source: fork.source,
            step: fork.step.clone(),
        }),
        headers: above.headers.clone(),
        id: fork.id,
        idempotency_key: fork.idempotency_key.clone(),
        labels: above.labels.clone(),
        parent: None,
        principal: fork.actor,
        settings: settings.version(),
        start_at: None,
        taint: source.taint(),
        traceparent: fork.traceparent.clone(),
        version: above.version,
        version_asked: None,
    };
    let given = Given { input: Arc::clone(&source.given().input), settings: Arc::clone(settings) };
    Transaction::begin(Arc::clone(source.definition()), Arc::new(beginning), given, decision, work.now, work.seq())
}
