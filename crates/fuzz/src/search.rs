//! Searches.

use crate::Verdict;
use crate::check::{sure, words};
use chancery_base::Timestamp;
use chancery_base::limits::{SEARCH_BYTES_MAX, SEARCH_TERMS_MAX};
use chancery_engine::search::Search;

pub(crate) fn search(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else { return Verdict::Refused };
    // Late enough for every age to reach back to another instant.
    let now = Timestamp::from_micros(1_795_246_020_000_000);
    let search = match Search::parse(text, now) {
        Ok(search) => search,
        Err(error) => {
            words(&error.message);
            assert!((1..=text.chars().count() + 1).contains(&error.column), "a column outside of the text");
            return Verdict::Refused;
        }
    };
    assert!(text.len() <= SEARCH_BYTES_MAX && search.terms().len() <= SEARCH_TERMS_MAX, "a limit does not hold");
    let written = search.to_string();
    // Quotes and times may be longer when they are written out.
    if written.len() <= SEARCH_BYTES_MAX {
        let again = sure(Search::parse(&written, Timestamp::MAX), "a search reads back");
        assert_eq!(again, search, "a search reads back as another");
        assert_eq!(again.to_string(), written, "there are two spellings");
    }
    Verdict::Taken
}
