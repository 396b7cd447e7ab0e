//! Text that is a UUID in its usual form, 36 characters in lower case, in 16 bytes.
//!
//! ```text
//!  1027c4d1-c386-bbc4-cd61-3e30d8f16adf   ⇄   10 27 c4 d1 c3 86 bb c4 cd 61 3e 30 d8 f1 6a df
//! ```
//!
//! # Invariants
//!
//! 1. A text is packed only if unpacking gives the same bytes: [`parse`] encodes again what it has read, and compares.
//! 2. The few rows that are no UUIDs stand beside, in order of row.
//!
//! Eight digits are one machine word: about 8 ns a value either way.

use super::texts::Texts;
use arrow_array::{Array, StringArray};
use arrow_buffer::NullBuffer;
use std::ops::Range;

/// Characters of a UUID.
pub(super) const TEXT_BYTES: usize = 36;
/// Where the hyphens are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// One row of so many may be something else.
const EXCEPTION_SHARE: usize = 16;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct UuidTexts {
    values: Vec<[u8; 16]>,
    /// Rows that are no UUIDs, ascending, and their texts.
    other_rows: Vec<u32>,
    others: StringArray,
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Eight nibbles, one a byte, as hexadecimal digits.
fn digits_of(nibbles: u64) -> u64 {
    // 1 in each byte that is 10 or more.
    let letters = ((nibbles + 6 * ONES) >> 4) & ONES;
    // No byte overflows: '0' + 15 + 39 = 'f'.
    nibbles + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)
}

/// The inverse of [`digits_of`], if these are lower-case hexadecimal digits.
fn nibbles_of(digits: u64) -> Option<u64> {
    let letters = (digits >> 6) & ONES;
    let nibbles = (digits & (0x0f * ONES)).wrapping_add(letters * 9);
    (nibbles & (0xf0 * ONES) == 0 && digits_of(nibbles) == digits).then_some(nibbles)
}

/// Eight nibbles, the first in the lowest byte, as four bytes.
fn packed(nibbles: u64) -> [u8; 4] {
    // Pairs: the first of two is the high half.
    let pairs = (nibbles << 4 | nibbles >> 8) & 0x00ff_00ff_00ff_00ff;
    let [a, _, b, _, c, _, d, _] = pairs.to_le_bytes();
    [a, b, c, d]
}

/// The inverse of [`packed`].
fn unpacked(bytes: [u8; 4]) -> u64 {
    let [a, b, c, d] = bytes;
    let pairs = u64::from_le_bytes([a, 0, b, 0, c, 0, d, 0]);
    (pairs >> 4 | pairs << 8) & (0x0f * ONES)
}

/// The bytes of a text that is a UUID in its usual form.
pub(super) fn parse(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; TEXT_BYTES] = text.try_into().ok()?;
    if HYPHENS.iter().any(|&place| text[place] != b'-') {
        return None;
    }
    let t = |place: usize| text[place];
    let groups = [
        [t(0), t(1), t(2), t(3), t(4), t(5), t(6), t(7)],
        [t(9), t(10), t(11), t(12), t(14), t(15), t(16), t(17)],
        [t(19), t(20), t(21), t(22), t(24), t(25), t(26), t(27)],
        [t(28), t(29), t(30), t(31), t(32), t(33), t(34), t(35)],
    ];
    let mut bytes = [0; 16];
    for (group, four) in groups.into_iter().zip(bytes.chunks_exact_mut(4)) {
        four.copy_from_slice(&packed(nibbles_of(u64::from_le_bytes(group))?));
    }
    Some(bytes)
}

