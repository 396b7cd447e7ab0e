//! Text input and output against what PostgreSQL 15 printed.

use super::*;
use crate::testing::samples;
use crate::{SqlState, TimeZone};

/// 2024-02-29 22:30 UTC.
const NOW: i64 = 1_709_245_800_000_000;

fn settings() -> SessionSettings {
    SessionSettings::default()
}

/// Reads and prints.
fn through(text: &str, data_type: &DataType, settings: &SessionSettings) -> String {
    let context = TextContext { settings, now_micros: NOW };
    match parse_text(text, data_type, &context) {
        Ok(value) => datum_to_text(&value, data_type, settings),
        Err(error) => format!("{}: {}", error.state.code(), error.message),
    }
}

fn check(data_type: &DataType, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(&through(text, data_type, &settings()), expected, "{data_type:?} {text}");
    }
}

/// The outputs on one line of the file measured on PostgreSQL 15, with `label` before the first ` | `.
fn measured(label: &str) -> Vec<String> {
    let file = include_str!("../testdata/formats_pg15.txt");
    let prefix = format!("{label} | ");
    let line = file.lines().find_map(|line| line.strip_prefix(&prefix)).expect("the file has the line");
    line.split(" | ").map(str::to_owned).collect()
}

fn check_measured(label: &str, data_type: &DataType, inputs: &[&str], settings: &SessionSettings) {
    let outputs = measured(label);
    for (input, expected) in inputs.iter().zip(outputs) {
        assert_eq!(through(input, data_type, settings), expected, "{label}: {input}");
    }
}

#[test]
fn formats_are_those_measured_on_postgresql() {
    let utc = settings();
    let floats = [
        "1.0",
        "0.1",
        "1e16",
        "1e15",
        "123456789012345680",
        "1e-5",
        "0.0001",
        "NaN",
        "Infinity",
        "-inf",
        "-0.0",
        "5e-324",
        "1.7976931348623157e308",
        "100000",
        "1e21",
    ];
    check_measured("float8", &DataType::Float8, &floats, &utc);
    let reals = ["1.0", "0.1", "1e6", "1e7", "16777216", "3.4028235e38", "1.17549435e-38", "123456.7"];
    check_measured("float4", &DataType::Float4, &reals, &utc);
    let timestamps = [
        "2024-01-02 03:04:05",
        "2024-01-02 03:04:05.1",
        "2024-01-02 03:04:05.123456",
        "infinity",
        "0044-03-15 BC",
        "2024-01-02 24:00",
        "2024-01-02 03:04:05.9999999",
        "12345-01-01",
    ];
    check_measured("ts", &DataType::Timestamp, &timestamps, &utc);
    let moments = ["2024-01-02 03:04:05+00", "2024-01-02 03:04:05.1-08"];
    check_measured("tstz UTC", &DataType::Timestamptz, &moments, &utc);
    let zone = |name: &str| SessionSettings { time_zone: TimeZone::parse(name).expect("a zone"), ..settings() };
    let moments = ["2024-01-02 03:04:05+00", "2024-07-02 03:04:05+00", "2024-03-10 02:30", "2024-11-03 01:30"];
    check_measured("tstz NY", &DataType::Timestamptz, &moments, &zone("America/New_York"));
    check_measured("tstz IST", &DataType::Timestamptz, &moments[..1], &zone("Asia/Kolkata"));
    check_measured("tz +05", &DataType::Timestamptz, &moments[..1], &zone("+05"));
    for (label, date_style) in [("SQL,DMY", "SQL, DMY"), ("German", "German"), ("Postgres", "Postgres, DMY")] {
        let styled = SessionSettings { date_style: date_style.to_owned(), ..settings() };
        check_measured(label, &DataType::Timestamptz, &moments[..1], &styled);
    }
    let intervals = [
        "1 day",
        "1 year 2 months 3 days 04:05:06.789",
        "-1 day +2 hours",
        "90 minutes",
        "25 hours",
        "0",
        "1 mon",
        "2 years",
        "-1 mon",
        "1 day -1 hour",
        "100 days",
        "0.000001 sec",
        "1 day 01:00:00",
        "1 mon -1 day",
    ];
    check_measured("interval", &DataType::Interval, &intervals, &utc);
    let escape = SessionSettings { bytea_output: "escape".to_owned(), ..settings() };
    check_measured("escape", &DataType::Bytea, &["\\xdead00ff41"], &escape);
    let rounded = SessionSettings { extra_float_digits: 0, ..settings() };
    check_measured("efd0", &DataType::Float8, &["0.30000000000000004", "0.3333333333333333"], &rounded);
    check_measured("efd1", &DataType::Float8, &["0.30000000000000004", "0.3333333333333333"], &utc);
}

