//! A recursive-descent parser of PostgreSQL's grammar, as far as Headwater goes, and of RisingWave's additions.
//!
//! # Invariants
//!
//! 1. An error names the first token that no rule accepts, as PostgreSQL's does: `syntax error at or near "x"`.
//! 2. No backtracking: what a parenthesis holds is decided by looking at its partner's successor. Parsing is linear.
//! 3. Expressions are never deeper than [`DEPTH_MAX`], however they are written; AND and OR are n-ary and do not count.

mod call;
mod ddl;
mod dml;
mod expr;
mod query;
mod types;
mod utility;

use crate::ast::{Ident, Name, Pos, Statement};
use crate::lexer::{LexError, Token, TokenKind, unescape};
use headwater_expr::keywords;
use headwater_types::{Result, SqlError, SqlState};
use std::sync::Arc;

/// How deep expressions and queries nest, and how long a chain of operators gets.
pub(crate) const DEPTH_MAX: usize = 400;

/// Stack that one level of nesting needs at most, and the size of the segments that are added.
const STACK_RED_ZONE_BYTES: usize = 128 * 1024;
const STACK_SEGMENT_BYTES: usize = 2 * 1024 * 1024;

/// Runs one level of a recursion whose depth is bounded, on more stack where the thread's runs out.
pub(crate) fn with_stack<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_RED_ZONE_BYTES, STACK_SEGMENT_BYTES, run)
}

/// 54001.
pub(crate) fn too_deep() -> SqlError {
    SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded")
        .with_hint(format!("Expressions and subqueries may be nested {DEPTH_MAX} levels deep."))
}

