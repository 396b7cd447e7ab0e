//! A join condition over expressions becomes a join key: each expression is computed on its side.
//!
//! ```text
//! Before: a ⋈ lower(a.x) = b.y b        After: π (Map [lower(x)] (a) ⋈ x' = y b)
//! ```
//! Sound if the expressions raise nothing: they are computed for rows that may have no match. An equality that may
//! fail is used all the same where a join has no other key, since the alternative is to try every pair; its error is
//! then raised for a row even while the other side is empty.

use super::Context;
use crate::columns::ColumnSet;
use crate::mir::{JoinKind, Mir};
use crate::scalars::{Equation, columns_of, uses_only};
use headwater_expr::Scalar;
use headwater_expr::registry::Volatility;

pub(super) fn rewrite(mut mir: Mir, context: &mut Context<'_>) -> Mir {
    for child in mir.children_mut() {
        *child = rewrite(child.take(), context);
    }
    match mir {
        Mir::Join { left, right, kind, on } => join(*left, *right, kind, on, context),
        mir => mir,
    }
}

/// The equality with its sides as the join's, if each uses columns of one side only, and some.
pub(crate) fn crossing(scalar: &Scalar, l: usize) -> Option<Equation> {
    let equation = Equation::of(scalar)?;
    let (a, b) = (columns_of(&equation.left), columns_of(&equation.right));
    let within = |set: &ColumnSet, left: bool| !set.is_empty() && set.iter().all(|c| (c < l) == left);
    if within(&a, true) && within(&b, false) {
        Some(equation)
    } else if within(&b, true) && within(&a, false) {
        Some(equation.swapped())
    } else {
        None
    }
}

fn join(left: Mir, right: Mir, kind: JoinKind, on: Vec<Scalar>, context: &mut Context<'_>) -> Mir {
    let (l, r) = (left.arity(), right.arity());
    let usable = |fallible: bool, conjunct: &Scalar| {
        crossing(conjunct, l).filter(|e| {
            conjunct.volatility() != Volatility::Volatile
                && (fallible || !e.left.is_fallible() && !e.right.is_fallible())
        })
    };
    let certain = on.iter().any(|c| usable(false, c).is_some());
    let mut left_keys: Vec<Scalar> = Vec::new();
    let mut right_keys: Vec<Scalar> = Vec::new();
    // Equations in terms of (left key, right key) still to be placed, and the other conditions.
    let mut placed: Vec<(Equation, usize, usize)> = Vec::new();
    let mut rest: Vec<Scalar> = Vec::new();
    for conjunct in on {
        let key = match usable(!certain && placed.is_empty(), &conjunct) {
            Some(equation) if equation.left.as_column().is_none() || equation.right.as_column().is_none() => equation,
            _ => {
                rest.push(conjunct);
                continue;
            }
        };
        let right_key = key.right.clone().remap(&mut |c| c - l);
        let a = place(&mut left_keys, l, key.left.clone());
        let b = place(&mut right_keys, r, right_key);
        placed.push((key, a, b));
    }
    if placed.is_empty() {
        return left.join(right, kind, rest);
    }
    context.fired("join keys of expressions");
    let (more_left, more_right) = (left_keys.len(), right_keys.len());
    let wide = l + more_left;
    let shift = |c: usize| if c < l { c } else { c - l + wide };
    let mut on: Vec<Scalar> = Vec::with_capacity(placed.len() + rest.len());
    for (equation, a, b) in placed {
        let (left_type, right_type) = (equation.left.data_type(), equation.right.data_type());
        let left = Scalar::column(a, left_type);
        let right = Scalar::column(wide + b, right_type);
        on.push(Equation { left, right, function: equation.function }.into_scalar());
    }
    on.extend(rest.into_iter().map(|p| p.remap(&mut |c| shift(c))));
    debug_assert!(on.iter().all(|p| uses_only(p, |c| c < wide + r + more_right)));
    let joined = left.map(left_keys).join(right.map(right_keys), kind, on);
    match kind {
        JoinKind::Semi | JoinKind::Anti => joined.project((0..l).collect()),
        _ => joined.project((0..l).chain(wide..wide + r).collect()),
    }
}

/// The column that holds `key` on a side of `arity` columns: its own, or one more.
fn place(keys: &mut Vec<Scalar>, arity: usize, key: Scalar) -> usize {
    if let Some(column) = key.as_column() {
        return column;
    }
    let index = keys.iter().position(|k| *k == key).unwrap_or_else(|| {
        keys.push(key);
        keys.len() - 1
    });
    arity + index
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::JoinKind;
    use crate::testing::{column, equal, get, golden, operator, text};
    use headwater_expr::{Cast, CastContext, Expr};
    use headwater_types::DataType;

    const ONLY: RewriteOptions = RewriteOptions { equi_key: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        let both = get(1).join(get(2), JoinKind::Inner, vec![]);
        let concatenated = operator("||", column(&both, 5), text("x"));
        let computed = equal(column(&both, 2), concatenated);
        let two = get(4).join(get(4), JoinKind::Inner, vec![]);
        let sum = equal(operator("+", column(&two, 0), column(&two, 1)), column(&two, 2));
        let wide = Expr::Cast(Box::new(column(&two, 0)), Cast { to: DataType::Int8, context: CastContext::Implicit });
        let plain = equal(column(&two, 1), column(&two, 3));
        golden(
            "equi_key",
            ONLY,
            vec![
                ("a computed key", get(1).join(get(2), JoinKind::Inner, vec![computed.clone()])),
                ("of a semi join", get(1).join(get(2), JoinKind::Semi, vec![computed])),
                ("one that may fail, for want of another", get(4).join(get(4), JoinKind::Inner, vec![sum.clone()])),
                ("one that may fail, beside another", get(4).join(get(4), JoinKind::Inner, vec![sum, plain])),
                (
                    "both sides in one operand",
                    get(4).join(
                        get(4),
                        JoinKind::Inner,
                        vec![equal(
                            operator("+", wide, Expr::Literal(headwater_types::Datum::Int8(1), DataType::Int8)),
                            Expr::Literal(headwater_types::Datum::Int8(1), DataType::Int8),
                        )],
                    ),
                ),
            ],
        );
    }
}
