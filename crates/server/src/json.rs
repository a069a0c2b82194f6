//! Reading a body into a wire type: strictly, and saying where it is wrong.

use chancery_api::{Fault, Problem, ProblemKind};
use chancery_base::json::{self, Bounds, JsonError};
use chancery_base::limits::JSON_VALUES_MAX;
use serde::de::DeserializeOwned;

/// As [`read_within`], [`JSON_VALUES_MAX`] values at most.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], bytes_max: usize) -> Result<(T, usize), Box<Problem>> {
    read_within(bytes, Bounds { bytes: bytes_max, values: JSON_VALUES_MAX })
}

/// Reads JSON: UTF-8, no key twice, nested 32 deep at most, no unknown key, within these bounds. Gives what its values
/// count, too.
pub(crate) fn read_within<T: DeserializeOwned>(bytes: &[u8], bounds: Bounds) -> Result<(T, usize), Box<Problem>> {
    let parsed = json::parse_within(bytes, bounds).map_err(|error| match error {
        JsonError::TooLarge { .. } | JsonError::TooMany { .. } => {
            Box::new(Problem::new(ProblemKind::TooLarge, format!("the body: {error}")))
        }
        JsonError::Syntax(message) => wrong(&message),
    })?;
    // It would be read as an object's members in their order.
    if parsed.value.is_array() {
        return Err(wrong("invalid type: an array, expected an object"));
    }
    // The value is taken apart without a copy; only where that fails is the text read again, for line and column.
    let read = serde_json::from_value(parsed.value).map_err(|error| {
        let error = serde_json::from_slice::<T>(bytes).err().unwrap_or(error);
        wrong(&error.to_string())
    })?;
    Ok((read, parsed.values))
}

fn wrong(message: &str) -> Box<Problem> {
    let (message, place) = split_place(message);
    let (line, column) = place.unzip();
    let fault = Fault { path: String::new(), line, column, message: message.to_owned(), rule: None };
    let detail = match place {
        Some((line, column)) => format!("line {line}, column {column}: {message}"),
        None => message.to_owned(),
    };
    Box::new(Problem { errors: vec![fault], ..Problem::new(ProblemKind::InvalidBody, detail) })
}

/// Splits serde's ` at line 1 column 2` off a message.
fn split_place(message: &str) -> (&str, Option<(usize, usize)>) {
    let split = || {
        let (rest, column) = message.rsplit_once(" column ")?;
        let (rest, line) = rest.rsplit_once(" at line ")?;
        Some((rest, (line.parse().ok()?, column.parse().ok()?)))
    };
    split().map_or((message, None), |(rest, place)| (rest, Some(place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_api::transaction::StartTransaction;

    #[track_caller]
    fn check(body: &[u8], expected: &str) {
        let problem = read::<StartTransaction>(body, 1_000).unwrap_err();
        assert_eq!(format!("{} {}", problem.status, problem.detail), expected);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        check(b"", "400 line 1, column 0: EOF while parsing a value");
        check(b"{\"definition\":\n 7}", "400 line 2, column 2: invalid type: integer `7`, expected a string");
        check(
            b"{\"definition\":\"a\",\"defs\":1}",
            "400 line 1, column 24: unknown field `defs`, expected one of `definition`, `version`, `input`, `labels`, `headers`, `wait`, `start_at`, `signal`, `faults`",
        );
        check(b"{\"definition\":\"a\",\"definition\":\"b\"}", "400 line 1, column 35: key `definition` stands twice");
        check(b"{\"input\":\"\xff\"}", "400 line 1, column 11: invalid unicode code point");
        check(b"[\"a\"]", "400 invalid type: an array, expected an object");
        check(b"{\"definition\":\"a\"} x", "400 line 1, column 20: trailing characters");
        check(&b"[".repeat(1_001), "413 the body: 1001 bytes, at most 1000 are allowed");
        let many = format!("{{\"input\":[{}1]}}", "1,".repeat(JSON_VALUES_MAX));
        let problem = read::<StartTransaction>(many.as_bytes(), many.len()).unwrap_err();
        let detail = "the body: more values than 65536, where an object counts 7 and each of its members two";
        assert_eq!((problem.status, problem.detail.as_str()), (413, detail));
        check(&b"[".repeat(50), "400 line 1, column 33: nested deeper than 32");
    }
}
