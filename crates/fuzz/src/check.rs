//! How a target says that something does not hold.

use chancery_expr::StackError;
use std::fmt::{Debug, Display};

/// Reports a find.
#[track_caller]
#[expect(clippy::panic, reason = "a panic is how a target reports a find, to the fuzzer and to the replay")]
pub(crate) fn find(what: impl Display) -> ! {
    panic!("{what}")
}

/// What must be there.
#[track_caller]
pub(crate) fn sure<T, E: Debug>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => find(format_args!("{what}: {error:?}")),
    }
}

/// A refusal's place is one that the text has. Columns count characters or bytes, so bytes bound them.
#[track_caller]
pub(crate) fn place(text: &[u8], line: usize, column: usize) {
    let lines = 1 + text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    assert!((1..=lines).contains(&line), "line {line} of {lines}");
    let widest = text.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    assert!(column <= widest + 1, "column {column}, and no line has more than {widest} bytes");
}

/// A refusal has words, and they are not those of a panic that was caught.
#[track_caller]
pub(crate) fn words(message: &str) {
    assert!(!message.trim().is_empty(), "a refusal without words");
    // The whole of it: a fuzzer that finds these words in the program sends them, and refusals quote what was sent.
    let caught = [StackError::Panicked, StackError::Spawn].map(|error| error.to_string());
    assert!(!caught.iter().any(|caught| message == caught), "{message}");
}

/// Bytes that a body may have here.
pub(crate) const BODY_BYTES_MAX: usize = 16 << 10;

/// What is read as this body reads back as the same, and has no key that the body does not have; one that takes `any`
/// key passes over those. None: it is not read.
macro_rules! body {
    (any $body:ty, $data:expr) => {
        $crate::check::body!(@ $body, $data, |unknown, read| {
            assert_eq!(&$crate::check::sure(unknown, "a key that is not known is passed over"), read);
        })
    };
    (@ $body:ty, $data:expr, $check:expr) => {
        match chancery_base::json::parse_as::<$body>($data, $crate::check::BODY_BYTES_MAX) {
            Ok(read) => {
                let value = $crate::check::sure(serde_json::to_value(&read), "a body is written");
                let bytes = chancery_base::json::canonical(&value);
                let again = chancery_base::json::parse_as::<$body>(&bytes, usize::MAX);
                assert_eq!($crate::check::sure(again, "a body is read"), read, "it reads back as another");
                let mut unknown = value;
                if let serde_json::Value::Object(map) = &mut unknown {
                    map.insert("unheard-of".to_owned(), serde_json::Value::Null);
                }
                let bytes = chancery_base::json::canonical(&unknown);
                let check: fn(Result<$body, chancery_base::json::JsonError>, &$body) = $check;
                check(chancery_base::json::parse_as::<$body>(&bytes, usize::MAX), &read);
                Some(read)
            }
            Err(error) => {
                $crate::check::words(&error.to_string());
                None
            }
        }
    };
    ($body:ty, $data:expr) => {
        $crate::check::body!(@ $body, $data, |unknown, _| {
            assert!(unknown.is_err(), "a key that a body does not have is ignored");
        })
    };
}
pub(crate) use body;
