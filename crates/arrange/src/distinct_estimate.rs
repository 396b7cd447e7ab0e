//! About how many different values some columns have, from a sample of the rows.
//!
//! ```text
//!  segments, evenly ─▶ rows of each, evenly ─▶ hashes ─▶ n rows, of which d differ
//! ```
//! The rows that do not differ from an earlier one tell the number: of `G` equally frequent values, about `n² / 2G` of `n`
//! rows are such while these are few. Where they are most rows, nearly all values have been seen. Values of unequal
//! frequency look fewer than they are.
//!
//! Cost: 4096 rows are fetched, however many there are.

use crate::RowSnapshot;
use headwater_types::{Equality, Result, hash_keys};
use std::collections::HashSet;

/// Rows of a sample.
const SAMPLE_ROWS_MAX: usize = 4096;
/// Segments that they are from.
const SAMPLE_SEGMENTS_MAX: usize = 64;

impl RowSnapshot {
    /// About how many rows differ in these columns.
    ///
    /// # Errors
    ///
    /// As [`RowSnapshot::gather`].
    pub fn distinct_estimate(&self, columns: &[usize]) -> Result<usize> {
        let rows = self.sample();
        let types: Vec<_> = columns.iter().map(|&c| self.types()[c].clone()).collect();
        let hashes = hash_keys(&self.gather(&rows, columns)?, &types, rows.len(), Equality::Sql);
        let different = hashes.into_iter().collect::<HashSet<_>>().len();
        Ok(extrapolated(rows.len(), different, self.live_rows()))
    }

    /// Live rows, at even distances; all of a relation that is small.
    fn sample(&self) -> Vec<u32> {
        let segments = self.segments();
        let used = segments.min(SAMPLE_SEGMENTS_MAX);
        let mut sample = Vec::with_capacity(SAMPLE_ROWS_MAX);
        for i in 0..used {
            let place = i * segments / used;
            let (Some(slot), Ok(segment)) = (self.slot(place), u32::try_from(place)) else { continue };
            let rows = u64::from(slot.segment.rows());
            let wanted = rows.min((SAMPLE_ROWS_MAX / used) as u64);
            let offsets = (0..wanted).filter_map(|i| u32::try_from(i * rows / wanted).ok());
            sample.extend(offsets.filter(|&offset| slot.is_live(offset)).map(|offset| segment << 16 | offset));
        }
        sample
    }
}

/// The number of values, of `different` in a sample.
fn extrapolated(sampled: usize, different: usize, live: usize) -> usize {
    let repeated = sampled - different;
    let all = match repeated {
        _ if sampled >= live => different,
        0 => live,
        _ if repeated * 2 > sampled => different * 2,
        _ => sampled * sampled / (2 * repeated),
    };
    all.min(live)
}

#[cfg(test)]
mod tests {
    use crate::RowStore;
    use headwater_types::{Batch, DataType, Datum};

    #[test]
    fn estimates_are_of_the_right_size() {
        const ROWS: i32 = 200_000;
        let types = [DataType::Int4, DataType::Int4, DataType::Int4, DataType::Text];
        let mut store = RowStore::new(types.to_vec());
        let scattered = |n: i32| i32::try_from(i64::from(n) * 7_919 % 104_729).expect("below a prime");
        let row = |n: i32| {
            let m = scattered(n);
            vec![Datum::Int4(n), Datum::Int4(m % 20_000), Datum::Int4(m % 3), Datum::text(format!("{}", m % 100))]
        };
        let ids = store.append(&Batch::from_rows(&types, &(0..ROWS).map(row).collect::<Vec<_>>()));
        let dead: Vec<u32> = ids.into_iter().step_by(7).collect();
        store.delete(&dead);
        let estimate = |columns: &[usize]| store.rows().distinct_estimate(columns).expect("fits");
        assert!(estimate(&[0]) > 100_000);
        assert!((5_000..80_000).contains(&estimate(&[1])), "{}", estimate(&[1]));
        assert!((3..=6).contains(&estimate(&[2])));
        assert!((100..=600).contains(&estimate(&[2, 3])));
        assert!(estimate(&[0, 2]) > 100_000);
    }

    #[test]
    fn all_of_a_few_rows_are_looked_at() {
        let types = [DataType::Int4];
        let mut store = RowStore::new(types.to_vec());
        assert_eq!(store.rows().distinct_estimate(&[0]), Ok(0));
        let rows: Vec<Vec<Datum>> = (0..30).map(|n| vec![Datum::Int4(n / 2)]).collect();
        store.append(&Batch::from_rows(&types, &rows));
        assert_eq!(store.rows().distinct_estimate(&[0]), Ok(15));
    }
}
