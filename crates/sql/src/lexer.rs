//! SQL text → tokens, by the rules of PostgreSQL's scanner (`scan.l`).
//!
//! Tokens are byte ranges of the text: lexing allocates nothing per token and is linear in the text, however long its
//! literals are. What cannot be lexed becomes a last token of kind [`TokenKind::Bad`], so that an earlier syntax error is
//! the one reported, as in PostgreSQL.

use headwater_types::{SqlError, SqlState};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// An unquoted word: an identifier or a keyword.
    Word,
    /// `"…"`
    QuotedWord,
    /// `'…'`
    String,
    /// `E'…'`
    EscapeString,
    /// `$tag$…$tag$`
    DollarString,
    /// `B'…'`, `X'…'`
    BitString,
    /// `U&'…'`, `U&"…"`
    UnicodeString,
    /// Digits only.
    Integer,
    /// A number with a point or an exponent.
    Decimal,
    /// `$1`
    Param,
    /// An operator.
    Operator,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `.`
    Dot,
    /// `:`
    Colon,
    /// `::`
    DoubleColon,
    /// `:=`
    ColonEquals,
    /// The end of the text.
    End,
    /// Text that is no token.
    Bad,
}

/// A token: a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A lexical error: the message's beginning, and the range that it is "at or near".
#[derive(Debug, Clone, Copy)]
pub(crate) struct LexError {
    pub(crate) message: &'static str,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl LexError {
    /// The error that the client sees, without its position.
    pub(crate) fn to_error(self, text: &str) -> SqlError {
        let near = &text[self.start..self.end];
        SqlError::new(SqlState::SyntaxError, format!("{} at or near \"{near}\"", self.message))
    }
}

/// Where the token after `at` starts: blanks and comments are skipped.
pub(crate) fn skip_blanks(text: &str, mut at: usize) -> Result<usize, LexError> {
    let bytes = text.as_bytes();
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0c | 0x0b) => at += 1,
            Some(b'-') if bytes.get(at + 1) == Some(&b'-') => {
                at += bytes[at..].iter().position(|&b| b == b'\n' || b == b'\r').unwrap_or(bytes.len() - at);
            }
            Some(b'/') if bytes.get(at + 1) == Some(&b'*') => at = skip_comment(bytes, at)?,
            _ => return Ok(at),
        }
    }
}

fn skip_comment(bytes: &[u8], start: usize) -> Result<usize, LexError> {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Ok(at);
                }
            }
            _ => at += 1,
        }
    }
    Err(LexError { message: "unterminated /* comment", start, end: bytes.len() })
}

/// The tokens of one statement, from `at` to its semicolon or the end of the text; the last token is one of these, or bad.
pub(crate) fn lex_statement(text: &str, at: usize) -> (Vec<Token>, Option<LexError>) {
    let mut tokens = Vec::new();
    let mut at = at;
    loop {
        match next_token(text, at) {
            Ok(token) => {
                at = token.end;
                tokens.push(token);
                if matches!(token.kind, TokenKind::Semicolon | TokenKind::End) {
                    return (tokens, None);
                }
            }
            Err(error) => {
                tokens.push(Token { kind: TokenKind::Bad, start: error.start, end: error.end });
                return (tokens, Some(error));
            }
        }
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}

fn run(bytes: &[u8], at: usize, part: impl Fn(u8) -> bool) -> usize {
    at + bytes[at..].iter().position(|&b| !part(b)).unwrap_or(bytes.len() - at)
}

/// The next token at or after `at`.
pub(crate) fn next_token(text: &str, at: usize) -> Result<Token, LexError> {
    let bytes = text.as_bytes();
    let start = skip_blanks(text, at)?;
    let token = |kind, end| Ok(Token { kind, start, end });
    let Some(&byte) = bytes.get(start) else { return token(TokenKind::End, start) };
    let next = bytes.get(start + 1).copied();
    match byte {
        b'(' => token(TokenKind::LeftParen, start + 1),
        b')' => token(TokenKind::RightParen, start + 1),
        b'[' => token(TokenKind::LeftBracket, start + 1),
        b']' => token(TokenKind::RightBracket, start + 1),
        b',' => token(TokenKind::Comma, start + 1),
        b';' => token(TokenKind::Semicolon, start + 1),
        b':' if next == Some(b':') => token(TokenKind::DoubleColon, start + 2),
        b':' if next == Some(b'=') => token(TokenKind::ColonEquals, start + 2),
        b':' => token(TokenKind::Colon, start + 1),
        b'.' if !next.is_some_and(|b| b.is_ascii_digit()) => token(TokenKind::Dot, start + 1),
        b'.' | b'0'..=b'9' => number(bytes, start),
        b'\'' => token(TokenKind::String, quoted(bytes, start, start + 1, b'\'', "unterminated quoted string")?),
        b'"' => {
            let end = quoted(bytes, start, start + 1, b'"', "unterminated quoted identifier")?;
            if end - start == 2 {
                return Err(LexError { message: "zero-length delimited identifier", start, end });
            }
            token(TokenKind::QuotedWord, end)
        }
        b'e' | b'E' if next == Some(b'\'') => token(TokenKind::EscapeString, escape_string(bytes, start)?),
        b'b' | b'B' | b'x' | b'X' if next == Some(b'\'') => {
            token(TokenKind::BitString, quoted(bytes, start, start + 2, b'\'', "unterminated bit string literal")?)
        }
        b'n' | b'N' if next == Some(b'\'') => {
            // N'…' is the word `nchar` and a string; the length does not matter.
            let end = quoted(bytes, start, start + 2, b'\'', "unterminated quoted string")?;
            Ok(Token { kind: TokenKind::String, start: start + 1, end })
        }
        b'u' | b'U' if next == Some(b'&') && matches!(bytes.get(start + 2), Some(b'\'' | b'"')) => {
            let quote = bytes[start + 2];
            token(TokenKind::UnicodeString, quoted(bytes, start, start + 3, quote, "unterminated quoted string")?)
        }
        b'$' => dollar(bytes, start),
        _ if is_word_start(byte) => token(TokenKind::Word, run(bytes, start, is_word_part)),
        _ if is_operator(byte) => token(TokenKind::Operator, operator_end(bytes, start)),
        _ => {
            let end = start + text[start..].chars().next().map_or(1, char::len_utf8);
            Err(LexError { message: "syntax error", start, end })
        }
    }
}

/// The end of a quoted thing whose inside starts at `at`; a doubled quote is one.
fn quoted(bytes: &[u8], start: usize, mut at: usize, quote: u8, message: &'static str) -> Result<usize, LexError> {
    loop {
        let Some(offset) = find(&bytes[at..], quote) else {
            return Err(LexError { message, start, end: bytes.len() });
        };
        at += offset + 1;
        if bytes.get(at) != Some(&quote) {
            return Ok(at);
        }
        at += 1;
    }
}

/// `Iterator::position` on bytes, in a shape that vectorises over the long literals.
fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    const BLOCK: usize = 64;
    let mut base = 0;
    for block in bytes.chunks(BLOCK) {
        if block.iter().fold(false, |found, &b| found | (b == wanted)) {
            return block.iter().position(|&b| b == wanted).map(|offset| base + offset);
        }
        base += block.len();
    }
    None
}

