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
        for row in 0..rows {
            let number = u32::try_from(row).expect("a batch has fewer than 2^32 rows");
            if failed.binary_search_by_key(&number, |(row, _)| *row).is_ok() {
                continue;
            }
            let values: Vec<Datum> = args.iter().map(|(array, t)| Datum::from_array(&**array, t, row)).collect();
            match evaluate_table_function(self.function, &values, &self.types, &context.eval) {
                Ok(result) => {
                    for from in (0..result.rows).step_by(EMITTED_ROWS_MAX) {
                        let piece = result.slice(from, EMITTED_ROWS_MAX.min(result.rows - from));
                        let first = i64::try_from(from).expect("a count of rows fits") + 1;
                        pending.ordinals.extend((first..).take(piece.rows));
                        pending.origins.extend(std::iter::repeat_n(number, piece.rows));
                        pending.results.push(piece);
                        if pending.origins.len() >= EMITTED_ROWS_MAX {
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
