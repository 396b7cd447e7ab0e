//! A plan run once, over a snapshot: how a SELECT is answered.
//!
//! ```text
//! SourceProvider ─ batches ─▶ Source ─▶ Mfp ─▶ … ─▶ finishing ─▶ batches
//!                               └ linear nodes: a batch at a time, as the reader asks
//!                             Reduce, Join, TopK, …: their whole input first
//! ```
//!
//! The operators are those of a view, given everything at once. Where only linear nodes lie between the sources and a
//! result without ORDER BY, nothing is read ahead: a reader that stops, or a LIMIT, stops the scan.

mod bounds;
mod lookup;
mod parallel;
mod profile;
mod source;
mod stream;
#[cfg(test)]
mod tests;

pub use profile::{NodeProfile, Profile};
pub use source::{SourceInput, SourceProvider};

use crate::Interrupt;
use crate::local::stream::{Stream, streams};
use headwater_dataflow::spec::Finishing;
use headwater_dataflow::{Delta, Finished, finish};
use headwater_expr::EvalContext;
use headwater_plan::lir::Plan;
use headwater_types::{Batch, DataType, DeltaBatch, Result, SqlError};
use std::collections::BTreeMap;

/// Rows collected before those that no LIMIT will show are dropped.
const PRUNE_ROWS: usize = 1 << 18;

/// A query's rows, in order, a batch at a time. Ends after its first error.
pub struct QueryResult<'a> {
    rows: Rows<'a>,
    interrupt: Interrupt,
}

enum Rows<'a> {
    /// Everything is known.
    Finished(Finished),
    /// Batches are made as they are asked for.
    Streaming {
        stream: Stream<'a>,
        ready: Option<Finished>,
        finishing: Finishing,
        types: Vec<DataType>,
    },
    Ended,
}

impl std::fmt::Debug for QueryResult<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryResult").finish_non_exhaustive()
    }
}

/// Runs a plan over what `sources` give, and presents its rows as `finishing` says.
///
/// # Errors
///
/// What the sources raise, the least error of a row that counts, limits (54000), 57014 if interrupted. Errors of rows
/// that are made later come from the result.
pub fn execute<'a>(
    plan: &Plan,
    finishing: &Finishing,
    sources: &dyn SourceProvider,
    eval: EvalContext<'a>,
    interrupt: &Interrupt,
) -> Result<QueryResult<'a>> {
    begin(plan, finishing, sources, eval, interrupt, None)
}

/// As [`execute`], and notes in `profile` what the plan's nodes do.
///
/// # Errors
///
/// As there.
pub fn execute_profiled<'a>(
    plan: &Plan,
    finishing: &Finishing,
    sources: &dyn SourceProvider,
    eval: EvalContext<'a>,
    interrupt: &Interrupt,
    profile: &Profile,
) -> Result<QueryResult<'a>> {
    begin(plan, finishing, sources, eval, interrupt, Some(profile))
}

fn begin<'a>(
    plan: &Plan,
    finishing: &Finishing,
    sources: &dyn SourceProvider,
    eval: EvalContext<'a>,
    interrupt: &Interrupt,
    profile: Option<&Profile>,
) -> Result<QueryResult<'a>> {
    interrupt.check()?;
    let types = plan.nodes[plan.root].types.clone();
    let (stream, signed) = streams(plan, sources, eval, interrupt, profile)?;
    let rows = if finishing.order_by.is_empty() && !signed {
        Rows::Streaming { stream, ready: None, finishing: finishing.clone(), types }
    } else {
        Rows::Finished(finish_all(stream, signed, finishing, &types, interrupt)?)
    };
    Ok(QueryResult { rows, interrupt: interrupt.clone() })
}

fn finish_all(
    stream: Stream<'_>,
    signed: bool,
    finishing: &Finishing,
    types: &[DataType],
    interrupt: &Interrupt,
) -> Result<Finished> {
    // Of a long input only the first rows in order are kept, where no more are wanted.
    let limit = finishing.limit.and_then(|limit| limit.checked_add(finishing.offset)).filter(|_| !signed);
    let wanted = limit.and_then(|limit| usize::try_from(limit).ok());
    let first = Finishing { limit, offset: 0, projection: (0..types.len()).collect(), ..finishing.clone() };
    let mut all = Delta::default();
    for delta in stream {
        interrupt.check()?;
        all.append(delta?);
        if wanted.is_some_and(|wanted| all.rows() > PRUNE_ROWS.max(wanted.saturating_mul(4))) {
            let kept = finish(std::mem::take(&mut all.batches), &first, types)?;
            all.batches = kept.map(DeltaBatch::insertions).collect();
        }
    }
    raise(std::mem::take(&mut all.errors))?;
    if signed {
        all = Delta::of(all.consolidated(types)?);
    }
    Ok(finish(all.batches, finishing, types)?)
}

/// Raises the least error that was not taken back.
fn raise(errors: Vec<(SqlError, i64)>) -> Result<()> {
    let mut totals: BTreeMap<SqlError, i64> = BTreeMap::new();
    for (error, weight) in errors {
        let total = totals.entry(error).or_default();
        *total = total.saturating_add(weight);
    }
    totals.into_iter().find(|(_, weight)| *weight != 0).map_or(Ok(()), |(error, _)| Err(error))
}

/// Presents the next rows of a result whose order does not matter, and takes them off `finishing`'s offset and limit.
fn finish_next(batches: Vec<DeltaBatch>, finishing: &mut Finishing, types: &[DataType]) -> Result<Finished> {
    let weights = batches.iter().flat_map(|batch| &batch.weights);
    let rows = weights.fold(0_u64, |sum, &weight| sum.saturating_add(u64::try_from(weight).unwrap_or(0)));
    let finished = finish(batches, finishing, types)?;
    let skipped = finishing.offset.min(rows);
    finishing.offset -= skipped;
    finishing.limit = finishing.limit.map(|limit| limit.saturating_sub(rows - skipped));
    Ok(finished)
}

impl QueryResult<'_> {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if !matches!(self.rows, Rows::Ended) {
            self.interrupt.check()?;
        }
        let (stream, ready, finishing, types) = match &mut self.rows {
            Rows::Ended => return Ok(None),
            Rows::Finished(finished) => return Ok(finished.next()),
            Rows::Streaming { stream, ready, finishing, types } => (stream, ready, finishing, types),
        };
        loop {
            if let Some(batch) = ready.as_mut().and_then(Iterator::next) {
                return Ok(Some(batch));
            }
            if finishing.limit == Some(0) {
                return Ok(None);
            }
            self.interrupt.check()?;
            let Some(delta) = stream.next() else { return Ok(None) };
            let Delta { batches, errors } = delta?;
            raise(errors)?;
            *ready = Some(finish_next(batches, finishing, types)?);
        }
    }
}

impl Iterator for QueryResult<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let next = self.next_batch();
        if !matches!(next, Ok(Some(_))) {
            self.rows = Rows::Ended;
        }
        next.transpose()
    }
}
