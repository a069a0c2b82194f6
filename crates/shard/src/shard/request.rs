//! What people say to requests. Who may say it is decided here, in the commit that records it: by the directory as it is
//! then, and by what was said before.

use super::dispatch::Standing;
use super::stops;
use super::work::Work;
use super::{Control, Shard};
use crate::input::{Refusal, ReplyTo, RequestAsk, RequestCommand, Response};
use crate::request::RequestBody;
use crate::stop::StopOn;
use chancery_base::{Name, PrincipalId};
use chancery_engine::Person;
use std::collections::BTreeSet;

impl Shard {
    pub(super) fn request(&mut self, reply: ReplyTo, command: &RequestCommand, control: &Control, work: &mut Work) {
        let entries = work.entries.len();
        let answer = self.try_request(command, control, work);
        // What was said without an entry is what memory says.
        work.rests_on_memory |= work.entries.len() == entries;
        work.reply(reply, answer.map(|body| Response::Requested(Box::new(body))));
    }

    fn try_request(
        &mut self,
        command: &RequestCommand,
        control: &Control,
        work: &mut Work,
    ) -> Result<RequestBody, Refusal> {
        let RequestCommand { transaction, node, request, actor, ask } = command;
        if let Some(stop) = control.stops.on(&StopOn::Principal(*actor)) {
            return Err(stops::refuse(*actor, stop, work));
        }
        // What comes too late is too late, whether or not anybody looked.
        self.pass_time_of(*transaction, work)?;
        if let RequestAsk::Delegate { to, .. } = ask {
            expect_active(*to, control)?;
        }
        let nobody = BTreeSet::new();
        let roles: &BTreeSet<Name> = control.directory.principal(actor).map_or(&nobody, |principal| &principal.roles);
        let (at, person) = ((*node, *request), Person { id: *actor, roles });
        let standing = Standing { actor: *actor, decision: None };
        self.run(*transaction, standing, work, |member, cx| match ask.clone() {
            RequestAsk::Acknowledge => member.acknowledge(at, person, cx),
            RequestAsk::Answer { answer, justification } => {
                member.answer_request(at, person, answer, justification, cx)
            }
            RequestAsk::Defer { until, justification } => member.defer_request(at, person, until, justification, cx),
            RequestAsk::Delegate { to, justification } => member.delegate_request(at, person, to, justification, cx),
        })?;
        let member = self.members.get(transaction).ok_or(Refusal::Missing(*transaction))?;
        RequestBody::of(member, *node, *request).ok_or_else(|| Refusal::NotFound(format!("request {request}")))
    }
}

/// To whom something is handed on can act.
fn expect_active(to: PrincipalId, control: &Control) -> Result<(), Refusal> {
    match control.directory.principal(&to) {
        Some(principal) if principal.suspended => {
            Err(Refusal::Invalid(format!("{to} is suspended: nothing can be handed on to them")))
        }
        Some(_) => Ok(()),
        None => Err(Refusal::NotFound(format!("principal {to}"))),
    }
}
