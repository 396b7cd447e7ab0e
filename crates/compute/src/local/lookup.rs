//! Point reads: `WHERE column = constant` reads the rows that have it, not the relation.
//!
//! All columns of a key: the index has the row. Another column of a relation that is not large: that column is searched
//! as it lies, and only what matches is fetched.

use headwater_arrange::RelationSnapshot;
use headwater_dataflow::MapFilterProject;
use headwater_dataflow::spec::Mfp;
use headwater_expr::registry::{Comparison, Kernel};
use headwater_expr::{Expr, Scalar};
use headwater_types::{Batch, DataType, Datum, DeltaBatch, Result};

/// Rows of a relation that are searched for a value at once. Beyond, a scan gives its first rows earlier, skips more, and
/// can be divided.
const SEARCHED_ROWS_MAX: usize = 100_000;

/// The rows among which are all that pass the filter, where they can be found without a scan; in the full width.
pub(super) fn found_rows(
    mfp: &Mfp,
    operator: &MapFilterProject,
    parts: &[RelationSnapshot],
) -> Option<Result<Vec<DeltaBatch>>> {
    let first = parts.first()?;
    if let Some(key) = wanted_key(mfp, first) {
        let found = parts.iter().map(|part| Ok(part.lookup(&key)?.into_iter().collect())).collect::<Result<Vec<_>>>();
        return Some(found.and_then(|found| fetch(operator, parts, found)));
    }
    if parts.iter().map(RelationSnapshot::live_rows).sum::<usize>() > SEARCHED_ROWS_MAX {
        return None;
    }
    let wanted = |(column, value): (usize, &Datum)| Some((column, value_of_type(value, first.types().get(column)?)?));
    let (column, value) = equalities(mfp).into_iter().find_map(wanted)?;
    let found = parts.iter().map(|part| part.rows_equal(column, &value)).collect::<Option<Vec<_>>>()?;
    Some(fetch(operator, parts, found))
}

fn fetch(operator: &MapFilterProject, parts: &[RelationSnapshot], found: Vec<Vec<u32>>) -> Result<Vec<DeltaBatch>> {
    let mut batches = vec![];
    for (part, ids) in parts.iter().zip(found) {
        if ids.is_empty() {
            continue;
        }
        let rows: Batch = operator.widen(part.gather(&ids, operator.required())?, ids.len());
        let weights = part.gather_weights(&ids)?.unwrap_or_else(|| vec![1; ids.len()]);
        batches.push(DeltaBatch { rows, weights, row_ids: Some(ids) });
    }
    Ok(batches)
}

/// The key that a row must have to pass the filter: one value per key column, if the filter says so of all of them.
pub(super) fn wanted_key(mfp: &Mfp, rows: &RelationSnapshot) -> Option<Vec<Datum>> {
    let key = rows.key()?;
    let equalities = equalities(mfp);
    key.iter()
        .map(|&column| {
            let of_column = equalities.iter().filter(|(c, _)| *c == column);
            of_column.map(|(_, value)| value).find_map(|value| value_of_type(value, &rows.types()[column]))
        })
        .collect()
}

/// Every `column = constant` that must hold of a row that passes.
fn equalities(mfp: &Mfp) -> Vec<(usize, &Datum)> {
    let mut equalities = vec![];
    for (_, predicate) in &mfp.predicates {
        collect(predicate, &mut equalities);
    }
    equalities
}

/// Adds the `column = constant` that must hold if the predicate does.
fn collect<'a>(predicate: &'a Scalar, equalities: &mut Vec<(usize, &'a Datum)>) {
    match predicate {
        Expr::And(operands) => operands.iter().for_each(|operand| collect(operand, equalities)),
        Expr::Call { function, args, .. } if matches!(function.0.kernel, Kernel::Compare(Comparison::Eq)) => {
            let [left, right] = &args[..] else { return };
            for (column, constant) in [(left, right), (right, left)] {
                if let (Some(column), Expr::Literal(value, _)) = (column_of(column), constant) {
                    equalities.push((column, value));
                }
            }
        }
        _ => {}
    }
}

/// The column that this is, looking through casts that change no bytes.
pub(super) fn column_of(expr: &Scalar) -> Option<usize> {
    match expr {
        Expr::Cast(input, cast) if cast.to == DataType::Text => match input.as_ref() {
            Expr::Leaf(column) if matches!(column.data_type, DataType::Varchar(_)) => Some(column.index),
            _ => None,
        },
        _ => expr.as_column(),
    }
}

/// A constant as a value of a column's type, so that the index can be asked for it, or a segment's least and greatest
/// values compared with it; integers of different widths compare. NULL equals nothing, which is for the filter to find
/// out.
pub(super) fn value_of_type(value: &Datum, data_type: &DataType) -> Option<Datum> {
    let integer = match value {
        Datum::Int2(value) => Some(i64::from(*value)),
        Datum::Int4(value) => Some(i64::from(*value)),
        Datum::Int8(value) => Some(*value),
        _ => None,
    };
    if let Some(integer) = integer {
        return match data_type {
            DataType::Int2 => i16::try_from(integer).ok().map(Datum::Int2),
            DataType::Int4 => i32::try_from(integer).ok().map(Datum::Int4),
            DataType::Int8 => Some(Datum::Int8(integer)),
            _ => None,
        };
    }
    let has_type = matches!(
        (value, data_type),
        (Datum::Bool(_), DataType::Bool)
            | (Datum::Numeric(_), DataType::Numeric(_))
            | (Datum::Text(_), DataType::Text | DataType::Varchar(_))
            | (Datum::Date(_), DataType::Date)
            | (Datum::Timestamp(_), DataType::Timestamp | DataType::Timestamptz)
            | (Datum::Uuid(_), DataType::Uuid)
            | (Datum::Oid(_), DataType::Oid)
    );
    has_type.then(|| value.clone())
}
