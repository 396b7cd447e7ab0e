//! JSON builders. The result is text, as `json` is: spaced as PostgreSQL spaces it.

use super::text::output_text;
use crate::registry::{Call, Entry, Kernel, function};
use headwater_types::{DataType, Datum, Result, SqlError, SqlState};

pub(super) const ENTRIES: &[Entry] = &[
    function("json_build_object", "", "json", Kernel::Rows(object)).lax().stable(),
    function("json_build_object", "variadic any", "json", Kernel::Rows(object)).lax().stable().fallible(),
    function("json_build_array", "", "json", Kernel::Rows(array)).lax().stable(),
    function("json_build_array", "variadic any", "json", Kernel::Rows(array)).lax().stable(),
    function("to_json", "anyelement", "json", Kernel::Rows(|a, c| Ok(Datum::text(value(&a[0], &c.arg_types[0], c)))))
        .stable(),
];

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn value(datum: &Datum, data_type: &DataType, call: &Call<'_>) -> String {
    match (datum, data_type) {
        (Datum::Null, _) => "null".to_owned(),
        (Datum::Bool(v), _) => v.to_string(),
        (
            Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Float4(_) | Datum::Float8(_) | Datum::Numeric(_),
            _,
        ) => {
            let shown = output_text(datum, data_type, call);
            if matches!(shown.as_str(), "NaN" | "Infinity" | "-Infinity") { quoted(&shown) } else { shown }
        }
        (_, DataType::Json | DataType::Jsonb) => output_text(datum, data_type, call),
        (Datum::Array(items), _) => {
            let parts: Vec<String> = items.values.iter().map(|item| value(item, &items.element, call)).collect();
            format!("[{}]", parts.join(","))
        }
        // ISO 8601 has a T.
        (Datum::Timestamp(_), _) => quoted(&output_text(datum, data_type, call).replacen(' ', "T", 1)),
        _ => quoted(&output_text(datum, data_type, call)),
    }
}

fn object(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    if !args.len().is_multiple_of(2) {
        return Err(SqlError::new(SqlState::InvalidParameterValue, "argument list must have even number of elements")
            .with_hint("The arguments of json_build_object() must consist of alternating keys and values."));
    }
    let mut parts = Vec::with_capacity(args.len() / 2);
    for (pair, types) in args.chunks(2).zip(call.arg_types.chunks(2)) {
        if pair[0].is_null() {
            return Err(SqlError::new(SqlState::NullValueNotAllowed, "null value not allowed for object key"));
        }
        let key = quoted(&output_text(&pair[0], &types[0], call));
        parts.push(format!("{key} : {}", value(&pair[1], &types[1], call)));
    }
    Ok(Datum::text(format!("{{{}}}", parts.join(", "))))
}

fn array(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let parts: Vec<String> = args.iter().zip(call.arg_types).map(|(arg, t)| value(arg, t, call)).collect();
    Ok(Datum::text(format!("[{}]", parts.join(", "))))
}
