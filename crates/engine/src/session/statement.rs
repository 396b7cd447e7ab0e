//! Which statement does what.

use super::transaction::Scope;
use super::{Execution, Runnable, Session};
use headwater_sql::{BindContext, BoundStatement, Isolation, Statement, StatementKind, TransactionModes, bind};
use headwater_types::{DataType, Datum, Result, SqlError, SqlState};

impl Session {
    /// BEGIN, COMMIT, ROLLBACK and savepoints.
    pub(super) fn transaction_control(&mut self, statement: &Statement) -> Result<Execution> {
        let bound = self.bind_utility(statement)?;
        let mut tag = statement.kind().tag().to_owned();
        match bound {
            BoundStatement::Begin(modes) => self.begin_block(modes)?,
            BoundStatement::Commit { chain } => {
                if self.end_block(true, chain)? {
                    tag = "ROLLBACK".to_owned();
                }
            }
            BoundStatement::Rollback { chain } => {
                self.end_block(false, chain)?;
            }
            BoundStatement::Savepoint(name) => {
                self.require_block("SAVEPOINT")?;
                let state = self.state_without_waiting();
                self.transaction().savepoint(&name, &state);
            }
            BoundStatement::Release(name) => {
                self.require_block("RELEASE SAVEPOINT")?;
                self.transaction().release(&name)?;
            }
            BoundStatement::RollbackTo(name) => {
                self.require_block("ROLLBACK TO SAVEPOINT")?;
                self.transaction().rollback_to(&name)?;
                self.failed = false;
            }
            _ => return Err(SqlError::internal("a transaction statement is bound to something else")),
        }
        Ok(Execution::Command { tag })
    }

    fn begin_block(&mut self, modes: TransactionModes) -> Result<()> {
        match &mut self.transaction {
            Some(transaction) if transaction.scope == Scope::Block => {
                self.notice("WARNING", SqlState::ActiveSqlTransaction, "there is already a transaction in progress");
            }
            // The statements of the script so far become part of the block.
            Some(transaction) => transaction.scope = Scope::Block,
            None => self.begin(Scope::Block),
        }
        self.set_modes(modes)
    }

    /// Ends the block; whether it was undone although COMMIT was asked for.
    fn end_block(&mut self, commit: bool, chain: bool) -> Result<bool> {
        let in_block = self.transaction.as_ref().is_some_and(|transaction| transaction.scope == Scope::Block);
        if !in_block && chain {
            let what = if commit { "COMMIT" } else { "ROLLBACK" };
            self.require_block(&format!("{what} AND CHAIN"))?;
        } else if !in_block {
            self.notice("WARNING", SqlState::NoActiveSqlTransaction, "there is no transaction in progress");
        }
        let modes = self.transaction.as_ref().map(|t| (t.read_only, t.repeatable));
        let undone = commit && self.failed;
        if commit && !self.failed {
            self.commit_transaction()?;
        } else {
            self.abort_transaction();
        }
        if chain && let Some((read_only, repeatable)) = modes {
            self.begin(Scope::Block);
            self.transaction().read_only = read_only;
            self.transaction().repeatable = repeatable;
        }
        Ok(undone)
    }

    fn require_block(&self, what: &str) -> Result<()> {
        match &self.transaction {
            Some(transaction) if transaction.scope == Scope::Block => Ok(()),
            _ => Err(SqlError::new(
                SqlState::NoActiveSqlTransaction,
                format!("{what} can only be used in transaction blocks"),
            )),
        }
    }

    /// BEGIN's modes, SET TRANSACTION.
    pub(super) fn set_modes(&mut self, modes: TransactionModes) -> Result<()> {
        if let Some(isolation) = modes.isolation {
            let transaction = self.transaction();
            if transaction.started {
                return Err(SqlError::new(
                    SqlState::ActiveSqlTransaction,
                    "SET TRANSACTION ISOLATION LEVEL must be called before any query",
                ));
            }
            transaction.repeatable = match isolation {
                Isolation::ReadUncommitted | Isolation::ReadCommitted => false,
                Isolation::RepeatableRead => true,
                Isolation::Serializable => return Err(SqlError::unsupported("isolation level SERIALIZABLE")),
            };
            let name = if transaction.repeatable { "repeatable read" } else { "read committed" };
            self.parameters_mut().set_text("transaction_isolation", name, true)?;
        }
        if let Some(read_only) = modes.read_only {
            let transaction = self.transaction();
            if transaction.started && transaction.read_only && !read_only {
                return Err(SqlError::new(
                    SqlState::ActiveSqlTransaction,
                    "transaction read-write mode must be set before any query",
                ));
            }
            transaction.read_only = read_only;
        }
        Ok(())
    }

