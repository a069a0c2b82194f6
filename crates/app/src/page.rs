//! Keyset pages.

use chancery_base::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    /// The key at which the page before ended; none for the first page.
    pub after: Option<K>,
    /// How many rows: 1 to [`PAGE_ROWS_MAX`]; what is beyond is cut.
    pub limit: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T, K> {
    /// The rows.
    pub items: Vec<T>,
    /// The key to ask for the next page with; none where this is the last.
    pub next: Option<K>,
}

impl<K> Default for Page<K> {
    fn default() -> Self {
        Self { after: None, limit: PAGE_ROWS_DEFAULT }
    }
}

impl<K> Page<K> {
    /// The limit within its bounds.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.limit.clamp(1, PAGE_ROWS_MAX)
    }
}

impl<T, K> Paged<T, K> {
    /// A page of rows of which one more than `rows` was asked for: whether it came says whether there are more.
    pub fn cut(mut items: Vec<T>, rows: usize, key: impl Fn(&T) -> K) -> Self {
        let more = items.len() > rows;
        items.truncate(rows);
        let next = if more { items.last().map(key) } else { None };
        Self { items, next }
    }

    /// The same page of other rows.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Paged<U, K> {
        Paged { items: self.items.into_iter().map(each).collect(), next: self.next }
    }
}
