//! COPY in and out: formats, cuts, errors.

use super::*;
use crate::testing::samples;
use crate::{Batch, DataType, Datum, Field, Numeric, SessionSettings};

fn fields(columns: &[(&str, DataType)]) -> Vec<Field> {
    columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone())).collect()
}

fn types(fields: &[Field]) -> Vec<DataType> {
    fields.iter().map(|field| field.data_type.clone()).collect()
}

/// Decodes data cut into chunks of `chunk` bytes.
fn decode(options: &CopyOptions, fields: &[Field], data: &[u8], chunk: usize) -> Result<Vec<Vec<Datum>>> {
    let mut decoder = CopyDecoder::new(options.clone(), fields.to_vec(), SessionSettings::default(), 0);
    let mut rows = Vec::new();
    for piece in data.chunks(chunk) {
        decoder.push(piece)?;
        while let Some(batch) = decoder.take_batch(2) {
            rows.extend(batch.to_rows(&types(fields)));
        }
    }
    decoder.finish()?;
    while let Some(batch) = decoder.take_batch(0) {
        rows.extend(batch.to_rows(&types(fields)));
    }
    assert_eq!(decoder.waiting_rows(), 0);
    Ok(rows)
}

/// Decodes in many cuts and asserts that they do not matter.
fn decode_cut(options: &CopyOptions, fields: &[Field], data: &[u8]) -> Result<Vec<Vec<Datum>>> {
    let whole = decode(options, fields, data, usize::MAX);
    for chunk in [1, 2, 3, 7, 16] {
        assert_eq!(decode(options, fields, data, chunk), whole, "chunks of {chunk}");
    }
    whole
}

fn text() -> CopyOptions {
    CopyOptions::new(CopyFormat::Text, "t")
}

fn csv() -> CopyOptions {
    CopyOptions::new(CopyFormat::Csv, "t")
}

/// (message, context) of the error of reading these two columns.
fn failure(options: &CopyOptions, data: &str) -> (String, String) {
    let columns = fields(&[("a", DataType::Int4), ("b", DataType::Text)]);
    let error = decode_cut(options, &columns, data.as_bytes()).expect_err(data);
    (error.message, error.context.unwrap_or_default())
}

#[test]
fn text_has_escapes_nulls_and_an_end_marker() {
    let columns = fields(&[("a", DataType::Int4), ("b", DataType::Text)]);
    let data = "1\tplain\n\\N\t\\N\n2\ta\\tb\\nc\\\\d\\x41\\101\\e\n3\t\n4\tline\\\nbreak\n5\t\\\\N\n\\.\nignored";
    let rows = decode_cut(&text(), &columns, data.as_bytes()).expect("valid");
    let expected = [
        vec![Datum::Int4(1), Datum::text("plain")],
        vec![Datum::Null, Datum::Null],
        vec![Datum::Int4(2), Datum::text("a\tb\nc\\dAAe")],
        vec![Datum::Int4(3), Datum::text("")],
        vec![Datum::Int4(4), Datum::text("line\nbreak")],
        vec![Datum::Int4(5), Datum::text("\\N")],
    ];
    assert_eq!(rows, expected);
}

#[test]
fn csv_has_quotes_across_lines_and_chunks() {
    let columns = fields(&[("a", DataType::Int4), ("b", DataType::Text)]);
    let data = "1,plain\n,\n2,\"a,\"\"b\"\"\nc\r\"\n3,\"\"\n4,x\"y,z\"w\n\"5\",\\N\n6,é";
    let rows = decode_cut(&csv(), &columns, data.as_bytes()).expect("valid");
    let expected = [
        vec![Datum::Int4(1), Datum::text("plain")],
        vec![Datum::Null, Datum::Null],
        vec![Datum::Int4(2), Datum::text("a,\"b\"\nc\r")],
        vec![Datum::Int4(3), Datum::text("")],
        vec![Datum::Int4(4), Datum::text("xy,zw")],
        vec![Datum::Int4(5), Datum::text("\\N")],
        vec![Datum::Int4(6), Datum::text("é")],
    ];
    assert_eq!(rows, expected);
}