fn escape_string(bytes: &[u8], start: usize) -> Result<usize, LexError> {
    let mut at = start + 2;
    loop {
        match bytes.get(at) {
            None => return Err(LexError { message: "unterminated quoted string", start, end: bytes.len() }),
            Some(b'\\') => at += 2,
            Some(b'\'') if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            Some(b'\'') => return Ok(at + 1),
            Some(_) => at += 1,
        }
    }
}

fn dollar(bytes: &[u8], start: usize) -> Result<Token, LexError> {
    let digits = run(bytes, start + 1, |b| b.is_ascii_digit());
    if digits > start + 1 {
        return match bytes.get(digits) {
            Some(&b) if is_word_start(b) => {
                Err(LexError { message: "trailing junk after parameter", start, end: digits + 1 })
            }
            _ => Ok(Token { kind: TokenKind::Param, start, end: digits }),
        };
    }
    let tag_end = run(bytes, start + 1, |b| is_word_part(b) && b != b'$');
    if bytes.get(tag_end) != Some(&b'$') {
        return Err(LexError { message: "syntax error", start, end: start + 1 });
    }
    let tag = &bytes[start..=tag_end];
    let mut at = tag_end + 1;
    while let Some(offset) = find(&bytes[at..], b'$') {
        at += offset;
        if bytes[at..].starts_with(tag) {
            return Ok(Token { kind: TokenKind::DollarString, start, end: at + tag.len() });
        }
        at += 1;
    }
    Err(LexError { message: "unterminated dollar-quoted string", start, end: bytes.len() })
}

fn number(bytes: &[u8], start: usize) -> Result<Token, LexError> {
    let digit = |b: u8| b.is_ascii_digit();
    let mut kind = TokenKind::Integer;
    let mut end = run(bytes, start, digit);
    // `1..2` is a number and two points.
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.') {
        kind = TokenKind::Decimal;
        end = run(bytes, end + 1, digit);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            kind = TokenKind::Decimal;
            end = run(bytes, end + 1 + sign, digit);
        }
    }
    match bytes.get(end) {
        Some(&b) if is_word_start(b) => {
            let length =
                std::str::from_utf8(&bytes[end..]).ok().and_then(|s| s.chars().next()).map_or(1, char::len_utf8);
            Err(LexError { message: "trailing junk after numeric literal", start, end: end + length })
        }
        _ => Ok(Token { kind, start, end }),
    }
}

