//! Texts → small codes, so that rows' keys are compared as numbers.
//!
//! ```text
//!  text of ≤ 16 bytes ─▶ two words ─hash─▶ table ─▶ code      compared as words, never as bytes
//!  longer             ─▶ hash, its first bytes ─▶ table ─▶ code      and compared as bytes
//! ```
//!
//! # Invariants
//!
//! 1. Texts have pairwise different codes; 0 is none's, and stands for NULL.
//! 2. A code lives as long as it is referred to; then it is given out again.

use crate::sharded_table::ShardedTable;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use headwater_types::{TextColumn, hash_bytes, hash_words};
use std::sync::Arc;

/// The code of NULL.
pub(super) const NULL_CODE: u32 = 0;
/// Bits of a code.
pub(super) const CODE_BITS: u32 = 31;
/// Bytes of a text that is kept in two words.
const SHORT_BYTES_MAX: usize = 16;

#[derive(Debug, Default)]
struct Text {
    words: [u64; 2],
    length: u32,
    references: u32,
    /// All of it, where it is longer than two words.
    long: Option<Box<[u8]>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Texts {
    table: ShardedTable,
    /// By code; the first is not used.
    texts: Vec<Text>,
    free: Vec<u32>,
    long_bytes: usize,
}

/// Up to eight bytes as a number, zeros after them.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    let half = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    match bytes.len() {
        8 => u64::from_le_bytes(bytes.try_into().expect("eight bytes")),
        length @ 4..8 => {
            let last = u64::from(half(&bytes[length - 4..])) << (8 * (length - 4));
            u64::from(half(&bytes[..4])) | last
        }
        _ => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// The words by which a text is found, and their hash.
#[inline]
fn digest(bytes: &[u8]) -> ([u64; 2], u64) {
    let length = bytes.len() as u64;
    let words = match bytes.len() {
        0..=8 => [word(bytes), 0],
        9..=SHORT_BYTES_MAX => [word(&bytes[..8]), word(&bytes[8..])],
        _ => [hash_bytes(bytes), word(&bytes[..8])],
    };
    (words, hash_words(&[words[0] ^ length << 56, words[1]]))
}

impl Texts {
    pub(super) fn new() -> Self {
        Self { table: ShardedTable::default(), texts: vec![Text::default()], free: vec![], long_bytes: 0 }
    }

    /// The text's code; a new one if it had none, to which nothing refers yet.
    #[inline]
    fn code(&mut self, bytes: &[u8]) -> u32 {
        let (words, hash) = digest(bytes);
        let texts = &self.texts;
        let is_it = |code: u32| {
            let text = &texts[code as usize];
            (text.words[0] ^ words[0]) | (text.words[1] ^ words[1]) == 0
                && text.length as usize == bytes.len()
                && text.long.as_ref().is_none_or(|long| **long == *bytes)
        };
        match self.table.find(hash, is_it) {
            Some(code) => code,
            None => self.enter(bytes, words, hash),
        }
    }

    #[cold]
    fn enter(&mut self, bytes: &[u8], words: [u64; 2], hash: u64) -> u32 {
        let code = self.free.pop().unwrap_or_else(|| {
            self.texts.push(Text::default());
            let code = u32::try_from(self.texts.len() - 1).expect("no more codes than groups");
            assert!(code >> CODE_BITS == 0, "fewer than 2^31 texts are kept");
            code
        });
        let length = u32::try_from(bytes.len()).expect("a value is smaller than 4 GiB");
        let long: Option<Box<[u8]>> = (bytes.len() > SHORT_BYTES_MAX).then(|| bytes.into());
        self.long_bytes += long.as_ref().map_or(0, |long| long.len());
        self.texts[code as usize] = Text { words, length, references: 0, long };
        self.table.insert(hash, code);
        code
    }