#[test]
fn csv_options_change_the_format() {
    let columns = fields(&[("a", DataType::Int4), ("b", DataType::Text), ("c", DataType::Text)]);
    let options = CopyOptions {
        delimiter: b';',
        quote: b'\'',
        escape: b'\\',
        null: "NIL".to_owned(),
        header: CopyHeader::Match,
        force_null: vec![false, true, false],
        force_not_null: vec![false, false, true],
        ..csv()
    };
    let data = b"a;b;c\r\n1;'it\\'s;\\\\';NIL\r\n2;'NIL';'NIL'\r\n";
    let rows = decode_cut(&options, &columns, data).expect("valid");
    let expected = [
        vec![Datum::Int4(1), Datum::text("it's;\\"), Datum::text("NIL")],
        vec![Datum::Int4(2), Datum::Null, Datum::text("NIL")],
    ];
    assert_eq!(rows, expected);
    let wrong = decode_cut(&options, &columns, b"a;x;c\n").expect_err("a wrong name");
    assert_eq!(wrong.message, "column name mismatch in header line field 2: got \"x\", expected \"b\"");
    let skipped = CopyOptions { header: CopyHeader::Line, ..options };
    assert_eq!(decode_cut(&skipped, &columns, b"whatever\n1;;\n").map(|rows| rows.len()), Ok(1));
}

#[test]
fn errors_are_postgresqls_with_their_context() {
    let cases = [
        (text(), "1\ta\n2\n", "missing data for column \"b\"", "COPY t, line 2: \"2\""),
        (text(), "1\ta\tc\n", "extra data after last expected column", "COPY t, line 1: \"1\ta\tc\""),
        (text(), "x\ta\tc\n", "extra data after last expected column", "COPY t, line 1: \"x\ta\tc\""),
        (
            text(),
            "1\ta\n2\tb\nx\tc\n",
            "invalid input syntax for type integer: \"x\"",
            "COPY t, line 3, column a: \"x\"",
        ),
        (text(), "\n", "invalid input syntax for type integer: \"\"", "COPY t, line 1, column a: \"\""),
        (text(), "1\ta\rb\n", "literal carriage return found in data", "COPY t, line 1"),
        (text(), "1\ta\r\n2\tb\n", "literal newline found in data", "COPY t, line 2"),
        (csv(), "1,a\rb\n", "unquoted carriage return found in data", "COPY t, line 1"),
        (csv(), "1,\"a\nb", "unterminated CSV quoted field", "COPY t, line 1: \"1,\"a\nb\""),
        (
            csv(),
            "99999999999,a\n",
            "value \"99999999999\" is out of range for type integer",
            "COPY t, line 1, column a: \"99999999999\"",
        ),
        (text(), "1\ta\0b\n", "invalid byte sequence for encoding \"UTF8\": 0x00", "COPY t, line 1"),
    ];
    for (options, data, message, context) in cases {
        assert_eq!(failure(&options, data), (message.to_owned(), context.to_owned()), "{data:?}");
    }
    assert_eq!(failure(&text(), "1\t\\377\n").0, "invalid byte sequence for encoding \"UTF8\": 0xff");
    assert_eq!(failure(&text(), "1\ta\\0\n").0, "invalid byte sequence for encoding \"UTF8\": 0x00");
    let columns = fields(&[("a", DataType::Text)]);
    let error = decode_cut(&text(), &columns, b"ok\nb\xffd\n").expect_err("invalid UTF-8");
    assert_eq!(error.message, "invalid byte sequence for encoding \"UTF8\": 0xff");
    assert_eq!(error.context.as_deref(), Some("COPY t, line 2"));
    let long = "y".repeat(300);
    let (_, context) = failure(&text(), &format!("{long}\tb\n"));
    assert_eq!(context, format!("COPY t, line 1, column a: \"{}...\"", "y".repeat(100)));
    let limited = fields(&[("v", DataType::Varchar(Some(3))), ("n", DataType::Numeric(Some((4, 2))))]);
    let too_long = decode_cut(&csv(), &limited, b"abcd,1\n").expect_err("too long");
    assert_eq!(too_long.message, "value too long for type character varying(3)");
    let overflow = decode_cut(&csv(), &limited, b"\xc3\xa9\xc3\xa9\xc3\xa9,123.4\n").expect_err("too great");
    assert_eq!(overflow.message, "numeric field overflow");
    assert_eq!(
        decode_cut(&csv(), &limited, b"abc,1.005\n"),
        Ok(vec![vec![Datum::text("abc"), Datum::Numeric(crate::testing::numeric("1.01"))]])
    );
}

