//! One parsed statement, and what can be told of it without binding.

use crate::ast;
use crate::bound::{Discard, RelationKind};
use crate::fast_insert;
use crate::lexer::{lex_statement, skip_blanks};
use crate::parse::Parser;
use crate::shape::Shape;
use headwater_types::{DataType, Datum, Result, SessionSettings, SqlError};
use std::sync::{Arc, OnceLock};

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
    /// ALTER INDEX.
    AlterIndex,
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
    /// CHECKPOINT.
    Checkpoint,
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
            Self::AlterIndex => "ALTER INDEX",
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
            Self::Unlisten => "UNLISTEN",
            Self::Notify => "NOTIFY",
            Self::Flush => "FLUSH",
            Self::Wait => "WAIT",
            Self::Vacuum => "VACUUM",
            Self::Analyze => "ANALYZE",
            Self::Checkpoint => "CHECKPOINT",
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
                | Self::AlterIndex
                | Self::Refresh
                | Self::Comment
        )
    }

    /// Whether the statement changes tables or the catalog, so that a READ ONLY transaction refuses it (25006).
    #[must_use]
    pub fn writes(self) -> bool {
        self.is_ddl() || matches!(self, Self::Insert | Self::Update | Self::Delete | Self::CopyFrom | Self::Truncate)
    }
}

/// What is known of a statement whose shape was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenStatement {
    kind: StatementKind,
    returns_rows: bool,
}

/// A statement. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Statement {
    kind: StatementKind,
    text: Arc<str>,
    /// Where the statement begins in `text`: not at its beginning for what a PREPARE prepares.
    start: usize,
    /// Characters of the script before `text`.
    offset: usize,
    returns_rows: bool,
    /// Made when it is asked for, of a statement whose shape was seen before.
    ast: Arc<OnceLock<Result<ast::Statement>>>,
    shape: Option<Arc<Shape>>,
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
        self.text[self.start..].trim_end()
    }

    /// Whether it answers with rows: a query, or a change with RETURNING. False for EXECUTE, whose answer is that of
    /// the prepared statement.
    #[must_use]
    pub fn returns_rows(&self) -> bool {
        self.returns_rows
    }

    /// Its shape, if it was looked for and there is one.
    #[must_use]
    pub fn shape(&self) -> Option<&Shape> {
        self.shape.as_deref()
    }

    /// The statement of a script of the same shape as `seen`: not parsed.
    #[must_use]
    pub fn of_shape(script: &str, shape: Shape, seen: SeenStatement) -> Self {
        let SeenStatement { kind, returns_rows } = seen;
        let place = shape.statement();
        Self {
            kind,
            offset: count_characters(&script.as_bytes()[..place.start]),
            text: Arc::from(&script[place]),
            start: 0,
            returns_rows,
            ast: Arc::default(),
            shape: Some(Arc::new(shape)),
        }
    }

    /// The same with the shape of the script that it is.
    #[must_use]
    pub fn with_shape(self, shape: Shape) -> Self {
        Self { shape: Some(Arc::new(shape)), ..self }
    }

    /// What all statements of one shape have in common.
    #[must_use]
    pub fn seen(&self) -> SeenStatement {
        SeenStatement { kind: self.kind, returns_rows: self.returns_rows }
    }

    /// The statement of this one's shape, with parameters in the place of literals, and the types that the literals have
    /// by themselves.
    ///
    /// # Errors
    ///
    /// As [`parse_script`]; they mean nothing to the client.
    pub fn generic(&self) -> Result<Option<(Self, Vec<Option<DataType>>)>> {
        let Some(shape) = &self.shape else { return Ok(None) };
        let mut statements = parse_script(&shape.generic(&self.text))?;
        Ok(statements.pop().filter(|_| statements.is_empty()).map(|generic| (generic, shape.types())))
    }

    /// Its literals as values of the types that binding found for the parameters of [`Statement::generic`]; `None` if it
    /// must be bound itself.
    #[must_use]
    pub fn literal_values(
        &self,
        types: &[DataType],
        settings: &SessionSettings,
        now_micros: i64,
    ) -> Option<Vec<Datum>> {
        self.shape.as_ref()?.values(&self.text, types, settings, now_micros)
    }

    pub(crate) fn ast(&self) -> Result<&ast::Statement> {
        self.ast.get_or_init(|| self.parse_general()).as_ref().map_err(SqlError::clone)
    }

    /// The text that the tree's positions count in.
    pub(crate) fn source(&self) -> &str {
        &self.text
    }

    /// A statement whose tree's positions count in `text`; its own text begins at `start`.
    pub(crate) fn of(ast: ast::Statement, text: &str, start: usize) -> Self {
        let (kind, returns_rows) = classify(&ast, &text[start..]);
        Self {
            kind,
            text: Arc::from(text),
            start,
            offset: 0,
            returns_rows,
            ast: Arc::new(OnceLock::from(Ok(ast))),
            shape: None,
        }
    }

    /// Parses a statement that a prepared or literal one is to be bound as: the general way.
    pub(crate) fn parse_general(&self) -> Result<ast::Statement> {
        let (tokens, error) = lex_statement(&self.text, 0);
        Parser::new(&self.text, &tokens, error).parse()
    }

    /// The error with its position, a byte offset in the text so far, in characters of the script.
    pub(crate) fn place(&self, mut error: SqlError) -> SqlError {
        error.position = error.position.map(|position| characters(&self.text, self.offset, position));
        error
    }
}

