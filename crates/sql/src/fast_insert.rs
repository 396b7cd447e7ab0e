//! The direct path for `INSERT INTO t (…) VALUES (literal, …), …`: from text to literals without tokens or a tree.
//!
//! Anything but literals makes [`scan`] give up, and the general parser takes the statement: both paths give the same
//! rows and the same errors. Cost: one pass over the text, 12 bytes per value.

use crate::ast::{Ident, Name};
use crate::lexer::{Token, TokenKind, next_token};
use headwater_expr::keywords;

/// What a literal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LiteralKind {
    Null,
    Default,
    Bool(bool),
    /// A number with its sign.
    Number,
    /// A string without quotes inside: the range is the value.
    Plain,
    /// A string whose quotes are doubled.
    Doubled,
    /// `E'…'`
    Escape,
}

/// A literal: a range of the statement's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Literal {
    pub(crate) kind: LiteralKind,
    /// The index of the type it is cast to, plus one; 0 for none.
    pub(crate) cast: u8,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// An INSERT of literals.
#[derive(Debug, Clone)]
pub(crate) struct LiteralInsert {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Ident>,
    /// Values per row.
    pub(crate) width: usize,
    /// Row after row.
    pub(crate) values: Vec<Literal>,
    /// The types that literals are cast to, as written.
    pub(crate) casts: Vec<String>,
}

/// Different types that one statement's literals may be cast to.
const CASTS_MAX: usize = 16;

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// Scans an INSERT that starts at the beginning of `text`: it and where it ends (its semicolon, or the text's end).
/// `None`: it is something else, or has more than literals.
pub(crate) fn scan(text: &str) -> Option<(LiteralInsert, usize)> {
    // Offsets are 32 bits.
    u32::try_from(text.len()).ok()?;
    let mut scanner = Scanner { text, at: 0 };
    scanner.insert()
}

impl<'a> Scanner<'a> {
    fn token(&mut self) -> Option<Token> {
        let token = next_token(self.text, self.at).ok()?;
        self.at = token.end;
        Some(token)
    }

    fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    fn keyword(&mut self, keyword: &str) -> Option<()> {
        let token = self.token()?;
        (token.kind == TokenKind::Word && self.text_of(token).eq_ignore_ascii_case(keyword)).then_some(())
    }

    fn ident(&mut self) -> Option<Ident> {
        let token = self.token()?;
        self.ident_of(token)
    }

    /// A plain identifier; quoted ones with quotes inside and overlong ones are left to the parser.
    fn ident_of(&self, token: Token) -> Option<Ident> {
        let text = self.text_of(token);
        let name = match token.kind {
            TokenKind::Word => text.to_ascii_lowercase(),
            TokenKind::QuotedWord if !text[1..text.len() - 1].contains('"') => text[1..text.len() - 1].to_owned(),
            _ => return None,
        };
        let reserved = token.kind == TokenKind::Word && !keywords::is_column_name(&name);
        (!reserved && name.len() <= headwater_catalog::IDENTIFIER_BYTES_MAX).then_some(Ident { name, pos: token.start })
    }

    fn insert(&mut self) -> Option<(LiteralInsert, usize)> {
        self.keyword("insert")?;
        self.keyword("into")?;
        let mut parts = vec![self.ident()?];
        let mut token = self.token()?;
        if token.kind == TokenKind::Dot {
            parts.push(self.ident()?);
            token = self.token()?;
        }
        let mut columns = Vec::new();
        if token.kind == TokenKind::LeftParen {
            loop {
                columns.push(self.ident()?);
                match self.token()?.kind {
                    TokenKind::Comma => {}
                    TokenKind::RightParen => break,
                    _ => return None,
                }
            }
            token = self.token()?;
        }
        if token.kind != TokenKind::Word || !self.text_of(token).eq_ignore_ascii_case("values") {
            return None;
        }
        let mut insert = LiteralInsert { name: Name { parts }, columns, width: 0, values: vec![], casts: vec![] };
        let end = self.rows(&mut insert)?;
        Some((insert, end))
    }