/// A table of every type that text and binary can carry, all samples of each in turn.
fn every_type() -> (Vec<Field>, Vec<Vec<Datum>>) {
    let samples = samples();
    let fields: Vec<Field> =
        samples.iter().enumerate().map(|(index, (t, _))| Field::new(format!("c{index}"), t.clone())).collect();
    let rows = (0..5).map(|row| samples.iter().map(|(_, values)| values[row % values.len()].clone()).collect());
    (fields, rows.collect())
}

#[test]
fn what_is_written_reads_back() {
    let (fields, rows) = every_type();
    let batch = Batch::from_rows(&types(&fields), &rows);
    let odd = CopyOptions {
        delimiter: b'|',
        quote: b'\'',
        escape: b'\\',
        null: "nothing".to_owned(),
        header: CopyHeader::Match,
        force_quote: vec![true; 3],
        ..csv()
    };
    for options in [text(), csv(), odd, CopyOptions::new(CopyFormat::Binary, "t")] {
        options.check().expect("valid options");
        let mut encoder = CopyEncoder::new(options.clone(), fields.clone(), SessionSettings::default());
        let mut data = Vec::new();
        encoder.header(&mut data);
        for row in 0..batch.rows {
            encoder.row(&batch.columns, row, &mut data);
        }
        encoder.trailer(&mut data);
        let read = decode_cut(&options, &fields, &data).expect("what we write is valid");
        // NaNs differ in their bits, so compare what they print.
        assert_eq!(format!("{read:?}"), format!("{rows:?}"), "{options:?}");
    }
}

#[test]
fn text_out_is_postgresqls() {
    let columns = fields(&[("a", DataType::Int4), ("b", DataType::Text)]);
    let rows = vec![vec![Datum::Int4(1), Datum::text("a\tb\\\n")], vec![Datum::Null, Datum::text("")]];
    let batch = Batch::from_rows(&types(&columns), &rows);
    let write = |options: CopyOptions| {
        let mut encoder = CopyEncoder::new(options, columns.clone(), SessionSettings::default());
        let mut out = Vec::new();
        encoder.header(&mut out);
        (0..batch.rows).for_each(|row| encoder.row(&batch.columns, row, &mut out));
        String::from_utf8(out).expect("UTF-8")
    };
    assert_eq!(write(text()), "1\ta\\tb\\\\\\n\n\\N\t\n");
    assert_eq!(write(CopyOptions { header: CopyHeader::Line, ..csv() }), "a,b\n1,\"a\tb\\\n\"\n,\"\"\n");
}

