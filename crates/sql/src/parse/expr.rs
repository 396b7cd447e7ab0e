//! Expressions: precedence climbing by PostgreSQL's table, and the functions with a syntax of their own.

use super::call::call;
use super::{DEPTH_MAX, Parser, too_deep};
use crate::ast::{Expr, ExprKind, IsTest, Name, OrderItem, Pos, QuantifiedRight, TypeName, ValueFunction};
use crate::lexer::TokenKind;
use headwater_expr::keywords;
use headwater_types::{Result, SqlState};
use std::sync::Arc;

// PostgreSQL's operator precedences, lowest first (`gram.y`).
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const IS: u8 = 4;
const COMPARISON: u8 = 5;
const LIKE: u8 = 6;
pub(super) const OTHER: u8 = 7;
const ADD: u8 = 8;
const MULTIPLY: u8 = 9;
const POWER: u8 = 10;
const AT: u8 = 11;
const COLLATE: u8 = 12;
const SIGN: u8 = 13;
const CAST: u8 = 15;

const COMPARISONS: [&str; 7] = ["<", ">", "=", "<=", ">=", "<>", "!="];

pub(super) fn node(kind: ExprKind, pos: Pos, start: Pos) -> Expr {
    Expr { kind, pos, start }
}

impl Parser<'_> {
    /// An expression (`a_expr`).
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.expr_above(OR)
    }

    /// An expression of operators that bind at least as tightly as `least`.
    pub(super) fn expr_above(&mut self, least: u8) -> Result<Expr> {
        self.nested(|p| {
            let left = p.prefix()?;
            p.infixes(left, least)
        })
    }

    /// The precedence of the next token as an infix or postfix operator.
    fn infix_precedence(&self) -> Option<u8> {
        let token = self.peek();
        match token.kind {
            TokenKind::DoubleColon => Some(CAST),
            TokenKind::Operator => Some(match self.text_of(token) {
                "+" | "-" => ADD,
                "*" | "/" | "%" => MULTIPLY,
                "^" => POWER,
                "=>" => return None,
                symbol if COMPARISONS.contains(&symbol) => COMPARISON,
                _ => OTHER,
            }),
            TokenKind::Word => {
                let word = self.text_of(token);
                let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
                if is("or") {
                    Some(OR)
                } else if is("and") {
                    Some(AND)
                } else if is("is") || is("isnull") || is("notnull") {
                    Some(IS)
                } else if is("in") || is("between") || is("like") || is("ilike") || is("similar") {
                    Some(LIKE)
                } else if is("not") {
                    let next = |keyword: &str| self.is_word_at(1, keyword);
                    let negatable = ["in", "between", "like", "ilike", "similar"];
                    negatable.into_iter().any(next).then_some(LIKE)
                } else if is("at") && self.is_word_at(1, "time") {
                    Some(AT)
                } else if is("collate") {
                    Some(COLLATE)
                } else if is("operator") && self.token(1).kind == TokenKind::LeftParen {
                    Some(OTHER)
                } else if is("overlaps") {
                    Some(LIKE)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    fn infixes(&mut self, mut left: Expr, least: u8) -> Result<Expr> {
        let mut chain = self.depth;
        while let Some(precedence) = self.infix_precedence().filter(|p| *p >= least) {
            left = match precedence {
                OR | AND => self.connective(left, precedence)?,
                _ => {
                    // A chain of operators is a tree as deep as the chain is long.
                    chain += 1;
                    if chain > DEPTH_MAX {
                        return Err(too_deep());
                    }
                    self.infix(left, precedence)?
                }
            };
            // Comparisons, LIKE and its kin do not associate.
            if matches!(precedence, COMPARISON | LIKE) && self.infix_precedence() == Some(precedence) {
                return Err(self.unexpected());
            }
        }
        Ok(left)
    }

    /// AND or OR of as many operands as there are.
    fn connective(&mut self, first: Expr, precedence: u8) -> Result<Expr> {
        let start = first.start;
        let pos = self.pos();
        let word = if precedence == OR { "or" } else { "and" };
        let mut operands = vec![first];
        while self.accept(word) {
            operands.push(self.expr_above(precedence + 1)?);
        }
        let kind = if precedence == OR { ExprKind::Or(operands) } else { ExprKind::And(operands) };
        Ok(node(kind, pos, start))
    }

    fn infix(&mut self, left: Expr, precedence: u8) -> Result<Expr> {
        let start = left.start;
        let pos = self.pos();
        let left = Box::new(left);
        let kind = match precedence {
            CAST => {
                self.advance();
                ExprKind::Cast { expr: left, to: self.type_name()? }
            }
            COLLATE => {
                self.advance();
                // `COLLATE pg_catalog.default`: the last part may be any word.
                let first = self.label()?;
                let mut parts = vec![first];
                while self.take(TokenKind::Dot) {
                    parts.push(self.label()?);
                }
                ExprKind::Collate { expr: left, collation: Name { parts } }
            }
            AT => {
                self.expect_all(&["at", "time", "zone"])?;
                let zone = self.expr_above(AT + 1)?;
                return Ok(call("timezone", vec![zone, *left], pos, start));
            }
            IS => self.is_test(left)?,
            LIKE => self.like(left)?,
            _ => {
                let op = self.operator_name()?;
                if self.is_any(&["any", "some", "all"]) && self.token(1).kind == TokenKind::LeftParen {
                    let all = self.is_word("all");
                    self.advance();
                    let right = if self.is_query(0) {
                        QuantifiedRight::Query(Box::new(self.query_in_parens()?))
                    } else {
                        QuantifiedRight::Array(Box::new(self.parens(Self::expr)?))
                    };
                    ExprKind::Quantified { left, op, all, right }
                } else {
                    let right = Box::new(self.expr_above(precedence + 1)?);
                    ExprKind::Binary { op, left, right }
                }
            }
        };
        Ok(node(kind, pos, start))
    }

    /// An operator's symbol; `OPERATOR(pg_catalog.~)` is `~`.
    fn operator_name(&mut self) -> Result<String> {
        let token = self.advance();
        let symbol = if token.kind == TokenKind::Word {
            self.require(TokenKind::LeftParen)?;
            while self.is(TokenKind::Word) {
                self.advance();
                self.require(TokenKind::Dot)?;
            }
            let symbol = self.require(TokenKind::Operator)?;
            self.require(TokenKind::RightParen)?;
            self.text_of(symbol)
        } else {
            self.text_of(token)
        };
        Ok(if symbol == "!=" { "<>" } else { symbol }.to_owned())
    }

    fn is_test(&mut self, expr: Box<Expr>) -> Result<ExprKind> {
        let test = |expr, test, negated| Ok(ExprKind::Is { expr, test, negated });
        if self.accept("isnull") {
            return test(expr, IsTest::Null, false);
        }
        if self.accept("notnull") {
            return test(expr, IsTest::Null, true);
        }
        self.expect("is")?;
        let negated = self.accept("not");
        for (word, kind) in
            [("null", IsTest::Null), ("true", IsTest::True), ("false", IsTest::False), ("unknown", IsTest::Unknown)]
        {
            if self.accept(word) {
                return test(expr, kind, negated);
            }
        }
        if self.accept_all(&["distinct", "from"]) {
            let right = Box::new(self.expr_above(IS + 1)?);
            return Ok(ExprKind::IsDistinct { left: expr, right, negated });
        }
        let pos = self.pos();
        if self.is_any(&["normalized", "document", "json"]) {
            return Err(self.unsupported("this IS test", pos));
        }
        Err(self.unexpected())
    }

    fn like(&mut self, expr: Box<Expr>) -> Result<ExprKind> {
        let negated = self.accept("not");
        if self.accept("in") {
            if self.is_query(0) {
                let query = Box::new(self.query_in_parens()?);
                return Ok(ExprKind::InQuery { expr, query, negated });
            }
            let list = self.parens(|p| p.list(Self::expr))?;
            return Ok(ExprKind::InList { expr, list, negated });
        }
        if self.accept("between") {
            let symmetric = self.accept("symmetric");
            if !symmetric {
                self.accept("asymmetric");
            }
            let low = Box::new(self.expr_above(LIKE + 1)?);
            self.expect("and")?;
            let high = Box::new(self.expr_above(LIKE + 1)?);
            return Ok(ExprKind::Between { expr, low, high, negated, symmetric });
        }
        let pos = self.pos();
        if self.is_word("similar") {
            return Err(self.unsupported("SIMILAR TO", pos));
        }
        if self.is_word("overlaps") {
            return Err(self.unsupported("OVERLAPS", pos));
        }
        let insensitive = self.accept("ilike");
        if !insensitive {
            self.expect("like")?;
        }
        if self.is_any(&["any", "some", "all"]) && self.token(1).kind == TokenKind::LeftParen {
            let op = match (negated, insensitive) {
                (false, false) => "~~",
                (false, true) => "~~*",
                (true, false) => "!~~",
                (true, true) => "!~~*",
            };
            let all = self.is_word("all");
            self.advance();
            let right = if self.is_query(0) {
                QuantifiedRight::Query(Box::new(self.query_in_parens()?))
            } else {
                QuantifiedRight::Array(Box::new(self.parens(Self::expr)?))
            };
            return Ok(ExprKind::Quantified { left: expr, op: op.to_owned(), all, right });
        }
        let pattern = Box::new(self.expr_above(LIKE + 1)?);
        let escape = if self.accept("escape") { Some(Box::new(self.expr_above(LIKE + 1)?)) } else { None };
        Ok(ExprKind::Like { expr, pattern, escape, negated, insensitive })
    }

    fn prefix(&mut self) -> Result<Expr> {
        let pos = self.pos();
        if self.accept("not") {
            let expr = Box::new(self.expr_above(NOT)?);
            return Ok(node(ExprKind::Not(expr), pos, pos));
        }
        let is_named_operator = self.is_word("operator") && self.token(1).kind == TokenKind::LeftParen;
        if !self.is(TokenKind::Operator) && !is_named_operator {
            return self.primary();
        }
        if self.is_operator("*") {
            return Err(self.unexpected());
        }
        let op = self.operator_name()?;
        if !is_named_operator && (op == "+" || op == "-") {
            let operand = self.expr_above(SIGN)?;
            return Ok(match operand.kind {
                // As PostgreSQL: a minus before a number is part of the number.
                ExprKind::Number(digits) if op == "-" && !digits.starts_with('-') => {
                    node(ExprKind::Number(format!("-{digits}")), pos, pos)
                }
                kind => {
                    let expr = Box::new(Expr { kind, ..operand });
                    node(ExprKind::Unary { op, expr }, pos, pos)
                }
            });
        }
        if COMPARISONS.contains(&op.as_str()) || matches!(op.as_str(), "/" | "%" | "^") {
            return Err(self.unexpected_before());
        }
        let expr = Box::new(self.expr_above(OTHER + 1)?);
        Ok(node(ExprKind::Unary { op, expr }, pos, pos))
    }

    /// The error for the token just taken.
    fn unexpected_before(&mut self) -> headwater_types::SqlError {
        self.at = self.at.saturating_sub(1);
        self.unexpected()
    }

    /// A primary expression with its subscripts and fields (`c_expr`).
    fn primary(&mut self) -> Result<Expr> {
        let token = self.peek();
        let pos = token.start;
        let leaf = |kind| node(kind, pos, pos);
        match token.kind {
            TokenKind::Integer | TokenKind::Decimal => {
                self.advance();
                Ok(leaf(ExprKind::Number(self.text_of(token).to_owned())))
            }
            TokenKind::String | TokenKind::EscapeString | TokenKind::DollarString => {
                Ok(leaf(ExprKind::String(self.string()?)))
            }
            TokenKind::BitString => Err(self.unsupported("a bit string literal", pos)),
            TokenKind::UnicodeString => Err(self.unsupported("a U& literal", pos)),
            TokenKind::Param => {
                self.advance();
                let number = self.text_of(token)[1..].parse::<u16>().ok().filter(|n| *n > 0).ok_or_else(|| {
                    self.error(
                        SqlState::UndefinedParameter,
                        format!("there is no parameter {}", self.text_of(token)),
                        pos,
                    )
                })?;
                let expr = leaf(ExprKind::Param(usize::from(number) - 1));
                self.indirection(expr)
            }
            TokenKind::LeftParen => {
                let expr = self.parenthesised()?;
                self.indirection(expr)
            }
            TokenKind::QuotedWord => self.name_or_call(),
            TokenKind::Word => self.word(),
            _ => Err(self.unexpected()),
        }
    }

    fn parenthesised(&mut self) -> Result<Expr> {
        let pos = self.pos();
        if self.is_query(0) {
            let query = Box::new(self.query_in_parens()?);
            return Ok(node(ExprKind::Subquery(query), pos, pos));
        }
        self.advance();
        let first = self.expr()?;
        if self.is(TokenKind::Comma) {
            let mut items = vec![first];
            while self.take(TokenKind::Comma) {
                items.push(self.expr()?);
            }
            self.require(TokenKind::RightParen)?;
            return Ok(node(ExprKind::Row(items), pos, pos));
        }
        self.require(TokenKind::RightParen)?;
        // Errors point inside; a following operator's leftmost token is the parenthesis' content, as in PostgreSQL.
        Ok(first)
    }

    /// `[…]` and `.field` behind parentheses and parameters.
    fn indirection(&mut self, mut expr: Expr) -> Result<Expr> {
        loop {
            let start = expr.start;
            if self.is(TokenKind::LeftBracket) {
                expr = self.subscript(expr)?;
            } else if self.take(TokenKind::Dot) {
                let pos = self.pos();
                let field = if self.take_operator("*") { None } else { Some(self.label()?) };
                expr = node(ExprKind::Field { expr: Box::new(expr), field }, pos, start);
            } else {
                return Ok(expr);
            }
        }
    }

    fn subscript(&mut self, expr: Expr) -> Result<Expr> {
        let start = expr.start;
        let pos = self.require(TokenKind::LeftBracket)?.start;
        if self.is(TokenKind::Colon) {
            return Err(self.unsupported("an array slice", pos));
        }
        let index = self.expr()?;
        if self.is(TokenKind::Colon) {
            return Err(self.unsupported("an array slice", pos));
        }
        self.require(TokenKind::RightBracket)?;
        Ok(node(ExprKind::Subscript { expr: Box::new(expr), index: Box::new(index) }, pos, start))
    }

    /// An expression that starts with an unquoted word.
    fn word(&mut self) -> Result<Expr> {
        let token = self.peek();
        let pos = token.start;
        let word = self.text_of(token).to_ascii_lowercase();
        let next_paren = self.token(1).kind == TokenKind::LeftParen;
        let leaf = |kind| Ok(node(kind, pos, pos));
        match word.as_str() {
            "null" => {
                self.advance();
                leaf(ExprKind::Null)
            }
            "true" | "false" => {
                self.advance();
                leaf(ExprKind::Bool(word == "true"))
            }
            "default" => {
                self.advance();
                leaf(ExprKind::Default)
            }
            "case" => self.case(),
            "cast" => {
                self.advance();
                let (expr, to) = self.parens(|p| {
                    let expr = Box::new(p.expr()?);
                    p.expect("as")?;
                    Ok((expr, p.type_name()?))
                })?;
                leaf(ExprKind::Cast { expr, to })
            }
            "array" => {
                self.advance();
                if self.is_query(0) {
                    let query = Box::new(self.query_in_parens()?);
                    return leaf(ExprKind::ArrayQuery(query));
                }
                let array = self.array_items(pos)?;
                self.indirection(array)
            }
            "row" if next_paren => {
                self.advance();
                let items =
                    self.parens(|p| if p.is(TokenKind::RightParen) { Ok(vec![]) } else { p.list(Self::expr) })?;
                leaf(ExprKind::Row(items))
            }
            "exists" if next_paren => {
                self.advance();
                if !self.is_query(0) {
                    self.advance();
                    return Err(self.unexpected());
                }
                let query = Box::new(self.query_in_parens()?);
                leaf(ExprKind::Exists(query))
            }
            "coalesce" | "greatest" | "least" if next_paren => {
                self.advance();
                let args = self.parens(|p| p.list(Self::expr))?;
                leaf(match word.as_str() {
                    "coalesce" => ExprKind::Coalesce(args),
                    _ => ExprKind::Extreme(word == "greatest", args),
                })
            }
            "nullif" if next_paren => {
                self.advance();
                let (left, right) = self.parens(|p| {
                    let left = p.expr()?;
                    p.require(TokenKind::Comma)?;
                    Ok((left, p.expr()?))
                })?;
                leaf(ExprKind::NullIf(Box::new(left), Box::new(right)))
            }
            "extract" | "position" | "substring" | "overlay" | "trim" | "normalize" | "treat" | "grouping"
                if next_paren =>
            {
                self.special_call(&word, pos)
            }
            "xmlelement" | "xmlforest" | "xmlconcat" | "xmlparse" | "xmlpi" | "xmlroot" | "xmlserialize"
            | "xmlexists"
                if next_paren =>
            {
                self.advance();
                self.skip_parens()?;
                leaf(ExprKind::Unsupported("XML"))
            }
            _ => match value_function(&word) {
                Some(function) if !(next_paren && word == "current_schema") => {
                    self.advance();
                    if next_paren && word.contains("time") {
                        // A precision: accepted.
                        self.parens(Self::integer)?;
                    }
                    leaf(ExprKind::Value(function))
                }
                _ if self.is_typed_literal() => self.typed_literal(),
                _ => self.name_or_call(),
            },
        }
    }

    fn array_items(&mut self, pos: Pos) -> Result<Expr> {
        self.require(TokenKind::LeftBracket)?;
        let mut items = Vec::new();
        if !self.is(TokenKind::RightBracket) {
            items = self.list(|p| {
                if p.is(TokenKind::LeftBracket) {
                    return Err(p.unsupported("a multidimensional array", p.pos()));
                }
                p.expr()
            })?;
        }
        self.require(TokenKind::RightBracket)?;
        Ok(node(ExprKind::Array(items), pos, pos))
    }

    /// `date '…'`, `interval '1' hour`: a cast of a literal.
    fn typed_literal(&mut self) -> Result<Expr> {
        let pos = self.pos();
        let interval = self.is_word("interval");
        let to = self.type_name()?;
        let literal_pos = self.pos();
        let mut value = self.string()?;
        if interval
            && let Some(unit) = self.interval_fields()?
            && value.trim().parse::<f64>().is_ok()
        {
            value = Arc::from(format!("{} {unit}", value.trim()));
        }
        let literal = node(ExprKind::String(value), literal_pos, literal_pos);
        Ok(node(ExprKind::Cast { expr: Box::new(literal), to }, pos, pos))
    }

    fn case(&mut self) -> Result<Expr> {
        let pos = self.expect("case")?;
        let operand = if self.is_word("when") { None } else { Some(Box::new(self.expr()?)) };
        let mut branches = Vec::new();
        self.expect("when")?;
        loop {
            let condition = self.expr()?;
            self.expect("then")?;
            branches.push((condition, self.expr()?));
            if !self.accept("when") {
                break;
            }
        }
        let otherwise = if self.accept("else") { Some(Box::new(self.expr()?)) } else { None };
        self.expect("end")?;
        Ok(node(ExprKind::Case { operand, branches, otherwise }, pos, pos))
    }

    /// A column reference, a function call, or a literal of a named type.
    fn name_or_call(&mut self) -> Result<Expr> {
        let first_token = self.peek();
        let pos = first_token.start;
        let word = (first_token.kind == TokenKind::Word).then(|| self.text_of(first_token).to_ascii_lowercase());
        let is_call = self.token(1).kind == TokenKind::LeftParen;
        let allowed = word.as_deref().is_none_or(|word| {
            if is_call {
                keywords::is_function_name(word)
            } else {
                keywords::is_column_name(word)
                    || (self.token(1).kind == TokenKind::Dot && keywords::is_function_name(word))
            }
        });
        if !allowed {
            return Err(if is_call && word.as_deref().is_some_and(keywords::is_column_name) {
                self.unexpected_at(1)
            } else {
                self.unexpected()
            });
        }
        let mut parts = vec![self.label()?];
        loop {
            if self.is(TokenKind::Dot) {
                self.advance();
                if self.take_operator("*") {
                    return Ok(node(ExprKind::Star(parts), pos, pos));
                }
                parts.push(self.label()?);
            } else if self.is(TokenKind::LeftParen) {
                let expr = self.function_call(Name { parts }, pos)?;
                return Ok(expr);
            } else if self.is_string() && parts.len() > 1 {
                // `pg_catalog.regtype 'x'`
                let literal_pos = self.pos();
                let literal = node(ExprKind::String(self.string()?), literal_pos, literal_pos);
                let to = TypeName { name: Name { parts }, modifiers: vec![], is_array: false, pos };
                return Ok(node(ExprKind::Cast { expr: Box::new(literal), to }, pos, pos));
            } else {
                break;
            }
        }
        let mut expr = node(ExprKind::Column(parts), pos, pos);
        while self.is(TokenKind::LeftBracket) {
            expr = self.subscript(expr)?;
        }
        Ok(expr)
    }

    /// `ORDER BY …`.
    pub(super) fn order_by(&mut self) -> Result<Vec<OrderItem>> {
        self.expect_all(&["order", "by"])?;
        self.list(|p| {
            let expr = p.expr()?;
            if p.is_word("using") {
                return Err(p.unsupported("ORDER BY … USING", p.pos()));
            }
            let descending = p.accept("desc");
            if !descending {
                p.accept("asc");
            }
            let nulls_first = if p.accept("nulls") {
                let first = p.accept("first");
                if !first {
                    p.expect("last")?;
                }
                Some(first)
            } else {
                None
            };
            Ok(OrderItem { expr, descending, nulls_first })
        })
    }
}

fn value_function(word: &str) -> Option<ValueFunction> {
    Some(match word {
        "current_date" => ValueFunction::CurrentDate,
        "current_time" => ValueFunction::CurrentTime,
        "current_timestamp" => ValueFunction::CurrentTimestamp,
        "localtime" => ValueFunction::LocalTime,
        "localtimestamp" => ValueFunction::LocalTimestamp,
        "current_role" => ValueFunction::CurrentRole,
        "current_user" => ValueFunction::CurrentUser,
        "session_user" => ValueFunction::SessionUser,
        "user" => ValueFunction::User,
        "current_catalog" => ValueFunction::CurrentCatalog,
        "current_schema" => ValueFunction::CurrentSchema,
        _ => return None,
    })
}