/// Parses one expression: a DEFAULT or CHECK of the catalog.
///
/// # Errors
///
/// As [`parse_script`].
pub(crate) fn parse_expression(sql: &str) -> Result<ast::Expr> {
    let (tokens, error) = lex_statement(sql, 0);
    Parser::new(sql, &tokens, error).parse_only_expr()
}

/// The position, from 1, of byte `position` of `text`, which begins after `offset` characters.
fn characters(text: &str, offset: usize, position: u32) -> u32 {
    let end = usize::try_from(position).unwrap_or(usize::MAX).min(text.len());
    let count = offset + count_characters(&text.as_bytes()[..end]) + 1;
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn count_characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

/// Parses a script: statements separated by semicolons. Empty statements are left out.
///
/// # Errors
///
/// 42601 with PostgreSQL's text and the position in the script; 54001 for what is nested too deeply.
pub fn parse_script(script: &str) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    let mut at = 0;
    // Characters before `counted`: where a statement begins, for the positions of its errors.
    let (mut offset, mut counted) = (0, 0);
    loop {
        // A comment that does not end is reported by the lexer below.
        let start = skip_blanks(script, at).unwrap_or(at);
        let rest = &script[start..];
        if rest.is_empty() {
            return Ok(statements);
        }
        offset += count_characters(&script.as_bytes()[counted..start]);
        counted = start;
        if let Some((insert, length)) = fast_insert::scan(rest) {
            let ast = ast::Statement::LiteralInsert(Box::new(insert));
            let mut statement = Statement::of(ast, &rest[..length], 0);
            statement.offset = offset;
            statements.push(statement);
            at = start + length;
            at += usize::from(rest.as_bytes().get(length) == Some(&b';'));
            continue;
        }
        let (tokens, lex_error) = lex_statement(rest, 0);
        let last = tokens.last().expect("a statement ends with a token");
        let ast = Parser::new(rest, &tokens, lex_error).parse().map_err(|mut error| {
            error.position = error.position.map(|position| characters(rest, offset, position));
            error
        })?;
        if !matches!(ast, ast::Statement::Empty) {
            let mut statement = Statement::of(ast, &rest[..last.start], 0);
            statement.offset = offset;
            statements.push(statement);
        }
        at = start + last.end;
    }
}

