//! Unsigned integers of one width: as few whole bytes each as the largest needs.
//!
//! Whole bytes rather than bits: the tutorial's events would lose 3.5 bytes a row more with bits, and decoding would no
//! longer be a load.

use std::ops::Range;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// Bytes of one value, 0 to 8.
    width: u8,
    bytes: Box<[u8]>,
}

/// The bytes that a value up to `max` needs.
pub(crate) fn width_of(max: u64) -> u8 {
    u8::try_from((u64::BITS - max.leading_zeros()).div_ceil(8)).expect("at most 8")
}

fn load<const W: usize>(bytes: &[u8]) -> u64 {
    let mut value = [0; 8];
    value[..W].copy_from_slice(&bytes[..W]);
    u64::from_le_bytes(value)
}

/// An expression of a constant width, for the width at hand.
macro_rules! by_width {
    ($width:expr, $W:ident => $of_width:expr) => {
        match $width {
            0 => {
                const $W: usize = 0;
                $of_width
            }
            1 => {
                const $W: usize = 1;
                $of_width
            }
            2 => {
                const $W: usize = 2;
                $of_width
            }
            3 => {
                const $W: usize = 3;
                $of_width
            }
            4 => {
                const $W: usize = 4;
                $of_width
            }
            5 => {
                const $W: usize = 5;
                $of_width
            }
            6 => {
                const $W: usize = 6;
                $of_width
            }
            7 => {
                const $W: usize = 7;
                $of_width
            }
            _ => {
                const $W: usize = 8;
                $of_width
            }
        }
    };
}

fn store_all<const W: usize>(values: &[u64]) -> Box<[u8]> {
    let mut bytes = vec![0; values.len() * W];
    if W > 0 {
        for (place, value) in bytes.chunks_exact_mut(W).zip(values) {
            place.copy_from_slice(&value.to_le_bytes()[..W]);
        }
    }
    bytes.into()
}

fn map_all<const W: usize, T: Clone>(bytes: &[u8], range: Range<usize>, of: impl Fn(u64) -> T) -> Vec<T> {
    if W == 0 {
        return vec![of(0); range.len()];
    }
    bytes[range.start * W..range.end * W].chunks_exact(W).map(|value| of(load::<W>(value))).collect()
}

impl Packed {
    /// These values, of which none exceeds `max`.
    pub(crate) fn new(values: &[u64], max: u64) -> Self {
        let width = width_of(max);
        Self { width, bytes: by_width!(width, W => store_all::<W>(values)) }
    }

    /// Codes below `count`.
    pub(crate) fn of_codes(codes: &[u16], count: usize) -> Self {
        let bytes: Box<[u8]> = match count {
            0 | 1 => Box::default(),
            2..=256 => codes.iter().map(|code| code.to_le_bytes()[0]).collect(),
            _ => codes.iter().flat_map(|code| code.to_le_bytes()).collect(),
        };
        let max = u64::try_from(count.saturating_sub(1)).expect("a count fits 64 bits");
        Self { width: width_of(max), bytes }
    }

    /// One value.
    pub(crate) fn get(&self, row: usize) -> u64 {
        by_width!(self.width, W => load::<W>(&self.bytes[row * W..]))
    }

    /// One value that is known to be an index.
    pub(crate) fn index(&self, row: usize) -> usize {
        usize::try_from(self.get(row)).expect("a code is an index")
    }

    /// The values of a range of rows, each through `of`.
    pub(crate) fn map<T: Clone>(&self, range: Range<usize>, of: impl Fn(u64) -> T) -> Vec<T> {
        by_width!(self.width, W => map_all::<W, T>(&self.bytes, range, of))
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_comes_back() {
        for width in 0..=8u32 {
            let max = if width == 0 { 0 } else { u64::MAX >> (64 - 8 * width) };
            let values = [0, max, max / 2, 1.min(max), max / 3];
            let packed = Packed::new(&values, max);
            assert_eq!(packed.bytes(), values.len() * width as usize);
            assert_eq!(packed.map(0..5, |value| value), values);
            assert_eq!(packed.map(1..3, |value| value), values[1..3]);
            assert_eq!((0..5).map(|row| packed.get(row)).collect::<Vec<_>>(), values);
        }
        for count in [1, 2, 256, 257, 65_536_usize] {
            let last = u16::try_from(count - 1).expect("16 bits");
            let packed = Packed::of_codes(&[0, last, last / 2], count);
            assert_eq!([packed.index(0), packed.index(1), packed.index(2)], [0, count - 1, usize::from(last / 2)]);
        }
    }
}
