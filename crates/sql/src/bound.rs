//! Bound statements: what the engine executes. Names are resolved to ids, types are known, expressions are HIR.
//!
//! # Invariants
//!
//! 1. Every ordinal of a table's column counts all its columns, hidden ones too, in the catalog's order.
//! 2. Every scalar that is stored into a column already has the column's type (assignment casts are explicit).
//! 3. NOT NULL, CHECK and key violations are found by the engine, not here.

use headwater_plan::hir::{HirQuery, HirScalar};
use headwater_types::{Batch, CopyOptions, DataType, RelationId, Schema};

/// A statement with its names resolved and its types known.
#[derive(Debug, Clone)]
pub enum BoundStatement {
    /// SELECT, VALUES, TABLE, SHOW TABLES, DESCRIBE …
    Query(HirQuery),
    /// EXPLAIN.
    Explain(Explain),
    /// INSERT.
    Insert(Insert),
    /// UPDATE.
    Update(Update),
    /// DELETE.
    Delete(Delete),
    /// COPY … FROM STDIN.
    CopyFrom(CopyFrom),
    /// COPY … TO STDOUT.
    CopyTo {
        /// The rows.
        query: HirQuery,
        /// How they are written.
        options: CopyOptions,
    },
    /// CREATE TABLE.
    CreateTable(CreateTable),
    /// CREATE TABLE AS, SELECT INTO. `table` has the query's columns under their new names.
    CreateTableAs {
        /// The table to make.
        table: CreateTable,
        /// Its rows, for the table's visible columns.
        query: HirQuery,
        /// False: WITH NO DATA.
        with_data: bool,
    },
    /// CREATE VIEW.
    CreateView(CreateView),
    /// CREATE MATERIALIZED VIEW.
    CreateMaterializedView(CreateView),
    /// CREATE INDEX: accepted; the engine makes the indexes it needs by itself.
    CreateIndex {
        /// The index's schema.
        schema: String,
        /// Its name, given or derived.
        name: String,
        /// The indexed relation.
        relation: RelationId,
        /// The indexed columns' ordinals.
        columns: Vec<usize>,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// DROP TABLE, VIEW, MATERIALIZED VIEW, INDEX.
    Drop(Drop),
    /// CREATE SCHEMA.
    CreateSchema {
        /// The schema's name.
        name: String,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// DROP SCHEMA.
    DropSchema {
        /// The schemas, all existing.
        names: Vec<String>,
        /// One NOTICE per missing schema (IF EXISTS).
        notices: Vec<String>,
        /// CASCADE.
        cascade: bool,
    },
    /// ALTER TABLE, VIEW, MATERIALIZED VIEW … RENAME TO.
    Rename {
        /// What is renamed.
        relation: RelationId,
        /// Its new name.
        name: String,
    },
    /// REFRESH MATERIALIZED VIEW: nothing to do, as views are always fresh.
    Refresh(RelationId),
    /// TRUNCATE.
    Truncate {
        /// The tables to empty.
        tables: Vec<RelationId>,
    },
    /// COMMENT ON.
    Comment(Comment),
    /// BEGIN, START TRANSACTION.
    Begin(TransactionModes),
    /// COMMIT, END.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE SAVEPOINT.
    Release(String),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(String),
    /// SET TRANSACTION.
    SetTransaction {
        /// What is set.
        modes: TransactionModes,
        /// SET SESSION CHARACTERISTICS AS TRANSACTION.
        session: bool,
    },
    /// SET. The name is in lower case; SET TIME ZONE is `timezone`.
    SetVariable {
        /// Which setting.
        name: String,
        /// Its new value, a list for `search_path`; `None` is DEFAULT.
        value: Option<Vec<String>>,
        /// SET LOCAL.
        local: bool,
    },
    /// SHOW of a setting.
    ShowVariable(String),
    /// SHOW ALL.
    ShowAll,
    /// RESET of a setting.
    Reset(String),
    /// RESET ALL.
    ResetAll,
    /// DISCARD.
    Discard(Discard),
    /// FLUSH: nothing to do.
    Flush,
    /// WAIT: nothing to do.
    Wait,
    /// PREPARE. The statement is bound again when it is executed.
    Prepare(Prepare),
    /// EXECUTE.
    Execute {
        /// The prepared statement.
        name: String,
        /// Arguments: constant expressions, not yet cast to the parameters' types.
        args: Vec<HirScalar>,
    },
    /// DEALLOCATE; `None` is ALL.
    Deallocate(Option<String>),
    /// DECLARE … CURSOR.
    DeclareCursor(DeclareCursor),
    /// FETCH and MOVE.
    Fetch(Fetch),
    /// CLOSE; `None` is ALL.
    CloseCursor(Option<String>),
    /// UNLISTEN; `None` is `*`.
    Unlisten(Option<String>),
    /// NOTIFY: accepted, as nobody can listen.
    Notify {
        /// The channel.
        channel: String,
        /// The payload.
        payload: String,
    },
    /// Accepted without effect; the command tag is the statement's (VACUUM, ANALYZE, CHECKPOINT).
    NoOperation {
        /// WARNING or NOTICE texts.
        notices: Vec<String>,
    },
    /// No statement at all.
    Empty,
}

/// What EXPLAIN prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExplainStage {
    /// The bound query.
    Hir,
    /// Relational algebra.
    Mir,
    /// The dataflow plan, in full.
    Lir,
    /// The dataflow plan, readable.
    #[default]
    Readable,
}

/// EXPLAIN.
#[derive(Debug, Clone)]
pub struct Explain {
    /// What is printed.
    pub stage: ExplainStage,
    /// ANALYZE.
    pub analyze: bool,
    /// FORMAT JSON.
    pub json: bool,
    /// What is explained: a query, a change of a table, or the making of a view.
    pub statement: Box<BoundStatement>,
}

/// INSERT.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The target.
    pub table: RelationId,
    /// The rows, for all the table's columns but the hidden key, in table order.
    pub source: InsertSource,
    /// The ordinal of the hidden key column that the engine fills, if the table has one.
    pub hidden_key: Option<usize>,
    /// What to do when the key exists.
    pub on_conflict: OnConflict,
    /// The table's CHECK constraints.
    pub checks: Vec<Check>,
    /// RETURNING, over the table's columns.
    pub returning: Option<Returning>,
}

