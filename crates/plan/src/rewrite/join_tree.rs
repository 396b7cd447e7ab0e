//! A tree of joins taken apart: inputs side by side, the conditions between them, and the tree's columns as expressions.
//!
//! ```text
//!  π (Map f (σ p ((A ⋈ B) ⟕ C) ⋉ D))      inputs      A, B, and attached C and D, each with its place in the columns
//!                                         conditions  those of A ⋈ B, and p
//!                                         output      expressions over A's, B's and C's columns
//! ```
//! The null-supplying side of an outer join is *attached* with its own conditions: each row of the others is joined to
//! its matches, or to NULLs. That commutes with the inner joins, and with conditions on the others. So do the right
//! sides of semi and anti joins, which keep or drop rows of the others.

use crate::mir::{JoinKind, Mir};
use crate::scalars::columns_of;
use headwater_expr::registry::Volatility;
use headwater_expr::{Expr, Scalar};

/// Trees of more inputs are left alone: each is tried as the side to aggregate, and each time the join is looked at anew.
const INPUTS_MAX: usize = 8;

/// Expressions that get larger than this by substitution are left alone.
const EXPRESSION_NODES_MAX: usize = 200;

/// An input of the tree.
#[derive(Debug)]
pub(super) struct JoinInput<'a> {
    pub(super) mir: &'a Mir,
    /// Where its columns start among the tree's.
    pub(super) start: usize,
    pub(super) arity: usize,
    /// Inner; left, semi or anti of an attached input.
    pub(super) kind: JoinKind,
    /// The conditions of an attached input.
    pub(super) on: Vec<Scalar>,
}

impl JoinInput<'_> {
    /// Whether it is joined to the others by its own conditions.
    pub(super) fn is_attached(&self) -> bool {
        self.kind != JoinKind::Inner
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct JoinTree<'a> {
    pub(super) inputs: Vec<JoinInput<'a>>,
    /// Over the inputs' columns; an AND.
    pub(super) conditions: Vec<Scalar>,
    /// The tree's columns, over the inputs'.
    pub(super) output: Vec<Scalar>,
}

impl<'a> JoinTree<'a> {
    /// The tree at `mir`, of two inputs at least.
    pub(super) fn of(mir: &'a Mir) -> Option<Self> {
        let mut tree = Self::default();
        tree.output = tree.flatten(mir)?;
        let fallible = |input: &JoinInput<'_>| input.on.iter().any(Scalar::is_fallible);
        (tree.inputs.len() > 1 && !tree.inputs.iter().any(fallible)).then_some(tree)
    }

    /// The input that a column belongs to.
    pub(super) fn input_of(&self, column: usize) -> usize {
        self.inputs.partition_point(|input| input.start <= column).saturating_sub(1)
    }

    /// The inputs whose columns a scalar uses.
    pub(super) fn inputs_of(&self, scalar: &Scalar) -> crate::columns::ColumnSet {
        columns_of(scalar).iter().map(|c| self.input_of(c)).collect()
    }

    fn flatten(&mut self, mir: &'a Mir) -> Option<Vec<Scalar>> {
        match mir {
            _ if !reaches_a_join(mir) => self.add_input(mir),
            Mir::Join { left, right, kind: JoinKind::Inner, on } => {
                let mut columns = self.flatten(left)?;
                columns.extend(self.flatten(right)?);
                self.add_conditions(on, &columns)?;
                Some(columns)
            }
            Mir::Join { left, right, kind: JoinKind::Left, on } => {
                let mut columns = self.flatten(left)?;
                columns.extend(self.add_input(right)?);
                self.attach(JoinKind::Left, on, &columns)?;
                Some(columns)
            }
            Mir::Join { left, right, kind: JoinKind::Right, on } => {
                let preserved = self.flatten(right)?;
                let mut columns = self.add_input(left)?;
                columns.extend(preserved);
                self.attach(JoinKind::Left, on, &columns)?;
                Some(columns)
            }
            Mir::Join { left, right, kind: kind @ (JoinKind::Semi | JoinKind::Anti), on } => {
                let mut columns = self.flatten(left)?;
                let l = columns.len();
                columns.extend(self.add_input(right)?);
                self.attach(*kind, on, &columns)?;
                columns.truncate(l);
                Some(columns)
            }
            Mir::Filter { input, predicates } => {
                let columns = self.flatten(input)?;
                self.add_conditions(predicates, &columns)?;
                Some(columns)
            }
            Mir::Project { input, columns } => {
                let input = self.flatten(input)?;
                Some(columns.iter().map(|&c| input[c].clone()).collect())
            }
            Mir::Map { input, scalars } if scalars.iter().all(|s| s.volatility() != Volatility::Volatile) => {
                let mut columns = self.flatten(input)?;
                let computed: Option<Vec<Scalar>> = scalars.iter().map(|s| substituted(s, &columns)).collect();
                columns.extend(computed?);
                Some(columns)
            }
            _ => self.add_input(mir),
        }
    }

    fn add_input(&mut self, mir: &'a Mir) -> Option<Vec<Scalar>> {
        if self.inputs.len() == INPUTS_MAX {
            return None;
        }
        let start = self.inputs.last().map_or(0, |input| input.start + input.arity);
        let types = mir.types();
        self.inputs.push(JoinInput { mir, start, arity: types.len(), kind: JoinKind::Inner, on: vec![] });
        Some(types.into_iter().enumerate().map(|(i, t)| Scalar::column(start + i, t)).collect())
    }

    fn add_conditions(&mut self, conditions: &[Scalar], columns: &[Scalar]) -> Option<()> {
        for condition in conditions {
            let condition = substituted(condition, columns)?;
            if !self.conditions.contains(&condition) {
                self.conditions.push(condition);
            }
        }
        Some(())
    }

    /// Makes the last input an attached one.
    fn attach(&mut self, kind: JoinKind, on: &[Scalar], columns: &[Scalar]) -> Option<()> {
        let on = on.iter().map(|c| substituted(c, columns)).collect::<Option<_>>()?;
        let last = self.inputs.last_mut()?;
        (last.kind, last.on) = (kind, on);
        Some(())
    }
}

/// Whether the operator below maps, filters and projections is a join that can be taken apart. What is not is an input
/// with everything above it, which stays together.
fn reaches_a_join(mir: &Mir) -> bool {
    match mir {
        Mir::Join { kind, .. } => *kind != JoinKind::Full,
        Mir::Map { input, .. } | Mir::Filter { input, .. } | Mir::Project { input, .. } => reaches_a_join(input),
        _ => false,
    }
}

/// The scalar with each column replaced; `None` if that gets too large.
pub(super) fn substituted(scalar: &Scalar, columns: &[Scalar]) -> Option<Scalar> {
    let mut nodes = 0;
    scalar.for_each_leaf(&mut |column| nodes += size(&columns[column.index]));
    (nodes <= EXPRESSION_NODES_MAX || scalar.as_column().is_some())
        .then(|| scalar.clone().map_leaves(&mut |column| columns[column.index].clone()))
}

/// The number of nodes.
pub(super) fn size<L>(scalar: &Expr<L>) -> usize {
    1 + scalar.children().into_iter().map(size).sum::<usize>()
}
