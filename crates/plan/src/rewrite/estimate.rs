//! Rough row counts, for the order of joins and for what to aggregate below them: nothing else depends on them.

use crate::PlanInfo;
use crate::mir::{JoinKind, Mir};
use crate::scalars::Equation;

/// What an empty or unknown relation is taken for: views are often made before there is data.
const ROWS_UNKNOWN: f64 = 1000.0;

/// The share of rows that an equality keeps, and any other condition.
const EQUALITY_SHARE: f64 = 0.1;
const CONDITION_SHARE: f64 = 0.33;

/// About how many rows there are.
pub(super) fn rows(mir: &Mir, info: &dyn PlanInfo) -> f64 {
    match mir {
        Mir::Constant { rows, .. } => f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX)),
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        Mir::Get { relation, .. } => match info.rows(*relation) {
            None | Some(0) => ROWS_UNKNOWN,
            Some(count) => count as f64,
        },
        Mir::LocalGet { .. } => ROWS_UNKNOWN,
        Mir::Let { body, .. } => rows(body, info),
        Mir::Filter { input, predicates } => predicates.iter().fold(rows(input, info), |count, predicate| {
            count * if Equation::of(predicate).is_some() { EQUALITY_SHARE } else { CONDITION_SHARE }
        }),
        Mir::Join { left, right, kind, on } => {
            let (left, right) = (rows(left, info), rows(right, info));
            match kind {
                JoinKind::Semi | JoinKind::Anti => left * 0.5,
                _ if on.is_empty() => left * right,
                _ => left.max(right),
            }
        }
        Mir::Aggregate { input, group_key, .. } => {
            if group_key.is_empty() {
                1.0
            } else {
                (rows(input, info) * EQUALITY_SHARE).max(1.0)
            }
        }
        Mir::Union { inputs, .. } => inputs.iter().map(|input| rows(input, info)).sum(),
        Mir::TopK { input, group_key, limit, .. } => {
            let all = rows(input, info);
            match limit {
                Some(limit) if group_key.is_empty() => all.min(f64::from(u32::try_from(*limit).unwrap_or(u32::MAX))),
                _ => all,
            }
        }
        Mir::FlatMap { input, .. } => rows(input, info) * 10.0,
        Mir::Project { input, .. }
        | Mir::Map { input, .. }
        | Mir::Distinct { input }
        | Mir::Negate { input }
        | Mir::Threshold { input }
        | Mir::AtMostOne { input, .. } => rows(input, info),
    }
}

/// About which share of its rows a relation's conditions keep. An equality with a constant keeps a value's rows.
pub(super) fn kept_share(mir: &Mir, info: &dyn PlanInfo) -> f64 {
    match mir {
        Mir::Filter { input, predicates } => predicates.iter().fold(kept_share(input, info), |share, predicate| {
            let Some(Equation { left, right, .. }) = Equation::of(predicate) else { return share * CONDITION_SHARE };
            let column = left.as_column().xor(right.as_column());
            let values = match (&**input, column) {
                (Mir::Get { relation, .. }, Some(column)) => info.distinct(*relation, &[column]),
                _ => None,
            };
            let value_share = |values| 1.0 / f64::from(u32::try_from(values).unwrap_or(u32::MAX)).max(1.0);
            share * values.map_or(EQUALITY_SHARE, value_share)
        }),
        Mir::Project { input, .. } | Mir::Map { input, .. } => kept_share(input, info),
        _ => 1.0,
    }
}

/// As [`rows`], were there no conditions.
pub(super) fn rows_unfiltered(mir: &Mir, info: &dyn PlanInfo) -> f64 {
    match mir {
        Mir::Filter { input, .. } | Mir::Project { input, .. } | Mir::Map { input, .. } => rows_unfiltered(input, info),
        _ => rows(mir, info),
    }
}
