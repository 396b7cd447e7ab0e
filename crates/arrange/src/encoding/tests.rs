//! Every encoding, with values that are hard on it, against the plain column.

use super::*;
use headwater_types::{Datum, Interval, array_of};

/// A generator that needs no crate: the numbers are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }

    fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[usize::try_from(self.below(values.len() as u64)).expect("small")]
    }
}

fn numeric(text: &str) -> Datum {
    Datum::Numeric(Numeric::parse(text).expect("a numeric"))
}

fn uuid_text(random: &mut Random) -> Datum {
    let halves = [random.below(u64::MAX >> 33), random.below(1 << 30), random.below(1 << 30), random.below(1 << 30)];
    let digits: String = halves.iter().map(|half| format!("{half:08x}")).collect();
    Datum::text(format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    ))
}

/// Columns by name: their type, how they are expected to be kept, and their values.
fn columns(rows: usize) -> Vec<(&'static str, DataType, &'static str, Vec<Datum>)> {
    let mut random = Random(7);
    let mut all = vec![];
    let mut add = |name, data_type: DataType, encoding, value: &mut dyn FnMut(&mut Random, usize) -> Datum| {
        let values: Vec<Datum> = (0..rows).map(|row| value(&mut random, row)).collect();
        all.push((name, data_type, encoding, values));
    };
    let int = |value: u64| i32::try_from(value).expect("small");
    add("small", DataType::Int4, "packed", &mut |r, _| Datum::Int4(int(r.below(200)) - 100));
    add("one value", DataType::Int8, "packed", &mut |_, _| Datum::Int8(i64::MIN));
    add("wide", DataType::Int4, "plain", &mut |r, _| Datum::Int4(*r.pick(&[i32::MIN, i32::MAX, 0])));
    add("both ends", DataType::Int8, "plain", &mut |r, _| Datum::Int8(*r.pick(&[i64::MIN, i64::MAX, -1])));
    add("near the end", DataType::Int8, "packed", &mut |r, _| Datum::Int8(i64::MAX - i64::from(int(r.below(70_000)))));
    add("two bytes", DataType::Int2, "packed", &mut |r, _| Datum::Int2(i16::try_from(r.below(200)).expect("small")));
    add("a day", DataType::Timestamptz, "packed", &mut |r, _| {
        Datum::Timestamp(1_790_000_000_000_000 + i64::from(int(r.below(1 << 30))) * 80)
    });
    add("infinity", DataType::Timestamp, "plain", &mut |r, _| Datum::Timestamp(*r.pick(&[i64::MAX, i64::MIN, 0])));
    add("dates", DataType::Date, "packed", &mut |r, _| Datum::Date(int(r.below(30_000)) - 10_000));
    add("times", DataType::Time, "packed", &mut |r, _| Datum::Time(i64::from(int(r.below(86_400))) * 1_000_000));
    add("oids", DataType::Oid, "packed", &mut |r, _| {
        Datum::Oid(u32::MAX - u32::try_from(r.below(300)).expect("small"))
    });
    add("uuid text", DataType::Text, "uuid", &mut |r, _| uuid_text(r));
    add("mostly uuid", DataType::Varchar(None), "uuid", &mut |r, row| match row % 40 {
        3 => Datum::text("1027C4D1-C386-BBC4-CD61-3E30D8F16ADF"),
        4 => Datum::text(""),
        5 => Datum::Null,
        _ => uuid_text(r),
    });
    add("few texts", DataType::Text, "dictionary", &mut |r, _| {
        Datum::text(*r.pick(&[
            "",
            " ",
            "a",
            "a ",
            "a\0",
            "\0",
            "abc",
            "abcd",
            "é\u{10ffff}",
            "sixteen bytes ..",
            "seventeen bytes ..",
        ]))
    });
    add("hundreds", DataType::Varchar(None), "dictionary", &mut |r, _| Datum::text(format!("camp_{}", r.below(700))));
    add("padded", DataType::Char(None), "dictionary", &mut |r, _| Datum::text(*r.pick(&["a  ", "b  ", "   "])));
    add("different", DataType::Text, "plain", &mut |r, row| {
        Datum::text(format!("{row} {}", "x".repeat(int(r.below(40)) as usize)))
    });
    add("money", DataType::Numeric(None), "decimal", &mut |r, _| {
        numeric(&format!("{}.{:02}", r.below(500), r.below(100)))
    });
    add("scales", DataType::Numeric(None), "decimal", &mut |r, _| {
        numeric(r.pick::<&str>(&[
            "0",
            "0.00",
            "-1.5",
            "1.50",
            "4611686018427387903",
            "-0.0000000000000000000000000001",
        ]))
    });
    add("special", DataType::Numeric(None), "dictionary", &mut |r, _| {
        numeric(r.pick::<&str>(&[
            "NaN",
            "Infinity",
            "-Infinity",
            "79228162514264337593543950335",
            "1.0",
            "-7.922816251426433759",
        ]))
    });
    add("large", DataType::Numeric(None), "plain", &mut |_, row| numeric(&format!("792281625142643375935{row:05}")));
    add("uuid", DataType::Uuid, "dictionary", &mut |r, _| {
        Datum::Uuid(*r.pick(&[[0; 16], [255; 16], *b"0123456789abcdef"]))
    });
    add("floats", DataType::Float8, "plain", &mut |r, _| {
        Datum::Float8(*r.pick(&[0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, 5e-324]))
    });
    add("bool", DataType::Bool, "plain", &mut |r, _| Datum::Bool(r.below(2) == 0));
    add("interval", DataType::Interval, "plain", &mut |_, _| {
        Datum::Interval(Interval { months: 1, days: -1, micros: 86_400_000_000 })
    });
    add("nothing", DataType::Text, "dictionary", &mut |_, _| Datum::Null);
    add("no number", DataType::Int4, "packed", &mut |_, _| Datum::Null);
    add("no numeric", DataType::Numeric(None), "decimal", &mut |_, _| Datum::Null);
    // The same again with NULLs among the values.
    for (name, data_type, encoding, values) in all.clone() {
        let thinned = (0..).zip(values).map(|(row, value)| if row % 7 == 2 { Datum::Null } else { value }).collect();
        all.push((name, data_type, encoding, thinned));
    }
    all
}

