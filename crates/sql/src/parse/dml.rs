//! INSERT, UPDATE, DELETE, COPY, TRUNCATE.

use super::Parser;
use crate::ast::{
    Assignment, ConflictTarget, Copy, CopySource, Delete, ExprKind, Ident, Insert, InsertSource, OnConflict,
    OptionItem, OptionValue, SelectItem, Statement, Target, Update, With,
};
use crate::lexer::TokenKind;
use headwater_types::{Result, SqlState};

impl Parser<'_> {
    pub(super) fn insert(&mut self, with: Option<With>) -> Result<Statement> {
        self.expect_all(&["insert", "into"])?;
        let name = self.qualified()?;
        let alias = if self.accept("as") { Some(self.ident()?) } else { None };
        let target = Target { name, alias };
        let columns = if self.is(TokenKind::LeftParen) && !self.is_query(0) { self.insert_columns()? } else { vec![] };
        if self.accept("overriding") {
            return Err(self.unsupported("OVERRIDING", self.pos()));
        }
        let source = if self.accept_all(&["default", "values"]) {
            InsertSource::DefaultValues
        } else if self.is_query_start() {
            let query = self.query()?;
            // Plain VALUES may hold DEFAULT, and is coerced column by column.
            let bare = query.with.is_none()
                && query.order_by.is_empty()
                && query.limit.is_none()
                && query.offset.is_none()
                && query.lock.is_none();
            match query.body {
                crate::ast::QueryBody::Values(rows) if bare => InsertSource::Values(rows),
                _ => InsertSource::Query(Box::new(query)),
            }
        } else {
            return Err(self.unexpected());
        };
        let on_conflict = if self.is_word("on") { Some(self.on_conflict()?) } else { None };
        let returning = self.returning()?;
        Ok(Statement::Insert(Box::new(Insert { with, target, columns, source, on_conflict, returning })))
    }

    fn insert_columns(&mut self) -> Result<Vec<Ident>> {
        self.parens(|p| {
            p.list(|p| {
                let column = p.ident()?;
                if matches!(p.peek().kind, TokenKind::Dot | TokenKind::LeftBracket) {
                    return Err(p.unsupported("assigning to a part of a column", p.pos()));
                }
                Ok(column)
            })
        })
    }

    fn on_conflict(&mut self) -> Result<OnConflict> {
        let pos = self.expect("on")?;
        self.expect("conflict")?;
        let target = if self.is(TokenKind::LeftParen) {
            let columns = self.parens(|p| {
                p.list(|p| {
                    if p.is(TokenKind::LeftParen) {
                        return Err(p.unsupported("ON CONFLICT on an expression", p.pos()));
                    }
                    p.ident()
                })
            })?;
            if self.is_word("where") {
                return Err(self.unsupported("ON CONFLICT on a partial index", self.pos()));
            }
            Some(ConflictTarget::Columns(columns))
        } else if self.accept_all(&["on", "constraint"]) {
            Some(ConflictTarget::Constraint(self.ident()?))
        } else {
            None
        };
        self.expect("do")?;
        let update = if self.accept("nothing") {
            None
        } else {
            self.expect_all(&["update", "set"])?;
            let assignments = self.assignments()?;
            let filter = if self.accept("where") { Some(self.expr()?) } else { None };
            Some((assignments, filter))
        };
        if update.is_some() && target.is_none() {
            return Err(self
                .error(
                    SqlState::SyntaxError,
                    "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                    pos,
                )
                .with_hint("For example, ON CONFLICT (column_name)."));
        }
        Ok(OnConflict { target, update, pos })
    }

    fn returning(&mut self) -> Result<Option<Vec<SelectItem>>> {
        if self.accept("returning") { Ok(Some(self.list_of_items()?)) } else { Ok(None) }
    }

    fn list_of_items(&mut self) -> Result<Vec<SelectItem>> {
        let items = self.select_items()?;
        if items.is_empty() { Err(self.unexpected()) } else { Ok(items) }
    }

    fn assignments(&mut self) -> Result<Vec<Assignment>> {
        self.list(|p| {
            let pos = p.pos();
            if p.is(TokenKind::LeftParen) {
                let columns = p.ident_list()?;
                if !p.take_operator("=") {
                    return Err(p.unexpected());
                }
                p.accept("row");
                let value = p.expr()?;
                let values = match value.kind {
                    ExprKind::Row(values) => values,
                    _ => vec![value],
                };
                return Ok(Assignment { columns, values, pos });
            }
            let column = p.ident()?;
            if matches!(p.peek().kind, TokenKind::Dot | TokenKind::LeftBracket) {
                return Err(p.unsupported("assigning to a part of a column", p.pos()));
            }
            if !p.take_operator("=") {
                return Err(p.unexpected());
            }
            let value = p.expr()?;
            Ok(Assignment { columns: vec![column], values: vec![value], pos })
        })
    }

    fn target(&mut self, stop: &str) -> Result<Target> {
        self.accept("only");
        let name = self.qualified()?;
        self.take_operator("*");
        let alias =
            if self.accept("as") || (self.is_ident() && !self.is_word(stop)) { Some(self.ident()?) } else { None };
        Ok(Target { name, alias })
    }

    pub(super) fn update(&mut self, with: Option<With>) -> Result<Statement> {
        self.expect("update")?;
        let target = self.target("set")?;
        self.expect("set")?;
        let assignments = self.assignments()?;
        let from = if self.accept("from") { self.list(Self::joined_items)? } else { vec![] };
        let filter = self.change_filter()?;
        let returning = self.returning()?;
        Ok(Statement::Update(Box::new(Update { with, target, assignments, from, filter, returning })))
    }

    pub(super) fn delete(&mut self, with: Option<With>) -> Result<Statement> {
        self.expect_all(&["delete", "from"])?;
        let target = self.target("using")?;
        let using = if self.accept("using") { self.list(Self::joined_items)? } else { vec![] };
        let filter = self.change_filter()?;
        let returning = self.returning()?;
        Ok(Statement::Delete(Box::new(Delete { with, target, using, filter, returning })))
    }

    fn change_filter(&mut self) -> Result<Option<crate::ast::Expr>> {
        if !self.accept("where") {
            return Ok(None);
        }
        if self.is_word("current") && self.is_word_at(1, "of") {
            return Err(self.unsupported("WHERE CURRENT OF", self.pos()));
        }
        Ok(Some(self.expr()?))
    }

    pub(super) fn truncate(&mut self) -> Result<Statement> {
        self.expect("truncate")?;
        self.accept("table");
        let names = self.list(|p| {
            p.accept("only");
            let name = p.qualified()?;
            p.take_operator("*");
            Ok(name)
        })?;
        if !self.accept_all(&["restart", "identity"]) {
            self.accept_all(&["continue", "identity"]);
        }
        if !self.accept("cascade") {
            self.accept("restrict");
        }
        Ok(Statement::Truncate(names))
    }

    pub(super) fn copy(&mut self) -> Result<Statement> {
        self.expect("copy")?;
        self.accept("binary");
        let source = if self.is(TokenKind::LeftParen) {
            if !self.is_query(0) {
                return Err(self.unsupported("COPY of a data-modifying statement", self.pos()));
            }
            CopySource::Query(Box::new(self.query_in_parens()?))
        } else {
            let name = self.qualified()?;
            CopySource::Table(name, self.optional_ident_list()?)
        };
        let from = match &source {
            CopySource::Table(..) if self.accept("from") => true,
            _ => {
                self.expect("to")?;
                false
            }
        };
        let file = if self.accept("stdin") || self.accept("stdout") {
            None
        } else {
            let pos = self.pos();
            if !self.accept("program") && !self.is_string() {
                return Err(self.unexpected());
            }
            self.string()?;
            Some(pos)
        };
        let options = self.copy_options()?;
        let filter = if self.is_word("where") {
            let pos = self.pos();
            self.advance();
            self.expr()?;
            Some(pos)
        } else {
            None
        };
        Ok(Statement::Copy(Box::new(Copy { source, from, file, options, filter })))
    }

    fn copy_options(&mut self) -> Result<Vec<OptionItem>> {
        self.accept("with");
        if self.is(TokenKind::LeftParen) {
            return self.option_list();
        }
        // The syntax from before PostgreSQL 9.0.
        let mut options = Vec::new();
        loop {
            let pos = self.pos();
            let option = |name: &str, value| OptionItem { name: Ident { name: name.to_owned(), pos }, value };
            if self.accept("csv") {
                options.push(option("format", Some(OptionValue::Text("csv".to_owned(), pos))));
            } else if self.accept("binary") {
                options.push(option("format", Some(OptionValue::Text("binary".to_owned(), pos))));
            } else if self.accept("header") {
                options.push(option("header", None));
            } else if self.is_any(&["delimiter", "delimiters", "null", "quote", "escape", "encoding"]) {
                let name = self.label()?.name.replace("delimiters", "delimiter");
                self.accept("as");
                let value_pos = self.pos();
                let value = self.string()?.to_string();
                options.push(option(&name, Some(OptionValue::Text(value, value_pos))));
            } else if self.accept_all(&["force", "quote"]) {
                let value = if self.take_operator("*") {
                    OptionValue::Star
                } else {
                    OptionValue::List(self.list(Self::ident)?)
                };
                options.push(option("force_quote", Some(value)));
            } else if self.accept_all(&["force", "not", "null"]) {
                options.push(option("force_not_null", Some(OptionValue::List(self.list(Self::ident)?))));
            } else if self.accept_all(&["force", "null"]) {
                options.push(option("force_null", Some(OptionValue::List(self.list(Self::ident)?))));
            } else {
                return Ok(options);
            }
        }
    }

    /// `(name value, name = value, name, …)`.
    pub(super) fn option_list(&mut self) -> Result<Vec<OptionItem>> {
        self.parens(|p| {
            p.list(|p| {
                let mut name = p.label()?;
                while p.take(TokenKind::Dot) {
                    name.name = format!("{}.{}", name.name, p.label()?.name);
                }
                p.take_operator("=");
                let pos = p.pos();
                let value = match p.peek().kind {
                    TokenKind::Comma | TokenKind::RightParen => None,
                    TokenKind::LeftParen => Some(OptionValue::List(p.ident_list()?)),
                    TokenKind::Operator if p.is_operator("*") => {
                        p.advance();
                        Some(OptionValue::Star)
                    }
                    _ => Some(OptionValue::Text(p.option_text()?, pos)),
                };
                Ok(OptionItem { name, value })
            })
        })
    }

    /// A word, string or number, as text.
    pub(super) fn option_text(&mut self) -> Result<String> {
        if self.is_string() {
            return Ok(self.string()?.to_string());
        }
        let negative = self.take_operator("-");
        let token = self.peek();
        let text = match token.kind {
            TokenKind::Integer | TokenKind::Decimal => {
                self.advance();
                self.text_of(token).to_owned()
            }
            TokenKind::Word | TokenKind::QuotedWord if !negative => self.label()?.name,
            _ => return Err(self.unexpected()),
        };
        Ok(if negative { format!("-{text}") } else { text })
    }
}
