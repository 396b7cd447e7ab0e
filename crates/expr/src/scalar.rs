//! The scalar expression tree, shared by every stage of planning.
//!
//! One structure serves bound queries (whose leaves are outer columns, subqueries and parameters too) and plans (whose
//! leaves are columns of the input): the leaf is a type parameter. Every leaf knows its own data type, so an
//! expression's type needs no context.

use crate::registry::{FunctionRef, Volatility, is_cast_fallible};
use headwater_types::{DataType, Datum};
use serde::{Deserialize, Serialize};

/// A column of the operator's input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Column {
    /// Its ordinal in the input, from 0.
    pub index: usize,
    /// Its type.
    pub data_type: DataType,
}

/// An expression over input columns: what a plan holds and what evaluation takes.
pub type Scalar = Expr<Column>;

/// How a cast was asked for; decides what is allowed and how lengths are enforced (`varchar(n)` truncates when
/// explicit and raises 22001 on assignment).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CastContext {
    /// Inserted by the binder.
    Implicit,
    /// Storing into a column.
    Assignment,
    /// Written by the user.
    Explicit,
}

/// A conversion to another type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cast {
    /// The type to convert to, with its modifier.
    pub to: DataType,
    /// How it was asked for.
    pub context: CastContext,
}

/// ANY or ALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Quantifier {
    /// `op ANY (array)`, also `op SOME`.
    Any,
    /// `op ALL (array)`.
    All,
}

/// A scalar expression with leaves of type `L`.
///
/// Three-valued logic, CASE and COALESCE decide which of their parts count: an error in a part that does not is
/// dropped, never raised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expr<L> {
    /// A leaf: a column, or what a bound query has besides.
    Leaf(L),
    /// A constant.
    Literal(Datum, DataType),
    /// A function or operator of the registry, its arguments already cast to what it takes.
    Call {
        /// The function.
        function: FunctionRef,
        /// Its arguments.
        args: Vec<Expr<L>>,
        /// The result's type (polymorphic functions are resolved).
        data_type: DataType,
    },
    /// A conversion.
    Cast(Box<Expr<L>>, Cast),
    /// n-ary AND, at least two operands.
    And(Vec<Expr<L>>),
    /// n-ary OR, at least two operands.
    Or(Vec<Expr<L>>),
    /// NOT.
    Not(Box<Expr<L>>),
    /// IS NULL; IS NOT NULL is `Not` of it.
    IsNull(Box<Expr<L>>),
    /// IS NOT DISTINCT FROM: NULL equals NULL; both sides have the same type. IS DISTINCT FROM is `Not` of it.
    IsNotDistinct(Box<Expr<L>>, Box<Expr<L>>),
    /// CASE WHEN … THEN … ELSE … END; conditions are boolean, results have one type.
    /// A simple CASE, NULLIF and IS TRUE are bound to this.
    Case {
        /// (condition, result), in order.
        branches: Vec<(Expr<L>, Expr<L>)>,
        /// ELSE; a NULL literal where there is none.
        otherwise: Box<Expr<L>>,
    },
    /// The first argument that is not NULL.
    Coalesce(Vec<Expr<L>>),
    /// `left op ANY|ALL (array)`: `function` is the boolean operator on (left, element).
    Quantified {
        /// The comparison.
        function: FunctionRef,
        /// Its left operand.
        left: Box<Expr<L>>,
        /// The array.
        array: Box<Expr<L>>,
        /// ANY or ALL.
        quantifier: Quantifier,
    },
    /// ARRAY[…]; all of the element type.
    Array(Vec<Expr<L>>, DataType),
    /// `array[index]`; out of bounds is NULL. Arrays count from 1, vectors from 0.
    Subscript(Box<Expr<L>>, Box<Expr<L>>),
    /// A constant of which a plan that runs more than once knows the type only: its ordinal among the values of a run.
    Parameter(usize, DataType),
}

/// What an expression's leaf must tell.
pub trait Leaf {
    /// The leaf's type.
    fn data_type(&self) -> DataType;
}

impl Leaf for Column {
    fn data_type(&self) -> DataType {
        self.data_type.clone()
    }
}

impl<L> Expr<L> {
    /// A constant.
    pub fn literal(value: Datum, data_type: DataType) -> Self {
        Self::Literal(value, data_type)
    }

