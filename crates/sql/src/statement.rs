//! One parsed statement, and what can be told of it without binding.

use headwater_types::Result;
use std::sync::Arc;

/// What a statement is, by its first words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatementKind {
    /// Nothing but blanks and comments.
    Empty,
    /// SELECT, VALUES, TABLE, WITH … SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// COPY … FROM.
    CopyFrom,
    /// COPY … TO.
    CopyTo,
    /// EXPLAIN.
    Explain,
    /// SHOW, DESCRIBE.
    Show,
    /// SET.
    Set,
    /// RESET.
    Reset,
    /// BEGIN.
    Begin,
    /// START TRANSACTION.
    StartTransaction,
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// SAVEPOINT.
    Savepoint,
    /// RELEASE.
    Release,
    /// ROLLBACK TO.
    RollbackTo,
    /// SET TRANSACTION.
    SetTransaction,
    /// CREATE TABLE.
    CreateTable,
    /// CREATE TABLE AS, SELECT INTO.
    CreateTableAs,
    /// CREATE VIEW.
    CreateView,
    /// CREATE MATERIALIZED VIEW.
    CreateMaterializedView,
    /// CREATE INDEX.
    CreateIndex,
    /// CREATE SCHEMA.
    CreateSchema,
    /// DROP TABLE.
    DropTable,
    /// DROP VIEW.
    DropView,
    /// DROP MATERIALIZED VIEW.
    DropMaterializedView,
    /// DROP INDEX.
    DropIndex,
    /// DROP SCHEMA.
    DropSchema,
    /// ALTER TABLE.
    AlterTable,
    /// ALTER VIEW.
    AlterView,
    /// ALTER MATERIALIZED VIEW.
    AlterMaterializedView,
    /// REFRESH MATERIALIZED VIEW.
    Refresh,
    /// TRUNCATE.
    Truncate,
    /// COMMENT.
    Comment,
    /// DISCARD ALL.
    DiscardAll,
    /// DISCARD PLANS.
    DiscardPlans,
    /// DISCARD SEQUENCES.
    DiscardSequences,
    /// DISCARD TEMP.
    DiscardTemp,
    /// PREPARE.
    Prepare,
    /// EXECUTE: the tag is that of the prepared statement.
    Execute,
    /// DEALLOCATE.
    Deallocate,
    /// DEALLOCATE ALL.
    DeallocateAll,
    /// DECLARE … CURSOR.
    DeclareCursor,
    /// FETCH.
    Fetch,
    /// MOVE.
    Move,
    /// CLOSE.
    CloseCursor,
    /// CLOSE ALL.
    CloseCursorAll,
    /// LISTEN.
    Listen,
    /// UNLISTEN.
    Unlisten,
    /// NOTIFY.
    Notify,
    /// FLUSH.
    Flush,
    /// WAIT.
    Wait,
    /// VACUUM.
    Vacuum,
    /// ANALYZE.
    Analyze,
    /// LOCK TABLE.
    LockTable,
    /// CHECKPOINT.
    Checkpoint,
    /// GRANT.
    Grant,
    /// REVOKE.
    Revoke,
    /// Anything that binding refuses.
    Unsupported,
}

