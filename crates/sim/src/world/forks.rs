//! Those who fork what has ended, and ask for the same fork again.

use super::World;
use super::clients::Purpose;
use crate::Material;
use crate::model::{Check, TransactionModel};
use chancery_base::{Name, PrincipalId, TransactionId};
use chancery_engine::Refusal as EngineRefusal;
use chancery_shard::input::{Command, Fork, Refusal, Response};

/// A fork that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    source: TransactionId,
    step: Name,
    actor: PrincipalId,
    key: Option<String>,
}

impl World {
    /// Whether somebody forks what has ended.
    pub(super) const fn has_forks(&self) -> bool {
        matches!(self.options.material, Material::Forked)
    }

    /// Somebody forks something: most often what has ended, from any step of it, and sometimes again.
    pub(super) fn fork(&mut self) -> Check {
        if self.rng.permille(250)
            && let Some(asked) = self.rng.pick(&self.clients.forks).cloned()
        {
            return self.ask_for(asked);
        }
        let of_ended = self.rng.permille(900);
        let all = self.model.transactions.iter();
        let ids: Vec<TransactionId> = all.filter(|(_, of)| of.ended.is_some() == of_ended).map(|(id, _)| *id).collect();
        let Some(source) = self.rng.pick(&ids).copied() else { return Ok(()) };
        let steps = self.model.transactions.get(&source).map_or(0, TransactionModel::step_count);
        let Ok(step) = format!("s{}", self.rng.index(steps)).parse() else { return Ok(()) };
        let tenant = self.model.transactions.get(&source).map(|of| of.tenant.clone());
        let tenant = self.tenants.iter().find(|state| Some(&state.id) == tenant.as_ref());
        let Some(actor) = tenant.and_then(|tenant| self.rng.pick(&tenant.principals)).map(|actor| actor.id) else {
            return Ok(());
        };
        let key = self.rng.permille(500).then(|| format!("fork-{}", self.rng.below(9)));
        let asked = Asked { source, step, actor, key };
        self.clients.forks.push(asked.clone());
        self.ask_for(asked)
    }

    fn ask_for(&mut self, asked: Asked) -> Check {
        let Some(transaction) = self.model.transactions.get(&asked.source) else { return Ok(()) };
        let place = self.places.iter().position(|(log, _)| log.id == transaction.log).unwrap_or(0);
        let mut entropy = self.entropy();
        let fork = Fork {
            id: TransactionId::draw(self.now, asked.source.slot(), &mut entropy),
            actor: asked.actor,
            source: asked.source,
            step: asked.step.clone(),
            justification: "the simulator says so".to_owned(),
            idempotency_key: asked.key.clone(),
            traceparent: None,
            is_closed: false,
        };
        match self.server_of(place) {
            Some(server) => self.send(server, Command::Fork(Box::new(fork)), Purpose::Fork(asked)),
            None => Ok(()),
        }
    }

    pub(super) fn heard_fork(&mut self, asked: &Asked, answer: Result<Response, Refusal>) -> Check {
        match answer {
            Ok(Response::Started { id, existing, .. }) => {
                if existing && asked.key.is_none() {
                    return Err(format!("{id} was given again to somebody without a key"));
                }
                self.model.fork_acknowledged(asked.source, id)
            }
            Ok(other) => Err(format!("a fork was answered {other:?}")),
            Err(Refusal::Forked(id)) => self.model.fork_acknowledged(asked.source, id),
            Err(Refusal::Illegal(EngineRefusal::Fork(refusal))) => {
                self.model.fork_refused(asked.source, asked.step.as_str(), &refusal)
            }
            Err(Refusal::BusinessKeyTaken(id)) => self.model.start_acknowledged(id, None),
            Err(Refusal::Denied(decided)) if decided.permitted => Err("denied with a permit".to_owned()),
            Err(
                Refusal::Denied(_)
                | Refusal::Stopped(_)
                | Refusal::Unavailable(_)
                | Refusal::Unknown
                | Refusal::Stopping
                | Refusal::Limited { .. }
                | Refusal::TooManyRunning { .. },
            ) => Ok(()),
            Err(
                refusal @ (Refusal::Missing(_)
                | Refusal::KeyReused(_)
                | Refusal::Illegal(_)
                | Refusal::Overlaps(_)
                | Refusal::Override(_)
                | Refusal::Schedule(_)
                | Refusal::Exists(_)
                | Refusal::NotFound(_)
                | Refusal::Maintenance { .. }
                | Refusal::SettingsMoved { .. }
                | Refusal::NotActivated(_)
                | Refusal::InputRefused { .. }
                | Refusal::Invalid(_)),
            ) => Err(format!("a fork was refused: {refusal}")),
        }
    }
}
