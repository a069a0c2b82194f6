//! Every JSON body that the API takes, and what is checked of some at once: a schedule's terms and input, a driver's
//! step, the search of a bulk operation, tokens.

use crate::Verdict;
use crate::check::{body, words};
use crate::exchange::token;
use crate::search::search;
use chancery_api::authzen::{
    AccessActionSearch, AccessEvaluation, AccessEvaluations, AccessResourceSearch, AccessSubjectSearch,
};
use chancery_api::budget::SetBudget;
use chancery_api::bundle::{AddSigner, BundleRules, ReplayBundle, SimulateBundle};
use chancery_api::decision::Decide;
use chancery_api::evidence::AddEvidence;
use chancery_api::export::MakeExport;
use chancery_api::maintenance::SetMaintenance;
use chancery_api::notifier::SetNotifier;
use chancery_api::open::{OpenAbort, OpenCommit, OpenHeartbeat, OpenOutcome, OpenResume, OpenStep, OpenUndo};
use chancery_api::over::RequestOverride;
use chancery_api::principal::{ChangePrincipal, CreatePrincipal, IssueKey};
use chancery_api::queue::QueueSettings;
use chancery_api::report::DutyPairs;
use chancery_api::request::{AnswerRequest, DeferRequest, DelegateRequest};
use chancery_api::retention::SetRetention;
use chancery_api::schedule::{ScheduleNote, ScheduleTerms, TriggerSchedule};
use chancery_api::settings::SetSettings;
use chancery_api::stop::SetStop;
use chancery_api::target::{Callback, ForceBreaker, IssueSigningSecret, TargetSettings};
use chancery_api::tenant::CreateTenant;
use chancery_api::transaction::{Bulk, Cancel, ForkTransaction, Justified, Resolve, SendSignal, StartTransaction};
use chancery_api::worker::Exchange;
use chancery_base::{Document, Name, Timestamp, duration};
use chancery_engine::schedule::{CatchUp, Moment, Overlap, Terms, When, Zone, check_input, render};
use chancery_engine::{Headers, Intent, IntentResource, IntentTarget, IntentUndo};

/// What a schedule looks back from: shortly before Berlin's clocks are set.
const NOW: Timestamp = Timestamp::from_micros(1_774_742_400_000_000);

macro_rules! bodies {
    ($($body:ident)*; any $($any:ident)*) => {
        /// What they are called in the table of routes.
        pub const BODIES: &[&str] = &[$(stringify!($body),)* $(stringify!($any)),*];

        /// Whether it is one of them, of which all that must hold does.
        fn is_any(data: &[u8]) -> bool {
            let read = [$(body!($body, data).is_some(),)* $(body!(any $any, data).is_some()),*];
            read.contains(&true)
        }
    };
}

bodies! {
    AddEvidence AddSigner AnswerRequest Bulk BundleRules Callback Cancel ChangePrincipal CreatePrincipal CreateTenant Decide
    DeferRequest DelegateRequest DutyPairs
    Exchange ForceBreaker ForkTransaction IssueKey IssueSigningSecret Justified MakeExport OpenAbort OpenCommit OpenHeartbeat OpenOutcome OpenResume OpenStep
    QueueSettings ReplayBundle RequestOverride Resolve ScheduleNote ScheduleTerms SendSignal SetBudget SetMaintenance
    SetNotifier SetRetention SetSettings SetStop SimulateBundle StartTransaction TargetSettings TriggerSchedule;
    any AccessActionSearch AccessEvaluation AccessEvaluations AccessResourceSearch AccessSubjectSearch
}

pub(crate) fn bodies(data: &[u8]) -> Verdict {
    if let Some(bulk) = body!(Bulk, data) {
        search(bulk.search.as_bytes());
    }
    if let Some(outcome) = body!(OpenOutcome, data) {
        token(&outcome.task);
    }
    if let Some(step) = body!(OpenStep, data) {
        intent(&step);
    }
    if let Some(terms) = body!(ScheduleTerms, data) {
        times(&terms);
        input(&terms);
    }
    if is_any(data) { Verdict::Taken } else { Verdict::Refused }
}

