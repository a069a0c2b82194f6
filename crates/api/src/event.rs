//! Events that steps emitted, as `CloudEvents` 1.0 in its JSON format.

use chancery_base::{EventId, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The version of the specification.
pub const SPEC_VERSION: &str = "1.0";

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CloudEvent {
    /// The version of the `CloudEvents` specification: `1.0`.
    pub specversion: String,
    /// Its id, which no other event has.
    #[schema(value_type = String)]
    pub id: EventId,
    /// What it comes from: `chancery://<cluster>/<tenant>/<definition>`.
    pub source: String,
    /// What it is called.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was emitted.
    #[schema(value_type = String)]
    pub time: Timestamp,
    /// `application/json`, where it says something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// The transaction whose step emitted it.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// The step: `ship`, or `ship[3]` of one that fanned out. Its receipt is that of `<transaction>/<step>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// `undo`, where the step's compensation emitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The classes of data that the transaction had come to use, with blanks between: what the event may tell of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "health personal")]
    pub taint: Option<String>,
    /// What it says; absent where that is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// A page of events. There is always a `next`: what comes later is after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// Them, in order; perhaps fewer than there are.
    pub items: Vec<CloudEvent>,
    /// What to hand in as `after` for those that follow; opaque.
    pub next: String,
    /// More follow already.
    pub more: bool,
}

/// The query of a page of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// What they are called: a type, or a pattern in which `*` stands for one part and `**` for any number of them.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// What they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The `next` of the page before; without it from the first event on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many events at most: 1 to 1,000, else 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How long to wait for an event where there is none, such as `30s`, at most `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
}
