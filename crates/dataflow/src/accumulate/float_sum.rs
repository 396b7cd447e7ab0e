//! Exact sums of floats, correctly rounded when read.
//!
//! ```text
//!  a double  = mantissa × 2^(e − 1074)           0 ≤ e
//!  a sum     = Σ limb[i] × 2^(32 × (low + i) − 1074)     limbs of 32 bits in i64, only those in use are kept
//! ```
//!
//! Addition is exact, hence associative and invertible: retracting or reordering gives the same bits as recomputing.
//! The value is the sum rounded once, half to even, to the result's precision.

use super::Input;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use hashbrown::HashMap;
use headwater_types::{DataType, Datum, FloatSumState, Result};
use smallvec::SmallVec;

/// What is made of a sum.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Single,
    Double,
    Average,
    State,
}

/// sum and avg of float4 and float8, and their state.
#[derive(Debug)]
pub(super) struct FloatSums {
    single: bool,
    shown: Shown,
    sums: Vec<ExactSum>,
    counts: Vec<i64>,
    /// NaN, Infinity, −Infinity, of the groups that have any.
    specials: HashMap<usize, [i64; 3], ahash::RandomState>,
}

impl FloatSums {
    pub(super) fn new(single: bool, average: bool, data_type: &DataType) -> Self {
        // Looked up by slot only: its order is never seen.
        let specials = HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
        let shown = match data_type {
            DataType::Bytea => Shown::State,
            _ if average => Shown::Average,
            DataType::Float4 => Shown::Single,
            _ => Shown::Double,
        };
        Self { single, shown, sums: vec![], counts: vec![], specials }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.sums.resize_with(slots, ExactSum::default);
        self.counts.resize(slots, 0);
    }

    pub(super) fn reset(&mut self, slot: usize) {
        self.sums[slot] = ExactSum::default();
        self.counts[slot] = 0;
        self.specials.remove(&slot);
    }

    /// Adds what another has of other rows; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, other: &Self, slots: &[u32]) {
        for ((&slot, sum), count) in slots.iter().zip(&other.sums).zip(&other.counts) {
            self.sums[slot as usize].absorb(sum);
            self.counts[slot as usize] = self.counts[slot as usize].wrapping_add(*count);
        }
        for (&theirs, counts) in &other.specials {
            let held = self.specials.entry(slots[theirs] as usize).or_default();
            for (sum, count) in held.iter_mut().zip(counts) {
                *sum = sum.wrapping_add(*count);
            }
        }
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        let Some(arg) = input.args.first() else { return };
        let value_of = doubles(arg, self.single);
        input.for_each(|row, slot, weight| {
            self.counts[slot] = self.counts[slot].wrapping_add(weight);
            let value = value_of(row);
            if value.is_finite() {
                self.sums[slot].add(value, weight);
                return;
            }
            let which = if value.is_nan() { 0 } else { 1 + usize::from(value < 0.0) };
            let counts = self.specials.entry(slot).or_default();
            counts[which] = counts[which].wrapping_add(weight);
            if *counts == [0; 3] {
                self.specials.remove(&slot);
            }
        });
    }

    /// The memory kept, but for sums of many limbs.
    pub(super) fn state_bytes(&self) -> usize {
        self.sums.capacity() * (size_of::<ExactSum>() + size_of::<i64>()) + self.specials.allocation_size()
    }

    pub(super) fn value(&self, slot: usize) -> Result<Datum> {
        let count = self.counts[slot];
        if count == 0 {
            return Ok(Datum::Null);
        }
        let specials = self.specials.get(&slot);
        let (double, single) = match specials {
            None => (self.sums[slot].to_f64(), self.sums[slot].to_f32()),
            Some([0, _, 0]) => (f64::INFINITY, f32::INFINITY),
            Some([0, 0, _]) => (f64::NEG_INFINITY, f32::NEG_INFINITY),
            Some(_) => (f64::NAN, f32::NAN),
        };
        let state = FloatSumState { double, single, count, finite: specials.is_none() };
        Ok(match self.shown {
            Shown::Single => Datum::Float4(state.single_sum()?),
            Shown::Double => Datum::Float8(state.sum()?),
            Shown::Average => Datum::Float8(state.average()?),
            Shown::State => Datum::Bytes(state.encode().into()),
        })
    }
}

fn doubles(array: &ArrayRef, single: bool) -> impl Fn(usize) -> f64 + '_ {
    let narrow = single.then(|| array.as_primitive::<Float32Type>().values());
    let wide = (!single).then(|| array.as_primitive::<Float64Type>().values());
    move |row| match (narrow, wide) {
        (Some(values), _) => f64::from(values[row]),
        (_, Some(values)) => values[row],
        _ => unreachable!("one of them is there"),
    }
}