#[test]
fn binary_data_is_checked() {
    let columns = fields(&[("a", DataType::Int4)]);
    let options = CopyOptions::new(CopyFormat::Binary, "t");
    let start = [&binary::SIGNATURE[..], &[0; 8]].concat();
    let read =
        |tail: &[u8]| decode_cut(&options, &columns, &[&start[..], tail].concat()).map_err(|error| error.message);
    assert_eq!(read(&[0, 1, 0, 0, 0, 4, 0, 0, 0, 7, 255, 255]), Ok(vec![vec![Datum::Int4(7)]]));
    assert_eq!(read(&[0, 1, 255, 255, 255, 255]), Ok(vec![vec![Datum::Null]]));
    assert_eq!(read(&[0, 2]), Err("row field count is 2, expected 1".to_owned()));
    assert_eq!(read(&[0, 1, 255, 255, 255, 254]), Err("invalid field size".to_owned()));
    assert_eq!(read(&[0, 1, 0, 0, 0, 4, 0]), Err("unexpected EOF in COPY data".to_owned()));
    assert_eq!(read(&[255, 255, 0]), Err("received copy data after EOF marker".to_owned()));
    assert_eq!(read(&[0, 1, 0, 0, 0, 1, 0]), Err("insufficient data left in message".to_owned()));
    let signature = decode_cut(&options, &columns, b"1\n2\n").map_err(|error| error.message);
    assert_eq!(signature, Err("COPY file signature not recognized".to_owned()));
    assert!(decode(&options, &columns, b"", 1).is_err());
}

