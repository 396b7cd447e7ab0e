//! Result rows: a batch of columns → DataRow messages.
//!
//! The types are looked at once per batch; what remains per value is a branch that a processor predicts. Bytes go
//! straight into the output buffer, without a value, a string or a message of their own.

use super::backend::{Format, framed};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int16Type, Int32Type, Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, StringArray};
use bytes::{BufMut, BytesMut};
use headwater_engine::ColumnDescription;
use headwater_types::{
    ArrayDatum, Batch, DataType, Datum, RegKind, SessionSettings, datum_to_text, encode_binary, format_text,
};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// How an object prints as a `regclass` or its like; `None`: as its number.
pub type RegName<'a> = &'a dyn Fn(RegKind, u32) -> Option<String>;

/// Writes rows of one batch.
pub struct RowEncoder<'a> {
    columns: Vec<Column<'a>>,
    settings: &'a SessionSettings,
    /// One value in its making, where its length is not known beforehand.
    scratch: Vec<u8>,
}

impl<'a> RowEncoder<'a> {
    /// An encoder of `batch`, whose columns are `columns`, each in its format (text where `formats` is short).
    pub fn new(
        batch: &'a Batch,
        columns: &'a [ColumnDescription],
        formats: &[Format],
        settings: &'a SessionSettings,
        reg_name: RegName<'_>,
    ) -> Self {
        let columns = batch.columns.iter().zip(columns).enumerate().map(|(index, (array, column))| {
            let format = formats.get(index).copied().unwrap_or(Format::Text);
            Column::new(array, &column.data_type, format, reg_name)
        });
        Self { columns: columns.collect(), settings, scratch: Vec::new() }
    }

    /// Writes row `row` as one DataRow.
    pub fn encode(&mut self, row: usize, output: &mut BytesMut) {
        let count = u16::try_from(self.columns.len()).expect("RowDescription has checked the number of columns");
        framed(output, b'D', |output| {
            output.put_u16(count);
            for column in &self.columns {
                column.encode(row, self.settings, &mut self.scratch, output);
            }
        });
    }
}

