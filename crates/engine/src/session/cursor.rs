//! Cursors: DECLARE, FETCH, MOVE, CLOSE.
//!
//! A cursor's rows are computed when it is declared and kept whole, so that it scrolls both ways.

use super::transaction::Scope;
use super::{ColumnDescription, Execution, RowStream, Session};
use headwater_sql::{DeclareCursor, Fetch, FetchDirection};
use headwater_types::{Batch, Datum, Result, SqlError, SqlState};
use std::sync::Arc;

/// A declared cursor.
pub(crate) struct Cursor {
    columns: Arc<[ColumnDescription]>,
    rows: Batch,
    /// The current row, from 1; 0 is before the first.
    position: i64,
    hold: bool,
    committed: bool,
}

impl Cursor {
    /// Whether it outlives the transaction that ends.
    pub fn survives(&mut self, committed: bool) -> bool {
        self.committed |= self.hold && committed;
        self.committed
    }
}

impl Session {
    pub(super) fn declare_cursor(&mut self, declare: DeclareCursor, parameters: &[Datum]) -> Result<Execution> {
        let in_block = self.transaction.as_ref().is_some_and(|transaction| transaction.scope != Scope::Statement);
        if !declare.hold && !in_block {
            return Err(SqlError::new(
                SqlState::NoActiveSqlTransaction,
                "DECLARE CURSOR can only be used in transaction blocks",
            ));
        }
        if self.cursors.contains_key(&declare.name) {
            return Err(SqlError::new(
                SqlState::DuplicateCursor,
                format!("cursor \"{}\" already exists", declare.name),
            ));
        }
        let mut query = declare.query;
        super::query::set_parameters(&mut query, parameters);
        let mut stream = self.query(query)?;
        let rows = stream.all_rows()?;
        let cursor =
            Cursor { columns: stream.columns.clone(), rows, position: 0, hold: declare.hold, committed: false };
        self.cursors.insert(declare.name, cursor);
        Ok(Execution::Command { tag: "DECLARE CURSOR".to_owned() })
    }

    pub(super) fn fetch(&mut self, fetch: &Fetch) -> Result<Execution> {
        let cursor = self.cursors.get_mut(&fetch.name).ok_or_else(|| no_cursor(&fetch.name))?;
        let rows = cursor.fetch(fetch.direction);
        let count = rows.rows;
        if fetch.is_move {
            return Ok(Execution::Command { tag: format!("MOVE {count}") });
        }
        let mut stream = RowStream::described(cursor.columns.clone(), vec![rows]);
        stream.set_tag(&format!("FETCH {count}"));
        Ok(Execution::Rows(stream))
    }

    pub(super) fn close_cursor(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            None => self.cursors.clear(),
            Some(name) => {
                self.cursors.remove(name).ok_or_else(|| no_cursor(name))?;
            }
        }
        Ok(())
    }

    /// The columns that FETCH from a cursor answers with.
    pub(super) fn cursor_columns(&self, name: &str) -> Result<Arc<[ColumnDescription]>> {
        self.cursors.get(name).map(|cursor| cursor.columns.clone()).ok_or_else(|| no_cursor(name))
    }
}

fn no_cursor(name: &str) -> SqlError {
    SqlError::new(SqlState::InvalidCursorName, format!("cursor \"{name}\" does not exist"))
}

impl Cursor {
    fn fetch(&mut self, direction: FetchDirection) -> Batch {
        let count = i64::try_from(self.rows.rows).unwrap_or(i64::MAX - 1);
        match direction {
            FetchDirection::All => self.forward(i64::MAX),
            FetchDirection::BackwardAll => self.backward(i64::MAX),
            FetchDirection::Relative(0) => self.row_at(self.position, count),
            FetchDirection::Relative(n) if n > 0 => self.forward(n),
            FetchDirection::Relative(n) => self.backward(n.saturating_neg()),
            FetchDirection::Absolute(n) if n < 0 => self.row_at(count + 1 + n, count),
            FetchDirection::Absolute(n) => self.row_at(n, count),
            FetchDirection::RowAt(n) => self.row_at(self.position.saturating_add(n), count),
        }
    }

    fn row_at(&mut self, position: i64, count: i64) -> Batch {
        self.position = position.clamp(0, count + 1);
        let inside = (1..=count).contains(&self.position);
        let offset = if inside { usize::try_from(self.position - 1).expect("positions are not negative") } else { 0 };
        self.rows.slice(offset, usize::from(inside))
    }

    fn forward(&mut self, n: i64) -> Batch {
        let count = i64::try_from(self.rows.rows).unwrap_or(i64::MAX - 1);
        let first = self.position.min(count);
        let rows = n.min(count - first);
        self.position = if rows < n { count + 1 } else { first + rows };
        let offset = usize::try_from(first).expect("positions are not negative");
        self.rows.slice(offset, usize::try_from(rows).expect("counts are not negative"))
    }

    fn backward(&mut self, n: i64) -> Batch {
        let before = (self.position - 1).max(0);
        let rows = n.min(before);
        self.position = if rows < n { 0 } else { before - rows + 1 };
        let first = u32::try_from(before - rows).expect("a batch has fewer than 2^32 rows");
        let last = u32::try_from(before).expect("a batch has fewer than 2^32 rows");
        self.rows.take(&(first..last).rev().collect::<Vec<u32>>())
    }
}
