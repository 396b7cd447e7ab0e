//! LIR: a dataflow plan. Every decision is made; rendering obeys.
//!
//! A plan is a DAG of nodes in topological order. The same plan serves a view (each node keeps the state its operator
//! needs) and a one-shot query (each node sees its whole input as one delta).

pub use headwater_dataflow::spec::{Finishing, FlatMapPlan, JoinKind, JoinPlan, Mfp, ReducePlan, SideState, TopKPlan};
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