impl StatementKind {
    /// The command tag, without the counts that SELECT, INSERT, … add to it.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Empty | Self::Unsupported => "",
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::CopyFrom | Self::CopyTo => "COPY",
            Self::Explain => "EXPLAIN",
            Self::Show => "SHOW",
            Self::Set | Self::SetTransaction => "SET",
            Self::Reset => "RESET",
            Self::Begin => "BEGIN",
            Self::StartTransaction => "START TRANSACTION",
            Self::Commit => "COMMIT",
            Self::Rollback | Self::RollbackTo => "ROLLBACK",
            Self::Savepoint => "SAVEPOINT",
            Self::Release => "RELEASE",
            Self::CreateTable => "CREATE TABLE",
            Self::CreateTableAs => "SELECT",
            Self::CreateView => "CREATE VIEW",
            Self::CreateMaterializedView => "CREATE MATERIALIZED VIEW",
            Self::CreateIndex => "CREATE INDEX",
            Self::CreateSchema => "CREATE SCHEMA",
            Self::DropTable => "DROP TABLE",
            Self::DropView => "DROP VIEW",
            Self::DropMaterializedView => "DROP MATERIALIZED VIEW",
            Self::DropIndex => "DROP INDEX",
            Self::DropSchema => "DROP SCHEMA",
            Self::AlterTable => "ALTER TABLE",
            Self::AlterView => "ALTER VIEW",
            Self::AlterMaterializedView => "ALTER MATERIALIZED VIEW",
            Self::Refresh => "REFRESH MATERIALIZED VIEW",
            Self::Truncate => "TRUNCATE TABLE",
            Self::Comment => "COMMENT",
            Self::DiscardAll => "DISCARD ALL",
            Self::DiscardPlans => "DISCARD PLANS",
            Self::DiscardSequences => "DISCARD SEQUENCES",
            Self::DiscardTemp => "DISCARD TEMP",
            Self::Prepare => "PREPARE",
            Self::Execute => "EXECUTE",
            Self::Deallocate => "DEALLOCATE",
            Self::DeallocateAll => "DEALLOCATE ALL",
            Self::DeclareCursor => "DECLARE CURSOR",
            Self::Fetch => "FETCH",
            Self::Move => "MOVE",
            Self::CloseCursor => "CLOSE CURSOR",
            Self::CloseCursorAll => "CLOSE CURSOR ALL",
            Self::Listen => "LISTEN",
            Self::Unlisten => "UNLISTEN",
            Self::Notify => "NOTIFY",
            Self::Flush => "FLUSH",
            Self::Wait => "WAIT",
            Self::Vacuum => "VACUUM",
            Self::Analyze => "ANALYZE",
            Self::LockTable => "LOCK TABLE",
            Self::Checkpoint => "CHECKPOINT",
            Self::Grant => "GRANT",
            Self::Revoke => "REVOKE",
        }
    }

    /// Whether the statement begins or ends a transaction or a savepoint. COMMIT, ROLLBACK and ROLLBACK TO are allowed
    /// in a failed transaction; see [`StatementKind::allowed_in_failed_transaction`].
    #[must_use]
    pub fn is_transaction_control(self) -> bool {
        matches!(
            self,
            Self::Begin
                | Self::StartTransaction
                | Self::Commit
                | Self::Rollback
                | Self::Savepoint
                | Self::Release
                | Self::RollbackTo
        )
    }

    /// Whether the statement may run after an error in a transaction block.
    #[must_use]
    pub fn allowed_in_failed_transaction(self) -> bool {
        matches!(self, Self::Commit | Self::Rollback | Self::RollbackTo | Self::Empty)
    }

    /// Whether the statement changes the catalog.
    #[must_use]
    pub fn is_ddl(self) -> bool {
        matches!(
            self,
            Self::CreateTable
                | Self::CreateTableAs
                | Self::CreateView
                | Self::CreateMaterializedView
                | Self::CreateIndex
                | Self::CreateSchema
                | Self::DropTable
                | Self::DropView
                | Self::DropMaterializedView
                | Self::DropIndex
                | Self::DropSchema
                | Self::AlterTable
                | Self::AlterView
                | Self::AlterMaterializedView
                | Self::Refresh
                | Self::Comment
        )
    }

    /// Whether the statement changes tables or the catalog, so that a READ ONLY transaction refuses it (25006).
    #[must_use]
    pub fn writes(self) -> bool {
        self.is_ddl()
            || matches!(self, Self::Insert | Self::Update | Self::Delete | Self::CopyFrom | Self::Truncate)
    }
}

/// A parsed statement.
#[derive(Debug, Clone)]
pub struct Statement {
    kind: StatementKind,
    text: Arc<str>,
    returns_rows: bool,
}

impl Statement {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> StatementKind {
        self.kind
    }

    /// Its text, without the semicolon.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it answers with rows: a query, or a change with RETURNING. False for EXECUTE, whose answer is that of
    /// the prepared statement.
    #[must_use]
    pub fn returns_rows(&self) -> bool {
        self.returns_rows
    }
}

/// Parses a script: statements separated by semicolons. Empty statements are left out.
///
/// # Errors
///
/// 42601 with PostgreSQL's text and the position in the script; 54001 for what is nested too deeply.
pub fn parse_script(script: &str) -> Result<Vec<Statement>> {
    let _ = script;
    Err(headwater_types::SqlError::unsupported("parsing"))
}
