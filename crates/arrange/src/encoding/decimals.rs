//! Numerics: the mantissas by their distance from the least, and a scale each where scales differ.
//!
//! A stored numeric is 16 bytes: scale and sign in the first four, then 96 bits of mantissa. Whatever would not come back
//! bit for bit (NaN, the infinities, −0, mantissas beyond 62 bits) keeps the column from being packed.

use super::packed::Packed;
use arrow_array::{Array, FixedSizeBinaryArray};
use arrow_buffer::NullBuffer;
use headwater_types::Numeric;
use std::ops::Range;

/// Mantissas beyond are not packed.
const MANTISSA_MAX: u64 = 1 << 62;
/// The greatest scale that a numeric has, and one more.
const SCALES: usize = 29;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Decimals {
    base: i64,
    distances: Packed,
    base_scale: u8,
    scales: Packed,
}

/// A stored numeric's mantissa and scale, if it can be packed.
fn parts_of(bytes: [u8; 16]) -> Option<(i64, u8)> {
    let [special, reserved, scale, sign, low @ .., _, _, _, _] = bytes;
    let [_, _, _, _, _, _, _, _, _, _, _, _, high @ ..] = bytes;
    let mantissa = u64::from_le_bytes(low);
    if special != 0 || reserved != 0 || high != [0; 4] || mantissa >= MANTISSA_MAX || usize::from(scale) >= SCALES {
        return None;
    }
    let magnitude = mantissa.cast_signed();
    match sign {
        0 => Some((magnitude, scale)),
        0x80 if magnitude > 0 => Some((-magnitude, scale)),
        _ => None,
    }
}

/// The inverse of [`parts_of`].
fn bytes_of(mantissa: i64, scale: u8) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[2] = scale;
    bytes[3] = if mantissa < 0 { 0x80 } else { 0 };
    bytes[4..12].copy_from_slice(&mantissa.unsigned_abs().to_le_bytes());
    bytes
}

impl Decimals {
    /// These numerics, and the least and the greatest of them, if all can be packed.
    pub(super) fn encode(parts: &[&FixedSizeBinaryArray], rows: usize) -> Option<(Self, Option<(Numeric, Numeric)>)> {
        let mut mantissas = Vec::with_capacity(rows);
        let mut scales = Vec::with_capacity(rows);
        let mut extremes = [None; SCALES];
        for part in parts {
            let nulls = part.nulls().filter(|nulls| nulls.null_count() > 0);
            for (row, bytes) in part.value_data().chunks_exact(16).take(part.len()).enumerate() {
                if nulls.is_some_and(|nulls: &NullBuffer| nulls.is_null(row)) {
                    mantissas.push(None);
                    scales.push(None);
                    continue;
                }
                let (mantissa, scale) = parts_of(bytes.try_into().expect("16 bytes were cut"))?;
                let seen: &mut Option<(i64, i64)> = &mut extremes[usize::from(scale)];
                *seen = Some(seen.map_or((mantissa, mantissa), |(a, b)| (a.min(mantissa), b.max(mantissa))));
                mantissas.push(Some(mantissa));
                scales.push(Some(scale));
            }
        }
        let used = || extremes.iter().flatten();
        let base = used().map(|(least, _)| *least).min().unwrap_or(0);
        let greatest = used().map(|(_, greatest)| *greatest).max().unwrap_or(0);
        let used_scales = || (0_u8..).zip(&extremes).filter(|(_, seen)| seen.is_some()).map(|(scale, _)| scale);
        let (base_scale, top_scale) = (used_scales().min().unwrap_or(0), used_scales().max().unwrap_or(0));
        let distance = |mantissa: Option<i64>| (mantissa.unwrap_or(base) - base).cast_unsigned();
        let distances: Vec<u64> = mantissas.into_iter().map(distance).collect();
        let scales: Vec<u64> =
            scales.into_iter().map(|scale| u64::from(scale.unwrap_or(base_scale) - base_scale)).collect();
        let column = Self {
            base,
            distances: Packed::new(&distances, (greatest - base).cast_unsigned()),
            base_scale,
            scales: Packed::new(&scales, u64::from(top_scale - base_scale)),
        };
        let of_scales = (0_u8..).zip(extremes).filter_map(|(scale, seen)| {
            let (least, greatest) = seen?;
            Some((Numeric::from_bytes(bytes_of(least, scale)), Numeric::from_bytes(bytes_of(greatest, scale))))
        });
        let range = of_scales.reduce(|a, b| {
            let least = if b.0.sql_cmp(&a.0).is_lt() { b.0 } else { a.0 };
            (least, if b.1.sql_cmp(&a.1).is_gt() { b.1 } else { a.1 })
        });
        Some((column, range))
    }

    /// One row's 16 bytes.
    pub(super) fn get(&self, row: usize) -> [u8; 16] {
        self.value(self.distances.get(row), self.scales.get(row))
    }

    fn value(&self, distance: u64, scale: u64) -> [u8; 16] {
        let scale = self.base_scale + u8::try_from(scale).expect("a scale is small");
        bytes_of(self.base + distance.cast_signed(), scale)
    }

    /// The bytes of a range of rows.
    pub(super) fn decode(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(range.len() * 16);
        let scales = self.scales.map(range.clone(), |scale| scale);
        for (distance, scale) in self.distances.map(range, |distance| distance).into_iter().zip(scales) {
            bytes.extend_from_slice(&self.value(distance, scale));
        }
        bytes
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.distances.bytes() + self.scales.bytes()
    }
}