/// The statement's kind, and whether it answers with rows.
fn classify(statement: &ast::Statement, text: &str) -> (StatementKind, bool) {
    use StatementKind as K;
    use ast::Statement as S;
    let kind = match statement {
        S::Empty => K::Empty,
        S::Query(query) if selects_into(query) => K::CreateTableAs,
        S::Query(_) => return (K::Select, true),
        S::Insert(insert) => return (K::Insert, insert.returning.is_some()),
        S::LiteralInsert(_) => K::Insert,
        S::Update(update) => return (K::Update, update.returning.is_some()),
        S::Delete(delete) => return (K::Delete, delete.returning.is_some()),
        S::Copy(copy) if copy.from => K::CopyFrom,
        S::Copy(_) => K::CopyTo,
        S::Explain { .. } => return (K::Explain, true),
        S::ShowVariable(_) | S::ShowAll | S::ShowObjects(_) => return (K::Show, true),
        S::CreateTable(_) => K::CreateTable,
        S::CreateTableAs(_) => K::CreateTableAs,
        S::CreateView(view) if view.materialized => K::CreateMaterializedView,
        S::CreateView(_) => K::CreateView,
        S::CreateIndex { .. } => K::CreateIndex,
        S::CreateSchema { .. } => K::CreateSchema,
        S::Drop { kind, .. } => match kind {
            RelationKind::Table => K::DropTable,
            RelationKind::View => K::DropView,
            RelationKind::MaterializedView => K::DropMaterializedView,
            RelationKind::Index => K::DropIndex,
        },
        S::DropSchema { .. } => K::DropSchema,
        S::Rename { kind, .. } => match kind {
            RelationKind::Table => K::AlterTable,
            RelationKind::View => K::AlterView,
            RelationKind::MaterializedView => K::AlterMaterializedView,
            RelationKind::Index => K::AlterIndex,
        },
        S::Refresh(_) => K::Refresh,
        S::Truncate(_) => K::Truncate,
        S::Comment { .. } => K::Comment,
        S::Begin(_) if text.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("start")) => K::StartTransaction,
        S::Begin(_) => K::Begin,
        S::Commit { .. } => K::Commit,
        S::Rollback { .. } => K::Rollback,
        S::Savepoint(_) => K::Savepoint,
        S::Release(_) => K::Release,
        S::RollbackTo(_) => K::RollbackTo,
        S::SetTransaction { .. } => K::SetTransaction,
        S::SetVariable { .. } => K::Set,
        S::Reset(_) | S::ResetAll => K::Reset,
        S::Discard(what) => match what {
            Discard::All => K::DiscardAll,
            Discard::Plans => K::DiscardPlans,
            Discard::Sequences => K::DiscardSequences,
            Discard::Temporary => K::DiscardTemp,
        },
        S::Flush => K::Flush,
        S::Wait => K::Wait,
        S::Prepare { .. } => K::Prepare,
        S::Execute { .. } => K::Execute,
        S::Deallocate(Some(_)) => K::Deallocate,
        S::Deallocate(None) => K::DeallocateAll,
        S::Declare { .. } => K::DeclareCursor,
        S::Fetch(fetch) if fetch.is_move => K::Move,
        S::Fetch(_) => return (K::Fetch, true),
        S::Close(Some(_)) => K::CloseCursor,
        S::Close(None) => K::CloseCursorAll,
        S::Unlisten(_) => K::Unlisten,
        S::Notify { .. } => K::Notify,
        S::NoOperation { .. } => match text.as_bytes().first() {
            Some(b'v' | b'V') => K::Vacuum,
            Some(b'c' | b'C') => K::Checkpoint,
            _ => K::Analyze,
        },
        S::Unsupported { .. } => K::Unsupported,
    };
    (kind, false)
}

/// The table that SELECT INTO names.
pub(crate) fn selects_into(query: &ast::Query) -> bool {
    match &query.body {
        ast::QueryBody::Select(select) => select.into.is_some(),
        ast::QueryBody::Nested(query) => selects_into(query),
        ast::QueryBody::Set { left, .. } => selects_into(left),
        ast::QueryBody::Values(_) => false,
    }
}
