//! What operators are told: the parts of a dataflow plan that an operator takes as its construction argument.
//!
//! Every decision is made by whoever builds these; operators obey.

use headwater_expr::{Aggregate, Column, ColumnOrder, Scalar, TableFunction};
use headwater_types::DataType;
use serde::{Deserialize, Serialize};

/// Map, filter and project, fused: expressions are appended to the input's columns in order (each may use earlier
/// ones), a row passes if every predicate is true, then columns are projected.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mfp {
    /// The number of input columns.
    pub input_arity: usize,
    /// Expression `i` becomes column `input_arity + i`.
    pub expressions: Vec<Scalar>,
    /// `(n, predicate)`: the predicate uses input columns and the first `n` expressions; it is applied, and rows
    /// dropped, before expression `n` is computed.
    pub predicates: Vec<(usize, Scalar)>,
    /// Output columns, as ordinals among input columns and expressions.
    pub projection: Vec<usize>,
}

impl Mfp {
    /// Passes everything on.
    #[must_use]
    pub fn identity(arity: usize) -> Self {
        Self { input_arity: arity, expressions: vec![], predicates: vec![], projection: (0..arity).collect() }
    }

    /// Whether everything is passed on unchanged.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.expressions.is_empty()
            && self.predicates.is_empty()
            && self.projection.len() == self.input_arity
            && self.projection.iter().enumerate().all(|(i, &c)| i == c)
    }
}

/// Which pairs and rows a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JoinKind {
    /// Matching pairs: left's columns, then right's.
    Inner,
    /// And left rows without a match, with NULLs.
    Left,
    /// And right rows without a match, with NULLs.
    Right,
    /// Both.
    Full,
    /// Left rows with at least one match, each once per copy; output is left's columns.
    Semi,
    /// Left rows without a match; output is left's columns.
    Anti,
}

/// How a side's rows are remembered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SideState {
    /// The input node is a `Source`: the side keeps an index of row ids and fetches rows from the shared relation.
    Shared,
    /// The side keeps its rows.
    Owned,
}

/// A binary join. Key columns are compared by SQL equality; NULL matches nothing unless `null_safe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinPlan {
    /// Kind.
    pub kind: JoinKind,
    /// Key columns of the left input; empty for a cross join.
    pub left_key: Vec<usize>,
    /// Key columns of the right input, of the same types pairwise.
    pub right_key: Vec<usize>,
    /// Per key column: whether NULL equals NULL (IS NOT DISTINCT FROM).
    pub null_safe: Vec<bool>,
    /// Further conditions over left's columns followed by right's; a pair matches if all are true.
    pub residual: Vec<Scalar>,
    /// How left's rows are remembered.
    pub left_state: SideState,
    /// How right's rows are remembered.
    pub right_state: SideState,
    /// What is done to the result.
    pub mfp: Mfp,
}

/// GROUP BY: output is the key columns, then the aggregates, then `mfp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReducePlan {
    /// Group columns of the input. Empty: exactly one output row, also for no input.
    pub key: Vec<usize>,
    /// The aggregates. Distinct elimination and the like are already decided.
    pub aggregates: Vec<Aggregate<Column>>,
    /// What is done to the result.
    pub mfp: Mfp,
}

/// The rows `offset .. offset + limit` of each group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopKPlan {
    /// Group columns.
    pub key: Vec<usize>,
    /// Order within a group; ties by identity.
    pub order_by: Vec<ColumnOrder>,
    /// None: no limit.
    pub limit: Option<u64>,
    /// Rows skipped.
    pub offset: u64,
}

/// A set-returning function of each input row: the input's columns, then the function's, then ordinality, then `mfp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlatMapPlan {
    /// The function.
    pub function: TableFunction,
    /// Arguments over the input's columns.
    pub args: Vec<Scalar>,
    /// The function's own columns.
    pub types: Vec<DataType>,
    /// Whether an int8 ordinality column follows, from 1.
    pub ordinality: bool,
    /// What is done to the result.
    pub mfp: Mfp,
}

/// How a one-shot result is presented: ORDER BY, OFFSET, LIMIT, projection, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finishing {
    /// The order; ties by identity.
    pub order_by: Vec<ColumnOrder>,
    /// None: no limit.
    pub limit: Option<u64>,
    /// Rows skipped.
    pub offset: u64,
    /// Columns presented.
    pub projection: Vec<usize>,
}