#[test]
fn every_value_reads_back_from_its_text() {
    let settings = settings();
    let context = TextContext { settings: &settings, now_micros: NOW };
    for (data_type, values) in samples() {
        let column = crate::array_of(&data_type, &values);
        for (row, value) in values.iter().enumerate() {
            let text = datum_to_text(value, &data_type, &settings);
            let mut formatted = Vec::new();
            format_text(&column, &data_type, row, &settings, &mut formatted);
            assert_eq!(formatted, text.as_bytes(), "{data_type:?}");
            if value.is_null() {
                continue;
            }
            let read = parse_text(&text, &data_type, &context).expect(&text);
            if !text.contains("NaN") {
                assert_eq!(&read, value, "{data_type:?} {text}");
            }
            assert_eq!(datum_to_text(&read, &data_type, &settings), text);
        }
    }
}

#[test]
fn scalars_are_read_as_in_postgresql() {
    check(
        &DataType::Bool,
        &[
            ("t", "t"),
            (" YES ", "t"),
            ("on", "t"),
            ("1", "t"),
            ("of", "f"),
            ("o", "22P02: invalid input syntax for type boolean: \"o\""),
            ("", "22P02: invalid input syntax for type boolean: \"\""),
            ("truex", "22P02: invalid input syntax for type boolean: \"truex\""),
        ],
    );
    check(
        &DataType::Int4,
        &[
            (" 12 ", "12"),
            ("+1", "1"),
            ("-2147483648", "-2147483648"),
            ("2147483648", "22003: value \"2147483648\" is out of range for type integer"),
            ("abc", "22P02: invalid input syntax for type integer: \"abc\""),
            ("", "22P02: invalid input syntax for type integer: \"\""),
            ("-", "22P02: invalid input syntax for type integer: \"-\""),
            ("1.5", "22P02: invalid input syntax for type integer: \"1.5\""),
        ],
    );
    check(&DataType::Int2, &[("32768", "22003: value \"32768\" is out of range for type smallint")]);
    check(
        &DataType::Float8,
        &[
            (" 1e3 ", "1000"),
            (".5", "0.5"),
            ("1e400", "22003: \"1e400\" is out of range for type double precision"),
            ("1e-400", "22003: \"1e-400\" is out of range for type double precision"),
            ("0e5", "0"),
            ("-infinity", "-Infinity"),
            ("abc", "22P02: invalid input syntax for type double precision: \"abc\""),
        ],
    );
    check(&DataType::Float4, &[("1e40", "22003: \"1e40\" is out of range for type real")]);
    check(&DataType::Numeric(None), &[("abc", "22P02: invalid input syntax for type numeric: \"abc\"")]);
    let id = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    check(
        &DataType::Uuid,
        &[
            (id, id),
            ("{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", id),
            ("a0eebc999c0b4ef8bb6d6bb9bd380a11", id),
            ("a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", id),
            ("x", "22P02: invalid input syntax for type uuid: \"x\""),
            (
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
                "22P02: invalid input syntax for type uuid: \"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1\"",
            ),
            (
                "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "22P02: invalid input syntax for type uuid: \"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
            ),
        ],
    );
    check(
        &DataType::Bytea,
        &[
            ("\\xdeadBEEF", "\\xdeadbeef"),
            ("", "\\x"),
            ("a\\\\b\\001", "\\x615c6201"),
            ("\\xd", "22023: invalid hexadecimal data: odd number of digits"),
            ("\\xzz", "22023: invalid hexadecimal digit: \"z\""),
            ("\\9", "22P02: invalid input syntax for type bytea"),
        ],
    );
    check(
        &DataType::Oid,
        &[
            ("-1", "4294967295"),
            ("4294967296", "22003: value \"4294967296\" is out of range for type oid"),
            ("x", "22P02: invalid input syntax for type oid: \"x\""),
        ],
    );
    check(&DataType::InternalChar, &[("abc", "a"), ("", ""), ("é", "é")]);
    let long = "é".repeat(40);
    assert_eq!(through(&long, &DataType::Name, &settings()).len(), 62);
    check(&DataType::Reg(crate::RegKind::Class), &[("-", "-"), ("1259", "1259")]);
    assert!(through("pg_class", &DataType::Reg(crate::RegKind::Class), &settings()).starts_with("0A000"));
    check(&DataType::Int2Vector, &[("1 2  3", "1 2 3"), ("", "")]);
}

