//! Keys of numbers, dates, times and texts: a few words per key, found by their hash and compared as words.
//!
//! ```text
//!  column ─▶ its bits, or its text's code ┐
//!  column ─▶ …                            ├▶ words of the row ─hash─▶ table ─▶ slot     words of the slot
//!  NULL flags                             ┘
//! ```
//!
//! # Invariants
//!
//! 1. Two keys are SQL-equal iff their words are. So only types are packed whose SQL-equal values are identical.
//! 2. Each slot that is in the table refers once to the code of each of its texts.
//! 3. `near` only saves the search for keys of one word that are small numbers: the table has them too.
//! 4. Per row and column: reading the value, and for a text one probe of the texts. Per row: a hash, one probe.

use super::SlotNumbers;
use super::texts::{CODE_BITS, NULL_CODE, Texts};
use crate::sharded_table::ShardedTable;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::NullBuffer;
use headwater_types::{DataType, hash_words};
use std::sync::Arc;

/// Keys of one word below this may be found by their number.
const NEAR_KEYS_MAX: usize = 1 << 16;
/// Places by number for each slot, above the first [`NEAR_KEYS_MIN`].
const NEAR_KEYS_PER_SLOT_MAX: usize = 8;
const NEAR_KEYS_MIN: usize = 256;

/// How a column's values become bits.
#[derive(Debug)]
enum Kind {
    Bool,
    Int2,
    Int4,
    Date,
    Unsigned,
    Int8,
    Time,
    Timestamp { zoned: bool },
    Text(Box<Texts>),
}

impl Kind {
    fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Bool => Self::Bool,
            DataType::Int2 => Self::Int2,
            DataType::Int4 => Self::Int4,
            DataType::Date => Self::Date,
            DataType::Oid | DataType::Xid | DataType::Reg(_) => Self::Unsigned,
            DataType::Int8 => Self::Int8,
            DataType::Time => Self::Time,
            DataType::Timestamp => Self::Timestamp { zoned: false },
            DataType::Timestamptz => Self::Timestamp { zoned: true },
            DataType::Text | DataType::Varchar(_) | DataType::Name | DataType::InternalChar => {
                Self::Text(Box::new(Texts::new()))
            }
            _ => return None,
        })
    }

    fn bits(&self) -> u32 {
        match self {
            Self::Bool => 1,
            Self::Int2 => 16,
            Self::Int4 | Self::Date | Self::Unsigned => 32,
            Self::Int8 | Self::Time | Self::Timestamp { .. } => 64,
            Self::Text(_) => CODE_BITS,
        }
    }
}

/// Where a value is among a key's words.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    word: usize,
    shift: u32,
}

#[derive(Debug)]
struct Field {
    kind: Kind,
    value: Place,
    /// Set for NULL; a text has a code for it instead.
    null: Place,
}

/// See the module.
#[derive(Debug)]
pub(super) struct PackedKeys {
    fields: Vec<Field>,
    /// Words of a key.
    width: usize,
    table: ShardedTable,
    /// One more than the slot, by key, or 0.
    near: Vec<u32>,
    /// The keys' words, by slot.
    words: Vec<u64>,
    /// The words of a batch's rows.
    rows: Vec<u64>,
}

impl PackedKeys {
    /// For keys of these types, if they can be packed.
    pub(super) fn new(types: &[DataType]) -> Option<Self> {
        let kinds: Vec<Kind> = types.iter().map(Kind::of).collect::<Option<_>>()?;
        let mut free: Vec<u32> = vec![];
        let mut place = |bits: u32| {
            let word = free.iter().position(|&left| left >= bits).unwrap_or_else(|| {
                free.push(u64::BITS);
                free.len() - 1
            });
            let shift = u64::BITS - free[word];
            free[word] -= bits;
            Place { word, shift }
        };
        let mut fields: Vec<Field> =
            kinds.into_iter().map(|kind| Field { kind, value: Place::default(), null: Place::default() }).collect();
        let mut widest: Vec<usize> = (0..fields.len()).collect();
        widest.sort_by_key(|&field| std::cmp::Reverse(fields[field].kind.bits()));
        for &field in &widest {
            fields[field].value = place(fields[field].kind.bits());
        }
        for field in fields.iter_mut().filter(|field| !matches!(field.kind, Kind::Text(_))) {
            field.null = place(1);
        }
        let width = free.len().max(1);
        Some(Self { fields, width, table: ShardedTable::default(), near: vec![], words: vec![], rows: vec![] })
    }

