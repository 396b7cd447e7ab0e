//! Rewrites from MIR to MIR. Each is one file and one idea, can be switched off, and is sound by itself: any subset, in
//! any order, gives the same rows.
//!
//! *Errors.* A rewrite may lose the error of a row or a value that does not reach the result, as PostgreSQL's do; it
//! never makes an error. So an expression that may fail never moves below an operator that could discard its row.

mod computed_group_key;
mod demand;
mod distinct_elimination;
mod eager_aggregation;
mod equi_key;
pub(crate) use equi_key::crossing;
mod estimate;
mod fold;
mod group_key;
mod inline_let;
mod join_order;
mod join_tree;
mod nullability;
mod outer_to_inner;
mod pushdown;
mod redundant_distinct;
mod semi_join;
mod unused_join;

use crate::mir::{JoinKind, Mir};
use crate::properties::{Bindings, Properties};
use crate::{PlanInfo, properties, typecheck};
pub(crate) use fold::fold_scalar;
use headwater_types::Result;

macro_rules! rewrites {
    ($($(#[$doc:meta])* $field:ident, $name:literal;)*) => {
        /// Which rewrites may be used.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct RewriteOptions { $($(#[$doc])* pub $field: bool,)* }

        impl RewriteOptions {
            /// Every rewrite.
            #[must_use]
            pub const fn all() -> Self {
                Self { $($field: true,)* }
            }

            /// None.
            #[must_use]
            pub const fn none() -> Self {
                Self { $($field: false,)* }
            }

            /// The rewrites whose bits are set, in the order of the fields.
            #[must_use]
            pub fn from_bits(bits: u32) -> Self {
                let mut bit = 0..;
                let mut next = || bit.next().is_some_and(|i| bits.checked_shr(i).unwrap_or(0) & 1 == 1);
                Self { $($field: next(),)* }
            }

            /// Their names, for EXPLAIN.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];
        }
    };
}

rewrites! {
    /// Common table expressions used once are put where they are used.
    inline_let, "inline common table expressions";
    /// Constants are computed, and what is empty disappears.
    fold, "constant folding";
    /// Conditions move to where the rows come from, and into joins.
    pushdown, "predicate pushdown";
    /// Outer joins whose added rows are dropped again become inner joins.
    outer_to_inner, "outer join to inner join";
    /// Semi joins become inner joins where no row has two matches.
    semi_join, "semi join to inner join";
    /// Group columns that others determine are computed after the grouping.
    computed_group_key, "group columns computed later";
    /// GROUP BY is pushed below joins.
    eager_aggregation, "eager aggregation";
    /// Inner joins are put in an order.
    join_order, "join order";
    /// COUNT(DISTINCT x) becomes COUNT(x) where x cannot repeat.
    distinct_elimination, "distinct elimination";
    /// DISTINCT and checks for a single row go where a key makes them superfluous.
    redundant_distinct, "redundant distinct";
    /// Tests for NULL of what is never NULL.
    nullability, "null tests";
    /// Join conditions over expressions become join keys.
    equi_key, "join keys of expressions";
    /// Rows are grouped by no column that the others determine, where nobody asks for it.
    group_key, "shorter group keys";
    /// Outer joins of which only the preserved side is used go.
    unused_join, "unused outer join";
    /// Only columns that are used are carried.
    demand, "projection pushdown";
}

impl Default for RewriteOptions {
    fn default() -> Self {
        Self::all()
    }
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A materialized view: every change goes through it.
    View,
    /// A query: all rows go through it once.
    Query,
}

/// What a rewrite works with.
pub(crate) struct Context<'a> {
    pub(crate) info: &'a dyn PlanInfo,
    pub(crate) purpose: Purpose,
    pub(crate) options: RewriteOptions,
    fired: Vec<&'static str>,
}

impl Context<'_> {
    /// Notes that a rewrite has changed something.
    pub(crate) fn fired(&mut self, name: &'static str) {
        if !self.fired.contains(&name) {
            self.fired.push(name);
        }
    }
}