    /// Binds a statement that reads no table.
    fn bind_utility(&self, statement: &Statement) -> Result<BoundStatement> {
        let state = self.shared.visible.current();
        let catalog = self.catalog(&state);
        let context = BindContext {
            catalog: &catalog,
            settings: self.parameters.settings(),
            parameter_types: &[],
            now_micros: self.now_micros(),
        };
        Ok(bind(statement, &context)?.statement)
    }

    /// Runs a statement in the open transaction.
    pub(super) fn run_statement(&mut self, runnable: &Runnable, parameters: &[(Datum, DataType)]) -> Result<Execution> {
        let kind = runnable.kind();
        if kind.writes() && self.transaction().read_only {
            return Err(SqlError::new(
                SqlState::ReadOnlySqlTransaction,
                format!("cannot execute {} in a read-only transaction", kind.tag()),
            ));
        }
        if let Some(execution) = self.run_by_plan(runnable, parameters)? {
            return Ok(execution);
        }
        let parameter_types: Vec<Option<DataType>> = parameters.iter().map(|(_, t)| Some(t.clone())).collect();
        // Binding needs the catalog only; a statement that reads rows waits for its state when it runs.
        let state = self.state_without_waiting();
        let catalog = self.catalog(&state);
        let context = BindContext {
            catalog: &catalog,
            settings: self.parameters.settings(),
            parameter_types: &parameter_types,
            now_micros: self.now_micros(),
        };
        let bound = bind(&runnable.statement, &context)?.statement;
        self.bound_state = Some(state);
        if !matches!(kind, StatementKind::Set | StatementKind::SetTransaction | StatementKind::Show) {
            self.transaction().started = true;
        }
        let values: Vec<Datum> = parameters.iter().map(|(value, _)| value.clone()).collect();
        self.control.forget();
        let execution = self.run_bound(bound, kind, &values)?;
        self.apply_asked();
        Ok(execution)
    }

    /// Runs a bound statement.
    pub(super) fn run_bound(
        &mut self,
        bound: BoundStatement,
        kind: StatementKind,
        parameters: &[Datum],
    ) -> Result<Execution> {
        let done = |tag: &str| Ok(Execution::Command { tag: tag.to_owned() });
        match bound {
            BoundStatement::Query(mut query) => {
                super::query::set_parameters(&mut query, parameters);
                let mut rows = self.query(query)?;
                if kind == StatementKind::Show {
                    rows.set_tag("SHOW");
                }
                Ok(Execution::Rows(rows))
            }
            BoundStatement::Explain(explain) => self.explain(explain, parameters),
            BoundStatement::Insert(insert) => self.insert(insert, parameters),
            BoundStatement::Update(update) => self.update(update, parameters),
            BoundStatement::Delete(delete) => self.delete(delete, parameters),
            BoundStatement::Truncate { tables } => self.truncate(&tables),
            BoundStatement::CopyFrom(copy) => self.copy_from(copy, parameters),
            BoundStatement::CopyTo { mut query, options } => {
                super::query::set_parameters(&mut query, parameters);
                self.copy_to(query, options)
            }
            BoundStatement::Prepare(prepare) => {
                self.prepare_statement(prepare)?;
                done("PREPARE")
            }
            BoundStatement::Execute { name, args } => self.execute_prepared(&name, args),
            BoundStatement::Deallocate(name) => {
                self.deallocate(name.as_deref())?;
                done(kind.tag())
            }
            BoundStatement::DeclareCursor(declare) => self.declare_cursor(declare, parameters),
            BoundStatement::Fetch(fetch) => self.fetch(&fetch),
            BoundStatement::CloseCursor(name) => {
                self.close_cursor(name.as_deref())?;
                done(kind.tag())
            }
            other => self.run_utility(other, kind, parameters),
        }
    }
}
