//! People who answer requests, and those who may not and try to.

use super::World;
use super::clients::Purpose;
use crate::Material;
use crate::faults::Fault;
use crate::model::Check;
use chancery_base::{PrincipalId, RequestId, TransactionId};
use chancery_engine::{NodeRef, Refusal as EngineRefusal, Say};
use chancery_shard::input::{Command, Refusal, RequestAsk, RequestCommand, Response};
use std::time::Duration;

/// After how much calm nobody is asked any more: what waits then is terminated.
const PATIENCE: Duration = Duration::from_secs(20);

/// What somebody said, and to what.
#[derive(Debug)]
pub(crate) struct Said {
    transaction: TransactionId,
    request: RequestId,
    by: PrincipalId,
    what: &'static str,
}

impl World {
    /// Whether people are asked.
    pub(super) const fn has_requests(&self) -> bool {
        matches!(self.options.material, Material::Asked)
    }

    /// Somebody says something to a request: who may as well as who may not, in time and too late.
    pub(super) fn speak(&mut self) -> Check {
        let is_over = self.rng.permille(120);
        let asked = self.asked(is_over);
        let Some((id, node, request)) = self.rng.pick(&asked).copied() else { return Ok(()) };
        let principals = self.principals_of(id);
        let (Some(by), Some(to)) = (self.rng.pick(&principals).copied(), self.rng.pick(&principals).copied()) else {
            return Ok(());
        };
        let is_short = self.rng.permille(60);
        let why = if is_short { "looks fine" } else { "the figures were checked against the order" };
        let justification = why.to_owned();
        let ask = match self.rng.below(100) {
            0..60 => RequestAsk::Answer { answer: Say::Approved, justification },
            60..68 => RequestAsk::Answer { answer: Say::Denied, justification },
            68..78 => RequestAsk::Acknowledge,
            78..90 => {
                let until = self.now.plus(Duration::from_millis(self.rng.below(12_000)));
                RequestAsk::Defer { until, justification }
            }
            _ => RequestAsk::Delegate { to, justification },
        };
        self.speak_to((id, node, request), by, ask)
    }

    /// Everybody answers what is asked still, and in the end nobody is asked any more.
    pub(super) fn end_requests(&mut self) -> Check {
        let is_over = self.gives_up_asking();
        for (id, node, request) in self.asked(false) {
            if is_over {
                self.operate_on(id, "terminate")?;
                continue;
            }
            let answer = if self.rng.permille(700) { Say::Approved } else { Say::Denied };
            for by in self.principals_of(id) {
                let justification = "everything that was asked is answered".to_owned();
                self.speak_to((id, node, request), by, RequestAsk::Answer { answer, justification })?;
            }
        }
        Ok(())
    }

    /// Whether people were asked for long enough.
    pub(super) fn gives_up_asking(&self) -> bool {
        self.has_requests() && self.now.since(self.clients.calm_at) > PATIENCE
    }

    /// What is asked, or was.
    fn asked(&self, is_over: bool) -> Vec<(TransactionId, NodeRef, RequestId)> {
        let of = self.model.open().flat_map(|(id, open)| open.requests.iter().map(move |asked| (id, asked)));
        let found = of.filter(|(_, (_, asked))| asked.is_over == is_over);
        found.map(|(id, (request, asked))| (id, asked.node, *request)).collect()
    }

    fn principals_of(&self, id: TransactionId) -> Vec<PrincipalId> {
        let tenant = self.model.transactions.get(&id).map(|of| &of.tenant);
        let tenant = self.tenants.iter().find(|state| Some(&state.id) == tenant);
        tenant.into_iter().flat_map(|tenant| &tenant.principals).map(|principal| principal.id).collect()
    }

    fn speak_to(
        &mut self,
        (transaction, node, request): (TransactionId, NodeRef, RequestId),
        by: PrincipalId,
        ask: RequestAsk,
    ) -> Check {
        let Some(log) = self.model.transactions.get(&transaction).map(|of| of.log) else { return Ok(()) };
        let place = self.places.iter().position(|(row, _)| row.id == log).unwrap_or(0);
        let Some(server) = self.server_of(place) else { return Ok(()) };
        let what = match &ask {
            RequestAsk::Acknowledge => "acknowledge",
            RequestAsk::Answer { .. } => "answer",
            RequestAsk::Defer { .. } => "defer",
            RequestAsk::Delegate { .. } => "delegate",
        };
        let command = RequestCommand { transaction, node, request, actor: by, ask };
        let said = Said { transaction, request, by, what };
        self.send(server, Command::Request(Box::new(command)), Purpose::Request(said))
    }

    /// Whether it may be said the outside record knows once it is in the ledger.
    pub(super) fn heard_said(&mut self, said: &Said, answer: Result<Response, Refusal>) -> Check {
        match answer {
            Ok(Response::Requested(_)) => {
                self.model.said_acknowledged(said.transaction, said.request, said.by, said.what)
            }
            Ok(other) => Err(format!("a word to a request was answered {other:?}")),
            Err(Refusal::Illegal(EngineRefusal::Request(_))) => {
                self.count(Fault::SayRefused);
                Ok(())
            }
            Err(
                Refusal::Missing(_)
                | Refusal::Illegal(_)
                | Refusal::Limited { .. }
                | Refusal::Unavailable(_)
                | Refusal::Unknown
                | Refusal::Stopped(_)
                | Refusal::Stopping,
            ) => Ok(()),
            // Nothing can be handed on to whoever is suspended.
            Err(Refusal::Invalid(_)) if said.what == "delegate" => Ok(()),
            Err(
                refusal @ (Refusal::Invalid(_)
                | Refusal::Denied(_)
                | Refusal::KeyReused(_)
                | Refusal::BusinessKeyTaken(_)
                | Refusal::Forked(_)
                | Refusal::SettingsMoved { .. }
                | Refusal::NotActivated(_)
                | Refusal::InputRefused { .. }
                | Refusal::Overlaps(_)
                | Refusal::Override(_)
                | Refusal::Schedule(_)
                | Refusal::Exists(_)
                | Refusal::NotFound(_)
                | Refusal::TooManyRunning { .. }
                | Refusal::Maintenance { .. }),
            ) => Err(format!("a word to a request was refused: {refusal}")),
        }
    }
}
