//! What flows between operators, and why a step can fail.

use headwater_arrange::{Moves, RelationSnapshot, ZSetError, batch_bytes};
use headwater_expr::EvalContext;
use headwater_types::{Batch, DataType, DeltaBatch, Equality, SqlError, SqlState, hash_keys};
use std::cell::Cell;

/// Bytes of rows that an operator brings together in one batch: below the 2 GiB of 32-bit offsets.
const BATCH_BYTES_MAX: usize = 1 << 30;

/// A change to an operator's output: rows with weights, and errors with weights.
///
/// Neither is consolidated: the same row may come several times, also with opposite weights.
#[derive(Debug, Clone, Default)]
pub struct Delta {
    /// Rows.
    pub batches: Vec<DeltaBatch>,
    /// Errors of rows that are therefore not in `batches`. The result can be read while they add up to nothing.
    pub errors: Vec<(SqlError, i64)>,
}

impl Delta {
    /// A change of rows.
    #[must_use]
    pub fn of(batch: DeltaBatch) -> Self {
        Self { batches: vec![batch], errors: vec![] }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.batches.iter().all(DeltaBatch::is_empty)
    }

    /// The number of rows, whatever their weights.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(|batch| batch.rows.rows).sum()
    }

    /// Adds rows, unless there are none.
    pub fn push(&mut self, batch: DeltaBatch) {
        if !batch.is_empty() {
            self.batches.push(batch);
        }
    }

    /// Adds another change to this one.
    pub fn append(&mut self, other: Self) {
        self.batches.extend(other.batches.into_iter().filter(|batch| !batch.is_empty()));
        self.errors.extend(other.errors);
    }

    /// All rows as one batch, without row ids, each distinct row (by identity) once and none of weight 0.
    ///
    /// # Errors
    ///
    /// 54000 if they do not fit a batch.
    pub fn consolidated(self, types: &[DataType]) -> Result<DeltaBatch, StepError> {
        Ok(concat(self.batches, types)?.consolidate(types))
    }

    /// As [`Delta::consolidated`], in as many batches as needed, of which each row is in one.
    ///
    /// # Errors
    ///
    /// 54000 if rows are so large that even parts do not fit a batch.
    pub fn consolidated_parts(self, types: &[DataType]) -> Result<Vec<DeltaBatch>, StepError> {
        let parts = divided(self.batches, types).into_iter().map(|part| Ok(concat(part, types)?.consolidate(types)));
        parts.filter(|part| part.as_ref().map_or(true, |part| !part.is_empty())).collect()
    }

    pub(crate) fn has_retractions(&self) -> bool {
        self.batches.iter().any(|batch| batch.weights.iter().any(|&weight| weight < 0))
    }
}

/// All rows in one batch.
///
/// # Errors
///
/// 54000 if they do not fit.
pub(crate) fn concat(mut batches: Vec<DeltaBatch>, types: &[DataType]) -> Result<DeltaBatch, StepError> {
    batches.retain(|batch| !batch.is_empty());
    if batches.is_empty() {
        return Ok(DeltaBatch::new(Batch::empty(types), vec![]));
    }
    if batches.len() > 1 && bytes_of(&batches) > BATCH_BYTES_MAX {
        return Err(too_large());
    }
    Ok(DeltaBatch::concat(&batches))
}

fn bytes_of(batches: &[DeltaBatch]) -> usize {
    batches.iter().map(|batch| batch_bytes(&batch.rows)).sum()
}

/// 54000: rows that must be held in one batch do not fit it.
pub(crate) fn too_large() -> StepError {
    StepError::Sql(SqlError::new(SqlState::ProgramLimitExceeded, "rows of one batch exceed 1 GiB"))
}

/// The rows divided by their identity into parts of at most about half of [`BATCH_BYTES_MAX`].
fn divided(batches: Vec<DeltaBatch>, types: &[DataType]) -> Vec<Vec<DeltaBatch>> {
    let parts = bytes_of(&batches) / (BATCH_BYTES_MAX / 2) + 1;
    if parts == 1 {
        return vec![batches];
    }
    let mut divided = vec![vec![]; parts];
    for batch in batches {
        let mut rows: Vec<Vec<u32>> = vec![vec![]; parts];
        let hashes = hash_keys(&batch.rows.columns, types, batch.rows.rows, Equality::Identity);
        for (row, hash) in (0u32..).zip(hashes) {
            rows[usize::try_from(hash % (1 << 32)).unwrap_or(0) % parts].push(row);
        }
        for (part, rows) in divided.iter_mut().zip(rows) {
            part.push(batch.take(&rows));
        }
    }
    divided
}

/// A stored relation's change in a step, as seen by an operator that shares its rows.
#[derive(Debug, Clone)]
pub struct SourceDelta {
    /// The changed rows, with row ids where somebody may share them. An id is not inserted and deleted in one step.
    pub batches: Vec<DeltaBatch>,
    /// Rows that got new ids after `batches` were applied.
    pub moves: Option<Moves>,
    /// The relation after the step.
    pub after: RelationSnapshot,
}

impl SourceDelta {
    /// The number of changed rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(|batch| batch.rows.rows).sum()
    }
}

/// What a step may know besides its inputs.
pub struct StepContext<'a> {
    /// For expressions.
    pub eval: EvalContext<'a>,
    /// Whether this step is the operator's first and last: no state is kept that only a later step would need.
    pub one_shot: bool,
    /// Whether another step follows at once, with whose output this one's is taken: an operator may hold it back.
    pub holds: bool,
    touched: Cell<u64>,
}

impl<'a> StepContext<'a> {
    /// A context.
    #[must_use]
    pub fn new(eval: EvalContext<'a>, one_shot: bool) -> Self {
        Self { eval, one_shot, holds: false, touched: Cell::new(0) }
    }

    /// Rows read, probed, fetched and emitted so far, by all operators that were stepped with this context: what the
    /// work is proportional to.
    #[must_use]
    pub fn rows_touched(&self) -> u64 {
        self.touched.get()
    }

    pub(crate) fn touch(&self, rows: usize) {
        self.touched.set(self.touched.get().saturating_add(u64::try_from(rows).unwrap_or(u64::MAX)));
    }
}

/// Why a step failed. The operator must not be used again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// A row was retracted more often than inserted: a bug upstream of this operator.
    #[error("{operator}: a row accumulated to {weight} copies")]
    NegativeWeight {
        /// Where.
        operator: &'static str,
        /// The sum.
        weight: i64,
    },
    /// A count of rows left 64 bits.
    #[error("{operator}: a count of rows is out of range")]
    WeightOverflow {
        /// Where.
        operator: &'static str,
    },
    /// A limit, with its code.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl StepError {
    /// As a client sees it.
    #[must_use]
    pub fn sql_error(self) -> SqlError {
        match self {
            Self::NegativeWeight { .. } => SqlError::internal(self.to_string()),
            Self::WeightOverflow { .. } => SqlError::new(SqlState::ProgramLimitExceeded, self.to_string()),
            Self::Sql(error) => error,
        }
    }
}

impl From<StepError> for SqlError {
    fn from(error: StepError) -> Self {
        error.sql_error()
    }
}

impl From<ZSetError> for StepError {
    fn from(error: ZSetError) -> Self {
        match error {
            ZSetError::NegativeWeight { weight } => Self::NegativeWeight { operator: "Join", weight },
            ZSetError::WeightOverflow => Self::WeightOverflow { operator: "Join" },
            ZSetError::Sql(error) => Self::Sql(error),
        }
    }
}
