//! Array constructors, subscripts and `op ANY|ALL (array)`.

use super::{Evaluated, Operand, RowErrors, call_function, merge_errors, null_out, operand, row_number, take};
use crate::registry::{Call, FunctionRef, Volatility};
use crate::{EvalContext, Quantifier, Scalar};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, UInt32Array};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer, OffsetBuffer};
use headwater_types::{Batch, DataType};
use std::sync::Arc;

/// The elements up to which a constant array is compared with element by element.
const UNROLLED_ELEMENTS_MAX: usize = 16;

/// ARRAY[…]
pub(super) fn construct(args: &[Scalar], element: &DataType, batch: &Batch, context: &EvalContext<'_>) -> Operand {
    let operands: Vec<Operand> = args.iter().map(|arg| operand(arg, batch, context)).collect();
    let constant = operands.iter().all(Operand::is_constant);
    let rows = if constant { 1 } else { batch.rows };
    let arrays: Vec<&dyn Array> = operands.iter().map(|o| &**o.array()).collect();
    let places: Vec<(usize, usize)> =
        (0..rows).flat_map(|row| operands.iter().enumerate().map(move |(i, o)| (i, o.index(row)))).collect();
    let values = if arrays.is_empty() {
        arrow_array::new_empty_array(&element.arrow_type())
    } else {
        arrow_select::interleave::interleave(&arrays, &places).expect("the elements have one type")
    };
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(args.len(), rows));
    let array = list(element, offsets, values, None);
    let errors: RowErrors = merge_errors(operands.iter().flat_map(|o| o.errors_of(rows)).collect());
    let array = if errors.is_empty() { array } else { null_out(&array, &errors) };
    let result = Evaluated { array, errors };
    if constant { Operand::constant_of(result) } else { Operand::of(result) }
}

fn list(element: &DataType, offsets: OffsetBuffer<i32>, values: ArrayRef, nulls: Option<NullBuffer>) -> ArrayRef {
    let field = arrow_schema::Field::new("item", element.arrow_type(), true);
    Arc::new(ListArray::new(Arc::new(field), offsets, values, nulls))
}

/// `array[index]`
pub(super) fn subscript(array: &Scalar, index: &Scalar, batch: &Batch, context: &EvalContext<'_>) -> Operand {
    let first = match array.data_type() {
        DataType::Int2Vector | DataType::OidVector => 0,
        _ => 1,
    };
    let (array, index) = (operand(array, batch, context), operand(index, batch, context));
    let constant = array.is_constant() && index.is_constant();
    let rows = if constant { 1 } else { batch.rows };
    let lists = array.array().as_list::<i32>();
    let subscripts = super::compare::wide_ints(index.array());
    let offsets = lists.value_offsets();
    let places: UInt32Array = (0..rows)
        .map(|row| {
            if array.is_null(row) || index.is_null(row) {
                return None;
            }
            let at = array.index(row);
            let length = i64::from(offsets[at + 1] - offsets[at]);
            let place = subscripts.value(index.index(row)).checked_sub(first)?;
            if !(0..length).contains(&place) {
                return None;
            }
            u32::try_from(i64::from(offsets[at]) + place).ok()
        })
        .collect();
    let taken = arrow_select::take::take(lists.values(), &places, None).expect("the places are within the elements");
    let errors: RowErrors = merge_errors(array.errors_of(rows).into_iter().chain(index.errors_of(rows)).collect());
    let taken = if errors.is_empty() { taken } else { null_out(&taken, &errors) };
    let result = Evaluated { array: taken, errors };
    if constant { Operand::constant_of(result) } else { Operand::of(result) }
}

/// `left op ANY|ALL (array)`
pub(super) fn quantified(
    function: FunctionRef,
    left: &Scalar,
    array: &Scalar,
    quantifier: Quantifier,
    batch: &Batch,
    context: &EvalContext<'_>,
) -> Operand {
    let left_type = left.data_type();
    let element = array.data_type().element().unwrap_or(DataType::Text);
    let types = [left_type, element];
    let call = Call { context, arg_types: &types, data_type: &DataType::Bool };
    let (left, array) = (operand(left, batch, context), operand(array, batch, context));
    let lists = array.array().as_list::<i32>();
    if array.is_constant() && !left.is_constant() && !array.is_null(0) && !array.has_errors() {
        let elements = lists.value(0);
        if (1..=UNROLLED_ELEMENTS_MAX).contains(&elements.len()) && function.0.volatility != Volatility::Volatile {
            return unrolled(function, left, &elements, quantifier, batch.rows, &call);
        }
    }
    let constant = array.is_constant() && left.is_constant();
    let rows = if constant { 1 } else { batch.rows };
    let result = flattened(function, &left, &array, quantifier, rows, &call);
    let inherited: RowErrors = left.errors_of(rows).into_iter().chain(array.errors_of(rows)).collect();
    let errors = merge_errors(result.errors.into_iter().chain(inherited).collect());
    let array = if errors.is_empty() { result.array } else { null_out(&result.array, &errors) };
    let result = Evaluated { array, errors };
    if constant { Operand::constant_of(result) } else { Operand::of(result) }
}

