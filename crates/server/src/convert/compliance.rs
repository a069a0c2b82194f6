//! Compliance packs, and how their controls stand.

use chancery_api::compliance::{
    CompliancePack, ComplianceStatus, ControlQuery, ControlStatus, FoundEntry, LackingPart, Standing,
};
use chancery_app::compliance::{self, Control, Expected, Pack, PackStatus, Query, QueryStatus};
use chancery_base::{Timestamp, duration};

pub(crate) fn pack(pack: &Pack) -> CompliancePack {
    CompliancePack {
        name: pack.name.clone(),
        title: pack.title.clone(),
        version: pack.version,
        controls: pack.controls.len(),
    }
}

pub(crate) fn pack_status(status: &PackStatus) -> ComplianceStatus {
    let controls = status.pack.controls.iter().zip(&status.controls);
    ComplianceStatus {
        pack: pack(&status.pack),
        from: status.from,
        to: status.to,
        entries: status.entries,
        controls: controls.map(|(control, status)| control_status(control, status)).collect(),
    }
}

fn control_status(control: &Control, status: &compliance::ControlStatus) -> ControlStatus {
    let queries = control.queries.iter().zip(&status.queries);
    ControlStatus {
        id: control.id.clone(),
        title: control.title.clone(),
        asks: control.asks.clone(),
        status: match status.standing {
            compliance::Standing::Supported => Standing::Supported,
            compliance::Standing::NotSupported => Standing::NotSupported,
            compliance::Standing::Contradicted => Standing::Contradicted,
        },
        says: status.says.clone(),
        entries: status.entries,
        queries: queries.map(|(query, status)| query_status(query, status)).collect(),
    }
}

fn query_status(query: &Query, status: &QueryStatus) -> ControlQuery {
    let entry = |(seq, at): (u64, Timestamp)| FoundEntry { seq, at };
    ControlQuery {
        says: query.says.clone(),
        kinds: query.kinds.iter().map(ToString::to_string).collect(),
        expected: match query.expected {
            Expected::AtLeast(count, None) => format!("at least {count}"),
            Expected::AtLeast(count, Some(every)) => format!("at least {count} every {}", duration::format(every)),
            Expected::AtMost(count) => format!("at most {count}"),
        },
        holds: status.holds,
        found: status.found,
        first: status.first.map(entry),
        last: status.last.map(entry),
        lacking: status.lacking.map(|(from, to)| LackingPart { from, to }),
    }
}
