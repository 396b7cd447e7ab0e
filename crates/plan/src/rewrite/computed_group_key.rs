//! Group columns that are computed from other group columns are computed after the grouping.
//!
//! ```text
//! Before: γ w, w + '1 hour'; count (Map [w + '1 hour'] (R))
//! After:  π (Map [w + '1 hour'] (γ w; count (R)))
//! ```
//! Sound because such a column splits no group, and its value is the same for all rows of a group: the columns it is
//! computed from must be of types whose equal values are identical, and no volatile expression takes part. What fails
//! for a row then fails for the row's group. TUMBLE's `window_end` is the usual case. One group column at least stays.

use super::Context;
use super::join_tree::{size, substituted};
use crate::mir::{JoinKind, Mir};
use crate::scalars::equal_is_identical;
use headwater_expr::registry::Volatility;
use headwater_expr::{Expr, Scalar};

pub(super) fn rewrite(mut mir: Mir, context: &mut Context<'_>) -> Mir {
    for child in mir.children_mut() {
        *child = rewrite(child.take(), context);
    }
    match mir {
        Mir::Aggregate { input, group_key, aggregates } => {
            let computed = computed_keys(&input, &group_key);
            if computed.is_empty() {
                return Mir::Aggregate { input, group_key, aggregates };
            }
            context.fired("group columns computed later");
            let kept: Vec<usize> =
                (0..group_key.len()).filter(|i| !computed.iter().any(|(place, _)| place == i)).collect();
            let arity = kept.len() + aggregates.len();
            let mut columns: Vec<usize> = (0..group_key.len() + aggregates.len())
                .map(|i| i.checked_sub(group_key.len()).map_or(usize::MAX, |call| kept.len() + call))
                .collect();
            for (place, &i) in kept.iter().enumerate() {
                columns[i] = place;
            }
            let mut scalars = Vec::with_capacity(computed.len());
            for (i, scalar) in computed {
                columns[i] = arity + scalars.len();
                let place = |c: usize| kept.iter().position(|&k| group_key[k] == c).unwrap_or(c);
                scalars.push(scalar.remap(&mut |c| place(c)));
            }
            let group_key = kept.iter().map(|&i| group_key[i]).collect();
            let grouped = Mir::Aggregate { input, group_key, aggregates };
            Mir::Map { input: Box::new(grouped), scalars }.project(columns)
        }
        mir => mir,
    }
}

/// The places in the key of the columns that others determine, each with its expression over the others.
fn computed_keys(input: &Mir, group_key: &[usize]) -> Vec<(usize, Scalar)> {
    if group_key.len() < 2 {
        return vec![];
    }
    let definitions = definitions(input, &mut 0);
    let mut candidates: Vec<usize> = (0..group_key.len()).collect();
    // What contains others goes first.
    candidates.sort_by_key(|&i| std::cmp::Reverse((size(&definitions[group_key[i]]), i)));
    let mut kept: Vec<usize> = (0..group_key.len()).collect();
    let mut computed = Vec::new();
    for i in candidates {
        let others: Vec<usize> = kept.iter().filter(|&&k| k != i).map(|&k| group_key[k]).collect();
        if !others.is_empty() && in_terms_of(&definitions[group_key[i]], &others, &definitions).is_some() {
            kept.retain(|&k| k != i);
            computed.push(i);
        }
    }
    let kept: Vec<usize> = kept.into_iter().map(|i| group_key[i]).collect();
    let expression = |i: usize| Some((i, in_terms_of(&definitions[group_key[i]], &kept, &definitions)?));
    computed.into_iter().filter(|i| !kept.contains(&group_key[*i])).filter_map(expression).collect()
}

