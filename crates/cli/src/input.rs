//! Values and files that the command line names.

use crate::error::CliError;
use chancery_base::limits::PAYLOAD_BYTES_MAX;
use chancery_base::time::TimestampError;
use chancery_base::{Digest, Timestamp, json};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

/// Reads a file, or the standard input for `-`; at most `max` bytes.
pub(crate) fn read(path: &Path, max: usize) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let reader: Box<dyn Read> =
        if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
    reader.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > max { Err(CliError::TooLarge { path: path.to_owned(), max }) } else { Ok(bytes) }
}

/// The digest of a file of any size, or of the standard input for `-`.
pub(crate) fn digest(path: &Path) -> Result<Digest, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let reader: Box<dyn Read> =
        if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
    let (mut reader, mut hasher) = (BufReader::new(reader), Sha256::new());
    loop {
        let bytes = reader.fill_buf().map_err(failed)?;
        let read = bytes.len();
        if read == 0 {
            break;
        }
        hasher.update(bytes);
        reader.consume(read);
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// The YAML and JSON files of a folder, in order of their names.
pub(crate) fn documents_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file()
    });
    files.sort();
    Ok(files)
}

/// What a file is called in messages.
pub(crate) fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "the standard input".to_owned() } else { path.display().to_string() }
}

/// A JSON value: as text, as `@FILE`, or as `-` for the standard input.
pub(crate) fn json_value(option: &str, text: &str) -> Result<Value, CliError> {
    let from_file = if text == "-" { Some("-") } else { text.strip_prefix('@') };
    let bytes = match from_file {
        Some(path) => read(Path::new(path), PAYLOAD_BYTES_MAX)?,
        None => text.as_bytes().to_vec(),
    };
    json::parse(&bytes, PAYLOAD_BYTES_MAX).map_err(|error| {
        CliError::Usage(format!(
            "{option} is not JSON: {error}; write it as '{{\"order\": 17}}', @FILE, or - for the standard input"
        ))
    })
}

/// As [`json_value`], for values that must be objects.
pub(crate) fn json_object(option: &str, text: &str) -> Result<Map<String, Value>, CliError> {
    match json_value(option, text)? {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(CliError::Usage(format!("{option} must be a JSON object, such as '{{\"amount\": 5}}'")))
        }
    }
}

/// An instant.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error: TimestampError| error.to_string())
}

/// An instant, or a date, which is its first moment in UTC.
pub(crate) fn time_or_date(text: &str) -> Result<Timestamp, String> {
    let date = time(&format!("{text}T00:00:00Z"));
    date.or_else(|_not_a_date| time(text))
}

/// Splits `NAME=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// `NAME=VALUE` pairs of which no name stands twice: which of the two was meant nobody knows.
pub(crate) fn once(flag: &str, pairs: &[(String, String)]) -> Result<BTreeMap<String, String>, CliError> {
    let mut once = BTreeMap::new();
    for (name, value) in pairs {
        if once.insert(name.clone(), value.clone()).is_some() {
            return Err(CliError::Usage(format!("{flag}: `{name}` stands twice")));
        }
    }
    Ok(once)
}

/// `NAME=VALUE` pairs as attributes: a value that is JSON is that, any other is text.
pub(crate) fn attributes(flag: &str, pairs: &[(String, String)]) -> Result<Map<String, Value>, CliError> {
    let value = |text: &str| json::parse(text.as_bytes(), PAYLOAD_BYTES_MAX).unwrap_or_else(|_text| Value::from(text));
    Ok(once(flag, pairs)?.into_iter().map(|(name, text)| (name, value(&text))).collect())
}
