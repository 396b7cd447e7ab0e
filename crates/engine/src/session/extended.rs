//! Prepared statements and portals.

use super::transaction::Scope;
use super::{ColumnDescription, Execution, Runnable, STATEMENT_RETRIES_MAX, Session};
use headwater_catalog::parameters::Parameters;
use headwater_plan::hir::{HirQuery, HirScalar};
use headwater_sql::{BindContext, Bound, BoundStatement, Prepare, Returning, Statement, StatementKind, bind};
use headwater_types::{DataType, Datum, RelationId, Result, Schema, SqlError, SqlState};
use std::sync::Arc;

/// A prepared statement. Its plan is kept while the catalog and the settings stay; else it is bound again, to the catalog
/// of that moment.
pub(crate) struct Prepared {
    /// `None` is an empty query.
    statement: Option<Runnable>,
    parameter_types: Vec<DataType>,
    columns: Option<Arc<[ColumnDescription]>>,
}

/// A bound portal.
pub(crate) struct Portal {
    prepared: Arc<Prepared>,
    parameters: Vec<(Datum, DataType)>,
}

/// The one statement that has run since the last Sync, of which the client knows nothing but its tag: Sync may run it
/// again when another transaction was first.
pub(crate) struct Replay {
    prepared: Arc<Prepared>,
    parameters: Vec<(Datum, DataType)>,
    tag: String,
}

/// What Describe tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The parameters' types.
    pub parameter_types: Vec<DataType>,
    /// The answer's columns, if it has rows.
    pub columns: Option<Arc<[ColumnDescription]>>,
}

impl Session {
    /// Parse: the text holds one statement.
    ///
    /// # Errors
    ///
    /// 42601 and binding's errors; 42P05 if the name is taken.
    pub fn prepare(&mut self, name: &str, sql: &str, parameter_oids: &[u32]) -> Result<()> {
        self.begin_message();
        let result = self.prepare_inner(name, sql, parameter_oids);
        if result.is_err() {
            self.fail();
        }
        result
    }

