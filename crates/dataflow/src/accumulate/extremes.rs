//! min and max.
//!
//! ```text
//!  numbers, dates, times   value → count, or the best value alone where nothing will be retracted
//!  other types             see [`super::ordered`]
//! ```

use super::Input;
use super::ordered::ValueExtremes;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use headwater_types::{DataType, Datum};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug)]
pub(super) enum Extremes {
    Numbers(NumberExtremes),
    Values(ValueExtremes),
}

impl Extremes {
    pub(super) fn new(arg: DataType, greatest: bool) -> Self {
        use DataType as D;
        match arg {
            D::Int2 | D::Int4 | D::Int8 | D::Date | D::Time | D::Timestamp | D::Timestamptz | D::Oid => {
                Self::Numbers(NumberExtremes { arg, greatest, best: vec![], sets: vec![] })
            }
            _ => Self::Values(ValueExtremes::new(arg, greatest)),
        }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        match self {
            Self::Numbers(state) => state.grow(slots),
            Self::Values(state) => state.grow(slots),
        }
    }

    pub(super) fn reset(&mut self, slot: usize) {
        match self {
            Self::Numbers(state) => state.reset(slot),
            Self::Values(state) => state.reset(slot),
        }
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        match self {
            Self::Numbers(state) => state.update(input),
            Self::Values(state) => state.update(input),
        }
    }

    /// Takes what another has of other rows, nothing of which will ever be retracted; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, other: Self, slots: &[u32]) {
        match (self, other) {
            (Self::Numbers(mine), Self::Numbers(theirs)) => mine.absorb(&theirs, slots),
            (Self::Values(mine), Self::Values(theirs)) => mine.absorb(theirs, slots),
            _ => unreachable!("parts of one call have one kind of state"),
        }
    }

    pub(super) fn value(&self, slot: usize) -> Datum {
        match self {
            Self::Numbers(state) => state.value(slot),
            Self::Values(state) => state.value(slot),
        }
    }

    /// The memory kept, about.
    pub(super) fn state_bytes(&self) -> usize {
        match self {
            Self::Numbers(state) => state.state_bytes(),
            Self::Values(state) => state.state_bytes(),
        }
    }
}

/// Of types whose values are numbers that sort as they do.
#[derive(Debug)]
pub(super) struct NumberExtremes {
    arg: DataType,
    greatest: bool,
    /// Where nothing will be retracted.
    best: Vec<Option<i64>>,
    /// Value → count, which may be negative for a while within a step.
    sets: Vec<BTreeMap<i64, i64>>,
}

impl NumberExtremes {
    fn grow(&mut self, slots: usize) {
        self.best.resize(slots, None);
        self.sets.resize_with(slots, BTreeMap::new);
    }

    fn reset(&mut self, slot: usize) {
        self.best[slot] = None;
        self.sets[slot].clear();
    }

    fn update(&mut self, input: &Input<'_>) {
        let Some(arg) = input.args.first() else { return };
        match self.arg {
            DataType::Int2 => self.add(input, arg.as_primitive::<Int16Type>().values()),
            DataType::Int4 => self.add(input, arg.as_primitive::<Int32Type>().values()),
            DataType::Date => self.add(input, arg.as_primitive::<Date32Type>().values()),
            DataType::Oid => self.add(input, arg.as_primitive::<UInt32Type>().values()),
            DataType::Int8 => self.add(input, arg.as_primitive::<Int64Type>().values()),
            DataType::Time => self.add(input, arg.as_primitive::<Time64MicrosecondType>().values()),
            _ => self.add(input, arg.as_primitive::<TimestampMicrosecondType>().values()),
        }
    }

    fn add<T: Copy + Into<i64>>(&mut self, input: &Input<'_>, values: &[T]) {
        if input.final_insertions {
            input.for_each(|row, slot, _| self.improve(slot, values[row].into()));
            return;
        }
        input.for_each(|row, slot, weight| {
            let set = &mut self.sets[slot];
            let count = set.entry(values[row].into()).or_default();
            *count = count.wrapping_add(weight);
            if *count == 0 {
                set.remove(&values[row].into());
            }
        });
    }

