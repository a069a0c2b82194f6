//! Reads records. The form is fixed, so the reader asks for what must come next and never looks back.

use super::{DATA_PAIRS_MAX, Data, DataValue, Origin, RECORD_VERSION, Record, RecordError, Refs, Word};
use chancery_base::json::INTEGER_MAX;
use chancery_base::limits::RECORD_BYTES_MAX;
use std::fmt::Display;
use std::str::FromStr;

/// Reads a record, which most likely is of the log `known`.
pub(super) fn parse(bytes: &[u8], known: Option<&Origin>) -> Result<Record, RecordError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::TooLarge(bytes.len()));
    }
    let mut cursor = Cursor { rest: bytes, length: bytes.len() };
    let record = cursor.record(known)?;
    // The reader takes one spelling only; comparing proves it rather than trusting it.
    let mut again = String::with_capacity(bytes.len());
    record.write(&mut again);
    if again.as_bytes() == bytes { Ok(record) } else { Err(RecordError::Spelling) }
}

struct Cursor<'a> {
    rest: &'a [u8],
    length: usize,
}

impl Cursor<'_> {
    fn record(&mut self, known: Option<&Origin>) -> Result<Record, RecordError> {
        self.literal("{\"actor\":\"")?;
        let actor = self.value("actor")?;
        self.literal(",\"at\":\"")?;
        let at = self.value("at")?;
        self.literal(",\"data\":{")?;
        let data = self.data()?;
        self.literal(",\"epoch\":")?;
        let epoch = self.count()?;
        self.literal(",\"kind\":\"")?;
        let kind = self.value("kind")?;
        self.literal(",\"log\":\"")?;
        let log = self.log(known)?;
        let payload = if self.takes(",\"payload\":\"") { Some(self.value("payload")?) } else { None };
        self.literal(",\"refs\":{")?;
        let refs = self.refs()?;
        self.literal(",\"seq\":")?;
        let seq = self.count()?;
        self.literal(",\"v\":")?;
        if self.count()? != RECORD_VERSION {
            return Err(RecordError::Field { field: "v", problem: "this reads version 1".to_owned() });
        }
        self.literal("}")?;
        if !self.rest.is_empty() {
            return Err(self.form("its end"));
        }
        Ok(Record { actor, at, data, epoch, kind, log, payload, refs, seq })
    }

    fn log(&mut self, known: Option<&Origin>) -> Result<Origin, RecordError> {
        let rest = known.and_then(|known| self.rest.strip_prefix(known.as_str().as_bytes())?.strip_prefix(b"\""));
        match rest.zip(known) {
            Some((rest, known)) => {
                self.rest = rest;
                Ok(known.clone())
            }
            None => self.value("log"),
        }
    }

    fn data(&mut self) -> Result<Data, RecordError> {
        let mut data = Data::new();
        if self.takes("}") {
            return Ok(data);
        }
        loop {
            self.literal("\"")?;
            let key: Word = self.value("data")?;
            self.literal(":")?;
            let value = self.data_value()?;
            if data.len() >= DATA_PAIRS_MAX || !data.push_read(key, value) {
                return Err(self.form("at most 64 pairs of data, in the order of their keys"));
            }
            if self.takes("}") {
                return Ok(data);
            }
            self.literal(",")?;
        }
    }

    fn data_value(&mut self) -> Result<DataValue, RecordError> {
        if self.takes("true") {
            return Ok(DataValue::Bool(true));
        }
        if self.takes("false") {
            return Ok(DataValue::Bool(false));
        }
        if self.takes("\"") {
            return if self.rest.starts_with(b"sha256:") {
                self.value("data").map(DataValue::Digest)
            } else {
                self.value("data").map(DataValue::Word)
            };
        }
        let negative = self.takes("-");
        let magnitude = i64::try_from(self.count()?).unwrap_or(INTEGER_MAX);
        Ok(DataValue::Int(if negative { -magnitude } else { magnitude }))
    }

    fn refs(&mut self) -> Result<Refs, RecordError> {
        let mut any = false;
        let refs = Refs {
            attempt: self.reference("\"attempt\":", &mut any, |c| c.small("attempt"))?,
            clone: self.reference("\"clone\":", &mut any, |c| c.small("clone"))?,
            decision: self.reference("\"decision\":\"", &mut any, |c| c.value("decision"))?,
            last: self.reference("\"last\":true", &mut any, |_| Ok(()))?.is_some(),
            n: self.reference("\"n\":", &mut any, Cursor::count)?,
            step: self.reference("\"step\":", &mut any, |c| c.small("step"))?,
            transaction: self.reference("\"transaction\":\"", &mut any, |c| c.value("transaction"))?,
        };
        self.literal("}")?;
        Ok(refs)
    }

    /// One of the keys that may be absent, after a comma unless it is the first that is there.
    fn reference<T>(
        &mut self,
        key: &'static str,
        any: &mut bool,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        let rest = if *any { self.rest.strip_prefix(b",") } else { Some(self.rest) };
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix(key.as_bytes())) else { return Ok(None) };
        self.rest = rest;
        *any = true;
        read(self).map(Some)
    }

    #[inline]
    fn takes(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    #[inline]
    fn literal(&mut self, text: &'static str) -> Result<(), RecordError> {
        if self.takes(text) { Ok(()) } else { Err(self.form(text)) }
    }

    /// The text up to the next quote, read as what the field holds; escapes do not occur.
    fn value<T: FromStr<Err: Display>>(&mut self, field: &'static str) -> Result<T, RecordError> {
        let length = self.rest.iter().position(|byte| *byte == b'"').ok_or_else(|| self.form("a quote"))?;
        let (text, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        let text = std::str::from_utf8(text).ok().ok_or_else(|| self.form("ASCII"))?;
        let value = text.parse().map_err(|err: T::Err| RecordError::Field { field, problem: err.to_string() })?;
        self.rest = rest.strip_prefix(b"\"").unwrap_or(rest);
        Ok(value)
    }

    /// A whole number from 0 to 2⁵³ without leading zeros.
    fn count(&mut self) -> Result<u64, RecordError> {
        let expected = "a whole number from 0 to 2^53";
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (text, rest) = self.rest.split_at_checked(digits).unwrap_or((self.rest, &[]));
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
        let number = number.filter(|number| *number <= INTEGER_MAX.unsigned_abs());
        let number = number.ok_or_else(|| self.form(expected))?;
        self.rest = rest;
        Ok(number)
    }

    fn small(&mut self, field: &'static str) -> Result<u32, RecordError> {
        let number = self.count()?;
        let problem = || RecordError::Field { field, problem: format!("{number} is beyond 2^32") };
        u32::try_from(number).ok().ok_or_else(problem)
    }

    fn form(&self, expected: &'static str) -> RecordError {
        RecordError::Form { at: self.length - self.rest.len(), expected }
    }
}
