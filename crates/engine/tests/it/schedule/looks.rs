//! What becomes of the times that have come: late, together, and while clocks are set.

use chancery_base::limits::SCHEDULE_WAITING_MAX;
use chancery_base::{Entropy, PrincipalId, Slot, Timestamp, TransactionId};
use chancery_engine::Headers;
use chancery_engine::schedule::{
    ByHand, Calendar, Came, CatchUp, Event, Head, IllegalEvent, Look, Overlap, Reason, Terms, When, apply, by_hand,
    look,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const START: i64 = 1_795_246_020_000_000;
const SECOND: i64 = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(START + seconds * SECOND)
}

fn transaction(number: u64) -> TransactionId {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    TransactionId::draw(at(0), Slot::new(7).unwrap(), &mut Entropy::from_seed(seed))
}

/// Every minute, on the minute of `START`.
fn terms(overlap: Overlap, catch_up: CatchUp, window: u64) -> Terms {
    Terms {
        definition: "report".parse().unwrap(),
        version: None,
        labels: BTreeMap::new(),
        headers: Headers::default(),
        when: When::Every { interval_ms: 60_000, offset_ms: u64::try_from(START / 1_000 % 60_000).unwrap() },
        zone: "UTC".to_owned(),
        from: None,
        until: None,
        overlap,
        catch_up,
        window_ms: window * 1_000,
    }
}

/// A schedule and all that has happened to it.
struct Run {
    head: Head,
    calendar: Calendar,
    next_id: u64,
    seq: u64,
    events: Vec<Event>,
}

impl Run {
    fn new(terms: Terms, now: Timestamp) -> Self {
        let calendar = terms.calendar().unwrap();
        let next = calendar.next(now);
        let created = Event::Created { terms: Box::new(terms), owner: PrincipalId::SYSTEM, next };
        let head = apply(None, &created, now, 0).unwrap().unwrap();
        Self { head, calendar, next_id: 0, seq: 1, events: Vec::new() }
    }

    fn happens(&mut self, event: Event, now: Timestamp) {
        self.head = apply(Some(self.head.clone()), &event, now, self.seq).unwrap().unwrap();
        self.seq += 1;
        self.events.push(event);
    }

    /// What the shard does when its time has come. `runs` says whether the last transaction has not ended.
    fn look(&mut self, now: Timestamp, runs: &mut bool) {
        for _ in 0..10_000 {
            let event = match look(&self.head, &self.calendar, now, *runs) {
                Look::Nothing => return,
                Look::Start { due, ends: _, next } => {
                    self.next_id += 1;
                    *runs = true;
                    Event::Fired { due, transaction: transaction(self.next_id), by_hand: false, next }
                }
                Look::Buffer { due, cancels: _, next } => Event::Buffered { due, next },
                Look::Skip { due, until, reason, next } => {
                    Event::Skipped { due, until: Some(until), reason, error: None, next }
                }
            };
            self.happens(event, now);
        }
        panic!("it does not come to rest");
    }

    /// The times that were started for, in seconds from `START`.
    fn fired(&self) -> Vec<i64> {
        let due = |event: &Event| match event {
            Event::Fired { due, .. } => Some((due.as_micros() - START) / SECOND),
            Event::Created { .. }
            | Event::Changed { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::Deleted
            | Event::Buffered { .. }
            | Event::Skipped { .. } => None,
        };
        self.events.iter().filter_map(due).collect()
    }

    fn came(&self) -> Vec<&'static str> {
        self.head.recent.iter().map(|firing| firing.came.word()).collect()
    }
}

#[track_caller]
fn caught_up(catch_up: CatchUp, window: u64, late: i64, expected: &[i64]) {
    let mut run = Run::new(terms(Overlap::Allow, catch_up, window), at(0));
    run.look(at(late), &mut false);
    assert_eq!(run.fired(), expected, "{catch_up:?} with {window} s, {late} s later");
    assert_eq!(run.head.next, run.calendar.next(at(late)), "it goes on from where the clock stands");
}

#[test]
fn what_was_missed_is_made_up_for_as_it_is_told() {
    // Up to a minute late is in time.
    for catch_up in CatchUp::ALL {
        caught_up(*catch_up, 60, 60, &[60]);
        caught_up(*catch_up, 60, 119, &[60]);
        caught_up(*catch_up, 60, 120, &[60, 120]);
    }
    caught_up(CatchUp::None, 3_600, 650, &[600]);
    caught_up(CatchUp::Last, 3_600, 650, &[600]);
    caught_up(CatchUp::All, 300, 650, &[360, 420, 480, 540, 600]);
    caught_up(CatchUp::All, 3_600, 250, &[60, 120, 180, 240]);
}

