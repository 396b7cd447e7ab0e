//! Texts in their types' usual forms (`12`, `-3.50`, `2026-10-27 10:00:00+00`), a run of them at a time: straight into a
//! column's vectors. What is written otherwise is for the type's input function, which reads these forms to the same
//! values.

use crate::column::Values;
use crate::datetime::{MICROS_PER_DAY, parse_iso_timestamp};
use crate::text::TextContext;
use crate::{ColumnBuilder, DataType, NUMERIC_BYTES, float_text};
use arrow_buffer::NullBufferBuilder;

/// Digits that always fit 64 bits.
const FAST_DIGITS_MAX: usize = 18;

/// What is to become a value.
#[derive(Debug, Clone, Copy)]
pub enum UsualText<'a> {
    /// NULL.
    Null,
    /// Perhaps in its type's usual form.
    Text(&'a [u8]),
    /// Not in it.
    Other,
}

/// An integer of at most 18 digits.
fn fast_integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > FAST_DIGITS_MAX {
        return None;
    }
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// The stored bytes of a numeric of at most 18 digits: `rust_decimal`'s flags (scale and sign), then the mantissa.
pub(crate) fn fast_numeric(bytes: &[u8]) -> Option<[u8; NUMERIC_BYTES]> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > FAST_DIGITS_MAX + 1 {
        return None;
    }
    let (mut mantissa, mut count, mut point) = (0u64, 0usize, None);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
            count += 1;
        } else if *byte == b'.' && point.is_none() {
            point = Some(count);
        } else {
            return None;
        }
    }
    if count == 0 || count > FAST_DIGITS_MAX {
        return None;
    }
    let scale = u32::try_from(point.map_or(0, |point| count - point)).ok()?;
    let sign = u32::from(negative && mantissa != 0) << 31;
    let mut stored = [0; NUMERIC_BYTES];
    stored[..4].copy_from_slice(&(sign | scale << 16).to_le_bytes());
    stored[4..12].copy_from_slice(&mantissa.to_le_bytes());
    Some(stored)
}

fn fast_bool(bytes: &[u8]) -> Option<bool> {
    match bytes {
        b"t" | b"true" => Some(true),
        b"f" | b"false" => Some(false),
        _ => None,
    }
}

impl ColumnBuilder {
    /// Appends values up to the first that is not in the type's usual form; how many that were.
    pub fn append_usual<'t>(&mut self, texts: impl Iterator<Item = UsualText<'t>>, context: &TextContext<'_>) -> usize {
        let Self { data_type, values, nulls } = self;
        let mut run = Run { texts, nulls };
        let zone = &context.settings.time_zone;
        match (values, &*data_type) {
            (Values::Bytes { offsets, data }, DataType::Text | DataType::Varchar(None)) => {
                run.bytes(offsets, data, usize::MAX)
            }
            (Values::Bytes { offsets, data }, DataType::Varchar(Some(length))) => {
                run.bytes(offsets, data, usize::try_from(*length).unwrap_or(usize::MAX))
            }
            (Values::Int4(values), _) => run.plain(values, |b| fast_integer(b).and_then(|v| i32::try_from(v).ok())),
            (Values::Int8(values), _) => run.plain(values, fast_integer),
            (Values::Int2(values), _) => run.plain(values, |b| fast_integer(b).and_then(|v| i16::try_from(v).ok())),
            (Values::Timestamp(values), data_type) => {
                let with_zone = *data_type == DataType::Timestamptz;
                run.plain(values, |b| parse_iso_timestamp(b, with_zone, zone))
            }
            (Values::Date(values), _) => run.plain(values, |b| {
                let midnight = (b.len() == 10).then(|| parse_iso_timestamp(b, false, zone)).flatten();
                midnight.and_then(|micros| i32::try_from(micros / MICROS_PER_DAY).ok())
            }),
            (Values::Fixed16(values), DataType::Numeric(None)) => {
                run.each(fast_numeric, |value| values.extend_from_slice(&value.unwrap_or_default()))
            }
            (Values::Float8(values), _) => {
                run.plain(values, |b| std::str::from_utf8(b).ok().and_then(|text| float_text::parse_float8(text).ok()))
            }
            (Values::Float4(values), _) => {
                run.plain(values, |b| std::str::from_utf8(b).ok().and_then(|text| float_text::parse_float4(text).ok()))
            }
            (Values::Bool(values), _) => run.each(fast_bool, |value| values.append(value.unwrap_or_default())),
            _ => 0,
        }
    }
}

/// A run of texts on its way.
struct Run<'n, T> {
    texts: T,
    nulls: &'n mut NullBufferBuilder,
}

impl<'t, T: Iterator<Item = UsualText<'t>>> Run<'_, T> {
    /// Takes texts until one does not parse, or the last; how many. NULL is `push`ed as `None`.
    fn each<V>(&mut self, parse: impl Fn(&[u8]) -> Option<V>, mut push: impl FnMut(Option<V>)) -> usize {
        let mut taken = 0;
        for text in &mut self.texts {
            match text {
                UsualText::Null => {
                    push(None);
                    self.nulls.append_null();
                }
                UsualText::Text(bytes) => {
                    let Some(value) = parse(bytes) else { break };
                    push(Some(value));
                    self.nulls.append_non_null();
                }
                UsualText::Other => break,
            }
            taken += 1;
        }
        taken
    }

    /// [`Run::each`], into a vector.
    fn plain<V: Default>(&mut self, values: &mut Vec<V>, parse: impl Fn(&[u8]) -> Option<V>) -> usize {
        self.each(parse, |value| values.push(value.unwrap_or_default()))
    }

    /// Texts of at most `length_max` bytes.
    fn bytes(&mut self, offsets: &mut Vec<i32>, data: &mut Vec<u8>, length_max: usize) -> usize {
        let mut taken = 0;
        for text in &mut self.texts {
            let (bytes, is_null): (&[u8], bool) = match text {
                UsualText::Null => (&[], true),
                UsualText::Text(bytes) if bytes.len() <= length_max => (bytes, false),
                UsualText::Text(_) | UsualText::Other => break,
            };
            let Ok(end) = i32::try_from(data.len() + bytes.len()) else { break };
            data.extend_from_slice(bytes);
            offsets.push(end);
            self.nulls.append(!is_null);
            taken += 1;
        }
        taken
    }
}
