//! Joins of two inputs: inner, left, right, full, semi, anti; equality of keys and further conditions.
//!
//! ```text
//!  ΔL ─▶ index L ──────────┐               ΔL ⋈ R_old
//!        rows of L         ├─▶ pairs  =   +  L_new ⋈ ΔR      (= ΔL ⋈ R_old + L_old ⋈ ΔR + ΔL ⋈ ΔR)
//!  ΔR ─▶ index R ──────────┘
//!
//!  a pair: key hash ─▶ candidates ─▶ fetch ─▶ verify key ─▶ residual ─▶ mfp ─▶ Δout
//!  rows without a match: a count of matches per row of a side whose unmatched (or matched) rows are output
//! ```
//!
//! # Invariants
//!
//! 1. The outputs so far add up to the join of the inputs so far.
//! 2. An index holds the row ids of the rows whose key can match; rows live in the shared relation or the side's own.
//! 3. `matches` holds, for a side that needs it, the number of matching rows (by weight) of the other side; none is 0.
//! 4. Left is changed before right is probed into it, right after left was: each pair is seen once.
//! 5. A step costs O(|ΔL| + |ΔR| + pairs); nothing walks a side.
//! 6. A one-shot step keeps the smaller side only, and only until it returns.

mod one_shot;
mod pairs;
mod side;
#[cfg(test)]
mod tests;

use crate::delta::{Delta, SourceDelta, StepContext, StepError};
use crate::map_filter_project::MapFilterProject;
use crate::spec::{JoinKind, JoinPlan, Mfp};
use headwater_expr::Scalar;
use headwater_types::DataType;
use pairs::Probe;
use side::Side;

/// Where an input's rows are, after `types`, those of the input.
#[derive(Debug, Clone)]
pub enum SideRelation {
    /// In the stored relation that a `Source` reads; `mfp` is what the source does to them. The input's deltas carry row
    /// ids.
    Shared {
        /// The input's types.
        types: Vec<DataType>,
        /// What the source does.
        mfp: Mfp,
    },
    /// Kept by the join.
    Owned {
        /// The input's types.
        types: Vec<DataType>,
    },
}

/// One input of a step.
#[derive(Debug)]
pub struct SideInput<'a> {
    /// The input's change: for a shared side what the source made of `source.delta`, with row ids.
    pub delta: Delta,
    /// For a shared side, the relation's change, if it changed in this step.
    pub source: Option<&'a SourceDelta>,
}

/// What of a side's rows is output besides pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    Nothing,
    /// Rows without a match, with NULLs for the other side or by themselves.
    Unmatched,
    /// Rows with a match, by themselves.
    Matched,
}

/// What both directions of a join share.
#[derive(Debug)]
struct Shape {
    kind: JoinKind,
    left_types: Vec<DataType>,
    right_types: Vec<DataType>,
    residual: Vec<Scalar>,
    mfp: MapFilterProject,
    /// Columns of left and of right that pairs are made of: for the residual and the output.
    pair_columns: [Vec<usize>; 2],
    /// Columns of left and of right that rows output alone are made of.
    alone_columns: [Vec<usize>; 2],
}

impl Shape {
    fn new(plan: &JoinPlan, left_types: &[DataType], right_types: &[DataType]) -> Self {
        let mfp = MapFilterProject::new(&plan.mfp);
        let width = left_types.len();
        let mut pair = vec![false; width + right_types.len()];
        for condition in &plan.residual {
            condition.for_each_leaf(&mut |column| pair[column.index] = true);
        }
        if emits_pairs(plan.kind) {
            for &column in mfp.required() {
                pair[column] = true;
            }
        }
        let used = |range: std::ops::Range<usize>, is_used: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let start = range.start;
            range.filter(|&column| is_used(column)).map(|column| column - start).collect()
        };
        let required = |column: usize| mfp.required().binary_search(&column).is_ok();
        let all = width + right_types.len();
        Self {
            kind: plan.kind,
            left_types: left_types.to_vec(),
            right_types: right_types.to_vec(),
            residual: plan.residual.clone(),
            pair_columns: [used(0..width, &|c| pair[c]), used(width..all, &|c| pair[c])],
            alone_columns: [used(0..width, &required), used(width..all, &required)],
            mfp,
        }
    }

    /// What is output of left's rows (0) or right's (1) besides pairs.
    fn alone(&self, side: usize) -> Alone {
        match (self.kind, side) {
            (JoinKind::Semi, 0) => Alone::Matched,
            (JoinKind::Anti | JoinKind::Left | JoinKind::Full, 0) | (JoinKind::Right | JoinKind::Full, 1) => {
                Alone::Unmatched
            }
            _ => Alone::Nothing,
        }
    }

    /// The columns of a side's stored rows that are ever read.
    fn fetched(&self, side: usize, key: &[usize]) -> Vec<usize> {
        let alone: &[usize] = if self.alone(side) == Alone::Nothing { &[] } else { &self.alone_columns[side] };
        let mut columns = [&self.pair_columns[side], alone, key].concat();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn types(&self, side: usize) -> &[DataType] {
        if side == 0 { &self.left_types } else { &self.right_types }
    }
}

fn emits_pairs(kind: JoinKind) -> bool {
    !matches!(kind, JoinKind::Semi | JoinKind::Anti)
}

/// See the module.
#[derive(Debug)]
pub struct Join {
    shape: Shape,
    plan: JoinPlan,
    sides: [Side; 2],
}

impl Join {
    /// Joins inputs of these kinds.
    #[must_use]
    pub fn new(plan: &JoinPlan, left: SideRelation, right: SideRelation) -> Self {
        let types = |side: &SideRelation| match side {
            SideRelation::Shared { types, .. } | SideRelation::Owned { types } => types.clone(),
        };
        let shape = Shape::new(plan, &types(&left), &types(&right));
        let side = |number: usize, key: &[usize], relation: SideRelation| {
            let fetched = shape.fetched(number, key);
            Side::new(relation, key, &plan.null_safe, fetched, shape.alone(number) != Alone::Nothing)
        };
        let sides = [side(0, &plan.left_key, left), side(1, &plan.right_key, right)];
        Self { shape, plan: plan.clone(), sides }
    }

    /// The memory kept, without the rows that a stored relation keeps anyway.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.sides.iter().map(Side::state_bytes).sum()
    }

    /// Consumes one step's input deltas and returns that step's output delta.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn step(
        &mut self,
        left: SideInput<'_>,
        right: SideInput<'_>,
        context: &StepContext<'_>,
    ) -> Result<Delta, StepError> {
        context.touch(left.delta.rows() + right.delta.rows());
        let mut output = Delta::default();
        if context.one_shot {
            one_shot::join(&self.shape, &self.plan, left.delta, right.delta, context, &mut output)?;
            return Ok(output);
        }
        for (number, input) in [left, right].into_iter().enumerate() {
            let SideInput { delta, source } = input;
            output.errors.extend(delta.errors);
            // The side takes its own change before it is probed by the other's, and after it has probed the other.
            let parts = self.sides[number].parts(delta.batches)?;
            let [left, right] = &mut self.sides;
            let (own, other) = if number == 0 { (left, right) } else { (right, left) };
            let mut probe = Probe::new(&self.shape, number, context);
            for part in parts {
                let absorbed = own.absorb(part, source, context)?;
                for batch in &absorbed.batches {
                    probe.run(batch, own, other, &mut output)?;
                }
                own.move_matches(absorbed.moves.as_ref());
            }
            probe.settle(other, &mut output)?;
        }
        Ok(output)
    }
}
