//! MIR as text. Columns are shown by ordinal.

use super::scalar::{aggregate, direction, scalar};
use super::{Lines, list};
use crate::PlanInfo;
use crate::mir::{JoinKind, Mir, MirAggregate};
use headwater_expr::{Column, Scalar};

/// The relation as text.
pub(crate) fn explain(mir: &Mir, info: &dyn PlanInfo) -> String {
    let mut lines = Lines::new();
    relation(mir, 0, info, &mut lines);
    lines.text
}

/// The scalar as text, columns by ordinal.
pub(crate) fn scalar_text(s: &Scalar) -> String {
    scalar(s, &|c: &Column| format!("#{}", c.index))
}

/// The call as text, columns by ordinal.
pub(crate) fn call_text(call: &MirAggregate) -> String {
    aggregate(call, &|c: &Column| format!("#{}", c.index))
}

fn ordinal(column: &usize) -> String {
    format!("#{column}")
}

fn relation(mir: &Mir, depth: usize, info: &dyn PlanInfo, lines: &mut Lines) {
    let line = match mir {
        Mir::Constant { rows, types } => format!("Constant  ({} rows, {} columns)", rows.len(), types.len()),
        Mir::Get { relation, .. } => format!("Get {}", info.name(*relation)),
        Mir::Let { id, .. } => format!("Let l{id}"),
        Mir::LocalGet { id, .. } => format!("Get l{id}"),
        Mir::Project { columns, .. } => format!("Project  ({})", list(columns, ordinal)),
        Mir::Map { scalars, .. } => format!("Map  ({})", list(scalars, scalar_text)),
        Mir::Filter { predicates, .. } => format!("Filter  ({})", list(predicates, scalar_text)),
        Mir::Join { kind, on, .. } => match (kind, on.as_slice()) {
            (JoinKind::Inner, []) => "CrossJoin".to_owned(),
            (kind, on) => format!("{kind:?}Join  ({})", list(on, scalar_text)),
        },
        Mir::Aggregate { group_key, aggregates, .. } => {
            let aggregates = list(aggregates, call_text);
            format!("Aggregate  (key: {}; {aggregates})", list(group_key, ordinal))
        }
        Mir::Distinct { .. } => "Distinct".to_owned(),
        Mir::TopK { group_key, order_by, limit, offset, .. } => {
            let order = list(order_by, |o| direction(&ordinal(&o.column), o));
            let limit = limit.map_or("all".to_owned(), |l| l.to_string());
            format!("TopK  (key: {}; order: {order}; limit: {limit}; offset: {offset})", list(group_key, ordinal))
        }
        Mir::Union { .. } => "Union".to_owned(),
        Mir::Negate { .. } => "Negate".to_owned(),
        Mir::Threshold { .. } => "Threshold".to_owned(),
        Mir::FlatMap { function, args, .. } => format!("FlatMap  {function:?}({})", list(args, scalar_text)),
        Mir::AtMostOne { key, .. } => format!("AtMostOne  (key: {})", list(key, ordinal)),
    };
    lines.operator(depth, &line);
    mir.children().into_iter().for_each(|child| relation(child, depth + 1, info, lines));
}
