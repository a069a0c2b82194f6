//! Figures on how people oversee what is done.

use crate::Error;
use crate::app::App;
use crate::span::Span;
use chancery_base::Timestamp;
use chancery_base::limits::REPORT_FOLLOWED_MAX;
use chancery_ledger::Record;
use chancery_policy::Grant;
use std::collections::BTreeMap;
use std::time::Duration;

/// The figures of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oversight {
    /// The range.
    pub span: Span,
    /// Entries in it.
    pub entries: u64,
    /// Decisions that were taken.
    pub decisions: u64,
    /// Those that denied.
    pub denials: u64,
    /// Entries of overrides, by their kinds.
    pub overrides: BTreeMap<String, u64>,
    /// Requests to people that were opened in the range, and what has become of them in it.
    pub requests: RequestCounts,
    /// How long people took to decide them; none where none was decided.
    pub answer: Option<AnswerTimes>,
}

/// Requests by what has become of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// All of them.
    pub opened: u64,
    /// As many said yes as were asked for.
    pub approved: u64,
    /// Somebody said no.
    pub denied: u64,
    /// Nobody answered in time.
    pub expired: u64,
    /// What they were for was not wanted any more.
    pub withdrawn: u64,
    /// How often one was put off.
    pub deferred: u64,
    /// How often a say was handed on.
    pub delegated: u64,
}

/// Times from when a request was opened to the answer that decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerTimes {
    /// Half were decided within it.
    pub p50: Duration,
    /// Nine of ten were.
    pub p90: Duration,
    /// All were.
    pub max: Duration,
}

impl Oversight {
    /// How often an override was used, by decisions that were taken; none where none was.
    #[must_use]
    pub fn override_rate(&self) -> Option<f64> {
        let used = self.overrides.get(USED).copied().unwrap_or(0);
        ratio(used, self.decisions)
    }
}

impl RequestCounts {
    /// Those that are open at the end of the range.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.opened - self.approved - self.denied - self.expired - self.withdrawn
    }
}

/// The kind of the entry of an override that was used.
const USED: &str = "override.used";

