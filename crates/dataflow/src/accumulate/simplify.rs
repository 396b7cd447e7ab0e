//! Aggregate calls in their cheapest form, found when an operator is built.
//!
//! ```text
//!  f(CASE WHEN p THEN x END)           ─▶  f(x) FILTER (WHERE p)                       f skips NULL
//!  count(1) FILTER (WHERE p)           ─▶  count(*) FILTER (WHERE p)
//!  sum(CASE WHEN p THEN x ELSE 0 END)  ─▶  sum(x) FILTER (WHERE p), and a 0 for every other row
//!  … g(e) … h(e) …                     ─▶  e once per batch, as a further column
//! ```
//!
//! Sound where `x` and `e` cannot fail and are not volatile: they are computed for rows that did not ask for them.

use hashbrown::HashMap;
use headwater_expr::{Aggregate, AggregateFunction, Column, Scalar, Volatility};
use headwater_types::{Datum, Numeric};

/// An aggregate call, and the scale of the zeros that rows outside its filter add.
pub(crate) struct SimpleCall {
    pub(crate) call: Aggregate<Column>,
    pub(crate) zero_scale: Option<u32>,
}

/// The calls, and the expressions to be appended to a batch of `arity` columns before they are used.
pub(crate) fn simplify(calls: &[Aggregate<Column>], arity: usize) -> (Vec<SimpleCall>, Vec<Scalar>) {
    let mut calls: Vec<SimpleCall> = calls.iter().cloned().map(with_filter).collect();
    let mut uses = HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
    for SimpleCall { call, .. } in &calls {
        scalars(call).for_each(|scalar| count_uses(scalar, &mut uses));
    }
    uses.retain(|_, uses| *uses > 1);
    let mut shared = Shared { arity, uses, places: HashMap::default(), scalars: vec![] };
    for SimpleCall { call, .. } in &mut calls {
        let order_keys = call.order_by.iter_mut().map(|(key, _)| key);
        call.args.iter_mut().chain(&mut call.filter).chain(order_keys).for_each(|scalar| shared.replace(scalar));
    }
    (calls, shared.scalars)
}

fn scalars(call: &Aggregate<Column>) -> impl Iterator<Item = &Scalar> {
    call.args.iter().chain(&call.filter).chain(call.order_by.iter().map(|(key, _)| key))
}

fn is_harmless(scalar: &Scalar) -> bool {
    !scalar.is_fallible() && scalar.volatility() != Volatility::Volatile
}

fn with_filter(mut call: Aggregate<Column>) -> SimpleCall {
    use AggregateFunction as F;
    let sums = matches!(call.function, F::Sum | F::Avg | F::SumState);
    let mut zero_scale = None;
    if call.function != F::ArrayAgg
        && call.filter.is_none()
        && call.order_by.is_empty()
        && let [Scalar::Case { branches, otherwise }] = &call.args[..]
        && let [(condition, result)] = &branches[..]
        && let Scalar::Literal(otherwise, _) = &**otherwise
        && is_harmless(result)
    {
        // Integers' zeros are in sums of integers, numerics' in those of numerics.
        zero_scale = scale_of_zero(otherwise).filter(|_| sums && !call.distinct);
        if otherwise.is_null() || zero_scale.is_some() {
            call.filter = Some(condition.clone());
            call.args = vec![result.clone()];
        }
    }
    let never_null = matches!(&call.args[..], [Scalar::Literal(value, _)] if !value.is_null());
    if call.function == F::Count && !call.distinct && never_null {
        call.function = F::CountStar;
        call.args.clear();
    }
    SimpleCall { call, zero_scale }
}

fn scale_of_zero(value: &Datum) -> Option<u32> {
    match value {
        Datum::Int2(0) | Datum::Int4(0) | Datum::Int8(0) => Some(0),
        Datum::Numeric(Numeric::Finite(zero)) if zero.is_zero() => Some(zero.scale()),
        _ => None,
    }
}

type Uses = HashMap<Scalar, usize, ahash::RandomState>;

