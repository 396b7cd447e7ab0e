//! Type names: `double precision`, `timestamp(3) with time zone`, `numeric(10,2)[]`, `pg_catalog.regtype`.

use super::Parser;
use crate::ast::{Ident, Name, Pos, TypeName};
use crate::lexer::TokenKind;
use headwater_types::Result;

impl Parser<'_> {
    /// A type, with its array bounds.
    pub(super) fn type_name(&mut self) -> Result<TypeName> {
        if self.is_word("setof") {
            return Err(self.unsupported("SETOF", self.pos()));
        }
        let mut found = self.simple_type()?;
        if self.accept("array") {
            found.is_array = true;
            if self.take(TokenKind::LeftBracket) {
                self.require(TokenKind::Integer)?;
                self.require(TokenKind::RightBracket)?;
            }
        }
        while self.take(TokenKind::LeftBracket) {
            self.take(TokenKind::Integer);
            self.require(TokenKind::RightBracket)?;
            found.is_array = true;
        }
        Ok(found)
    }

    fn simple_type(&mut self) -> Result<TypeName> {
        let pos = self.pos();
        let token = self.peek();
        if token.kind == TokenKind::Word && self.token(1).kind != TokenKind::Dot {
            let word = self.text_of(token).to_ascii_lowercase();
            if let Some(found) = self.keyword_type(&word, pos)? {
                return Ok(found);
            }
        }
        // A type's name may be any word but a reserved one or a column's.
        let first = self.ident_if(headwater_expr::keywords::is_function_name)?;
        let mut parts = vec![first];
        while self.take(TokenKind::Dot) {
            parts.push(self.label()?);
        }
        if self.is_operator("%") && self.is_word_at(1, "type") {
            return Err(self.unsupported("%TYPE", pos));
        }
        let modifiers = self.type_modifiers()?;
        Ok(TypeName { name: Name { parts }, modifiers, is_array: false, pos })
    }

    fn type_modifiers(&mut self) -> Result<Vec<i64>> {
        if self.is(TokenKind::LeftParen) { self.parens(|p| p.list(Self::integer)) } else { Ok(vec![]) }
    }

    /// A type that the grammar knows by its keywords.
    fn keyword_type(&mut self, word: &str, pos: Pos) -> Result<Option<TypeName>> {
        let simple = |name: &str, modifiers| {
            let name = Name { parts: vec![Ident { name: name.to_owned(), pos }] };
            Ok(Some(TypeName { name, modifiers, is_array: false, pos }))
        };
        let name = match word {
            "int" | "integer" => "int4",
            "smallint" => "int2",
            "bigint" => "int8",
            "real" => "float4",
            "boolean" => "bool",
            "decimal" | "dec" | "numeric" => "numeric",
            "varchar" => "varchar",
            "interval" => {
                self.advance();
                self.interval_fields()?;
                return simple("interval", vec![]);
            }
            "double" if self.is_word_at(1, "precision") => {
                self.advance();
                "float8"
            }
            "float" => {
                self.advance();
                let modifiers = self.type_modifiers()?;
                return simple(
                    if modifiers.first().is_some_and(|bits| *bits <= 24) { "float4" } else { "float8" },
                    vec![],
                );
            }
            "char" | "character" | "nchar" | "national" => {
                self.advance();
                if word == "national" && !self.accept("character") {
                    self.expect("char")?;
                }
                let name = if self.accept("varying") { "varchar" } else { "bpchar" };
                let mut modifiers = self.type_modifiers()?;
                if name == "bpchar" && modifiers.is_empty() {
                    modifiers.push(1);
                }
                return simple(name, modifiers);
            }
            "time" | "timestamp" => {
                self.advance();
                // A precision is accepted; values keep microseconds.
                self.type_modifiers()?;
                let zoned = self.accept_all(&["with", "time", "zone"]);
                if !zoned {
                    self.accept_all(&["without", "time", "zone"]);
                }
                return simple(if zoned { format!("{word}tz") } else { word.to_owned() }.as_str(), vec![]);
            }
            "bit" => return Err(self.unsupported("type bit", pos)),
            _ => return Ok(None),
        };
        self.advance();
        let modifiers = self.type_modifiers()?;
        simple(name, modifiers)
    }

    /// `YEAR`, `DAY TO SECOND`, `(3)` after INTERVAL: the single unit, if it is one.
    pub(super) fn interval_fields(&mut self) -> Result<Option<&'static str>> {
        if self.is(TokenKind::LeftParen) {
            self.type_modifiers()?;
            return Ok(None);
        }
        const UNITS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];
        let Some(unit) = UNITS.into_iter().find(|unit| self.is_word(unit)) else { return Ok(None) };
        let pos = self.pos();
        self.advance();
        if self.is_word("to") {
            return Err(self.unsupported("an INTERVAL with a range of fields", pos));
        }
        if unit == "second" {
            self.type_modifiers()?;
        }
        Ok(Some(unit))
    }

    /// Whether the next tokens are a type that the grammar knows, followed by a string: `timestamp '…'`.
    pub(super) fn is_typed_literal(&self) -> bool {
        let string = |ahead: usize| {
            matches!(self.token(ahead).kind, TokenKind::String | TokenKind::EscapeString | TokenKind::DollarString)
        };
        let word = self.text_of(self.peek());
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        if string(1) {
            return true;
        }
        let mut ahead = 1;
        if is("double") && self.is_word_at(1, "precision") {
            return string(2);
        }
        if !["timestamp", "time", "numeric", "decimal", "varchar", "char", "character", "interval", "float", "bpchar"]
            .iter()
            .any(|keyword| is(keyword))
        {
            return false;
        }
        if (is("char") || is("character")) && self.is_word_at(ahead, "varying") {
            ahead += 1;
        }
        if self.token(ahead).kind == TokenKind::LeftParen {
            // `numeric(10, 2) '1'`: numbers and a string behind.
            ahead += 1;
            while matches!(self.token(ahead).kind, TokenKind::Integer | TokenKind::Comma) {
                ahead += 1;
            }
            if self.token(ahead).kind != TokenKind::RightParen {
                return false;
            }
            ahead += 1;
        }
        let zone = |from: usize| self.is_word_at(from + 1, "time") && self.is_word_at(from + 2, "zone");
        if (self.is_word_at(ahead, "with") || self.is_word_at(ahead, "without")) && zone(ahead) {
            ahead += 3;
        }
        string(ahead)
    }
}
