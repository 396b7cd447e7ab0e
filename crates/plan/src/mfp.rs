//! Maps, filters and projections fused into one [`Mfp`].
//!
//! ```text
//! Project [2, 0] ← Filter [p(2)] ← Map [f(0)] ← input of 2 columns
//! Mfp { input_arity: 2, expressions: [f(0)], predicates: [(1, p(2))], projection: [2, 0] }
//! ```
//! # Invariants
//!
//! 1. An expression that is there already, whole or as a part of another, is computed once.
//! 2. A predicate is applied as soon as the expressions it uses are there. Those of one filter that may fail come after
//!    its others, and together as one AND, so that a predicate that is false spares the row the errors of the rest.

use crate::scalars::{and_of, flatten_and};
use headwater_dataflow::spec::Mfp;
use headwater_expr::registry::Volatility;
use headwater_expr::{Column, Expr, Scalar};
use headwater_types::DataType;

/// Among more expressions than these, equal ones are not looked for: the search is quadratic.
const EXPRESSIONS_SOUGHT_MAX: usize = 128;

/// An [`Mfp`] in the making.
pub(crate) struct MfpBuilder {
    types: Vec<DataType>,
    mfp: Mfp,
}

impl MfpBuilder {
    /// Passes an input of these types on.
    pub(crate) fn new(types: Vec<DataType>) -> Self {
        Self { mfp: Mfp::identity(types.len()), types }
    }

    /// Keeps these of the current columns.
    pub(crate) fn project(&mut self, columns: &[usize]) {
        self.mfp.projection = columns.iter().map(|&c| self.mfp.projection[c]).collect();
    }

    /// Appends expressions over the current columns.
    pub(crate) fn map(&mut self, scalars: &[Scalar]) {
        let current = self.mfp.projection.clone();
        for scalar in scalars {
            let column = self.place(scalar.clone().remap(&mut |c| current[c]));
            self.mfp.projection.push(column);
        }
    }

    /// The column that holds the expression, which may be a new one.
    fn place(&mut self, scalar: Scalar) -> usize {
        let scalar = self.reusing(scalar);
        if let Some(column) = scalar.as_column() {
            return column;
        }
        self.types.push(scalar.data_type());
        self.mfp.expressions.push(scalar);
        self.mfp.input_arity + self.mfp.expressions.len() - 1
    }

    /// The scalar with every part that is an expression already replaced by its column.
    fn reusing(&self, mut scalar: Scalar) -> Scalar {
        if self.mfp.expressions.is_empty() || self.mfp.expressions.len() > EXPRESSIONS_SOUGHT_MAX {
            return scalar;
        }
        self.reuse(&mut scalar);
        scalar
    }

    fn reuse(&self, scalar: &mut Scalar) {
        if matches!(scalar, Expr::Leaf(_) | Expr::Literal(..)) {
            return;
        }
        let found = self.mfp.expressions.iter().position(|e| e == scalar);
        if let Some(i) = found.filter(|_| scalar.volatility() != Volatility::Volatile) {
            *scalar = Expr::Leaf(Column { index: self.mfp.input_arity + i, data_type: scalar.data_type() });
            return;
        }
        scalar.children_mut().into_iter().for_each(|child| self.reuse(child));
    }

    /// Keeps the rows for which these are true.
    pub(crate) fn filter(&mut self, predicates: &[Scalar]) {
        let current = self.mfp.projection.clone();
        let mut conjuncts = Vec::with_capacity(predicates.len());
        for predicate in predicates {
            flatten_and(predicate.clone().remap(&mut |c| current[c]), &mut conjuncts);
        }
        let conjuncts = conjuncts.into_iter().map(|p| self.reusing(p)).collect();
        let mut last = 0;
        for predicate in in_order(conjuncts) {
            let mut needed = self.expressions_needed(&predicate);
            if predicate.is_fallible() {
                needed = needed.max(last);
            }
            last = last.max(needed);
            let position = self.mfp.predicates.partition_point(|(n, _)| *n <= needed);
            self.mfp.predicates.insert(position, (needed, predicate));
        }
    }

    fn expressions_needed(&self, predicate: &Scalar) -> usize {
        let mut needed = 0;
        predicate.for_each_leaf(&mut |c| needed = needed.max((c.index + 1).saturating_sub(self.mfp.input_arity)));
        needed
    }

    /// The finished [`Mfp`] and the types of its output.
    pub(crate) fn finish(self) -> (Mfp, Vec<DataType>) {
        let types = self.mfp.projection.iter().map(|&c| self.types[c].clone()).collect();
        (self.mfp, types)
    }
}

/// Conjuncts as they are to be evaluated one after the other: those that may fail last, as one.
pub(crate) fn in_order(conjuncts: Vec<Scalar>) -> Vec<Scalar> {
    let (fallible, mut ordered): (Vec<_>, Vec<_>) = conjuncts.into_iter().partition(Scalar::is_fallible);
    if !fallible.is_empty() {
        ordered.push(and_of(fallible));
    }
    ordered
}
