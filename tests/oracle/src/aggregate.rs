//! Aggregates, from all values of a group at once.

use crate::scalar::is_true;
use crate::{Interpreter, Row, Scope, ascending, compare, difference, same};
use headwater_expr::registry::resolve_operator;
use headwater_expr::{AggregateFunction, Cast, CastContext, ColumnOrder, Expr, Scalar, evaluate_constant};
use headwater_plan::hir::HirAggregate;
use headwater_types::{ArrayDatum, DataType, Datum, Numeric, Result, SqlError};
use std::sync::Arc;

impl Interpreter<'_> {
    /// The aggregate's value over the rows of a group.
    pub(crate) fn aggregate<'q>(&self, call: &'q HirAggregate, rows: &[Row], scope: &Scope<'q>) -> Result<Datum> {
        // Per row that counts: the arguments, then the sort keys.
        let mut inputs: Vec<Row> = Vec::new();
        for row in rows {
            if let Some(filter) = &call.filter
                && !is_true(&self.scalar(filter, row, scope)?)
            {
                continue;
            }
            let parts = call.args.iter().chain(call.order_by.iter().map(|(key, _)| key));
            inputs.push(parts.map(|part| self.scalar(part, row, scope)).collect::<Result<_>>()?);
        }
        let n = call.args.len();
        if call.function == AggregateFunction::CountStar {
            return Ok(count(inputs.len()));
        }
        if call.function != AggregateFunction::ArrayAgg {
            inputs.retain(|input| !input[0].is_null());
        }
        let mut keys: Vec<ColumnOrder> =
            call.order_by.iter().map(|(_, order)| ColumnOrder { column: n + order.column, ..*order }).collect();
        keys.extend((0..n).map(ascending));
        if call.distinct || !call.order_by.is_empty() {
            inputs.sort_by(|a, b| compare(a, b, &keys));
        }
        if call.distinct {
            let mut kept: Vec<Row> = Vec::new();
            for input in inputs {
                if !kept.iter().any(|k| same(&k[..n], &input[..n])) {
                    kept.push(input);
                }
            }
            inputs = kept;
        }
        let separators: Vec<Datum> = inputs.iter().map(|input| input.get(1).cloned().unwrap_or(Datum::Null)).collect();
        let values: Vec<Datum> = inputs.into_iter().map(|mut input| input.swap_remove(0)).collect();
        if call.function == AggregateFunction::Count {
            return Ok(count(values.len()));
        }
        let arg = call.args.first().map(Expr::data_type).ok_or_else(|| SqlError::internal("no argument"))?;
        let Some(first) = values.first().cloned() else { return Ok(Datum::Null) };
        let to = &call.data_type;
        match call.function {
            AggregateFunction::Sum => self.sum(&values, &arg, to),
            AggregateFunction::Avg => {
                let sum = Expr::Literal(self.sum(&values, &arg, to)?, to.clone());
                let divisor = if *to == DataType::Interval { DataType::Float8 } else { to.clone() };
                let count = Expr::Literal(count(values.len()), DataType::Int8);
                self.operator("/", sum, cast(count, &divisor))
            }
            AggregateFunction::Min => {
                Ok(values.into_iter().min_by(|a, b| a.sql_cmp(b).then_with(|| difference(a, b))).unwrap_or(first))
            }
            AggregateFunction::Max => {
                Ok(values.into_iter().max_by(|a, b| a.sql_cmp(b).then_with(|| difference(b, a))).unwrap_or(first))
            }
            AggregateFunction::BoolAnd => Ok(Datum::Bool(values.iter().all(is_true))),
            AggregateFunction::BoolOr => Ok(Datum::Bool(values.iter().any(is_true))),
            AggregateFunction::ArrayAgg => Ok(Datum::Array(Arc::new(ArrayDatum { element: arg, values }))),
            AggregateFunction::StringAgg => {
                let mut text = String::new();
                for (i, (value, separator)) in values.iter().zip(&separators).enumerate() {
                    if let (true, Datum::Text(separator)) = (i > 0, separator) {
                        text.push_str(separator);
                    }
                    if let Datum::Text(value) = value {
                        text.push_str(value);
                    }
                }
                Ok(Datum::Text(text.into()))
            }
            AggregateFunction::CountStar | AggregateFunction::Count => Err(SqlError::internal("counted above")),
            AggregateFunction::SumState => Err(SqlError::internal("only rewrites make states")),
        }
    }

    fn sum(&self, values: &[Datum], from: &DataType, to: &DataType) -> Result<Datum> {
        let mut sum: Option<Scalar> = None;
        for value in values {
            let value = cast(Expr::Literal(value.clone(), from.clone()), to);
            sum = Some(match sum {
                None => value,
                Some(sum) => Expr::Literal(self.operator("+", sum, value)?, to.clone()),
            });
        }
        let Some(sum) = sum else { return Ok(Datum::Null) };
        let mut sum = evaluate_constant(&sum, self.eval)?;
        if let Datum::Numeric(Numeric::Finite(sum)) = &mut sum {
            // Addition may drop the scale of a zero; a sum has the largest scale of its inputs.
            let scale = values.iter().filter_map(scale).max().unwrap_or(0);
            if scale > sum.scale() {
                sum.rescale(scale);
            }
        }
        Ok(sum)
    }

    fn operator(&self, symbol: &str, left: Scalar, right: Scalar) -> Result<Datum> {
        let resolved = resolve_operator(symbol, Some(left.data_type()), right.data_type())?;
        let (function, data_type) = (resolved.function, resolved.data_type);
        evaluate_constant(&Expr::Call { function, args: vec![left, right], data_type }, self.eval)
    }
}

fn scale(value: &Datum) -> Option<u32> {
    match value {
        Datum::Numeric(Numeric::Finite(value)) => Some(value.scale()),
        _ => None,
    }
}

fn count(rows: usize) -> Datum {
    Datum::Int8(i64::try_from(rows).expect("few rows"))
}

fn cast(scalar: Scalar, to: &DataType) -> Scalar {
    if scalar.data_type() == *to {
        return scalar;
    }
    Expr::Cast(Box::new(scalar), Cast { to: to.clone(), context: CastContext::Implicit })
}
