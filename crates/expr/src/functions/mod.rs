//! The registry's entries, one file per family.

mod comparison;
pub(crate) mod datetime;
mod digest;
mod format;
pub(crate) mod keywords;
mod like;
mod math;
pub(crate) mod regex;
mod text;

use crate::registry::Entry;

/// Every entry.
pub(crate) fn entries() -> Vec<Entry> {
    let mut entries = comparison::entries();
    entries.extend(math::operators());
    for family in [math::ENTRIES, text::ENTRIES, like::ENTRIES, regex::ENTRIES, format::ENTRIES] {
        entries.extend_from_slice(family);
    }
    entries
}
