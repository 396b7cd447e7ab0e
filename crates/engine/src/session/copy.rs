//! COPY: rows in and out as a stream.

use super::insert::Action;
use super::rows::{check_rows, complete_rows, with_row_ids};
use super::transaction::Scope;
use super::{Execution, RowStream, Session};
use crate::change::{InsertMode, TableOp};
use crate::table::TableShape;
use headwater_plan::hir::{HirQuery, HirScalar};
use headwater_sql::{Check, CopyFrom};
use headwater_types::{
    Batch, CopyDecoder, CopyEncoder, CopyOptions, DataType, Datum, Field, Result, SqlError, SqlState,
};

/// Rows of a COPY decoded before they become an operation of the transaction: as many as a segment of a table holds, so
/// that the table takes them as they are.
const COPY_BATCH_ROWS: usize = 65_536;

/// A COPY … FROM STDIN under way.
pub struct CopyIn {
    /// The number of columns the client sends.
    pub columns: usize,
    /// How.
    pub options: CopyOptions,
    decoder: CopyDecoder,
    target: Vec<usize>,
    defaults: Vec<(usize, Datum)>,
    hidden_key: Option<usize>,
    checks: Vec<Check>,
    shape: TableShape,
    conflict: Conflict,
    rows: usize,
}

/// What becomes of a row whose key exists.
enum Conflict {
    /// Decided at commit.
    Mode(InsertMode),
    /// Decided by what the transaction sees, once all rows have come: looking at each piece against those before it
    /// would cost their product.
    Held { action: Action, rows: Vec<Batch>, bytes: usize },
}

/// A COPY … TO STDOUT under way.
pub struct CopyOut {
    /// The number of columns.
    pub columns: usize,
    /// How.
    pub options: CopyOptions,
    encoder: CopyEncoder,
    rows: RowStream,
    sent: u64,
    finished: bool,
}

impl Session {
    pub(super) fn copy_from(&mut self, copy: CopyFrom, parameters: &[Datum]) -> Result<Execution> {
        let shape = self.table_shape(copy.table)?;
        let conflict = match self.default_action(copy.table)? {
            Action::Overwrite => Conflict::Mode(InsertMode::Overwrite),
            Action::Error => Conflict::Mode(InsertMode::Unique),
            action => Conflict::Held { action, rows: vec![], bytes: 0 },
        };
        let defaults = self.default_values(copy.defaults, parameters)?;
        let fields: Vec<Field> =
            copy.columns.iter().map(|&c| Field::new(shape.names[c].as_str(), shape.types[c].clone())).collect();
        let decoder = CopyDecoder::new(copy.options.clone(), fields, self.settings().clone(), self.now_micros());
        Ok(Execution::CopyIn(Box::new(CopyIn {
            columns: copy.columns.len(),
            options: copy.options,
            decoder,
            target: copy.columns,
            defaults,
            hidden_key: copy.hidden_key,
            checks: copy.checks,
            shape,
            conflict,
            rows: 0,
        })))
    }

    /// The values of columns that a statement does not mention.
    pub(super) fn default_values(
        &self,
        defaults: Vec<(usize, HirScalar)>,
        parameters: &[Datum],
    ) -> Result<Vec<(usize, Datum)>> {
        let value = |(column, mut scalar): (usize, HirScalar)| {
            super::query::set_scalar_parameters(&mut scalar, parameters);
            let scalar = super::rows::plain_scalar(scalar, "DEFAULT")?;
            Ok((column, self.evaluate_with(|context| headwater_expr::evaluate_constant(&scalar, context))?))
        };
        defaults.into_iter().map(value).collect()
    }

    pub(super) fn copy_to(&mut self, query: HirQuery, options: CopyOptions) -> Result<Execution> {
        let fields = query.schema.clone();
        let rows = self.query(query)?;
        let encoder = CopyEncoder::new(options.clone(), fields.clone(), self.settings().clone());
        Ok(Execution::CopyOut(Box::new(CopyOut {
            columns: fields.len(),
            options,
            encoder,
            rows,
            sent: 0,
            finished: false,
        })))
    }
}

