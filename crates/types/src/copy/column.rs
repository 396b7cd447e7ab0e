//! A column being read from COPY: each type's usual forms go straight into its vector; everything else takes the way
//! of the type's input function.

use crate::column::Values;
use crate::datetime::{MICROS_PER_DAY, parse_iso_timestamp};
use crate::text::{TextContext, parse_text};
use crate::{ColumnBuilder, DataType, Field, NUMERIC_BYTES, Result, apply_typmod, float_text};

/// Digits that always fit 64 bits.
const FAST_DIGITS_MAX: usize = 18;

/// One target column.
pub(super) struct CopyColumn {
    pub(super) field: Field,
    pub(super) force_null: bool,
    pub(super) force_not_null: bool,
    builder: ColumnBuilder,
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
pub(super) fn fast_numeric(bytes: &[u8]) -> Option<[u8; NUMERIC_BYTES]> {
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

impl CopyColumn {
    pub(super) fn new(field: Field, force_null: bool, force_not_null: bool, capacity: usize) -> Self {
        let builder = ColumnBuilder::new(&field.data_type, capacity);
        Self { field, force_null, force_not_null, builder }
    }

    pub(super) fn append_null(&mut self) {
        self.builder.append_null();
    }

    /// Appends the value that a field's text stands for, with the type's modifier enforced.
    pub(super) fn append(&mut self, text: &str, context: &TextContext<'_>) -> Result<()> {
        if self.append_fast(text, context)? {
            self.builder.nulls.append_non_null();
            return Ok(());
        }
        let value = parse_text(text, &self.field.data_type, context)?;
        self.builder.append(&apply_typmod(value, &self.field.data_type, false)?);
        Ok(())
    }

    /// Pushes the value of a text in its type's usual form. False, with nothing pushed, for any other.
    fn append_fast(&mut self, text: &str, context: &TextContext<'_>) -> Result<bool> {
        let bytes = text.as_bytes();
        let pushed = match (&mut self.builder.values, &self.field.data_type) {
            (Values::Bytes { offsets, data }, DataType::Text | DataType::Varchar(_)) => {
                let fits = match self.field.data_type {
                    DataType::Varchar(Some(length)) => u32::try_from(bytes.len()).is_ok_and(|bytes| bytes <= length),
                    _ => true,
                };
                match i32::try_from(data.len() + bytes.len()) {
                    Ok(end) if fits => {
                        data.extend_from_slice(bytes);
                        offsets.push(end);
                        true
                    }
                    _ => false,
                }
            }
            (Values::Int4(values), _) => push(values, fast_integer(bytes).and_then(|v| i32::try_from(v).ok())),
            (Values::Int8(values), _) => push(values, fast_integer(bytes)),
            (Values::Int2(values), _) => push(values, fast_integer(bytes).and_then(|v| i16::try_from(v).ok())),
            (Values::Timestamp(values), data_type) => {
                let with_zone = *data_type == DataType::Timestamptz;
                push(values, parse_iso_timestamp(bytes, with_zone, &context.settings.time_zone))
            }
            (Values::Fixed16(values), DataType::Numeric(None)) => match fast_numeric(bytes) {
                Some(stored) => {
                    values.extend_from_slice(&stored);
                    true
                }
                None => false,
            },
            (Values::Float8(values), _) => push(values, Some(float_text::parse_float8(text)?)),
            (Values::Float4(values), _) => push(values, Some(float_text::parse_float4(text)?)),
            (Values::Bool(values), _) => {
                let value = match bytes {
                    b"t" | b"true" => Some(true),
                    b"f" | b"false" => Some(false),
                    _ => None,
                };
                value.inspect(|value| values.append(*value)).is_some()
            }
            (Values::Date(values), _) if bytes.len() == 10 => {
                let midnight = parse_iso_timestamp(bytes, false, &context.settings.time_zone);
                push(values, midnight.and_then(|micros| i32::try_from(micros / MICROS_PER_DAY).ok()))
            }
            _ => false,
        };
        Ok(pushed)
    }

    /// Appends a value of the binary format.
    pub(super) fn append_binary(&mut self, bytes: &[u8]) -> Result<()> {
        let value = crate::decode_binary(bytes, &self.field.data_type)?;
        self.builder.append(&apply_typmod(value, &self.field.data_type, false)?);
        Ok(())
    }

    /// The column so far; a new one with as much room begins.
    pub(super) fn take(&mut self) -> arrow_array::ArrayRef {
        let next = self.builder.successor();
        std::mem::replace(&mut self.builder, next).finish()
    }
}

fn push<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    value.map(|value| values.push(value)).is_some()
}
