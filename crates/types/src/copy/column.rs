//! A column being read from COPY: each type's usual forms go straight into its vector; everything else takes the way
//! of the type's input function.

use super::plain::Block;
use crate::column::Values;
use crate::datetime::{MICROS_PER_DAY, parse_iso_timestamp};
use crate::text::{TextContext, parse_text};
use crate::{ColumnBuilder, DataType, Field, NUMERIC_BYTES, Result, SqlError, apply_typmod, float_text};
use arrow_buffer::NullBufferBuilder;

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

fn fast_bool(bytes: &[u8]) -> Option<bool> {
    match bytes {
        b"t" | b"true" => Some(true),
        b"f" | b"false" => Some(false),
        _ => None,
    }
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
        if self.append_usual(std::iter::once(text.as_bytes()), None, context) == 1 {
            return Ok(());
        }
        self.append_unusual(text, context)
    }

    /// Appends this column's fields of a block of records; one that is `null` is NULL.
    ///
    /// # Errors
    ///
    /// The first record whose value is wrong, and why.
    pub(super) fn append_block(
        &mut self,
        block: Block<'_>,
        column: usize,
        null: &[u8],
        context: &TextContext<'_>,
    ) -> Result<(), Box<(usize, SqlError)>> {
        let null = (!self.force_not_null).then_some(null);
        let mut record = 0;
        loop {
            record += self.append_usual(block.column(column, record), null, context);
            if record == block.records {
                return Ok(());
            }
            let text = block.field(column, record);
            if null == Some(text.as_bytes()) {
                self.append_null();
            } else {
                self.append_unusual(text, context).map_err(|error| Box::new((record, error)))?;
            }
            record += 1;
        }
    }

    fn append_unusual(&mut self, text: &str, context: &TextContext<'_>) -> Result<()> {
        let value = parse_text(text, &self.field.data_type, context)?;
        self.builder.append(&apply_typmod(value, &self.field.data_type, false)?);
        Ok(())
    }

    /// Appends the values of texts in their type's usual form, up to the first of any other; how many that were.
    fn append_usual<'f>(
        &mut self,
        fields: impl Iterator<Item = &'f [u8]>,
        null: Option<&[u8]>,
        context: &TextContext<'_>,
    ) -> usize {
        let ColumnBuilder { values, nulls, .. } = &mut self.builder;
        let mut sink = Sink { fields, null, nulls };
        let zone = &context.settings.time_zone;
        match (values, &self.field.data_type) {
            (Values::Bytes { offsets, data }, DataType::Text | DataType::Varchar(None)) => {
                sink.texts(offsets, data, usize::MAX)
            }
            (Values::Bytes { offsets, data }, DataType::Varchar(Some(length))) => {
                sink.texts(offsets, data, usize::try_from(*length).unwrap_or(usize::MAX))
            }
            (Values::Int4(values), _) => sink.plain(values, |b| fast_integer(b).and_then(|v| i32::try_from(v).ok())),
            (Values::Int8(values), _) => sink.plain(values, fast_integer),
            (Values::Int2(values), _) => sink.plain(values, |b| fast_integer(b).and_then(|v| i16::try_from(v).ok())),
            (Values::Timestamp(values), data_type) => {
                let with_zone = *data_type == DataType::Timestamptz;
                sink.plain(values, |b| parse_iso_timestamp(b, with_zone, zone))
            }
            (Values::Date(values), _) => sink.plain(values, |b| {
                let midnight = (b.len() == 10).then(|| parse_iso_timestamp(b, false, zone)).flatten();
                midnight.and_then(|micros| i32::try_from(micros / MICROS_PER_DAY).ok())
            }),
            (Values::Fixed16(values), DataType::Numeric(None)) => {
                sink.each(fast_numeric, |value| values.extend_from_slice(&value.unwrap_or_default()))
            }
            (Values::Float8(values), _) => {
                sink.plain(values, |b| std::str::from_utf8(b).ok().and_then(|text| float_text::parse_float8(text).ok()))
            }
            (Values::Float4(values), _) => {
                sink.plain(values, |b| std::str::from_utf8(b).ok().and_then(|text| float_text::parse_float4(text).ok()))
            }
            (Values::Bool(values), _) => sink.each(fast_bool, |value| values.append(value.unwrap_or_default())),
            _ => 0,
        }
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

/// Where a run of fields goes.
struct Sink<'s, F> {
    fields: F,
    null: Option<&'s [u8]>,
    nulls: &'s mut NullBufferBuilder,
}

impl<'f, F: Iterator<Item = &'f [u8]>> Sink<'_, F> {
    /// Takes fields until one does not parse, or the last; how many. NULL is `push`ed as `None`.
    fn each<T>(&mut self, parse: impl Fn(&[u8]) -> Option<T>, mut push: impl FnMut(Option<T>)) -> usize {
        let mut taken = 0;
        for field in &mut self.fields {
            if self.null == Some(field) {
                push(None);
                self.nulls.append_null();
            } else if let Some(value) = parse(field) {
                push(Some(value));
                self.nulls.append_non_null();
            } else {
                break;
            }
            taken += 1;
        }
        taken
    }

    /// [`Sink::each`], into a vector.
    fn plain<T: Default>(&mut self, values: &mut Vec<T>, parse: impl Fn(&[u8]) -> Option<T>) -> usize {
        self.each(parse, |value| values.push(value.unwrap_or_default()))
    }

    /// Texts of at most `length_max` bytes.
    fn texts(&mut self, offsets: &mut Vec<i32>, data: &mut Vec<u8>, length_max: usize) -> usize {
        let mut taken = 0;
        for field in &mut self.fields {
            let is_null = self.null == Some(field);
            let bytes = if is_null { &[] } else { field };
            let Ok(end) = i32::try_from(data.len() + bytes.len()) else { break };
            if bytes.len() > length_max {
                break;
            }
            data.extend_from_slice(bytes);
            offsets.push(end);
            self.nulls.append(!is_null);
            taken += 1;
        }
        taken
    }
}