/// Where the rows of an INSERT come from.
#[derive(Debug, Clone)]
pub enum InsertSource {
    /// Constant rows, already evaluated: the columns of these ordinals. `defaults` are the values of the others, the
    /// hidden key apart: constants or functions of now().
    Batch {
        /// The columns that `rows` has, in its order.
        columns: Vec<usize>,
        /// The rows.
        rows: Batch,
        /// The other columns' values.
        defaults: Vec<(usize, HirScalar)>,
    },
    /// VALUES; expressions see no columns and may hold subqueries and parameters.
    Values(Vec<Vec<HirScalar>>),
    /// A query whose presented columns are the rows.
    Query(HirQuery),
}

/// What an INSERT does about an existing key.
#[derive(Debug, Clone)]
pub enum OnConflict {
    /// No clause: as the table was declared.
    TableDefault,
    /// DO NOTHING.
    DoNothing {
        /// The key's columns, where the clause names a target: those of the primary key or a unique constraint.
        target: Option<Vec<usize>>,
    },
    /// DO UPDATE SET.
    DoUpdate {
        /// The key's columns.
        target: Vec<usize>,
        /// (column, its new value). Scalars see the existing row, then the excluded row: all the table's columns
        /// twice. Both have the hidden key column, which is NULL in the excluded row.
        assignments: Vec<(usize, HirScalar)>,
        /// WHERE, over the same columns.
        filter: Option<HirScalar>,
    },
}