    /// The slot of every row's key; keys that were not there get one.
    pub(super) fn resolve(&mut self, columns: &[ArrayRef], rows: usize, numbers: &mut SlotNumbers) -> Vec<u32> {
        let mut words = std::mem::take(&mut self.rows);
        words.clear();
        words.resize(rows * self.width, 0);
        for (field, column) in self.fields.iter_mut().zip(columns) {
            field.pack(column, &mut words, self.width);
        }
        let slots = match self.width {
            1 => self.find_one(&words, numbers),
            2 => self.find::<2>(&words, numbers),
            3 => self.find::<3>(&words, numbers),
            _ => self.find_wide(&words, numbers),
        };
        self.rows = words;
        slots
    }

    fn find_one(&mut self, rows: &[u64], numbers: &mut SlotNumbers) -> Vec<u32> {
        let mut slots = Vec::with_capacity(rows.len());
        for &key in rows {
            let near = usize::try_from(key).ok().and_then(|key| self.near.get(key)).filter(|slot| **slot != 0);
            slots.push(match near {
                Some(slot) => slot - 1,
                None => self.find_far(key, numbers),
            });
        }
        slots
    }

    fn find_far(&mut self, key: u64, numbers: &mut SlotNumbers) -> u32 {
        let hash = hash_words(&[key]);
        let slot = match self.table.find(hash, |slot| self.words[slot as usize] == key) {
            Some(slot) => slot,
            None => self.create(&[key], hash, numbers),
        };
        let allowed = (self.words.len() * NEAR_KEYS_PER_SLOT_MAX).clamp(NEAR_KEYS_MIN, NEAR_KEYS_MAX);
        if let Some(key) = usize::try_from(key).ok().filter(|&key| key < allowed) {
            if key >= self.near.len() {
                self.near.resize((key + 1).next_power_of_two(), 0);
            }
            self.near[key] = slot + 1;
        }
        slot
    }

    fn find<const WIDTH: usize>(&mut self, rows: &[u64], numbers: &mut SlotNumbers) -> Vec<u32> {
        let mut slots = Vec::with_capacity(rows.len() / WIDTH);
        for key in rows.as_chunks::<WIDTH>().0 {
            let hash = hash_words(key);
            let held = self.words.as_chunks::<WIDTH>().0;
            let slot = match self.table.find(hash, |slot| same(&held[slot as usize], key)) {
                Some(slot) => slot,
                None => self.create(key, hash, numbers),
            };
            slots.push(slot);
        }
        slots
    }

    fn find_wide(&mut self, rows: &[u64], numbers: &mut SlotNumbers) -> Vec<u32> {
        let width = self.width;
        let mut slots = Vec::with_capacity(rows.len() / width);
        for key in rows.chunks_exact(width) {
            let hash = hash_words(key);
            let held = &self.words;
            let slot = match self.table.find(hash, |slot| held[slot as usize * width..][..width] == *key) {
                Some(slot) => slot,
                None => self.create(key, hash, numbers),
            };
            slots.push(slot);
        }
        slots
    }

    fn create(&mut self, key: &[u64], hash: u64, numbers: &mut SlotNumbers) -> u32 {
        let slot = numbers.take();
        let start = slot as usize * self.width;
        if start == self.words.len() {
            self.words.extend_from_slice(key);
        } else {
            self.words[start..start + self.width].copy_from_slice(key);
        }
        self.table.insert(hash, slot);
        for field in &mut self.fields {
            if let Kind::Text(texts) = &mut field.kind {
                texts.refer(code_in(key, field.value));
            }
        }
        slot
    }

    /// Forgets slots' keys.
    pub(super) fn release(&mut self, slots: &[u32]) {
        for &slot in slots {
            let key = &self.words[slot as usize * self.width..][..self.width];
            self.table.remove(hash_words(key), slot);
            let near = usize::try_from(key[0]).ok().filter(|_| self.width == 1);
            if let Some(near) = near.and_then(|key| self.near.get_mut(key)) {
                *near = 0;
            }
            for field in &mut self.fields {
                if let Kind::Text(texts) = &mut field.kind {
                    texts.forget(code_in(key, field.value));
                }
            }
        }
    }

    /// The key columns of these slots; None if they do not fit a batch.
    pub(super) fn columns(&self, slots: &[u32]) -> Option<Vec<ArrayRef>> {
        self.fields.iter().map(|field| self.column(field, slots)).collect()
    }