const LIMB_BITS: u32 = 32;
const LIMB_MASK: i64 = (1 << LIMB_BITS) - 1;

/// See the module. Normalised: every limb but the last is in 0 .. 2^32, the last carries the sign, no zero limbs at the
/// ends.
#[derive(Debug, Default)]
struct ExactSum {
    low: usize,
    limbs: SmallVec<[i64; 4]>,
}

impl ExactSum {
    fn add(&mut self, value: f64, weight: i64) {
        if value == 0.0 || weight == 0 {
            return;
        }
        let bits = value.to_bits();
        let biased = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, exponent) = if biased == 0 { (fraction, 0) } else { (fraction | 1 << 52, biased - 1) };
        // |mantissa × weight| < 2^53 × 2^63.
        let product = u128::from(mantissa) * u128::from(weight.unsigned_abs());
        let negative = (value < 0.0) != (weight < 0);
        let exponent = usize::try_from(exponent).expect("below 2046");
        let shift = exponent % LIMB_BITS as usize;
        let first = exponent / LIMB_BITS as usize;
        // The product shifted by up to 31 bits spans five limbs.
        let low = product << shift;
        let high = if shift == 0 { 0 } else { product >> (128 - shift) };
        self.cover(first, first + 6);
        for limb in 0..5 {
            let part = if limb < 4 { (low >> (LIMB_BITS * limb)) as u64 & 0xffff_ffff } else { high as u64 };
            let part = i64::try_from(part).expect("32 bits");
            self.limbs[first - self.low + limb as usize] += if negative { -part } else { part };
        }
        self.normalise();
    }

    fn absorb(&mut self, other: &Self) {
        if other.limbs.is_empty() {
            return;
        }
        self.cover(other.low, other.low + other.limbs.len() + 1);
        let first = other.low - self.low;
        for (limb, term) in self.limbs[first..].iter_mut().zip(&other.limbs) {
            *limb += *term;
        }
        self.normalise();
    }

    /// Makes limbs `from .. to` exist.
    fn cover(&mut self, from: usize, to: usize) {
        if self.limbs.is_empty() {
            self.low = from;
        }
        if from < self.low {
            self.limbs.insert_many(0, std::iter::repeat_n(0, self.low - from));
            self.low = from;
        }
        if to - self.low > self.limbs.len() {
            self.limbs.resize(to - self.low, 0);
        }
    }

    fn normalise(&mut self) {
        let mut carry = 0;
        let last = self.limbs.len() - 1;
        for limb in &mut self.limbs[..last] {
            let sum = *limb + carry;
            *limb = sum & LIMB_MASK;
            carry = sum >> LIMB_BITS;
        }
        self.limbs[last] += carry;
        let top = self.limbs[last];
        if !(-(1 << LIMB_BITS)..1 << LIMB_BITS).contains(&top) {
            self.limbs[last] = top & LIMB_MASK;
            self.limbs.push(top >> LIMB_BITS);
        }
        while self.limbs.len() > 1 {
            let (top, below) = (self.limbs[self.limbs.len() - 1], self.limbs[self.limbs.len() - 2]);
            match top {
                0 => {}
                -1 => {
                    // A sign of its own limb moves into the one below.
                    let below_place = self.limbs.len() - 2;
                    self.limbs[below_place] = below - (1 << LIMB_BITS);
                }
                _ => break,
            }
            self.limbs.pop();
        }
        let zeros = self.limbs.iter().take_while(|&&limb| limb == 0).count();
        if zeros == self.limbs.len() {
            self.limbs.clear();
        } else if zeros > 0 {
            self.limbs.drain(..zeros);
            self.low += zeros;
        }
    }

    /// The magnitude as limbs of 32 bits, least first, and whether it is negative.
    fn magnitude(&self) -> (Vec<u32>, bool) {
        let negative = self.limbs.last().is_some_and(|&limb| limb < 0);
        let mut carry: i64 = 0;
        let mut limbs = Vec::with_capacity(self.limbs.len() + 2);
        for &limb in &self.limbs {
            let sum = if negative { -limb } else { limb } + carry;
            limbs.push(u32::try_from(sum & LIMB_MASK).expect("32 bits"));
            carry = sum >> LIMB_BITS;
        }
        while carry > 0 {
            limbs.push(u32::try_from(carry & LIMB_MASK).expect("32 bits"));
            carry >>= LIMB_BITS;
        }
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        (limbs, negative)
    }

    /// The sum rounded to `precision` bits above 2^`lowest`, as (mantissa, exponent of its last bit, negative).
    fn rounded(&self, precision: i64, lowest: i64) -> Option<(u64, i64, bool)> {
        let (limbs, negative) = self.magnitude();
        let top = limbs.last()?;
        let base = i64::try_from(self.low * LIMB_BITS as usize).expect("small") - 1074;
        let length = i64::try_from(limbs.len() * LIMB_BITS as usize).expect("small") - i64::from(top.leading_zeros());
        let bit = |place: i64| {
            let Ok(place) = usize::try_from(place) else { return false };
            limbs.get(place / 32).is_some_and(|limb| limb >> (place % 32) & 1 == 1)
        };
        // The place of the last bit kept.
        let last = (length - precision).max(lowest - base);
        let mut mantissa = (last.max(0)..length).rev().fold(0u64, |m, place| m << 1 | u64::from(bit(place)));
        let last_kept = last.max(0);
        let half = bit(last_kept - 1);
        let sticky = (0..last_kept - 1).any(bit);
        if half && (sticky || mantissa & 1 == 1) {
            mantissa += 1;
        }
        Some((mantissa, base + last_kept, negative))
    }

    fn to_f64(&self) -> f64 {
        let Some((mantissa, exponent, negative)) = self.rounded(53, -1074) else { return 0.0 };
        let value = scale_double(mantissa, exponent);
        if negative { -value } else { value }
    }

    fn to_f32(&self) -> f32 {
        let Some((mantissa, exponent, negative)) = self.rounded(24, -149) else { return 0.0 };
        // Rounded to 24 bits already: exact as a double, and as a single unless it overflows.
        let value = scale_double(mantissa, exponent) as f32;
        if negative { -value } else { value }
    }
}

