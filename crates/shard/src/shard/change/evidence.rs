//! Artefacts that prove something.

use super::{Changed, id_word};
use crate::control::Control;
use crate::entry::kind;
use crate::evidence::{Evidence, Terms, check_until};
use crate::input::Refusal;
use crate::payload::Payload;
use crate::row::{ControlRow, EvidenceContentRow, Sealed};
use crate::shard::Shard;
use crate::shard::work::Work;
use chancery_base::limits::{EVIDENCE_BYTES_MAX, EVIDENCE_ERASED_AT_ONCE, EVIDENCE_MAX};
use chancery_base::{Digest, EvidenceId, PrincipalId, Timestamp};
use chancery_ledger::Data;
use std::time::Duration;

/// When who meets the limit should come again: some of it has to come to its end.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Adds an artefact.
pub(super) fn add(
    actor: PrincipalId,
    (id, terms, until): (EvidenceId, &Terms, Timestamp),
    content: Option<&[u8]>,
    control: &Control,
    work: &mut Work,
) -> Changed {
    terms.check().and_then(|()| check_until(work.now, until)).map_err(Refusal::Invalid)?;
    check_content(terms, content)?;
    if control.evidence.get(id).is_some() {
        return Err(Refusal::Exists(format!("evidence {id}")));
    }
    if control.evidence.len() >= EVIDENCE_MAX {
        return Err(Refusal::Limited { what: "evidence of a tenant", max: EVIDENCE_MAX, retry_after: RETRY_AFTER });
    }
    let evidence = Evidence { id, terms: terms.clone(), by: actor, added_at: work.now, until };
    let data = Data::new().word("evidence", id_word(id.to_string())).bool("stored", content.is_some());
    let data = match evidence.transaction() {
        Some(transaction) => data.word("transaction", &transaction),
        None => data,
    };
    let data = data.int("until", until.as_micros());
    let payload = Payload::new().serialize("terms", terms);
    let content = content.map(|content| EvidenceContentRow { id, body: Sealed::plain(content.to_vec()) });
    work.control.push(ControlRow::Evidence(evidence.row(), content));
    work.raise();
    Ok(Some(work.write_control(kind::EVIDENCE_ADDED, actor, data, Some(payload.finish()))))
}

/// The digest is that of the content, and so is the size.
fn check_content(terms: &Terms, content: Option<&[u8]>) -> Result<(), Refusal> {
    let Some(content) = content else {
        let is_said = terms.size.is_some();
        let refusal = || Refusal::Invalid("size: only of content that is stored is its size known".to_owned());
        return if is_said { Err(refusal()) } else { Ok(()) };
    };
    if content.len() > EVIDENCE_BYTES_MAX {
        let bytes = content.len();
        return Err(Refusal::Invalid(format!("content: {bytes} bytes, it may have {EVIDENCE_BYTES_MAX} to be stored")));
    }
    if Digest::of(content) != terms.digest || u64::try_from(content.len()).ok() != terms.size {
        return Err(Refusal::Invalid("digest: it is not that of the content".to_owned()));
    }
    Ok(())
}

impl Shard {
    /// Erases what has come to its end, with an entry for each, at the end of a batch.
    pub(in crate::shard) fn erase_evidence(&self, control: &Control, work: &mut Work) {
        if work.raises() || work.is_closed || work.is_full() || !self.keeps_evidence() {
            return;
        }
        for id in control.evidence.ended(work.now).take(EVIDENCE_ERASED_AT_ONCE) {
            let data = Data::new().word("evidence", id_word(id.to_string()));
            work.control.push(ControlRow::EvidenceGone(id));
            work.raise();
            work.write_control(kind::EVIDENCE_EXPIRED, PrincipalId::SYSTEM, data, None);
        }
    }

    /// When the next of it comes to its end.
    pub(in crate::shard) fn next_evidence_end(&self) -> Option<Timestamp> {
        self.control.as_ref().filter(|_| self.keeps_evidence()).and_then(|control| control.evidence.next_end())
    }

    /// Only a tenant's shard 0 changes its control state.
    fn keeps_evidence(&self) -> bool {
        !self.stopping && !self.draining && self.log.as_ref().is_some_and(|log| log.shard == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::ControlRows;
    use crate::row::TenantRow;
    use chancery_base::{Entropy, TenantId};

    fn terms() -> Terms {
        let media_type = "text/plain".to_owned();
        let digest = Digest::of(b"elsewhere");
        Terms { name: "dpia".parse().unwrap(), media_type, digest, size: None, link: None, bound: None }
    }

    /// A control state with so much evidence.
    fn with(count: usize) -> Control {
        let mut entropy = Entropy::from_seed([3; 32]);
        let evidence = |_| {
            let id = EvidenceId::draw(Timestamp::EPOCH, &mut entropy);
            let until = Timestamp::EPOCH.plus(Duration::from_secs(9));
            Evidence { id, terms: terms(), by: PrincipalId::SYSTEM, added_at: Timestamp::EPOCH, until }.row()
        };
        let evidence = (0..count).map(evidence).collect();
        let tenant =
            TenantRow { tenant: TenantId::system(), shards: 1, hash_key: [0; 32], created_at: Timestamp::EPOCH };
        let rows = ControlRows {
            control_epoch: 1,
            tenant,
            principals: Vec::new(),
            credentials: Vec::new(),
            targets: Vec::new(),
            queues: Vec::new(),
            settings: None,
            maintenance: None,
            stops: Vec::new(),
            budgets: Vec::new(),
            accounts: Vec::new(),
            evidence,
            notifiers: Vec::new(),
            overrides: Vec::new(),
            retention: None,
            trust: None,
            signing_secrets: Vec::new(),
            definitions: Vec::new(),
            bundle: None,
            shadow: None,
        };
        Control::from_rows(&rows, |_, _| Err("there is none".to_owned())).unwrap()
    }

    #[test]
    fn a_tenant_has_so_much_of_it_at_most() {
        let log = "main/system/0/1".parse().unwrap();
        let mut work = Work::new(Timestamp::EPOCH, Entropy::from_seed([4; 32]), log, 1, 1);
        let id = EvidenceId::from_bytes([1; 16]);
        let until = Timestamp::EPOCH.plus(Duration::from_secs(60));
        let mut add = |control: &Control| add(PrincipalId::SYSTEM, (id, &terms(), until), None, control, &mut work);
        let limited = add(&with(EVIDENCE_MAX));
        assert!(matches!(limited, Err(Refusal::Limited { max: EVIDENCE_MAX, .. })), "{limited:?}");
        assert!(matches!(add(&with(EVIDENCE_MAX - 1)), Ok(Some(1))));
    }
}