/// A CHECK constraint.
#[derive(Debug, Clone)]
pub struct Check {
    /// The constraint's name.
    pub name: String,
    /// Violated where it is false; over the table's columns.
    pub predicate: HirScalar,
}

/// RETURNING.
#[derive(Debug, Clone)]
pub struct Returning {
    /// One scalar per column of the answer, over the columns that the statement's documentation names.
    pub scalars: Vec<HirScalar>,
    /// The answer's columns.
    pub schema: Schema,
    /// For each that is a plain column of the table: the table and the attribute number.
    pub origins: Vec<Option<(RelationId, i16)>>,
}

/// UPDATE.
#[derive(Debug, Clone)]
pub struct Update {
    /// The target.
    pub table: RelationId,
    /// Presents, for each row to change (at least once): all columns of the old row, all columns of the new row, then
    /// what RETURNING reads besides.
    pub query: HirQuery,
    /// The columns assigned to.
    pub assigned: Vec<usize>,
    /// The table's CHECK constraints, over the table's columns.
    pub checks: Vec<Check>,
    /// RETURNING, over the columns that `query` presents.
    pub returning: Option<Returning>,
}

/// DELETE.
#[derive(Debug, Clone)]
pub struct Delete {
    /// The target.
    pub table: RelationId,
    /// Presents, for each row to delete (at least once): all its columns, then what RETURNING reads besides.
    pub query: HirQuery,
    /// RETURNING, over the columns that `query` presents.
    pub returning: Option<Returning>,
}

/// COPY … FROM STDIN.
#[derive(Debug, Clone)]
pub struct CopyFrom {
    /// The target.
    pub table: RelationId,
    /// The columns the stream has, in its order.
    pub columns: Vec<usize>,
    /// The other columns' values, hidden key apart: constants or functions of now().
    pub defaults: Vec<(usize, HirScalar)>,
    /// The ordinal of the hidden key column that the engine fills, if the table has one.
    pub hidden_key: Option<usize>,
    /// The table's CHECK constraints, over the table's columns.
    pub checks: Vec<Check>,
    /// How the stream is read.
    pub options: CopyOptions,
}

/// A column of a table to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// NOT NULL, PRIMARY KEY.
    pub not_null: bool,
    /// DEFAULT, as SQL text that binds without columns.
    pub default: Option<String>,
    /// The hidden key of a table without a primary key: the last column.
    pub hidden: bool,
}

/// A key of a table to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The constraint's name.
    pub name: String,
    /// The columns' ordinals, in key order.
    pub columns: Vec<usize>,
}

/// A CHECK constraint of a table to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheck {
    /// The constraint's name.
    pub name: String,
    /// The condition, as SQL text over the table's columns.
    pub expression: String,
}

/// A FOREIGN KEY of a table to be made: kept for tools, not enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewForeignKey {
    /// The constraint's name.
    pub name: String,
    /// The referring columns.
    pub columns: Vec<usize>,
    /// The table referred to; `None` is the new table itself.
    pub referenced: Option<RelationId>,
    /// The columns referred to.
    pub referenced_columns: Vec<usize>,
}

/// What a table does when an INSERT meets an existing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConflictAction {
    /// The row is replaced: `ON CONFLICT DO UPDATE FULL`, the default.
    #[default]
    Overwrite,
    /// The new row is dropped: `ON CONFLICT DO NOTHING`.
    Ignore,
    /// Only columns that are not NULL in the new row replace: `ON CONFLICT DO UPDATE IF NOT NULL`.
    UpdateIfNotNull,
    /// 23505: `WITH (on_conflict = 'error')`.
    Error,
}

/// CREATE TABLE.
#[derive(Debug, Clone)]
pub struct CreateTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns. Without a primary key, the last is the hidden `_row_id`.
    pub columns: Vec<NewColumn>,
    /// PRIMARY KEY; `None` if the hidden column is the key.
    pub primary_key: Option<NewKey>,
    /// CHECK constraints.
    pub checks: Vec<NewCheck>,
    /// FOREIGN KEYs.
    pub foreign_keys: Vec<NewForeignKey>,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// What an INSERT onto an existing key does.
    pub on_conflict: ConflictAction,
    /// NOTICE texts: what was accepted without effect.
    pub notices: Vec<String>,
}

