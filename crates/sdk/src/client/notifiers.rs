//! Notifiers: who is told that people are asked something.

use super::transport::{Body, Call};
use super::{Client, Pages};
use crate::Error;
use chancery_api::notifier::{Notifier, NotifierTested, SetNotifier};
use chancery_base::Name;

impl Client {
    /// The tenant's notifiers, by name.
    #[must_use]
    pub fn notifiers(&self) -> Pages<Notifier> {
        self.pages("notifier_list", &["v1", "notifiers"], Vec::new())
    }

    /// Reads a notifier.
    ///
    /// # Errors
    /// If there is none of that name.
    pub async fn notifier_get(&self, name: &Name) -> Result<Notifier, Error> {
        self.transport.json(Call::get("notifier_get", &["v1", "notifiers", name.as_str()])).await
    }

    /// Sets a notifier; in force when this returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn notifier_set(&self, name: &Name, set: &SetNotifier) -> Result<Notifier, Error> {
        let call = Call::put("notifier_set", &["v1", "notifiers", name.as_str()]);
        self.transport.json(call.body(Body::json(set)?)).await
    }

    /// Deletes a notifier, with its password.
    ///
    /// # Errors
    /// If there is none of that name.
    pub async fn notifier_delete(&self, name: &Name) -> Result<(), Error> {
        let call = Call::delete("notifier_delete", &["v1", "notifiers", name.as_str()]);
        self.transport.bytes(call).await.map(drop)
    }

    /// Has a notifier tell something now, once.
    ///
    /// # Errors
    /// If there is none of that name.
    pub async fn notifier_test(&self, name: &Name) -> Result<NotifierTested, Error> {
        self.transport.json(Call::post("notifier_test", &["v1", "notifiers", name.as_str(), "test"])).await
    }
}
