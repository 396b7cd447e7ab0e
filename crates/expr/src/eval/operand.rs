//! What evaluation passes around: a column or a constant, with the errors of its rows.

use super::row_number;
use arrow_array::{Array, ArrayRef, make_array, new_null_array};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};
use headwater_types::{DataType, Datum, SqlError, SqlState};

/// The rows in error, by row number, ascending; each row at most once.
pub type RowErrors = Vec<(u32, SqlError)>;

/// An expression's value for every row of a batch. A row in error holds NULL.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The values.
    pub array: ArrayRef,
    /// The rows in error.
    pub errors: RowErrors,
}

impl Evaluated {
    /// Values without errors.
    #[must_use]
    pub fn ok(array: ArrayRef) -> Self {
        Self { array, errors: RowErrors::new() }
    }
}

/// The bytes that a column of texts or of bytes can hold.
pub(crate) const COLUMN_BYTES_MAX: usize = 0x7fff_ffff;

/// 54000: a column's values are too long together.
pub(crate) fn column_too_long() -> SqlError {
    SqlError::new(
        SqlState::ProgramLimitExceeded,
        format!("the values of a batch may have at most {COLUMN_BYTES_MAX} bytes together"),
    )
}

/// A column, or one value that stands for every row.
#[derive(Debug, Clone)]
pub struct Operand {
    array: ArrayRef,
    errors: RowErrors,
    constant: bool,
}

impl Operand {
    /// A column.
    pub(crate) fn column(array: ArrayRef) -> Self {
        Self::of(Evaluated::ok(array))
    }

    /// A column with errors.
    pub(crate) fn of(result: Evaluated) -> Self {
        Self { array: result.array, errors: result.errors, constant: false }
    }

    /// The one value of `array` for every row.
    pub(crate) fn constant(array: ArrayRef) -> Self {
        Self::constant_of(Evaluated::ok(array))
    }

    /// The one value, or the one error, for every row.
    pub(crate) fn constant_of(result: Evaluated) -> Self {
        debug_assert_eq!(result.array.len(), 1, "a constant is one value");
        Self { array: result.array, errors: result.errors, constant: true }
    }

    /// Whether one value stands for every row.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.constant
    }

    /// The values: one if this is a constant.
    #[must_use]
    pub fn array(&self) -> &ArrayRef {
        &self.array
    }

    /// The place of `row`'s value in [`Operand::array`].
    #[must_use]
    pub fn index(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    /// Whether `row` holds NULL.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.array.is_null(self.index(row))
    }

    /// `row`'s value.
    #[must_use]
    pub fn datum(&self, row: usize, data_type: &DataType) -> Datum {
        Datum::from_array(&*self.array, data_type, self.index(row))
    }

    /// The rows in error among `rows` rows.
    pub(crate) fn errors_of(&self, rows: usize) -> RowErrors {
        match self.errors.first() {
            Some((_, error)) if self.constant => (0..rows).map(|row| (row_number(row), error.clone())).collect(),
            _ => self.errors.clone(),
        }
    }

    /// Whether some row is in error.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Converts the values; a constant stays one.
    pub(crate) fn map(self, convert: impl FnOnce(&ArrayRef) -> Evaluated) -> Self {
        let Evaluated { array, errors } = convert(&self.array);
        let errors = if errors.is_empty() {
            self.errors
        } else if self.errors.is_empty() {
            errors
        } else {
            merge_errors(self.errors.into_iter().chain(errors).collect())
        };
        Self { array, errors, constant: self.constant }
    }

    /// Whether the copies of a constant would overflow a column's 31-bit offsets.
    pub(crate) fn is_too_long(&self, rows: usize) -> bool {
        self.constant
            && rows > 1
            && self
                .array
                .to_data()
                .get_slice_memory_size()
                .is_ok_and(|bytes| bytes.saturating_mul(rows) > COLUMN_BYTES_MAX)
    }

    /// A column of `rows` values.
    #[must_use]
    pub fn spread(self, rows: usize) -> Evaluated {
        if !self.constant {
            return Evaluated { array: self.array, errors: self.errors };
        }
        if self.is_too_long(rows) {
            let errors = (0..rows).map(|row| (row_number(row), column_too_long())).collect();
            return Evaluated { array: new_null_array(self.array.data_type(), rows), errors };
        }
        let errors = self.errors_of(rows);
        Evaluated { array: super::take(&self.array, &vec![0; rows]), errors }
    }
}

/// Sorts errors by row and keeps each row's least.
pub(crate) fn merge_errors(mut errors: RowErrors) -> RowErrors {
    errors.sort();
    errors.dedup_by_key(|(row, _)| *row);
    errors
}

/// `array` with NULL in the rows in error.
pub(crate) fn null_out(array: &ArrayRef, errors: &RowErrors) -> ArrayRef {
    if errors.iter().all(|(row, _)| array.is_null(index(*row))) {
        return array.clone();
    }
    let mut valid = BooleanBufferBuilder::new(array.len());
    valid.append_n(array.len(), true);
    for (row, _) in errors {
        valid.set_bit(index(*row), false);
    }
    with_nulls(array, Some(&NullBuffer::new(valid.finish())))
}

/// `array`, NULL also where `nulls` says so; the values are shared.
pub(crate) fn with_nulls(array: &ArrayRef, nulls: Option<&NullBuffer>) -> ArrayRef {
    let nulls = NullBuffer::union(array.nulls(), nulls);
    let data = array.to_data().into_builder().nulls(nulls).build();
    make_array(data.expect("only the null mask changed, and it has the array's length"))
}

fn index(row: u32) -> usize {
    usize::try_from(row).expect("a row number fits a usize")
}
