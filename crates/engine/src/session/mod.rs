//! A session: its settings, its transaction, its prepared statements and portals.
//!
//! Synchronous: a call returns when its answer is there. Rows come lazily, from a state that the answer holds.
//!
//! # Invariants
//!
//! 1. A statement that fails leaves the database unchanged, and in a block fails the transaction (25P02 follows).
//! 2. What a closed session had not committed is gone.

mod control;
mod copy;
mod cursor;
mod ddl;
mod dml;
mod expand;
mod explain;
mod extended;
mod insert;
mod materialize;
mod plans;
mod query;
pub(crate) mod rows;
mod sources;
mod statement;
pub(crate) mod transaction;
mod utility;

pub use copy::{CopyIn, CopyOut};
pub use extended::Description;
pub use plans::Runnable;
pub use query::RowStream;

use crate::ConnectOptions;
use crate::database::{Connected, Shared, wall_clock};
use crate::visible::State;
use control::Control;
use cursor::Cursor;
use extended::{Portal, Prepared, Replay};
use headwater_catalog::{Catalog, CatalogFunctions, Parameters, SessionInfo, SystemContext};
use headwater_compute::Interrupt;
use headwater_expr::CatalogLookup;
use headwater_sql::{Statement, StatementKind};
use headwater_types::{DataType, Epoch, RegKind, Result, SessionSettings, SqlError, SqlState};
use plans::Shapes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use transaction::{Scope, Transaction};

/// The roles there are.
const ROLES: [&str; 2] = ["root", "postgres"];
/// The database there is.
const DATABASE: &str = "dev";
/// PostgreSQL's `track_activity_query_size`.
const STATEMENT_BYTES_SHOWN: usize = 1023;
/// How often a statement outside a block is tried again when another transaction was first.
const STATEMENT_RETRIES_MAX: usize = 20;
/// How long such a statement waits for the other transaction to be visible.
const RETRY_WAIT_MAX: Duration = Duration::from_millis(100);

/// Where a session stands: ReadyForQuery's byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`
    Idle,
    /// `T`
    InTransaction,
    /// `E`
    Failed,
}

/// A message that is not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// NOTICE, WARNING or INFO.
    pub severity: &'static str,
    /// What it says.
    pub error: SqlError,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// The relation's OID and the attribute's number, for a plain column of a relation.
    pub table: Option<(u32, i16)>,
}

/// What a statement answers.
pub enum Execution {
    /// An empty statement.
    Empty,
    /// Done.
    Command {
        /// The command tag.
        tag: String,
    },
    /// Rows.
    Rows(RowStream),
    /// The client is to send data.
    CopyIn(Box<CopyIn>),
    /// Data for the client.
    CopyOut(Box<CopyOut>),
}

/// A session.
pub struct Session {
    shared: Arc<Shared>,
    pid: i32,
    secret: i32,
    interrupt: Interrupt,
    /// Whether the messages since the last end of a script have begun: a cancel that came before them is late.
    begun: bool,
    control: Arc<Control>,
    parameters: Arc<Parameters>,
    standing: Standing,
    reported: Arc<Parameters>,
    notices: Vec<Notice>,
    transaction: Option<Transaction>,
    failed: bool,
    /// The settings to go back to on ROLLBACK.
    parameters_before: Option<Arc<Parameters>>,
    prepared: HashMap<String, Arc<Prepared>>,
    shapes: Shapes,
    portals: HashMap<String, Portal>,
    replay: Option<Replay>,
    /// What the transaction had read that has lost its commit to another.
    lost_after: Option<Epoch>,
    /// The state that the statement under way was bound to.
    bound_state: Option<Arc<State>>,
    cursors: HashMap<String, Cursor>,
}

