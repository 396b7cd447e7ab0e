//! DISTINCT, and checks for a single row, where a key makes them superfluous.
//!
//! ```text
//! Before: δ (R), R has a strict key            After: R
//! Before: γ g; (no aggregates) (R), g ⊇ key    After: π g (R)
//! Before: AtMostOne k (R), k ⊇ key             After: R
//! Before: TopK 1 per g (R), g ⊇ key            After: R
//! ```
//! Sound because a relation with a strict key has no row twice.

use super::Context;
use crate::mir::Mir;
use crate::properties::Properties;

/// Whether the operator has been replaced.
pub(super) fn apply(mir: &mut Mir, inputs: &[Properties], context: &mut Context<'_>) -> bool {
    let [known] = inputs else { return false };
    let within = |columns: &[usize]| known.has_key_within(&columns.iter().copied().collect());
    let replacement = match mir {
        Mir::Distinct { input } if known.is_set() => input.take(),
        Mir::AtMostOne { input, key } if within(key) => input.take(),
        Mir::TopK { input, group_key, offset: 0, limit, .. } if *limit != Some(0) && within(group_key) => input.take(),
        Mir::Aggregate { input, group_key, aggregates }
            if aggregates.is_empty() && !group_key.is_empty() && within(group_key) =>
        {
            input.take().project(std::mem::take(group_key))
        }
        _ => return false,
    };
    *mir = replacement;
    context.fired("redundant distinct");
    true
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::Mir;
    use crate::testing::{get, golden};

    const ONLY: RewriteOptions = RewriteOptions { redundant_distinct: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        let one = |input: Mir, key| Mir::AtMostOne { input: Box::new(input), key };
        golden(
            "redundant_distinct",
            ONLY,
            vec![
                ("of a key", get(1).project(vec![0, 1]).distinct()),
                ("of no key", get(1).project(vec![1, 2]).distinct()),
                ("of a grouping", get(1).aggregate(vec![1], vec![]).distinct()),
                ("a grouping by a key", get(1).aggregate(vec![2, 0], vec![])),
                ("one row per key", one(get(1), vec![0, 2])),
                ("one row per something else", one(get(1), vec![2])),
                ("a whole aggregate is one row", one(get(1).aggregate(vec![], vec![]), vec![])),
            ],
        );
    }
}
