//! Aggregates that need their values in order: min and max of other types than numbers, array_agg, string_agg.
//!
//! Per group an ordered multiset, key bytes → (count, values): see [`crate::order_key`]. Ties are broken by identity, so
//! that the result does not depend on the order of arrival. min and max cost O(log group) per row; array_agg and
//! string_agg rebuild the value of a touched group.

use super::Input;
use crate::order_key::{push_identity, push_ordered};
use headwater_types::{ArrayDatum, ColumnOrder, DataType, Datum, Result, SqlError, SqlState};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a string_agg result, and elements of an array_agg result.
const COLLECTED_BYTES_MAX: usize = 1 << 30;

type Multiset<V> = BTreeMap<Box<[u8]>, (i64, V)>;

/// About what an entry takes in memory besides its own size: its key's bytes, and a map's nodes are not full.
const ENTRY_BYTES: usize = 32;

/// Bytes of the sets of all groups, about.
fn state_bytes<V>(sets: &[Multiset<V>]) -> usize {
    let entries: usize = sets.iter().map(BTreeMap::len).sum();
    size_of_val(sets) + entries * (size_of::<(Box<[u8]>, (i64, V))>() + ENTRY_BYTES)
}

/// Adds to a value's count; counts may be negative for a while within a step.
fn add<V>(set: &mut Multiset<V>, key: &[u8], weight: i64, value: impl FnOnce() -> V) {
    match set.get_mut(key) {
        Some((count, _)) => {
            *count = count.wrapping_add(weight);
            if *count == 0 {
                set.remove(key);
            }
        }
        None => {
            set.insert(key.into(), (weight, value()));
        }
    }
}

/// min and max of values that are not numbers.
#[derive(Debug)]
pub(super) struct ValueExtremes {
    arg: DataType,
    greatest: bool,
    sets: Vec<Multiset<Datum>>,
}

impl ValueExtremes {
    pub(super) fn new(arg: DataType, greatest: bool) -> Self {
        Self { arg, greatest, sets: vec![] }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.sets.resize_with(slots, BTreeMap::new);
    }

    pub(super) fn reset(&mut self, slot: usize) {
        self.sets[slot].clear();
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        let Some(arg) = input.args.first() else { return };
        let mut key = vec![];
        input.for_each(|row, slot, weight| {
            let value = Datum::from_array(&**arg, &self.arg, row);
            key.clear();
            push_identity(&value, &mut key);
            let set = &mut self.sets[slot];
            if input.final_insertions && !improves(set, &key, &value, self.greatest) {
                return;
            }
            add(set, &key, weight, || value);
        });
    }

    /// Takes what another has of other rows, nothing of which will ever be retracted; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, other: Self, slots: &[u32]) {
        for (&slot, theirs) in slots.iter().zip(other.sets) {
            let set = &mut self.sets[slot as usize];
            for (key, (weight, value)) in theirs {
                if improves(set, &key, &value, self.greatest) {
                    add(set, &key, weight, || value);
                }
            }
        }
    }

    /// The memory kept, about.
    pub(super) fn state_bytes(&self) -> usize {
        state_bytes(&self.sets)
    }

    pub(super) fn value(&self, slot: usize) -> Datum {
        let set = &self.sets[slot];
        if !self.greatest {
            return set.first_key_value().map_or(Datum::Null, |(_, (_, value))| value.clone());
        }
        // Of the greatest values that are SQL-equal, the least by identity.
        let Some((_, (_, greatest))) = set.last_key_value() else { return Datum::Null };
        let equal = set.values().rev().take_while(|(_, value)| value.sql_cmp(greatest).is_eq());
        equal.last().map_or(Datum::Null, |(_, value)| value.clone())
    }
}

/// Whether a value is better than the only one of a group, which then goes.
fn improves(set: &mut Multiset<Datum>, key: &[u8], value: &Datum, greatest: bool) -> bool {
    if let Some((best, (_, held))) = set.first_key_value() {
        let order = value.sql_cmp(held);
        let order = if greatest { order.reverse() } else { order };
        if order.then_with(|| key.cmp(best)).is_ge() {
            return false;
        }
        set.clear();
    }
    true
}

/// array_agg, string_agg.
#[derive(Debug)]
pub(super) struct Collected {
    arg_types: Vec<DataType>,
    key_types: Vec<DataType>,
    orders: Vec<ColumnOrder>,
    /// string_agg.
    separated: bool,
    sets: Vec<Multiset<Vec<Datum>>>,
}

impl Collected {
    pub(super) fn new(
        arg_types: Vec<DataType>,
        key_types: Vec<DataType>,
        orders: Vec<ColumnOrder>,
        separated: bool,
    ) -> Self {
        Self { arg_types, key_types, orders, separated, sets: vec![] }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.sets.resize_with(slots, BTreeMap::new);
    }

    pub(super) fn reset(&mut self, slot: usize) {
        self.sets[slot].clear();
    }

    /// Adds what another has of other rows; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, other: Self, slots: &[u32]) {
        for (&slot, theirs) in slots.iter().zip(other.sets) {
            for (key, (weight, values)) in theirs {
                add(&mut self.sets[slot as usize], &key, weight, || values);
            }
        }
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        let mut key = vec![];
        input.for_each(|row, slot, weight| {
            key.clear();
            for ((array, data_type), order) in input.keys.iter().zip(&self.key_types).zip(&self.orders) {
                push_ordered(&Datum::from_array(&**array, data_type, row), *order, &mut key);
            }
            let args = input.args.iter().zip(&self.arg_types);
            let values: Vec<Datum> = args.map(|(array, t)| Datum::from_array(&**array, t, row)).collect();
            for value in &values {
                push_identity(value, &mut key);
            }
            add(&mut self.sets[slot], &key, weight, || values);
        });
    }

    /// The memory kept, about.
    pub(super) fn state_bytes(&self) -> usize {
        state_bytes(&self.sets)
    }

    pub(super) fn value(&self, slot: usize) -> Result<Datum> {
        let set = &self.sets[slot];
        if set.is_empty() {
            return Ok(Datum::Null);
        }
        if self.separated { string_of(set) } else { array_of(set, &self.arg_types[0]) }
    }
}

/// Each entry's values, as often as they occur.
fn repeated(set: &Multiset<Vec<Datum>>) -> impl Iterator<Item = &[Datum]> {
    set.values().flat_map(|(count, values)| std::iter::repeat_n(&values[..], usize::try_from(*count).unwrap_or(0)))
}

fn array_of(set: &Multiset<Vec<Datum>>, element: &DataType) -> Result<Datum> {
    let total = set.values().fold(0i64, |sum, (count, _)| sum.saturating_add(*count));
    if usize::try_from(total).is_ok_and(|total| total > COLLECTED_BYTES_MAX / size_of::<Datum>()) {
        return Err(SqlError::new(SqlState::ProgramLimitExceeded, "array size exceeds the maximum allowed"));
    }
    let values = repeated(set).map(|values| values[0].clone()).collect();
    Ok(Datum::Array(Arc::new(ArrayDatum { element: element.clone(), values })))
}

fn string_of(set: &Multiset<Vec<Datum>>) -> Result<Datum> {
    let mut text = String::new();
    for (place, values) in repeated(set).enumerate() {
        if let (true, Some(Datum::Text(separator))) = (place > 0, values.get(1)) {
            text.push_str(separator);
        }
        if let Datum::Text(value) = &values[0] {
            text.push_str(value);
        }
        if text.len() > COLLECTED_BYTES_MAX {
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, "string_agg result exceeds 1 GiB"));
        }
    }
    Ok(Datum::text(text))
}
