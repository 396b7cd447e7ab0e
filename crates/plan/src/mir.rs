//! MIR: relational algebra. No subqueries, no outer columns; everything is a tree of operators over columns.
//!
//! Rewrites are functions from MIR to MIR. A `Let` is a subplan used more than once; it stays one node down to LIR.

pub use headwater_dataflow::spec::JoinKind;
use headwater_expr::{Aggregate, Column, ColumnOrder, Scalar, TableFunction};
use headwater_types::{DataType, Datum, RelationId};

/// An aggregate call over an operator's input.
pub type MirAggregate = Aggregate<Column>;

/// A relation. Columns are positional.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mir {
    /// Literal rows with weights.
    Constant {
        /// The rows.
        rows: Vec<(Vec<Datum>, i64)>,
        /// The columns' types.
        types: Vec<DataType>,
    },
    /// A stored relation, all its columns.
    Get {
        /// Which.
        relation: RelationId,
        /// The columns' types.
        types: Vec<DataType>,
    },
    /// `value` is bound to `id` inside `body`.
    Let {
        /// Unique within the plan.
        id: usize,
        /// What is bound.
        value: Box<Mir>,
        /// Where it is used.
        body: Box<Mir>,
    },
    /// A use of a `Let`.
    LocalGet {
        /// The `Let`'s id.
        id: usize,
        /// The columns' types.
        types: Vec<DataType>,
    },
    /// These columns, in this order; they may repeat.
    Project {
        /// The input.
        input: Box<Mir>,
        /// Ordinals.
        columns: Vec<usize>,
    },
    /// The input's columns, then these expressions over the input's columns.
    Map {
        /// The input.
        input: Box<Mir>,
        /// The new columns.
        scalars: Vec<Scalar>,
    },
    /// The rows for which every predicate is true: an AND, which drops the errors of the rest if one is false.
    Filter {
        /// The input.
        input: Box<Mir>,
        /// Boolean expressions.
        predicates: Vec<Scalar>,
    },
    /// A join. `on` sees left's columns, then right's. Semi and anti joins give left's columns only.
    Join {
        /// Left.
        left: Box<Mir>,
        /// Right.
        right: Box<Mir>,
        /// Kind.
        kind: JoinKind,
        /// The conditions, an AND.
        on: Vec<Scalar>,
    },
    /// The group columns, then the aggregates. An empty `group_key` gives exactly one row.
    Aggregate {
        /// The input.
        input: Box<Mir>,
        /// Ordinals of the group columns.
        group_key: Vec<usize>,
        /// The aggregates.
        aggregates: Vec<MirAggregate>,
    },
    /// Each row once.
    Distinct {
        /// The input.
        input: Box<Mir>,
    },
    /// The rows `offset .. offset + limit` of each group.
    TopK {
        /// The input.
        input: Box<Mir>,
        /// Ordinals of the group columns.
        group_key: Vec<usize>,
        /// The order; ties by identity.
        order_by: Vec<ColumnOrder>,
        /// None: no limit.
        limit: Option<u64>,
        /// Rows skipped.
        offset: u64,
    },
    /// UNION ALL.
    Union {
        /// The inputs, of the same types.
        inputs: Vec<Mir>,
        /// The columns' types.
        types: Vec<DataType>,
    },
    /// Weights negated.
    Negate {
        /// The input.
        input: Box<Mir>,
    },
    /// The rows of positive weight.
    Threshold {
        /// The input.
        input: Box<Mir>,
    },
    /// A set-returning function of each row: the input's columns, the function's, then ordinality.
    FlatMap {
        /// The input.
        input: Box<Mir>,
        /// The function.
        function: TableFunction,
        /// Its arguments over the input's columns.
        args: Vec<Scalar>,
        /// The function's columns' types.
        types: Vec<DataType>,
        /// Whether an int8 ordinality follows.
        ordinality: bool,
    },
    /// Raises 21000 for a group of more than one row.
    AtMostOne {
        /// The input.
        input: Box<Mir>,
        /// Ordinals of the group columns.
        key: Vec<usize>,
    },
}

impl Mir {
    /// One row without columns.
    #[must_use]
    pub fn unit() -> Self {
        Self::Constant { rows: vec![(vec![], 1)], types: vec![] }
    }

    /// No rows.
    #[must_use]
    pub fn empty(types: Vec<DataType>) -> Self {
        Self::Constant { rows: vec![], types }
    }

