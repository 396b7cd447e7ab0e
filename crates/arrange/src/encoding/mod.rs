//! How a sealed segment keeps its columns: in as few bytes as its own values need.
//!
//! ```text
//!  type                      kept as                                         bytes a row
//!  integers, dates, times    distance from the least (integers)              0, 1, 2 … 7
//!  text                      UUIDs as their 16 bytes (uuid_text)             16
//!                            few different ones by number (dictionary)       0, 1, 2
//!  numeric                   mantissa and scale (decimals)                   0 … 9
//!  numeric, uuid             few different ones by number (dictionary)       0, 1, 2
//!  anything else             as it was: plain Arrow
//! ```
//!
//! The encoding is chosen per column and segment, by trying; NULLs stay a bitmap. Everything is decoded column by column
//! and range by range, or row by row for a gather, with the encoding resolved once per column.
//!
//! # Invariants
//!
//! 1. What was encoded comes back bit for bit, the values under NULLs excepted.
//! 2. An encoded column refers to no memory but its own: what it was made from is freed with its last reader.
//!
//! # Cost
//!
//! Encoding takes about 8 ns a value, decoding 1 to 10: `benches/arrangement.rs`.

mod decimals;
mod dictionary;
mod integers;
mod interner;
mod packed;
#[cfg(test)]
mod tests;
mod texts;
mod uuid_text;
mod zone;

pub(crate) use texts::Texts;
pub use zone::{Bound, BoundComparison};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, FixedSizeBinaryArray, StringArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use decimals::Decimals;
use dictionary::{FixedDictionary, TextDictionary};
use headwater_types::{DataType, Numeric, float_cmp};
use integers::Integers;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;
use uuid_text::UuidTexts;
use zone::Zone;

/// In which form a scan gives text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextForm {
    /// `Utf8`, always.
    #[default]
    Plain,
    /// `DictionaryArray<UInt16Type>` with `Utf8` values that are not NULL, NULLs in the keys, where the rows are kept
    /// so; `Utf8` elsewhere. Which of them may differ from batch to batch.
    Dictionary,
}

/// A column of a sealed segment.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    values: Values,
    /// None where `values` are plain, which have their own.
    nulls: Option<NullBuffer>,
    zone: Zone,
}

#[derive(Debug, Clone)]
enum Values {
    /// With its own NULLs.
    Plain(ArrayRef),
    Integers(Integers),
    Uuids(UuidTexts),
    Texts(TextDictionary),
    Decimals(Decimals),
    Fixed(FixedDictionary),
}

/// Calls a function that is generic over Arrow's primitive type, for the types that are kept as integers.
macro_rules! by_integer_type {
    ($arrow:expr, $call:ident($($argument:expr),*), $otherwise:expr) => {
        match $arrow {
            ArrowType::Int16 => $call::<Int16Type>($($argument),*),
            ArrowType::Int32 => $call::<Int32Type>($($argument),*),
            ArrowType::Int64 => $call::<Int64Type>($($argument),*),
            ArrowType::UInt32 => $call::<UInt32Type>($($argument),*),
            ArrowType::Date32 => $call::<Date32Type>($($argument),*),
            ArrowType::Time64(TimeUnit::Microsecond) => $call::<Time64MicrosecondType>($($argument),*),
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => $call::<TimestampMicrosecondType>($($argument),*),
            _ => $otherwise,
        }
    };
}
pub(crate) use by_integer_type;

impl Column {
    /// A column of several arrays, one after the other.
    ///
    /// # Panics
    ///
    /// If an array is not of the type, or there is none.
    pub(crate) fn encode(parts: &[ArrayRef], data_type: &DataType) -> Self {
        let (values, zone) = match parts[0].data_type() {
            ArrowType::Utf8 => encode_texts(parts),
            ArrowType::FixedSizeBinary(16) => encode_fixed(parts, data_type),
            ArrowType::Float32 => {
                (None, float_zone(parts, |part, row| part.as_primitive::<Float32Type>().value(row).into()))
            }
            ArrowType::Float64 => (None, float_zone(parts, |part, row| part.as_primitive::<Float64Type>().value(row))),
            other => by_integer_type!(other, encode_integers(parts), (None, Zone::Unknown)),
        };
        match values {
            Some(values) => Self { values, nulls: nulls_of(parts), zone },
            None => Self { values: Values::Plain(own_copy(parts)), nulls: None, zone },
        }
    }

    /// Whether a row may satisfy a bound.
    pub(crate) fn may_match(&self, bound: &Bound) -> bool {
        if !self.zone.may_match(bound.comparison, &bound.value) {
            return false;
        }
        match (&self.values, &bound.value) {
            (Values::Texts(dictionary), headwater_types::Datum::Text(text)) => {
                let mut values = dictionary.values().iter().flatten();
                values.any(|value| bound.comparison.holds(value.as_bytes().cmp(text.as_bytes())))
            }
            _ => true,
        }
    }

