//! The rows whose column has a value, found without reading any other column.
//!
//! Each chunk's column is compared as it lies there, its live rows only. Of a view of a few thousand rows, most of them
//! dead versions in small chunks, this is an order of magnitude less work than a scan.

use crate::encoding::TextForm;
use crate::row_snapshot::RowSnapshot;
use crate::segment::Chunk;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use headwater_types::Datum;

impl RowSnapshot {
    /// The live rows whose column has this value, in order of row id; `None` if values of its type are not compared here.
    pub(crate) fn rows_equal(&self, column: usize, value: &Datum) -> Option<Vec<u32>> {
        let mut rows = vec![];
        for number in 0..self.segments() {
            let Some(slot) = self.slot(number).filter(|slot| slot.live_rows() > 0) else { continue };
            let base = u32::try_from(number).expect("segment numbers have 16 bits") << 16;
            for (place, chunk) in slot.segment.chunks().iter().enumerate() {
                let start = slot.segment.chunk_start(place);
                let count = u32::try_from(chunk.rows()).expect("a chunk is at most a segment");
                let live = slot.live_in(start, start + count).map(|offset| offset - start);
                let from = rows.len();
                match &**chunk {
                    Chunk::Plain(batch) => collect(&*batch.columns[column], value, live, &mut rows)?,
                    encoded @ Chunk::Encoded(_, count) => {
                        let decoded = encoded.column(column, 0..*count, &self.types()[column], TextForm::Plain);
                        collect(&*decoded, value, live, &mut rows)?;
                    }
                }
                rows[from..].iter_mut().for_each(|row| *row += base | start);
            }
        }
        Some(rows)
    }
}

/// Adds those of these places of an array that hold a value.
fn collect(array: &dyn Array, value: &Datum, live: impl Iterator<Item = u32>, places: &mut Vec<u32>) -> Option<()> {
    fn primitive<T: ArrowPrimitiveType>(
        array: &PrimitiveArray<T>,
        wanted: T::Native,
        live: impl Iterator<Item = u32>,
        places: &mut Vec<u32>,
    ) {
        let values = array.values();
        places.extend(live.filter(|&place| values[place as usize] == wanted && array.is_valid(place as usize)));
    }
    match value {
        Datum::Text(text) => {
            let array = array.as_string_opt::<i32>()?;
            let (values, offsets, wanted) = (array.value_data(), array.value_offsets(), text.as_bytes());
            let length = i32::try_from(wanted.len()).ok()?;
            places.extend(live.filter(|&place| {
                let place = place as usize;
                let (start, end) = (offsets[place], offsets[place + 1]);
                if end - start != length {
                    return false;
                }
                let value = &values[start as usize..end as usize];
                // Names of one length often differ at their ends only.
                value.last() == wanted.last() && value == wanted && array.is_valid(place)
            }));
        }
        Datum::Int2(wanted) => primitive::<Int16Type>(array.as_primitive_opt()?, *wanted, live, places),
        Datum::Int4(wanted) => primitive::<Int32Type>(array.as_primitive_opt()?, *wanted, live, places),
        Datum::Int8(wanted) => primitive::<Int64Type>(array.as_primitive_opt()?, *wanted, live, places),
        Datum::Date(wanted) => primitive::<Date32Type>(array.as_primitive_opt()?, *wanted, live, places),
        Datum::Timestamp(wanted) => {
            primitive::<TimestampMicrosecondType>(array.as_primitive_opt()?, *wanted, live, places);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::RowStore;
    use headwater_types::{Batch, DataType, Datum};
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    #[test]
    fn finds_what_a_scan_finds() {
        let types = [DataType::Text, DataType::Int4, DataType::Timestamptz, DataType::Float8];
        let mut random = SmallRng::seed_from_u64(7);
        let mut store = RowStore::new(&types[..]);
        let mut live: Vec<(u32, Vec<Datum>)> = vec![];
        for _ in 0..60 {
            let rows: Vec<Vec<Datum>> = (0..random.random_range(1..90))
                .map(|_| {
                    let number: i32 = random.random_range(0..9);
                    let text = if number == 3 { Datum::Null } else { Datum::text(format!("k{number}")) };
                    vec![text, Datum::Int4(number), Datum::Timestamp(number.into()), Datum::Float8(1.0)]
                })
                .collect();
            let ids = store.append(&Batch::from_rows(&types, &rows));
            live.extend(ids.into_iter().zip(rows));
            for _ in 0..random.random_range(0..20).min(live.len()) {
                let gone = live.swap_remove(random.random_range(0..live.len())).0;
                store.delete(&[gone]);
            }
        }
        let snapshot = store.snapshot();
        let wanted = [(0, Datum::text("k4")), (0, Datum::text("k")), (1, Datum::Int4(3)), (2, Datum::Timestamp(5))];
        for (column, value) in wanted {
            let mut expected: Vec<u32> =
                live.iter().filter(|(_, row)| row[column] == value).map(|(id, _)| *id).collect();
            expected.sort_unstable();
            assert_eq!(snapshot.rows_equal(column, &value), Some(expected), "column {column} = {value:?}");
        }
        assert_eq!(snapshot.rows_equal(3, &Datum::Float8(1.0)), None, "floats are not compared by their bits");
        assert_eq!(snapshot.rows_equal(1, &Datum::Int8(3)), None, "a value of another type");
    }
}