type Rewrite = fn(Mir, &mut Context<'_>) -> Mir;

/// Rewrites the plan; also tells which rewrites did something.
///
/// # Errors
///
/// XX000 if a rewrite broke the plan (debug builds look).
pub(crate) fn optimize(
    mir: Mir,
    info: &dyn PlanInfo,
    options: RewriteOptions,
    purpose: Purpose,
) -> Result<(Mir, Vec<&'static str>)> {
    let mut context = Context { info, purpose, options, fired: Vec::new() };
    let pipeline: [(bool, &'static str, Rewrite); 14] = [
        (options.inline_let, "inline_let", inline_let::rewrite),
        (options.fold, "fold", fold::rewrite),
        (options.pushdown, "pushdown", pushdown::rewrite),
        (options.fold, "fold", fold::rewrite),
        (options.semi_join, "semi_join", rewrite_semi_joins),
        (options.computed_group_key, "computed_group_key", computed_group_key::rewrite),
        (options.eager_aggregation, "eager_aggregation", eager_aggregation::rewrite),
        (options.join_order, "join_order", join_order::rewrite),
        (options.distinct_elimination || options.redundant_distinct || options.nullability, "keys", rewrite_by_keys),
        (options.fold && options.nullability, "fold", fold::rewrite),
        (options.pushdown && options.nullability, "pushdown", pushdown::rewrite),
        (options.equi_key, "equi_key", equi_key::rewrite),
        (options.demand, "demand", demand::rewrite),
        (options.inline_let && options.demand, "inline_let", inline_let::rewrite),
    ];
    let mut mir = mir;
    for (enabled, name, rewrite) in pipeline {
        // Nothing is left to do for a constant: most `SELECT 1`s end here.
        if !enabled || matches!(mir, Mir::Constant { .. }) {
            continue;
        }
        mir = rewrite(mir, &mut context);
        if cfg!(debug_assertions) {
            typecheck::check(&mir).map_err(|problem| {
                headwater_types::SqlError::internal(format!("rewrite {name} broke the plan: {problem}"))
            })?;
        }
    }
    Ok((mir, context.fired))
}

/// Changes an operator, given what is known of its inputs; whether that has replaced it.
type ByKeys = fn(&mut Mir, &[Properties], &mut Context<'_>) -> bool;

/// The rewrites that need to know keys, in one pass from the leaves up.
fn rewrite_by_keys(mut mir: Mir, context: &mut Context<'_>) -> Mir {
    visit_with_keys(&mut mir, context, &mut Bindings::new(), by_keys);
    mir
}

fn rewrite_semi_joins(mut mir: Mir, context: &mut Context<'_>) -> Mir {
    if has_semi_join(&mir) {
        visit_with_keys(&mut mir, context, &mut Bindings::new(), semi_join::apply);
    }
    mir
}

fn has_semi_join(mir: &Mir) -> bool {
    matches!(mir, Mir::Join { kind: JoinKind::Semi, .. }) || mir.children().into_iter().any(has_semi_join)
}

fn by_keys(mir: &mut Mir, inputs: &[Properties], context: &mut Context<'_>) -> bool {
    if context.options.distinct_elimination {
        distinct_elimination::apply(mir, inputs, context);
    }
    if context.options.nullability {
        nullability::apply(mir, inputs, context);
    }
    context.options.redundant_distinct && redundant_distinct::apply(mir, inputs, context)
}

fn visit_with_keys(mir: &mut Mir, context: &mut Context<'_>, bindings: &mut Bindings, apply: ByKeys) -> Properties {
    if let Mir::Let { id, value, body } = mir {
        let known = visit_with_keys(value, context, bindings, apply);
        bindings.insert(*id, known);
        return visit_with_keys(body, context, bindings, apply);
    }
    let inputs: Vec<_> =
        mir.children_mut().into_iter().map(|input| visit_with_keys(input, context, bindings, apply)).collect();
    if apply(mir, &inputs, context) {
        // The operator is gone: what has taken its place is looked at anew.
        return properties::of(mir, context.info, bindings);
    }
    properties::derive(mir, inputs, context.info, bindings)
}