    fn prepare_inner(&mut self, name: &str, sql: &str, parameter_oids: &[u32]) -> Result<()> {
        if !name.is_empty() && self.prepared.contains_key(name) {
            return Err(SqlError::new(
                SqlState::DuplicatePreparedStatement,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let mut statements = headwater_sql::parse_script(sql)?;
        if statements.len() > 1 {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                "cannot insert multiple commands into a prepared statement",
            ));
        }
        let statement = statements.pop();
        let Some(statement) = statement else {
            let nothing = Prepared { statement: None, parameter_types: vec![], columns: None };
            self.prepared.insert(name.to_owned(), Arc::new(nothing));
            return Ok(());
        };
        if self.failed && !statement.kind().allowed_in_failed_transaction() {
            return Err(SqlError::new(
                SqlState::InFailedSqlTransaction,
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        let given: Vec<Option<DataType>> = parameter_oids.iter().map(|&oid| DataType::from_oid(oid, -1)).collect();
        let prepared = self.describe(statement, &given)?;
        self.prepared.insert(name.to_owned(), Arc::new(prepared));
        Ok(())
    }

    fn describe(&self, statement: Statement, given: &[Option<DataType>]) -> Result<Prepared> {
        let state = self.shared.visible.current();
        let catalog = self.catalog(&state);
        let context = BindContext {
            catalog: &catalog,
            settings: self.parameters.settings(),
            parameter_types: given,
            now_micros: self.now_micros(),
        };
        let Bound { statement: bound, parameter_types, .. } = bind(&statement, &context)?;
        let columns = self.columns_of(&bound)?;
        Ok(Prepared { statement: Some(Runnable::often(statement)), parameter_types, columns })
    }

    /// The columns a statement answers with, if it answers with rows.
    fn columns_of(&self, bound: &BoundStatement) -> Result<Option<Arc<[ColumnDescription]>>> {
        let of_query = |query: &HirQuery| describe_columns(&query.schema, &query.origins).into();
        let of_returning = |returning: &Option<Returning>| {
            returning.as_ref().map(|returning| describe_columns(&returning.schema, &returning.origins).into())
        };
        let text = |names: &[&str]| {
            let column =
                |name: &&str| ColumnDescription { name: (*name).to_owned(), data_type: DataType::Text, table: None };
            Some(names.iter().map(column).collect())
        };
        Ok(match bound {
            BoundStatement::Query(query) => Some(of_query(query)),
            BoundStatement::Insert(insert) => of_returning(&insert.returning),
            BoundStatement::Update(update) => of_returning(&update.returning),
            BoundStatement::Delete(delete) => of_returning(&delete.returning),
            BoundStatement::Explain(_) => text(&["QUERY PLAN"]),
            BoundStatement::ShowVariable(name) => text(&[Parameters::title(name)]),
            BoundStatement::ShowAll => text(&["name", "setting", "description"]),
            BoundStatement::Execute { name, .. } => self.prepared_statement(name)?.columns.clone(),
            BoundStatement::Fetch(fetch) if !fetch.is_move => Some(self.cursor_columns(&fetch.name)?),
            _ => None,
        })
    }

    fn prepared_statement(&self, name: &str) -> Result<&Arc<Prepared>> {
        self.prepared.get(name).ok_or_else(|| {
            let what = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            SqlError::new(SqlState::InvalidSqlStatementName, what)
        })
    }

    /// Describe of a statement.
    ///
    /// # Errors
    ///
    /// 26000.
    pub fn describe_statement(&mut self, name: &str) -> Result<Description> {
        let result = self.prepared_statement(name).map(|prepared| Description {
            parameter_types: prepared.parameter_types.clone(),
            columns: prepared.columns.clone(),
        });
        if result.is_err() {
            self.fail();
        }
        result
    }

    /// Close of a statement; one that does not exist is no error.
    pub fn close_statement(&mut self, name: &str) {
        self.prepared.remove(name);
    }

    /// Bind.
    ///
    /// # Errors
    ///
    /// 26000; 08P01 for another number of parameters; 42P03 if the portal exists.
    pub fn bind(&mut self, portal: &str, statement: &str, parameters: Vec<Datum>) -> Result<()> {
        let result = self.bind_inner(portal, statement, parameters);
        if result.is_err() {
            self.fail();
        }
        result
    }

    fn bind_inner(&mut self, portal: &str, statement: &str, parameters: Vec<Datum>) -> Result<()> {
        let prepared = self.prepared_statement(statement)?.clone();
        if parameters.len() != prepared.parameter_types.len() {
            return Err(SqlError::new(
                SqlState::ProtocolViolation,
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                    parameters.len(),
                    prepared.parameter_types.len()
                ),
            ));
        }
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(SqlError::new(SqlState::DuplicateCursor, format!("cursor \"{portal}\" already exists")));
        }
        let parameters = parameters.into_iter().zip(prepared.parameter_types.iter().cloned()).collect();
        self.portals.insert(portal.to_owned(), Portal { prepared, parameters });
        Ok(())
    }

    /// Whether there is such a portal: they go with the transaction.
    #[must_use]
    pub fn portal_exists(&self, name: &str) -> bool {
        self.portals.contains_key(name)
    }

    fn portal(&self, name: &str) -> Result<&Portal> {
        self.portals
            .get(name)
            .ok_or_else(|| SqlError::new(SqlState::InvalidCursorName, format!("portal \"{name}\" does not exist")))
    }

    /// Describe of a portal.
    ///
    /// # Errors
    ///
    /// 34000.
    pub fn describe_portal(&mut self, name: &str) -> Result<Option<Arc<[ColumnDescription]>>> {
        let result = self.portal(name).map(|portal| portal.prepared.columns.clone());
        if result.is_err() {
            self.fail();
        }
        result
    }

    /// Execute: runs the portal's statement, once. A caller that stops after some rows keeps the stream. Statements up to
    /// Sync are one transaction; see [`Session::end_script`].
    ///
    /// # Errors
    ///
    /// 34000, and the statement's.
    pub fn execute_portal(&mut self, name: &str) -> Result<Execution> {
        let (prepared, parameters) = match self.portal(name) {
            Ok(portal) => (portal.prepared.clone(), portal.parameters.clone()),
            Err(error) => {
                self.fail();
                return Err(error);
            }
        };
        let Some(statement) = &prepared.statement else { return Ok(Execution::Empty) };
        let first = self.transaction.is_none();
        self.replay = None;
        let execution = self.execute(statement, &parameters, Scope::Script)?;
        if let Execution::Command { tag } = &execution
            && first
        {
            self.replay = Some(Replay { prepared: prepared.clone(), parameters, tag: tag.clone() });
        }
        Ok(execution)
    }

    /// Commits the implicit transaction of a script. If it was one statement that the client knows only the tag of, and
    /// another transaction was first, it is run again: as long as its tag is the same, nobody can tell.
    pub(super) fn commit_script(&mut self, replay: Option<&Replay>) -> Result<()> {
        let mut result = self.commit_transaction();
        let Some(replay) = replay else { return result };
        for _ in 0..STATEMENT_RETRIES_MAX {
            match result {
                Err(lost) if lost.state == SqlState::SerializationFailure => result = self.run_again(replay, lost),
                other => return other,
            }
        }
        result
    }

    fn run_again(&mut self, replay: &Replay, lost: SqlError) -> Result<()> {
        let Some(statement) = &replay.prepared.statement else { return Err(lost) };
        // The client has them from the first time.
        let notices = self.notices.len();
        self.wait_for_winner();
        self.begin(Scope::Script);
        let result = match self.run_statement(statement, &replay.parameters) {
            Ok(Execution::Command { tag }) if tag == replay.tag => self.commit_transaction(),
            Ok(_) => Err(lost),
            Err(error) => Err(error),
        };
        self.notices.truncate(notices);
        if result.is_err() {
            self.abort_transaction();
        }
        result
    }

    /// Close of a portal; one that does not exist is no error.
    pub fn close_portal(&mut self, name: &str) {
        self.portals.remove(name);
    }

    pub(super) fn prepare_statement(&mut self, prepare: Prepare) -> Result<()> {
        if self.prepared.contains_key(&prepare.name) {
            return Err(SqlError::new(
                SqlState::DuplicatePreparedStatement,
                format!("prepared statement \"{}\" already exists", prepare.name),
            ));
        }
        let given: Vec<Option<DataType>> = prepare.parameter_types.into_iter().map(Some).collect();
        let prepared = self.describe(*prepare.statement, &given)?;
        self.prepared.insert(prepare.name, Arc::new(prepared));
        Ok(())
    }

    pub(super) fn execute_prepared(&mut self, name: &str, args: Vec<HirScalar>) -> Result<Execution> {
        let prepared = self.prepared_statement(name)?.clone();
        if prepared.statement.as_ref().is_some_and(|statement| statement.kind() == StatementKind::Execute) {
            // It might execute itself.
            return Err(SqlError::unsupported("EXECUTE of a prepared EXECUTE"));
        }
        let wanted = &prepared.parameter_types;
        if args.len() != wanted.len() {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .with_detail(format!("Expected {} parameters but got {}.", wanted.len(), args.len())));
        }
        let parameters = args
            .into_iter()
            .zip(wanted)
            .map(|(arg, data_type)| {
                let scalar = super::rows::plain_scalar(arg, "EXECUTE")?;
                let cast =
                    headwater_expr::Cast { to: data_type.clone(), context: headwater_expr::CastContext::Assignment };
                let scalar = headwater_expr::Expr::Cast(Box::new(scalar), cast);
                let value = self.evaluate_with(|context| headwater_expr::evaluate_constant(&scalar, context))?;
                Ok((value, data_type.clone()))
            })
            .collect::<Result<Vec<_>>>()?;
        match &prepared.statement {
            Some(statement) => self.run_statement(statement, &parameters),
            None => Ok(Execution::Empty),
        }
    }

    pub(super) fn deallocate(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            None => self.prepared.clear(),
            Some(name) => {
                self.prepared_statement(name)?;
                self.prepared.remove(name);
            }
        }
        Ok(())
    }
}

/// An answer's columns from a schema and the columns' origins.
pub(super) fn describe_columns(schema: &Schema, origins: &[Option<(RelationId, i16)>]) -> Vec<ColumnDescription> {
    let columns = schema.iter().enumerate().map(|(i, field)| ColumnDescription {
        name: field.name.clone(),
        data_type: field.data_type.clone(),
        table: origins.get(i).copied().flatten().map(|(relation, attribute)| (relation.0, attribute)),
    });
    columns.collect()
}