    /// Calls `each(row, code)` for every row.
    pub(super) fn encode(&mut self, column: &dyn Array, mut each: impl FnMut(usize, u32)) {
        match TextColumn::of(column) {
            TextColumn::Plain(texts) => {
                let (offsets, data) = (texts.value_offsets(), texts.value_data());
                let nulls = texts.nulls().filter(|nulls| nulls.null_count() > 0);
                for (row, ends) in offsets.windows(2).enumerate() {
                    if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                        each(row, NULL_CODE);
                    } else {
                        each(row, self.code(&data[ends[0] as usize..ends[1] as usize]));
                    }
                }
            }
            TextColumn::Dictionary { keys, values } => {
                // Only values that occur get a code: nothing refers to the others.
                let mut codes = vec![NULL_CODE; values.len()];
                let nulls = keys.nulls().filter(|nulls| nulls.null_count() > 0);
                for (row, &key) in keys.values().iter().enumerate() {
                    if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                        each(row, NULL_CODE);
                        continue;
                    }
                    let code = &mut codes[usize::from(key)];
                    if *code == NULL_CODE {
                        *code = self.code(values.value(usize::from(key)).as_bytes());
                    }
                    each(row, *code);
                }
            }
        }
    }

    /// One more group refers to the code.
    pub(super) fn refer(&mut self, code: u32) {
        self.texts[code as usize].references += 1;
    }

    /// One group less refers to the code.
    pub(super) fn forget(&mut self, code: u32) {
        let text = &mut self.texts[code as usize];
        text.references -= 1;
        if code == NULL_CODE || text.references > 0 {
            return;
        }
        let hash = hash_words(&[text.words[0] ^ u64::from(text.length) << 56, text.words[1]]);
        self.long_bytes -= text.long.take().map_or(0, |long| long.len());
        self.table.remove(hash, code);
        self.free.push(code);
    }

    /// The texts of these codes; None if they do not fit one column.
    pub(super) fn column(&self, codes: impl ExactSizeIterator<Item = u32>) -> Option<ArrayRef> {
        let (mut offsets, mut data) = (Vec::with_capacity(codes.len() + 1), Vec::with_capacity(codes.len() * 8));
        let mut valid = Vec::with_capacity(codes.len());
        offsets.push(0);
        for code in codes {
            valid.push(code != NULL_CODE);
            let text = &self.texts[code as usize];
            match &text.long {
                Some(long) => data.extend_from_slice(long),
                None => {
                    let [low, high] = text.words.map(u64::to_le_bytes);
                    let length = text.length as usize;
                    data.extend_from_slice(&low[..length.min(8)]);
                    data.extend_from_slice(&high[..length.saturating_sub(8)]);
                }
            }
            offsets.push(i32::try_from(data.len()).ok()?);
        }
        let nulls = Some(NullBuffer::from(valid)).filter(|nulls| nulls.null_count() > 0);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Some(Arc::new(StringArray::new(offsets, Buffer::from_vec(data), nulls)))
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        self.table.state_bytes() + self.texts.capacity() * size_of::<Text>() + self.long_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;

    #[test]
    fn texts_come_back_and_codes_are_used_again() {
        let long = "a text that takes more than two words".to_owned();
        let mut given: Vec<Option<String>> = (0..=18).map(|length| Some("x".repeat(length))).collect();
        given.extend([None, Some("x\0".to_owned()), Some("\0".to_owned()), Some("é".repeat(4)), Some(long)]);
        let column: StringArray = given.iter().collect();
        let mut texts = Texts::new();
        let mut codes = vec![];
        texts.encode(&column, |_, code| codes.push(code));
        codes.iter().for_each(|&code| texts.refer(code));
        let again = texts.column(codes.iter().copied()).expect("small");
        assert_eq!(again.as_string::<i32>(), &column);
        let mut distinct = codes.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), given.len(), "texts have different codes");
        texts.forget(codes[5]);
        let other = StringArray::from(vec!["another", "xxxx", "xxxxx"]);
        let mut fresh = vec![];
        texts.encode(&other, |_, code| fresh.push(code));
        assert_eq!(fresh[..2], [codes[5], codes[4]]);
        assert!(!codes.contains(&fresh[2]));
    }
}