/// `mantissa × 2^exponent`, exact or infinite: the mantissa has at most 53 bits (or is 2^53) and the exponent is that of
/// a double's last bit or more.
fn scale_double(mantissa: u64, exponent: i64) -> f64 {
    let mut value = mantissa as f64;
    let mut exponent = exponent;
    while exponent > 0 {
        let step = exponent.min(1000);
        value *= 2f64.powi(i32::try_from(step).expect("at most 1000"));
        exponent -= step;
        if value.is_infinite() {
            return value;
        }
    }
    if exponent < 0 {
        // In two steps, the first of which cannot be subnormal: each is exact, for no bit lies below 2^-1074.
        let first = exponent.max(-1000);
        value *= 2f64.powi(i32::try_from(first).expect("small"));
        value *= 2f64.powi(i32::try_from(exponent - first).expect("small"));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut exact = ExactSum::default();
        for &value in values {
            exact.add(value, 1);
        }
        exact.to_f64()
    }

    #[test]
    fn sums_are_correctly_rounded() {
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e308, 1e308, -1e308]), 1e308);
        assert_eq!(sum(&[1e308, 1e308]), f64::INFINITY);
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[5e-324, 5e-324]), 1e-323);
        assert_eq!(sum(&[1.0, 2f64.powi(-53)]), 1.0);
        assert_eq!(sum(&[1.0, 2f64.powi(-53), 5e-324]), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[-1.0, -2f64.powi(-53), -5e-324]), -1.0 - f64::EPSILON);
        assert_eq!(sum(&[f64::MAX, -f64::MAX]), 0.0);
        for value in [1.5, -0.1, 1e-310, f64::MIN_POSITIVE, f64::MAX, -123_456.789] {
            assert_eq!(sum(&[value]), value);
            assert_eq!(sum(&[value, 1e300, -1e300, 1e-300, -1e-300]), value);
        }
    }

    #[test]
    fn retraction_gives_the_same_bits() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            f64::from_bits(state)
        };
        for round in 0..200 {
            let finite: Vec<f64> = std::iter::repeat_with(&mut random).filter(|v| v.is_finite()).take(20).collect();
            let mut all = ExactSum::default();
            for (i, &value) in finite.iter().enumerate() {
                all.add(value, i64::try_from(i).expect("small") - 9);
            }
            let mut some = ExactSum::default();
            some.add(finite[3], -6);
            for (i, &value) in finite.iter().enumerate().filter(|(i, _)| *i != 3) {
                all.add(value, 9 - i64::try_from(i).expect("small"));
            }
            assert_eq!(all.to_f64().to_bits(), some.to_f64().to_bits(), "round {round}");
            assert_eq!(all.limbs, some.limbs, "round {round}");
        }
    }

    #[test]
    fn singles_are_rounded_once() {
        let mut exact = ExactSum::default();
        exact.add(1.0, 1);
        exact.add(2f64.powi(-24), 1);
        exact.add(2f64.powi(-80), 1);
        assert_eq!(exact.to_f32(), 1.0 + f32::EPSILON);
    }
}
