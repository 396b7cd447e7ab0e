//! Values numbered in the order in which they are first seen.
//!
//! Most values are short: up to 16 bytes are compared as two words that, with the length, say all of them. What is longer
//! is found by its hash and compared whole.

use super::texts::Texts;
use std::hash::{BuildHasher, Hasher};

// Digits of e: nothing up the sleeve, and the same in every run.
const SEEDS: [u64; 4] = [0xb7e1_5162_8aed_2a6a, 0xbf71_5880_9cf4_f3c7, 0x62e7_160f_38b4_da56, 0xa784_d904_5190_cfef];
const SLOTS_MIN: usize = 1024;
const FREE: u32 = u32::MAX;

/// What a value is found by: all of it, if it is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    low: u64,
    high: u64,
    length: usize,
}

/// See the module.
pub(super) struct Interner {
    /// Codes, by the hash of their key; a power of two, at most half of them taken.
    slots: Vec<u32>,
    keys: Vec<Key>,
    values: Texts,
    hasher: ahash::RandomState,
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("N bytes were cut")
}

impl Key {
    fn of(bytes: &[u8], hasher: &ahash::RandomState) -> Self {
        let length = bytes.len();
        let (low, high) = match length {
            0 => (0, 0),
            1..=3 => {
                let [first, middle, last] = [bytes[0], bytes[length / 2], bytes[length - 1]].map(u64::from);
                (first | middle << 8 | last << 16, 0)
            }
            4..=7 => {
                let (low, high) = (u32::from_le_bytes(word(bytes, 0)), u32::from_le_bytes(word(bytes, length - 4)));
                (u64::from(low) | u64::from(high) << 32, 0)
            }
            8..=16 => (u64::from_le_bytes(word(bytes, 0)), u64::from_le_bytes(word(bytes, length - 8))),
            _ => {
                let mut state = hasher.build_hasher();
                state.write(bytes);
                (state.finish(), 0)
            }
        };
        Self { low, high, length }
    }

    fn is_whole(self) -> bool {
        self.length <= 16
    }

    fn slot(self, mask: usize) -> usize {
        let mixed = (self.low ^ SEEDS[0]).wrapping_mul(SEEDS[1] | 1) ^ self.high.wrapping_mul(SEEDS[2] | 1);
        let product = u128::from(mixed ^ self.length as u64) * u128::from(SEEDS[3] | 1);
        ((product >> 64) as usize) & mask
    }
}

impl Interner {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![FREE; SLOTS_MIN],
            keys: vec![],
            values: Texts::default(),
            hasher: ahash::RandomState::with_seeds(SEEDS[0], SEEDS[1], SEEDS[2], SEEDS[3]),
        }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The value's code.
    pub(super) fn code(&mut self, bytes: &[u8]) -> u32 {
        let key = Key::of(bytes, &self.hasher);
        let mask = self.slots.len() - 1;
        let mut slot = key.slot(mask);
        loop {
            let code = self.slots[slot];
            if code == FREE {
                return self.add(slot, key, bytes);
            }
            if self.keys[code as usize] == key && (key.is_whole() || self.values.get(code as usize) == bytes) {
                return code;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn add(&mut self, slot: usize, key: Key, bytes: &[u8]) -> u32 {
        let code = u32::try_from(self.keys.len()).expect("a segment has fewer than 2^32 rows");
        self.slots[slot] = code;
        self.keys.push(key);
        self.values.push(bytes);
        if self.keys.len() * 2 > self.slots.len() {
            self.grow();
        }
        code
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        self.slots = vec![FREE; mask + 1];
        for (code, key) in (0..).zip(&self.keys) {
            let mut slot = key.slot(mask);
            while self.slots[slot] != FREE {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = code;
        }
    }

    /// The values, in order of their codes, one after the other.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.values.into_bytes()
    }

    /// The values, which were texts, in order of their codes.
    pub(super) fn into_texts(self) -> Texts {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn numbers_values_of_every_length() {
        let mut interner = Interner::new();
        let mut model: HashMap<Vec<u8>, u32> = HashMap::new();
        for round in 0..3 {
            for i in 0..3000_u32 {
                // Lengths 0 to 29, contents that share ends and middles.
                let value: Vec<u8> =
                    (0..i % 30).map(|k| if k == i % 7 { (i / 30).to_le_bytes()[0] } else { 7 }).collect();
                let next = u32::try_from(model.len()).expect("small");
                let wanted = *model.entry(value.clone()).or_insert(next);
                assert_eq!(interner.code(&value), wanted, "round {round} value {value:?}");
            }
        }
        assert_eq!(interner.len(), model.len());
        for (value, code) in &model {
            assert_eq!(interner.values.get(*code as usize), value);
        }
    }
}