impl Session {
    pub(crate) fn open(shared: Arc<Shared>, options: ConnectOptions) -> Result<Self> {
        if !ROLES.contains(&options.user.as_str()) {
            return Err(SqlError::new(
                SqlState::InvalidAuthorizationSpecification,
                format!("role \"{}\" does not exist", options.user),
            ));
        }
        if options.database != DATABASE {
            return Err(SqlError::new(
                SqlState::InvalidCatalogName,
                format!("database \"{}\" does not exist", options.database),
            ));
        }
        let mut parameters = Parameters::new(&options.user, &options.database);
        for (name, value) in &options.parameters {
            parameters.set_at_startup(name, value)?;
        }
        let parameters = Arc::new(parameters);
        let pid = shared.next_pid();
        let secret = secret();
        let interrupt = Interrupt::default();
        let info = SessionInfo {
            pid,
            user: options.user,
            database: options.database,
            application_name: parameters.show("application_name").unwrap_or_default(),
            client_address: options.client_address.map(|address| address.ip().to_string()),
            client_port: options.client_address.map(|address| i32::from(address.port())),
            backend_start: wall_clock(),
            state: "idle".to_owned(),
            ..SessionInfo::default()
        };
        {
            let mut sessions = shared.sessions.lock();
            if sessions.len() >= shared.config.sessions_max {
                return Err(SqlError::new(SqlState::TooManyConnections, "sorry, too many clients already"));
            }
            sessions.insert(pid, Connected { secret, interrupt: interrupt.clone(), on_terminate: None, info });
        }
        Ok(Self {
            control: Arc::new(Control::new(shared.clone(), interrupt.clone())),
            shared,
            pid,
            secret,
            interrupt,
            begun: false,
            standing: Standing::of(&parameters),
            reported: Arc::clone(&parameters),
            parameters,
            notices: vec![],
            transaction: None,
            failed: false,
            parameters_before: None,
            prepared: HashMap::new(),
            shapes: Shapes::default(),
            portals: HashMap::new(),
            replay: None,
            lost_after: None,
            bound_state: None,
            cursors: HashMap::new(),
        })
    }

    /// The number that `pg_backend_pid()` tells and a cancel request names.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What a cancel request must know.
    #[must_use]
    pub fn secret(&self) -> i32 {
        self.secret
    }

    /// Where the session stands.
    #[must_use]
    pub fn transaction_status(&self) -> TransactionStatus {
        match &self.transaction {
            Some(transaction) if transaction.scope == Scope::Block => {
                if self.failed {
                    TransactionStatus::Failed
                } else {
                    TransactionStatus::InTransaction
                }
            }
            _ => TransactionStatus::Idle,
        }
    }

