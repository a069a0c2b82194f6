//! How many entries make a page.

use chancery_base::limits::{ENTRIES_BYTES_MAX, PAGE_STEP};
use chancery_shard::row::EntryRow;

/// Whether a page takes another entry, after those that it was asked for before: each may be large, and all of them are
/// in memory.
pub(crate) fn wants() -> impl FnMut(&EntryRow) -> bool {
    let (mut rows, mut bytes) = (0, 0);
    move |row| {
        let takes = rows < PAGE_STEP || bytes < ENTRIES_BYTES_MAX;
        rows += 1;
        bytes += row.payload.as_ref().map_or(0, |payload| payload.sealed.bytes.len());
        takes
    }
}
