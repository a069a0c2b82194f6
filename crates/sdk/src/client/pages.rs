//! Lists, page by page.

use super::transport::{Call, Transport};
use crate::Error;
use chancery_api::Page;
use chancery_api::ledger::Entry;
use chancery_api::transaction::Step;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::sync::Arc;

/// Pages of entries.
pub type EntryPages = Pages<Entry>;
/// Pages of a step's clones.
pub type StepPages = Pages<Step>;

/// A list that is fetched page by page.
#[derive(Debug)]
pub struct Pages<T> {
    transport: Arc<Transport>,
    operation: &'static str,
    path: Vec<String>,
    query: Vec<(String, String)>,
    state: State,
    items: PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum State {
    First,
    After(String),
    Over,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(super) fn new(
        transport: Arc<Transport>,
        operation: &'static str,
        path: Vec<String>,
        query: Vec<(String, String)>,
    ) -> Self {
        Self { transport, operation, path, query, state: State::First, items: PhantomData }
    }

    /// Asks for so many items a page, at most 1,000.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.query.push(("limit".to_owned(), limit.to_string()));
        self
    }

    /// Begins after the page whose [`Pages::cursor`] this is.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.state = State::After(cursor.into());
        self
    }

    /// What names the next page; none if the last one was given or the first was not.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        match &self.state {
            State::After(cursor) => Some(cursor),
            State::First | State::Over => None,
        }
    }

    /// The next page; none after the last.
    ///
    /// # Errors
    /// If the server refuses or can't be reached; the same page can be asked for again.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let mut call = Call::get(self.operation, &path);
        for (name, value) in &self.query {
            call = call.parameter(name, value);
        }
        match &self.state {
            State::Over => return Ok(None),
            State::First => {}
            State::After(cursor) => call = call.parameter("cursor", cursor),
        }
        let page: Page<T> = self.transport.json(call).await?;
        self.state = page.next.map_or(State::Over, State::After);
        Ok(Some(page.items))
    }

    /// All that is left, in memory.
    ///
    /// # Errors
    /// If the server refuses or can't be reached.
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while let Some(page) = self.next().await? {
            items.extend(page);
        }
        Ok(items)
    }
}
