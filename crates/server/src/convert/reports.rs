//! Reports.

use chancery_api::report::{
    AccessFinding, AccessRow, Duty, DutyPair, OversightAnswers, OversightReport, OversightRequests,
    ResponsibilityGroup, ResponsibilityLevel, ResponsibilityReport, ResponsiblePerson, SeparationActual,
    SeparationPair, SeparationPotential, SeparationReport,
};
use chancery_app::reports::{self, Finding, LevelCount, Oversight, Pair, PairReport, Responsibility, Separation};
use std::time::Duration;

pub(crate) fn responsibility(report: Responsibility) -> ResponsibilityReport {
    let groups = report.groups.into_iter().map(|(group, levels)| ResponsibilityGroup {
        definition: group.definition,
        action: group.action,
        levels: levels.into_iter().map(|(level, entries)| (level.word().to_owned(), entries)).collect(),
    });
    ResponsibilityReport {
        from: report.span.from,
        to: report.span.to,
        entries: report.entries,
        levels: report.levels.into_iter().map(|(level, count)| level_count(level, count)).collect(),
        groups: groups.collect(),
        in_other_groups: report.in_other_groups,
    }
}

fn level_count(level: reports::Level, count: LevelCount) -> ResponsibilityLevel {
    let people = count.people.into_iter().map(|(principal, entries)| ResponsiblePerson { principal, entries });
    ResponsibilityLevel {
        level: level.word().to_owned(),
        entries: count.entries,
        decisions: count.decisions,
        people: people.collect(),
        by_others: count.by_others,
        examples: count.examples,
    }
}

pub(crate) fn oversight(report: Oversight) -> OversightReport {
    let requests = report.requests;
    OversightReport {
        from: report.span.from,
        to: report.span.to,
        entries: report.entries,
        decisions: report.decisions,
        denials: report.denials,
        override_rate: report.override_rate(),
        overrides: report.overrides,
        requests: OversightRequests {
            opened: requests.opened,
            open: requests.open(),
            approved: requests.approved,
            denied: requests.denied,
            expired: requests.expired,
            withdrawn: requests.withdrawn,
            deferred: requests.deferred,
            delegated: requests.delegated,
        },
        answer: report.answer.map(|answer| OversightAnswers {
            p50_ms: millis(answer.p50),
            p90_ms: millis(answer.p90),
            max_ms: millis(answer.max),
        }),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn access_row(row: reports::AccessRow) -> AccessRow {
    AccessRow {
        principal: row.principal,
        name: row.name,
        by: if row.is_call { "roles" } else { "bundle" }.to_owned(),
        action: row.action,
        resource_type: row.resource_type,
        resource: row.resource,
        finding: match row.finding {
            Finding::Permitted => AccessFinding::Permitted,
            Finding::Conditional => AccessFinding::Conditional,
            Finding::Depends => AccessFinding::Depends,
            Finding::Denied => AccessFinding::Denied,
        },
        reasons: row.reasons,
    }
}

pub(crate) fn separation(report: Separation) -> SeparationReport {
    SeparationReport {
        from: report.span.from,
        to: report.span.to,
        entries: report.entries,
        pairs: report.pairs.into_iter().map(pair_report).collect(),
    }
}

fn pair_report(report: PairReport) -> SeparationPair {
    let potential = report.potential.into_iter().map(|found| SeparationPotential {
        principal: found.principal,
        name: found.name,
        definitions: found.definitions,
    });
    let actual = report.actual.into_iter().map(|found| SeparationActual {
        principal: found.principal,
        within: found.within,
        first: found.entries.0,
        second: found.entries.1,
    });
    SeparationPair {
        pair: pair(report.pair),
        potential: potential.collect(),
        more_potential: report.more.0,
        actual: actual.collect(),
        more_actual: report.more.1,
    }
}

fn pair(pair: Pair) -> DutyPair {
    DutyPair {
        name: pair.name,
        title: pair.title,
        first: duty(pair.first),
        second: duty(pair.second),
        within: pair.within.word().to_owned(),
    }
}

fn duty(duty: reports::Duty) -> Duty {
    let call = duty.call.map(|call| call.as_str().to_owned());
    Duty { says: duty.says, call, action: duty.action, kinds: duty.kinds }
}
