//! A statement's shape: its tokens, but for those literals that can be parameters of it.
//!
//! ```text
//! SELECT * FROM t WHERE k = 'a' AND n > 5 LIMIT 1
//! └─ key       SELECT * FROM t WHERE k = ⟨string⟩ AND n > ⟨int4⟩ LIMIT 1
//! └─ literals                            'a'              5
//! └─ generic   SELECT * FROM t WHERE k = $1 AND n > $2 LIMIT 1
//! ```
//!
//! Drivers that write values into the text send a new text for every value: statements of one key are bound and planned
//! once. Literals are parameters where their value decides nothing but the answer: right of a comparison (or of SET's
//! `=`), in an IN list, after BETWEEN. All others stay in the key, as their value may be part of the meaning.
//!
//! # Invariants
//!
//! 1. Two texts with one key are one statement but for the values of their literals, whose classes are equal: a string
//!    has no type yet, a number has the type that its size gives it.
//! 2. What cannot be told from the tokens has no shape; what has one and fails is done again the general way, which
//!    raises the error, with its position.

use crate::lexer::{Token, TokenKind, lex_statement, skip_blanks, unescape};
use headwater_types::{DataType, Datum, Result, SessionSettings, SqlError, TextContext, parse_text};
use std::borrow::Cow;
use std::ops::Range;

/// Longer statements are rather one of a kind.
const SHAPE_BYTES_MAX: usize = 16 << 10;

/// After these words the operand of a comparison is over.
const CLAUSE_WORDS: [&str; 23] = [
    "and",
    "or",
    "order",
    "group",
    "limit",
    "offset",
    "having",
    "where",
    "from",
    "returning",
    "then",
    "union",
    "except",
    "intersect",
    "fetch",
    "for",
    "join",
    "inner",
    "left",
    "right",
    "full",
    "cross",
    "end",
];

/// What a literal is before anything gives it a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LiteralClass {
    /// `'…'`, with quotes doubled inside or not.
    String,
    /// `E'…'`
    EscapeString,
    /// A number of the range of int4.
    Int4,
    /// A number of the range of int8.
    Int8,
    /// Any other number.
    Numeric,
}

/// A literal: what it is, and its bytes in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Literal {
    class: LiteralClass,
    range: Range<usize>,
}

/// A statement's shape and literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The statement's bytes in the text, without blanks before it and a semicolon behind.
    statement: Range<usize>,
    key: Box<[u8]>,
    /// Their ranges count in the statement.
    literals: Vec<Literal>,
}

impl Shape {
    /// The shape of a text that is one SELECT, UPDATE or DELETE; `None` if it has none.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        if text.len() > SHAPE_BYTES_MAX {
            return None;
        }
        let start = skip_blanks(text, 0).ok()?;
        let first = text.as_bytes().get(start)?;
        if !matches!(first, b's' | b'S' | b'u' | b'U' | b'd' | b'D' | b'w' | b'W') {
            return None;
        }
        let script = &text[start..];
        let (tokens, error) = lex_statement(script, 0);
        let last = *tokens.last()?;
        if error.is_some() || skip_blanks(script, last.end).ok()? != script.len() {
            return None;
        }
        let first = &script[tokens[0].start..tokens[0].end];
        if !["select", "update", "delete", "with"].iter().any(|word| first.eq_ignore_ascii_case(word)) {
            return None;
        }
        let (key, literals) = Scan { text: script, tokens: &tokens }.shape()?;
        Some(Self { statement: start..start + last.start, key, literals })
    }

    /// The statement's bytes in the text.
    pub(crate) fn statement(&self) -> Range<usize> {
        self.statement.clone()
    }

    /// What all statements of this shape have in common.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The literals as they are written.
    #[cfg(test)]
    pub(crate) fn literal_texts<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let statement = &text[self.statement()];
        self.literals.iter().map(|literal| &statement[literal.range.clone()]).collect()
    }

    /// The statement with parameters for its literals.
    pub(crate) fn generic(&self, text: &str) -> String {
        let mut generic = String::with_capacity(text.len());
        let mut at = 0;
        for (literal, number) in self.literals.iter().zip(1..) {
            generic.push_str(&text[at..literal.range.start]);
            generic.push_str(&format!(" ${number} "));
            at = literal.range.end;
        }
        generic.push_str(&text[at..]);
        generic
    }

    /// The types that the literals have by themselves; `None` of a string.
    pub(crate) fn types(&self) -> Vec<Option<DataType>> {
        self.literals.iter().map(|literal| literal.class.data_type()).collect()
    }

    /// The literals of the statement as values of the types that binding found for the parameters; `None` if one is no
    /// such value.
    pub(crate) fn values(
        &self,
        text: &str,
        types: &[DataType],
        settings: &SessionSettings,
        now_micros: i64,
    ) -> Option<Vec<Datum>> {
        let context = TextContext { settings, now_micros };
        let values = self.literals.iter().zip(types);
        values.map(|(literal, data_type)| literal.value(text, data_type, &context).ok()).collect()
    }
}