/// Once a day: what is late has nothing after it that is in time.
#[test]
fn the_newest_that_was_missed_counts_if_it_is_within_the_window() {
    for (catch_up, window, late, expected) in [
        (CatchUp::None, 86_400, 3_600, vec![]),
        (CatchUp::Last, 86_400, 3_600, vec![0]),
        (CatchUp::Last, 1_800, 3_600, vec![]),
        (CatchUp::Last, 6 * 86_400, 3 * 86_400 + 3_600, vec![3 * 86_400]),
        (CatchUp::All, 86_400 + 7_200, 2 * 86_400 + 3_600, vec![86_400, 2 * 86_400]),
    ] {
        let mut daily = terms(Overlap::Allow, catch_up, window);
        daily.when =
            When::Every { interval_ms: 86_400_000, offset_ms: u64::try_from(START / 1_000 % 86_400_000).unwrap() };
        let mut run = Run::new(daily, at(-1));
        run.look(at(late), &mut false);
        assert_eq!(run.fired(), expected, "{catch_up:?} within {window} s, {late} s later");
    }
}

#[test]
fn what_runs_and_what_comes_meanwhile() {
    let run = |overlap| {
        let mut run = Run::new(terms(overlap, CatchUp::Last, 3_600), at(0));
        let mut runs = false;
        for seconds in [60, 120, 180, 190] {
            run.look(at(seconds), &mut runs);
        }
        let while_it_runs = run.came();
        run.look(at(200), &mut false);
        (while_it_runs, run.fired())
    };
    assert_eq!(run(Overlap::Skip), (vec!["fired", "overlap", "overlap"], vec![60]));
    assert_eq!(run(Overlap::BufferOne), (vec!["fired", "buffered", "overlap"], vec![60, 120]));
    assert_eq!(run(Overlap::BufferAll), (vec!["fired", "buffered", "buffered"], vec![60, 120]));
    assert_eq!(run(Overlap::CancelRunning), (vec!["fired", "buffered", "overlap"], vec![60, 120]));
    assert_eq!(run(Overlap::Allow), (vec!["fired", "fired", "fired"], vec![60, 120, 180]));
    assert_eq!(run(Overlap::TerminateRunning), (vec!["fired", "fired", "fired"], vec![60, 120, 180]));
}

#[test]
fn with_buffer_all_what_was_missed_starts_one_after_the_other() {
    let mut run = Run::new(terms(Overlap::BufferAll, CatchUp::All, 3_600), at(0));
    let mut runs = false;
    run.look(at(300), &mut runs);
    assert_eq!(run.came(), ["fired", "buffered", "buffered", "buffered", "buffered"]);
    assert_eq!(run.head.waiting, [120, 180, 240, 300].map(at));
    for seconds in [301, 302, 303, 304] {
        run.look(at(seconds), &mut false);
    }
    assert_eq!((run.fired(), run.head.waiting.len()), (vec![60, 120, 180, 240, 300], 0));
}

#[test]
fn so_many_times_wait_and_no_more() {
    let mut run = Run::new(terms(Overlap::BufferAll, CatchUp::All, 7 * 86_400), at(0));
    run.look(at(60), &mut false);
    let last = 60 * i64::try_from(SCHEDULE_WAITING_MAX + 2).unwrap();
    run.look(at(last), &mut true);
    assert_eq!((run.head.waiting.len(), run.head.waiting.last()), (SCHEDULE_WAITING_MAX, Some(&at(last - 60))));
    assert_eq!(run.came().last(), Some(&"overlap"));
    assert!(matches!(by_hand(&run.head, None, true), ByHand::Refuse(_)));
}

#[test]
fn what_is_to_end_is_named() {
    let mut run = Run::new(terms(Overlap::CancelRunning, CatchUp::Last, 3_600), at(0));
    run.look(at(60), &mut false);
    let first = transaction(1);
    assert!(
        matches!(look(&run.head, &run.calendar, at(120), true), Look::Buffer { cancels: Some(id), .. } if id == first)
    );
    run.head.terms.overlap = Overlap::TerminateRunning;
    assert!(matches!(look(&run.head, &run.calendar, at(120), true), Look::Start { ends: Some(id), .. } if id == first));
    assert_eq!(by_hand(&run.head, None, true), ByHand::Start(Some(first)));
    assert_eq!(by_hand(&run.head, Some(Overlap::Skip), true), ByHand::Refuse(first));
    assert_eq!(by_hand(&run.head, Some(Overlap::CancelRunning), true), ByHand::Buffer(Some(first)));
    assert_eq!(by_hand(&run.head, Some(Overlap::Skip), false), ByHand::Start(None));
    run.head.waiting = vec![at(61)];
    assert_eq!(by_hand(&run.head, Some(Overlap::BufferOne), true), ByHand::Refuse(first));
    assert_eq!(by_hand(&run.head, Some(Overlap::BufferAll), true), ByHand::Buffer(None));
}

