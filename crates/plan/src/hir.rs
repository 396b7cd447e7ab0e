//! HIR: a bound query. Names are resolved, types are known, casts are explicit; subqueries are still in place.

use headwater_expr::{Aggregate, ColumnOrder, Expr, Leaf, TableFunction};
use headwater_types::{DataType, Datum, RelationId, Schema};
use serde::{Deserialize, Serialize};

/// A scalar of a bound query.
pub type HirScalar = Expr<HirLeaf>;

/// An aggregate call of a bound query.
pub type HirAggregate = Aggregate<HirLeaf>;

/// What a bound scalar's leaf may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HirLeaf {
    /// A column. Level 0 is the operator's own input; level 1 the row of the enclosing query (or the left side of a
    /// lateral join), and so on outwards.
    Column {
        /// How many scopes outwards.
        level: usize,
        /// The column's ordinal there.
        index: usize,
        /// Its type.
        data_type: DataType,
    },
    /// `$n`, from 0. Replaced by a literal before planning.
    Parameter {
        /// Ordinal, from 0.
        index: usize,
        /// Its type.
        data_type: DataType,
    },
    /// EXISTS (…).
    Exists(Box<HirRelation>),
    /// A scalar subquery: NULL for no row, 21000 for more than one. The relation has one column.
    ScalarSubquery(Box<HirRelation>, DataType),
    /// ARRAY(SELECT …): the relation's first column, in the order of `order_by` over its columns.
    ArraySubquery {
        /// The rows; further columns are sort keys only.
        relation: Box<HirRelation>,
        /// Their order.
        order_by: Vec<ColumnOrder>,
        /// The element's type.
        element: DataType,
    },
    /// `left IN (SELECT …)`, `left op ANY|ALL (SELECT …)`: true if `predicate` holds for some row of `relation`,
    /// NULL if for none but NULL for some, else false. `predicate` sees the relation's columns at level 0 and
    /// everything of its own surroundings one level further out. ALL and NOT IN are bound through `Not`.
    AnySubquery {
        /// The rows.
        relation: Box<HirRelation>,
        /// The comparison.
        predicate: Box<HirScalar>,
    },
}

impl Leaf for HirLeaf {
    fn data_type(&self) -> DataType {
        match self {
            Self::Column { data_type, .. } | Self::Parameter { data_type, .. } | Self::ScalarSubquery(_, data_type) => {
                data_type.clone()
            }
            Self::Exists(_) | Self::AnySubquery { .. } => DataType::Bool,
            Self::ArraySubquery { element, .. } => DataType::Array(Box::new(element.clone())),
        }
    }
}

/// How two relations are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JoinKind {
    /// Matching pairs.
    Inner,
    /// And left rows without a match, with NULLs.
    Left,
    /// And right rows without a match.
    Right,
    /// Both.
    Full,
}

/// A bound relation. Columns are positional.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HirRelation {
    /// Literal rows.
    Constant {
        /// The rows.
        rows: Vec<Vec<Datum>>,
        /// The columns' types.
        types: Vec<DataType>,
    },
    /// A table, materialized view or system relation: all its columns, hidden ones too.
    Get {
        /// Which.
        relation: RelationId,
        /// The columns' types.
        types: Vec<DataType>,
    },
    /// A common table expression: `value` is bound to `id` inside `body`. `value` may refer to outer columns.
    Let {
        /// Unique within the query.
        id: usize,
        /// The CTE.
        value: Box<HirRelation>,
        /// The query that uses it.
        body: Box<HirRelation>,
    },
    /// A use of a CTE.
    LocalGet {
        /// The `Let`'s id.
        id: usize,
        /// The columns' types.
        types: Vec<DataType>,
    },
    /// These columns of the input, in this order; they may repeat.
    Project {
        /// The input.
        input: Box<HirRelation>,
        /// Ordinals.
        columns: Vec<usize>,
    },
    /// The input's columns, then these expressions. Each sees the input's columns only.
    Map {
        /// The input.
        input: Box<HirRelation>,
        /// The new columns.
        scalars: Vec<HirScalar>,
    },
    /// The rows for which every predicate is true.
    Filter {
        /// The input.
        input: Box<HirRelation>,
        /// Boolean expressions.
        predicates: Vec<HirScalar>,
    },
    /// Left's columns, then right's. `on` sees both at level 0. A `lateral` right side sees left's row at level 1.
    Join {
        /// Left.
        left: Box<HirRelation>,
        /// Right.
        right: Box<HirRelation>,
        /// The condition; literal true for a cross join.
        on: Box<HirScalar>,
        /// Kind. A lateral join is Inner or Left.
        kind: JoinKind,
        /// Whether `right` sees left's row: its level-1 columns are left's, level 2 the enclosing query's, and so on.
        /// When false, right's level-1 columns are the enclosing query's, as left's are.
        lateral: bool,
    },
    /// The group columns of the input, then the aggregates. An empty `group_key` gives exactly one row.
    Aggregate {
        /// The input.
        input: Box<HirRelation>,
        /// Ordinals of the group columns.
        group_key: Vec<usize>,
        /// The aggregates.
        aggregates: Vec<HirAggregate>,
    },
    /// Each row once.
    Distinct(Box<HirRelation>),
    /// Per group of `group_key`, the rows `offset .. offset + limit` in `order_by` order, ties by identity.
    TopK {
        /// The input.
        input: Box<HirRelation>,
        /// Ordinals; empty for one group of all rows. DISTINCT ON is a limit of 1.
        group_key: Vec<usize>,
        /// The order.
        order_by: Vec<ColumnOrder>,
        /// int8, constant in the query (may be a parameter); NULL or None is no limit.
        limit: Option<Box<HirScalar>>,
        /// int8 as `limit`.
        offset: Option<Box<HirScalar>>,
    },
    /// UNION ALL.
    Union(Vec<HirRelation>),
    /// Left's rows less right's: EXCEPT ALL. EXCEPT is Distinct of both first; INTERSECT ALL is A − (A − B).
    Except(Box<HirRelation>, Box<HirRelation>),
    /// A set-returning function: its columns, then (if asked) an int8 ordinality from 1. Arguments see no input: their
    /// columns are at level 1 and up (of a lateral join's left side, or the enclosing query).
    TableFunction {
        /// Which.
        function: TableFunction,
        /// Arguments.
        args: Vec<HirScalar>,
        /// The function's own columns' types.
        types: Vec<DataType>,
        /// WITH ORDINALITY.
        ordinality: bool,
    },
}

