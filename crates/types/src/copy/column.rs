//! A column being read from COPY: each type's usual forms go straight into its vector; everything else takes the way
//! of the type's input function.

use super::plain::Block;
use crate::text::{TextContext, parse_text};
use crate::usual_text::UsualText;
use crate::{ColumnBuilder, Field, Result, SqlError, apply_typmod};

/// One target column.
pub(super) struct CopyColumn {
    pub(super) field: Field,
    pub(super) force_null: bool,
    pub(super) force_not_null: bool,
    builder: ColumnBuilder,
}

impl CopyColumn {
    pub(super) fn new(field: Field, force_null: bool, force_not_null: bool, capacity: usize) -> Self {
        let builder = ColumnBuilder::new(&field.data_type, capacity);
        Self { field, force_null, force_not_null, builder }
    }

    pub(super) fn append_null(&mut self) {
        self.builder.append_null();
    }

    /// Appends the value that a field's text stands for, with the type's modifier enforced.
    pub(super) fn append(&mut self, text: &str, context: &TextContext<'_>) -> Result<()> {
        if self.builder.append_usual(std::iter::once(UsualText::Text(text.as_bytes())), context) == 1 {
            return Ok(());
        }
        self.append_unusual(text, context)
    }

    /// Appends this column's fields of a block of records; one that is `null` is NULL.
    ///
    /// # Errors
    ///
    /// The first record whose value is wrong, and why.
    pub(super) fn append_block(
        &mut self,
        block: Block<'_>,
        column: usize,
        null: &[u8],
        context: &TextContext<'_>,
    ) -> Result<(), Box<(usize, SqlError)>> {
        let null = (!self.force_not_null).then_some(null);
        let mut record = 0;
        loop {
            let fields = block.column(column, record);
            let values = fields.map(|field| if null == Some(field) { UsualText::Null } else { UsualText::Text(field) });
            record += self.builder.append_usual(values, context);
            if record == block.records {
                return Ok(());
            }
            let text = block.field(column, record);
            if null == Some(text.as_bytes()) {
                self.append_null();
            } else {
                self.append_unusual(text, context).map_err(|error| Box::new((record, error)))?;
            }
            record += 1;
        }
    }

    fn append_unusual(&mut self, text: &str, context: &TextContext<'_>) -> Result<()> {
        let value = parse_text(text, &self.field.data_type, context)?;
        self.builder.append(&apply_typmod(value, &self.field.data_type, false)?);
        Ok(())
    }

    /// Appends a value of the binary format.
    pub(super) fn append_binary(&mut self, bytes: &[u8]) -> Result<()> {
        let value = crate::decode_binary(bytes, &self.field.data_type)?;
        self.builder.append(&apply_typmod(value, &self.field.data_type, false)?);
        Ok(())
    }

    /// The column so far; a new one with as much room begins.
    pub(super) fn take(&mut self) -> arrow_array::ArrayRef {
        let next = self.builder.successor();
        std::mem::replace(&mut self.builder, next).finish()
    }
}