#[test]
fn arrays_are_read_and_printed_as_in_postgresql() {
    let text_array = DataType::Array(Box::new(DataType::Text));
    let outputs = measured("arrays");
    check(&text_array, &[(&outputs[1], &outputs[1])]);
    check(
        &text_array,
        &[
            (" { a , b c , \" d \" , NULL , \"null\", \\ e } ", "{a,\"b c\",\" d \",NULL,\"null\",\" e\"}"),
            ("{}", "{}"),
            ("{\"\"}", "{\"\"}"),
            ("{1,2", "22P02: malformed array literal: \"{1,2\""),
            ("{,}", "22P02: malformed array literal: \"{,}\""),
            ("{a,}", "22P02: malformed array literal: \"{a,}\""),
            ("{\"a\"b}", "22P02: malformed array literal: \"{\"a\"b}\""),
            ("{a}x", "22P02: malformed array literal: \"{a}x\""),
            ("a", "22P02: malformed array literal: \"a\""),
            ("", "22P02: malformed array literal: \"\""),
            ("{\"a", "22P02: malformed array literal: \"{\"a\""),
            ("{a\\", "22P02: malformed array literal: \"{a\\\""),
            ("{{1,2},{3,4}}", "0A000: a multidimensional array is not supported yet"),
        ],
    );
    check(
        &DataType::Array(Box::new(DataType::Int4)),
        &[("{1,x}", "22P02: invalid input syntax for type integer: \"x\""), ("{1, 2,NULL}", "{1,2,NULL}")],
    );
    check(&DataType::Array(Box::new(DataType::Timestamp)), &[("{2024-01-02}", "{\"2024-01-02 00:00:00\"}")]);
}

#[test]
fn dates_are_read_in_postgresqls_many_forms() {
    check(
        &DataType::Date,
        &[
            ("2024-01-02", "2024-01-02"),
            ("20240102", "2024-01-02"),
            ("240102", "2024-01-02"),
            ("2024/1/2", "2024-01-02"),
            ("1/2/2024", "2024-01-02"),
            ("1/2/99", "1999-01-02"),
            ("Jan 2, 2024", "2024-01-02"),
            ("2 January 2024", "2024-01-02"),
            ("02-Jan-2024", "2024-01-02"),
            ("2024-Jan-02", "2024-01-02"),
            ("Jan-02-2024", "2024-01-02"),
            ("Tuesday, 2 Jan 2024", "2024-01-02"),
            ("2024.002", "22007: invalid input syntax for type date: \"2024.002\""),
            ("2024002", "2024-01-02"),
            ("J2451187", "1999-01-08"),
            ("0044-03-15 BC", "0044-03-15 BC"),
            ("2024-01-02 03:04:05+05", "2024-01-02"),
            ("today", "2024-02-29"),
            ("tomorrow", "2024-03-01"),
            ("epoch", "1970-01-01"),
            ("infinity", "infinity"),
            ("-infinity", "-infinity"),
            ("5874897-12-31", "5874897-12-31"),
            ("5874898-01-01", "22008: date out of range: \"5874898-01-01\""),
            ("2024-13-01", "22008: date/time field value out of range: \"2024-13-01\""),
            ("2024-02-30", "22008: date/time field value out of range: \"2024-02-30\""),
            ("0000-01-01", "22008: date/time field value out of range: \"0000-01-01\""),
            ("garbage", "22007: invalid input syntax for type date: \"garbage\""),
            ("", "22007: invalid input syntax for type date: \"\""),
            ("é", "22007: invalid input syntax for type date: \"é\""),
            ("2024-01", "22007: invalid input syntax for type date: \"2024-01\""),
            ("99999999999999999999-01-01", "22008: date/time field value out of range: \"99999999999999999999-01-01\""),
        ],
    );
    let context_settings = settings();
    let context = TextContext { settings: &context_settings, now_micros: NOW };
    let hint = |text: &str| parse_text(text, &DataType::Date, &context).expect_err(text).hint;
    assert_eq!(hint("2024-13-01").as_deref(), Some("Perhaps you need a different \"datestyle\" setting."));
    assert_eq!(hint("2024-02-30"), None);
    let day_first = SessionSettings { date_style: "ISO, DMY".to_owned(), ..settings() };
    assert_eq!(through("1/2/2024", &DataType::Date, &day_first), "2024-02-01");
    let year_first = SessionSettings { date_style: "ISO, YMD".to_owned(), ..settings() };
    assert_eq!(through("24/2/1", &DataType::Date, &year_first), "2024-02-01");
}

