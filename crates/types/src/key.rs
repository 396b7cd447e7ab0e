//! Keys: equality of rows, their hashes and their byte strings, a column at a time.
//!
//! Two equalities exist ([`Equality`]): SQL's, by which joins and groups work, and identity, by which weights are added.
//! Hashes, byte keys and comparisons agree: rows are equal iff their byte keys are, and equal rows have equal hashes.
//! NULL is equal to NULL here; who wants otherwise asks [`any_null`] first.
//!
//! # Cost
//!
//! One typed loop per column; nothing is allocated per row.

use crate::column::fixed16;
use crate::{DataType, Interval, NUMERIC_BYTES, Numeric, TextColumn};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array, ListArray,
};
use arrow_buffer::{BooleanBuffer, IntervalMonthDayNano, NullBuffer};
use std::hash::{BuildHasher, Hasher};

/// Which rows count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Equality {
    /// SQL's `=`: 1.0 = 1.00, −0 = 0, 24 hours = 1 day.
    Sql,
    /// The same value: prints the same, is the same. Only NaNs are not told apart by their bits.
    Identity,
}

/// A column of keys, its type resolved once. Types whose equality is that of their bits share a variant by width.
#[derive(Clone)]
enum Kind<'a> {
    Bool(&'a BooleanArray),
    Bits16(&'a [i16]),
    Bits32(&'a [i32]),
    Unsigned32(&'a [u32]),
    Bits64(&'a [i64]),
    Float4(&'a Float32Array),
    Float8(&'a Float64Array),
    Numeric(&'a FixedSizeBinaryArray),
    Uuid(&'a FixedSizeBinaryArray),
    Text(TextColumn<'a>),
    /// `character`: trailing blanks do not count for SQL.
    Padded(TextColumn<'a>),
    Bytes(&'a BinaryArray),
    Interval(&'a [IntervalMonthDayNano]),
    List(&'a ListArray, DataType),
    Void,
}

#[derive(Clone)]
struct KeyColumn<'a> {
    kind: Kind<'a>,
    nulls: Option<&'a NullBuffer>,
    equality: Equality,
}

/// The bits of a float by which it is compared.
fn float8_bits(value: f64, equality: Equality) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 && equality == Equality::Sql {
        0
    } else {
        value.to_bits()
    }
}

/// As [`float8_bits`].
fn float4_bits(value: f32, equality: Equality) -> u32 {
    if value.is_nan() {
        f32::NAN.to_bits()
    } else if value == 0.0 && equality == Equality::Sql {
        0
    } else {
        value.to_bits()
    }
}

/// A numeric's bytes, without trailing zeros for SQL.
fn numeric_bytes(bytes: [u8; NUMERIC_BYTES], equality: Equality) -> [u8; NUMERIC_BYTES] {
    match equality {
        Equality::Identity => bytes,
        Equality::Sql => match Numeric::from_bytes(bytes) {
            Numeric::Finite(value) if value.scale() > 0 || value.is_zero() => value.normalize().serialize(),
            _ => bytes,
        },
    }
}

impl<'a> KeyColumn<'a> {
    fn new(array: &'a dyn Array, data_type: &DataType, equality: Equality) -> Self {
        use DataType as D;
        let kind = match data_type {
            D::Bool => Kind::Bool(array.as_boolean()),
            D::Int2 => Kind::Bits16(array.as_primitive::<Int16Type>().values()),
            D::Int4 => Kind::Bits32(array.as_primitive::<Int32Type>().values()),
            D::Date => Kind::Bits32(array.as_primitive::<Date32Type>().values()),
            D::Int8 => Kind::Bits64(array.as_primitive::<Int64Type>().values()),
            D::Time => Kind::Bits64(array.as_primitive::<Time64MicrosecondType>().values()),
            D::Timestamp | D::Timestamptz => Kind::Bits64(array.as_primitive::<TimestampMicrosecondType>().values()),
            D::Float4 => Kind::Float4(array.as_primitive::<Float32Type>()),
            D::Float8 => Kind::Float8(array.as_primitive::<Float64Type>()),
            D::Numeric(_) => Kind::Numeric(array.as_fixed_size_binary()),
            D::Uuid => Kind::Uuid(array.as_fixed_size_binary()),
            D::Text
            | D::Varchar(_)
            | D::Name
            | D::InternalChar
            | D::Json
            | D::PgNodeTree
            | D::AclItem
            | D::AnyArray
            | D::Unknown => Kind::Text(TextColumn::of(array)),
            D::Char(_) => Kind::Padded(TextColumn::of(array)),
            D::Bytea | D::Jsonb => Kind::Bytes(array.as_binary()),
            D::Interval => Kind::Interval(array.as_primitive::<IntervalMonthDayNanoType>().values()),
            D::Oid | D::Xid | D::Reg(_) => Kind::Unsigned32(array.as_primitive::<UInt32Type>().values()),
            D::Int2Vector | D::OidVector | D::Array(_) => {
                Kind::List(array.as_list(), data_type.element().expect("an array has an element type"))
            }
            D::Void => Kind::Void,
        };
        Self { kind, nulls: array.nulls(), equality }
    }

    fn is_null(&self, row: usize) -> bool {
        matches!(self.kind, Kind::Void) || self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    fn padded<'b>(&self, value: &'b str) -> &'b [u8] {
        match self.equality {
            Equality::Sql => value.trim_end_matches(' ').as_bytes(),
            Equality::Identity => value.as_bytes(),
        }
    }

    fn equal(&self, row: usize, other: &KeyColumn<'_>, other_row: usize) -> bool {
        match (self.is_null(row), other.is_null(other_row)) {
            (true, true) => return true,
            (false, false) => {}
            _ => return false,
        }
        let equality = self.equality;
        match (&self.kind, &other.kind) {
            (Kind::Bool(a), Kind::Bool(b)) => a.value(row) == b.value(other_row),
            (Kind::Bits16(a), Kind::Bits16(b)) => a[row] == b[other_row],
            (Kind::Bits32(a), Kind::Bits32(b)) => a[row] == b[other_row],
            (Kind::Unsigned32(a), Kind::Unsigned32(b)) => a[row] == b[other_row],
            (Kind::Bits64(a), Kind::Bits64(b)) => a[row] == b[other_row],
            (Kind::Float4(a), Kind::Float4(b)) => {
                float4_bits(a.value(row), equality) == float4_bits(b.value(other_row), equality)
            }
            (Kind::Float8(a), Kind::Float8(b)) => {
                float8_bits(a.value(row), equality) == float8_bits(b.value(other_row), equality)
            }
            (Kind::Numeric(a), Kind::Numeric(b)) => {
                let (a, b) = (fixed16(a, row), fixed16(b, other_row));
                a == b || (equality == Equality::Sql && numeric_bytes(a, equality) == numeric_bytes(b, equality))
            }
            (Kind::Uuid(a), Kind::Uuid(b)) => a.value(row) == b.value(other_row),
            (Kind::Text(a), Kind::Text(b)) => a.value(row) == b.value(other_row),
            (Kind::Padded(a), Kind::Padded(b)) => self.padded(a.value(row)) == self.padded(b.value(other_row)),
            (Kind::Bytes(a), Kind::Bytes(b)) => a.value(row) == b.value(other_row),
            (Kind::Interval(a), Kind::Interval(b)) => match equality {
                Equality::Sql => Interval::from_arrow(a[row]).sql_key() == Interval::from_arrow(b[other_row]).sql_key(),
                Equality::Identity => a[row] == b[other_row],
            },
            (Kind::List(a, element), Kind::List(b, _)) => {
                let (a, b) = (a.value(row), b.value(other_row));
                let left = KeyColumn::new(&a, element, equality);
                let right = KeyColumn::new(&b, element, equality);
                a.len() == b.len() && (0..a.len()).all(|i| left.equal(i, &right, i))
            }
            _ => unreachable!("columns of one type"),
        }
    }
}

/// Equality between the rows of two sets of columns of the same types, resolved once for many comparisons.
pub struct RowEquality<'a> {
    pairs: Vec<(KeyColumn<'a>, KeyColumn<'a>)>,
}

impl<'a> RowEquality<'a> {
    /// Between the rows of `left` and those of `right`.
    ///
    /// # Panics
    ///
    /// If a column is not of its type.
    #[must_use]
    pub fn new(left: &'a [ArrayRef], right: &'a [ArrayRef], types: &[DataType], equality: Equality) -> Self {
        let pairs = left
            .iter()
            .zip(right)
            .zip(types)
            .map(|((a, b), t)| (KeyColumn::new(a, t, equality), KeyColumn::new(b, t, equality)))
            .collect();
        Self { pairs }
    }

    /// Whether row `left` of the left columns equals row `right` of the right ones. NULL equals NULL.
    #[must_use]
    pub fn equal(&self, left: usize, right: usize) -> bool {
        self.pairs.iter().all(|(a, b)| a.equal(left, b, right))
    }
}

/// Whether row `ai` of `a` equals row `bi` of `b`. NULL equals NULL. For many comparisons, use [`RowEquality`].
///
/// # Panics
///
/// If a column is not of its type.
#[must_use]
pub fn rows_equal(
    a: &[ArrayRef],
    ai: usize,
    b: &[ArrayRef],
    bi: usize,
    types: &[DataType],
    equality: Equality,
) -> bool {
    a.iter()
        .zip(b)
        .zip(types)
        .all(|((a, b), t)| KeyColumn::new(a, t, equality).equal(ai, &KeyColumn::new(b, t, equality), bi))
}

/// The rows where any of these columns is NULL; `None` if there is none.
#[must_use]
pub fn any_null(columns: &[ArrayRef]) -> Option<BooleanBuffer> {
    let valid = columns.iter().fold(None, |valid: Option<NullBuffer>, column| {
        let nulls = column.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        NullBuffer::union(valid.as_ref(), nulls.as_ref())
    })?;
    Some(!valid.inner())
}

// Digits of pi: nothing up the sleeve. Fixed, so that a hash is the same in every run.
const SEED: u64 = 0x243f_6a88_85a3_08d3;
const MULTIPLIER: u64 = 0x1319_8a2e_0370_7345;
const NULL_HASH: u64 = 0xa409_3822_299f_31d1;
const BYTE_SEEDS: [u64; 4] =
    [0x082e_fa98_ec4e_6c89, 0x4528_21e6_38d0_1377, 0xbe54_66cf_34e9_0c6c, 0xc0ac_29b7_c97c_50dd];

/// The two halves of a 128-bit product, folded: every bit of the result depends on every bit of the input.
#[inline]
fn fold(value: u64) -> u64 {
    let product = u128::from(value) * u128::from(MULTIPLIER);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
fn combine(hash: u64, value: u64) -> u64 {
    fold(hash ^ value).rotate_left(23)
}

/// The hash of some words, the same in every run of one build. Of unequally many words, it need not differ.
#[inline]
#[must_use]
pub fn hash_words(words: &[u64]) -> u64 {
    fold(words.iter().fold(SEED, |hash, &word| combine(hash, word)) ^ SEED)
}

/// The hash of some bytes, the same in every run of one build.
#[inline]
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let [first, second, third, fourth] = BYTE_SEEDS;
    let mut hasher = ahash::RandomState::with_seeds(first, second, third, fourth).build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Adds one value's hash to that of every row, or NULL's.
fn combine_rows(hashes: &mut [u64], nulls: Option<&NullBuffer>, value: impl Fn(usize) -> u64) {
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (row, hash) in hashes.iter_mut().enumerate() {
                *hash = combine(*hash, value(row));
            }
        }
        Some(nulls) => {
            for (row, hash) in hashes.iter_mut().enumerate() {
                *hash = combine(*hash, if nulls.is_null(row) { NULL_HASH } else { value(row) });
            }
        }
    }
}

fn fold_bytes16(bytes: [u8; NUMERIC_BYTES]) -> u64 {
    let bits = u128::from_le_bytes(bytes);
    combine(bits as u64, (bits >> 64) as u64)
}

impl KeyColumn<'_> {
    fn hash_into(&self, hashes: &mut [u64]) {
        let equality = self.equality;
        let nulls = self.nulls;
        match &self.kind {
            Kind::Bool(values) => combine_rows(hashes, nulls, |row| u64::from(values.value(row))),
            Kind::Bits16(values) => combine_rows(hashes, nulls, |row| u64::from(values[row].cast_unsigned())),
            Kind::Bits32(values) => combine_rows(hashes, nulls, |row| u64::from(values[row].cast_unsigned())),
            Kind::Unsigned32(values) => combine_rows(hashes, nulls, |row| u64::from(values[row])),
            Kind::Bits64(values) => combine_rows(hashes, nulls, |row| values[row].cast_unsigned()),
            Kind::Float4(values) => {
                combine_rows(hashes, nulls, |row| u64::from(float4_bits(values.value(row), equality)));
            }
            Kind::Float8(values) => combine_rows(hashes, nulls, |row| float8_bits(values.value(row), equality)),
            Kind::Numeric(values) => {
                combine_rows(hashes, nulls, |row| fold_bytes16(numeric_bytes(fixed16(values, row), equality)));
            }
            Kind::Uuid(values) => combine_rows(hashes, nulls, |row| fold_bytes16(fixed16(values, row))),
            Kind::Text(TextColumn::Plain(texts)) => {
                combine_rows(hashes, nulls, |row| hash_bytes(texts.value(row).as_bytes()));
            }
            Kind::Padded(TextColumn::Plain(texts)) => {
                combine_rows(hashes, nulls, |row| hash_bytes(self.padded(texts.value(row))));
            }
            Kind::Text(TextColumn::Dictionary { keys, values }) => {
                let of_values: Vec<u64> = values.iter().map(|v| hash_bytes(v.unwrap_or("").as_bytes())).collect();
                combine_rows(hashes, nulls, |row| of_values[usize::from(keys.value(row))]);
            }
            Kind::Padded(TextColumn::Dictionary { keys, values }) => {
                let of_values: Vec<u64> = values.iter().map(|v| hash_bytes(self.padded(v.unwrap_or("")))).collect();
                combine_rows(hashes, nulls, |row| of_values[usize::from(keys.value(row))]);
            }
            Kind::Bytes(values) => combine_rows(hashes, nulls, |row| hash_bytes(values.value(row))),
            Kind::Interval(values) => {
                combine_rows(hashes, nulls, |row| fold_bytes16(interval_key(values[row], equality)));
            }
            Kind::List(values, element) => combine_rows(hashes, nulls, |row| {
                let elements = values.value(row);
                let mut of_elements = vec![SEED; elements.len()];
                KeyColumn::new(&elements, element, equality).hash_into(&mut of_elements);
                of_elements.into_iter().fold(SEED, combine)
            }),
            Kind::Void => combine_rows(hashes, None, |_| NULL_HASH),
        }
    }
}

/// The 16 bytes by which an interval is compared.
fn interval_key(value: IntervalMonthDayNano, equality: Equality) -> [u8; NUMERIC_BYTES] {
    let value = Interval::from_arrow(value);
    match equality {
        Equality::Sql => value.sql_key().to_le_bytes(),
        Equality::Identity => {
            let mut bytes = [0; NUMERIC_BYTES];
            bytes[..4].copy_from_slice(&value.months.to_le_bytes());
            bytes[4..8].copy_from_slice(&value.days.to_le_bytes());
            bytes[8..].copy_from_slice(&value.micros.to_le_bytes());
            bytes
        }
    }
}

/// One hash per row over these columns, the same in every run of one build; equal rows have equal hashes.
///
/// # Panics
///
/// If a column is not of its type, or has fewer than `rows` values.
#[must_use]
pub fn hash_keys(columns: &[ArrayRef], types: &[DataType], rows: usize, equality: Equality) -> Vec<u64> {
    let mut hashes = vec![SEED; rows];
    for (column, data_type) in columns.iter().zip(types) {
        KeyColumn::new(column, data_type, equality).hash_into(&mut hashes);
    }
    // The last round mixes high bits into low ones too: tables use either end.
    for hash in &mut hashes {
        *hash = fold(*hash ^ SEED);
    }
    hashes
}

/// Writes rows' keys as byte strings.
#[derive(Debug, Clone)]
pub struct KeyEncoder {
    types: Vec<DataType>,
    equality: Equality,
}

/// One byte string per row.
#[derive(Debug, Clone)]
pub struct EncodedKeys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl EncodedKeys {
    pub(crate) fn new(bytes: Vec<u8>, ends: Vec<usize>) -> Self {
        Self { bytes, ends }
    }

    /// One row's key.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

const TAG_NULL: u8 = 0;
const TAG_VALUE: u8 = 1;

/// Where the rows' values go: each row's next free byte.
struct Cursors<'a> {
    bytes: &'a mut [u8],
    next: &'a mut [usize],
}

impl Cursors<'_> {
    fn write(&mut self, row: usize, value: &[u8]) {
        let start = self.next[row];
        self.next[row] = start + value.len();
        self.bytes[start..start + value.len()].copy_from_slice(value);
    }
}

impl KeyColumn<'_> {
    /// The bytes of a value of fixed width.
    fn width(&self) -> Option<usize> {
        Some(match self.kind {
            Kind::Bool(_) => 1,
            Kind::Bits16(_) => 2,
            Kind::Bits32(_) | Kind::Unsigned32(_) | Kind::Float4(_) => 4,
            Kind::Bits64(_) | Kind::Float8(_) => 8,
            Kind::Numeric(_) | Kind::Uuid(_) | Kind::Interval(_) => 16,
            Kind::Void => 0,
            Kind::Text(_) | Kind::Padded(_) | Kind::Bytes(_) | Kind::List(..) => return None,
        })
    }

    /// Calls `visit(row, bytes)` with the bytes of every value that is not NULL, without their length.
    fn for_each(&self, rows: usize, mut visit: impl FnMut(usize, &[u8])) {
        let equality = self.equality;
        let live = (0..rows).filter(|&row| !self.is_null(row));
        match &self.kind {
            Kind::Bool(values) => live.for_each(|row| visit(row, &[u8::from(values.value(row))])),
            Kind::Bits16(values) => live.for_each(|row| visit(row, &values[row].to_le_bytes())),
            Kind::Bits32(values) => live.for_each(|row| visit(row, &values[row].to_le_bytes())),
            Kind::Unsigned32(values) => live.for_each(|row| visit(row, &values[row].to_le_bytes())),
            Kind::Bits64(values) => live.for_each(|row| visit(row, &values[row].to_le_bytes())),
            Kind::Float4(values) => {
                live.for_each(|row| visit(row, &float4_bits(values.value(row), equality).to_le_bytes()));
            }
            Kind::Float8(values) => {
                live.for_each(|row| visit(row, &float8_bits(values.value(row), equality).to_le_bytes()));
            }
            Kind::Numeric(values) => {
                live.for_each(|row| visit(row, &numeric_bytes(fixed16(values, row), equality)));
            }
            Kind::Uuid(values) => live.for_each(|row| visit(row, values.value(row))),
            Kind::Interval(values) => live.for_each(|row| visit(row, &interval_key(values[row], equality))),
            Kind::Text(values) => live.for_each(|row| visit(row, values.value(row).as_bytes())),
            Kind::Padded(values) => live.for_each(|row| visit(row, self.padded(values.value(row)))),
            Kind::Bytes(values) => live.for_each(|row| visit(row, values.value(row))),
            Kind::List(values, element) => live.for_each(|row| {
                let elements = values.value(row);
                let encoder = KeyEncoder::new(std::slice::from_ref(element), equality);
                visit(row, &encoder.encode(std::slice::from_ref(&elements), elements.len()).bytes);
            }),
            Kind::Void => {}
        }
    }

    fn lengths_into(&self, lengths: &mut [usize]) {
        let rows = lengths.len();
        if let Some(width) = self.width() {
            for (row, length) in lengths.iter_mut().enumerate() {
                *length += if self.is_null(row) { 1 } else { 1 + width };
            }
        } else {
            lengths.iter_mut().for_each(|length| *length += 1);
            self.for_each(rows, |row, bytes| lengths[row] += size_of::<u32>() + bytes.len());
        }
    }

    fn encode_into(&self, rows: usize, cursors: &mut Cursors<'_>) {
        let fixed = self.width().is_some();
        for row in 0..rows {
            cursors.write(row, &[if self.is_null(row) { TAG_NULL } else { TAG_VALUE }]);
        }
        self.for_each(rows, |row, bytes| {
            if !fixed {
                let length = u32::try_from(bytes.len()).expect("a value is smaller than 4 GiB");
                cursors.write(row, &length.to_le_bytes());
            }
            cursors.write(row, bytes);
        });
    }
}

impl KeyEncoder {
    /// For keys of these types.
    #[must_use]
    pub fn new(types: &[DataType], equality: Equality) -> Self {
        Self { types: types.to_vec(), equality }
    }

    /// The key of every row: injective, and no key is the prefix of another of the same types. Their order means
    /// nothing.
    ///
    /// # Panics
    ///
    /// If a column is not of its type, or has fewer than `rows` values.
    #[must_use]
    pub fn encode(&self, columns: &[ArrayRef], rows: usize) -> EncodedKeys {
        let columns: Vec<_> =
            columns.iter().zip(&self.types).map(|(a, t)| KeyColumn::new(a, t, self.equality)).collect();
        let mut lengths = vec![0; rows];
        for column in &columns {
            column.lengths_into(&mut lengths);
        }
        let mut total = 0;
        let mut next = lengths;
        for start in &mut next {
            let length = *start;
            *start = total;
            total += length;
        }
        let mut bytes = vec![0; total];
        let mut cursors = Cursors { bytes: &mut bytes, next: &mut next };
        for column in &columns {
            column.encode_into(rows, &mut cursors);
        }
        EncodedKeys::new(bytes, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{numeric, samples};
    use crate::{Datum, array_of};

    /// Asserts which pairs of the values are equal, by all three means.
    fn check(data_type: &DataType, values: &[Datum], equality: Equality, expected: impl Fn(usize, usize) -> bool) {
        let columns = [array_of(data_type, values)];
        let types = [data_type.clone()];
        let keys = KeyEncoder::new(&types, equality).encode(&columns, values.len());
        let hashes = hash_keys(&columns, &types, values.len(), equality);
        for a in 0..values.len() {
            for b in 0..values.len() {
                let equal = expected(a, b);
                assert_eq!(keys.row(a) == keys.row(b), equal, "{data_type:?} key {:?} {:?}", values[a], values[b]);
                assert_eq!(rows_equal(&columns, a, &columns, b, &types, equality), equal, "{data_type:?}");
                assert_eq!(hashes[a] == hashes[b], equal, "{data_type:?} hash {:?} {:?}", values[a], values[b]);
                assert!(a == b || equal || !keys.row(b).starts_with(keys.row(a)), "{data_type:?} prefix");
            }
        }
    }

    #[test]
    fn distinct_values_have_distinct_keys_and_hashes() {
        for (data_type, values) in samples() {
            for equality in [Equality::Sql, Equality::Identity] {
                check(&data_type, &values, equality, |a, b| a == b);
            }
        }
    }

    #[test]
    fn sql_equality_is_coarser_than_identity() {
        let cases = [
            (
                DataType::Numeric(None),
                ["1", "1.0", "1.00"].iter().map(|t| Datum::Numeric(numeric(t))).collect::<Vec<_>>(),
            ),
            (DataType::Numeric(None), ["0", "0.00"].iter().map(|t| Datum::Numeric(numeric(t))).collect()),
            (DataType::Numeric(None), ["100", "100.000"].iter().map(|t| Datum::Numeric(numeric(t))).collect()),
            (DataType::Float8, vec![Datum::Float8(0.0), Datum::Float8(-0.0)]),
            (DataType::Float4, vec![Datum::Float4(0.0), Datum::Float4(-0.0)]),
            (DataType::Char(None), vec![Datum::text("a"), Datum::text("a  ")]),
            (
                DataType::Interval,
                vec![
                    Datum::Interval(Interval { months: 0, days: 1, micros: 0 }),
                    Datum::Interval(Interval { months: 0, days: 0, micros: Interval::MICROS_PER_DAY }),
                ],
            ),
        ];
        for (data_type, values) in cases {
            check(&data_type, &values, Equality::Sql, |_, _| true);
            check(&data_type, &values, Equality::Identity, |a, b| a == b);
            let array = |value: &Datum| {
                Datum::Array(std::sync::Arc::new(crate::ArrayDatum {
                    element: data_type.clone(),
                    values: vec![value.clone()],
                }))
            };
            let arrays: Vec<_> = values.iter().map(array).collect();
            check(&DataType::Array(Box::new(data_type.clone())), &arrays, Equality::Sql, |_, _| true);
        }
    }

    #[test]
    fn columns_do_not_run_into_each_other() {
        let types = [DataType::Text, DataType::Text];
        let columns = [
            array_of(&DataType::Text, &[Datum::text("ab"), Datum::text("a"), Datum::Null, Datum::text("")]),
            array_of(&DataType::Text, &[Datum::text("c"), Datum::text("bc"), Datum::text(""), Datum::Null]),
        ];
        let keys = KeyEncoder::new(&types, Equality::Sql).encode(&columns, 4);
        let distinct: std::collections::BTreeSet<_> = (0..4).map(|row| keys.row(row)).collect();
        assert_eq!(distinct.len(), 4);
        let nulls: Vec<_> = any_null(&columns).expect("there are NULLs").iter().collect();
        assert_eq!(nulls, [false, false, true, true]);
        assert!(any_null(&[columns[0].slice(0, 2)]).is_none());
    }

    #[test]
    fn sliced_columns_hash_as_copies_do() {
        for (data_type, values) in samples() {
            let types = [data_type.clone()];
            let whole = array_of(&data_type, &values);
            let sliced = [whole.slice(1, values.len() - 1)];
            let copied = [array_of(&data_type, &values[1..])];
            let rows = values.len() - 1;
            let hash = |columns: &[ArrayRef]| hash_keys(columns, &types, rows, Equality::Sql);
            assert_eq!(hash(&sliced), hash(&copied), "{data_type:?}");
        }
    }
}