fn is_string(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::String | TokenKind::EscapeString | TokenKind::DollarString | TokenKind::UnicodeString)
}

impl LiteralClass {
    fn data_type(self) -> Option<DataType> {
        match self {
            Self::String | Self::EscapeString => None,
            Self::Int4 => Some(DataType::Int4),
            Self::Int8 => Some(DataType::Int8),
            Self::Numeric => Some(DataType::Numeric(None)),
        }
    }

    /// Its byte in a key. No token is so short and starts so.
    fn code(self) -> u8 {
        match self {
            Self::String | Self::EscapeString => 1,
            Self::Int4 => 2,
            Self::Int8 => 3,
            Self::Numeric => 4,
        }
    }

    fn of_number(digits: &str) -> Self {
        if digits.parse::<i32>().is_ok() {
            Self::Int4
        } else if digits.parse::<i64>().is_ok() {
            Self::Int8
        } else {
            Self::Numeric
        }
    }
}

impl Literal {
    fn value(&self, text: &str, data_type: &DataType, context: &TextContext<'_>) -> Result<Datum> {
        let raw = &text[self.range.clone()];
        let inside = match self.class {
            LiteralClass::Int4 | LiteralClass::Int8 | LiteralClass::Numeric => {
                return parse_text(raw, data_type, context);
            }
            LiteralClass::String if raw.len() == 2 || !raw[1..raw.len() - 1].contains('\'') => {
                Cow::Borrowed(&raw[1..raw.len() - 1])
            }
            LiteralClass::String => Cow::Owned(raw[1..raw.len() - 1].replace("''", "'")),
            LiteralClass::EscapeString => Cow::Owned(unescape(&raw[2..raw.len() - 1])?),
        };
        match data_type {
            DataType::Text | DataType::Varchar(_) => Ok(Datum::text(&inside)),
            // Its value is the catalog's business.
            DataType::Reg(_) => Err(SqlError::internal("a name is no constant")),
            _ => parse_text(&inside, data_type, context),
        }
    }
}

/// Where the scan of an operand stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Elsewhere,
    /// Inside `IN ( … )`, a literal or a comma being next.
    InList,
    /// After `BETWEEN` and a literal.
    AfterLow,
}

struct Scan<'t> {
    text: &'t str,
    tokens: &'t [Token],
}