impl HirRelation {
    /// The inputs; of a `Let`, the value and then the body.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Constant { .. } | Self::Get { .. } | Self::LocalGet { .. } | Self::TableFunction { .. } => vec![],
            Self::Let { value, body, .. } => vec![value, body],
            Self::Join { left, right, .. } | Self::Except(left, right) => vec![left, right],
            Self::Union(inputs) => inputs.iter().collect(),
            Self::Project { input, .. }
            | Self::Map { input, .. }
            | Self::Filter { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Distinct(input)
            | Self::TopK { input, .. } => vec![input],
        }
    }

    /// Visits the scalars of this operator, not of its inputs nor of subqueries.
    pub fn for_each_scalar<'a>(&'a self, visit: &mut impl FnMut(&'a HirScalar)) {
        match self {
            Self::Map { scalars: list, .. }
            | Self::Filter { predicates: list, .. }
            | Self::TableFunction { args: list, .. } => list.iter().for_each(visit),
            Self::Join { on, .. } => visit(on),
            Self::Aggregate { aggregates, .. } => {
                for aggregate in aggregates {
                    aggregate.args.iter().for_each(&mut *visit);
                    aggregate.filter.iter().for_each(&mut *visit);
                    aggregate.order_by.iter().for_each(|(key, _)| visit(key));
                }
            }
            Self::TopK { limit, offset, .. } => {
                limit.iter().for_each(|l| visit(l));
                offset.iter().for_each(|o| visit(o));
            }
            Self::Constant { .. }
            | Self::Get { .. }
            | Self::Let { .. }
            | Self::LocalGet { .. }
            | Self::Project { .. }
            | Self::Distinct(_)
            | Self::Union(_)
            | Self::Except(..) => {}
        }
    }

    /// The number of columns.
    #[must_use]
    pub fn arity(&self) -> usize {
        match self {
            Self::Constant { types, .. } | Self::Get { types, .. } | Self::LocalGet { types, .. } => types.len(),
            Self::Let { body, .. } => body.arity(),
            Self::Project { columns, .. } => columns.len(),
            Self::Map { input, scalars } => input.arity() + scalars.len(),
            Self::Join { left, right, .. } => left.arity() + right.arity(),
            Self::Aggregate { group_key, aggregates, .. } => group_key.len() + aggregates.len(),
            Self::Union(inputs) => inputs.first().map_or(0, Self::arity),
            Self::Filter { input, .. } | Self::Distinct(input) | Self::TopK { input, .. } | Self::Except(input, _) => {
                input.arity()
            }
            Self::TableFunction { types, ordinality, .. } => types.len() + usize::from(*ordinality),
        }
    }
}

/// A whole query: a relation, and how its rows are presented.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HirQuery {
    /// The rows; columns beyond the projection are sort keys.
    pub relation: HirRelation,
    /// ORDER BY over the relation's columns.
    pub order_by: Vec<ColumnOrder>,
    /// LIMIT: int8 scalar, constant in the query.
    pub limit: Option<HirScalar>,
    /// OFFSET.
    pub offset: Option<HirScalar>,
    /// The presented columns: ordinals of the relation's columns.
    pub projection: Vec<usize>,
    /// Their names and types.
    pub schema: Schema,
    /// For each presented column that is a plain column of a relation: that relation and its attribute number from 1
    /// (RowDescription's table OID and column number).
    pub origins: Vec<Option<(RelationId, i16)>>,
}