/// One comparison of the whole column per element.
fn unrolled(
    function: FunctionRef,
    left: Operand,
    elements: &ArrayRef,
    quantifier: Quantifier,
    rows: usize,
    call: &Call<'_>,
) -> Operand {
    let mut errors = RowErrors::new();
    let mut verdict: Option<Verdict> = None;
    for element in 0..elements.len() {
        let right = Operand::constant(elements.slice(element, 1));
        let part = call_function(function, vec![left.clone(), right], rows, call).spread(rows);
        errors.extend(part.errors);
        let next = Verdict::of(part.array.as_boolean());
        verdict = Some(match verdict {
            None => next,
            Some(so_far) => so_far.join(&next, quantifier),
        });
    }
    let array = verdict.expect("there is an element").array();
    let errors = merge_errors(errors);
    let array = if errors.is_empty() { array } else { null_out(&array, &errors) };
    Operand::of(Evaluated { array, errors })
}

/// Which rows are known to be true, which to be false.
struct Verdict {
    is_true: arrow_buffer::BooleanBuffer,
    is_false: arrow_buffer::BooleanBuffer,
}

impl Verdict {
    fn of(array: &BooleanArray) -> Self {
        match array.nulls() {
            None => Self { is_true: array.values().clone(), is_false: !array.values() },
            Some(valid) => Self { is_true: array.values() & valid.inner(), is_false: &!array.values() & valid.inner() },
        }
    }

    fn join(&self, next: &Self, quantifier: Quantifier) -> Self {
        match quantifier {
            Quantifier::Any => {
                Self { is_true: &self.is_true | &next.is_true, is_false: &self.is_false & &next.is_false }
            }
            Quantifier::All => {
                Self { is_true: &self.is_true & &next.is_true, is_false: &self.is_false | &next.is_false }
            }
        }
    }

    fn array(self) -> ArrayRef {
        let valid = NullBuffer::new(&self.is_true | &self.is_false);
        Arc::new(BooleanArray::new(self.is_true, Some(valid).filter(|v| v.null_count() > 0)))
    }
}

/// All pairs of a left value and an element as one comparison, folded by row.
fn flattened(
    function: FunctionRef,
    left: &Operand,
    array: &Operand,
    quantifier: Quantifier,
    rows: usize,
    call: &Call<'_>,
) -> Evaluated {
    let lists = array.array().as_list::<i32>();
    let offsets = lists.value_offsets();
    let (mut lefts, mut elements, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(rows));
    for row in 0..rows {
        if array.is_null(row) {
            lengths.push(None);
            continue;
        }
        let at = array.index(row);
        let (from, to) = (offsets[at], offsets[at + 1]);
        elements.extend((from..to).map(|i| u32::try_from(i).expect("offsets are not negative")));
        let length = usize::try_from(to - from).expect("offsets ascend");
        lefts.extend(std::iter::repeat_n(row_number(left.index(row)), length));
        lengths.push(Some(length));
    }
    let pairs = elements.len();
    let operands = vec![Operand::column(take(left.array(), &lefts)), Operand::column(take(lists.values(), &elements))];
    let compared = call_function(function, operands, pairs, call).spread(pairs);
    let truth = compared.array.as_boolean();
    let decisive = quantifier == Quantifier::Any;
    let mut failed = compared.errors.into_iter().peekable();
    let (mut values, mut valid) = (BooleanBufferBuilder::new(rows), BooleanBufferBuilder::new(rows));
    let mut errors = RowErrors::new();
    let mut pair = 0;
    for (row, length) in lengths.into_iter().enumerate() {
        let Some(length) = length else {
            values.append(false);
            valid.append(false);
            continue;
        };
        let end = pair + length;
        let decided = (pair..end).any(|i| truth.is_valid(i) && truth.value(i) == decisive);
        let unknown = (pair..end).any(|i| truth.is_null(i));
        let mut first_error = None;
        while let Some((_, error)) = failed.next_if(|(at, _)| usize::try_from(*at).is_ok_and(|at| at < end)) {
            first_error = Some(first_error.map_or(error.clone(), |e: headwater_types::SqlError| e.min(error)));
        }
        if let Some(error) = first_error {
            errors.push((row_number(row), error));
        }
        values.append(decided == decisive);
        valid.append(decided || !unknown);
        pair = end;
    }
    let nulls = Some(NullBuffer::new(valid.finish())).filter(|n| n.null_count() > 0);
    Evaluated { array: Arc::new(BooleanArray::new(values.finish(), nulls)), errors }
}