/// CREATE VIEW and CREATE MATERIALIZED VIEW.
#[derive(Debug, Clone)]
pub struct CreateView {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns' names, in order: those of the query unless a list was given.
    pub column_names: Vec<String>,
    /// The query.
    pub query: HirQuery,
    /// The query as written, without a trailing semicolon.
    pub sql: String,
    /// Every relation the query names itself, plain views included, each once.
    pub depends_on: Vec<RelationId>,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// OR REPLACE.
    pub or_replace: bool,
    /// NOTICE texts: what was accepted without effect.
    pub notices: Vec<String>,
}

/// The kind of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// A table.
    Table,
    /// A plain view.
    View,
    /// A materialized view.
    MaterializedView,
    /// An index.
    Index,
}

/// DROP of relations.
#[derive(Debug, Clone)]
pub struct Drop {
    /// What is dropped.
    pub kind: RelationKind,
    /// The relations, all existing and of this kind.
    pub relations: Vec<RelationId>,
    /// One NOTICE per missing relation (IF EXISTS).
    pub notices: Vec<String>,
    /// CASCADE.
    pub cascade: bool,
}

/// What a COMMENT is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentTarget {
    /// A relation.
    Relation(RelationId),
    /// A column of a relation, by its ordinal.
    Column(RelationId, usize),
    /// A schema.
    Schema(String),
}

/// COMMENT ON.
#[derive(Debug, Clone)]
pub struct Comment {
    /// What it is about.
    pub target: CommentTarget,
    /// The text; `None` removes it.
    pub text: Option<String>,
}

/// Isolation levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// READ UNCOMMITTED: is READ COMMITTED.
    ReadUncommitted,
    /// READ COMMITTED.
    ReadCommitted,
    /// REPEATABLE READ.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

/// What BEGIN and SET TRANSACTION may set; `None` is not mentioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransactionModes {
    /// ISOLATION LEVEL.
    pub isolation: Option<Isolation>,
    /// READ ONLY, READ WRITE.
    pub read_only: Option<bool>,
    /// DEFERRABLE, NOT DEFERRABLE.
    pub deferrable: Option<bool>,
}

/// DISCARD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// ALL.
    All,
    /// PLANS.
    Plans,
    /// SEQUENCES.
    Sequences,
    /// TEMP.
    Temporary,
}

/// PREPARE.
#[derive(Debug, Clone)]
pub struct Prepare {
    /// Its name.
    pub name: String,
    /// The statement.
    pub statement: Box<crate::Statement>,
    /// The parameters' types: as declared, else as inferred.
    pub parameter_types: Vec<DataType>,
}

/// DECLARE … CURSOR.
#[derive(Debug, Clone)]
pub struct DeclareCursor {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub query: HirQuery,
    /// WITH HOLD.
    pub hold: bool,
    /// SCROLL; `None` is not mentioned.
    pub scroll: Option<bool>,
    /// BINARY.
    pub binary: bool,
}

/// Where FETCH goes. Negative counts go backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchDirection {
    /// The next n rows; PRIOR is −1, NEXT is 1. FORWARD 0 is the current row.
    Relative(i64),
    /// ALL, FORWARD ALL.
    All,
    /// BACKWARD ALL.
    BackwardAll,
    /// FIRST is 1, LAST is −1, ABSOLUTE n.
    Absolute(i64),
    /// RELATIVE n: one row, n away from the current one.
    RowAt(i64),
}

/// FETCH and MOVE.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// The cursor.
    pub name: String,
    /// Where to.
    pub direction: FetchDirection,
    /// MOVE: rows are counted, not sent.
    pub is_move: bool,
}