    /// Whether this is [`Mir::unit`].
    #[must_use]
    pub fn is_unit(&self) -> bool {
        matches!(self, Self::Constant { rows, types } if types.is_empty() && rows.len() == 1 && rows[0].1 == 1)
    }

    /// Whether this certainly has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Constant { rows, .. } if rows.is_empty())
    }

    /// Moves the relation out, leaving an empty one.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self::empty(vec![]))
    }

    /// The number of columns.
    #[must_use]
    pub fn arity(&self) -> usize {
        match self {
            Self::Constant { types, .. }
            | Self::Get { types, .. }
            | Self::LocalGet { types, .. }
            | Self::Union { types, .. } => types.len(),
            Self::Let { body, .. } => body.arity(),
            Self::Project { columns, .. } => columns.len(),
            Self::Map { input, scalars } => input.arity() + scalars.len(),
            Self::Join { left, right, kind, .. } => match kind {
                JoinKind::Semi | JoinKind::Anti => left.arity(),
                JoinKind::Inner | JoinKind::Left | JoinKind::Right | JoinKind::Full => left.arity() + right.arity(),
            },
            Self::Aggregate { group_key, aggregates, .. } => group_key.len() + aggregates.len(),
            Self::FlatMap { input, types, ordinality, .. } => input.arity() + types.len() + usize::from(*ordinality),
            Self::Filter { input, .. }
            | Self::Distinct { input }
            | Self::TopK { input, .. }
            | Self::Negate { input }
            | Self::Threshold { input }
            | Self::AtMostOne { input, .. } => input.arity(),
        }
    }

    /// The columns' types.
    #[must_use]
    pub fn types(&self) -> Vec<DataType> {
        match self {
            Self::Constant { types, .. }
            | Self::Get { types, .. }
            | Self::LocalGet { types, .. }
            | Self::Union { types, .. } => types.clone(),
            Self::Let { body, .. } => body.types(),
            Self::Project { input, columns } => {
                let types = input.types();
                columns.iter().map(|&c| types[c].clone()).collect()
            }
            Self::Map { input, scalars } => {
                let mut types = input.types();
                types.extend(scalars.iter().map(Scalar::data_type));
                types
            }
            Self::Join { left, right, kind, .. } => {
                let mut types = left.types();
                if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                    types.extend(right.types());
                }
                types
            }
            Self::Aggregate { input, group_key, aggregates } => {
                let types = input.types();
                group_key
                    .iter()
                    .map(|&c| types[c].clone())
                    .chain(aggregates.iter().map(|a| a.data_type.clone()))
                    .collect()
            }
            Self::FlatMap { input, types, ordinality, .. } => {
                let mut all = input.types();
                all.extend(types.iter().cloned());
                if *ordinality {
                    all.push(DataType::Int8);
                }
                all
            }
            Self::Filter { input, .. }
            | Self::Distinct { input }
            | Self::TopK { input, .. }
            | Self::Negate { input }
            | Self::Threshold { input }
            | Self::AtMostOne { input, .. } => input.types(),
        }
    }

    /// The inputs; of a `Let`, the value and then the body.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Constant { .. } | Self::Get { .. } | Self::LocalGet { .. } => vec![],
            Self::Let { value, body, .. } => vec![value, body],
            Self::Join { left, right, .. } => vec![left, right],
            Self::Union { inputs, .. } => inputs.iter().collect(),
            Self::Project { input, .. }
            | Self::Map { input, .. }
            | Self::Filter { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Distinct { input }
            | Self::TopK { input, .. }
            | Self::Negate { input }
            | Self::Threshold { input }
            | Self::FlatMap { input, .. }
            | Self::AtMostOne { input, .. } => vec![input],
        }
    }

    /// The inputs; of a `Let`, the value and then the body.
    pub fn children_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Constant { .. } | Self::Get { .. } | Self::LocalGet { .. } => vec![],
            Self::Let { value, body, .. } => vec![value, body],
            Self::Join { left, right, .. } => vec![left, right],
            Self::Union { inputs, .. } => inputs.iter_mut().collect(),
            Self::Project { input, .. }
            | Self::Map { input, .. }
            | Self::Filter { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Distinct { input }
            | Self::TopK { input, .. }
            | Self::Negate { input }
            | Self::Threshold { input }
            | Self::FlatMap { input, .. }
            | Self::AtMostOne { input, .. } => vec![input],
        }
    }

    /// Visits the scalars of this operator, not of its inputs.
    pub fn for_each_scalar<'a>(&'a self, visit: &mut impl FnMut(&'a Scalar)) {
        match self {
            Self::Map { scalars: list, .. }
            | Self::Filter { predicates: list, .. }
            | Self::Join { on: list, .. }
            | Self::FlatMap { args: list, .. } => list.iter().for_each(visit),
            Self::Aggregate { aggregates, .. } => {
                for aggregate in aggregates {
                    aggregate.args.iter().for_each(&mut *visit);
                    aggregate.filter.iter().for_each(&mut *visit);
                    aggregate.order_by.iter().for_each(|(key, _)| visit(key));
                }
            }
            Self::Constant { .. }
            | Self::Get { .. }
            | Self::Let { .. }
            | Self::LocalGet { .. }
            | Self::Project { .. }
            | Self::Distinct { .. }
            | Self::TopK { .. }
            | Self::Union { .. }
            | Self::Negate { .. }
            | Self::Threshold { .. }
            | Self::AtMostOne { .. } => {}
        }
    }

    /// Visits the scalars of this operator, not of its inputs.
    pub fn for_each_scalar_mut(&mut self, visit: &mut impl FnMut(&mut Scalar)) {
        match self {
            Self::Map { scalars: list, .. }
            | Self::Filter { predicates: list, .. }
            | Self::Join { on: list, .. }
            | Self::FlatMap { args: list, .. } => list.iter_mut().for_each(visit),
            Self::Aggregate { aggregates, .. } => {
                for aggregate in aggregates {
                    aggregate.args.iter_mut().for_each(&mut *visit);
                    aggregate.filter.iter_mut().for_each(&mut *visit);
                    aggregate.order_by.iter_mut().for_each(|(key, _)| visit(key));
                }
            }
            Self::Constant { .. }
            | Self::Get { .. }
            | Self::Let { .. }
            | Self::LocalGet { .. }
            | Self::Project { .. }
            | Self::Distinct { .. }
            | Self::TopK { .. }
            | Self::Union { .. }
            | Self::Negate { .. }
            | Self::Threshold { .. }
            | Self::AtMostOne { .. } => {}
        }
    }

    /// These columns of `self`; nothing is added if they are all of them in order.
    #[must_use]
    pub fn project(self, columns: Vec<usize>) -> Self {
        if columns.iter().enumerate().all(|(i, &c)| i == c) && columns.len() == self.arity() {
            return self;
        }
        match self {
            Self::Project { input, columns: inner } => input.project(columns.into_iter().map(|c| inner[c]).collect()),
            input => Self::Project { input: Box::new(input), columns },
        }
    }

    /// `self` with these columns appended; those that are columns already are projected rather than computed.
    #[must_use]
    pub fn map(self, scalars: Vec<Scalar>) -> Self {
        if scalars.is_empty() {
            return self;
        }
        if scalars.iter().all(|s| s.as_column().is_none()) {
            return Self::Map { input: Box::new(self), scalars };
        }
        let arity = self.arity();
        let mut columns: Vec<usize> = (0..arity).collect();
        let mut computed = Vec::new();
        for scalar in scalars {
            match scalar.as_column() {
                Some(column) => columns.push(column),
                None => {
                    columns.push(arity + computed.len());
                    computed.push(scalar);
                }
            }
        }
        self.map(computed).project(columns)
    }

    /// The rows of `self` for which these are true.
    #[must_use]
    pub fn filter(self, predicates: Vec<Scalar>) -> Self {
        if predicates.is_empty() { self } else { Self::Filter { input: Box::new(self), predicates } }
    }

    /// A join with `right`; a cross join with one row of no columns is `self`.
    #[must_use]
    pub fn join(self, right: Self, kind: JoinKind, on: Vec<Scalar>) -> Self {
        if kind == JoinKind::Inner && on.is_empty() {
            if self.is_unit() {
                return right;
            }
            if right.is_unit() {
                return self;
            }
        }
        Self::Join { left: Box::new(self), right: Box::new(right), kind, on }
    }

    /// Each row once.
    #[must_use]
    pub fn distinct(self) -> Self {
        Self::Distinct { input: Box::new(self) }
    }

    /// Grouped.
    #[must_use]
    pub fn aggregate(self, group_key: Vec<usize>, aggregates: Vec<MirAggregate>) -> Self {
        Self::Aggregate { input: Box::new(self), group_key, aggregates }
    }
}