    /// The settings clients are told of.
    #[must_use]
    pub fn reported_parameters(&self) -> Vec<(String, String)> {
        self.parameters.reported().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Those that have changed since they were last told.
    pub fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        if Arc::ptr_eq(&self.parameters, &self.reported) {
            return vec![];
        }
        let changed = self.parameters.changed_reports(&self.reported);
        self.reported = Arc::clone(&self.parameters);
        changed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The notices since they were last taken.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The settings that change results.
    #[must_use]
    pub fn settings(&self) -> &SessionSettings {
        self.parameters.settings()
    }

    /// How a `regclass` or its like prints; `None`: as its number.
    #[must_use]
    pub fn reg_name(&self, kind: RegKind, oid: u32) -> Option<String> {
        let state = self.shared.visible.current();
        let catalog = self.catalog(&state);
        self.with_functions(&state, &catalog, |functions| functions.reg_name(kind, oid, self.settings()))
    }

    /// Parses a script.
    ///
    /// # Errors
    ///
    /// 42601 and the like; in a block the transaction has then failed.
    pub fn parse(&mut self, sql: &str) -> Result<Vec<Runnable>> {
        self.begun = false;
        self.begin_message();
        self.shapes.parse(sql).inspect_err(|_| self.fail())
    }

    /// Whether statements of one shape share a plan, as they do. Without, every statement is bound for itself: to compare
    /// the two.
    pub fn share_plans(&mut self, on: bool) {
        self.shapes.off = !on;
    }

    /// Runs one statement of a script of `script_len` statements: together they are one transaction, unless they say
    /// otherwise.
    ///
    /// # Errors
    ///
    /// The statement's; what it did is undone, and in a block the transaction has failed.
    pub fn execute_simple(&mut self, statement: &Runnable, script_len: usize) -> Result<Execution> {
        self.replay = None;
        let scope = if script_len > 1 { Scope::Script } else { Scope::Statement };
        self.execute(statement, &[], scope)
    }

    /// Ends a script, or an extended-protocol sequence at Sync: commits its implicit transaction, or undoes it. In a
    /// block, an end that is not `ok` fails the transaction: the error may be one the session has not seen, of the
    /// protocol or of rows on their way.
    ///
    /// # Errors
    ///
    /// The commit's.
    pub fn end_script(&mut self, ok: bool) -> Result<()> {
        self.begun = false;
        let replay = self.replay.take();
        if !ok {
            self.fail();
        } else if self.transaction.as_ref().is_some_and(|transaction| transaction.scope != Scope::Block) {
            return self.commit_script(replay.as_ref());
        }
        Ok(())
    }

    /// A message from the client: the first since the last one was done with finds no cancel that was meant for it.
    fn begin_message(&mut self) {
        if !self.begun {
            self.begun = true;
            self.interrupt.clear();
        }
    }

    /// Runs a statement with parameters, in the open transaction or one of its own.
    fn execute(
        &mut self,
        statement: &Runnable,
        parameters: &[(headwater_types::Datum, DataType)],
        scope: Scope,
    ) -> Result<Execution> {
        self.begin_message();
        self.refresh_standing();
        self.interrupt.set_deadline(self.standing.timeout);
        self.note_activity(&statement.statement);
        let result = self.interrupt.check().and_then(|()| self.execute_with_retries(statement, parameters, scope));
        if result.is_err() {
            self.fail();
        }
        self.note_idle();
        result
    }

    fn execute_with_retries(
        &mut self,
        statement: &Runnable,
        parameters: &[(headwater_types::Datum, DataType)],
        scope: Scope,
    ) -> Result<Execution> {
        if self.failed && !statement.kind().allowed_in_failed_transaction() {
            return Err(SqlError::new(
                SqlState::InFailedSqlTransaction,
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        if statement.kind() == StatementKind::Empty {
            return Ok(Execution::Empty);
        }
        if statement.kind().is_transaction_control() {
            return self.transaction_control(&statement.statement);
        }
        let mut attempt = 0;
        loop {
            let own = self.transaction.is_none();
            if own {
                self.begin(scope);
            }
            let result = self.run_statement(statement, parameters).and_then(|execution| {
                // A COPY goes on; its end commits.
                if own && scope == Scope::Statement && !matches!(execution, Execution::CopyIn(_)) {
                    self.commit_transaction()?;
                }
                Ok(execution)
            });
            match result {
                Err(error)
                    if own && error.state == SqlState::SerializationFailure && attempt < STATEMENT_RETRIES_MAX =>
                {
                    self.abort_transaction();
                    self.wait_for_winner();
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    fn begin(&mut self, scope: Scope) {
        self.control.begin_transaction();
        let mut transaction = Transaction::new(scope, wall_clock());
        self.refresh_standing();
        transaction.read_only = self.standing.read_only;
        transaction.repeatable = self.standing.repeatable;
        self.parameters_before = Some(Arc::clone(&self.parameters));
        self.transaction = Some(transaction);
    }

    fn commit_transaction(&mut self) -> Result<()> {
        let Some(transaction) = self.transaction.take() else { return Ok(()) };
        self.refresh_standing();
        let synchronous = self.standing.synchronous;
        let read = transaction.read;
        let changes = transaction.into_changes();
        let result =
            if changes.is_empty() { Ok(()) } else { self.shared.commit(changes, synchronous, &self.interrupt) };
        let lost = result.as_ref().is_err_and(|error| error.state == SqlState::SerializationFailure);
        self.lost_after = read.filter(|_| lost);
        match result {
            Ok(()) => {
                let before = self.parameters_before.take();
                // Nothing is SET LOCAL where nothing was set.
                if before.is_none_or(|before| !Arc::ptr_eq(&before, &self.parameters)) {
                    self.parameters_mut().end_transaction();
                }
            }
            Err(_) => self.restore_parameters(),
        }
        self.end_of_transaction(result.is_ok());
        result
    }

    /// Waits for a mark behind what the transaction had read that has just lost its commit. Whoever won may still be
    /// waiting for the disk: until then the statement would read the same again, and lose again.
    fn wait_for_winner(&mut self) {
        if let Some(read) = self.lost_after.take() {
            let patience = Interrupt::new();
            patience.set_deadline(Some(RETRY_WAIT_MAX));
            // Whether it has come or not, the statement is tried again.
            let _ = self.shared.visible.wait(read.next(), &patience);
        }
    }

    fn abort_transaction(&mut self) {
        self.transaction = None;
        self.restore_parameters();
        self.end_of_transaction(false);
    }

    fn restore_parameters(&mut self) {
        if let Some(before) = self.parameters_before.take() {
            self.parameters = before;
        }
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        Arc::make_mut(&mut self.parameters)
    }

    fn refresh_standing(&mut self) {
        if !Arc::ptr_eq(&self.standing.of, &self.parameters) {
            self.standing = Standing::of(&self.parameters);
        }
    }

    fn end_of_transaction(&mut self, committed: bool) {
        self.failed = false;
        self.portals.clear();
        self.cursors.retain(|_, cursor| cursor.survives(committed));
    }

    /// An error: in a block the transaction has failed, else it is undone.
    fn fail(&mut self) {
        match &self.transaction {
            Some(transaction) if transaction.scope == Scope::Block => self.failed = true,
            Some(_) => self.abort_transaction(),
            None => {}
        }
    }

    fn transaction(&mut self) -> &mut Transaction {
        self.transaction.as_mut().expect("a statement runs in a transaction")
    }

    /// The state this statement reads: as its transaction's isolation says.
    fn state(&mut self) -> Result<Arc<State>> {
        let interrupt = self.interrupt.clone();
        let shared = self.shared.clone();
        let transaction = self.transaction();
        if let Some(fixed) = &transaction.fixed {
            return Ok(fixed.clone());
        }
        let state = shared.visible.wait(Epoch(0), &interrupt)?;
        transaction.read.get_or_insert(state.mark);
        if transaction.repeatable {
            transaction.fixed = Some(state.clone());
        }
        Ok(state)
    }

    /// A state for a statement that reads no rows of views: the newest, whether or not it has everything acknowledged.
    fn state_without_waiting(&mut self) -> Arc<State> {
        let current = self.shared.visible.current();
        self.transaction().fixed.clone().unwrap_or(current)
    }

    fn catalog(&self, state: &State) -> Arc<Catalog> {
        self.transaction.as_ref().map_or_else(|| state.catalog.clone(), |transaction| transaction.catalog(state))
    }

    /// `now()`.
    fn now_micros(&self) -> i64 {
        self.transaction.as_ref().map_or_else(wall_clock, |transaction| transaction.now_micros)
    }

    fn with_functions<T>(
        &self,
        state: &State,
        catalog: &Catalog,
        use_them: impl FnOnce(&CatalogFunctions<'_>) -> T,
    ) -> T {
        use_them(&CatalogFunctions {
            catalog,
            context: SystemContext {
                settings: self.parameters.settings(),
                parameters: &self.parameters,
                // No function looks at the other sessions, at what is built or at operators.
                sessions: &[],
                builds: &[],
                backend_pid: self.pid,
                server_start_micros: self.shared.started_micros,
                sizes: state,
                operators: &[],
                control: &*self.control,
            },
        })
    }

    fn notice(&mut self, severity: &'static str, state: SqlState, message: impl Into<String>) {
        self.notices.push(Notice { severity, error: SqlError::new(state, message) });
    }

    fn note_activity(&self, statement: &Statement) {
        let mut sessions = self.shared.sessions.lock();
        if let Some(session) = sessions.get_mut(&self.pid) {
            replace(&mut session.info.state, "active");
            replace(&mut session.info.query, head(statement.text()));
            session.info.query_start = Some(wall_clock());
        }
    }

    fn note_idle(&self) {
        let mut sessions = self.shared.sessions.lock();
        if let Some(session) = sessions.get_mut(&self.pid) {
            session.info.transaction_start = self.transaction.as_ref().map(|transaction| transaction.now_micros);
            let state = match self.transaction_status() {
                TransactionStatus::Idle => "idle",
                TransactionStatus::InTransaction => "idle in transaction",
                TransactionStatus::Failed => "idle in transaction (aborted)",
            };
            replace(&mut session.info.state, state);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.sessions.lock().remove(&self.pid);
    }
}

/// As much of a statement as `pg_stat_activity` shows.
fn head(text: &str) -> &str {
    let end = (0..=STATEMENT_BYTES_SHOWN.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    &text[..end]
}

/// Writes over a text, in its own memory.
fn replace(text: &mut String, with: &str) {
    text.clear();
    text.push_str(with);
}

/// What the settings say to every statement, looked up once.
struct Standing {
    of: Arc<Parameters>,
    timeout: Option<Duration>,
    synchronous: bool,
    read_only: bool,
    repeatable: bool,
}

impl Standing {
    fn of(parameters: &Arc<Parameters>) -> Self {
        let is = |name, wanted| parameters.show(name).is_some_and(|value| value == wanted);
        Self {
            of: Arc::clone(parameters),
            timeout: parameters.statement_timeout(),
            synchronous: !is("synchronous_commit", "off"),
            read_only: is("default_transaction_read_only", "on"),
            repeatable: is("default_transaction_isolation", "repeatable read"),
        }
    }
}

/// A number that another client cannot guess: the standard library's hasher is seeded by the system.
fn secret() -> i32 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
    i32::from_le_bytes(bits.to_le_bytes()[..4].try_into().expect("four of eight bytes"))
}