fn ratio(part: u64, whole: u64) -> Option<f64> {
    // For people: its first digits are enough.
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Counts.
///
/// # Errors
/// If the range is empty or has more requests than are followed, or the store does not answer.
pub async fn oversight(
    app: &App,
    grant: &Grant,
    range: (Option<Timestamp>, Option<Timestamp>),
) -> Result<Oversight, Error> {
    let tenant = app.tenant(grant)?;
    let span = Span::of(app, &tenant, range).await?;
    let mut tally = Tally::default();
    let entries = span.each(app, &tenant, |_| false, |record, _| tally.take(record)).await?;
    Ok(tally.finish(span, entries))
}

/// A request that is open.
#[derive(Debug)]
struct Open {
    at: Timestamp,
    approvers: i64,
    approvals: i64,
}

#[derive(Debug, Default)]
struct Tally {
    decisions: u64,
    denials: u64,
    overrides: BTreeMap<String, u64>,
    requests: RequestCounts,
    open: BTreeMap<String, Open>,
    times: Vec<Duration>,
}

impl Tally {
    fn take(&mut self, record: &Record) -> Result<(), Error> {
        let kind = record.kind.as_str();
        let is_denial = kind == "decision.denied";
        // A compensation cites the decision of its step: that is none of its own.
        let is_decision = record.refs.decision.is_some() && record.data.get_digest("bundle").is_some();
        self.denials += u64::from(is_denial);
        self.decisions += u64::from(is_denial || is_decision);
        if kind.starts_with("override.") {
            *self.overrides.entry(kind.to_owned()).or_default() += 1;
        }
        if kind.starts_with("request.") { self.request(kind, record) } else { Ok(()) }
    }

    fn request(&mut self, kind: &str, record: &Record) -> Result<(), Error> {
        let Some(id) = record.data.get_word("request_id") else { return Ok(()) };
        if kind == "request.opened" {
            if self.open.len() + self.times.len() >= REPORT_FOLLOWED_MAX {
                let what = format!("the range has more than {REPORT_FOLLOWED_MAX} requests: ask for a shorter one");
                return Err(Error::Invalid(what));
            }
            let approvers = record.data.get_int("approvers").unwrap_or(1);
            self.requests.opened += 1;
            self.open.insert(id.to_owned(), Open { at: record.at, approvers, approvals: 0 });
            return Ok(());
        }
        // Of one that was opened before the range only its own range can tell.
        let Some(open) = self.open.get_mut(id) else { return Ok(()) };
        let is_decided = match (kind, record.data.get_word("answer")) {
            ("request.answered", Some("approved")) => {
                open.approvals += 1;
                let is_decided = open.approvals >= open.approvers;
                self.requests.approved += u64::from(is_decided);
                is_decided
            }
            ("request.answered", _) => {
                self.requests.denied += 1;
                true
            }
            ("request.deferred", _) => {
                self.requests.deferred += 1;
                false
            }
            ("request.delegated", _) => {
                self.requests.delegated += 1;
                false
            }
            ("request.expired", _) => {
                self.requests.expired += 1;
                self.open.remove(id);
                return Ok(());
            }
            ("request.withdrawn", _) => {
                self.requests.withdrawn += 1;
                self.open.remove(id);
                return Ok(());
            }
            (_, _) => false,
        };
        if is_decided && let Some(open) = self.open.remove(id) {
            self.times.push(record.at.since(open.at));
        }
        Ok(())
    }

    fn finish(mut self, span: Span, entries: u64) -> Oversight {
        self.times.sort_unstable();
        let at = |percent: usize| {
            // The least that so many of a hundred are not above.
            let rank = (self.times.len() * percent).div_ceil(100);
            self.times.get(rank.saturating_sub(1)).copied()
        };
        let answer = at(50).zip(at(90)).zip(at(100)).map(|((p50, p90), max)| AnswerTimes { p50, p90, max });
        let Self { decisions, denials, overrides, requests, .. } = self;
        Oversight { span, entries, decisions, denials, overrides, requests, answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::separation::tests::{second, user};
    use chancery_base::{Digest, PrincipalId};
    use chancery_ledger::{Data, Refs, Word};

    fn record(at: u64, kind: &'static str, actor: PrincipalId, data: Data, decides: bool) -> Record {
        let decision = decides.then(|| chancery_base::DecisionId::from_bytes([1; 16]));
        Record {
            actor,
            at: second(at),
            data,
            epoch: 1,
            kind: Word::from(kind),
            log: "example.org/acme/0/1".parse().unwrap(),
            payload: None,
            refs: Refs { decision, ..Refs::default() },
            seq: at,
        }
    }

    fn of_request(at: u64, kind: &'static str, request: &'static str, data: Data) -> Record {
        record(at, kind, user(1), data.word("request_id", Word::from(request)), false)
    }

    fn opened(at: u64, request: &'static str, approvers: i64) -> Record {
        of_request(at, "request.opened", request, Data::new().int("approvers", approvers))
    }

    fn answered(at: u64, request: &'static str, answer: &'static str) -> Record {
        of_request(at, "request.answered", request, Data::new().word("answer", Word::from(answer)))
    }

    fn of(records: &[Record]) -> Oversight {
        let mut tally = Tally::default();
        records.iter().for_each(|record| tally.take(record).unwrap());
        tally.finish(Span { from: second(0), to: second(1_000) }, records.len() as u64)
    }

    #[test]
    fn requests_are_counted_by_what_became_of_them() {
        let figures = of(&[
            answered(0, "r0", "approved"),
            opened(10, "r1", 2),
            opened(11, "r2", 1),
            opened(12, "r3", 1),
            opened(13, "r4", 1),
            opened(14, "r5", 1),
            answered(20, "r1", "approved"),
            of_request(21, "request.deferred", "r2", Data::new()),
            of_request(21, "request.delegated", "r2", Data::new()),
            answered(31, "r2", "denied"),
            answered(40, "r1", "approved"),
            of_request(50, "request.expired", "r3", Data::new()),
            of_request(51, "request.withdrawn", "r4", Data::new()),
        ]);
        let requests = figures.requests;
        let counts = [requests.opened, requests.approved, requests.denied, requests.expired, requests.withdrawn];
        assert_eq!(counts, [5, 1, 1, 1, 1], "the answer to one that was opened before is not counted");
        assert_eq!((requests.deferred, requests.delegated, requests.open()), (1, 1, 1));
        let seconds = figures.answer.map(|answer| [answer.p50, answer.p90, answer.max].map(|time| time.as_secs()));
        assert_eq!(seconds, Some([20, 30, 30]));
    }

    #[test]
    fn ranks_are_those_of_what_there_is() {
        for (count, expected) in [(1, [1, 1, 1]), (2, [1, 2, 2]), (10, [5, 9, 10]), (100, [50, 90, 100])] {
            let tally = Tally { times: (1..=count).rev().map(Duration::from_secs).collect(), ..Tally::default() };
            let answer = tally.finish(Span { from: second(0), to: second(1) }, 0).answer.unwrap();
            assert_eq!([answer.p50, answer.p90, answer.max].map(|time| time.as_secs()), expected, "{count}");
        }
        assert_eq!(of(&[]).answer, None);
    }

    #[test]
    fn decisions_denials_and_overrides_make_a_rate() {
        let bundle = || Data::new().digest("bundle", Digest::of(b"b"));
        let figures = of(&[
            record(1, "step.dispatched", PrincipalId::SYSTEM, bundle(), true),
            record(2, "compensation.started", PrincipalId::SYSTEM, Data::new(), true),
            record(3, "decision.denied", user(1), Data::new(), true),
            record(4, "decision.denied", user(1), bundle(), true),
            record(5, "override.granted", user(2), Data::new(), false),
            record(6, "override.used", PrincipalId::SYSTEM, Data::new(), false),
            record(7, "override.reviewed", user(2), Data::new(), false),
            record(8, "decision.permitted", user(1), bundle(), true),
        ]);
        assert_eq!((figures.decisions, figures.denials), (4, 2));
        assert_eq!(figures.overrides.values().sum::<u64>(), 3);
        assert_eq!(figures.override_rate(), Some(0.25));
        assert_eq!(of(&[]).override_rate(), None);
    }
}
