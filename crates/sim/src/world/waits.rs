//! Clients of what waits: signals, early, late and twice; pauses; starts that are to come later.

use super::World;
use super::clients::Purpose;
use crate::Material;
use crate::model::Check;
use crate::reference::SignalName;
use chancery_base::{Document, Name, PrincipalId, TransactionId};
use chancery_engine::Signal;
use chancery_shard::input::{Command, Operation, Start};
use serde_json::json;
use std::time::Duration;

impl World {
    /// Whether somebody pauses what it runs; what waits for a signal gets one.
    pub(super) const fn has_waits(&self) -> bool {
        match self.options.material {
            Material::Narrow | Material::Wide | Material::Scheduled => false,
            Material::Varied
            | Material::Open
            | Material::Tcc
            | Material::Children
            | Material::Fanned
            | Material::Forked
            | Material::Asked
            | Material::Governed => true,
        }
    }

    /// Somebody signals, pauses or has something go on.
    pub(super) fn attend(&mut self) -> Check {
        let open: Vec<TransactionId> = self.model.open().map(|(id, _)| id).collect();
        let Some(id) = self.rng.pick(&open).copied() else { return Ok(()) };
        match self.rng.below(100) {
            0..30 => {
                let name = self.rng.pick(&SignalName::ALL).copied().unwrap_or(SignalName::Paid);
                let signal = self.message(name.word());
                self.send_signal(id, signal)
            }
            30..36 => self.operate_on(id, "pause"),
            36..44 => {
                let paused: Vec<TransactionId> =
                    self.model.open().filter(|(_, open)| open.is_paused).map(|(id, _)| id).collect();
                self.rng.pick(&paused).copied().map_or(Ok(()), |id| self.operate_on(id, "resume"))
            }
            _ => Ok(()),
        }
    }

    /// A start that may come later, or with a signal.
    pub(super) fn waiting_start(&mut self, start: Start) -> Start {
        // The driver of an open transaction is there when it begins.
        let is_open = start.definition.frame.is_some();
        let later =
            (!is_open && self.rng.permille(150)).then(|| self.now.plus(Duration::from_millis(self.rng.below(6_000))));
        let name = start.definition.steps.iter().find_map(|step| Some(step.signal()?.name.to_string()));
        let signal = name.filter(|_| self.rng.permille(300)).map(|name| self.message(&name));
        Start { start_at: later, signal: signal.flatten(), ..start }
    }

    /// In the end nothing waits for anybody.
    pub(super) fn end_waits(&mut self) -> Check {
        let open = self.model.open();
        let waits: Vec<(TransactionId, bool, Vec<&str>)> =
            open.map(|(id, open)| (id, open.is_paused, open.saga.awaited())).collect();
        for (id, is_paused, awaited) in waits {
            if is_paused {
                self.operate_on(id, "resume")?;
            }
            for name in awaited {
                let signal = self.message(name);
                self.send_signal(id, signal)?;
            }
        }
        Ok(())
    }

    fn message(&mut self, name: &str) -> Option<Signal> {
        let name: Name = name.parse().ok()?;
        let id = self.rng.permille(600).then(|| format!("signal-{}", self.rng.below(8)));
        Some(Signal { name, id, payload: Document::shared(json!({ "n": self.rng.below(9) })) })
    }

    fn send_signal(&mut self, to: TransactionId, signal: Option<Signal>) -> Check {
        let Some(transaction) = self.model.transactions.get(&to) else { return Ok(()) };
        let Some(signal) = signal else { return Ok(()) };
        let takes = |signal: &Signal| {
            let mut taken = transaction.definition.steps.iter().filter_map(|step| step.signal());
            taken.any(|found| found.name == signal.name)
        };
        if !takes(&signal) {
            return Ok(());
        }
        let place = self.places.iter().position(|(log, _)| log.id == transaction.log).unwrap_or(0);
        let actor = self.places.get(place).and_then(|(_, tenant)| self.tenants.get(*tenant));
        let actor = actor.and_then(|tenant| tenant.principals.first()).map_or(PrincipalId::SYSTEM, |first| first.id);
        let Some(server) = self.server_of(place) else { return Ok(()) };
        let operation = Operation { id: to, actor, justification: String::new() };
        let id = signal.id.clone();
        self.send(server, Command::Signal(operation, signal), Purpose::Signal(to, id))
    }
}