    fn column(&self, field: &Field, slots: &[u32]) -> Option<ArrayRef> {
        let Place { word, shift } = field.value;
        let values = slots.iter().map(|&slot| self.words[slot as usize * self.width + word] >> shift);
        if let Kind::Text(texts) = &field.kind {
            return texts.column(slots.iter().map(|&slot| {
                let start = slot as usize * self.width;
                code_in(&self.words[start..start + self.width], field.value)
            }));
        }
        let is_null = |slot: u32| {
            let Place { word, shift } = field.null;
            self.words[slot as usize * self.width + word] >> shift & 1 == 1
        };
        let nulls = slots
            .iter()
            .any(|&slot| is_null(slot))
            .then(|| slots.iter().map(|&slot| !is_null(slot)).collect::<NullBuffer>());
        // The value's bits are the lowest of each.
        Some(match &field.kind {
            Kind::Bool => Arc::new(BooleanArray::new(values.map(|bits| bits & 1 == 1).collect(), nulls)),
            Kind::Int2 => primitive::<Int16Type>(values.map(|bits| (bits as u16).cast_signed()), nulls),
            Kind::Int4 => primitive::<Int32Type>(values.map(|bits| (bits as u32).cast_signed()), nulls),
            Kind::Date => primitive::<Date32Type>(values.map(|bits| (bits as u32).cast_signed()), nulls),
            Kind::Unsigned => primitive::<UInt32Type>(values.map(|bits| bits as u32), nulls),
            Kind::Int8 => primitive::<Int64Type>(values.map(u64::cast_signed), nulls),
            Kind::Time => primitive::<Time64MicrosecondType>(values.map(u64::cast_signed), nulls),
            Kind::Timestamp { zoned } => {
                let values = values.map(u64::cast_signed).collect();
                let array = PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls);
                Arc::new(if *zoned { array.with_timezone("UTC") } else { array })
            }
            Kind::Text(_) => unreachable!("returned above"),
        })
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        let texts = self.fields.iter().map(|field| match &field.kind {
            Kind::Text(texts) => texts.state_bytes(),
            _ => 0,
        });
        self.table.state_bytes()
            + self.near.capacity() * size_of::<u32>()
            + (self.words.capacity() + self.rows.capacity()) * size_of::<u64>()
            + texts.sum::<usize>()
    }
}

/// As `==`, without a call for a few words.
#[inline]
fn same<const WIDTH: usize>(a: &[u64; WIDTH], b: &[u64; WIDTH]) -> bool {
    a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn code_in(key: &[u64], place: Place) -> u32 {
    ((key[place.word] >> place.shift) & ((1 << CODE_BITS) - 1)) as u32
}

fn primitive<T: ArrowPrimitiveType>(values: impl Iterator<Item = T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.collect(), nulls))
}

impl Field {
    /// Adds a column's values to the words of the rows.
    fn pack(&mut self, column: &ArrayRef, words: &mut [u64], width: usize) {
        let place = self.value;
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        match &mut self.kind {
            Kind::Text(texts) => {
                debug_assert_eq!(NULL_CODE, 0, "NULL's code leaves the words as they are");
                texts.encode(&**column, |row, code| {
                    words[row * width + place.word] |= u64::from(code) << place.shift;
                });
                return;
            }
            Kind::Bool => {
                let values = column.as_boolean();
                put(words, width, place, (0..values.len()).map(|row| u64::from(values.value(row))));
            }
            Kind::Int2 => {
                let values = column.as_primitive::<Int16Type>().values().iter();
                put(words, width, place, values.map(|value| u64::from(value.cast_unsigned())));
            }
            Kind::Int4 => put_narrow(words, width, place, column.as_primitive::<Int32Type>().values()),
            Kind::Date => put_narrow(words, width, place, column.as_primitive::<Date32Type>().values()),
            Kind::Unsigned => {
                let values = column.as_primitive::<UInt32Type>().values().iter();
                put(words, width, place, values.map(|value| u64::from(*value)));
            }
            Kind::Int8 => put_wide(words, width, place, column.as_primitive::<Int64Type>().values()),
            Kind::Time => put_wide(words, width, place, column.as_primitive::<Time64MicrosecondType>().values()),
            Kind::Timestamp { .. } => {
                put_wide(words, width, place, column.as_primitive::<TimestampMicrosecondType>().values());
            }
        }
        if let Some(nulls) = nulls {
            // What is under NULL does not count.
            let value_mask = (u64::MAX >> (u64::BITS - self.kind.bits())) << place.shift;
            for row in (!nulls.inner()).set_indices() {
                words[row * width + place.word] &= !value_mask;
                words[row * width + self.null.word] |= 1 << self.null.shift;
            }
        }
    }
}

fn put(words: &mut [u64], width: usize, place: Place, values: impl Iterator<Item = u64>) {
    for (word, value) in words[place.word..].iter_mut().step_by(width).zip(values) {
        *word |= value << place.shift;
    }
}

fn put_narrow(words: &mut [u64], width: usize, place: Place, values: &[i32]) {
    put(words, width, place, values.iter().map(|value| u64::from(value.cast_unsigned())));
}

fn put_wide(words: &mut [u64], width: usize, place: Place, values: &[i64]) {
    put(words, width, place, values.iter().map(|value| value.cast_unsigned()));
}