/// What is wrong with a driver's step is said in words, and what is not is kept as it is.
fn intent(step: &OpenStep) {
    let undo = |undo: &OpenUndo| {
        let target = IntentTarget::Worker(undo.worker.clone()?);
        let (attempts, critical, input) = (undo.attempts.unwrap_or(3), undo.critical, undo.input.clone());
        let timeout_ms = millis(undo.timeout.as_deref())?;
        Some(IntentUndo { attempts, critical, input, on_error: None, target, timeout_ms })
    };
    let resource = step.resource.as_ref().map(|resource| IntentResource {
        attributes: resource.attributes.clone(),
        id: resource.id.clone(),
        resource_type: resource.resource_type.clone(),
    });
    let Some(timeout_ms) = millis(step.timeout.as_deref()) else { return };
    let undo = step.undo.as_ref().and_then(undo);
    let (classes, purpose) = (step.classes.clone(), step.purpose.clone());
    let (action, step) = (step.action.clone(), step.id.clone());
    let intent = Intent { action, classes, purpose, resource, step, timeout_ms, undo };
    match intent.check() {
        Ok(()) => {
            let again = serde_json::to_value(&intent).and_then(serde_json::from_value::<Intent>);
            assert_eq!(again.ok(), Some(intent), "what a driver declares is kept as another");
        }
        Err(why) => words(&why),
    }
}

/// A duration; none where it is none, and why not is said.
fn millis(text: Option<&str>) -> Option<u64> {
    match duration::parse(text.unwrap_or("30s")) {
        Ok(duration) => u64::try_from(duration.as_millis()).ok(),
        Err(error) => {
            words(&error.to_string());
            None
        }
    }
}

/// The times of a schedule come in order and within its bounds, and the newest of some is the last one.
fn times(told: &ScheduleTerms) {
    let when = match (&told.cron, &told.every, told.at) {
        (Some(cron), None, None) => When::Cron(cron.clone()),
        (None, Some(every), None) => {
            let offset = told.offset.as_deref().unwrap_or("0ms");
            let (Some(interval_ms), Some(offset_ms)) = (millis(Some(every)), millis(Some(offset))) else { return };
            When::Every { interval_ms, offset_ms }
        }
        (None, None, Some(at)) => When::At(at),
        (_, _, _) => return,
    };
    let Some(window_ms) = millis(Some(told.catch_up_window.as_deref().unwrap_or("1h"))) else { return };
    let Ok(headers) = Headers::new(told.headers.clone()) else { return };
    let terms = Terms {
        definition: told.definition.clone(),
        version: told.version,
        labels: told.labels.clone(),
        headers,
        when,
        zone: told.zone.clone().unwrap_or_else(|| "UTC".to_owned()),
        from: told.from,
        until: told.until,
        overlap: Overlap::Skip,
        catch_up: CatchUp::All,
        window_ms,
    };
    let calendar = match terms.calendar() {
        Ok(calendar) => calendar,
        Err(error) => {
            words(&error.message);
            assert!(!error.part.is_empty(), "a refusal that says nothing of its place");
            return;
        }
    };
    let times: Vec<Timestamp> = calendar.after(NOW).take(4).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "times that are not in order: {times:?}");
    let is_within = |time: &Timestamp| {
        *time > NOW && terms.from.is_none_or(|from| *time >= from) && terms.until.is_none_or(|until| *time <= until)
    };
    assert!(times.iter().all(is_within), "a time out of bounds: {times:?}");
    if let (Some(first), Some(last)) = (times.first(), times.last()) {
        assert_eq!(calendar.newest(*first, *last), Some(*last), "another time is the newest");
    }
}

/// What is wrong with an input is said with its place, and what is not gives the same twice.
fn input(told: &ScheduleTerms) {
    let input = Document::new(told.input.clone());
    if let Err(error) = check_input(&input) {
        words(&error.message);
        assert!(error.path.starts_with("input"), "{} is no place", error.path);
        return;
    }
    let (Ok(name), Ok(zone)) = ("nightly".parse::<Name>(), Zone::find("Europe/Berlin")) else { return };
    let render = || render(&input, Moment { name: &name, due: NOW, zone: &zone });
    assert_eq!(render(), render(), "an input of two values");
}
