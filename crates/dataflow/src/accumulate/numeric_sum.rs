//! Exact sums of numerics.
//!
//! ```text
//!  Σ  mantissa × 10^(28 − scale) × weight      a 256-bit integer: |mantissa| < 2^96, 10^28 < 2^94, weight < 2^63
//!  display scale = the largest scale among live values: their counts, by scale
//! ```
//!
//! A sum in `rust_decimal` rounds past 96 bits, so that retracting would not give back what was there. Here nothing is
//! rounded before the value is read; it is then rounded once (half away from zero) if 96 bits do not hold it, and out of
//! range if they do not hold its integer part.

use super::{Input, numerics};
use crate::order_key::{SCALE_MAX, scaled};
use arrow_buffer::i256;
use hashbrown::HashMap;
use headwater_expr::AggregateFunction;
use headwater_types::{Datum, Numeric, Result, SumState};
use rust_decimal::Decimal;
use smallvec::SmallVec;

/// sum and avg of numerics, and their state.
#[derive(Debug)]
pub(super) struct NumericSums {
    function: AggregateFunction,
    sums: Vec<i256>,
    counts: Vec<i64>,
    /// (scale, live values), of the scales that occur.
    scales: Vec<SmallVec<[(u32, i64); 2]>>,
    /// NaN, Infinity, −Infinity, of the groups that have any.
    specials: HashMap<usize, [i64; 3], ahash::RandomState>,
}

impl NumericSums {
    pub(super) fn new(function: AggregateFunction) -> Self {
        // Looked up by slot only: its order is never seen.
        let specials = HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
        Self { function, sums: vec![], counts: vec![], scales: vec![], specials }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.sums.resize(slots, i256::ZERO);
        self.counts.resize(slots, 0);
        self.scales.resize_with(slots, SmallVec::new);
    }

    pub(super) fn reset(&mut self, slot: usize) {
        self.sums[slot] = i256::ZERO;
        self.counts[slot] = 0;
        self.scales[slot] = SmallVec::new();
        self.specials.remove(&slot);
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        let Some(arg) = input.args.first() else { return };
        let value_of = numerics(arg);
        input.for_each(|row, slot, weight| {
            self.counts[slot] = self.counts[slot].wrapping_add(weight);
            match value_of(row) {
                Numeric::Finite(value) => self.add(slot, value, weight),
                Numeric::NaN => self.add_special(slot, 0, weight),
                Numeric::Infinity => self.add_special(slot, 1, weight),
                Numeric::NegInfinity => self.add_special(slot, 2, weight),
            }
        });
    }

    fn add(&mut self, slot: usize, value: Decimal, weight: i64) {
        let (mantissa, scale) = (value.mantissa(), value.scale());
        if mantissa != 0 {
            let aligned = scaled(mantissa, SCALE_MAX - scale);
            let term = match weight {
                1 => aligned,
                -1 => aligned.wrapping_neg(),
                _ => aligned.wrapping_mul(i256::from_i128(i128::from(weight))),
            };
            self.sums[slot] = self.sums[slot].wrapping_add(term);
        }
        let scales = &mut self.scales[slot];
        match scales.iter().position(|(s, _)| *s == scale) {
            Some(place) => {
                scales[place].1 = scales[place].1.wrapping_add(weight);
                if scales[place].1 == 0 {
                    scales.swap_remove(place);
                }
            }
            None => scales.push((scale, weight)),
        }
    }

    fn add_special(&mut self, slot: usize, which: usize, weight: i64) {
        let counts = self.specials.entry(slot).or_default();
        counts[which] = counts[which].wrapping_add(weight);
        if *counts == [0; 3] {
            self.specials.remove(&slot);
        }
    }

    pub(super) fn value(&self, slot: usize) -> Result<Datum> {
        if self.counts[slot] == 0 {
            return Ok(Datum::Null);
        }
        let state = SumState {
            sum: self.sums[slot],
            scale: self.scales[slot].iter().map(|(scale, _)| *scale).max().unwrap_or(0),
            count: self.counts[slot],
            specials: self.specials.get(&slot).copied().unwrap_or_default(),
        };
        shown(self.function, &state)
    }
}

/// What the aggregate says of a sum of numerics.
pub(super) fn shown(function: AggregateFunction, state: &SumState) -> Result<Datum> {
    Ok(match function {
        AggregateFunction::SumState => Datum::Bytes(state.encode().into()),
        AggregateFunction::Avg => Datum::Numeric(state.average()?),
        _ => Datum::Numeric(state.sum()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::{DataType, SqlState, array_of};

    fn sum_of(values: &[(&str, i64)], average: bool) -> Result<String> {
        let function = if average { AggregateFunction::Avg } else { AggregateFunction::Sum };
        let mut state = NumericSums::new(function);
        state.grow(1);
        let data: Vec<Datum> =
            values.iter().map(|(t, _)| Datum::Numeric(Numeric::parse(t).expect("a numeric"))).collect();
        let weights: Vec<i64> = values.iter().map(|(_, w)| *w).collect();
        let slots = vec![0; values.len()];
        let args = [array_of(&DataType::Numeric(None), &data)];
        state.update(&Input {
            slots: &slots,
            weights: &weights,
            args: &args,
            keys: &[],
            selected: None,
            final_insertions: false,
        });
        state.value(0).map(|value| match value {
            Datum::Numeric(v) => v.to_string(),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn sums_are_those_of_what_is_left() {
        let max = "79228162514264337593543950335";
        assert_eq!(sum_of(&[("1.5", 1), ("2.25", 1)], false).as_deref(), Ok("3.75"));
        assert_eq!(sum_of(&[("1.5", 1), ("2.25", 1), ("2.25", -1)], false).as_deref(), Ok("1.5"));
        assert_eq!(sum_of(&[("0", 1), ("0.00", 1)], false).as_deref(), Ok("0.00"));
        assert_eq!(sum_of(&[(max, 3), ("0.1", 1), (max, -3)], false).as_deref(), Ok("0.1"));
        assert_eq!(sum_of(&[("NaN", 1), ("1", 2), ("NaN", -1)], false).as_deref(), Ok("2"));
        assert_eq!(sum_of(&[("Infinity", 1), ("-Infinity", 1)], false).as_deref(), Ok("NaN"));
        assert_eq!(sum_of(&[("-Infinity", 1), ("5", 1)], false).as_deref(), Ok("-Infinity"));
        assert_eq!(sum_of(&[("4523.88", 1)], true).as_deref(), Ok("4523.88"));
        assert_eq!(sum_of(&[(max, 2)], false).map_err(|e| e.state), Err(SqlState::NumericValueOutOfRange));
        // 96 bits hold one decimal of this sum, not two.
        assert_eq!(
            sum_of(&[("7922816251426433759354395033.5", 1), ("0.01", 1)], false).as_deref(),
            Ok("7922816251426433759354395033.5")
        );
        assert_eq!(sum_of(&[("1", 1), ("1", -1)], false).as_deref(), Ok("Null"));
    }
}