    fn range_nulls(&self, range: &Range<usize>) -> Option<NullBuffer> {
        self.nulls.as_ref().map(|nulls| nulls.slice(range.start, range.len()))
    }

    /// The values of a range of rows.
    pub(crate) fn decode(&self, range: Range<usize>, data_type: &DataType, form: TextForm) -> ArrayRef {
        let nulls = self.range_nulls(&range);
        match &self.values {
            Values::Plain(array) => array.slice(range.start, range.len()),
            Values::Texts(texts) if form == TextForm::Dictionary => texts.decode_codes(range, nulls),
            Values::Texts(texts) => {
                let mut decoded = Texts::default();
                texts.decode(range, self.nulls.as_ref(), &mut decoded);
                Arc::new(decoded.finish(nulls).expect("a segment's bytes are bounded"))
            }
            Values::Uuids(uuids) => {
                let mut decoded = Texts::default();
                uuids.decode(range, self.nulls.as_ref(), &mut decoded);
                Arc::new(decoded.finish(nulls).expect("a segment's bytes are bounded"))
            }
            Values::Decimals(decimals) => fixed_array(decimals.decode(range), nulls),
            Values::Fixed(fixed) => fixed_array(fixed.decode(range), nulls),
            Values::Integers(integers) => {
                let arrow = data_type.arrow_type();
                let array = by_integer_type!(&arrow, decode_integers(integers, range, nulls), unreachable!("integers"));
                with_time_zone(array, &arrow)
            }
        }
    }

    /// Whether the values are plain Arrow, and which.
    pub(crate) fn as_plain(&self) -> Option<&ArrayRef> {
        match &self.values {
            Values::Plain(array) => Some(array),
            _ => None,
        }
    }

    /// Whether a row is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Whether there is a NULL.
    pub(crate) fn has_nulls(&self) -> bool {
        self.nulls.is_some()
    }

    /// Appends a row's text; an empty one for NULL.
    ///
    /// # Panics
    ///
    /// If this is no encoded column of texts.
    pub(crate) fn push_text(&self, row: usize, texts: &mut Texts) {
        match &self.values {
            _ if self.is_null(row) => texts.push(&[]),
            Values::Uuids(uuids) => uuids.push(row, texts),
            Values::Texts(dictionary) => texts.push(dictionary.get(row).as_bytes()),
            _ => unreachable!("a column of texts"),
        }
    }

    /// A row's 16 bytes; of NULL, any.
    ///
    /// # Panics
    ///
    /// If this is no encoded column of 16-byte values.
    pub(crate) fn fixed(&self, row: usize) -> [u8; 16] {
        match &self.values {
            Values::Decimals(decimals) => decimals.get(row),
            Values::Fixed(dictionary) => dictionary.get(row),
            _ => unreachable!("a column of 16-byte values"),
        }
    }

    /// A row's integer; of NULL, any.
    ///
    /// # Panics
    ///
    /// If this is no encoded column of integers of type `T`.
    pub(crate) fn integer<T: ArrowPrimitiveType>(&self, row: usize) -> T::Native {
        match &self.values {
            Values::Integers(integers) => integers.get::<T::Native>(row),
            _ => unreachable!("a column of integers"),
        }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Plain(array) => crate::segment::array_bytes(&**array),
            Values::Integers(integers) => integers.bytes(),
            Values::Uuids(uuids) => uuids.bytes(),
            Values::Texts(texts) => texts.bytes(),
            Values::Decimals(decimals) => decimals.bytes(),
            Values::Fixed(fixed) => fixed.bytes(),
        };
        values + self.nulls.as_ref().map_or(0, |nulls| nulls.len().div_ceil(8))
    }

    /// A word for how the values are kept.
    #[cfg(test)]
    pub(crate) fn encoding(&self) -> &'static str {
        match &self.values {
            Values::Plain(_) => "plain",
            Values::Integers(_) => "packed",
            Values::Uuids(_) => "uuid",
            Values::Texts(_) | Values::Fixed(_) => "dictionary",
            Values::Decimals(_) => "decimal",
        }
    }
}

fn encode_integers<T: ArrowPrimitiveType>(parts: &[ArrayRef]) -> (Option<Values>, Zone) {
    let extremes = integers::extremes::<T>(parts);
    let zone = extremes.map_or(Zone::Nulls, |(least, greatest)| Zone::Integers(least, greatest));
    (Integers::encode::<T>(parts, extremes).map(Values::Integers), zone)
}

fn decode_integers<T: ArrowPrimitiveType>(
    integers: &Integers,
    range: Range<usize>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    integers.decode::<T>(range, nulls)
}

/// A timestamp column with the time zone of its type.
pub(crate) fn with_time_zone(array: ArrayRef, arrow: &ArrowType) -> ArrayRef {
    match arrow {
        ArrowType::Timestamp(TimeUnit::Microsecond, Some(zone)) => {
            Arc::new(array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone(Arc::clone(zone)))
        }
        _ => array,
    }
}

