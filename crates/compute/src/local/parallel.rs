//! A reduce over a large stored relation, on as many threads as the machine has cores.
//!
//! ```text
//!  segments 0 .. k   ─▶ Source ─▶ Mfp ─▶ … ─▶ Reduce ┐
//!  segments k .. n   ─▶ Source ─▶ Mfp ─▶ … ─▶ Reduce ┴▶ absorb, in this order ─▶ finish
//! ```
//! Parts are contiguous and put together in their order, and sums are exact: the result, and the order of its groups,
//! is that of one thread.

use crate::Interrupt;
use crate::local::source::Overlay;
use headwater_arrange::{Bound, RelationScan, RelationSnapshot, TextForm};
use headwater_dataflow::spec::ReducePlan;
use headwater_dataflow::{Delta, MapFilterProject, Reduce, StepContext};
use headwater_expr::{Aggregate, AggregateFunction, Column, EvalContext};
use headwater_types::{DeltaBatch, Result, SqlError, SqlState};
use std::sync::LazyLock;

/// Stored rows below which one thread is enough.
const DIVIDED_ROWS_MIN: usize = 1 << 18;
/// Threads for one query.
const THREADS_MAX: usize = 16;

static THREADS: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX)));

/// What a reduce reads: a stored relation, mapped and filtered.
pub(super) struct LinearInput {
    /// The relation's parts, and the transaction's own changes; no deletions but of stored rows.
    pub(super) parts: Vec<RelationSnapshot>,
    pub(super) overlay: Overlay,
    /// What a stored row must satisfy to pass the source's filter.
    pub(super) bounds: Vec<Bound>,
    /// What is done to its rows, the source's own first.
    pub(super) operators: Vec<MapFilterProject>,
}

/// What the threads did.
pub(super) struct Reduced {
    pub(super) output: Delta,
    /// Rows that each of the input's operators gave.
    pub(super) rows: Vec<usize>,
}

/// One thread's share.
struct Share {
    reduce: Reduce,
    errors: Vec<(SqlError, i64)>,
    rows: Vec<usize>,
}

impl LinearInput {
    /// Whether there are enough rows for several threads.
    pub(super) fn is_large(&self) -> bool {
        *THREADS > 1 && self.parts.iter().map(RelationSnapshot::live_rows).sum::<usize>() >= DIVIDED_ROWS_MIN
    }

    /// How many rows there are, where the reduce counts them and no more, and the relation knows.
    pub(super) fn counted(&self, plan: &ReducePlan) -> Result<Option<i64>> {
        let counts = |call: &Aggregate<Column>| call.function == AggregateFunction::CountStar && call.filter.is_none();
        let all_pass = self.operators.iter().all(MapFilterProject::keeps_all_rows);
        let unchanged = self.overlay.deleted.is_empty() && self.overlay.extra.is_none();
        if !(plan.key.is_empty() && plan.aggregates.iter().all(counts) && all_pass && unchanged) {
            return Ok(None);
        }
        for part in &self.parts {
            if part.gather_weights(&[])?.is_some() {
                return Ok(None);
            }
        }
        let rows: usize = self.parts.iter().map(RelationSnapshot::live_rows).sum();
        Ok(i64::try_from(rows).ok())
    }

    /// The groups of the input's rows; `empty` makes a reduce that has none yet.
    ///
    /// # Errors
    ///
    /// 57014 if interrupted, limits, 53000 if no thread can be started.
    pub(super) fn reduce(
        &self,
        empty: &(dyn Fn() -> Reduce + Sync),
        eval: EvalContext<'_>,
        interrupt: &Interrupt,
    ) -> Result<Reduced> {
        let Some(source) = self.operators.first() else { unreachable!("the source is an operator") };
        let mut scans: Vec<Vec<RelationScan>> = (0..*THREADS).map(|_| vec![]).collect();
        for part in &self.parts {
            let scan = part.scan_with(source.required(), TextForm::Dictionary).with_bounds(self.bounds.clone());
            let divided = scan.divided(*THREADS);
            scans.iter_mut().zip(divided).for_each(|(share, scan)| share.push(scan));
        }
        let shares: Vec<Result<Share>> = std::thread::scope(|scope| {
            let threads: Vec<_> = scans
                .into_iter()
                .map(|scans| {
                    let work = move || self.share(scans, empty(), eval, interrupt);
                    std::thread::Builder::new().name("query".to_owned()).spawn_scoped(scope, work)
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    let thread = thread.map_err(|e| {
                        SqlError::new(SqlState::InsufficientResources, format!("cannot start a thread: {e}"))
                    })?;
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        let mut shares = shares.into_iter().collect::<Result<Vec<_>>>()?.into_iter();
        let Some(Share { mut reduce, mut errors, mut rows }) = shares.next() else { unreachable!("there is a thread") };
        for share in shares {
            interrupt.check()?;
            reduce.absorb(share.reduce)?;
            errors.extend(share.errors);
            rows.iter_mut().zip(share.rows).for_each(|(sum, rows)| *sum += rows);
        }
        let context = StepContext::new(eval, true);
        if let Some(extra) = self.overlay.extra.clone() {
            let delta = self.mapped(extra, eval, &mut rows);
            errors.extend(reduce.collect(delta, &context)?);
        }
        let mut output = reduce.finish(&context)?;
        output.errors.extend(errors);
        Ok(Reduced { output, rows })
    }

    fn share(
        &self,
        scans: Vec<RelationScan>,
        mut reduce: Reduce,
        eval: EvalContext<'_>,
        interrupt: &Interrupt,
    ) -> Result<Share> {
        let context = StepContext::new(eval, true);
        let (mut errors, mut rows) = (vec![], vec![0; self.operators.len()]);
        for batch in scans.into_iter().flatten() {
            interrupt.check()?;
            let source = &self.operators[0];
            let widened = source.widen(batch.rows.columns, batch.rows.rows);
            let batch = self.overlay.strip(DeltaBatch { rows: widened, ..batch });
            let delta = self.mapped(batch, eval, &mut rows);
            errors.extend(reduce.collect(delta, &context)?);
        }
        Ok(Share { reduce, errors, rows })
    }

    /// What the operators make of a batch; adds to `rows` how many rows each gave.
    fn mapped(&self, batch: DeltaBatch, eval: EvalContext<'_>, rows: &mut [usize]) -> Delta {
        self.operators.iter().zip(rows).fold(Delta::of(batch), |input, (operator, rows)| {
            let mut output = Delta { batches: vec![], errors: input.errors };
            for batch in input.batches {
                operator.apply(batch, &eval, &mut output);
            }
            *rows += output.rows();
            output
        })
    }
}
