//! LIR: a dataflow plan. Every decision is made; rendering obeys.
//!
//! A plan is a DAG of nodes in topological order. The same plan serves a view (each node keeps the state its operator
//! needs) and a one-shot query (each node sees its whole input as one delta).

use crate::rewrite;
pub use headwater_dataflow::spec::{Finishing, FlatMapPlan, JoinKind, JoinPlan, Mfp, ReducePlan, SideState, TopKPlan};
use headwater_expr::Scalar;
use headwater_types::{DataType, Datum, RelationId};
use serde::{Deserialize, Serialize};

/// A node's place in [`Plan::nodes`].
pub type NodeId = usize;

/// A dataflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The operators; a node's inputs precede it.
    pub nodes: Vec<Node>,
    /// The node whose output is the result.
    pub root: NodeId,
    /// Columns of the result that determine a row among live rows (a strict key: NULL = NULL), if any is known.
    pub key: Option<Vec<usize>>,
    /// The rewrites that fired, for EXPLAIN.
    pub rewrites: Vec<String>,
}

impl Plan {
    /// The plan of a run whose parameters have these values. What they make constant is computed, so that a constant
    /// looks the same to an operator wherever it comes from.
    ///
    /// # Panics
    ///
    /// If there are fewer values than parameters.
    #[must_use]
    pub fn with_parameters(&self, values: &[Datum]) -> Self {
        let mut plan = self.clone();
        for node in &mut plan.nodes {
            node.operator.for_each_scalar_mut(&mut |scalar| {
                if scalar.set_parameters(values) {
                    rewrite::fold_scalar(scalar);
                }
            });
        }
        plan
    }
}

/// One operator and its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it does.
    pub operator: Operator,
    /// Its inputs, as many as the operator takes.
    pub inputs: Vec<NodeId>,
    /// The types of its output columns.
    pub types: Vec<DataType>,
}

/// The operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// Literal rows with weights, present from the first step on. No input.
    Constant(Vec<(Vec<Datum>, i64)>),
    /// A stored relation's changes, mapped, filtered and projected. No input. Its deltas carry row ids.
    Source {
        /// The relation.
        relation: RelationId,
        /// What is done to its rows.
        mfp: Mfp,
    },
    /// Map, filter, project. One input.
    Mfp(Mfp),
    /// A join of two inputs.
    Join(JoinPlan),
    /// GROUP BY. One input.
    Reduce(ReducePlan),
    /// DISTINCT. One input.
    Distinct,
    /// ORDER BY … LIMIT per group. One input.
    TopK(TopKPlan),
    /// UNION ALL. Any number of inputs.
    Union,
    /// Weights negated. One input.
    Negate,
    /// Rows with a positive weight keep it, others vanish (EXCEPT ALL = Threshold(A ∪ −B)). One input.
    Threshold,
    /// A set-returning function of each input row. One input.
    FlatMap(FlatMapPlan),
    /// Raises 21000 for every group of `key` with more than one row, else passes rows on. One input.
    AtMostOne {
        /// The group columns.
        key: Vec<usize>,
    },
}

impl Operator {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "Constant",
            Self::Source { .. } => "Source",
            Self::Mfp(_) => "Map/Filter",
            Self::Join(_) => "Join",
            Self::Reduce(_) => "Reduce",
            Self::Distinct => "Distinct",
            Self::TopK(_) => "TopK",
            Self::Union => "Union",
            Self::Negate => "Negate",
            Self::Threshold => "Threshold",
            Self::FlatMap(_) => "FlatMap",
            Self::AtMostOne { .. } => "At Most One",
        }
    }

    fn for_each_scalar_mut(&mut self, visit: &mut impl FnMut(&mut Scalar)) {
        let mfp = match self {
            Self::Source { mfp, .. } | Self::Mfp(mfp) => mfp,
            Self::Join(join) => {
                join.residual.iter_mut().for_each(&mut *visit);
                &mut join.mfp
            }
            Self::Reduce(reduce) => {
                for aggregate in &mut reduce.aggregates {
                    aggregate.args.iter_mut().for_each(&mut *visit);
                    aggregate.filter.iter_mut().for_each(&mut *visit);
                    aggregate.order_by.iter_mut().for_each(|(key, _)| visit(key));
                }
                &mut reduce.mfp
            }
            Self::FlatMap(flat_map) => {
                flat_map.args.iter_mut().for_each(&mut *visit);
                &mut flat_map.mfp
            }
            Self::Constant(_)
            | Self::Distinct
            | Self::TopK(_)
            | Self::Union
            | Self::Negate
            | Self::Threshold
            | Self::AtMostOne { .. } => return,
        };
        mfp.expressions.iter_mut().for_each(&mut *visit);
        mfp.predicates.iter_mut().for_each(|(_, predicate)| visit(predicate));
    }
}
