//! Which set-returning function a call in FROM means.

use super::TypePattern;
use super::resolve::{Candidate, choose, function_error};
use crate::TableFunction;
use headwater_types::{DataType, Field, RegKind, Result};

/// What a set-returning call means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedTableFunction {
    /// The function.
    pub function: TableFunction,
    /// The types its arguments are to be cast to, implicitly.
    pub arg_types: Vec<DataType>,
    /// Its columns. A function of one column names it after itself.
    pub columns: Vec<Field>,
}

/// Name, parameters, the result's element (for functions of one column), function.
const TABLE_FUNCTIONS: &[(&str, &[&str], &str, TableFunction)] = &[
    ("unnest", &["anyarray"], "anyelement", TableFunction::Unnest),
    ("generate_series", &["int4", "int4"], "int4", TableFunction::GenerateSeries),
    ("generate_series", &["int4", "int4", "int4"], "int4", TableFunction::GenerateSeries),
    ("generate_series", &["int8", "int8"], "int8", TableFunction::GenerateSeries),
    ("generate_series", &["int8", "int8", "int8"], "int8", TableFunction::GenerateSeries),
    ("generate_series", &["numeric", "numeric"], "numeric", TableFunction::GenerateSeries),
    ("generate_series", &["numeric", "numeric", "numeric"], "numeric", TableFunction::GenerateSeries),
    ("generate_series", &["timestamp", "timestamp", "interval"], "timestamp", TableFunction::GenerateSeries),
    ("generate_series", &["timestamptz", "timestamptz", "interval"], "timestamptz", TableFunction::GenerateSeries),
    ("generate_subscripts", &["anyarray", "int4"], "int4", TableFunction::GenerateSubscripts),
    ("regexp_split_to_table", &["text", "text"], "text", TableFunction::RegexpSplitToTable),
    ("regexp_split_to_table", &["text", "text", "text"], "text", TableFunction::RegexpSplitToTable),
    ("pg_partition_ancestors", &["regclass"], "regclass", TableFunction::PgPartitionAncestors),
    ("pg_get_keywords", &[], "text", TableFunction::PgGetKeywords),
    ("pg_timezone_names", &[], "text", TableFunction::PgTimezoneNames),
];

/// The set-returning function that `name(types…)` calls; `None` if no set-returning function has that name.
///
/// The inner error: 42883 `function unnest(integer) does not exist`, 42725.
#[must_use]
pub fn resolve_table_function(name: &str, types: &[DataType]) -> Option<Result<ResolvedTableFunction>> {
    if !TABLE_FUNCTIONS.iter().any(|(n, ..)| *n == name) {
        return None;
    }
    let candidates = TABLE_FUNCTIONS
        .iter()
        .filter(|(n, params, ..)| *n == name && params.len() == types.len())
        .map(|&(_, params, result, target)| Candidate {
            target,
            params: params.iter().map(|p| TypePattern::parse(p)).collect(),
            result: TypePattern::parse(result),
        })
        .collect();
    Some(match choose(candidates, types) {
        Ok((candidate, arg_types, data_type)) => {
            let columns = columns(candidate.target, name, data_type);
            let function = match (candidate.target, arg_types.first()) {
                (TableFunction::GenerateSubscripts, Some(DataType::Int2Vector | DataType::OidVector)) => {
                    TableFunction::GenerateVectorSubscripts
                }
                (function, _) => function,
            };
            Ok(ResolvedTableFunction { function, arg_types, columns })
        }
        Err(failure) => Err(function_error(name, types, &failure)),
    })
}

fn columns(function: TableFunction, name: &str, data_type: DataType) -> Vec<Field> {
    match function {
        TableFunction::PgGetKeywords => vec![
            Field::new("word", DataType::Text),
            Field::new("catcode", DataType::InternalChar),
            Field::new("barelabel", DataType::Bool),
            Field::new("catdesc", DataType::Text),
            Field::new("baredesc", DataType::Text),
        ],
        TableFunction::PgTimezoneNames => vec![
            Field::new("name", DataType::Text),
            Field::new("abbrev", DataType::Text),
            Field::new("utc_offset", DataType::Interval),
            Field::new("is_dst", DataType::Bool),
        ],
        TableFunction::PgPartitionAncestors => vec![Field::new("relid", DataType::Reg(RegKind::Class))],
        _ => vec![Field::new(name, data_type)],
    }
}
