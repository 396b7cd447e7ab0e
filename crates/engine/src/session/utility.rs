//! Statements about settings, and those that need nothing done.

use super::{Execution, RowStream, Session};
use headwater_catalog::parameters::Parameters;
use headwater_sql::{BoundStatement, Discard, StatementKind};
use headwater_types::{Batch, DataType, Datum, Field, Result, SqlState};

impl Session {
    pub(super) fn run_utility(
        &mut self,
        bound: BoundStatement,
        kind: StatementKind,
        parameters: &[Datum],
    ) -> Result<Execution> {
        match bound {
            BoundStatement::SetVariable { name, value, local } => {
                if local && self.transaction_status() == super::TransactionStatus::Idle {
                    let text = "SET LOCAL can only be used in transaction blocks";
                    self.notice("WARNING", SqlState::NoActiveSqlTransaction, text);
                }
                self.parameters_mut().set(&name, value.as_deref(), local)?;
            }
            BoundStatement::SetTransaction { modes, session } => {
                if session {
                    self.set_session_modes(modes)?;
                } else {
                    self.set_modes(modes)?;
                }
            }
            BoundStatement::ShowVariable(name) => {
                let value = self.show_variable(&name)?;
                return Ok(Execution::Rows(text_rows(&[Parameters::title(&name)], vec![vec![value]], "SHOW")));
            }
            BoundStatement::ShowAll => {
                let rows = self.parameters.show_all();
                let rows = rows.into_iter().map(|(name, value, about)| vec![name, value, about.to_owned()]).collect();
                return Ok(Execution::Rows(text_rows(&["name", "setting", "description"], rows, "SHOW")));
            }
            BoundStatement::Reset(name) => self.parameters_mut().reset(&name)?,
            BoundStatement::ResetAll => self.parameters_mut().reset_all(),
            BoundStatement::Discard(what) => self.discard(what)?,
            BoundStatement::NoOperation { notices } => {
                for text in notices {
                    self.notice("NOTICE", SqlState::SuccessfulCompletion, text);
                }
            }
            BoundStatement::Flush
            | BoundStatement::Wait
            | BoundStatement::Refresh(_)
            | BoundStatement::Unlisten(_)
            | BoundStatement::Notify { .. } => {}
            BoundStatement::Empty => return Ok(Execution::Empty),
            other => return self.run_ddl(other, parameters),
        }
        Ok(Execution::Command { tag: kind.tag().to_owned() })
    }

    fn show_variable(&self, name: &str) -> Result<String> {
        match name {
            "transaction_isolation" => {
                let repeatable = self.transaction.as_ref().is_some_and(|transaction| transaction.repeatable);
                Ok(if repeatable { "repeatable read" } else { "read committed" }.to_owned())
            }
            "transaction_read_only" => {
                let read_only = self.transaction.as_ref().is_some_and(|transaction| transaction.read_only);
                Ok(if read_only { "on" } else { "off" }.to_owned())
            }
            other => self.parameters.require(other),
        }
    }

    fn set_session_modes(&mut self, modes: headwater_sql::TransactionModes) -> Result<()> {
        use headwater_sql::Isolation;
        if let Some(isolation) = modes.isolation {
            let name = match isolation {
                Isolation::ReadUncommitted => "read uncommitted",
                Isolation::ReadCommitted => "read committed",
                Isolation::RepeatableRead => "repeatable read",
                Isolation::Serializable => {
                    return Err(headwater_types::SqlError::unsupported("isolation level SERIALIZABLE"));
                }
            };
            self.parameters_mut().set_text("default_transaction_isolation", name, false)?;
        }
        if let Some(read_only) = modes.read_only {
            let value = if read_only { "on" } else { "off" };
            self.parameters_mut().set_text("default_transaction_read_only", value, false)?;
        }
        Ok(())
    }

    fn discard(&mut self, what: Discard) -> Result<()> {
        if what != Discard::All {
            return Ok(());
        }
        if self.transaction_status() != super::TransactionStatus::Idle {
            return Err(headwater_types::SqlError::new(
                SqlState::ActiveSqlTransaction,
                "DISCARD ALL cannot run inside a transaction block",
            ));
        }
        self.cursors.clear();
        self.prepared.clear();
        self.parameters_mut().reset_all();
        Ok(())
    }
}

/// An answer of text columns.
pub(super) fn text_rows(names: &[&str], rows: Vec<Vec<String>>, tag: &str) -> RowStream {
    let types = vec![DataType::Text; names.len()];
    let rows: Vec<Vec<Datum>> = rows.into_iter().map(|row| row.into_iter().map(Datum::text).collect()).collect();
    let schema: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Text)).collect();
    let mut stream = RowStream::of_batches(&schema, vec![Batch::from_rows(&types, &rows)]);
    stream.set_tag(tag);
    stream
}
