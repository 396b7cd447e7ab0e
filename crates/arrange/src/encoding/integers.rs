//! Integers, dates and times by their distance from the least of them (frame of reference).

use super::packed::{Packed, width_of};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use std::ops::Range;
use std::sync::Arc;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Integers {
    base: i64,
    distances: Packed,
}

/// A native integer as 64 bits, sign and all.
pub(super) fn widened<N: ArrowNativeType>(value: N) -> i64 {
    // The one conversion that Arrow's trait has for all widths: it extends the sign.
    (value.as_usize() as u64).cast_signed()
}

/// The inverse of [`widened`].
fn narrowed<N: ArrowNativeType>(value: i64) -> N {
    N::usize_as(value.cast_unsigned() as usize)
}

/// The least and the greatest value that is not NULL.
pub(super) fn extremes<T: ArrowPrimitiveType>(parts: &[ArrayRef]) -> Option<(i64, i64)> {
    let mut range: Option<(i64, i64)> = None;
    for part in parts {
        let part = part.as_primitive::<T>();
        let include = |range: Option<(i64, i64)>, value: T::Native| {
            let value = widened(value);
            Some(range.map_or((value, value), |(least, greatest)| (least.min(value), greatest.max(value))))
        };
        range = match part.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => part.values().iter().fold(range, |range, &value| include(range, value)),
            Some(nulls) => nulls.valid_indices().fold(range, |range, row| include(range, part.value(row))),
        };
    }
    range
}

impl Integers {
    /// These values, whose extremes are given, if that saves memory.
    pub(super) fn encode<T: ArrowPrimitiveType>(parts: &[ArrayRef], extremes: Option<(i64, i64)>) -> Option<Self> {
        // Without values there is nothing but NULLs.
        let (base, greatest) = extremes.unwrap_or((0, 0));
        let span = greatest.wrapping_sub(base).cast_unsigned();
        if usize::from(width_of(span)) >= size_of::<T::Native>() {
            return None;
        }
        let mut distances = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            let part = part.as_primitive::<T>();
            let distance = |value: T::Native| widened(value).wrapping_sub(base).cast_unsigned();
            match part.nulls().filter(|nulls| nulls.null_count() > 0) {
                None => distances.extend(part.values().iter().map(|&value| distance(value))),
                Some(nulls) => distances.extend(
                    part.values().iter().zip(nulls).map(|(&value, valid)| if valid { distance(value) } else { 0 }),
                ),
            }
        }
        Some(Self { base, distances: Packed::new(&distances, span) })
    }

    /// One row's value.
    pub(super) fn get<N: ArrowNativeType>(&self, row: usize) -> N {
        narrowed(self.base.wrapping_add(self.distances.get(row).cast_signed()))
    }

    /// A range of rows.
    pub(super) fn decode<T: ArrowPrimitiveType>(&self, range: Range<usize>, nulls: Option<NullBuffer>) -> ArrayRef {
        let base = self.base;
        let values: Vec<T::Native> =
            self.distances.map(range, |distance| narrowed(base.wrapping_add(distance.cast_signed())));
        Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.distances.bytes()
    }
}