    fn improve(&mut self, slot: usize, value: i64) {
        let best = self.best[slot].get_or_insert(value);
        *best = if self.greatest { (*best).max(value) } else { (*best).min(value) };
    }

    fn absorb(&mut self, other: &Self, slots: &[u32]) {
        for (&slot, best) in slots.iter().zip(&other.best) {
            if let Some(best) = best {
                self.improve(slot as usize, *best);
            }
        }
    }

    fn value(&self, slot: usize) -> Datum {
        let set = &self.sets[slot];
        let held = if self.greatest { set.last_key_value() } else { set.first_key_value() };
        let Some(value) = held.map(|(value, _)| *value).or(self.best[slot]) else { return Datum::Null };
        let fits = "a value of the type is among the group's";
        match self.arg {
            DataType::Int2 => Datum::Int2(i16::try_from(value).expect(fits)),
            DataType::Int4 => Datum::Int4(i32::try_from(value).expect(fits)),
            DataType::Date => Datum::Date(i32::try_from(value).expect(fits)),
            DataType::Oid => Datum::Oid(u32::try_from(value).expect(fits)),
            DataType::Int8 => Datum::Int8(value),
            DataType::Time => Datum::Time(value),
            _ => Datum::Timestamp(value),
        }
    }

    fn state_bytes(&self) -> usize {
        let entries: usize = self.sets.iter().map(BTreeMap::len).sum();
        // A map's nodes are about two thirds full.
        let fixed = size_of::<Option<i64>>() + size_of::<BTreeMap<i64, i64>>();
        self.sets.capacity() * fixed + entries * size_of::<(i64, i64)>() * 3 / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::array_of;

    #[test]
    fn every_type_of_number_has_its_extremes() {
        let types = [
            (DataType::Int2, [Datum::Int2(-5), Datum::Int2(7), Datum::Int2(9)]),
            (DataType::Int4, [Datum::Int4(i32::MIN), Datum::Int4(0), Datum::Int4(i32::MAX)]),
            (DataType::Int8, [Datum::Int8(i64::MIN), Datum::Int8(0), Datum::Int8(i64::MAX)]),
            (DataType::Date, [Datum::Date(-1), Datum::Date(0), Datum::Date(1)]),
            (DataType::Time, [Datum::Time(1), Datum::Time(2), Datum::Time(3)]),
            (DataType::Timestamptz, [Datum::Timestamp(-1), Datum::Timestamp(0), Datum::Timestamp(1)]),
            (DataType::Oid, [Datum::Oid(0), Datum::Oid(1), Datum::Oid(u32::MAX)]),
        ];
        for (data_type, [low, middle, high]) in types {
            let args = [array_of(&data_type, &[middle.clone(), high.clone(), low.clone()])];
            let input = |weights: &'static [i64], final_insertions: bool| Input {
                slots: &[1, 1, 1],
                weights,
                args: &args,
                keys: &[],
                selected: None,
                final_insertions,
            };
            for greatest in [false, true] {
                let best = if greatest { &high } else { &low };
                let mut extremes = Extremes::new(data_type.clone(), greatest);
                extremes.grow(2);
                extremes.update(&input(&[1, 2, 2], false));
                assert_eq!([&extremes.value(0), &extremes.value(1)], [&Datum::Null, best], "{data_type:?}");
                extremes.update(&input(&[0, -2, -2], false));
                assert_eq!(extremes.value(1), middle, "{data_type:?}");
                let [mut mine, mut theirs] = [0, 1].map(|_| {
                    let mut extremes = Extremes::new(data_type.clone(), greatest);
                    extremes.grow(2);
                    extremes
                });
                theirs.update(&input(&[1, 1, 1], true));
                mine.absorb(theirs, &[1, 0]);
                assert_eq!([&mine.value(0), &mine.value(1)], [best, &Datum::Null], "{data_type:?}");
            }
        }
    }
}
