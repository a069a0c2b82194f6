//! Reports as CSV (RFC 4180), for spreadsheets.

use chancery_api::report::{AccessRow, SeparationReport};

/// The header of a review of access.
pub(super) const ACCESS: &str = "principal,name,by,action,resource_type,resource,may,why\r\n";

pub(super) fn access(rows: &[AccessRow]) -> String {
    let line = |row: &AccessRow| {
        record(&[
            &row.principal.to_string(),
            &row.name,
            &row.by,
            &row.action,
            &row.resource_type,
            row.resource.as_deref().unwrap_or_default(),
            row.finding.word(),
            &row.reasons.join("; "),
        ])
    };
    rows.iter().map(line).collect()
}

pub(super) fn separation(report: &SeparationReport) -> String {
    let mut text = record(&["pair", "principal", "name", "did", "within", "first_entry", "second_entry"]);
    for found in &report.pairs {
        let pair = found.pair.name.as_str();
        for could in &found.potential {
            let of: Vec<&str> = could.definitions.iter().map(|name| name.as_str()).collect();
            text += &record(&[pair, &could.principal.to_string(), &could.name, "could", &of.join(" "), "", ""]);
        }
        for did in &found.actual {
            let (principal, first, second) = (did.principal.to_string(), did.first.to_string(), did.second.to_string());
            text += &record(&[pair, &principal, "", "did", &did.within, &first, &second]);
        }
    }
    text
}

fn record(fields: &[&str]) -> String {
    let fields: Vec<String> = fields.iter().map(|text| field(text)).collect();
    fields.join(",") + "\r\n"
}

/// A field. What a spreadsheet would take for a formula is a text.
fn field(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_must_be_and_is_no_formula() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"yes\"", "\"say \"\"yes\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@a,b", "\"'@a,b\""),
        ] {
            assert_eq!(field(text), expected);
        }
    }
}
