//! Few distinct values: each once, and a code of one or two bytes per row.

use super::interner::Interner;
use super::packed::Packed;
use super::texts::Texts;
use arrow_array::types::UInt16Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, FixedSizeBinaryArray, StringArray, UInt16Array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use std::ops::Range;
use std::sync::Arc;

/// A dictionary has at most one value for so many rows, and a few more.
const ROWS_PER_VALUE_MIN: usize = 4;
const SMALL_VALUES_MAX: usize = 256;

/// Texts.
#[derive(Debug, Clone)]
pub(super) struct TextDictionary {
    codes: Packed,
    /// In order of first occurrence, without NULL.
    values: Arc<StringArray>,
}

/// 16-byte values.
#[derive(Debug, Clone)]
pub(super) struct FixedDictionary {
    codes: Packed,
    values: Vec<[u8; 16]>,
}

/// Numbers the values as they come, as long as they are few; NULL has code 0.
struct Coder {
    interner: Interner,
    codes: Vec<u16>,
    values_max: usize,
}

impl Coder {
    fn new(rows: usize) -> Self {
        let values_max = (rows / ROWS_PER_VALUE_MIN).max(SMALL_VALUES_MAX).min(rows);
        Self { interner: Interner::new(), codes: Vec::with_capacity(rows), values_max }
    }

    /// Takes one part's values; None if there are too many different ones.
    fn take<'a>(&mut self, rows: usize, nulls: Option<&NullBuffer>, value: impl Fn(usize) -> &'a [u8]) -> Option<()> {
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        for row in 0..rows {
            let code = match nulls {
                Some(nulls) if nulls.is_null(row) => 0,
                _ => self.interner.code(value(row)),
            };
            self.codes.push(u16::try_from(code).ok()?);
            if self.interner.len() > self.values_max {
                return None;
            }
        }
        Some(())
    }

    fn codes(&self) -> Packed {
        Packed::of_codes(&self.codes, self.interner.len())
    }
}

impl TextDictionary {
    /// These texts, if there are few different ones.
    pub(super) fn encode(parts: &[&StringArray], rows: usize) -> Option<Self> {
        let mut coder = Coder::new(rows);
        for part in parts {
            coder.take(part.len(), part.nulls(), |row| part.value(row).as_bytes())?;
        }
        let codes = coder.codes();
        let values = coder.interner.into_texts().finish(None).ok()?;
        Some(Self { codes, values: Arc::new(values) })
    }

    /// The different values.
    pub(super) fn values(&self) -> &StringArray {
        &self.values
    }

    /// One row's text.
    pub(super) fn get(&self, row: usize) -> &str {
        self.values.value(self.codes.index(row))
    }

    /// A range of rows, in dictionary form.
    pub(super) fn decode_codes(&self, range: Range<usize>, nulls: Option<NullBuffer>) -> ArrayRef {
        let codes = self.codes.map(range, |code| u16::try_from(code).expect("a code has 16 bits"));
        let values: ArrayRef = if self.values.is_empty() {
            // A key must point to something, even that of a NULL.
            Arc::new(StringArray::from(vec![""]))
        } else {
            Arc::clone(&self.values) as ArrayRef
        };
        Arc::new(DictionaryArray::<UInt16Type>::new(UInt16Array::new(ScalarBuffer::from(codes), nulls), values))
    }

    /// Appends a range of rows.
    pub(super) fn decode(&self, range: Range<usize>, nulls: Option<&NullBuffer>, texts: &mut Texts) {
        let place = |offset: i32| usize::try_from(offset).expect("an offset is not negative");
        let values: Vec<Range<usize>> =
            self.values.value_offsets().windows(2).map(|pair| place(pair[0])..place(pair[1])).collect();
        let source = self.values.value_data();
        let codes = self.codes.map(range.clone(), |code| usize::try_from(code).expect("a code is an index"));
        texts.reserve(range.len(), range.len() * (source.len() / values.len().max(1) + 1));
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            None => codes.into_iter().for_each(|code| texts.push(&source[values[code].clone()])),
            Some(nulls) => range.zip(codes).for_each(|(row, code)| {
                texts.push(if nulls.is_valid(row) { &source[values[code].clone()] } else { &[] });
            }),
        }
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.codes.bytes() + self.values.value_data().len() + self.values.len() * 4
    }
}

impl FixedDictionary {
    /// These values, if there are few different ones.
    pub(super) fn encode(parts: &[&FixedSizeBinaryArray], rows: usize) -> Option<Self> {
        let mut coder = Coder::new(rows);
        for part in parts {
            coder.take(part.len(), part.nulls(), |row| part.value(row))?;
        }
        let codes = coder.codes();
        let texts = coder.interner.into_bytes();
        let values = texts.chunks_exact(16).map(|value| value.try_into().expect("16 bytes were cut")).collect();
        Some(Self { codes, values })
    }

    /// The different values.
    pub(super) fn values(&self) -> &[[u8; 16]] {
        &self.values
    }

    /// One row's value; zeros if there are only NULLs.
    pub(super) fn get(&self, row: usize) -> [u8; 16] {
        self.values.get(self.codes.index(row)).copied().unwrap_or_default()
    }

    /// The bytes of a range of rows.
    pub(super) fn decode(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(range.len() * 16);
        for row in range {
            bytes.extend_from_slice(&self.get(row));
        }
        bytes
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.codes.bytes() + self.values.len() * 16
    }
}