/// The parser of one statement.
pub(crate) struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    lex_error: Option<LexError>,
    at: usize,
    depth: usize,
    /// For each opening parenthesis, its partner's index; 0 for none.
    partners: Vec<u32>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, tokens: &'a [Token], lex_error: Option<LexError>) -> Self {
        let mut partners = vec![0; tokens.len()];
        let mut open = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            match token.kind {
                TokenKind::LeftParen => open.push(index),
                TokenKind::RightParen => {
                    if let Some(start) = open.pop() {
                        partners[start] = u32::try_from(index).unwrap_or(0);
                    }
                }
                _ => {}
            }
        }
        Self { text, tokens, lex_error, at: 0, depth: 0, partners }
    }

    /// Parses the whole statement.
    pub(crate) fn parse(mut self) -> Result<Statement> {
        let statement = self.statement()?;
        self.end_of_statement()?;
        Ok(statement)
    }

    /// Parses the whole text as one expression.
    pub(crate) fn parse_only_expr(mut self) -> Result<crate::ast::Expr> {
        let expr = self.expr()?;
        self.end_of_statement()?;
        Ok(expr)
    }

    fn end_of_statement(&self) -> Result<()> {
        match self.peek().kind {
            TokenKind::End | TokenKind::Semicolon => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    /// One level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH_MAX {
            return Err(too_deep());
        }
        self.depth += 1;
        let result = with_stack(|| parse(self));
        self.depth -= 1;
        result
    }

    fn token(&self, ahead: usize) -> Token {
        let last = self.tokens.len() - 1;
        self.tokens[(self.at + ahead).min(last)]
    }

    fn peek(&self) -> Token {
        self.token(0)
    }

    /// Where the next token starts.
    fn pos(&self) -> Pos {
        self.peek().start
    }

    /// Where the last token taken ends.
    fn last_end(&self) -> Pos {
        self.at.checked_sub(1).map_or(0, |index| self.tokens[index].end)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    fn slice(&self, start: Pos, end: Pos) -> &'a str {
        &self.text[start..end]
    }

    /// The error for the next token, which nothing accepts.
    fn unexpected(&self) -> SqlError {
        self.unexpected_at(0)
    }

    fn unexpected_at(&self, ahead: usize) -> SqlError {
        let token = self.token(ahead);
        let error = match (token.kind, self.lex_error) {
            (TokenKind::Bad, Some(error)) => error.to_error(self.text),
            (TokenKind::End, _) => SqlError::new(SqlState::SyntaxError, "syntax error at end of input"),
            _ => SqlError::new(SqlState::SyntaxError, format!("syntax error at or near \"{}\"", self.text_of(token))),
        };
        self.place(error, token.start)
    }

    /// An error that points at `pos`: positions are byte offsets here, and made characters where the script is known.
    fn place(&self, error: SqlError, pos: Pos) -> SqlError {
        error.at(u32::try_from(pos).ok())
    }

    fn error(&self, state: SqlState, message: impl Into<String>, pos: Pos) -> SqlError {
        self.place(SqlError::new(state, message), pos)
    }

    fn unsupported(&self, what: &str, pos: Pos) -> SqlError {
        self.place(SqlError::unsupported(what), pos)
    }

    // Keywords and symbols.

    fn is_word_at(&self, ahead: usize, keyword: &str) -> bool {
        let token = self.token(ahead);
        token.kind == TokenKind::Word && self.text_of(token).eq_ignore_ascii_case(keyword)
    }

    fn is_word(&self, keyword: &str) -> bool {
        self.is_word_at(0, keyword)
    }

    fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is_word(keyword))
    }

    fn are_words(&self, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(ahead, keyword)| self.is_word_at(ahead, keyword))
    }

    fn accept(&mut self, keyword: &str) -> bool {
        let found = self.is_word(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn accept_all(&mut self, keywords: &[&str]) -> bool {
        let found = self.are_words(keywords);
        if found {
            for _ in keywords {
                self.advance();
            }
        }
        found
    }

    fn expect(&mut self, keyword: &str) -> Result<Pos> {
        let pos = self.pos();
        if self.accept(keyword) { Ok(pos) } else { Err(self.unexpected()) }
    }

    fn expect_all(&mut self, keywords: &[&str]) -> Result<()> {
        keywords.iter().try_for_each(|keyword| self.expect(keyword).map(|_| ()))
    }

    fn is(&self, kind: TokenKind) -> bool {
        self.peek().kind == kind
    }

    fn take(&mut self, kind: TokenKind) -> bool {
        let found = self.is(kind);
        if found {
            self.advance();
        }
        found
    }

    fn require(&mut self, kind: TokenKind) -> Result<Token> {
        if self.is(kind) { Ok(self.advance()) } else { Err(self.unexpected()) }
    }

    fn is_operator(&self, symbol: &str) -> bool {
        self.is(TokenKind::Operator) && self.text_of(self.peek()) == symbol
    }

    fn take_operator(&mut self, symbol: &str) -> bool {
        let found = self.is_operator(symbol);
        if found {
            self.advance();
        }
        found
    }

    // Lists.

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take(TokenKind::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn parens<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.require(TokenKind::LeftParen)?;
        let inside = inside(self)?;
        self.require(TokenKind::RightParen)?;
        Ok(inside)
    }

    /// Skips to behind the parenthesis that closes the one that is next.
    fn skip_parens(&mut self) -> Result<()> {
        match self.partners.get(self.at) {
            Some(&partner) if partner != 0 => {
                self.at = usize::try_from(partner).expect("an index") + 1;
                Ok(())
            }
            _ => {
                self.at = self.tokens.len() - 1;
                Err(self.unexpected())
            }
        }
    }

    // Names.

    fn fold(&self, token: Token) -> Ident {
        let text = self.text_of(token);
        let name = match token.kind {
            TokenKind::QuotedWord => text[1..text.len() - 1].replace("\"\"", "\""),
            // ASCII letters only, as PostgreSQL does in UTF-8 databases.
            _ => text.to_ascii_lowercase(),
        };
        Ident { name: truncate(name), pos: token.start }
    }

    fn ident_if(&mut self, allowed: impl FnOnce(&str) -> bool) -> Result<Ident> {
        let token = self.peek();
        match token.kind {
            TokenKind::QuotedWord => {}
            TokenKind::Word if allowed(&self.text_of(token).to_ascii_lowercase()) => {}
            TokenKind::UnicodeString => return Err(self.unsupported("a U& literal", token.start)),
            _ => return Err(self.unexpected()),
        }
        self.advance();
        Ok(self.fold(token))
    }

    /// A column's, table's or alias's name (`ColId`).
    fn ident(&mut self) -> Result<Ident> {
        self.ident_if(keywords::is_column_name)
    }

    fn is_ident(&self) -> bool {
        let token = self.peek();
        match token.kind {
            TokenKind::QuotedWord => true,
            TokenKind::Word => keywords::is_column_name(&self.text_of(token).to_ascii_lowercase()),
            _ => false,
        }
    }

    /// Any word at all (`ColLabel`).
    fn label(&mut self) -> Result<Ident> {
        self.ident_if(|_| true)
    }

    fn qualified(&mut self) -> Result<Name> {
        let mut parts = vec![self.ident()?];
        while self.take(TokenKind::Dot) {
            parts.push(self.label()?);
        }
        Ok(Name { parts })
    }

    fn ident_list(&mut self) -> Result<Vec<Ident>> {
        self.parens(|p| p.list(Self::ident))
    }

    fn optional_ident_list(&mut self) -> Result<Vec<Ident>> {
        if self.is(TokenKind::LeftParen) { self.ident_list() } else { Ok(vec![]) }
    }

    // Literals.

    fn is_string(&self) -> bool {
        matches!(self.peek().kind, TokenKind::String | TokenKind::EscapeString | TokenKind::DollarString)
    }

    /// A string literal; literals with a line break between them are one.
    fn string(&mut self) -> Result<Arc<str>> {
        let token = self.peek();
        let text = self.text_of(token);
        let mut value: Arc<str> = match token.kind {
            TokenKind::String => {
                let inside = &text[1..text.len() - 1];
                if inside.contains('\'') { Arc::from(inside.replace("''", "'")) } else { Arc::from(inside) }
            }
            TokenKind::EscapeString => {
                // As PostgreSQL, bytes that are no text are reported without a position.
                Arc::from(unescape(&text[2..text.len() - 1]).map_err(|e| match e.state {
                    SqlState::InvalidEscapeSequence => self.place(e, token.start),
                    _ => e,
                })?)
            }
            TokenKind::DollarString => {
                let tag = text[1..].find('$').expect("a dollar quote has two") + 2;
                Arc::from(&text[tag..text.len() - tag])
            }
            TokenKind::UnicodeString => return Err(self.unsupported("a U& literal", token.start)),
            _ => return Err(self.unexpected()),
        };
        self.advance();
        while self.is(TokenKind::String) && self.slice(self.last_end(), self.pos()).contains(['\n', '\r']) {
            let more = self.advance();
            let text = self.text_of(more);
            value = Arc::from(format!("{value}{}", text[1..text.len() - 1].replace("''", "'")));
        }
        Ok(value)
    }

    fn integer(&mut self) -> Result<i64> {
        let negative = self.take_operator("-");
        if !negative {
            self.take_operator("+");
        }
        let token = self.require(TokenKind::Integer)?;
        let digits = self.text_of(token);
        let value = digits.parse::<i64>().map_err(|_| {
            self.error(SqlState::SyntaxError, format!("syntax error at or near \"{digits}\""), token.start)
        })?;
        Ok(if negative { -value } else { value })
    }
}

/// PostgreSQL cuts identifiers to 63 bytes.
fn truncate(mut name: String) -> String {
    let mut end = headwater_catalog::IDENTIFIER_BYTES_MAX;
    if name.len() > end {
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
    name
}