#[test]
fn fast_numerics_are_those_of_the_input_function() {
    let texts = [
        "0",
        "-0",
        "0.00",
        "1",
        "-1.50",
        "6252.570015900456",
        "999999999999999999",
        ".5",
        "5.",
        "-.000000000000000001",
    ];
    for text in texts {
        let fast = crate::usual_text::fast_numeric(text.as_bytes()).expect(text);
        assert_eq!(Numeric::parse(text).map(Numeric::to_bytes), Ok(fast), "{text}");
    }
    for text in ["", "-", ".", "1e5", " 1", "+1", "1.2.3", "NaN", "1234567890123456789"] {
        assert_eq!(crate::usual_text::fast_numeric(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_huge_field_in_small_chunks_is_read_in_linear_time() {
    let columns = fields(&[("a", DataType::Text)]);
    let mut data = b"\"".to_vec();
    data.extend(std::iter::repeat_n(b"line\nof \"\"text\"\" ", 1_000_000).flatten());
    data.extend_from_slice(b"\"\n");
    let rows = decode(&csv(), &columns, &data, 4096).expect("valid");
    assert_eq!(rows.len(), 1);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let bad = [
        CopyOptions { delimiter: b'\n', ..csv() },
        CopyOptions { delimiter: b'a', ..text() },
        CopyOptions { delimiter: b'"', ..csv() },
        CopyOptions { null: "a,b".to_owned(), ..csv() },
        CopyOptions { null: "\"".to_owned(), ..csv() },
        CopyOptions { force_null: vec![true], ..text() },
    ];
    for options in bad {
        assert!(options.check().is_err(), "{options:?}");
    }
    assert!(csv().check().is_ok() && text().check().is_ok());
}

/// Rows of pieces that are mostly plain, some of them wrong.
fn random_data(random: &mut impl FnMut(usize) -> usize, csv: bool) -> Vec<u8> {
    const CSV: [&str; 14] = [
        "1",
        "-20",
        "abc",
        "",
        "\"q\"",
        "\"a,b\"",
        "\"a\nb\"",
        "x\"y\"z",
        "\\N",
        "\\.",
        "é",
        "2026-10-27 10:00:00+00",
        "\r",
        "1.50",
    ];
    const TEXT: [&str; 14] = [
        "1",
        "-20",
        "abc",
        "",
        "\\N",
        "\\\\N",
        "a\\tb",
        "a\\\nb",
        "\\.",
        "\"",
        "é",
        "2026-10-27 10:00:00+00",
        "\r",
        "1.50",
    ];
    let mut data = Vec::new();
    for _ in 0..random(200) {
        let plain = random(8) > 0;
        let width = if random(900) == 0 { random(6) } else { 4 };
        let usual = ["17", if csv { "" } else { "\\N" }, "some text", "2.5"];
        for column in 0..width {
            if column > 0 {
                data.push(if csv { b',' } else { b'\t' });
            }
            let pieces = if csv { &CSV } else { &TEXT };
            let odd = if column == 2 { pieces[random(12)] } else { usual[random(2)] };
            let odd = if random(900) == 0 { pieces[random(14)] } else { odd };
            let piece = if plain { usual[column % 4] } else { odd };
            data.extend_from_slice(piece.as_bytes());
        }
        data.push(b'\n');
    }
    data
}

#[test]
fn plain_records_read_as_they_would_the_general_way() {
    let columns =
        fields(&[("a", DataType::Int4), ("b", DataType::Int8), ("c", DataType::Text), ("d", DataType::Numeric(None))]);
    let mut state = 7u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let mut failed = 0;
    for case in 0..400 {
        let options = if case % 2 == 0 { csv() } else { text() };
        let data = random_data(&mut random, case % 2 == 0);
        let chunk = [1 << 20, 4096, 100, 1][case / 2 % 4];
        let read = |general: bool| -> Result<Vec<Vec<Datum>>> {
            let mut decoder = CopyDecoder::new(options.clone(), columns.clone(), SessionSettings::default(), 0);
            if general {
                decoder.take_the_general_way();
            }
            data.chunks(chunk).try_for_each(|piece| decoder.push(piece))?;
            decoder.finish()?;
            let batches = std::iter::from_fn(|| decoder.take_batch(0));
            Ok(batches.flat_map(|batch| batch.to_rows(&types(&columns))).collect())
        };
        let (plain, general) = (read(false), read(true));
        failed += usize::from(general.is_err());
        assert_eq!(plain, general, "case {case}: {}", String::from_utf8_lossy(&data));
    }
    assert!((50..350).contains(&failed), "{failed} of 400 fail");
}

/// `COPY … TO` of one table as PostgreSQL 15 writes it, in binary and in text (TimeZone UTC).
#[test]
fn postgresqls_own_bytes_are_read_and_written() {
    let binary = include_bytes!("../../testdata/postgresql15_copy.bin");
    let plain = include_bytes!("../../testdata/postgresql15_copy.txt");
    let columns = fields(&[
        ("a", DataType::Int2),
        ("b", DataType::Int4),
        ("c", DataType::Int8),
        ("d", DataType::Bool),
        ("e", DataType::Float4),
        ("f", DataType::Float8),
        ("g", DataType::Numeric(None)),
        ("h", DataType::Text),
        ("i", DataType::Varchar(Some(5))),
        ("j", DataType::Date),
        ("k", DataType::Time),
        ("l", DataType::Timestamp),
        ("m", DataType::Timestamptz),
        ("n", DataType::Interval),
        ("o", DataType::Uuid),
        ("p", DataType::Bytea),
        ("q", DataType::Jsonb),
        ("r", DataType::Array(Box::new(DataType::Int4))),
        ("s", DataType::Array(Box::new(DataType::Text))),
    ]);
    let in_binary = CopyOptions::new(CopyFormat::Binary, "t");
    let rows = decode_cut(&in_binary, &columns, binary).expect("PostgreSQL's bytes are right");
    // NaNs differ in their bits, so compare what they print.
    let from_text = decode_cut(&text(), &columns, plain).expect("PostgreSQL's text is right");
    assert_eq!(format!("{rows:?}"), format!("{from_text:?}"));
    let batch = Batch::from_rows(&types(&columns), &rows);
    for (options, expected) in [(in_binary, &binary[..]), (text(), &plain[..])] {
        let mut encoder = CopyEncoder::new(options, columns.clone(), SessionSettings::default());
        let mut data = Vec::new();
        encoder.header(&mut data);
        (0..batch.rows).for_each(|row| encoder.row(&batch.columns, row, &mut data));
        encoder.trailer(&mut data);
        assert_eq!(data, expected);
    }
}
