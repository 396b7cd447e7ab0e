//! A join whose first step is its last: the smaller input is indexed, the larger one probes it and is not kept.

use super::pairs::Probe;
use super::side::{Rows, Side};
use super::{Alone, Shape};
use crate::delta::{Delta, StepContext, StepError};
use crate::map_filter_project::widen;
use crate::spec::JoinPlan;
use headwater_types::{DataType, DeltaBatch, SqlError, SqlState};

/// The join of two whole inputs.
pub(super) fn join(
    shape: &Shape,
    plan: &JoinPlan,
    left: Delta,
    right: Delta,
    context: &StepContext<'_>,
    output: &mut Delta,
) -> Result<(), StepError> {
    let mut inputs = [left, right];
    for (number, input) in inputs.iter_mut().enumerate() {
        output.errors.append(&mut input.errors);
        if input.has_retractions() {
            let taken = std::mem::take(input);
            input.batches = taken.consolidated_parts(shape.types(number))?;
        }
    }
    let build = if inputs[0].rows() < inputs[1].rows() { 0 } else { 1 };
    let [left, right] = inputs;
    let (built, probing) = if build == 0 { (left, right) } else { (right, left) };
    let other = build_side(shape, plan, build, built.batches)?;
    let mut own = side(shape, plan, 1 - build, vec![], vec![]);
    let mut probe = Probe::new(shape, 1 - build, context);
    for batch in probing.batches {
        // Without ids: what the side's rows have matched need not be remembered.
        let batch = DeltaBatch { row_ids: None, ..batch };
        probe.run(&batch, &mut own, &other, output)?;
    }
    let alone = shape.alone(build);
    if alone == Alone::Nothing {
        return Ok(());
    }
    let Rows::Flat { batches, starts } = &other.rows else { unreachable!("just built") };
    for (batch, &start) in batches.iter().zip(starts) {
        let shown: Vec<u32> = (0u32..)
            .take(batch.rows.rows)
            .filter(|&row| probe.was_matched(start + row) == (alone == Alone::Matched))
            .collect();
        if !shown.is_empty() {
            let batch = batch.take(&shown);
            let rows = widen(other.width, &other.fetched, batch.rows.columns, shown.len());
            probe.emit_alone(build, rows, batch.weights, output);
        }
    }
    Ok(())
}

fn build_side(shape: &Shape, plan: &JoinPlan, number: usize, batches: Vec<DeltaBatch>) -> Result<Side, StepError> {
    let mut starts = vec![];
    let mut total = 0usize;
    for batch in &batches {
        starts.push(u32::try_from(total).map_err(|_| too_many())?);
        total += batch.rows.rows;
    }
    u32::try_from(total).map_err(|_| too_many())?;
    let mut built = side(shape, plan, number, vec![], vec![]);
    let mut kept = Vec::with_capacity(batches.len());
    for (batch, &start) in batches.into_iter().zip(&starts) {
        let ids = (start..).take(batch.rows.rows).collect();
        let batch = DeltaBatch { row_ids: Some(ids), ..batch };
        built.reindex(&batch)?;
        kept.push(DeltaBatch::new(batch.rows.project(&built.fetched), batch.weights));
    }
    built.rows = Rows::Flat { batches: kept, starts };
    Ok(built)
}

fn side(shape: &Shape, plan: &JoinPlan, number: usize, batches: Vec<DeltaBatch>, starts: Vec<u32>) -> Side {
    let types: &[DataType] = shape.types(number);
    let key = if number == 0 { &plan.left_key } else { &plan.right_key };
    let rows = Rows::Flat { batches, starts };
    let fetched = shape.fetched(number, key);
    Side::with_rows(types, rows, key, &plan.null_safe, fetched, shape.alone(number) != Alone::Nothing)
}

fn too_many() -> SqlError {
    SqlError::new(SqlState::ProgramLimitExceeded, "a join's input cannot have more than 4294967295 rows")
}