/// The text of a UUID.
pub(super) fn format(value: &[u8; 16]) -> [u8; TEXT_BYTES] {
    let group = |at: usize| {
        let four = value[at..at + 4].try_into().expect("4 bytes were cut");
        digits_of(unpacked(four)).to_le_bytes()
    };
    let (first, second, third, fourth) = (group(0), group(4), group(8), group(12));
    let mut text = [b'-'; TEXT_BYTES];
    text[..8].copy_from_slice(&first);
    text[9..13].copy_from_slice(&second[..4]);
    text[14..18].copy_from_slice(&second[4..]);
    text[19..23].copy_from_slice(&third[..4]);
    text[24..28].copy_from_slice(&third[4..]);
    text[28..].copy_from_slice(&fourth);
    text
}

impl UuidTexts {
    /// These texts, if nearly all that are not NULL are UUIDs.
    pub(super) fn encode(parts: &[&StringArray], rows: usize) -> Option<Self> {
        let mut values = Vec::with_capacity(rows);
        let (mut other_rows, mut others) = (vec![], vec![]);
        for part in parts {
            for row in 0..part.len() {
                if part.is_null(row) {
                    values.push([0; 16]);
                    continue;
                }
                let text = part.value(row);
                values.push(match parse(text.as_bytes()) {
                    Some(value) => value,
                    None => {
                        other_rows.push(u32::try_from(values.len()).expect("a segment has 2^16 rows"));
                        others.push(text);
                        // Many at the start are enough to see that this is no column of UUIDs.
                        if others.len() > values.len() / EXCEPTION_SHARE + EXCEPTION_SHARE {
                            return None;
                        }
                        [0; 16]
                    }
                });
            }
        }
        (others.len() <= rows / EXCEPTION_SHARE).then(|| Self { values, other_rows, others: StringArray::from(others) })
    }

    /// Appends the text of a row.
    pub(super) fn push(&self, row: usize, texts: &mut Texts) {
        match self.other(row) {
            Some(text) => texts.push(text.as_bytes()),
            None => texts.push(&format(&self.values[row])),
        }
    }

    fn other(&self, row: usize) -> Option<&str> {
        if self.other_rows.is_empty() {
            return None;
        }
        let row = u32::try_from(row).ok()?;
        Some(self.others.value(self.other_rows.binary_search(&row).ok()?))
    }

    /// Appends a range of rows.
    pub(super) fn decode(&self, range: Range<usize>, nulls: Option<&NullBuffer>, texts: &mut Texts) {
        texts.reserve(range.len(), range.len() * TEXT_BYTES);
        for row in range {
            if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                self.push(row, texts);
            } else {
                texts.push(&[]);
            }
        }
    }

    /// The least and the greatest text, if all are UUIDs.
    pub(super) fn range(&self, nulls: Option<&NullBuffer>) -> Option<([u8; TEXT_BYTES], [u8; TEXT_BYTES])> {
        if !self.other_rows.is_empty() {
            return None;
        }
        let valid = || self.values.iter().enumerate().filter(|(row, _)| nulls.is_none_or(|nulls| nulls.is_valid(*row)));
        let least = valid().map(|(_, value)| u128::from_be_bytes(*value)).min()?;
        let greatest = valid().map(|(_, value)| u128::from_be_bytes(*value)).max()?;
        Some((format(&least.to_be_bytes()), format(&greatest.to_be_bytes())))
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.values.len() * 16 + self.other_rows.len() * 8 + self.others.value_data().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_form_is_packed() {
        let usual = "1027c4d1-c386-bbc4-cd61-3e30d8f16adf";
        let value = parse(usual.as_bytes()).expect("a uuid");
        assert_eq!(value[..5], [0x10, 0x27, 0xc4, 0xd1, 0xc3]);
        assert_eq!(&format(&value), usual.as_bytes());
        for place in 0..36 {
            for byte in 0..=255_u8 {
                let mut text = *usual.as_bytes().first_chunk::<36>().expect("36 characters");
                text[place] = byte;
                match parse(&text) {
                    Some(value) => assert_eq!(format(&value), text),
                    None => assert!(
                        !(byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) || usual.as_bytes()[place] == b'-'
                    ),
                }
            }
        }
        assert_eq!(parse(b"1027c4d1c386bbc4cd613e30d8f16adf"), None);
    }
}
