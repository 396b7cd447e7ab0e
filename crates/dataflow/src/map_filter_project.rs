//! Map, filter and project, fused and a batch at a time.
//!
//! ```text
//!  input columns ─▶ [expression 0] ─▶ (predicate) ─▶ [expression 1] ─▶ … ─▶ projection
//!                        └─ rows in error leave as (error, weight)
//! ```
//!
//! Linear: the output delta is the definition applied to the input delta. No state. A predicate drops rows before the
//! next expression is computed, and columns that nothing needs any more are not filtered along.

use crate::delta::{Delta, StepContext, StepError};
use crate::spec::Mfp;
use arrow_array::{ArrayRef, BooleanArray, NullArray};
use headwater_expr::{EvalContext, Scalar, evaluate, evaluate_predicate};
use headwater_types::{Batch, DeltaBatch, SqlError};
use std::sync::Arc;

/// One thing to do, and the columns needed after it.
#[derive(Debug, Clone)]
struct Stage {
    work: Work,
    /// Per column so far: whether a later stage or the projection reads it.
    needed: Vec<bool>,
}

#[derive(Debug, Clone)]
enum Work {
    Map(Scalar),
    Filter(Scalar),
}

/// See the module.
#[derive(Debug, Clone)]
pub struct MapFilterProject {
    stages: Vec<Stage>,
    projection: Vec<usize>,
    input_arity: usize,
    identity: bool,
    /// The input columns that are read at all.
    required: Vec<usize>,
}

impl MapFilterProject {
    /// Does what `spec` says.
    #[must_use]
    pub fn new(spec: &Mfp) -> Self {
        let mut work = vec![];
        for (place, expression) in spec.expressions.iter().enumerate() {
            work.extend(spec.predicates.iter().filter(|(n, _)| *n == place).map(|(_, p)| Work::Filter(p.clone())));
            work.push(Work::Map(expression.clone()));
        }
        let last = spec.expressions.len();
        work.extend(spec.predicates.iter().filter(|(n, _)| *n >= last).map(|(_, p)| Work::Filter(p.clone())));
        let mut needed = vec![false; spec.input_arity + last];
        for &column in &spec.projection {
            needed[column] = true;
        }
        let mut stages = Vec::with_capacity(work.len());
        for work in work.into_iter().rev() {
            let after = needed.clone();
            let (Work::Map(expr) | Work::Filter(expr)) = &work;
            expr.for_each_leaf(&mut |column| needed[column.index] = true);
            stages.push(Stage { work, needed: after });
        }
        stages.reverse();
        let required = (0..spec.input_arity).filter(|&column| needed[column]).collect();
        Self {
            stages,
            projection: spec.projection.clone(),
            input_arity: spec.input_arity,
            identity: spec.is_identity(),
            required,
        }
    }

    /// The input columns that are read: the others may be left out by [`MapFilterProject::widen`].
    #[must_use]
    pub fn required(&self) -> &[usize] {
        &self.required
    }

    /// Whether every row passes, and none can fail: it projects, and does nothing else.
    #[must_use]
    pub fn keeps_all_rows(&self) -> bool {
        self.stages.is_empty()
    }

    /// Whether it passes everything on unchanged.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.identity
    }

    /// A batch of the full width from the required columns alone, in their order.
    #[must_use]
    pub fn widen(&self, required: Vec<ArrayRef>, rows: usize) -> Batch {
        widen(self.input_arity, &self.required, required, rows)
    }

    /// The definition applied to a delta.
    ///
    /// # Errors
    ///
    /// None today; expressions' errors are data.
    pub fn step(&mut self, input: Delta, context: &StepContext<'_>) -> Result<Delta, StepError> {
        context.touch(input.rows());
        if self.identity {
            return Ok(input);
        }
        let mut output = Delta { batches: vec![], errors: input.errors };
        for batch in input.batches {
            self.apply(batch, &context.eval, &mut output);
        }
        Ok(output)
    }

    /// The definition applied to one batch.
    pub fn apply(&self, batch: DeltaBatch, eval: &EvalContext<'_>, output: &mut Delta) {
        if self.identity {
            output.push(batch);
            return;
        }
        let mut rows = batch;
        for stage in &self.stages {
            if rows.is_empty() {
                return;
            }
            let errors = match &stage.work {
                Work::Map(expr) => {
                    let value = evaluate(expr, &rows.rows, eval);
                    rows.rows.columns.push(value.array);
                    value.errors
                }
                Work::Filter(predicate) => {
                    let (mask, errors) = evaluate_predicate(predicate, &rows.rows, eval);
                    report(&errors, &rows.weights, &mut output.errors);
                    if mask.true_count() < rows.rows.rows {
                        drop_unneeded(&mut rows.rows, &stage.needed);
                        rows = rows.filter(&mask);
                    }
                    continue;
                }
            };
            if !errors.is_empty() {
                report(&errors, &rows.weights, &mut output.errors);
                drop_unneeded(&mut rows.rows, &stage.needed);
                rows = rows.filter(&without(&errors, rows.rows.rows));
            }
        }
        let columns = self.projection.iter().map(|&column| Arc::clone(&rows.rows.columns[column])).collect();
        rows.rows = Batch::new(columns, rows.rows.rows);
        output.push(rows);
    }
}

