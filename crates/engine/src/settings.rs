//! A tenant's settings: what expressions see as `env`. They have versions, and a transaction keeps the one that it
//! began with. Never the process's environment, and no secrets: whoever reads the ledger reads them.

use chancery_base::limits::{SETTING_NAME_BYTES_MAX, SETTINGS_BYTES_MAX, SETTINGS_MAX};
use chancery_base::{Document, json};
use serde_json::{Map, Value};
use std::sync::{Arc, LazyLock};

/// What the name of a secret ends with.
const SECRETS: [&str; 10] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "CREDENTIALS",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
];

/// The settings at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    version: Option<u32>,
    values: Document,
}

impl Settings {
    /// Where nothing was ever set.
    #[must_use]
    pub fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<Settings>> =
            LazyLock::new(|| Arc::new(Settings { version: None, values: Document::new(Value::Object(Map::new())) }));
        Arc::clone(&NONE)
    }

    /// The settings of a version, from 1.
    ///
    /// # Errors
    /// Says which name or value can't be a setting.
    pub fn new(version: u32, values: Map<String, Value>) -> Result<Self, String> {
        let settings = Self { version: Some(version), values: Document::new(Value::Object(values)) };
        settings.check().map(|()| settings)
    }

    /// The settings of a version from their canonical text.
    ///
    /// # Errors
    /// If it is none, or as [`Settings::new`].
    pub fn from_canonical(version: u32, source: &[u8]) -> Result<Self, String> {
        let is_canonical = std::str::from_utf8(source).is_ok_and(json::is_canonical);
        match json::parse(source, SETTINGS_BYTES_MAX) {
            Ok(Value::Object(values)) if is_canonical => Self::new(version, values),
            Ok(_) => Err("it is not the canonical text of an object".to_owned()),
            Err(err) => Err(err.to_string()),
        }
    }

    /// Their version; none where nothing was ever set.
    #[must_use]
    pub const fn version(&self) -> Option<u32> {
        self.version
    }

    /// Their values, by name.
    #[must_use]
    pub const fn values(&self) -> &Document {
        &self.values
    }

    /// These values with some put in, and those taken out that are null.
    #[must_use]
    pub fn patched(&self, patch: &Map<String, Value>) -> Map<String, Value> {
        let mut values = self.values.as_object().cloned().unwrap_or_default();
        for (name, value) in patch {
            if value.is_null() {
                values.remove(name);
            } else {
                values.insert(name.clone(), value.clone());
            }
        }
        values
    }

    fn check(&self) -> Result<(), String> {
        let values = self.values.as_object().into_iter().flatten();
        for (name, value) in values.clone() {
            if let Some(fault) = setting_fault(name) {
                return Err(fault);
            }
            if value.is_null() {
                return Err(format!("`{name}` is null: leave out what has no value"));
            }
        }
        let (count, bytes) = (values.count(), self.values.canonical().len());
        if count > SETTINGS_MAX {
            return Err(format!("{count} settings, at most {SETTINGS_MAX} are allowed"));
        }
        if bytes > SETTINGS_BYTES_MAX {
            return Err(format!("the settings have {bytes} bytes, at most {SETTINGS_BYTES_MAX} are allowed"));
        }
        Ok(())
    }
}

/// Whether a setting can be called so.
pub(crate) fn is_setting_name(name: &str) -> bool {
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
    let is_part = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    begins_well && name.len() <= SETTING_NAME_BYTES_MAX && name.bytes().all(is_part)
}

/// Why a setting can't be called so; none: it can.
fn setting_fault(name: &str) -> Option<String> {
    if !is_setting_name(name) {
        return Some(format!(
            "`{name}` is not the name of a setting: write it like `PAYMENTS_URL`, in capitals, digits and `_`, at most \
             {SETTING_NAME_BYTES_MAX} bytes"
        ));
    }
    let ends_with = |word: &str| name.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    SECRETS.into_iter().find(|word| ends_with(word)).map(|word| {
        format!(
            "`{name}` is called like a secret (…{word}): settings are in the ledger for whoever may read it, so that a \
             secret does not belong here; give it to what needs it"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: &Value) -> Result<Settings, String> {
        Settings::new(1, value.as_object().unwrap().clone())
    }

    #[test]
    fn names_are_in_capitals_and_no_secrets() {
        for name in ["A", "PAYMENTS_URL", "TOKEN_URL", "X2", "KEYTOKEN", "SECRET_SANTA_DAY"] {
            assert!(of(&json!({ name: 1 })).is_ok(), "{name}");
        }
        for name in ["", "a", "_A", "2X", "PAYMENTS-URL", "Ä", &"A".repeat(SETTING_NAME_BYTES_MAX + 1)] {
            assert!(of(&json!({ name: 1 })).unwrap_err().contains("is not the name of a setting"), "{name}");
        }
        for name in ["PASSWORD", "DB_PASSWORD", "STRIPE_API_KEY", "CLIENT_SECRET", "BOT_TOKEN"] {
            assert!(of(&json!({ name: 1 })).unwrap_err().contains("called like a secret"), "{name}");
        }
    }

    #[test]
    fn there_is_a_limit_to_how_many_and_how_large() {
        let many = |count: usize| Value::Object((0..count).map(|n| (format!("A{n}"), json!(n))).collect());
        assert!(of(&many(SETTINGS_MAX)).is_ok());
        assert!(of(&many(SETTINGS_MAX + 1)).unwrap_err().contains("at most 256 are allowed"));
        let large = |bytes: usize| json!({ "A": "x".repeat(bytes) });
        assert!(of(&large(SETTINGS_BYTES_MAX - 8)).is_ok());
        assert!(of(&large(SETTINGS_BYTES_MAX - 7)).unwrap_err().contains("65537 bytes"));
        assert!(of(&json!({ "A": null })).unwrap_err().contains("leave out"));
    }

    #[test]
    fn a_patch_puts_in_and_takes_out() {
        let settings = of(&json!({ "A": 1, "B": { "x": 1 }, "C": 3 })).unwrap();
        let patch = json!({ "B": { "y": 2 }, "C": null, "D": 4, "E": null });
        let patched = settings.patched(patch.as_object().unwrap());
        assert_eq!(Value::Object(patched), json!({ "A": 1, "B": { "y": 2 }, "D": 4 }));
    }

    #[test]
    fn a_canonical_text_reads_back_and_no_other_does() {
        let settings = of(&json!({ "B": 1, "A": [true] })).unwrap();
        assert_eq!(Settings::from_canonical(1, settings.values().canonical().as_bytes()), Ok(settings));
        for text in ["{\"B\":1,\"A\":2}", "[1]", "{", "{\"a\":1}"] {
            assert!(Settings::from_canonical(1, text.as_bytes()).is_err(), "{text}");
        }
    }
}