#[test]
fn a_pause_keeps_what_waits_and_a_resumption_begins_anew() {
    let mut run = Run::new(terms(Overlap::BufferOne, CatchUp::All, 3_600), at(0));
    let mut runs = false;
    run.look(at(60), &mut runs);
    run.look(at(120), &mut runs);
    assert_eq!(run.head.waiting, [at(120)]);
    run.happens(Event::Paused { note: "a test".to_owned() }, at(130));
    assert_eq!((run.head.waiting.as_slice(), run.head.next), (&[at(120)][..], None));
    run.look(at(1_000), &mut false);
    let next = run.calendar.next(at(1_001));
    run.happens(Event::Resumed { note: String::new(), next }, at(1_001));
    run.look(at(1_002), &mut false);
    run.look(at(1_020), &mut false);
    assert_eq!(run.fired(), [60, 120, 1_020]);
    let head = || Some(run.head.clone());
    let illegal = |head, event| apply(head, &event, at(2_000), 9).unwrap_err();
    assert_eq!(illegal(None, Event::Deleted), IllegalEvent::Missing);
    assert_eq!(illegal(head(), Event::Resumed { note: String::new(), next: None }), IllegalEvent::NotPaused);
    let created = Event::Created { terms: Box::new(run.head.terms.clone()), owner: run.head.owner, next: None };
    assert_eq!(illegal(head(), created), IllegalEvent::Exists);
    assert_eq!(apply(head(), &Event::Deleted, at(2_000), 9), Ok(None));
}

#[test]
fn bounds_hold_and_a_time_that_is_past_is_none() {
    let mut bounded = terms(Overlap::Allow, CatchUp::All, 3_600);
    (bounded.from, bounded.until) = (Some(at(120)), Some(at(240)));
    let mut run = Run::new(bounded, at(0));
    run.look(at(600), &mut false);
    assert_eq!((run.fired(), run.head.next), (vec![120, 180, 240], None));
    let mut once = terms(Overlap::Skip, CatchUp::Last, 3_600);
    once.when = When::At(at(60));
    let mut run = Run::new(once.clone(), at(0));
    run.look(at(500), &mut false);
    assert_eq!((run.fired(), run.head.next), (vec![60], None), "late, but the only one");
    assert_eq!(once.calendar().unwrap().next(at(60)), None);
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Terms), expected: &str) {
    let mut terms = terms(Overlap::Skip, CatchUp::All, 3_600);
    change(&mut terms);
    assert_eq!(terms.calendar().unwrap_err().to_string(), expected);
}

#[test]
fn a_refusal_of_terms_names_the_part() {
    let every = |interval_ms, offset_ms| When::Every { interval_ms, offset_ms };
    refused(|terms| terms.when = every(999, 0), "every: 999ms, it may be 1s to 3650d");
    refused(|terms| terms.when = every(60_000, 60_000), "offset: 1m, it must be shorter than `every`");
    refused(
        |terms| terms.when = When::Cron("* *".to_owned()),
        "cron: column 1: write minute, hour, day of the month, month and day of the week, such as `30 2 * * 1-5`",
    );
    refused(
        |terms| terms.zone = "Mars".to_owned(),
        "zone: there is no time zone `Mars`: write one as the IANA database names it, such as `Europe/Berlin` or `UTC`",
    );
    refused(|terms| terms.window_ms = 59_000, "catch_up_window: 59s, it may be 1m to 7d");
    refused(|terms| terms.window_ms = 604_801_000, "catch_up_window: 604801s, it may be 1m to 7d");
    refused(
        |terms| (terms.when, terms.window_ms) = (every(1_000, 0), 604_800_000),
        "catch_up_window: it holds 604800 times, at most 10080 can be made up for",
    );
    refused(
        |terms| (terms.from, terms.until) = (Some(at(60)), Some(at(0))),
        "until: 2026-11-21T07:27:00.000000Z is before `from`, 2026-11-21T07:28:00.000000Z",
    );
    let label = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    refused(|terms| terms.labels = label("schedule", "x"), "labels: `schedule` names the schedule itself");
    refused(|terms| terms.labels = label("a", &"b".repeat(129)), "labels: `a`: at most 128 bytes are allowed");
}

#[test]
fn what_came_of_the_latest_times_is_kept() {
    let mut run = Run::new(terms(Overlap::Allow, CatchUp::Last, 3_600), at(0));
    for minute in 1..=15 {
        run.look(at(60 * minute), &mut false);
    }
    assert_eq!((run.head.recent.len(), run.head.fired), (10, 15));
    assert_eq!(run.head.recent.last().unwrap().due, at(900));
    assert_eq!(run.head.recent.first().unwrap().due, at(360));
    let next = run.head.next;
    let (reason, error) = (Reason::Denied, Some("nobody may".to_owned()));
    run.happens(Event::Skipped { due: at(960), until: None, reason, error, next }, at(960));
    assert_eq!(run.head.error.as_ref().unwrap().message, "nobody may");
    assert_eq!(run.head.recent.last().unwrap().came, Came::Denied);
    run.look(at(1_020), &mut false);
    assert_eq!(run.head.error, None, "it has started since");
}