/// A batch of `width` columns of which only `present` are given; the others are empty of meaning.
pub(crate) fn widen(width: usize, present: &[usize], given: Vec<ArrayRef>, rows: usize) -> Batch {
    if present.len() == width {
        return Batch::new(given, rows);
    }
    let absent: ArrayRef = Arc::new(NullArray::new(rows));
    let mut columns = vec![absent; width];
    for (&place, column) in present.iter().zip(given) {
        columns[place] = column;
    }
    Batch::new(columns, rows)
}

/// Filtering a column costs more than forgetting it.
fn drop_unneeded(rows: &mut Batch, needed: &[bool]) {
    let absent: ArrayRef = Arc::new(NullArray::new(rows.rows));
    for (column, needed) in rows.columns.iter_mut().zip(needed) {
        if !needed {
            *column = Arc::clone(&absent);
        }
    }
}

pub(crate) fn report(errors: &[(u32, SqlError)], weights: &[i64], output: &mut Vec<(SqlError, i64)>) {
    output.extend(errors.iter().map(|(row, error)| (error.clone(), weights[*row as usize])));
}

/// True for every row that is not in error.
pub(crate) fn without(errors: &[(u32, SqlError)], rows: usize) -> BooleanArray {
    let mut keep = vec![true; rows];
    for (row, _) in errors {
        keep[*row as usize] = false;
    }
    BooleanArray::from(keep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bag, Random, Row, as_integer, check};
    use headwater_types::{DataType, Datum};

    /// `SELECT flag, text::int, id WHERE flag`, the cast after the filter.
    #[test]
    fn filters_before_it_fails() {
        let types = [DataType::Int4, DataType::Bool, DataType::Text];
        let spec = Mfp {
            input_arity: 3,
            expressions: vec![as_integer(2)],
            predicates: vec![(0, Scalar::column(1, DataType::Bool))],
            projection: vec![3, 0],
        };
        let output = [DataType::Int4, DataType::Int4];
        let make =
            |random: &mut Random| vec![random.int(3), Datum::Bool(random.below(2) == 0), random.text(&["1", "2", "x"])];
        let recompute = |rows: &[Row]| {
            let mut bag = Bag::default();
            for row in rows.iter().filter(|row| row[1] == Datum::Bool(true)) {
                match &row[2] {
                    Datum::Text(t) if &**t == "x" => {
                        bag.add("error 22P02 invalid input syntax for type integer: \"x\"".to_owned(), 1);
                    }
                    Datum::Text(t) => bag.add_row(&vec![Datum::Int4(t.parse().expect("digits")), row[0].clone()], 1),
                    _ => unreachable!("texts"),
                }
            }
            bag
        };
        let step = |op: &mut MapFilterProject, delta: Delta, context: &StepContext<'_>| {
            op.step(delta, context).expect("linear")
        };
        check(&types, &output, || MapFilterProject::new(&spec), step, make, recompute);
    }

    #[test]
    fn reads_what_it_needs() {
        let spec = Mfp {
            input_arity: 4,
            expressions: vec![as_integer(3)],
            predicates: vec![(1, Scalar::column(0, DataType::Bool))],
            projection: vec![4],
        };
        assert_eq!(MapFilterProject::new(&spec).required(), [0, 3]);
    }
}