#[test]
fn times_and_timestamps_are_read_in_postgresqls_many_forms() {
    check(
        &DataType::Time,
        &[
            ("03:04:05.5", "03:04:05.5"),
            ("24:00", "24:00:00"),
            ("3:04 PM", "15:04:00"),
            ("12:30 am", "00:30:00"),
            ("030405", "03:04:05"),
            ("2024-01-02 03:04:05", "03:04:05"),
            ("allballs", "00:00:00"),
            ("now", "22:30:00"),
            ("25:00", "22008: date/time field value out of range: \"25:00\""),
            ("13:00 pm", "22008: date/time field value out of range: \"13:00 pm\""),
            ("24:00:00.1", "22008: date/time field value out of range: \"24:00:00.1\""),
            ("x", "22007: invalid input syntax for type time: \"x\""),
        ],
    );
    check(
        &DataType::Timestamp,
        &[
            ("2024-01-02T03:04:05", "2024-01-02 03:04:05"),
            ("2026-10-27T21:11:09.699472", "2026-10-27 21:11:09.699472"),
            ("20240102T030405", "2024-01-02 03:04:05"),
            ("2024-01-02 3:04", "2024-01-02 03:04:00"),
            ("2024-01-02 03:04:60", "2024-01-02 03:05:00"),
            ("Jan 2 03:04:05 2024", "2024-01-02 03:04:05"),
            ("2024-01-02 03:04:05+05", "2024-01-02 03:04:05"),
            ("today 12:00", "2024-02-29 12:00:00"),
            ("now", "2024-02-29 22:30:00"),
            ("4714-11-24 00:00:00 BC", "4714-11-24 00:00:00 BC"),
            ("4714-11-23 00:00:00 BC", "22008: timestamp out of range: \"4714-11-23 00:00:00 BC\""),
            ("300000-01-01", "22008: timestamp out of range: \"300000-01-01\""),
            ("garbage", "22007: invalid input syntax for type timestamp: \"garbage\""),
            ("03:04:05", "22007: invalid input syntax for type timestamp: \"03:04:05\""),
            (
                "2024-01-02 03:04:05 03:04:05",
                "22007: invalid input syntax for type timestamp: \"2024-01-02 03:04:05 03:04:05\"",
            ),
        ],
    );
    check(
        &DataType::Timestamptz,
        &[
            ("2024-01-02 03:04:05", "2024-01-02 03:04:05+00"),
            ("2024-01-02 03:04:05Z", "2024-01-02 03:04:05+00"),
            ("2024-01-02 03:04:05 -0530", "2024-01-02 08:34:05+00"),
            ("2024-01-02 03:04:05+05:30", "2024-01-01 21:34:05+00"),
            ("2024-01-02T03:04:05.5-08:00", "2024-01-02 11:04:05.5+00"),
            ("2024-01-02 03:04:05 PST", "2024-01-02 11:04:05+00"),
            ("2024-07-02 03:04:05 America/New_York", "2024-07-02 07:04:05+00"),
            ("Tue Jan 02 03:04:05 2024 UTC", "2024-01-02 03:04:05+00"),
            ("2024-01-02 03:04:05 Nowhere/Land", "22023: time zone \"nowhere/land\" not recognized"),
            ("2024-01-02 03:04:05+16", "22009: time zone displacement out of range: \"2024-01-02 03:04:05+16\""),
            ("x", "22007: invalid input syntax for type timestamp with time zone: \"x\""),
        ],
    );
}

/// Nothing that can be typed may panic: short texts over the characters that matter, by a fixed generator.
#[test]
fn no_text_panics() {
    const ALPHABET: &[char] = &[
        '0', '1', '2', '9', '-', '+', ':', '.', '/', ' ', 'T', 'Z', 'e', 'P', 'a', 'm', 'J', '{', '}', '"', '\\', ',',
        '[', ']', '\n', 'é', 'n', 'x', '<', '>',
    ];
    let mut state: u64 = 1;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % bound
    };
    let types: Vec<DataType> = DataType::scalars()
        .iter()
        .cloned()
        .chain(DataType::scalars().iter().map(|scalar| DataType::Array(Box::new(scalar.clone()))))
        .collect();
    for _ in 0..20_000 {
        let length = next(14);
        let text: String = (0..length).map(|_| ALPHABET[next(ALPHABET.len())]).collect();
        for data_type in &types {
            let _ = through(&text, data_type, &settings());
        }
        let _ = TimeZone::parse(&text);
        let _ = TimeZone::parse_at_time_zone(&text);
        let _ = DataType::from_sql_name(&text);
    }
}

#[test]
fn a_huge_literal_is_read_in_one_pass() {
    let huge = "7".repeat(10_000_000);
    let state = |data_type: &DataType| {
        let settings = settings();
        let context = TextContext { settings: &settings, now_micros: NOW };
        parse_text(&huge, data_type, &context).map_err(|error| error.state)
    };
    assert_eq!(state(&DataType::Int4), Err(SqlState::NumericValueOutOfRange));
    assert_eq!(state(&DataType::Numeric(None)), Err(SqlState::NumericValueOutOfRange));
    assert_eq!(state(&DataType::Timestamp), Err(SqlState::InvalidDatetimeFormat));
    assert!(state(&DataType::Text).is_ok());
}
