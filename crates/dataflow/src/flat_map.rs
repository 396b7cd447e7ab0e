//! A set-returning function of each input row.
//!
//! ```text
//!  row ─▶ args ─▶ function ─▶ its rows: [ input columns | function's columns | ordinality ] ─▶ mfp
//! ```
//!
//! Linear: an input row's weight is that of all rows it gives. No state.

use crate::delta::{Delta, StepContext, StepError};
use crate::map_filter_project::{MapFilterProject, report};
use crate::spec::FlatMapPlan;
use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use headwater_arrange::batch_bytes;
use headwater_expr::{Scalar, TableFunction, evaluate, evaluate_table_function};
use headwater_types::{Batch, DataType, Datum, DeltaBatch, SqlError};
use std::sync::Arc;

/// Rows made before they are passed on.
const EMITTED_ROWS_MAX: usize = 8192;

/// See the module.
#[derive(Debug)]
pub struct FlatMap {
    function: TableFunction,
    args: Vec<Scalar>,
    types: Vec<DataType>,
    ordinality: bool,
    mfp: MapFilterProject,
}

/// Bytes of input columns that are repeated in rows made and not yet passed on.
const EMITTED_BYTES_MAX: usize = 1 << 29;

/// The bytes of a batch's largest row, or an upper bound if the batch is small.
fn widest_row(batch: &DeltaBatch) -> usize {
    let bytes = batch_bytes(&batch.rows);
    if bytes <= EMITTED_BYTES_MAX / EMITTED_ROWS_MAX {
        return bytes;
    }
    (0..batch.rows.rows).map(|row| batch_bytes(&batch.rows.slice(row, 1))).max().unwrap_or(0)
}

/// Rows made and not yet passed on.
#[derive(Default)]
struct Pending {
    /// The input row of each.
    origins: Vec<u32>,
    results: Vec<Batch>,
    ordinals: Vec<i64>,
}

impl FlatMap {
    /// Calls what `plan` says.
    #[must_use]
    pub fn new(plan: &FlatMapPlan) -> Self {
        Self {
            function: plan.function,
            args: plan.args.clone(),
            types: plan.types.clone(),
            ordinality: plan.ordinality,
            mfp: MapFilterProject::new(&plan.mfp),
        }
    }

    /// Consumes one step's input delta and returns that step's output delta.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn step(&mut self, input: Delta, context: &StepContext<'_>) -> Result<Delta, StepError> {
        context.touch(input.rows());
        let mut output = Delta { batches: vec![], errors: input.errors };
        for batch in &input.batches {
            self.apply(batch, context, &mut output);
        }
        Ok(output)
    }

    fn apply(&self, batch: &DeltaBatch, context: &StepContext<'_>, output: &mut Delta) {
        let rows = batch.rows.rows;
        let mut failed: Vec<(u32, SqlError)> = vec![];
        let args: Vec<(ArrayRef, DataType)> = self
            .args
            .iter()
            .map(|arg| {
                let value = evaluate(arg, &batch.rows, &context.eval);
                failed.extend(value.errors);
                (value.array, arg.data_type())
            })
            .collect();
        failed.sort();
        failed.dedup_by_key(|(row, _)| *row);
        report(&failed, &batch.weights, &mut output.errors);
        let mut pending = Pending::default();
        let emitted_rows = EMITTED_ROWS_MAX.min(EMITTED_BYTES_MAX / widest_row(batch).max(1)).max(1);
        for row in 0..rows {
            let number = u32::try_from(row).expect("a batch has fewer than 2^32 rows");
            if failed.binary_search_by_key(&number, |(row, _)| *row).is_ok() {
                continue;
            }
            let values: Vec<Datum> = args.iter().map(|(array, t)| Datum::from_array(&**array, t, row)).collect();
            match evaluate_table_function(self.function, &values, &self.types, &context.eval) {
                Ok(result) => {
                    for from in (0..result.rows).step_by(emitted_rows) {
                        let piece = result.slice(from, emitted_rows.min(result.rows - from));
                        let first = i64::try_from(from).expect("a count of rows fits") + 1;
                        pending.ordinals.extend((first..).take(piece.rows));
                        pending.origins.extend(std::iter::repeat_n(number, piece.rows));
                        pending.results.push(piece);
                        if pending.origins.len() >= emitted_rows {
                            self.emit(batch, std::mem::take(&mut pending), context, output);
                        }
                    }
                }
                Err(error) => output.errors.push((error, batch.weights[row])),
            }
        }
        self.emit(batch, pending, context, output);
    }

    fn emit(&self, batch: &DeltaBatch, pending: Pending, context: &StepContext<'_>, output: &mut Delta) {
        let rows = pending.origins.len();
        if rows == 0 {
            return;
        }
        context.touch(rows);
        let weights = pending.origins.iter().map(|&row| batch.weights[row as usize]).collect();
        let origins = UInt32Array::from(pending.origins);
        let mut columns: Vec<ArrayRef> = batch
            .rows
            .columns
            .iter()
            .map(|column| arrow_select::take::take(column, &origins, None).expect("rows of this batch"))
            .collect();
        columns.extend(Batch::concat(&pending.results).columns);
        if self.ordinality {
            columns.push(Arc::new(Int64Array::from(pending.ordinals)));
        }
        self.mfp.apply(DeltaBatch::new(Batch::new(columns, rows), weights), &context.eval, output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Mfp;
    use crate::testing::{Bag, Random, Row, as_integer, check};

    /// `SELECT t, n FROM r, generate_series(1, t::int) WITH ORDINALITY`.
    #[test]
    fn adds_up_to_recomputation() {
        let types = [DataType::Text];
        let output = [DataType::Text, DataType::Int4, DataType::Int8];
        let plan = FlatMapPlan {
            function: TableFunction::GenerateSeries,
            args: vec![Scalar::literal(Datum::Int4(1), DataType::Int4), as_integer(0)],
            types: vec![DataType::Int4],
            ordinality: true,
            mfp: Mfp::identity(3),
        };
        let make = |random: &mut Random| vec![random.text(&["0", "1", "3", "x"])];
        let recompute = |rows: &[Row]| {
            let mut bag = Bag::default();
            for row in rows {
                let Datum::Text(text) = &row[0] else { panic!("texts") };
                match text.parse::<i32>() {
                    Ok(n) => (1..=n)
                        .for_each(|i| bag.add_row(&vec![row[0].clone(), Datum::Int4(i), Datum::Int8(i.into())], 1)),
                    Err(_) => bag.add("error 22P02 invalid input syntax for type integer: \"x\"".to_owned(), 1),
                }
            }
            bag
        };
        let step =
            |op: &mut FlatMap, delta: Delta, context: &StepContext<'_>| op.step(delta, context).expect("no limit");
        check(&types, &output, || FlatMap::new(&plan), step, make, recompute);
    }
}
