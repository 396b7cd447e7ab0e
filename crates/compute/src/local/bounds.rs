//! What a filter says of single columns, so that a scan can pass over segments of which no row can match.

use crate::local::lookup::{column_of, value_of_type};
use headwater_arrange::{Bound, BoundComparison};
use headwater_dataflow::spec::Mfp;
use headwater_expr::registry::{Comparison, Kernel};
use headwater_expr::{Expr, Scalar};
use headwater_types::DataType;

/// Every `column op constant` that must hold of a row that passes the filter. `types` are those of the filter's input.
pub(super) fn bounds(mfp: &Mfp, types: &[DataType]) -> Vec<Bound> {
    let mut bounds = vec![];
    mfp.predicates.iter().for_each(|(_, predicate)| collect(predicate, types, &mut bounds));
    bounds
}

fn collect(predicate: &Scalar, types: &[DataType], bounds: &mut Vec<Bound>) {
    match predicate {
        Expr::And(operands) => operands.iter().for_each(|operand| collect(operand, types, bounds)),
        Expr::Call { function, args, .. } => {
            let Kernel::Compare(comparison) = function.0.kernel else { return };
            let [left, right] = &args[..] else { return };
            for (column, constant, comparison) in
                [(left, right, as_bound(comparison)), (right, left, as_bound(swapped(comparison)))]
            {
                let (Some(column), Expr::Literal(value, _), Some(comparison)) =
                    (column_of(column), constant, comparison)
                else {
                    continue;
                };
                // Columns beyond the input's are computed.
                let value = types.get(column).and_then(|data_type| value_of_type(value, data_type));
                bounds.extend(value.map(|value| Bound { column, comparison, value }));
            }
        }
        _ => {}
    }
}

fn as_bound(comparison: Comparison) -> Option<BoundComparison> {
    match comparison {
        Comparison::Eq => Some(BoundComparison::Equal),
        Comparison::Ne => None,
        Comparison::Lt => Some(BoundComparison::Less),
        Comparison::Le => Some(BoundComparison::LessOrEqual),
        Comparison::Gt => Some(BoundComparison::Greater),
        Comparison::Ge => Some(BoundComparison::GreaterOrEqual),
    }
}

/// `a op b` as `b op a`.
fn swapped(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Eq | Comparison::Ne => comparison,
        Comparison::Lt => Comparison::Gt,
        Comparison::Le => Comparison::Ge,
        Comparison::Gt => Comparison::Lt,
        Comparison::Ge => Comparison::Le,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_expr::registry::resolve_operator;
    use headwater_types::Datum;

    fn compare(symbol: &str, left: Scalar, right: Scalar) -> Scalar {
        let operator = resolve_operator(symbol, Some(DataType::Int8), DataType::Int8).expect("an operator");
        Expr::Call { function: operator.function, args: vec![left, right], data_type: operator.data_type }
    }

    #[test]
    fn a_filter_bounds_the_columns_that_it_compares_with_constants() {
        use BoundComparison::{Equal, Greater, GreaterOrEqual, Less};
        let types = [DataType::Int8, DataType::Int8, DataType::Text];
        let column = |index| Scalar::column(index, DataType::Int8);
        let five = || Scalar::literal(Datum::Int8(5), DataType::Int8);
        let said = |predicate: Scalar| {
            let mfp = Mfp { predicates: vec![(0, predicate)], ..Mfp::identity(3) };
            bounds(&mfp, &types).into_iter().map(|bound| (bound.column, bound.comparison)).collect::<Vec<_>>()
        };
        assert_eq!(said(compare("<", column(1), five())), [(1, Less)]);
        assert_eq!(said(compare("<=", five(), column(1))), [(1, GreaterOrEqual)]);
        let both = Expr::And(vec![compare("=", column(0), five()), compare("<", five(), column(1))]);
        assert_eq!(said(both), [(0, Equal), (1, Greater)]);
        assert_eq!(said(compare("<>", column(0), five())), []);
        assert_eq!(said(compare("<", column(0), column(1))), []);
        assert_eq!(said(compare("=", column(2), five())), [], "a constant of another type");
        assert_eq!(said(compare("=", column(7), five())), [], "a computed column");
        let either = Expr::Or(vec![compare("=", column(0), five()), compare("<", column(1), five())]);
        assert_eq!(said(either), []);
    }
}
