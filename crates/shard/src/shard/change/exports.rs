//! Exports: entries leave, and nothing changes but that it is recorded.

use crate::entry::kind;
use crate::input::ExportMade;
use crate::payload::Payload;
use crate::shard::work::Work;
use chancery_base::PrincipalId;
use chancery_ledger::{Data, Word};

pub(super) fn made(actor: PrincipalId, export: &ExportMade, work: &mut Work) -> u64 {
    let data = Data::new()
        .count("from", export.from)
        .count("to", export.to)
        .bool("payloads", export.payloads)
        .word("format", export.form.word());
    let data = match &export.filter.transaction {
        Some(transaction) => data.word("transaction", transaction),
        None => data,
    };
    let kinds = export.filter.kinds.as_ref().map(Word::as_str);
    let payload = Payload::new().text("justification", &export.justification).maybe_text("kinds", kinds);
    work.write_control(kind::EXPORT_MADE, actor, data, Some(payload.finish()))
}
