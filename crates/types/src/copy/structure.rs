//! Where the bytes are that divide COPY data into fields and records: 64 bytes at a time.

use wide::u8x16;

/// Bytes looked at together: as many as a mask has bits.
const BLOCK_BYTES: usize = 64;
/// Bytes of one vector.
const LANE_BYTES: usize = 16;

/// The bytes that have a meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Structure {
    /// Delimiter, newline, carriage return, and the quote (csv) or backslash (text).
    pub(super) bytes: [u8; 4],
}

/// The positions of these bytes in a text, in order.
pub(super) struct Positions<'a> {
    text: &'a [u8],
    wanted: [u8x16; 4],
    structure: Structure,
    /// Where the block that `mask` describes begins, and the next one.
    block: usize,
    next_block: usize,
    /// A bit per byte of the block that was not given yet.
    mask: u64,
}

impl Structure {
    /// The positions from `from` on.
    pub(super) fn positions(self, text: &[u8], from: usize) -> Positions<'_> {
        let wanted = self.bytes.map(u8x16::splat);
        Positions { text, wanted, structure: self, block: from, next_block: from, mask: 0 }
    }
}

impl Positions<'_> {
    fn look(&mut self, block: &[u8]) {
        let mut lanes = block.chunks_exact(LANE_BYTES);
        let mut shift = 0;
        self.mask = 0;
        for lane in &mut lanes {
            let lane = u8x16::new(lane.try_into().expect("a lane has 16 bytes"));
            let hits = self.wanted.map(|byte| lane.simd_eq(byte));
            let bits = ((hits[0] | hits[1]) | (hits[2] | hits[3])).to_bitmask();
            self.mask |= u64::from(bits) << shift;
            shift += LANE_BYTES;
        }
        for byte in lanes.remainder() {
            self.mask |= u64::from(self.structure.bytes.contains(byte)) << shift;
            shift += 1;
        }
    }
}

impl Iterator for Positions<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            let rest = self.text.get(self.next_block..).filter(|rest| !rest.is_empty())?;
            let length = rest.len().min(BLOCK_BYTES);
            self.block = self.next_block;
            self.next_block += length;
            self.look(&rest[..length]);
        }
        let bit = self.mask.trailing_zeros();
        self.mask &= self.mask - 1;
        Some(self.block + bit as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_search_byte_by_byte_finds() {
        let structure = Structure { bytes: *b",\n\r\"" };
        let text: Vec<u8> = (0..1000u32).map(|i| b"ab,c\nd\"e\xc3\r"[(i * i % 97 % 10) as usize]).collect();
        for length in [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 1000] {
            for from in [0, 1, 13, 64, 200] {
                let text = &text[..length];
                let expected: Vec<usize> =
                    (from.min(length)..length).filter(|&i| structure.bytes.contains(&text[i])).collect();
                assert_eq!(structure.positions(text, from).collect::<Vec<_>>(), expected, "{length} from {from}");
            }
        }
    }
}
