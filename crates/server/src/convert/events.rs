//! Events.

use crate::cursor;
use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::event::{CloudEvent, Events, EventsQuery, SPEC_VERSION};
use chancery_app::events::{EventView, EventsView, Query};
use chancery_base::limits::EVENT_SUBJECT_BYTES_MAX;
use chancery_base::{EventPattern, Name};
use chancery_engine::Phase;

pub(crate) fn event_query(query: EventsQuery) -> Result<Query, Failure> {
    let page = cursor::page(query.limit, query.after.as_deref())?;
    let types = query.event_type.map(|types| types.parse::<EventPattern>()).transpose();
    let types = types.map_err(|error| invalid("type", &error.to_string()))?;
    let is_subject = |subject: &String| (1..=EVENT_SUBJECT_BYTES_MAX).contains(&subject.len());
    if query.subject.as_ref().is_some_and(|subject| !is_subject(subject)) {
        return Err(invalid("subject", &format!("a subject has 1 to {EVENT_SUBJECT_BYTES_MAX} bytes")));
    }
    Ok(Query { types, subject: query.subject, after: page.after, limit: page.limit })
}

pub(crate) fn events(view: EventsView) -> Events {
    Events { items: view.items.into_iter().map(event).collect(), next: cursor::encode(&view.next), more: !view.is_end }
}

fn event(view: EventView) -> CloudEvent {
    let mut source = format!("chancery://{}/{}", view.origin.cluster(), view.origin.tenant());
    let (mut step, mut taint, mut data) = (None, None, None);
    if let Some(content) = view.content {
        source.push('/');
        source.push_str(content.definition.as_str());
        step = Some(content.step);
        let classes: Vec<&str> = content.taint.iter().map(Name::as_str).collect();
        taint = Some(classes.join(" ")).filter(|classes| !classes.is_empty());
        data = Some(content.data).filter(|data| !data.is_null());
    }
    CloudEvent {
        specversion: SPEC_VERSION.to_owned(),
        id: view.id,
        source,
        event_type: view.event_type,
        subject: view.subject,
        time: view.time,
        datacontenttype: data.is_some().then(|| "application/json".to_owned()),
        transaction: view.transaction,
        step,
        phase: (view.phase != Phase::Do).then(|| view.phase.word().to_owned()),
        taint,
        data,
    }
}
