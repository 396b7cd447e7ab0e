//! Constant folding.
//!
//! ```text
//! Before: 1 + 2 < x AND true        After: 3 < x
//! ```
//!
//! Sound because only calls without side effects are computed, a part that raises an error stays as it is (it may
//! never be evaluated), and AND, OR, CASE and COALESCE drop only what they would have dropped at run time.

use super::evaluate_constant;
use crate::registry::Volatility;
use crate::scalar::Column;
use crate::{EvalContext, Expr, Scalar};
use headwater_types::{DataType, Datum};

/// Computes what depends on nothing but the expression itself.
#[must_use]
pub fn fold_constants(expr: Scalar, context: &EvalContext<'_>) -> Scalar {
    fold(expr, context, Volatility::Immutable)
}

/// [`fold_constants`], and also what cannot change within the statement: settings, `now()`, the catalog. Only for a
/// plan that runs once, under `context`.
#[must_use]
pub fn fold_stable(expr: Scalar, context: &EvalContext<'_>) -> Scalar {
    fold(expr, context, Volatility::Stable)
}

fn fold(mut expr: Scalar, context: &EvalContext<'_>, most: Volatility) -> Scalar {
    for child in expr.children_mut() {
        let taken = std::mem::replace(child, Expr::Literal(Datum::Null, DataType::Unknown));
        *child = fold(taken, context, most);
    }
    let expr = simplify(expr);
    if matches!(expr, Expr::Leaf(_) | Expr::Literal(..) | Expr::Parameter(..)) {
        return expr;
    }
    let constant = expr.children().iter().all(|child| matches!(child, Expr::Literal(..)));
    if !constant || expr.volatility() > most {
        return expr;
    }
    match evaluate_constant(&expr, context) {
        Ok(value) => Expr::Literal(value, expr.data_type()),
        Err(_) => expr,
    }
}

/// The truth value of a literal: `Some(None)` is NULL.
fn truth(expr: &Scalar) -> Option<Option<bool>> {
    match expr {
        Expr::Literal(Datum::Bool(value), _) => Some(Some(*value)),
        Expr::Literal(Datum::Null, _) => Some(None),
        _ => None,
    }
}

fn simplify(expr: Scalar) -> Scalar {
    match expr {
        Expr::And(args) => junction(args, true),
        Expr::Or(args) => junction(args, false),
        Expr::Case { branches, otherwise } => case(branches, otherwise),
        Expr::Coalesce(args) => coalesce(args),
        other => other,
    }
}

/// `neutral` is true for AND, false for OR.
fn junction(args: Vec<Scalar>, neutral: bool) -> Scalar {
    if args.iter().any(|arg| truth(arg) == Some(Some(!neutral))) {
        return Expr::Literal(Datum::Bool(!neutral), DataType::Bool);
    }
    let mut rest: Vec<Scalar> = args.into_iter().filter(|arg| truth(arg) != Some(Some(neutral))).collect();
    match rest.len() {
        0 => Expr::Literal(Datum::Bool(neutral), DataType::Bool),
        1 => rest.swap_remove(0),
        _ if neutral => Expr::And(rest),
        _ => Expr::Or(rest),
    }
}

fn case(branches: Vec<(Scalar, Scalar)>, otherwise: Box<Expr<Column>>) -> Scalar {
    let mut kept = Vec::with_capacity(branches.len());
    for (condition, result) in branches {
        match truth(&condition) {
            Some(Some(true)) if kept.is_empty() => return result,
            Some(Some(true)) => return Expr::Case { branches: kept, otherwise: Box::new(result) },
            Some(_) => {}
            None => kept.push((condition, result)),
        }
    }
    if kept.is_empty() { *otherwise } else { Expr::Case { branches: kept, otherwise } }
}

fn coalesce(args: Vec<Scalar>) -> Scalar {
    let data_type = args[0].data_type();
    let mut kept = Vec::with_capacity(args.len());
    for arg in args {
        match &arg {
            Expr::Literal(Datum::Null, _) => {}
            Expr::Literal(..) => {
                kept.push(arg);
                break;
            }
            _ => kept.push(arg),
        }
    }
    match kept.len() {
        0 => Expr::Literal(Datum::Null, data_type),
        1 => kept.swap_remove(0),
        _ => Expr::Coalesce(kept),
    }
}
