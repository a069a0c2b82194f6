//! Doing what a plan says.

use super::plan::{Act, Item};
use crate::commands::definition;
use crate::error::CliError;
use chancery_api::settings::SetSettings;
use chancery_sdk::Client;

/// Does one thing of it, and says what was done; nothing where it is as it is to be.
pub(super) async fn act(item: &Item, accept: Option<u64>, client: &Client) -> Result<Option<String>, CliError> {
    let Some(act) = &item.act else { return Ok(None) };
    let done = match act {
        Act::Settings(values) => {
            let set = SetSettings { if_version: None, values: values.clone() };
            client.settings_patch(&set).await.map(drop)
        }
        Act::Target(id, settings) => client.target_set(id, settings).await.map(drop),
        Act::Queue(name, settings) => client.queue_set(name, settings).await.map(drop),
        Act::Budget(name, set) => client.budget_set(name, set).await.map(drop),
        Act::Definition(path) => {
            definition::push(path, client).await?;
            Ok(())
        }
        Act::Push(document) => client.bundle_push(document).await.map(drop),
        Act::Activate(digest) => client.bundle_activate(*digest, accept).await.map(drop),
        Act::ScheduleCreate(name, terms) => client.schedule_create(name, terms).await.map(drop),
        Act::ScheduleSet(name, terms) => client.schedule_set(name, terms).await.map(drop),
    };
    done?;
    Ok(Some(format!("{} {}: done", item.kind, item.name)))
}
