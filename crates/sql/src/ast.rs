//! The syntax tree: PostgreSQL's grammar as parsed, nothing resolved. Every node that an error may point at knows its
//! byte offset in the statement's text.

use std::sync::Arc;

/// A byte offset in the statement's text.
pub(crate) type Pos = usize;

/// An identifier, folded to lower case unless it was quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ident {
    pub(crate) name: String,
    pub(crate) pos: Pos,
}

/// A name with its qualifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) parts: Vec<Ident>,
}

impl Name {
    pub(crate) fn pos(&self) -> Pos {
        self.parts[0].pos
    }

    /// The last part.
    pub(crate) fn last(&self) -> &Ident {
        self.parts.last().expect("a name has a part")
    }

    /// As messages print it: parts joined by points.
    pub(crate) fn display(&self) -> String {
        self.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(".")
    }
}

/// A type as written.
#[derive(Debug, Clone)]
pub(crate) struct TypeName {
    /// PostgreSQL's internal name for the types the grammar knows (`int4`), with its qualifiers.
    pub(crate) name: Name,
    pub(crate) modifiers: Vec<i64>,
    pub(crate) is_array: bool,
    pub(crate) pos: Pos,
}

/// An expression.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    /// The token that errors about this node point at: the operator, the function's name, the literal.
    pub(crate) pos: Pos,
    /// Its leftmost token.
    pub(crate) start: Pos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IsTest {
    Null,
    True,
    False,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueFunction {
    CurrentDate,
    CurrentTime,
    CurrentTimestamp,
    LocalTime,
    LocalTimestamp,
    CurrentRole,
    CurrentUser,
    SessionUser,
    User,
    CurrentCatalog,
    CurrentSchema,
}

#[derive(Debug, Clone)]
pub(crate) enum QuantifiedRight {
    Array(Box<Expr>),
    Query(Box<Query>),
}

#[derive(Debug, Clone)]
pub(crate) enum ExprKind {
    /// A column, with its qualifiers.
    Column(Vec<Ident>),
    /// `*` or `t.*`, in a select list.
    Star(Vec<Ident>),
    Null,
    Bool(bool),
    /// A number as written, perhaps with a sign.
    Number(String),
    String(Arc<str>),
    Param(usize),
    Cast {
        expr: Box<Expr>,
        to: TypeName,
    },
    Unary {
        op: String,
        expr: Box<Expr>,
    },
    Binary {
        op: String,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Is {
        expr: Box<Expr>,
        test: IsTest,
        negated: bool,
    },
    IsDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
        symmetric: bool,
    },
    InList {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        expr: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    Like {
        expr: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        negated: bool,
        insensitive: bool,
    },
    Quantified {
        left: Box<Expr>,
        op: String,
        all: bool,
        right: QuantifiedRight,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Function(Box<FunctionCall>),
    Value(ValueFunction),
    Coalesce(Vec<Expr>),
    /// GREATEST (true) or LEAST.
    Extreme(bool, Vec<Expr>),
    NullIf(Box<Expr>, Box<Expr>),
    Exists(Box<Query>),
    Subquery(Box<Query>),
    ArrayQuery(Box<Query>),
    Array(Vec<Expr>),
    Row(Vec<Expr>),
    Subscript {
        expr: Box<Expr>,
        index: Box<Expr>,
    },
    Field {
        expr: Box<Expr>,
        field: Option<Ident>,
    },
    Collate {
        expr: Box<Expr>,
        collation: Name,
    },
    /// DEFAULT, where INSERT and UPDATE allow it.
    Default,
    /// What parses and binding refuses by this name.
    Unsupported(&'static str),
}

#[derive(Debug, Clone)]
pub(crate) struct FunctionCall {
    pub(crate) name: Name,
    pub(crate) args: Vec<Expr>,
    /// `f(*)`
    pub(crate) star: bool,
    pub(crate) distinct: bool,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) filter: Option<Expr>,
    /// OVER.
    pub(crate) over: Option<Pos>,
    /// WITHIN GROUP.
    pub(crate) within_group: Option<Pos>,
    /// VARIADIC or a named argument.
    pub(crate) special_argument: Option<Pos>,
}

#[derive(Debug, Clone)]
pub(crate) struct OrderItem {
    pub(crate) expr: Expr,
    pub(crate) descending: bool,
    pub(crate) nulls_first: Option<bool>,
}

#[derive(Debug, Clone)]
pub(crate) struct Cte {
    pub(crate) name: Ident,
    pub(crate) columns: Vec<Ident>,
    pub(crate) query: Query,
}

#[derive(Debug, Clone)]
pub(crate) struct With {
    pub(crate) recursive: Option<Pos>,
    pub(crate) ctes: Vec<Cte>,
}

#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) with: Option<With>,
    pub(crate) body: QueryBody,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) limit: Option<Expr>,
    pub(crate) offset: Option<Expr>,
    pub(crate) with_ties: Option<Pos>,
    /// FOR UPDATE and its kin.
    pub(crate) lock: Option<Pos>,
    pub(crate) pos: Pos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOperator {
    Union,
    Intersect,
    Except,
}

impl SetOperator {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Union => "UNION",
            Self::Intersect => "INTERSECT",
            Self::Except => "EXCEPT",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum QueryBody {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    /// A query in parentheses.
    Nested(Box<Query>),
    Set {
        op: SetOperator,
        all: bool,
        left: Box<Query>,
        right: Box<Query>,
    },
}

#[derive(Debug, Clone)]
pub(crate) enum Distinct {
    Rows,
    On(Vec<Expr>),
}

#[derive(Debug, Clone)]
pub(crate) struct SelectItem {
    pub(crate) expr: Expr,
    pub(crate) alias: Option<Ident>,
}

#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub(crate) distinct: Option<Distinct>,
    pub(crate) items: Vec<SelectItem>,
    pub(crate) into: Option<Name>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    /// GROUP BY; the flag tells it from none at all, as `GROUP BY ()` has no expressions.
    pub(crate) group_by: Option<Vec<Expr>>,
    pub(crate) having: Option<Expr>,
    /// WINDOW.
    pub(crate) window: Option<Pos>,
}

#[derive(Debug, Clone)]
pub(crate) struct Alias {
    pub(crate) name: Ident,
    pub(crate) columns: Vec<Ident>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

#[derive(Debug, Clone)]
pub(crate) enum JoinCondition {
    On(Expr),
    Using(Vec<Ident>, Option<Ident>),
    Natural,
    Cross,
}

#[derive(Debug, Clone)]
pub(crate) enum FromItem {
    Table {
        name: Name,
        alias: Option<Alias>,
    },
    Subquery {
        query: Box<Query>,
        lateral: bool,
        alias: Option<Alias>,
    },
    Function {
        call: Box<Expr>,
        ordinality: bool,
        alias: Option<Alias>,
    },
    Join {
        left: Box<FromItem>,
        right: Box<FromItem>,
        kind: JoinKind,
        condition: JoinCondition,
        alias: Option<Alias>,
        pos: Pos,
    },
    Unsupported(&'static str, Pos),
}

/// A table as the target of a change.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: Name,
    pub(crate) alias: Option<Ident>,
}

#[derive(Debug, Clone)]
pub(crate) enum InsertSource {
    DefaultValues,
    Values(Vec<Vec<Expr>>),
    Query(Box<Query>),
}

#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) columns: Vec<Ident>,
    /// One value per column, or one query for several.
    pub(crate) values: Vec<Expr>,
    pub(crate) pos: Pos,
}

#[derive(Debug, Clone)]
pub(crate) enum ConflictTarget {
    Columns(Vec<Ident>),
    Constraint(Ident),
}

#[derive(Debug, Clone)]
pub(crate) struct OnConflict {
    pub(crate) target: Option<ConflictTarget>,
    /// DO UPDATE; `None` is DO NOTHING.
    pub(crate) update: Option<(Vec<Assignment>, Option<Expr>)>,
    pub(crate) pos: Pos,
}

#[derive(Debug, Clone)]
pub(crate) struct Insert {
    pub(crate) with: Option<With>,
    pub(crate) target: Target,
    pub(crate) columns: Vec<Ident>,
    pub(crate) source: InsertSource,
    pub(crate) on_conflict: Option<OnConflict>,
    pub(crate) returning: Option<Vec<SelectItem>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Update {
    pub(crate) with: Option<With>,
    pub(crate) target: Target,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) returning: Option<Vec<SelectItem>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Delete {
    pub(crate) with: Option<With>,
    pub(crate) target: Target,
    pub(crate) using: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) returning: Option<Vec<SelectItem>>,
}

#[derive(Debug, Clone)]
pub(crate) enum CopySource {
    Table(Name, Vec<Ident>),
    Query(Box<Query>),
}

/// An option of COPY, EXPLAIN or WITH (…).
#[derive(Debug, Clone)]
pub(crate) struct OptionItem {
    pub(crate) name: Ident,
    pub(crate) value: Option<OptionValue>,
}

#[derive(Debug, Clone)]
pub(crate) enum OptionValue {
    Text(String, Pos),
    List(Vec<Ident>),
    Star,
}

#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) source: CopySource,
    pub(crate) from: bool,
    /// Neither STDIN nor STDOUT.
    pub(crate) file: Option<Pos>,
    pub(crate) options: Vec<OptionItem>,
    pub(crate) filter: Option<Pos>,
}

#[derive(Debug, Clone)]
pub(crate) enum ColumnConstraint {
    NotNull(Pos),
    Null(Pos),
    /// The only collation there is.
    Collate,
    Default(String, Pos),
    PrimaryKey(Option<Ident>),
    Unique(Option<Ident>, Pos),
    Check(Option<Ident>, Expr, String),
    References(Option<Ident>, Name, Vec<Ident>),
}

#[derive(Debug, Clone)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Ident,
    pub(crate) data_type: TypeName,
    pub(crate) constraints: Vec<ColumnConstraint>,
}

