//! PostgreSQL's built-in catalog rows, compiled in: see `data/dump.py` for where they come from and how they are written.

use headwater_types::{ArrayDatum, DataType, Datum};
use std::sync::Arc;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// The text of a file of `data/`.
        fn text(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../data/", $name, ".tsv"))),)*
                _ => None,
            }
        }
    };
}

files!(
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_cast",
    "pg_collation",
    "pg_conversion",
    "pg_description",
    "pg_language",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_proc",
    "pg_range",
    "pg_settings",
    "pg_shdescription",
    "pg_tablespace",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
    "relations",
    "sql_features",
    "sql_implementation_info",
    "sql_sizing",
);

/// One file: a header, then rows.
pub(crate) struct File {
    header: Vec<(&'static str, Option<&'static str>)>,
    body: &'static str,
}

/// One row, unescaped only when read into datums.
pub(crate) struct Row<'a> {
    file: &'a File,
    fields: Vec<&'static str>,
}

/// The file of this name, if it is one with a header.
pub(crate) fn file(name: &str) -> Option<File> {
    let (header, body) = text(name)?.split_once('\n')?;
    let header = header.split('\t').map(|column| match column.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (column, None),
    });
    Some(File { header: header.collect(), body })
}

/// The shapes of PostgreSQL's system relations: schema, name, oid, kind, columns as `name type[ !]` with commas.
pub(crate) fn shapes() -> impl Iterator<Item = [&'static str; 5]> {
    text("relations").unwrap_or_default().lines().filter_map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        fields.try_into().ok()
    })
}

impl File {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.body.lines().map(|line| Row { file: self, fields: line.split('\t').collect() })
    }

    /// All rows as datums of these columns.
    pub(crate) fn datums(&self, columns: &[(String, DataType)]) -> Vec<Vec<Datum>> {
        let read = |row: Row<'_>| columns.iter().map(|(name, data_type)| datum(row.get(name), data_type)).collect();
        self.rows().map(read).collect()
    }
}

impl Row<'_> {
    /// A column's text as the file has it; `None` for NULL.
    pub(crate) fn get(&self, column: &str) -> Option<&'static str> {
        let mut index = 0;
        for (name, constant) in &self.file.header {
            if *name == column {
                let value = constant.or_else(|| self.fields.get(index).copied())?;
                return (value != "\\N").then_some(value);
            }
            index += usize::from(constant.is_none());
        }
        None
    }
}

/// COPY's escapes.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// A value of the files. Only the types that the catalogs have are known; the files are ours, so that a value that does
/// not parse is NULL, and a test finds it.
fn datum(text: Option<&str>, data_type: &DataType) -> Datum {
    let Some(text) = text else { return Datum::Null };
    match data_type {
        DataType::Int2Vector | DataType::OidVector => {
            let element = data_type.element().expect("vectors have elements");
            let values = text.split_whitespace().map(|part| scalar(part, &element)).collect();
            Datum::Array(Arc::new(ArrayDatum { element, values }))
        }
        DataType::Array(element) => {
            let values = split_array(&unescape(text)).into_iter();
            let values = values.map(|part| part.map_or(Datum::Null, |part| scalar(&part, element))).collect();
            Datum::Array(Arc::new(ArrayDatum { element: (**element).clone(), values }))
        }
        _ if text.contains('\\') => scalar(&unescape(text), data_type),
        _ => scalar(text, data_type),
    }
}

fn scalar(text: &str, data_type: &DataType) -> Datum {
    fn parse<T: std::str::FromStr>(text: &str, make: fn(T) -> Datum) -> Datum {
        text.parse().map_or(Datum::Null, make)
    }
    match data_type {
        DataType::Bool => Datum::Bool(text == "t"),
        DataType::Int2 => parse(text, Datum::Int2),
        DataType::Int4 => parse(text, Datum::Int4),
        DataType::Int8 => parse(text, Datum::Int8),
        DataType::Float4 => parse(text, Datum::Float4),
        DataType::Float8 => parse(text, Datum::Float8),
        DataType::Oid | DataType::Xid | DataType::Reg(_) => parse(text, Datum::Oid),
        _ => Datum::text(text),
    }
}

/// The elements of `{a,"b c",NULL}`.
pub(crate) fn split_array(text: &str) -> Vec<Option<String>> {
    let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
    let mut elements = Vec::new();
    let (mut current, mut quoted, mut inside) = (String::new(), false, false);
    let mut push = |current: &mut String, quoted: &mut bool| {
        let element = std::mem::take(current);
        elements.push((*quoted || element != "NULL").then_some(element));
        *quoted = false;
    };
    if inner.is_empty() {
        return Vec::new();
    }
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                inside = !inside;
                quoted = true;
            }
            '\\' => current.extend(chars.next()),
            ',' if !inside => push(&mut current, &mut quoted),
            _ => current.push(c),
        }
    }
    push(&mut current, &mut quoted);
    elements
}