/// The definition as an expression over the columns `known`, if those suffice.
fn in_terms_of(definition: &Scalar, known: &[usize], definitions: &[Scalar]) -> Option<Scalar> {
    let found = known.iter().find(|&&c| definitions[c] == *definition);
    if let Some(&column) = found
        && equal_is_identical(&definition.data_type())
    {
        return Some(Scalar::column(column, definition.data_type()));
    }
    if matches!(definition, Expr::Leaf(_)) {
        return None;
    }
    let mut result = definition.clone();
    for child in result.children_mut() {
        *child = in_terms_of(child, known, definitions)?;
    }
    Some(result)
}

/// What each column is computed from: expressions over columns of the relations below, which are numbered from `next`.
fn definitions(mir: &Mir, next: &mut usize) -> Vec<Scalar> {
    match mir {
        Mir::Project { input, columns } => {
            let input = definitions(input, next);
            columns.iter().map(|&c| input[c].clone()).collect()
        }
        Mir::Map { input, scalars } => {
            let mut columns = definitions(input, next);
            for scalar in scalars {
                let known = (scalar.volatility() != Volatility::Volatile).then(|| substituted(scalar, &columns));
                columns.push(known.flatten().unwrap_or_else(|| fresh(scalar.data_type(), next)));
            }
            columns
        }
        Mir::Filter { input, .. } => definitions(input, next),
        Mir::Join { left, right, kind, .. } => {
            let mut columns = definitions(left, next);
            match kind {
                JoinKind::Inner => columns.extend(definitions(right, next)),
                JoinKind::Semi | JoinKind::Anti => {}
                // NULLs are added, which are computed from nothing.
                JoinKind::Left => columns.extend(right.types().into_iter().map(|t| fresh(t, next))),
                JoinKind::Right | JoinKind::Full => {
                    columns = mir.types().into_iter().map(|t| fresh(t, next)).collect();
                }
            }
            columns
        }
        _ => mir.types().into_iter().map(|t| fresh(t, next)).collect(),
    }
}

fn fresh(data_type: headwater_types::DataType, next: &mut usize) -> Scalar {
    *next += 1;
    Scalar::column(*next - 1, data_type)
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::JoinKind;
    use crate::testing::{call, column, equal, get, golden, int, operator};
    use headwater_expr::{AggregateFunction, Cast, CastContext, Expr};
    use headwater_types::DataType;

    const ONLY: RewriteOptions = RewriteOptions { computed_group_key: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        let count = || call(AggregateFunction::CountStar, None, false, DataType::Int8);
        let plain = get(4);
        let next = plain.clone().map(vec![operator("+", column(&plain, 0), int(1))]);
        let twice = next.clone().map(vec![operator("*", column(&next, 2), int(2))]);
        let sum = plain.clone().map(vec![operator("+", column(&plain, 0), column(&plain, 1))]);
        let all = next.clone().join(get(2), JoinKind::Left, vec![]);
        let joined = next.clone().join(get(2), JoinKind::Left, vec![equal(column(&all, 4), column(&all, 5))]);
        let to = DataType::Float8;
        let float = |c| Expr::Cast(Box::new(c), Cast { to: to.clone(), context: CastContext::Explicit });
        let floats = plain.clone().map(vec![float(column(&plain, 0))]);
        let of_floats = floats.clone().map(vec![operator("+", column(&floats, 2), column(&floats, 2))]);
        golden(
            "computed_group_key",
            ONLY,
            vec![
                ("one of two", next.clone().aggregate(vec![2, 0], vec![count()])),
                ("of one that goes too", twice.clone().aggregate(vec![0, 3, 2], vec![count()])),
                ("of one that stays", twice.aggregate(vec![2, 3, 1], vec![count()])),
                ("through a join", joined.aggregate(vec![0, 2, 3], vec![])),
                ("of two, one of which is not grouped by", sum.aggregate(vec![0, 2], vec![])),
                ("equal floats may differ", of_floats.aggregate(vec![2, 3], vec![])),
                ("one stays", next.project(vec![2, 2]).aggregate(vec![0, 1], vec![])),
            ],
        );
    }
}