    /// The direct operands, in order.
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Leaf(_) | Self::Literal(..) | Self::Parameter(..) => vec![],
            Self::Call { args, .. }
            | Self::And(args)
            | Self::Or(args)
            | Self::Coalesce(args)
            | Self::Array(args, _) => args.iter().collect(),
            Self::Cast(input, _) | Self::Not(input) | Self::IsNull(input) => vec![&**input],
            Self::IsNotDistinct(left, right) | Self::Subscript(left, right) => vec![&**left, &**right],
            Self::Case { branches, otherwise } => {
                branches.iter().flat_map(|(c, r)| [c, r]).chain([&**otherwise]).collect()
            }
            Self::Quantified { left, array, .. } => vec![&**left, &**array],
        }
    }

    /// The direct operands, in order.
    pub fn children_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Leaf(_) | Self::Literal(..) | Self::Parameter(..) => vec![],
            Self::Call { args, .. }
            | Self::And(args)
            | Self::Or(args)
            | Self::Coalesce(args)
            | Self::Array(args, _) => args.iter_mut().collect(),
            Self::Cast(input, _) | Self::Not(input) | Self::IsNull(input) => vec![&mut **input],
            Self::IsNotDistinct(left, right) | Self::Subscript(left, right) => vec![&mut **left, &mut **right],
            Self::Case { branches, otherwise } => {
                branches.iter_mut().flat_map(|(c, r)| [c, r]).chain([&mut **otherwise]).collect()
            }
            Self::Quantified { left, array, .. } => vec![&mut **left, &mut **array],
        }
    }

    /// Visits every leaf, left to right.
    pub fn for_each_leaf<'a>(&'a self, visit: &mut impl FnMut(&'a L)) {
        if let Self::Leaf(leaf) = self {
            visit(leaf);
        }
        for child in self.children() {
            child.for_each_leaf(visit);
        }
    }

    /// The same expression with every leaf replaced by what `replace` makes of it.
    ///
    /// # Errors
    ///
    /// The first error of `replace`.
    pub fn try_map_leaves<M, E>(self, replace: &mut impl FnMut(L) -> Result<Expr<M>, E>) -> Result<Expr<M>, E> {
        let mut all = |list: Vec<Self>| -> Result<Vec<Expr<M>>, E> {
            list.into_iter().map(|e| e.try_map_leaves(replace)).collect()
        };
        Ok(match self {
            Self::Leaf(leaf) => replace(leaf)?,
            Self::Literal(value, data_type) => Expr::Literal(value, data_type),
            Self::Parameter(index, data_type) => Expr::Parameter(index, data_type),
            Self::Call { function, args, data_type } => Expr::Call { function, args: all(args)?, data_type },
            Self::Cast(input, cast) => Expr::Cast(Box::new(input.try_map_leaves(replace)?), cast),
            Self::And(args) => Expr::And(all(args)?),
            Self::Or(args) => Expr::Or(all(args)?),
            Self::Not(input) => Expr::Not(Box::new(input.try_map_leaves(replace)?)),
            Self::IsNull(input) => Expr::IsNull(Box::new(input.try_map_leaves(replace)?)),
            Self::IsNotDistinct(left, right) => {
                Expr::IsNotDistinct(Box::new(left.try_map_leaves(replace)?), Box::new(right.try_map_leaves(replace)?))
            }
            Self::Case { branches, otherwise } => Expr::Case {
                branches: branches
                    .into_iter()
                    .map(|(c, r)| Ok((c.try_map_leaves(replace)?, r.try_map_leaves(replace)?)))
                    .collect::<Result<_, E>>()?,
                otherwise: Box::new(otherwise.try_map_leaves(replace)?),
            },
            Self::Coalesce(args) => Expr::Coalesce(all(args)?),
            Self::Quantified { function, left, array, quantifier } => Expr::Quantified {
                function,
                left: Box::new(left.try_map_leaves(replace)?),
                array: Box::new(array.try_map_leaves(replace)?),
                quantifier,
            },
            Self::Array(args, element) => Expr::Array(all(args)?, element),
            Self::Subscript(array, index) => {
                Expr::Subscript(Box::new(array.try_map_leaves(replace)?), Box::new(index.try_map_leaves(replace)?))
            }
        })
    }

    /// [`Expr::try_map_leaves`] for a replacement that cannot fail.
    pub fn map_leaves<M>(self, replace: &mut impl FnMut(L) -> Expr<M>) -> Expr<M> {
        let mapped: Result<_, std::convert::Infallible> = self.try_map_leaves(&mut |leaf| Ok(replace(leaf)));
        match mapped {
            Ok(expr) => expr,
        }
    }
}

impl<L: Leaf> Expr<L> {
    /// The type of the result.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Leaf(leaf) => leaf.data_type(),
            Self::Literal(_, data_type) | Self::Parameter(_, data_type) | Self::Call { data_type, .. } => {
                data_type.clone()
            }
            Self::Cast(_, cast) => cast.to.clone(),
            Self::And(_)
            | Self::Or(_)
            | Self::Not(_)
            | Self::IsNull(_)
            | Self::IsNotDistinct(..)
            | Self::Quantified { .. } => DataType::Bool,
            Self::Case { otherwise, .. } => otherwise.data_type(),
            Self::Coalesce(args) => args[0].data_type(),
            Self::Array(_, element) => DataType::Array(Box::new(element.clone())),
            Self::Subscript(array, _) => {
                array.data_type().element().expect("the binder subscripts arrays and vectors only")
            }
        }
    }
}