impl CopyIn {
    /// Takes a piece of the stream, cut anywhere.
    ///
    /// # Errors
    ///
    /// Malformed data, constraint violations, 54000; the copy is then over, and its transaction failed or undone.
    pub fn write(&mut self, session: &mut Session, data: &[u8]) -> Result<()> {
        let result = session
            .interrupt
            .check()
            .and_then(|()| self.decoder.push(data))
            .and_then(|()| self.buffer(session, COPY_BATCH_ROWS));
        if result.is_err() {
            session.fail();
        }
        result
    }

    /// The stream is complete: commits, unless in a block. Returns the command tag.
    ///
    /// # Errors
    ///
    /// As [`CopyIn::write`], and the commit's.
    pub fn finish(mut self, session: &mut Session) -> Result<String> {
        let rest = self.decoder.finish().and_then(|()| self.buffer(session, 1));
        let result = rest.and_then(|()| self.insert_held(session)).and_then(|()| {
            if session.transaction.as_ref().is_some_and(|transaction| transaction.scope == Scope::Statement) {
                session.commit_transaction()?;
            }
            Ok(format!("COPY {}", self.rows))
        });
        if result.is_err() {
            session.fail();
        }
        result
    }

    /// The client gave up.
    pub fn fail(self, session: &mut Session, message: &str) -> SqlError {
        session.fail();
        SqlError::new(SqlState::QueryCanceled, format!("COPY from stdin failed: {message}"))
    }

    fn buffer(&mut self, session: &mut Session, rows_min: usize) -> Result<()> {
        while let Some(batch) = self.decoder.take_batch(rows_min) {
            let rows = self.table_rows(session, batch)?;
            session.evaluate_with(|context| check_rows(&self.shape, &self.checks, &rows, context))?;
            match &mut self.conflict {
                Conflict::Mode(mode) => {
                    self.rows += rows.rows;
                    session.write_ahead(&self.shape, rows, *mode, COPY_BATCH_ROWS)?;
                }
                Conflict::Held { rows: held, bytes, .. } => {
                    let op = TableOp::Insert { rows: rows.clone(), mode: InsertMode::Unseen };
                    *bytes += op.bytes();
                    session.check_transaction_bytes(*bytes)?;
                    held.push(rows);
                }
            }
        }
        Ok(())
    }

    /// Inserts the rows that were held back, as one INSERT would: those that change nothing are not counted.
    fn insert_held(&mut self, session: &mut Session) -> Result<()> {
        if let Conflict::Held { action, rows, .. } = &mut self.conflict
            && !rows.is_empty()
        {
            let rows = Batch::concat(&std::mem::take(rows));
            self.rows = session.insert_on_conflict(&self.shape, rows, action)?.rows;
        }
        Ok(())
    }

    /// All the table's columns, from those the client sent.
    fn table_rows(&self, session: &Session, batch: Batch) -> Result<Batch> {
        let rows = batch.rows;
        let batch = complete_rows(&self.shape, &self.target, batch, &self.defaults, self.hidden_key);
        Ok(match self.hidden_key {
            Some(hidden) => with_row_ids(batch, hidden, session.shared.row_ids(rows)),
            None => batch,
        })
    }
}

impl CopyOut {
    /// Appends the next piece to `out`; `None` when there is no more.
    ///
    /// # Errors
    ///
    /// The query's.
    pub fn next_chunk(&mut self, out: &mut Vec<u8>) -> Result<Option<u64>> {
        if self.finished {
            return Ok(None);
        }
        if self.sent == 0 {
            self.encoder.header(out);
        }
        match self.rows.next_batch()? {
            Some(batch) => {
                (0..batch.rows).for_each(|row| self.encoder.row(&batch.columns, row, out));
                let rows = u64::try_from(batch.rows).expect("a batch's rows fit");
                self.sent += rows;
                Ok(Some(rows))
            }
            None => {
                self.finished = true;
                self.encoder.trailer(out);
                Ok(Some(0))
            }
        }
    }

    /// The command tag.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("COPY {}", self.sent)
    }

    /// The columns' types.
    #[must_use]
    pub fn types(&self) -> Vec<DataType> {
        self.rows.columns.iter().map(|column| column.data_type.clone()).collect()
    }
}
