//! Function calls, and the functions that the SQL standard gives a syntax of their own.

use super::Parser;
use super::expr::{OTHER, node};
use crate::ast::{Expr, ExprKind, FunctionCall, Ident, Name, Pos};
use crate::lexer::TokenKind;
use headwater_types::Result;
use std::sync::Arc;

impl Parser<'_> {
    /// The functions of the SQL standard with keywords between their arguments.
    pub(super) fn special_call(&mut self, word: &str, pos: Pos) -> Result<Expr> {
        self.advance();
        self.require(TokenKind::LeftParen)?;
        let expr = match word {
            "extract" => {
                let field_pos = self.pos();
                let field = if self.is_string() { self.string()? } else { Arc::from(self.label()?.name) };
                self.expect("from")?;
                let source = self.expr()?;
                call("extract", vec![node(ExprKind::String(field), field_pos, field_pos), source], pos, pos)
            }
            "position" => {
                let needle = self.expr_above(OTHER)?;
                self.expect("in")?;
                let haystack = self.expr_above(OTHER)?;
                call("position", vec![haystack, needle], pos, pos)
            }
            "substring" => self.substring(pos)?,
            "overlay" => {
                let mut args = vec![self.expr()?];
                if self.accept("placing") {
                    args.push(self.expr()?);
                    self.expect("from")?;
                    args.push(self.expr()?);
                    if self.accept("for") {
                        args.push(self.expr()?);
                    }
                } else {
                    while self.take(TokenKind::Comma) {
                        args.push(self.expr()?);
                    }
                }
                call("overlay", args, pos, pos)
            }
            "trim" => self.trim(pos)?,
            _ => {
                self.at -= 1;
                self.skip_parens()?;
                self.at -= 1;
                let what = match word {
                    "grouping" => "GROUPING",
                    "treat" => "TREAT",
                    _ => "NORMALIZE",
                };
                node(ExprKind::Unsupported(what), pos, pos)
            }
        };
        self.require(TokenKind::RightParen)?;
        Ok(expr)
    }

    fn substring(&mut self, pos: Pos) -> Result<Expr> {
        let mut args = vec![self.expr()?];
        if self.is(TokenKind::Comma) {
            while self.take(TokenKind::Comma) {
                args.push(self.expr()?);
            }
            return Ok(call("substring", args, pos, pos));
        }
        if self.is_word("similar") {
            return Err(self.unsupported("SUBSTRING SIMILAR", self.pos()));
        }
        let mut from = None;
        let mut length = None;
        loop {
            if from.is_none() && self.accept("from") {
                from = Some(self.expr()?);
            } else if length.is_none() && self.accept("for") {
                length = Some(self.expr()?);
            } else {
                break;
            }
        }
        if let Some(length) = length {
            args.push(from.unwrap_or_else(|| node(ExprKind::Number("1".to_owned()), pos, pos)));
            args.push(length);
        } else if let Some(from) = from {
            args.push(from);
        }
        Ok(call("substring", args, pos, pos))
    }

    fn trim(&mut self, pos: Pos) -> Result<Expr> {
        let name = if self.accept("leading") {
            "ltrim"
        } else if self.accept("trailing") {
            "rtrim"
        } else {
            self.accept("both");
            "btrim"
        };
        if self.accept("from") {
            return Ok(call(name, self.list(Self::expr)?, pos, pos));
        }
        let first = self.expr()?;
        if self.accept("from") {
            let mut args = self.list(Self::expr)?;
            args.push(first);
            return Ok(call(name, args, pos, pos));
        }
        let mut args = vec![first];
        while self.take(TokenKind::Comma) {
            args.push(self.expr()?);
        }
        Ok(call(name, args, pos, pos))
    }

    pub(super) fn function_call(&mut self, name: Name, pos: Pos) -> Result<Expr> {
        let mut call = FunctionCall {
            name,
            args: vec![],
            star: false,
            distinct: false,
            order_by: vec![],
            filter: None,
            over: None,
            within_group: None,
            special_argument: None,
        };
        self.require(TokenKind::LeftParen)?;
        if self.take_operator("*") {
            call.star = true;
        } else if !self.is(TokenKind::RightParen) {
            if self.accept("distinct") {
                call.distinct = true;
            } else {
                self.accept("all");
            }
            loop {
                self.argument(&mut call)?;
                if !self.take(TokenKind::Comma) {
                    break;
                }
            }
            if self.is_word("order") {
                call.order_by = self.order_by()?;
            }
        }
        self.require(TokenKind::RightParen)?;
        if self.is_word("within") && self.is_word_at(1, "group") {
            call.within_group = Some(self.pos());
            self.advance();
            self.advance();
            self.parens(|p| p.order_by())?;
        }
        if self.is_word("filter") && self.token(1).kind == TokenKind::LeftParen {
            self.advance();
            call.filter = Some(self.parens(|p| {
                p.expect("where")?;
                p.expr()
            })?);
        }
        if self.is_word("over")
            && matches!(self.token(1).kind, TokenKind::LeftParen | TokenKind::Word | TokenKind::QuotedWord)
        {
            self.advance();
            // PostgreSQL points at the window's definition in some errors, at the function in others; we do the latter.
            call.over = Some(pos);
            if self.is(TokenKind::LeftParen) {
                self.window_definition()?;
            } else {
                self.ident()?;
            }
        }
        Ok(node(ExprKind::Function(Box::new(call)), pos, pos))
    }

    fn argument(&mut self, call: &mut FunctionCall) -> Result<()> {
        let pos = self.pos();
        if self.accept("variadic") {
            call.special_argument = Some(pos);
        }
        let named = matches!(self.token(1).kind, TokenKind::ColonEquals)
            || (self.token(1).kind == TokenKind::Operator && self.text_of(self.token(1)) == "=>");
        if named {
            call.special_argument = Some(pos);
            self.label()?;
            self.advance();
        }
        // A subquery in double parentheses is one expression; in single ones it is not an argument.
        call.args.push(self.expr()?);
        Ok(())
    }

    /// `(PARTITION BY … ORDER BY … frame)`.
    pub(super) fn window_definition(&mut self) -> Result<()> {
        self.require(TokenKind::LeftParen)?;
        if self.is_ident() && !self.is_any(&["partition", "order", "rows", "range", "groups"]) {
            self.advance();
        }
        if self.accept_all(&["partition", "by"]) {
            self.list(Self::expr)?;
        }
        if self.is_word("order") {
            self.order_by()?;
        }
        if self.is_any(&["rows", "range", "groups"]) {
            self.advance();
            if self.accept("between") {
                self.frame_bound()?;
                self.expect("and")?;
            }
            self.frame_bound()?;
            if self.accept("exclude") && !self.accept_all(&["no", "others"]) && !self.accept_all(&["current", "row"]) {
                self.label()?;
            }
        }
        self.require(TokenKind::RightParen)?;
        Ok(())
    }

    fn frame_bound(&mut self) -> Result<()> {
        if self.accept_all(&["current", "row"]) {
            return Ok(());
        }
        if !self.accept("unbounded") {
            self.expr()?;
        }
        if !self.accept("preceding") {
            self.expect("following")?;
        }
        Ok(())
    }
}

/// A call of a built-in function that syntax stands for.
pub(super) fn call(name: &str, args: Vec<Expr>, pos: Pos, start: Pos) -> Expr {
    let name = Name { parts: vec![Ident { name: "pg_catalog".to_owned(), pos }, Ident { name: name.to_owned(), pos }] };
    let call = FunctionCall {
        name,
        args,
        star: false,
        distinct: false,
        order_by: vec![],
        filter: None,
        over: None,
        within_group: None,
        special_argument: None,
    };
    node(ExprKind::Function(Box::new(call)), pos, start)
}
