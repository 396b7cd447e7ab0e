//! The registry's entries, one file per family.

mod array;
mod catalog;
mod comparison;
pub(crate) mod datetime;
mod digest;
mod format;
mod json;
mod like;
mod math;
pub(crate) mod regex;
mod session;
mod sum_state;
mod text;
mod to_char;
mod window;

use crate::registry::Entry;

/// Every entry.
pub(crate) fn entries() -> Vec<Entry> {
    let mut entries = comparison::entries();
    entries.extend(math::operators());
    entries.extend(datetime::entries());
    entries.extend(catalog::entries());
    for family in [
        math::ENTRIES,
        text::ENTRIES,
        like::ENTRIES,
        regex::ENTRIES,
        format::ENTRIES,
        to_char::ENTRIES,
        window::ENTRIES,
        array::ENTRIES,
        json::ENTRIES,
        session::ENTRIES,
        sum_state::ENTRIES,
    ] {
        entries.extend_from_slice(family);
    }
    entries
}