    fn rows(&mut self, insert: &mut LiteralInsert) -> Option<usize> {
        loop {
            self.skip_blanks();
            if self.byte()? != b'(' {
                return None;
            }
            self.at += 1;
            let before = insert.values.len();
            self.row(insert)?;
            let width = insert.values.len() - before;
            if before == 0 {
                insert.width = width;
            } else if width != insert.width {
                return None;
            }
            if self.byte() == Some(b',') {
                self.at += 1;
                continue;
            }
            let token = self.token()?;
            match token.kind {
                TokenKind::Comma => {}
                TokenKind::Semicolon | TokenKind::End => return Some(token.start),
                _ => return None,
            }
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    /// The values up to and with the closing parenthesis.
    fn row(&mut self, insert: &mut LiteralInsert) -> Option<()> {
        loop {
            self.skip_blanks();
            let mut literal = self.literal()?;
            self.skip_blanks();
            if self.byte()? == b':' {
                literal.cast = self.cast(insert, literal)?;
                self.skip_blanks();
            }
            insert.values.push(literal);
            let byte = self.byte()?;
            self.at += 1;
            match byte {
                b',' => {}
                b')' => return Some(()),
                _ => return None,
            }
        }
    }

    fn offset(at: usize) -> u32 {
        u32::try_from(at).expect("the text is shorter than 4 GiB")
    }

    fn literal(&mut self) -> Option<Literal> {
        let start = self.at;
        let literal =
            |kind, start, end| Some(Literal { kind, cast: 0, start: Self::offset(start), end: Self::offset(end) });
        match self.byte()? {
            b'\'' => {
                let bytes = self.text.as_bytes();
                let mut kind = LiteralKind::Plain;
                let mut at = start + 1;
                loop {
                    at += memchr::memchr(b'\'', &bytes[at..])?;
                    if bytes.get(at + 1) != Some(&b'\'') {
                        break;
                    }
                    kind = LiteralKind::Doubled;
                    at += 2;
                }
                self.at = at + 1;
                literal(kind, start + 1, at)
            }
            b'-' | b'0'..=b'9' | b'.' => {
                if let Some(end) = self.plain_number() {
                    self.at = end;
                    return literal(LiteralKind::Number, start, end);
                }
                let sign = usize::from(self.byte()? == b'-');
                if !matches!(self.text.as_bytes().get(start + sign)?, b'0'..=b'9' | b'.') {
                    return None;
                }
                let token = next_token(self.text, start + sign).ok()?;
                if !matches!(token.kind, TokenKind::Integer | TokenKind::Decimal) {
                    return None;
                }
                self.at = token.end;
                literal(LiteralKind::Number, start, token.end)
            }
            _ => {
                let token = self.token()?;
                let text = self.text_of(token);
                let is = |keyword: &str| text.eq_ignore_ascii_case(keyword);
                let kind = match token.kind {
                    TokenKind::EscapeString => {
                        return literal(LiteralKind::Escape, token.start + 2, token.end - 1);
                    }
                    TokenKind::Word if is("null") => LiteralKind::Null,
                    TokenKind::Word if is("true") => LiteralKind::Bool(true),
                    TokenKind::Word if is("false") => LiteralKind::Bool(false),
                    TokenKind::Word if is("default") => LiteralKind::Default,
                    _ => return None,
                };
                literal(kind, token.start, token.end)
            }
        }
    }

    /// The end of a number of digits and perhaps a point, where the value ends with it.
    fn plain_number(&self) -> Option<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut length = usize::from(rest[0] == b'-');
        let whole = digits(&rest[length..]);
        length += whole;
        if rest.get(length) == Some(&b'.') {
            length += 1 + digits(&rest[length + 1..]);
        }
        (whole > 0 && matches!(rest.get(length), Some(b',' | b')'))).then_some(self.at + length)
    }

    /// `::type` behind a string, for types of one word.
    fn cast(&mut self, insert: &mut LiteralInsert, literal: Literal) -> Option<u8> {
        if self.token()?.kind != TokenKind::DoubleColon
            || !matches!(literal.kind, LiteralKind::Plain | LiteralKind::Doubled | LiteralKind::Escape)
        {
            return None;
        }
        let token = self.token()?;
        let name = self.text_of(token);
        if token.kind != TokenKind::Word {
            return None;
        }
        self.skip_blanks();
        if !matches!(self.byte()?, b',' | b')') {
            return None;
        }
        let index = match insert.casts.iter().position(|cast| cast == name) {
            Some(index) => index,
            None if insert.casts.len() < CASTS_MAX => {
                insert.casts.push(name.to_owned());
                insert.casts.len() - 1
            }
            None => return None,
        };
        u8::try_from(index + 1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_literals() {
        let sql = "INSERT INTO s.\"T\" (a, b) VALUES (1, 'x''y'), ( -2.5e3 ,E'\\n' ), (NULL, 'z'::date); SELECT 1";
        let (insert, end) = scan(sql).expect("only literals");
        assert_eq!(insert.name.display(), "s.T");
        assert_eq!((insert.width, insert.values.len(), &sql[end..]), (2, 6, "; SELECT 1"));
        let kinds: Vec<_> = insert.values.iter().map(|v| v.kind).collect();
        use LiteralKind::{Doubled, Escape, Null, Number, Plain};
        assert_eq!(kinds, [Number, Doubled, Number, Escape, Null, Plain]);
        assert_eq!(insert.casts, ["date"]);
    }

    #[test]
    fn leaves_the_rest_to_the_parser() {
        for sql in [
            "insert into t values (1 + 1)",
            "insert into t values (now())",
            "insert into t values (1), (1, 2)",
            "insert into t values (1) returning a",
            "insert into t values ('a'\n'b')",
            "insert into t values ('a'::timestamp with time zone)",
            "insert into t select 1",
            "insert into t values ('a",
            "insert into t values ($1)",
            "insert into t values (1a)",
        ] {
            assert!(scan(sql).is_none(), "{sql}");
        }
    }
}
