//! Settings.

use chancery_api::settings::Settings;
use chancery_app::settings::SettingsView;

pub(crate) fn tenant_settings(view: SettingsView) -> Settings {
    let (changed_by, changed_at) = view.changed.unzip();
    Settings { version: view.version, changed_at, changed_by, values: view.values }
}
