//! Calls about bundles, and about what they need to be put into force.

use super::transport::{Body, Call};
use super::{Client, Pages};
use crate::Error;
use chancery_api::bundle::{
    AcceptQuery, Activated, AddSigner, Bundle, BundleRules, BundleSummary, ReplayBundle, Replayed, Shadowed, Signer,
    SimulateBundle, Simulated,
};
use chancery_api::decision::Decide;
use chancery_api::definition::{Checked, Registered};
use chancery_base::Digest;
use serde_json::Value;

impl Client {
    /// Pushes a bundle. It does not decide until it is activated.
    ///
    /// # Errors
    /// If the server refuses; the problem says where the document is wrong.
    pub async fn bundle_push(&self, document: &Value) -> Result<Registered, Error> {
        let call = Call::post("bundle_push", &["v1", "bundles"]).repeatable();
        self.transport.json(call.body(Body::json(document)?)).await
    }

    /// Checks a bundle and pushes nothing.
    ///
    /// # Errors
    /// If the server refuses; the problem says where the document is wrong.
    pub async fn bundle_check(&self, document: &Value) -> Result<Checked, Error> {
        let call = Call::post("bundle_check", &["v1", "bundles", "check"]).repeatable();
        self.transport.json(call.body(Body::json(document)?)).await
    }

    /// The tenant's bundles.
    #[must_use]
    pub fn bundles(&self) -> Pages<BundleSummary> {
        self.pages("bundle_list", &["v1", "bundles"], Vec::new())
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn bundle_get(&self, digest: Digest) -> Result<Bundle, Error> {
        self.transport.json(Call::get("bundle_get", &["v1", "bundles", &digest.to_string()])).await
    }

    /// Makes a bundle the active one; in force when the call returns. It may deny steps of `accept` running
    /// transactions; without a number of none.
    ///
    /// # Errors
    /// If the server refuses; the problem says what it would deny.
    pub async fn bundle_activate(&self, digest: Digest, accept: Option<u64>) -> Result<Activated, Error> {
        let call = Call::post("bundle_activate", &["v1", "bundles", &digest.to_string(), "activate"]);
        self.transport.json(call.query(&AcceptQuery { accept })?).await
    }

    /// Makes the bundle that was active before the active one, likewise.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn bundle_rollback(&self, accept: Option<u64>) -> Result<Activated, Error> {
        let call = Call::post("bundle_rollback", &["v1", "bundles", "rollback"]);
        self.transport.json(call.query(&AcceptQuery { accept })?).await
    }

    /// Puts a pushed bundle in the shadow: it is asked beside the active one, and not obeyed.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn bundle_shadow(&self, digest: Digest) -> Result<Shadowed, Error> {
        self.transport.json(Call::post("bundle_shadow", &["v1", "bundles", &digest.to_string(), "shadow"])).await
    }

    /// Takes the bundle that is in the shadow out of it.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn bundle_shadow_end(&self) -> Result<(), Error> {
        self.transport.bytes(Call::delete("bundle_shadow_end", &["v1", "bundles", "shadow"])).await.map(drop)
    }

    /// Asks a pushed bundle, active or not. Nothing is recorded.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn bundle_simulate(&self, digest: Digest, question: &Decide) -> Result<Simulated, Error> {
        let call = Call::post("bundle_simulate", &["v1", "bundles", &digest.to_string(), "simulate"]).repeatable();
        self.transport.json(call.body(Body::json(question)?)).await
    }

    /// What a bundle needs to be put into force.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn bundle_rules(&self) -> Result<BundleRules, Error> {
        self.transport.json(Call::get("bundle_rules_get", &["v1", "bundle-rules"])).await
    }

    /// Sets it; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn bundle_rules_set(&self, rules: &BundleRules) -> Result<BundleRules, Error> {
        let call = Call::put("bundle_rules_set", &["v1", "bundle-rules"]);
        self.transport.json(call.body(Body::json(rules)?)).await
    }

    /// Those whose signatures of bundles count.
    #[must_use]
    pub fn signers(&self) -> Pages<Signer> {
        self.pages("signer_list", &["v1", "signers"], Vec::new())
    }

    /// Has somebody's signatures of bundles count.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn signer_add(&self, key: &str) -> Result<Signer, Error> {
        let call = Call::post("signer_add", &["v1", "signers"]).repeatable();
        self.transport.json(call.body(Body::json(&AddSigner { key: key.to_owned() })?)).await
    }

    /// Has them count no longer.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn signer_remove(&self, name: &str) -> Result<(), Error> {
        self.transport.bytes(Call::delete("signer_remove", &["v1", "signers", name])).await.map(drop)
    }

    /// Asks a bundle that need not be pushed. Nothing is recorded.
    ///
    /// # Errors
    /// If the server refuses; the problem says where the document is wrong.
    pub async fn bundle_simulate_source(&self, asked: &SimulateBundle) -> Result<Simulated, Error> {
        let call = Call::post("bundle_simulate_source", &["v1", "bundles", "simulate"]).repeatable();
        self.transport.json(call.body(Body::json(asked)?)).await
    }

    /// Takes past decisions again under a pushed bundle, as many as one call does; `next` of what comes goes on. Nothing
    /// is recorded.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn bundle_replay(&self, digest: Digest, range: &ReplayBundle) -> Result<Replayed, Error> {
        let call = Call::post("bundle_replay", &["v1", "bundles", &digest.to_string(), "replay"]).repeatable();
        self.transport.json(call.body(Body::json(range)?)).await
    }
}