fn operator_end(bytes: &[u8], start: usize) -> usize {
    let mut end = run(bytes, start, is_operator);
    // A comment ends an operator.
    for at in start + 1..end {
        if matches!((bytes[at], bytes.get(at + 1)), (b'-', Some(b'-')) | (b'/', Some(b'*'))) {
            end = at;
            break;
        }
    }
    // Only operators with one of these may end in + or -.
    let special = |b: &u8| matches!(b, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%');
    if !bytes[start..end].iter().any(special) {
        while end - start > 1 && matches!(bytes[end - 1], b'+' | b'-') {
            end -= 1;
        }
    }
    end
}

/// The value of an `E'…'` string's inside.
///
/// # Errors
///
/// 22025 for a bad Unicode escape, 22021 for bytes that are no UTF-8.
pub(crate) fn unescape(inside: &str) -> Result<String, SqlError> {
    let bytes = inside.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => {
                out.push(b'\'');
                at += 2;
            }
            b'\\' => at = unescape_one(bytes, at + 1, &mut out)?,
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_err(|error| {
        let bad = error.as_bytes()[error.utf8_error().valid_up_to()];
        SqlError::new(
            SqlState::CharacterNotInRepertoire,
            format!("invalid byte sequence for encoding \"UTF8\": 0x{bad:02x}"),
        )
    })
}

fn unescape_one(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, SqlError> {
    let invalid = || SqlError::new(SqlState::InvalidEscapeSequence, "invalid Unicode escape");
    let digits = |from: usize, most: usize, radix: u32| {
        let count =
            bytes[from.min(bytes.len())..].iter().take(most).take_while(|b| char::from(**b).is_digit(radix)).count();
        let text = std::str::from_utf8(&bytes[from..from + count]).expect("digits are ASCII");
        (count, u32::from_str_radix(text, radix).unwrap_or(0))
    };
    let byte = *bytes.get(at).unwrap_or(&b'\\');
    match byte {
        b'b' => out.push(8),
        b'f' => out.push(12),
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'v' => out.push(11),
        b'0'..=b'7' => {
            let (count, value) = digits(at, 3, 8);
            out.push(u8::try_from(value & 0xff).expect("masked to a byte"));
            return Ok(at + count);
        }
        b'x' if bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit) => {
            let (count, value) = digits(at + 1, 2, 16);
            out.push(u8::try_from(value).expect("two hexadecimal digits are a byte"));
            return Ok(at + 1 + count);
        }
        b'u' | b'U' => {
            let wanted = if byte == b'u' { 4 } else { 8 };
            let (count, mut value) = digits(at + 1, wanted, 16);
            let mut end = at + 1 + count;
            if count != wanted {
                return Err(invalid());
            }
            if (0xd800..0xdc00).contains(&value) && bytes.get(end) == Some(&b'\\') {
                let (low_count, low) = digits(end + 2, wanted, 16);
                if low_count == wanted && (0xdc00..0xe000).contains(&low) {
                    value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
                    end += 2 + low_count;
                }
            }
            let character = char::from_u32(value).filter(|c| *c != '\0').ok_or_else(invalid)?;
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(end);
        }
        other => out.push(other),
    }
    Ok(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        let (tokens, error) = lex_statement(sql, 0);
        assert!(error.is_none(), "{sql}: {error:?}");
        tokens.iter().filter(|t| t.kind != TokenKind::End).map(|t| &sql[t.start..t.end]).collect()
    }

    #[test]
    fn operators_end_where_postgresql_ends_them() {
        assert_eq!(texts("a<-1"), ["a", "<", "-", "1"]);
        assert_eq!(texts("a@-1"), ["a", "@-", "1"]);
        assert_eq!(texts("a+-- x\n1"), ["a", "+", "1"]);
        assert_eq!(texts("a*/* x /* y */ */1"), ["a", "*", "1"]);
        assert_eq!(texts("x->>'a'::text"), ["x", "->>", "'a'", "::", "text"]);
        assert_eq!(texts("$1 $a$ ' $b$ $a$ 1.5e-3 .5"), ["$1", "$a$ ' $b$ $a$", "1.5e-3", ".5"]);
    }

    #[test]
    fn unescapes() {
        assert_eq!(unescape(r"a\n\x41\101\u00e9\\''").expect("valid"), "a\nAAé\\'");
        assert_eq!(
            unescape(r"\xff").expect_err("no UTF-8").message,
            "invalid byte sequence for encoding \"UTF8\": 0xff"
        );
    }

    #[test]
    fn names_what_is_unterminated() {
        for (sql, message) in [
            ("select 'abc", "unterminated quoted string at or near \"'abc\""),
            ("select \"abc", "unterminated quoted identifier at or near \"\"abc\""),
            ("select /* a", "unterminated /* comment at or near \"/* a\""),
            ("select $x$ a", "unterminated dollar-quoted string at or near \"$x$ a\""),
            ("select 123abc", "trailing junk after numeric literal at or near \"123a\""),
        ] {
            assert_eq!(lex_statement(sql, 0).1.expect("an error").to_error(sql).message, message);
        }
    }
}