impl<L: Leaf> Expr<L> {
    /// Whether evaluating it can raise an error; leaves cannot.
    pub fn is_fallible(&self) -> bool {
        let own = match self {
            Self::Call { function, .. } | Self::Quantified { function, .. } => function.0.fallible,
            Self::Cast(input, cast) => is_cast_fallible(&input.data_type(), &cast.to, cast.context),
            _ => false,
        };
        own || self.children().into_iter().any(Self::is_fallible)
    }

    /// What its value depends on besides its leaves.
    pub fn volatility(&self) -> Volatility {
        let own = match self {
            Self::Call { function, .. } | Self::Quantified { function, .. } => function.0.volatility,
            Self::Cast(input, cast) => cast_volatility(&input.data_type(), &cast.to),
            // The next run's is another.
            Self::Parameter(..) => Volatility::Stable,
            _ => Volatility::Immutable,
        };
        self.children().into_iter().map(Self::volatility).fold(own, Volatility::max)
    }

    /// Whether a call of it reads the clock of the transaction: `now()` and its kin.
    pub fn reads_clock(&self) -> bool {
        let own = matches!(self, Self::Call { function, .. } if is_clock(function.0.name));
        own || self.children().into_iter().any(Self::reads_clock)
    }

    /// Whether its value can be NULL, given which leaves can.
    pub fn is_nullable(&self, leaf_is_nullable: &impl Fn(&L) -> bool) -> bool {
        let nullable = |child: &Self| child.is_nullable(leaf_is_nullable);
        match self {
            Self::Leaf(leaf) => leaf_is_nullable(leaf),
            Self::Literal(value, _) => value.is_null(),
            Self::Call { function, args, .. } => !function.0.never_null() || args.iter().any(nullable),
            Self::Cast(input, cast) => {
                // An infinite timestamp has no time of day.
                cast.to == DataType::Time || nullable(input)
            }
            Self::And(args) | Self::Or(args) => args.iter().any(nullable),
            Self::Not(input) => nullable(input),
            Self::IsNull(_) | Self::IsNotDistinct(..) | Self::Array(..) => false,
            Self::Case { branches, otherwise } => branches.iter().any(|(_, r)| nullable(r)) || nullable(otherwise),
            Self::Coalesce(args) => args.iter().all(nullable),
            Self::Quantified { .. } | Self::Subscript(..) | Self::Parameter(..) => true,
        }
    }
}

fn is_clock(name: &str) -> bool {
    matches!(
        name,
        "now"
            | "transaction_timestamp"
            | "statement_timestamp"
            | "current_timestamp"
            | "localtimestamp"
            | "current_date"
            | "current_time"
            | "localtime"
    )
}

/// Casts that read the session's settings, the clock (`'now'`) or the catalog.
fn cast_volatility(from: &DataType, to: &DataType) -> Volatility {
    use DataType as D;
    let temporal = |t: &DataType| matches!(t, D::Date | D::Time | D::Timestamp | D::Timestamptz | D::Interval);
    let textual = |t: &DataType| matches!(t, D::Text | D::Varchar(_) | D::Char(_) | D::Name | D::Unknown);
    let zoned = |t: &DataType| *t == D::Timestamptz;
    match (from, to) {
        (D::Array(a), D::Array(b)) => cast_volatility(a, b),
        (D::Array(a), b) => cast_volatility(a, b),
        (a, D::Array(b)) => cast_volatility(a, b),
        (D::Reg(_), t) | (t, D::Reg(_)) if textual(t) => Volatility::Stable,
        (t, s) | (s, t) if temporal(t) && textual(s) => Volatility::Stable,
        (a, b) if zoned(a) != zoned(b) => Volatility::Stable,
        (D::Float4 | D::Float8 | D::Bytea, t) if textual(t) => Volatility::Stable,
        _ => Volatility::Immutable,
    }
}

impl Scalar {
    /// Puts parameters' values in their places; whether all operands of an operator
    /// have become constants.
    ///
    /// # Panics
    ///
    /// If there are fewer values than parameters.
    pub fn set_parameters(&mut self, values: &[Datum]) -> bool {
        if let Self::Parameter(index, data_type) = self {
            *self = Self::Literal(values[*index].clone(), data_type.clone());
            return false;
        }
        let (mut is_set, mut deeper, mut is_constant) = (false, false, true);
        for child in self.children_mut() {
            is_set |= matches!(child, Self::Parameter(..));
            deeper |= child.set_parameters(values);
            is_constant &= matches!(child, Self::Literal(..));
        }
        deeper || is_set && is_constant
    }

    /// The input column `index`.
    pub fn column(index: usize, data_type: DataType) -> Self {
        Self::Leaf(Column { index, data_type })
    }

    /// The column that this is, if it is no more than a column.
    pub fn as_column(&self) -> Option<usize> {
        match self {
            Self::Leaf(column) => Some(column.index),
            _ => None,
        }
    }

    /// The same expression over an input whose column `i` is now column `map(i)`.
    #[must_use]
    pub fn remap(self, map: &mut impl FnMut(usize) -> usize) -> Self {
        self.map_leaves(&mut |c: Column| Self::column(map(c.index), c.data_type))
    }
}
