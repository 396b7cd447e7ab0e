//! Questions about scalars, and small ways to build them.

use crate::columns::ColumnSet;
use headwater_expr::registry::{Comparison, FunctionRef, Kernel, Volatility, is_binary_coercible};
use headwater_expr::{Expr, Quantifier, Scalar};
use headwater_types::{DataType, Datum};

/// A boolean constant.
pub(crate) fn bool_literal<L>(value: bool) -> Expr<L> {
    Expr::Literal(Datum::Bool(value), DataType::Bool)
}

/// NULL of this type.
pub(crate) fn null_literal<L>(data_type: DataType) -> Expr<L> {
    Expr::Literal(Datum::Null, data_type)
}

/// Whether this is the constant true.
pub(crate) fn is_true<L>(scalar: &Expr<L>) -> bool {
    matches!(scalar, Expr::Literal(Datum::Bool(true), _))
}

/// Whether this is the constant false, or NULL: as a condition, it keeps no row.
pub(crate) fn is_false_or_null<L>(scalar: &Expr<L>) -> bool {
    matches!(scalar, Expr::Literal(Datum::Bool(false) | Datum::Null, _))
}

/// The columns used.
pub(crate) fn columns_of(scalar: &Scalar) -> ColumnSet {
    let mut set = ColumnSet::new();
    scalar.for_each_leaf(&mut |column| {
        set.insert(column.index);
    });
    set
}

/// Whether every column used satisfies `test`.
pub(crate) fn uses_only(scalar: &Scalar, mut test: impl FnMut(usize) -> bool) -> bool {
    let mut all = true;
    scalar.for_each_leaf(&mut |column| all &= test(column.index));
    all
}

/// Adds the operands of (nested) ANDs to `conjuncts`, each once; true is left out.
pub(crate) fn flatten_and<L: PartialEq>(scalar: Expr<L>, conjuncts: &mut Vec<Expr<L>>) {
    match scalar {
        Expr::And(operands) => operands.into_iter().for_each(|o| flatten_and(o, conjuncts)),
        scalar if is_true(&scalar) || conjuncts.len() < DUPLICATES_SOUGHT_MAX && conjuncts.contains(&scalar) => {}
        scalar => conjuncts.push(scalar),
    }
}

/// Longer lists of conjuncts are not searched for duplicates: the search is quadratic.
const DUPLICATES_SOUGHT_MAX: usize = 64;

/// The AND of these; true for none.
pub(crate) fn and_of<L>(mut conjuncts: Vec<Expr<L>>) -> Expr<L> {
    match conjuncts.len() {
        0 => bool_literal(true),
        1 => conjuncts.remove(0),
        _ => Expr::And(conjuncts),
    }
}

/// Whether the scalar may be evaluated where it was not asked for: it raises nothing and each evaluation is as good as
/// another.
pub(crate) fn is_movable(scalar: &Scalar) -> bool {
    !scalar.is_fallible() && scalar.volatility() != Volatility::Volatile
}

