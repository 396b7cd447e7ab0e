//! UPDATE, DELETE, TRUNCATE.

use super::query::QueryRun;
use super::rows::{check_distinct_keys, check_rows, first_of_each_key};
use super::{Execution, Session};
use crate::change::{InsertMode, TableOp};
use crate::table::TableShape;
use headwater_expr::EvalContext;
use headwater_plan::hir::HirQuery;
use headwater_sql::{Delete, Update};
use headwater_types::{Batch, Datum, Field, RelationId, Result, SqlError, SqlState};

impl Session {
    pub(super) fn update(&mut self, mut update: Update, parameters: &[Datum]) -> Result<Execution> {
        super::query::set_parameters(&mut update.query, parameters);
        let run = self.plan(&mut update.query)?;
        self.update_rows(&update, &run)
    }

    /// Changes the rows that an UPDATE's query presents.
    pub(super) fn update_rows(&mut self, update: &Update, run: &QueryRun) -> Result<Execution> {
        let shape = self.table_shape(update.table)?;
        let rows = changed_rows(&shape, &update.query, run)?;
        let arity = shape.types.len();
        let old = rows.project(&(0..arity).collect::<Vec<_>>());
        let new = rows.project(&(arity..2 * arity).collect::<Vec<_>>());
        self.evaluate_with(|context| check_rows(&shape, &update.checks, &new, context))?;
        if update.assigned.iter().any(|column| shape.key.contains(column)) {
            check_distinct_keys(&shape, &new)?;
        }
        if !rows.is_empty() {
            self.write(&shape, TableOp::Update { old, new })?;
        }
        self.answer("UPDATE", rows.rows, update.returning.clone(), &rows)
    }

    pub(super) fn delete(&mut self, mut delete: Delete, parameters: &[Datum]) -> Result<Execution> {
        super::query::set_parameters(&mut delete.query, parameters);
        let run = self.plan(&mut delete.query)?;
        self.delete_rows(&delete, &run)
    }

    /// Deletes the rows that a DELETE's query presents.
    pub(super) fn delete_rows(&mut self, delete: &Delete, run: &QueryRun) -> Result<Execution> {
        let shape = self.table_shape(delete.table)?;
        let rows = changed_rows(&shape, &delete.query, run)?;
        if !rows.is_empty() {
            let old = rows.project(&(0..shape.types.len()).collect::<Vec<_>>());
            self.write(&shape, TableOp::Delete { old })?;
        }
        self.answer("DELETE", rows.rows, delete.returning.clone(), &rows)
    }

    pub(super) fn truncate(&mut self, tables: &[RelationId]) -> Result<Execution> {
        for &table in tables {
            let shape = self.table_shape(table)?;
            let fields = shape.names.iter().zip(&shape.types).map(|(n, t)| Field::new(n.as_str(), t.clone()));
            for old in self.query_batches(super::query::scan(table, fields.collect()))? {
                if !old.is_empty() {
                    self.write(&shape, TableOp::Delete { old })?;
                }
            }
        }
        Ok(Execution::Command { tag: "TRUNCATE TABLE".to_owned() })
    }

    /// Buffers an operation in the open transaction.
    pub(super) fn write(&mut self, shape: &TableShape, op: TableOp) -> Result<()> {
        let bytes_max = self.shared.config.transaction_bytes_max;
        self.transaction().write(shape.id, op, bytes_max)
    }

    /// Buffers new rows; the engine may apply as many as `ahead_rows_min` before COMMIT.
    pub(super) fn write_ahead(
        &mut self,
        shape: &TableShape,
        rows: Batch,
        mode: InsertMode,
        ahead_rows_min: usize,
    ) -> Result<()> {
        self.write(shape, TableOp::Insert { rows: rows.clone(), mode })?;
        if rows.rows >= ahead_rows_min {
            let shared = self.shared.clone();
            let begin = || shared.ahead(shape.id);
            self.transaction().get_ahead(shape.id, &rows, mode == InsertMode::Unique, begin);
        }
        Ok(())
    }

    /// Whether the open transaction may buffer so many more bytes.
    pub(super) fn check_transaction_bytes(&mut self, more: usize) -> Result<()> {
        let bytes_max = self.shared.config.transaction_bytes_max;
        self.transaction().check_bytes(more, bytes_max)
    }

    pub(super) fn table_shape(&self, table: RelationId) -> Result<TableShape> {
        let state = self.shared.visible.current();
        let catalog = self.catalog(&state);
        catalog.table(table).map(|table| TableShape::new(table)).ok_or_else(|| table_is_gone(table))
    }

    /// Evaluates in this session's context.
    pub(super) fn evaluate_with<T>(&self, evaluate: impl FnOnce(&EvalContext<'_>) -> T) -> T {
        let state = self.shared.visible.current();
        let catalog = self.catalog(&state);
        self.with_functions(&state, &catalog, |functions| {
            evaluate(&EvalContext {
                settings: self.parameters.settings(),
                now_micros: self.now_micros(),
                catalog: Some(functions),
            })
        })
    }
}

/// What an UPDATE's or DELETE's query presents, each row of the table once.
fn changed_rows(shape: &TableShape, query: &HirQuery, run: &QueryRun) -> Result<Batch> {
    let rows = run.all_rows(query)?;
    let old = rows.project(&(0..shape.types.len()).collect::<Vec<_>>());
    Ok(match first_of_each_key(shape, &old) {
        Some(kept) => rows.take(&kept),
        None => rows,
    })
}

/// The table was dropped after the statement was bound: bind it again.
pub(super) fn table_is_gone(table: RelationId) -> SqlError {
    SqlError::new(
        SqlState::SerializationFailure,
        format!("could not serialize access: relation with OID {table} was dropped"),
    )
}
