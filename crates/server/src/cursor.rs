//! Cursors of keyset pages: opaque to callers, checked when they come back.

use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_api::{Page as WirePage, Problem, ProblemKind};
use chancery_app::bulk::Place;
use chancery_app::events::Position;
use chancery_app::reports::ReviewPlace;
use chancery_app::requests::Due;
use chancery_app::{Page, Paged};
use chancery_base::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use chancery_base::{EvidenceId, Name, OverrideId, PrincipalId, StopId, Timestamp, TransactionId};

const CURSOR_BYTES_MAX: usize = 512;

/// What a list is ordered by.
pub(crate) trait Key: Sized {
    /// Says of which kind of list a cursor is, so that one list's does not pass for another's.
    const KIND: char;
    /// As text.
    fn write(&self) -> String;
    /// From text.
    fn read(text: &str) -> Option<Self>;
}

impl Key for TransactionId {
    const KIND: char = 't';
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Key for Place {
    const KIND: char = 'b';
    fn write(&self) -> String {
        format!("{}/{}", self.began.as_micros(), self.last)
    }
    fn read(text: &str) -> Option<Self> {
        let (began, last) = text.split_once('/')?;
        Some(Self { began: Timestamp::from_micros(began.parse().ok()?), last: last.parse().ok()? })
    }
}

impl Key for Position {
    const KIND: char = 'e';
    fn write(&self) -> String {
        let parts = self.0.iter().map(|((shard, generation), from)| format!("{shard}.{generation}:{from}"));
        parts.collect::<Vec<_>>().join(",")
    }
    fn read(text: &str) -> Option<Self> {
        let parts = text.split(',').map(|part| {
            let (log, from) = part.split_once(':')?;
            let (shard, generation) = log.split_once('.')?;
            Some(((shard.parse().ok()?, generation.parse().ok()?), from.parse().ok()?))
        });
        parts.collect::<Option<_>>().map(Self)
    }
}

impl Key for Due {
    const KIND: char = 'q';
    fn write(&self) -> String {
        format!("{}/{}", self.0.as_micros(), self.1)
    }
    fn read(text: &str) -> Option<Self> {
        let (due, id) = text.split_once('/')?;
        Some((Timestamp::from_micros(due.parse().ok()?), id.parse().ok()?))
    }
}

impl Key for PrincipalId {
    const KIND: char = 'p';
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Key for EvidenceId {
    const KIND: char = 'd';
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Key for OverrideId {
    const KIND: char = 'o';
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Key for ReviewPlace {
    const KIND: char = 'w';
    fn write(&self) -> String {
        format!("{}/{}", self.principal, self.asked)
    }
    fn read(text: &str) -> Option<Self> {
        let (principal, asked) = text.split_once('/')?;
        Some(Self { principal: principal.parse().ok()?, asked: asked.parse().ok()? })
    }
}

impl Key for StopId {
    const KIND: char = 'k';
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Key for (Name, u32) {
    const KIND: char = 'v';
    fn write(&self) -> String {
        format!("{}/{}", self.0, self.1)
    }
    fn read(text: &str) -> Option<Self> {
        let (name, version) = text.split_once('/')?;
        Some((name.parse().ok()?, version.parse().ok()?))
    }
}

impl Key for Name {
    const KIND: char = 's';
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Key for u64 {
    const KIND: char = 'n';
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Key for u32 {
    const KIND: char = 'i';
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// The part of a list that a query asks for.
pub(crate) fn page<K: Key>(limit: Option<usize>, cursor: Option<&str>) -> Result<Page<K>, Failure> {
    let limit = limit.unwrap_or(PAGE_ROWS_DEFAULT);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        let detail = format!("`limit` is {limit}; it must be 1 to {PAGE_ROWS_MAX}");
        return Err(Problem::new(ProblemKind::InvalidRequest, detail).into());
    }
    Ok(Page { after: cursor.map(decode).transpose()?, limit })
}

/// A page as it is sent.
pub(crate) fn wire<T, K: Key, W>(page: Paged<T, K>, each: impl FnMut(T) -> W) -> WirePage<W> {
    WirePage { next: page.next.as_ref().map(encode), items: page.items.into_iter().map(each).collect() }
}

pub(crate) fn encode<K: Key>(key: &K) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}{}", K::KIND, key.write()))
}

fn decode<K: Key>(cursor: &str) -> Result<K, Failure> {
    let wrong = || Problem::new(ProblemKind::InvalidCursor, "the cursor is not one that this list gave");
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(wrong().into());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().ok_or_else(wrong)?;
    let text = String::from_utf8(bytes).ok().ok_or_else(wrong)?;
    let key = text.strip_prefix(K::KIND).and_then(K::read);
    key.ok_or_else(wrong).map_err(Failure::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_fits_its_own_list() {
        let key: (Name, u32) = ("create-order".parse().unwrap(), 7);
        let cursor = encode(&key);
        assert_eq!(page::<(Name, u32)>(None, Some(&cursor)).unwrap().after, Some(key));
        assert!(page::<u64>(None, Some(&cursor)).is_err());
        assert!(page::<u64>(None, Some("!")).is_err());
        assert!(page::<u64>(None, Some(&"a".repeat(513))).is_err());
    }

    #[test]
    fn a_reader_s_position_reads_back() {
        let position = Position([((0, 1), 17), ((3, 2), u64::MAX)].into());
        let cursor = encode(&position);
        assert_eq!(page::<Position>(None, Some(&cursor)).unwrap().after, Some(position));
        for wrong in ["e", "e0:1", "e0.1", "e0.1:", "e0.1:-1", "e0.1:1,", "n17"] {
            assert!(page::<Position>(None, Some(&URL_SAFE_NO_PAD.encode(wrong))).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_limit_beyond_the_bounds_is_refused() {
        assert!(page::<u64>(Some(0), None).is_err());
        assert!(page::<u64>(Some(PAGE_ROWS_MAX + 1), None).is_err());
        assert_eq!(page::<u64>(Some(PAGE_ROWS_MAX), None).unwrap().limit, PAGE_ROWS_MAX);
        assert_eq!(page::<u64>(None, None).unwrap().limit, PAGE_ROWS_DEFAULT);
    }
}