fn encode_texts(parts: &[ArrayRef]) -> (Option<Values>, Zone) {
    let texts: Vec<&StringArray> = parts.iter().map(|part| part.as_string::<i32>()).collect();
    let rows = parts.iter().map(|part| part.len()).sum();
    let Some(first) = texts.iter().flat_map(|part| part.iter()).flatten().next() else {
        return (TextDictionary::encode(&texts, rows).map(Values::Texts), Zone::Nulls);
    };
    if uuid_text::parse(first.as_bytes()).is_some()
        && let Some(uuids) = UuidTexts::encode(&texts, rows)
    {
        let zone = uuids.range(nulls_of(parts).as_ref());
        let zone = zone.map_or(Zone::Unknown, |(least, greatest)| Zone::of_texts(&least, &greatest));
        return (Some(Values::Uuids(uuids)), zone);
    }
    match TextDictionary::encode(&texts, rows) {
        Some(dictionary) => {
            let zone = text_zone(&[dictionary.values()]);
            (Some(Values::Texts(dictionary)), zone)
        }
        None => (None, text_zone(&texts)),
    }
}

fn text_zone(parts: &[&StringArray]) -> Zone {
    let texts = || parts.iter().flat_map(|part| part.iter()).flatten().map(str::as_bytes);
    match (texts().min(), texts().max()) {
        (Some(least), Some(greatest)) => Zone::of_texts(least, greatest),
        _ => Zone::Nulls,
    }
}

fn encode_fixed(parts: &[ArrayRef], data_type: &DataType) -> (Option<Values>, Zone) {
    let fixed: Vec<&FixedSizeBinaryArray> = parts.iter().map(|part| part.as_fixed_size_binary()).collect();
    let rows = parts.iter().map(|part| part.len()).sum();
    let is_numeric = matches!(data_type, DataType::Numeric(_));
    if is_numeric && let Some((decimals, range)) = Decimals::encode(&fixed, rows) {
        let zone = range.map_or(Zone::Nulls, |(least, greatest)| Zone::Numerics(least, greatest));
        return (Some(Values::Decimals(decimals)), zone);
    }
    let Some(dictionary) = FixedDictionary::encode(&fixed, rows) else { return (None, Zone::Unknown) };
    let zone = if is_numeric { numeric_zone(dictionary.values()) } else { Zone::Unknown };
    (Some(Values::Fixed(dictionary)), zone)
}

fn numeric_zone(values: &[[u8; 16]]) -> Zone {
    let values = || values.iter().map(|bytes| Numeric::from_bytes(*bytes));
    match (values().min_by(Numeric::sql_cmp), values().max_by(Numeric::sql_cmp)) {
        (Some(least), Some(greatest)) => Zone::Numerics(least, greatest),
        _ => Zone::Nulls,
    }
}

fn float_zone(parts: &[ArrayRef], value: impl Fn(&ArrayRef, usize) -> f64) -> Zone {
    let mut range: Option<(f64, f64)> = None;
    let least = |a: f64, b: f64| if float_cmp(b, a) == Ordering::Less { b } else { a };
    let greatest = |a: f64, b: f64| if float_cmp(b, a) == Ordering::Greater { b } else { a };
    for part in parts {
        for row in (0..part.len()).filter(|&row| part.is_valid(row)) {
            let value = value(part, row);
            range = Some(range.map_or((value, value), |(a, b)| (least(a, value), greatest(b, value))));
        }
    }
    range.map_or(Zone::Nulls, |(least, greatest)| Zone::Floats(least, greatest))
}

/// The NULLs of all parts, if there are any.
fn nulls_of(parts: &[ArrayRef]) -> Option<NullBuffer> {
    if parts.iter().all(|part| part.null_count() == 0) {
        return None;
    }
    let mut valid = BooleanBufferBuilder::new(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        match part.nulls() {
            Some(nulls) => valid.append_buffer(nulls.inner()),
            None => valid.append_n(part.len(), true),
        }
    }
    Some(NullBuffer::new(valid.finish()))
}

/// The parts in one array that refers to no memory but its own.
fn own_copy(parts: &[ArrayRef]) -> ArrayRef {
    /// Memory that an array may refer to beyond what it uses, before it is worth a copy: one part of so many.
    const SPARE_SHARE: usize = 8;
    if let [part] = parts {
        let used = crate::segment::array_bytes(&**part);
        if part.get_array_memory_size() <= used + used / SPARE_SHARE {
            return Arc::clone(part);
        }
    }
    // Arrow gives a single array back as it is.
    let nothing = parts[0].slice(0, 0);
    let parts: Vec<&dyn Array> = parts.iter().map(|part| &**part).chain([&*nothing]).collect();
    arrow_select::concat::concat(&parts).expect("parts share their types and a segment's bytes are bounded")
}

/// A column of 16-byte values.
pub(crate) fn fixed_array(bytes: Vec<u8>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(bytes), nulls))
}