/// A column, its type and format decided.
enum Column<'a> {
    BoolText(&'a BooleanArray),
    Int2Text(&'a PrimitiveArray<Int16Type>),
    Int4Text(&'a PrimitiveArray<Int32Type>),
    Int8Text(&'a PrimitiveArray<Int64Type>),
    Int4Binary(&'a PrimitiveArray<Int32Type>),
    Int8Binary(&'a PrimitiveArray<Int64Type>),
    Float8Binary(&'a PrimitiveArray<Float64Type>),
    /// Text has one form.
    Text(&'a StringArray),
    /// Objects by name; the names of those in the batch.
    RegText(&'a PrimitiveArray<UInt32Type>, HashMap<u32, String>),
    /// Text made beforehand.
    Made(Vec<Option<String>>),
    /// `void` is neither NULL nor anything else.
    Void,
    OtherText(&'a ArrayRef, &'a DataType),
    OtherBinary(&'a ArrayRef, &'a DataType),
}

impl<'a> Column<'a> {
    fn new(array: &'a ArrayRef, data_type: &'a DataType, format: Format, reg_name: RegName<'_>) -> Self {
        match (data_type, format) {
            (DataType::Void, _) => Self::Void,
            (DataType::Text | DataType::Varchar(_) | DataType::Name | DataType::Json, _) => {
                Self::Text(array.as_string())
            }
            (DataType::Bool, Format::Text) => Self::BoolText(array.as_boolean()),
            (DataType::Int2, Format::Text) => Self::Int2Text(array.as_primitive()),
            (DataType::Int4, Format::Text) => Self::Int4Text(array.as_primitive()),
            (DataType::Int8, Format::Text) => Self::Int8Text(array.as_primitive()),
            (DataType::Int4, Format::Binary) => Self::Int4Binary(array.as_primitive()),
            (DataType::Int8, Format::Binary) => Self::Int8Binary(array.as_primitive()),
            (DataType::Float8, Format::Binary) => Self::Float8Binary(array.as_primitive()),
            (DataType::Reg(kind), Format::Text) => {
                let array = array.as_primitive();
                Self::RegText(array, reg_names(array, *kind, reg_name))
            }
            (DataType::Array(element), Format::Text) if matches!(**element, DataType::Reg(_)) => {
                Self::Made(reg_arrays(array, data_type, reg_name))
            }
            (_, Format::Text) => Self::OtherText(array, data_type),
            (_, Format::Binary) => Self::OtherBinary(array, data_type),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::BoolText(array) => array.is_null(row),
            Self::Int2Text(array) => array.is_null(row),
            Self::Int4Text(array) | Self::Int4Binary(array) => array.is_null(row),
            Self::Int8Text(array) | Self::Int8Binary(array) => array.is_null(row),
            Self::Float8Binary(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::RegText(array, _) => array.is_null(row),
            Self::Made(texts) => texts[row].is_none(),
            Self::Void => false,
            Self::OtherText(array, _) | Self::OtherBinary(array, _) => array.is_null(row),
        }
    }

    fn encode(&self, row: usize, settings: &SessionSettings, scratch: &mut Vec<u8>, output: &mut BytesMut) {
        if self.is_null(row) {
            output.put_i32(-1);
            return;
        }
        match self {
            Self::BoolText(array) => put_value(output, if array.value(row) { b"t" } else { b"f" }),
            Self::Int2Text(array) => put_integer(output, i64::from(array.value(row))),
            Self::Int4Text(array) => put_integer(output, i64::from(array.value(row))),
            Self::Int8Text(array) => put_integer(output, array.value(row)),
            Self::Int4Binary(array) => put_value(output, &array.value(row).to_be_bytes()),
            Self::Int8Binary(array) => put_value(output, &array.value(row).to_be_bytes()),
            Self::Float8Binary(array) => put_value(output, &array.value(row).to_be_bytes()),
            Self::Text(array) => put_value(output, array.value(row).as_bytes()),
            Self::RegText(array, names) => {
                let oid = array.value(row);
                match names.get(&oid) {
                    Some(name) => put_value(output, name.as_bytes()),
                    None => put_integer(output, i64::from(oid)),
                }
            }
            Self::Made(texts) => put_value(output, texts[row].as_deref().unwrap_or_default().as_bytes()),
            Self::Void => put_value(output, b""),
            Self::OtherText(array, data_type) => {
                scratch.clear();
                format_text(array.as_ref(), data_type, row, settings, scratch);
                put_value(output, scratch);
            }
            Self::OtherBinary(array, data_type) => {
                scratch.clear();
                encode_binary(array.as_ref(), data_type, row, scratch);
                put_value(output, scratch);
            }
        }
    }
}

/// The names of the objects in a column; 0 is no object, and prints as a dash.
fn reg_names(array: &PrimitiveArray<UInt32Type>, kind: RegKind, reg_name: RegName<'_>) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for oid in array.iter().flatten() {
        if let Entry::Vacant(entry) = names.entry(oid)
            && let Some(name) = if oid == 0 { Some("-".to_owned()) } else { reg_name(kind, oid) }
        {
            entry.insert(name);
        }
    }
    names
}

/// Arrays of objects as arrays of their names.
fn reg_arrays(array: &ArrayRef, data_type: &DataType, reg_name: RegName<'_>) -> Vec<Option<String>> {
    let settings = SessionSettings::default();
    let named = |row| {
        let Datum::Array(objects) = Datum::from_array(array.as_ref(), data_type, row) else { return None };
        let name = |object: &Datum| match (object, &objects.element) {
            (Datum::Oid(0), _) => Datum::text("-"),
            (Datum::Oid(oid), DataType::Reg(kind)) => {
                Datum::text(reg_name(*kind, *oid).unwrap_or_else(|| oid.to_string()))
            }
            _ => Datum::Null,
        };
        let names = ArrayDatum { element: DataType::Text, values: objects.values.iter().map(name).collect() };
        let of_text = DataType::Array(Box::new(DataType::Text));
        Some(datum_to_text(&Datum::Array(Arc::new(names)), &of_text, &settings))
    };
    (0..array.len()).map(named).collect()
}

fn put_value(output: &mut BytesMut, bytes: &[u8]) {
    output.put_u32(u32::try_from(bytes.len()).expect("a value is far below 4 GiB"));
    output.put_slice(bytes);
}

/// Writes an integer as text, its length first.
fn put_integer(output: &mut BytesMut, value: i64) {
    const DIGITS_MAX: usize = 20;
    let mut digits = [0_u8; DIGITS_MAX];
    let mut start = DIGITS_MAX;
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).expect("a decimal digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    put_value(output, &digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int32Array, Int64Array, UInt32Array};
    use std::sync::Arc;

    fn column(name: &str, data_type: DataType) -> ColumnDescription {
        ColumnDescription { name: name.to_owned(), data_type, table: None }
    }

    #[test]
    fn integers_print_as_rust_prints_them() {
        for value in [0, 1, -1, 9, 10, 1_234_567_890, i64::MAX, i64::MIN] {
            let mut output = BytesMut::new();
            put_integer(&mut output, value);
            assert_eq!(&output[4..], value.to_string().as_bytes());
            assert_eq!(output[3] as usize, value.to_string().len());
        }
    }

    #[test]
    fn arrays_of_objects_print_by_name() {
        let data_type = DataType::Array(Box::new(DataType::Reg(RegKind::Class)));
        let objects = [Datum::Oid(1259), Datum::Oid(0), Datum::Oid(7), Datum::Null];
        let array = ArrayDatum { element: DataType::Reg(RegKind::Class), values: objects.to_vec() };
        let batch = Batch::from_rows(
            std::slice::from_ref(&data_type),
            &[vec![Datum::Array(Arc::new(array))], vec![Datum::Null]],
        );
        let columns = [column("c", data_type)];
        let settings = SessionSettings::default();
        let name = |_, oid| (oid == 1259).then(|| "other.\"Class\"".to_owned());
        let mut encoder = RowEncoder::new(&batch, &columns, &[], &settings, &name);
        let mut output = BytesMut::new();
        encoder.encode(0, &mut output);
        assert_eq!(&output[11..], br#"{"other.\"Class\"",-,7,NULL}"#);
        output.clear();
        encoder.encode(1, &mut output);
        assert_eq!(&output[7..], (-1_i32).to_be_bytes());
    }

    #[test]
    fn objects_print_by_name() {
        let batch = Batch::new(vec![Arc::new(UInt32Array::from(vec![Some(1259), Some(0), Some(7), None]))], 4);
        let columns = [column("c", DataType::Reg(RegKind::Class))];
        let settings = SessionSettings::default();
        let name = |_, oid| (oid == 1259).then(|| "pg_class".to_owned());
        let mut encoder = RowEncoder::new(&batch, &columns, &[], &settings, &name);
        let mut output = BytesMut::new();
        for row in 0..4 {
            encoder.encode(row, &mut output);
        }
        let values: Vec<&[u8]> = output.as_ref().split(|&byte| byte == b'D').skip(1).map(|row| &row[10..]).collect();
        assert_eq!(values, [&b"pg_class"[..], b"-", b"7", b""]);
    }

    #[test]
    fn a_row_is_one_message_with_each_value_in_its_format() {
        let batch = Batch::new(
            vec![
                Arc::new(Int32Array::from(vec![Some(-5), None])),
                Arc::new(StringArray::from(vec![Some("né"), Some("")])),
                Arc::new(Int64Array::from(vec![Some(1), Some(2)])),
            ],
            2,
        );
        let columns = [column("a", DataType::Int4), column("b", DataType::Text), column("c", DataType::Int8)];
        let settings = SessionSettings::default();
        let formats = [Format::Text, Format::Text, Format::Binary];
        let mut encoder = RowEncoder::new(&batch, &columns, &formats, &settings, &|_, _| None);
        let mut output = BytesMut::new();
        encoder.encode(0, &mut output);
        assert_eq!(
            output.as_ref(),
            b"D\0\0\0\x1f\0\x03\0\0\0\x02-5\0\0\0\x03n\xc3\xa9\0\0\0\x08\0\0\0\0\0\0\0\x01".as_ref()
        );
        output.clear();
        encoder.encode(1, &mut output);
        assert_eq!(output.as_ref(), b"D\0\0\0\x1a\0\x03\xff\xff\xff\xff\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x02".as_ref());
    }
}
