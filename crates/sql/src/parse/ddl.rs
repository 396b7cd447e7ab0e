//! CREATE, DROP, ALTER, COMMENT, REFRESH.

use super::Parser;
use crate::ast::{
    ColumnConstraint, ColumnDefinition, CommentObject, CreateTable, CreateTableAs, CreateView, Ident, Name, Statement,
    TableConstraint,
};
use crate::bound::{ConflictAction, RelationKind};
use crate::lexer::TokenKind;
use headwater_types::{Result, SqlState};

/// Things that PostgreSQL and RisingWave can create, alter and drop and Headwater cannot: so that the error says so.
const UNSUPPORTED_OBJECTS: [&str; 37] = [
    "access",
    "aggregate",
    "cast",
    "collation",
    "connection",
    "conversion",
    "database",
    "default",
    "domain",
    "event",
    "extension",
    "foreign",
    "function",
    "group",
    "language",
    "large",
    "operator",
    "owned",
    "policy",
    "procedure",
    "publication",
    "role",
    "routine",
    "rule",
    "secret",
    "sequence",
    "server",
    "sink",
    "source",
    "statistics",
    "subscription",
    "system",
    "tablespace",
    "text",
    "transform",
    "trigger",
    "type",
];

impl Parser<'_> {
    fn if_not_exists(&mut self) -> bool {
        self.accept_all(&["if", "not", "exists"])
    }

    fn if_exists(&mut self) -> bool {
        self.accept_all(&["if", "exists"])
    }

    /// The rest of a statement that cannot be run: its text is not looked at.
    fn unsupported_object(&mut self, verb: &str, start: usize) -> Result<Statement> {
        let word = self.text_of(self.peek()).to_ascii_lowercase();
        if !UNSUPPORTED_OBJECTS.contains(&&*word)
            && !matches!(&*word, "user" | "temp" | "temporary" | "or" | "recursive" | "unique" | "index")
        {
            return Err(self.unexpected());
        }
        let what = match &*word {
            "temp" | "temporary" => "a temporary table".to_owned(),
            "or" => format!("{verb} OR REPLACE"),
            "recursive" => "CREATE RECURSIVE VIEW".to_owned(),
            _ => format!("{verb} {}", word.to_uppercase()),
        };
        self.skip_statement();
        Ok(Statement::Unsupported { what, pos: start })
    }

    /// Moves to the statement's end.
    pub(super) fn skip_statement(&mut self) {
        while !matches!(self.peek().kind, TokenKind::End | TokenKind::Semicolon | TokenKind::Bad) {
            self.advance();
        }
    }

    pub(super) fn create(&mut self) -> Result<Statement> {
        let start = self.expect("create")?;
        let or_replace =
            self.are_words(&["or", "replace"]) && (self.is_word_at(2, "view") || self.is_word_at(2, "materialized"));
        if or_replace {
            self.advance();
            self.advance();
        }
        self.accept("unlogged");
        if self.accept_all(&["materialized", "view"]) {
            return self.create_view(true, or_replace);
        }
        if self.accept("view") {
            return self.create_view(false, or_replace);
        }
        if self.accept("table") {
            return self.create_table();
        }
        if self.is_word("index") || self.are_words(&["unique", "index"]) {
            return self.create_index();
        }
        if self.accept("schema") {
            let if_not_exists = self.if_not_exists();
            let authorization = self.accept("authorization");
            let name = self.ident()?;
            if !authorization && self.accept("authorization") {
                self.label()?;
            }
            if self.is_any(&["create", "grant"]) {
                return Err(self.unsupported("CREATE SCHEMA with elements", self.pos()));
            }
            return Ok(Statement::CreateSchema { name, if_not_exists });
        }
        self.unsupported_object("CREATE", start)
    }

    fn create_view(&mut self, materialized: bool, or_replace: bool) -> Result<Statement> {
        let if_not_exists = self.if_not_exists();
        let name = self.qualified()?;
        let columns = self.optional_ident_list()?;
        let mut notices = Vec::new();
        if self.is_word("with") && self.token(1).kind == TokenKind::LeftParen {
            self.advance();
            for option in self.option_list()? {
                notices.push(format!("option \"{}\" is ignored", option.name.name));
            }
        }
        self.expect("as")?;
        let start = self.pos();
        if !self.is_query_start() {
            return Err(self.unexpected());
        }
        let query = self.query()?;
        let sql = self.slice(start, self.last_end()).to_owned();
        if self.is_word("emit") {
            return Err(self.unsupported("EMIT ON WINDOW CLOSE", self.pos()));
        }
        if self.is_word("with") {
            let pos = self.pos();
            self.advance();
            if materialized && self.accept("no") {
                self.expect("data")?;
                return Err(self.unsupported("WITH NO DATA for a materialized view", pos));
            }
            if !(materialized && self.accept("data")) {
                if materialized || !self.is_any(&["check", "local", "cascaded"]) {
                    return Err(self.unexpected());
                }
                return Err(self.unsupported("WITH CHECK OPTION", pos));
            }
        }
        let view = CreateView { name, columns, materialized, if_not_exists, or_replace, query, sql, notices };
        Ok(Statement::CreateView(Box::new(view)))
    }

    fn create_index(&mut self) -> Result<Statement> {
        let pos = self.pos();
        let unique = self.accept("unique").then_some(pos);
        self.expect("index")?;
        self.accept("concurrently");
        let if_not_exists = self.if_not_exists();
        let name = if self.is_word("on") { None } else { Some(self.ident()?) };
        self.expect("on")?;
        self.accept("only");
        let table = self.qualified()?;
        if self.accept("using") {
            self.ident()?;
        }
        let columns = self.parens(|p| {
            p.list(|p| {
                if p.is(TokenKind::LeftParen) || p.token(1).kind == TokenKind::LeftParen {
                    return Err(p.unsupported("an index on an expression", p.pos()));
                }
                let column = p.ident()?;
                if p.accept("collate") {
                    p.qualified()?;
                }
                if p.is_ident() && !p.is_any(&["asc", "desc", "nulls"]) {
                    p.qualified()?;
                }
                if !p.accept("asc") {
                    p.accept("desc");
                }
                if p.accept("nulls") && !p.accept("first") {
                    p.expect("last")?;
                }
                Ok(column)
            })
        })?;
        if self.accept("include") {
            self.ident_list()?;
        }
        if self.accept_all(&["distributed", "by"]) {
            self.ident_list()?;
        }
        if self.accept("with") {
            self.option_list()?;
        }
        if self.is_word("where") {
            return Err(self.unsupported("a partial index", self.pos()));
        }
        Ok(Statement::CreateIndex { name, table, columns, unique, if_not_exists })
    }

    fn create_table(&mut self) -> Result<Statement> {
        let if_not_exists = self.if_not_exists();
        let name = self.qualified()?;
        if self.is_word("as") || (self.is(TokenKind::LeftParen) && self.is_create_as()) {
            return self.create_table_as(name, if_not_exists);
        }
        if self.is_any(&["of", "partition"]) {
            return Err(self.unsupported("CREATE TABLE … OF", self.pos()));
        }
        let mut table = CreateTable {
            name,
            if_not_exists,
            columns: vec![],
            constraints: vec![],
            on_conflict: None,
            options: vec![],
        };
        self.require(TokenKind::LeftParen)?;
        if !self.is(TokenKind::RightParen) {
            self.list(|p| p.table_element(&mut table))?;
        }
        self.require(TokenKind::RightParen)?;
        self.table_clauses(&mut table)?;
        Ok(Statement::CreateTable(Box::new(table)))
    }

    /// Whether `(a, b) AS query` follows, rather than column definitions.
    fn is_create_as(&self) -> bool {
        match self.partners.get(self.at) {
            Some(&partner) if partner != 0 => {
                let behind = usize::try_from(partner).expect("an index") + 1 - self.at;
                matches!(self.token(2).kind, TokenKind::Comma | TokenKind::RightParen) && self.is_word_at(behind, "as")
            }
            _ => false,
        }
    }

    fn create_table_as(&mut self, name: Name, if_not_exists: bool) -> Result<Statement> {
        let columns = self.optional_ident_list()?;
        self.expect("as")?;
        if self.is_word("execute") {
            return Err(self.unsupported("CREATE TABLE AS EXECUTE", self.pos()));
        }
        if !self.is_query_start() {
            return Err(self.unexpected());
        }
        let query = self.query()?;
        let mut with_data = true;
        if self.accept("with") {
            with_data = !self.accept("no");
            self.expect("data")?;
        }
        Ok(Statement::CreateTableAs(Box::new(CreateTableAs { name, columns, if_not_exists, query, with_data })))
    }

    fn table_clauses(&mut self, table: &mut CreateTable) -> Result<()> {
        loop {
            let pos = self.pos();
            if self.accept("append") {
                self.expect("only")?;
                return Err(self.unsupported("APPEND ONLY", pos));
            } else if self.accept_all(&["on", "conflict"]) {
                table.on_conflict = Some(self.table_conflict()?);
            } else if self.are_words(&["on", "commit"]) {
                return Err(self.unsupported("ON COMMIT", pos));
            } else if self.accept("with") {
                table.options.extend(self.option_list()?);
            } else if self.accept_all(&["without", "oids"]) {
            } else if self.accept("tablespace") {
                self.ident()?;
            } else if self.is_any(&["inherits", "partition", "format", "encode", "include", "engine", "from", "using"])
            {
                let what = format!("CREATE TABLE … {}", self.text_of(self.peek()).to_uppercase());
                return Err(self.unsupported(&what, pos));
            } else {
                return Ok(());
            }
        }
    }

    /// RisingWave's table-level ON CONFLICT.
    fn table_conflict(&mut self) -> Result<ConflictAction> {
        self.accept("do");
        if self.accept("overwrite") {
            return Ok(ConflictAction::Overwrite);
        }
        if self.accept("ignore") || self.accept("nothing") {
            return Ok(ConflictAction::Ignore);
        }
        self.expect("update")?;
        if self.accept_all(&["if", "not", "null"]) {
            return Ok(ConflictAction::UpdateIfNotNull);
        }
        self.expect("full")?;
        Ok(ConflictAction::Overwrite)
    }

    fn table_element(&mut self, table: &mut CreateTable) -> Result<()> {
        let pos = self.pos();
        if self.is_operator("*") {
            return Err(self.unsupported("* in a list of columns", pos));
        }
        if self.is_word("watermark") && self.is_word_at(1, "for") {
            return Err(self.unsupported("WATERMARK FOR", pos));
        }
        if self.is_word("like") {
            return Err(self.unsupported("CREATE TABLE … LIKE", pos));
        }
        if self.is_any(&["constraint", "primary", "unique", "check", "foreign", "exclude"]) {
            let name = if self.accept("constraint") { Some(self.ident()?) } else { None };
            let constraint = self.table_constraint(name)?;
            self.constraint_attributes()?;
            table.constraints.push(constraint);
            return Ok(());
        }
        let name = self.ident()?;
        if self.is_word("as") {
            return Err(self.unsupported("a generated column", self.pos()));
        }
        let data_type = self.type_name()?;
        let mut constraints = Vec::new();
        while let Some(constraint) = self.column_constraint()? {
            constraints.push(constraint);
        }
        table.columns.push(ColumnDefinition { name, data_type, constraints });
        Ok(())
    }

    fn table_constraint(&mut self, name: Option<Ident>) -> Result<TableConstraint> {
        let pos = self.pos();
        if self.accept_all(&["primary", "key"]) {
            return Ok(TableConstraint::PrimaryKey(name, self.key_columns()?));
        }
        if self.accept("unique") {
            return Ok(TableConstraint::Unique(name, self.key_columns()?, pos));
        }
        if self.accept("check") {
            let (expr, sql) = self.check_condition()?;
            return Ok(TableConstraint::Check(name, expr, sql));
        }
        if self.accept_all(&["foreign", "key"]) {
            let columns = self.ident_list()?;
            self.expect("references")?;
            let (table, referenced) = self.reference()?;
            return Ok(TableConstraint::ForeignKey(name, columns, table, referenced));
        }
        if self.is_word("exclude") {
            return Err(self.unsupported("an EXCLUDE constraint", pos));
        }
        Err(self.unexpected())
    }

    fn key_columns(&mut self) -> Result<Vec<Ident>> {
        if self.is_word("using") {
            return Err(self.unsupported("a constraint USING INDEX", self.pos()));
        }
        let columns = self.ident_list()?;
        if self.accept("include") {
            self.ident_list()?;
        }
        Ok(columns)
    }

    fn check_condition(&mut self) -> Result<(crate::ast::Expr, String)> {
        self.require(TokenKind::LeftParen)?;
        let start = self.pos();
        let expr = self.expr()?;
        let sql = self.slice(start, self.last_end()).to_owned();
        self.require(TokenKind::RightParen)?;
        if self.accept("no") {
            self.expect("inherit")?;
        }
        Ok((expr, sql))
    }

    fn reference(&mut self) -> Result<(Name, Vec<Ident>)> {
        let table = self.qualified()?;
        let columns = self.optional_ident_list()?;
        loop {
            if self.accept("match") {
                self.label()?;
            } else if self.is_word("on") && (self.is_word_at(1, "delete") || self.is_word_at(1, "update")) {
                self.advance();
                self.advance();
                if !self.accept("cascade") && !self.accept("restrict") && !self.accept_all(&["no", "action"]) {
                    self.expect("set")?;
                    if !self.accept("null") {
                        self.expect("default")?;
                    }
                }
            } else {
                return Ok((table, columns));
            }
        }
    }

    /// DEFERRABLE and its kin: accepted; constraints are checked at once.
    fn constraint_attributes(&mut self) -> Result<()> {
        loop {
            if self.accept("deferrable")
                || self.accept_all(&["not", "deferrable"])
                || self.accept_all(&["not", "valid"])
            {
                continue;
            }
            if self.accept("initially") {
                if !self.accept("deferred") {
                    self.expect("immediate")?;
                }
                continue;
            }
            return Ok(());
        }
    }

    fn column_constraint(&mut self) -> Result<Option<ColumnConstraint>> {
        let name = if self.accept("constraint") { Some(self.ident()?) } else { None };
        let pos = self.pos();
        let constraint = if self.accept_all(&["not", "null"]) {
            ColumnConstraint::NotNull(pos)
        } else if self.accept("null") {
            ColumnConstraint::Null(pos)
        } else if self.accept("default") {
            let start = self.pos();
            self.expr()?;
            ColumnConstraint::Default(self.slice(start, self.last_end()).to_owned(), start)
        } else if self.accept_all(&["primary", "key"]) {
            ColumnConstraint::PrimaryKey(name)
        } else if self.accept("unique") {
            ColumnConstraint::Unique(name, pos)
        } else if self.accept("check") {
            let (expr, sql) = self.check_condition()?;
            ColumnConstraint::Check(name, expr, sql)
        } else if self.accept("references") {
            let (table, columns) = self.reference()?;
            ColumnConstraint::References(name, table, columns)
        } else if self.is_word("generated") {
            let identity = self.is_word_at(3, "identity") || self.is_word_at(4, "identity");
            return Err(self.unsupported(if identity { "an identity column" } else { "a generated column" }, pos));
        } else if self.is_word("as") {
            return Err(self.unsupported("a generated column", pos));
        } else if self.accept("collate") {
            let collation = self.qualified_label()?;
            if !matches!(collation.last().name.as_str(), "default" | "C" | "POSIX" | "ucs_basic") {
                return Err(self.unsupported("a collation other than \"C\"", pos));
            }
            ColumnConstraint::Collate
        } else if name.is_some() {
            return Err(self.unexpected());
        } else {
            return Ok(None);
        };
        self.constraint_attributes()?;
        Ok(Some(constraint))
    }

    fn qualified_label(&mut self) -> Result<Name> {
        let mut parts = vec![self.label()?];
        while self.take(TokenKind::Dot) {
            parts.push(self.label()?);
        }
        Ok(Name { parts })
    }

    /// TABLE, VIEW, MATERIALIZED VIEW or INDEX.
    pub(super) fn relation_kind(&mut self) -> Option<RelationKind> {
        if self.accept("table") {
            Some(RelationKind::Table)
        } else if self.accept("view") {
            Some(RelationKind::View)
        } else if self.accept_all(&["materialized", "view"]) {
            Some(RelationKind::MaterializedView)
        } else if self.accept("index") {
            Some(RelationKind::Index)
        } else {
            None
        }
    }

    fn cascade(&mut self) -> bool {
        let cascade = self.accept("cascade");
        if !cascade {
            self.accept("restrict");
        }
        cascade
    }

    pub(super) fn drop(&mut self) -> Result<Statement> {
        let start = self.expect("drop")?;
        if self.accept("schema") {
            let if_exists = self.if_exists();
            let names = self.list(Self::ident)?;
            return Ok(Statement::DropSchema { names, if_exists, cascade: self.cascade() });
        }
        let Some(kind) = self.relation_kind() else { return self.unsupported_object("DROP", start) };
        if kind == RelationKind::Index {
            self.accept("concurrently");
        }
        let if_exists = self.if_exists();
        let names = self.list(Self::qualified)?;
        Ok(Statement::Drop { kind, names, if_exists, cascade: self.cascade() })
    }

    pub(super) fn alter(&mut self) -> Result<Statement> {
        let start = self.expect("alter")?;
        if self.is_word("schema") {
            self.skip_statement();
            return Ok(Statement::Unsupported { what: "ALTER SCHEMA".to_owned(), pos: start });
        }
        let Some(kind) = self.relation_kind() else { return self.unsupported_object("ALTER", start) };
        let if_exists = self.if_exists();
        self.accept("only");
        let name = self.qualified()?;
        self.take_operator("*");
        if self.accept_all(&["rename", "to"]) {
            let to = self.ident()?;
            return Ok(Statement::Rename { kind, name, to, if_exists });
        }
        let mut what = format!("ALTER {}", kind.keyword());
        let words = if self.is_any(&["add", "drop", "alter", "rename", "set"]) { 2 } else { 1 };
        for ahead in 0..words {
            let token = self.token(ahead);
            if token.kind != TokenKind::Word {
                if ahead == 0 {
                    return Err(self.unexpected());
                }
                break;
            }
            what.push_str(if ahead == 0 { " … " } else { " " });
            what.push_str(&self.text_of(token).to_uppercase());
        }
        self.skip_statement();
        Ok(Statement::Unsupported { what, pos: start })
    }

    pub(super) fn refresh(&mut self) -> Result<Statement> {
        self.expect_all(&["refresh", "materialized", "view"])?;
        self.accept("concurrently");
        let name = self.qualified()?;
        if self.accept("with") {
            let pos = self.pos();
            if self.accept("no") {
                return Err(self.unsupported("REFRESH … WITH NO DATA", pos));
            }
            self.expect("data")?;
        }
        Ok(Statement::Refresh(name))
    }

    pub(super) fn comment(&mut self) -> Result<Statement> {
        let start = self.expect("comment")?;
        self.expect("on")?;
        let object = if let Some(kind) = self.relation_kind() {
            CommentObject::Relation(kind, self.qualified()?)
        } else if self.accept("column") {
            let name = self.qualified()?;
            if name.parts.len() < 2 {
                return Err(self.error(SqlState::SyntaxError, "column name must be qualified", name.pos()));
            }
            CommentObject::Column(name)
        } else if self.accept("schema") {
            CommentObject::Schema(self.ident()?)
        } else {
            let what = format!("COMMENT ON {}", self.text_of(self.peek()).to_uppercase());
            self.skip_statement();
            return Ok(Statement::Unsupported { what, pos: start });
        };
        self.expect("is")?;
        let text = if self.accept("null") { None } else { Some(self.string()?.to_string()) };
        Ok(Statement::Comment { object, text })
    }
}
