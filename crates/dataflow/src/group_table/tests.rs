//! Slots against a map of rows.

use super::*;
use crate::testing::{Random, Row};
use headwater_types::{Batch, Datum};

fn row(random: &mut Random, types: &[DataType]) -> Row {
    let value = |random: &mut Random, data_type: &DataType| {
        let small = i32::try_from(random.below(3)).expect("small") - 1;
        match data_type {
            _ if random.below(5) == 0 => Datum::Null,
            DataType::Bool => Datum::Bool(small == 0),
            DataType::Int2 => Datum::Int2(i16::try_from(small).expect("small")),
            DataType::Int4 => Datum::Int4(small),
            DataType::Date => Datum::Date(small),
            DataType::Oid => Datum::Oid(small.unsigned_abs()),
            DataType::Int8 => Datum::Int8(i64::from(small) << 40),
            DataType::Time => Datum::Time(i64::from(small.unsigned_abs())),
            DataType::Timestamp | DataType::Timestamptz => Datum::Timestamp(i64::from(small)),
            _ => random.text(&["", "a", "b", "a text of many more bytes"]),
        }
    };
    types.iter().map(|data_type| value(random, data_type)).collect()
}

/// Rows come and go; live slots are those of the rows, each with its own key.
fn check(types: &[DataType]) {
    for seed in 0..4 {
        let mut random = Random(seed);
        let mut table = GroupTable::new("Test", types);
        let mut slots_of: BTreeMap<String, (u32, Row)> = BTreeMap::new();
        for _ in 0..40 {
            let rows: Vec<Row> = (0..random.below(30)).map(|_| row(&mut random, types)).collect();
            let batch = Batch::from_rows(types, &rows);
            let slots = table.resolve(&batch.columns, rows.len()).expect("few");
            for (row, slot) in rows.into_iter().zip(slots) {
                let known = slots_of.entry(format!("{row:?}")).or_insert_with(|| (slot, row.clone()));
                assert_eq!(known.0, slot, "seed {seed}: {row:?}");
            }
            let live: Vec<u32> = slots_of.values().map(|(slot, _)| *slot).collect();
            let mut distinct = live.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), live.len(), "seed {seed}: different keys have different slots");
            let keys = Batch::new(table.keys(&live).expect("few"), live.len()).to_rows(types);
            let wanted: Vec<Row> = slots_of.values().map(|(_, row)| row.clone()).collect();
            assert_eq!(keys, wanted, "seed {seed}");
            let mut gone = vec![];
            slots_of.retain(|_, (slot, _)| {
                let stays = random.below(3) > 0;
                gone.extend((!stays).then_some(*slot));
                stays
            });
            table.release(&gone).expect("they are live");
        }
    }
}

#[test]
fn packed_keys_of_every_width() {
    use DataType as D;
    let text = || D::Varchar(None);
    check(&[D::Int4]);
    check(&[D::Bool, D::Int2, D::Date]);
    check(&[D::Timestamptz, text()]);
    check(&[text()]);
    check(&[D::Timestamptz, text(), text(), text()]);
    check(&[D::Int8, D::Time, text(), D::Timestamp, D::Int4, text(), D::Oid, D::Bool]);
    check(&[]);
}

/// Small numbers are found with and without their place by number.
#[test]
fn numbers_near_and_far() {
    let mut table = GroupTable::new("Test", &[DataType::Int4]);
    let mut resolve = |numbers: &[i32], gone: &[u32]| {
        table.release(gone).expect("they are live");
        let rows: Vec<Row> = numbers.iter().map(|&number| vec![Datum::Int4(number)]).collect();
        table.resolve(&Batch::from_rows(&[DataType::Int4], &rows).columns, rows.len()).expect("few")
    };
    let far = [60_000, 5, -1, 70_000, 255, 256];
    assert_eq!(resolve(&far, &[]), [0, 1, 2, 3, 4, 5]);
    let many: Vec<i32> = (1000..20_000).collect();
    resolve(&many, &[]);
    assert_eq!(resolve(&far, &[]), [0, 1, 2, 3, 4, 5]);
    assert_eq!(resolve(&[7, 8, 60_000, 5], &[0, 1])[..2], [1, 0]);
    assert_eq!(resolve(&many[..1], &[]), [6]);
}

#[test]
fn stored_keys() {
    check(&[DataType::Char(None), DataType::Int4]);
}