/// Whether SQL equality of two values of this type means that they are identical.
pub(crate) fn equal_is_identical(data_type: &DataType) -> bool {
    match data_type {
        DataType::Numeric(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Interval
        | DataType::Char(_)
        | DataType::Jsonb => false,
        DataType::Array(element) => equal_is_identical(element),
        _ => true,
    }
}

/// Whether the scalar gives the same on SQL-equal inputs, for a predicate that is moved from a group's representative
/// to the group's rows.
pub(crate) fn respects_equality(scalar: &Scalar) -> bool {
    let mut identical = true;
    scalar.for_each_leaf(&mut |column| identical &= equal_is_identical(&column.data_type));
    if identical {
        return true;
    }
    match scalar {
        Expr::Call { function, args, .. } if matches!(function.0.kernel, Kernel::Compare(_)) => {
            args.iter().all(|a| matches!(a, Expr::Leaf(_) | Expr::Literal(..)))
        }
        Expr::IsNull(input) => matches!(**input, Expr::Leaf(_)),
        Expr::And(list) | Expr::Or(list) => list.iter().all(respects_equality),
        Expr::Not(input) => respects_equality(input),
        _ => false,
    }
}

/// An equality of two operands of one representation.
#[derive(Debug, Clone)]
pub(crate) struct Equation {
    /// Left operand.
    pub(crate) left: Scalar,
    /// Right operand.
    pub(crate) right: Scalar,
    /// `None` for IS NOT DISTINCT FROM.
    pub(crate) function: Option<FunctionRef>,
}

impl Equation {
    /// The equality that `scalar` is, if it is one whose operands' keys compare as bytes: one type, or types of one
    /// representation; integers of different widths are widened.
    pub(crate) fn of(scalar: &Scalar) -> Option<Self> {
        let (left, right, function) = match scalar {
            Expr::Call { function, args, .. } if is_equality(*function) => match args.as_slice() {
                [left, right] => (left, right, Some(*function)),
                _ => return None,
            },
            Expr::IsNotDistinct(left, right) => (&**left, &**right, None),
            _ => return None,
        };
        let (left, right) = (strip_relabels(left).clone(), strip_relabels(right).clone());
        let (left, right) = unify(left, right)?;
        Some(Self { left, right, function })
    }

    /// The equality as a scalar again.
    pub(crate) fn into_scalar(self) -> Scalar {
        match self.function {
            Some(function) => Expr::Call { function, args: vec![self.left, self.right], data_type: DataType::Bool },
            None => Expr::IsNotDistinct(Box::new(self.left), Box::new(self.right)),
        }
    }

    /// The same with its sides exchanged.
    pub(crate) fn swapped(self) -> Self {
        Self { left: self.right, right: self.left, function: self.function }
    }

    /// Whether NULL equals NULL.
    pub(crate) fn null_safe(&self) -> bool {
        self.function.is_none()
    }
}

/// Whether the function is SQL's `=`.
pub(crate) fn is_equality(function: FunctionRef) -> bool {
    matches!(function.0.kernel, Kernel::Compare(Comparison::Eq))
}

/// Without conversions that change nothing but the type's name.
pub(crate) fn strip_relabels(mut scalar: &Scalar) -> &Scalar {
    while let Expr::Cast(input, cast) = scalar {
        if !is_relabel(&input.data_type(), &cast.to) {
            break;
        }
        scalar = input;
    }
    scalar
}

/// Whether a cast leaves every value as it is: `varchar(20)` to `text`, `regclass` to `oid`.
pub(crate) fn is_relabel(from: &DataType, to: &DataType) -> bool {
    let unlimited = *to == to.without_modifier();
    let blank_padded = matches!(from, DataType::Char(_)) || matches!(to, DataType::Char(_));
    from == to
        || unlimited
            && !blank_padded
            && from.arrow_type() == to.arrow_type()
            && (from.same_base(to) || is_binary_coercible(from, to))
            && !matches!(to, DataType::Name | DataType::InternalChar)
}

fn integer_width(data_type: &DataType) -> Option<u8> {
    match data_type {
        DataType::Int2 => Some(2),
        DataType::Int4 => Some(4),
        DataType::Int8 => Some(8),
        _ => None,
    }
}

/// The operands as one type, if that needs no conversion that could fail or lose.
fn unify(left: Scalar, right: Scalar) -> Option<(Scalar, Scalar)> {
    let (l, r) = (left.data_type(), right.data_type());
    if l.same_base(&r) {
        return Some((left, right));
    }
    if let (Some(lw), Some(rw)) = (integer_width(&l), integer_width(&r)) {
        return Some(if lw < rw { (widen(left, r), right) } else { (left, widen(right, l)) });
    }
    let text = |t: &DataType| matches!(t, DataType::Text | DataType::Varchar(_) | DataType::Name);
    let oid = |t: &DataType| matches!(t, DataType::Oid | DataType::Reg(_));
    (text(&l) && text(&r) || oid(&l) && oid(&r)).then_some((left, right))
}

fn widen(scalar: Scalar, to: DataType) -> Scalar {
    let context = headwater_expr::CastContext::Implicit;
    Expr::Cast(Box::new(scalar), headwater_expr::Cast { to, context })
}

/// The columns each of which, being NULL, makes the scalar NULL.
pub(crate) fn nullifying(scalar: &Scalar) -> ColumnSet {
    match scalar {
        Expr::Leaf(column) => [column.index].into_iter().collect(),
        Expr::Call { function, args, .. } if function.0.strict => {
            let mut set = ColumnSet::new();
            for arg in args {
                set.union_with(&nullifying(arg));
            }
            set
        }
        Expr::Cast(input, _) | Expr::Not(input) => nullifying(input),
        _ => ColumnSet::new(),
    }
}

/// The columns each of which, being NULL, makes the condition false or NULL.
pub(crate) fn null_rejected(condition: &Scalar) -> ColumnSet {
    match condition {
        Expr::And(operands) => {
            let mut set = ColumnSet::new();
            for operand in operands {
                set.union_with(&null_rejected(operand));
            }
            set
        }
        Expr::Or(operands) => {
            let mut sets = operands.iter().map(null_rejected);
            let first = sets.next().unwrap_or_default();
            sets.fold(first, |a, b| a.intersection(&b))
        }
        Expr::Not(input) => match &**input {
            Expr::IsNull(input) => nullifying(input),
            _ => nullifying(condition),
        },
        Expr::Quantified { left, quantifier: Quantifier::Any, .. } => nullifying(left),
        _ => nullifying(condition),
    }
}

/// Whether the scalar is never NULL, given the columns that never are.
pub(crate) fn is_never_null(scalar: &Scalar, not_null: &ColumnSet) -> bool {
    !scalar.is_nullable(&|column| !not_null.contains(column.index))
}

/// `COALESCE(scalar, value)`.
pub(crate) fn coalesce<L>(scalar: Expr<L>, value: Expr<L>) -> Expr<L> {
    Expr::Coalesce(vec![scalar, value])
}

/// `left IS NOT DISTINCT FROM right` for the columns of two relations side by side.
pub(crate) fn null_safe_equal(left: usize, right: usize, data_type: &DataType) -> Scalar {
    Expr::IsNotDistinct(
        Box::new(Scalar::column(left, data_type.clone())),
        Box::new(Scalar::column(right, data_type.clone())),
    )
}
