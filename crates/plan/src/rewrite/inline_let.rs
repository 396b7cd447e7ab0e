//! A binding that is used once, or costs nothing to repeat, is put where it is used.
//!
//! ```text
//! Before: Let x = σ p (R) in … Get x …        After: … σ p (R) …
//! ```
//! Sound always: a binding means its value. A binding used more than once stays, and is one node of the dataflow;
//! unless it is a stored relation with filters and projections, which each use then narrows for itself.

use super::Context;
use crate::mir::Mir;
use crate::scalars::is_movable;
use std::collections::HashMap;

pub(super) fn rewrite(mir: Mir, context: &mut Context<'_>) -> Mir {
    let mut uses = HashMap::new();
    let mut lets = 0usize;
    count(&mir, &mut uses, &mut lets);
    if lets == 0 {
        return mir;
    }
    inline(mir, &uses, &mut HashMap::new(), context)
}

fn count(mir: &Mir, uses: &mut HashMap<usize, usize>, lets: &mut usize) {
    match mir {
        Mir::LocalGet { id, .. } => *uses.entry(*id).or_default() += 1,
        Mir::Let { .. } => *lets += 1,
        _ => {}
    }
    mir.children().into_iter().for_each(|child| count(child, uses, lets));
}

fn inline(
    mut mir: Mir,
    uses: &HashMap<usize, usize>,
    values: &mut HashMap<usize, Mir>,
    context: &mut Context<'_>,
) -> Mir {
    match mir {
        Mir::Let { id, value, body } => {
            let value = inline(*value, uses, values, context);
            if uses.get(&id).copied().unwrap_or(0) <= 1 || is_cheap(&value) {
                context.fired("inline common table expressions");
                values.insert(id, value);
                return inline(*body, uses, values, context);
            }
            let body = Box::new(inline(*body, uses, values, context));
            Mir::Let { id, value: Box::new(value), body }
        }
        Mir::LocalGet { id, types } => match values.get(&id) {
            Some(value) => value.clone(),
            None => Mir::LocalGet { id, types },
        },
        _ => {
            for child in mir.children_mut() {
                *child = inline(child.take(), uses, values, context);
            }
            mir
        }
    }
}

/// Whether each use may as well have its own copy.
fn is_cheap(mir: &Mir) -> bool {
    const ROWS_MAX: usize = 8;
    match mir {
        Mir::Get { .. } | Mir::LocalGet { .. } => true,
        Mir::Constant { rows, .. } => rows.len() <= ROWS_MAX,
        Mir::Project { input, .. } => is_cheap(input),
        Mir::Filter { input, predicates } => is_cheap(input) && predicates.iter().all(is_movable),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{get, golden};

    const ONLY: RewriteOptions = RewriteOptions { inline_let: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        let bound = |value: Mir, uses: usize| {
            let get = Mir::LocalGet { id: 1, types: value.types() };
            let body = (1..uses).fold(get.clone(), |all, _| all.join(get.clone(), JoinKind::Inner, vec![]));
            Mir::Let { id: 1, value: Box::new(value), body: Box::new(body) }
        };
        golden(
            "inline_let",
            ONLY,
            vec![
                ("used once", bound(get(4).distinct(), 1)),
                ("used twice", bound(get(4).distinct(), 2)),
                ("cheap", bound(get(4).project(vec![1]), 2)),
            ],
        );
    }
}
