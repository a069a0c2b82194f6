//! Exports.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::export::{ExportFormat, MakeExport};
use chancery_app::exports::{Ask, Bound, Filter, Form};
use chancery_base::Timestamp;
use chancery_ledger::Word;

pub(crate) fn export(body: MakeExport) -> Result<Ask, Failure> {
    let kinds = body.kinds.map(Word::new).transpose().map_err(|error| invalid("kinds", &error.to_string()))?;
    Ok(Ask {
        from: bound(("from", body.from), ("since", body.since))?,
        to: bound(("to", body.to), ("until", body.until))?,
        filter: Filter { transaction: body.transaction, kinds },
        payloads: body.payloads,
        form: match body.format {
            ExportFormat::Json => Form::Json,
            ExportFormat::Csv => Form::Csv,
            ExportFormat::Markdown => Form::Markdown,
            ExportFormat::Html => Form::Html,
        },
        justification: body.justification,
    })
}

/// An end of a range is named by an entry or by a time.
fn bound(
    (by_entry, seq): (&str, Option<u64>),
    (by_time, at): (&str, Option<Timestamp>),
) -> Result<Option<Bound>, Failure> {
    match (seq, at) {
        (Some(_), Some(_)) => Err(invalid(by_time, &format!("`{by_entry}` is named, too: one of them is enough"))),
        (seq, at) => Ok(seq.map(Bound::Entry).or(at.map(Bound::Time))),
    }
}