#[derive(Debug, Clone)]
pub(crate) enum TableConstraint {
    PrimaryKey(Option<Ident>, Vec<Ident>),
    Unique(Option<Ident>, Vec<Ident>, Pos),
    Check(Option<Ident>, Expr, String),
    ForeignKey(Option<Ident>, Vec<Ident>, Name, Vec<Ident>),
}

#[derive(Debug, Clone)]
pub(crate) struct CreateTable {
    pub(crate) name: Name,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) constraints: Vec<TableConstraint>,
    pub(crate) on_conflict: Option<crate::ConflictAction>,
    pub(crate) options: Vec<OptionItem>,
}

#[derive(Debug, Clone)]
pub(crate) struct CreateTableAs {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Ident>,
    pub(crate) if_not_exists: bool,
    pub(crate) query: Query,
    pub(crate) with_data: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct CreateView {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Ident>,
    pub(crate) materialized: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) or_replace: bool,
    pub(crate) query: Query,
    /// The query's text.
    pub(crate) sql: String,
    pub(crate) notices: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum CommentObject {
    Relation(crate::RelationKind, Name),
    Column(Name),
    Schema(Ident),
}

/// SHOW TABLES and its kin, and DESCRIBE.
#[derive(Debug, Clone)]
pub(crate) enum ShowObjects {
    /// TABLES, VIEWS, MATERIALIZED VIEWS, INDEXES, SCHEMAS, …, by their name in lower case; FROM schema; LIKE pattern.
    List { what: &'static str, schema: Option<Ident>, like: Option<Arc<str>> },
    /// DESCRIBE, SHOW COLUMNS FROM.
    Columns(Name),
    /// SHOW INDEXES FROM.
    Indexes(Name),
    /// SHOW CREATE.
    Create(crate::RelationKind, Name),
}

#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Empty,
    Query(Box<Query>),
    Insert(Box<Insert>),
    LiteralInsert(Box<crate::fast_insert::LiteralInsert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Copy(Box<Copy>),
    Explain { options: Vec<OptionItem>, statement: Box<Statement>, pos: Pos },
    CreateTable(Box<CreateTable>),
    CreateTableAs(Box<CreateTableAs>),
    CreateView(Box<CreateView>),
    CreateIndex { name: Option<Ident>, table: Name, columns: Vec<Ident>, unique: Option<Pos>, if_not_exists: bool },
    CreateSchema { name: Ident, if_not_exists: bool },
    Drop { kind: crate::RelationKind, names: Vec<Name>, if_exists: bool, cascade: bool },
    DropSchema { names: Vec<Ident>, if_exists: bool, cascade: bool },
    Rename { kind: crate::RelationKind, name: Name, to: Ident, if_exists: bool },
    Refresh(Name),
    Truncate(Vec<Name>),
    Comment { object: CommentObject, text: Option<String> },
    Begin(crate::TransactionModes),
    Commit { chain: bool },
    Rollback { chain: bool },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    SetTransaction { modes: crate::TransactionModes, session: bool },
    SetVariable { name: String, value: Option<Vec<String>>, local: bool },
    ShowVariable(String),
    ShowAll,
    ShowObjects(ShowObjects),
    Reset(String),
    ResetAll,
    Discard(crate::Discard),
    Flush,
    Wait,
    Prepare { name: String, types: Vec<TypeName>, statement: Box<crate::Statement> },
    Execute { name: String, args: Vec<Expr> },
    Deallocate(Option<String>),
    Declare { name: String, query: Box<Query>, hold: bool, scroll: Option<bool>, binary: bool },
    Fetch(crate::Fetch),
    Close(Option<String>),
    Unlisten(Option<String>),
    Notify { channel: String, payload: String },
    NoOperation { relations: Vec<Name> },
    Unsupported { what: String, pos: Pos },
}