/// The column in parts of unequal length, slices of something larger.
fn parts_of(array: &ArrayRef) -> Vec<ArrayRef> {
    let cuts = [0, 1, array.len() / 3, array.len() / 2, array.len()];
    cuts.windows(2).map(|cut| array.slice(cut[0], cut[1] - cut[0])).collect()
}

#[test]
fn columns_come_back_bit_for_bit() {
    const ROWS: usize = 3000;
    for (name, data_type, encoding, values) in columns(ROWS) {
        let plain = array_of(&data_type, &values);
        let column = Column::encode(&parts_of(&plain), &data_type);
        assert_eq!(column.encoding(), encoding, "{name}");
        for range in [0..ROWS, 0..1, 7..7, 1000..1009, ROWS - 1..ROWS] {
            let expected = plain.slice(range.start, range.len());
            let decoded = column.decode(range.clone(), &data_type, TextForm::Plain);
            assert_eq!(decoded.to_data(), expected.to_data(), "{name} {range:?}");
            let coded = column.decode(range.clone(), &data_type, TextForm::Dictionary);
            assert_eq!(decoded_form(&coded).to_data(), expected.to_data(), "{name} {range:?} in dictionary form");
        }
    }
}

/// A column in dictionary form as plain text.
fn decoded_form(array: &ArrayRef) -> ArrayRef {
    let Some(dictionary) = array.as_dictionary_opt::<arrow_array::types::UInt16Type>() else {
        return Arc::clone(array);
    };
    assert_eq!(dictionary.values().null_count(), 0);
    let texts = dictionary.values().as_string::<i32>();
    let value = |key: Option<usize>| key.map(|key| texts.value(key));
    Arc::new(dictionary.keys_iter().map(value).collect::<StringArray>())
}

#[test]
fn encoded_columns_take_less_memory_and_keep_none_of_their_source() {
    const ROWS: usize = 20_000;
    for (name, data_type, encoding, values) in columns(ROWS) {
        let plain = array_of(&data_type, &values);
        let column = Column::encode(&parts_of(&plain), &data_type);
        let before = crate::segment::array_bytes(&*plain);
        assert!(column.bytes() <= before + ROWS / 8 + 8, "{name}: {} bytes instead of {before}", column.bytes());
        if encoding != "plain" && !matches!(data_type, DataType::Int2) {
            assert!(column.bytes() < before * 4 / 5, "{name}: {} bytes instead of {before}", column.bytes());
        }
        if let Some(kept) = column.as_plain() {
            let memory = kept.get_array_memory_size();
            assert!(memory < before * 9 / 8 + ROWS / 8 + 1024, "{name}: refers to {memory} bytes, uses {before}");
        }
    }
}

/// For each bound, a zone that excludes it excludes only rows that do not satisfy it.
#[test]
fn zones_exclude_no_row_that_satisfies_a_bound() {
    use BoundComparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    const ROWS: usize = 300;
    let mut excluded = 0;
    for (name, data_type, _, values) in columns(ROWS) {
        let array = array_of(&data_type, &values);
        let other = columns(40).into_iter().filter(|column| column.1 == data_type).flat_map(|column| column.3);
        let wanted: Vec<Datum> = values.iter().step_by(17).cloned().chain(other).collect();
        // The zone is of the middle third of what it is asked about.
        let (from, to) = (ROWS / 3, ROWS * 2 / 3);
        let column = Column::encode(&[array.slice(from, to - from)], &data_type);
        for value in wanted {
            for comparison in [Equal, Less, LessOrEqual, Greater, GreaterOrEqual] {
                let bound = Bound { column: 0, comparison, value: value.clone() };
                if !column.may_match(&bound) {
                    excluded += 1;
                    let satisfied = values[from..to].iter().find(|row| {
                        !matches!(row, Datum::Null)
                            && !matches!(value, Datum::Null)
                            && comparison.holds(row.sql_cmp(&value))
                    });
                    assert_eq!(satisfied, None, "{name} {bound:?}");
                }
            }
        }
    }
    assert!(excluded > 1000, "{excluded} bounds were excluded");
}