/// What a run of the server looks like: it looks, is down, its clock is set back or forward, what runs ends.
#[derive(Debug, Clone)]
enum Step {
    Look(i64),
    Down(i64),
    SetBack(i64),
    Ends,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..90_i64).prop_map(Step::Look),
        1 => (60..9_000_i64).prop_map(Step::Down),
        1 => (1..9_000_i64).prop_map(Step::SetBack),
        2 => Just(Step::Ends),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever clocks do, each time is dealt with once, in order, and starts one transaction at most.
    #[test]
    fn no_time_is_left_out_and_none_is_started_for_twice(
        steps in prop::collection::vec(step(), 1..60),
        overlap in prop::sample::select(Overlap::ALL),
        catch_up in prop::sample::select(CatchUp::ALL),
        window in 60..9_000_u64,
    ) {
        let mut run = Run::new(terms(overlap, catch_up, window), at(0));
        let (mut clock, mut latest, mut runs) = (0_i64, 0_i64, false);
        for step in steps {
            match step {
                Step::Look(seconds) => clock += seconds,
                Step::Down(seconds) => clock += seconds,
                Step::SetBack(seconds) => clock = (clock - seconds).max(0),
                Step::Ends => runs = false,
            }
            latest = latest.max(clock);
            run.look(at(clock), &mut runs);
        }
        // From the end to the last look: each time stands in one event, or is still to come.
        let mut dealt = BTreeSet::new();
        let (mut waited, mut fired) = (BTreeSet::new(), BTreeSet::new());
        let mut last = at(0);
        for event in &run.events {
            let (due, until) = match event {
                Event::Fired { due, .. } => {
                    prop_assert!(fired.insert(*due), "{due} is started for twice");
                    if waited.remove(due) {
                        continue;
                    }
                    (*due, *due)
                }
                Event::Buffered { due, .. } => {
                    waited.insert(*due);
                    (*due, *due)
                }
                Event::Skipped { due, until, .. } => (*due, Timestamp::from_micros(until.unwrap().as_micros() - 1)),
                Event::Created { .. } | Event::Changed { .. } | Event::Paused { .. } | Event::Resumed { .. }
                | Event::Deleted => continue,
            };
            prop_assert_eq!(Some(due), run.calendar.next(last), "a time is left out");
            let times: Vec<_> = std::iter::successors(Some(due), |last| run.calendar.next(*last))
                .take_while(|time| *time <= until)
                .collect();
            prop_assert!(!times.is_empty());
            last = *times.last().unwrap();
            for time in times {
                prop_assert!(dealt.insert(time), "{time} is dealt with twice");
            }
        }
        prop_assert_eq!(run.head.next, run.calendar.next(last));
        prop_assert!(run.head.next > Some(at(latest)), "what has come is not dealt with");
        prop_assert_eq!(waited.into_iter().collect::<Vec<_>>(), run.head.waiting.into_iter().collect::<Vec<_>>());
    }

    /// The newest time is found as by going through all of them.
    #[test]
    fn the_newest_time_is_the_last_one(every in 20..5_000_u64, from in 0..100_000_i64, span in 0..200_000_i64) {
        let mut terms = terms(Overlap::Skip, CatchUp::Last, 3_600);
        terms.when = When::Every { interval_ms: every * 1_000, offset_ms: 0 };
        let calendar = terms.calendar().unwrap();
        let (from, to) = (at(from), at(from + span));
        let all = calendar.after(Timestamp::from_micros(from.as_micros() - 1)).take_while(|time| *time <= to).last();
        prop_assert_eq!(calendar.newest(from, to), all);
    }
}

#[test]
fn the_newest_time_of_a_cron_is_found_too() {
    let mut cron = terms(Overlap::Skip, CatchUp::Last, 3_600);
    (cron.when, cron.zone) = (When::Cron("* 1-2 * * *".to_owned()), "Europe/Berlin".to_owned());
    let calendar = cron.calendar().unwrap();
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let (from, to) = (time("2026-03-27T00:00:00Z"), time("2026-03-29T18:00:00Z"));
    // The hour from two to three is skipped: what it had is due when the clock has been set.
    assert_eq!(calendar.newest(from, to), Some(time("2026-03-29T01:00:00Z")));
    assert_eq!(calendar.newest(time("2026-03-29T01:00:01Z"), to), None);
}