impl Scan<'_> {
    /// The key and the literals.
    fn shape(&self) -> Option<(Box<[u8]>, Vec<Literal>)> {
        let mut key = Vec::with_capacity(self.text.len());
        let mut literals = vec![];
        let mut place = Place::Elsewhere;
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            if matches!(token.kind, TokenKind::Param | TokenKind::Bad) {
                return None;
            }
            let (literal, taken, next_place) = self.literal(at, place);
            place = next_place;
            match literal {
                Some(literal) => {
                    key.push(literal.class.code());
                    literals.push(literal);
                }
                None if is_string(token.kind) && self.is_continued(at) => return None,
                None if token.kind == TokenKind::Semicolon => {}
                None => key.extend_from_slice(self.of(at).as_bytes()),
            }
            key.push(0);
            at += taken;
        }
        Some((key.into_boxed_slice(), literals))
    }

    fn of(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &self.text[token.start..token.end])
    }

    fn kind(&self, at: usize) -> TokenKind {
        self.tokens.get(at).map_or(TokenKind::End, |token| token.kind)
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        self.kind(at) == TokenKind::Word && self.of(at).eq_ignore_ascii_case(word)
    }

    /// Two strings on two lines are one; on one line they are an error.
    fn is_continued(&self, at: usize) -> bool {
        is_string(self.kind(at + 1))
    }

    /// The parameter that starts at a token, how many tokens it (or the token) takes, and the place behind it.
    fn literal(&self, at: usize, place: Place) -> (Option<Literal>, usize, Place) {
        let (literal, taken) = self.constant(at);
        let stays = match (place, self.kind(at)) {
            (Place::InList, TokenKind::Comma) => Place::InList,
            (Place::AfterLow, TokenKind::Word) if self.is_word(at, "and") => Place::AfterLow,
            (_, TokenKind::LeftParen) if at > 0 && self.is_word(at - 1, "in") => Place::InList,
            _ => Place::Elsewhere,
        };
        let Some(literal) = literal else { return (None, 1, stays) };
        let behind = at + taken;
        let after = match place {
            Place::InList if matches!(self.kind(behind), TokenKind::Comma | TokenKind::RightParen) => Place::InList,
            Place::AfterLow if self.ends_operand(behind) => Place::Elsewhere,
            Place::Elsewhere if self.follows_between(at) && self.is_word(behind, "and") => Place::AfterLow,
            Place::Elsewhere if self.follows_comparison(at) && self.ends_operand(behind) => Place::Elsewhere,
            _ => return (None, 1, Place::Elsewhere),
        };
        (Some(literal), taken, after)
    }

    /// The literal that starts at a token, a number's sign included.
    fn constant(&self, at: usize) -> (Option<Literal>, usize) {
        let Some(token) = self.tokens.get(at) else { return (None, 1) };
        let range = token.start..token.end;
        let literal = |class, range| Some(Literal { class, range });
        match token.kind {
            TokenKind::String => (literal(LiteralClass::String, range), 1),
            TokenKind::EscapeString if unescape(&self.text[range.start + 2..range.end - 1]).is_ok() => {
                (literal(LiteralClass::EscapeString, range), 1)
            }
            TokenKind::Integer | TokenKind::Decimal => (literal(LiteralClass::of_number(self.of(at)), range), 1),
            TokenKind::Operator if self.of(at) == "-" => match self.tokens.get(at + 1) {
                Some(next)
                    if matches!(next.kind, TokenKind::Integer | TokenKind::Decimal) && next.start == token.end =>
                {
                    let range = token.start..next.end;
                    (literal(LiteralClass::of_number(&self.text[range.clone()]), range), 2)
                }
                _ => (None, 1),
            },
            _ => (None, 1),
        }
    }

    /// Whether a comparison with something other than a literal comes before: `WHERE 1 = 0` is decided by planning.
    fn follows_comparison(&self, at: usize) -> bool {
        at >= 2
            && self.kind(at - 1) == TokenKind::Operator
            && matches!(self.of(at - 1), "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=")
            && matches!(
                self.kind(at - 2),
                TokenKind::Word | TokenKind::QuotedWord | TokenKind::RightParen | TokenKind::RightBracket
            )
    }

    fn follows_between(&self, at: usize) -> bool {
        at >= 2 && self.is_word(at - 1, "between")
    }

    fn ends_operand(&self, at: usize) -> bool {
        match self.kind(at) {
            TokenKind::End | TokenKind::Semicolon | TokenKind::RightParen | TokenKind::Comma => true,
            TokenKind::Word => CLAUSE_WORDS.iter().any(|word| self.is_word(at, word)),
            _ => false,
        }
    }
}
