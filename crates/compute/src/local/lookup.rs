//! Point reads: `WHERE key = constant` goes to the index, not through the relation.

use headwater_arrange::RelationSnapshot;
use headwater_dataflow::spec::Mfp;
use headwater_expr::registry::{Comparison, Kernel};
use headwater_expr::{Expr, Scalar};
use headwater_types::{DataType, Datum};

/// The key that a row must have to pass the filter: one value per key column, if the filter says so of all of them.
pub(super) fn wanted_key(mfp: &Mfp, rows: &RelationSnapshot) -> Option<Vec<Datum>> {
    let key = rows.key()?;
    let mut equalities = vec![];
    for (_, predicate) in &mfp.predicates {
        collect(predicate, &mut equalities);
    }
    key.iter()
        .map(|&column| {
            let (_, value) =
                equalities.iter().find(|(c, value)| *c == column && has_type(value, &rows.types()[column]))?;
            Some((*value).clone())
        })
        .collect()
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
fn column_of(expr: &Scalar) -> Option<usize> {
    match expr {
        Expr::Cast(input, cast) if cast.to == DataType::Text => match input.as_ref() {
            Expr::Leaf(column) if matches!(column.data_type, DataType::Varchar(_)) => Some(column.index),
            _ => None,
        },
        _ => expr.as_column(),
    }
}

/// Whether a constant is a value of a column's type, so that the index can be asked for it. NULL equals nothing, which
/// is for the filter to find out.
fn has_type(value: &Datum, data_type: &DataType) -> bool {
    matches!(
        (value, data_type),
        (Datum::Bool(_), DataType::Bool)
            | (Datum::Int2(_), DataType::Int2)
            | (Datum::Int4(_), DataType::Int4)
            | (Datum::Int8(_), DataType::Int8)
            | (Datum::Numeric(_), DataType::Numeric(_))
            | (Datum::Text(_), DataType::Text | DataType::Varchar(_))
            | (Datum::Date(_), DataType::Date)
            | (Datum::Timestamp(_), DataType::Timestamp | DataType::Timestamptz)
            | (Datum::Uuid(_), DataType::Uuid)
            | (Datum::Oid(_), DataType::Oid)
    )
}