/// Counts the expressions in `scalar` that are worth computing once.
fn count_uses(scalar: &Scalar, uses: &mut Uses) {
    if matches!(scalar, Scalar::Leaf(_) | Scalar::Literal(..) | Scalar::Parameter(..)) {
        return;
    }
    if is_harmless(scalar) {
        *uses.entry(scalar.clone()).or_default() += 1;
    }
    scalar.children().into_iter().for_each(|child| count_uses(child, uses));
}

struct Shared {
    arity: usize,
    /// The expressions that occur more than once.
    uses: Uses,
    /// The columns of those computed already. Looked up only: its order is never seen.
    places: Uses,
    scalars: Vec<Scalar>,
}

impl Shared {
    /// Puts a column in the place of every shared expression in `scalar`; the largest first.
    fn replace(&mut self, scalar: &mut Scalar) {
        if !self.uses.contains_key(scalar) {
            scalar.children_mut().into_iter().for_each(|child| self.replace(child));
            return;
        }
        let place = match self.places.get(scalar) {
            Some(&place) => place,
            None => {
                let mut parts = scalar.clone();
                parts.children_mut().into_iter().for_each(|child| self.replace(child));
                self.scalars.push(parts);
                let place = self.arity + self.scalars.len() - 1;
                self.places.insert(scalar.clone(), place);
                place
            }
        };
        *scalar = Scalar::column(place, scalar.data_type());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{as_integer, numeric};
    use headwater_types::DataType;

    fn call(function: AggregateFunction, arg: Scalar) -> Aggregate<Column> {
        let data_type = DataType::Int8;
        Aggregate { function, args: vec![arg], distinct: false, filter: None, order_by: vec![], data_type }
    }

    fn is_null(column: usize) -> Scalar {
        Scalar::IsNull(Box::new(Scalar::column(column, DataType::Int4)))
    }

    fn case(condition: Scalar, result: Scalar, otherwise: Datum) -> Scalar {
        let otherwise = Scalar::literal(otherwise, result.data_type());
        Scalar::Case { branches: vec![(condition, result)], otherwise: Box::new(otherwise) }
    }

    #[test]
    fn a_case_becomes_a_filter_computed_once() {
        let one = Scalar::literal(Datum::Int4(1), DataType::Int4);
        let amount = Scalar::column(1, DataType::Numeric(None));
        let calls = [
            call(AggregateFunction::Count, case(is_null(0), one, Datum::Null)),
            call(AggregateFunction::Sum, case(is_null(0), amount.clone(), numeric("0.00"))),
            call(AggregateFunction::Count, case(is_null(2), amount.clone(), Datum::Null)),
        ];
        let (calls, shared) = simplify(&calls, 3);
        assert_eq!(shared, [is_null(0)]);
        let filter = |place: usize| calls[place].call.filter.clone();
        assert_eq!(filter(0), Some(Scalar::column(3, DataType::Bool)));
        assert_eq!(filter(1), filter(0));
        assert_eq!(filter(2), Some(is_null(2)));
        assert_eq!((calls[0].call.function, calls[0].call.args.len()), (AggregateFunction::CountStar, 0));
        assert_eq!((calls[1].zero_scale, &calls[1].call.args[..]), (Some(2), &[amount.clone()][..]));
        assert_eq!((calls[2].call.function, calls[2].zero_scale), (AggregateFunction::Count, None));
    }

    #[test]
    fn what_may_fail_stays_where_it_is() {
        let guarded = case(is_null(0), as_integer(1), Datum::Null);
        let calls = [call(AggregateFunction::Sum, guarded.clone()), call(AggregateFunction::Count, guarded.clone())];
        let (calls, shared) = simplify(&calls, 2);
        assert_eq!(shared, [is_null(0)]);
        assert!(calls.iter().all(|simple| simple.call.filter.is_none()));
        // What is not a zero is not left out, and array_agg keeps NULLs.
        let other = case(is_null(0), Scalar::column(1, DataType::Int4), Datum::Int4(1));
        let nulls = case(is_null(0), Scalar::column(1, DataType::Int4), Datum::Null);
        let calls = [call(AggregateFunction::Sum, other), call(AggregateFunction::ArrayAgg, nulls)];
        assert!(simplify(&calls, 2).0.iter().all(|simple| simple.call.filter.is_none()));
    }
}
