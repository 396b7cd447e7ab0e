//! `json` and `jsonb` texts: validation, and `jsonb`'s canonical form.
//!
//! A `jsonb` value is kept as the text that PostgreSQL prints for it: keys ordered by length and then bytes, the last of
//! equal keys, numbers as `numeric` prints them, one blank after colons and commas.

use crate::{Numeric, Result, SqlError, SqlState};

/// Objects and arrays within each other; more is 54001.
const JSON_DEPTH_MAX: usize = 1000;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// A JSON value, its strings without escapes.
enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Checks the syntax.
pub(crate) fn validate(text: &str) -> Result<()> {
    Parser { text, at: 0, depth: 0 }.document(true).map(drop)
}

/// The canonical text of a `jsonb`.
pub(crate) fn canonical(text: &str) -> Result<String> {
    let value = Parser { text, at: 0, depth: 0 }.document(false)?;
    let mut out = String::with_capacity(text.len());
    push_value(&mut out, value)?;
    Ok(out)
}

fn push_value(out: &mut String, value: Value) -> Result<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Number(digits) => out.push_str(&Numeric::parse(&digits)?.to_string()),
        Value::Text(text) => push_string(out, &text),
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.into_iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                push_value(out, value)?;
            }
            out.push(']');
        }
        Value::Object(mut members) => {
            // Stable, so that the last of equal keys stays last.
            members.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
            out.push('{');
            let mut members = members.into_iter().peekable();
            let mut first = true;
            while let Some((key, value)) = members.next() {
                if members.peek().is_some_and(|(next, _)| *next == key) {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push_str(", ");
                }
                push_string(out, &key);
                out.push_str(": ");
                push_value(out, value)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Appends a quoted string (PostgreSQL's `escape_json`).
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

impl Parser<'_> {
    fn error(&self, detail: impl Into<String>) -> SqlError {
        let line = self.text[..self.at].matches('\n').count() + 1;
        let mut error = SqlError::new(SqlState::InvalidTextRepresentation, "invalid input syntax for type json")
            .with_detail(detail);
        let start = self.text[..self.at].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text.ceil_char_boundary(self.at + self.token().len().max(1));
        error.context = Some(format!("JSON data, line {line}: {}", &self.text[start..end]));
        error
    }

    /// What stands at the cursor: a word, or one character.
    fn token(&self) -> &str {
        let rest = &self.text[self.at..];
        let word =
            rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.'))).unwrap_or(rest.len());
        &rest[..if word == 0 { rest.ceil_char_boundary(1.min(rest.len())) } else { word }]
    }

    fn unexpected(&self, expected: &str) -> SqlError {
        match self.token() {
            "" => self.error("The input string ended unexpectedly."),
            token if token.starts_with(|c: char| c.is_alphabetic()) && !matches!(token, "true" | "false" | "null") => {
                self.error(format!("Token \"{token}\" is invalid."))
            }
            token => self.error(format!("Expected {expected}, but found \"{token}\".")),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// The whole text; for `json`, which keeps its text, escapes that have no character are let through.
    fn document(&mut self, lenient: bool) -> Result<Value> {
        let value = self.value(lenient)?;
        self.skip_blanks();
        if self.at < self.text.len() {
            return Err(self.unexpected("end of input"));
        }
        Ok(value)
    }

    fn value(&mut self, lenient: bool) -> Result<Value> {
        self.skip_blanks();
        match self.byte() {
            Some(b'{') => self.nested(|parser| parser.object(lenient)),
            Some(b'[') => self.nested(|parser| parser.array(lenient)),
            Some(b'"') => self.string(lenient).map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let word = self.token();
                let value = match word {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    "null" => Value::Null,
                    _ => return Err(self.unexpected("JSON value")),
                };
                self.at += word.len();
                Ok(value)
            }
        }
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Result<Value>) -> Result<Value> {
        self.at += 1;
        self.depth += 1;
        if self.depth > JSON_DEPTH_MAX {
            return Err(SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded")
                .with_detail(format!("JSON may be nested {JSON_DEPTH_MAX} levels deep.")));
        }
        let value = parse(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self, lenient: bool) -> Result<Value> {
        let mut values = Vec::new();
        if self.eat(b']') {
            return Ok(Value::Array(values));
        }
        loop {
            values.push(self.value(lenient)?);
            if self.eat(b']') {
                return Ok(Value::Array(values));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("\",\" or \"]\""));
            }
        }
    }

    fn object(&mut self, lenient: bool) -> Result<Value> {
        let mut members = Vec::new();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_blanks();
            if self.byte() != Some(b'"') {
                return Err(self.unexpected(if members.is_empty() { "string or \"}\"" } else { "string" }));
            }
            let key = self.string(lenient)?;
            if !self.eat(b':') {
                return Err(self.unexpected("\":\""));
            }
            members.push((key, self.value(lenient)?));
            if self.eat(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("\",\" or \"}\""));
            }
        }
    }

    fn number(&mut self) -> Result<Value> {
        let token = self.token();
        let digits = token.strip_prefix('-').unwrap_or(token);
        let (mantissa, exponent) = digits.split_once(['e', 'E']).map_or((digits, None), |(m, e)| (m, Some(e)));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let valid = all_digits(whole)
            && (whole.len() == 1 || !whole.starts_with('0'))
            && fraction.is_none_or(all_digits)
            && exponent.is_none_or(|e| all_digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
        if !valid {
            return Err(self.error(format!("Token \"{token}\" is invalid.")));
        }
        let number = Value::Number(token.to_owned());
        self.at += token.len();
        Ok(number)
    }

    fn string(&mut self, lenient: bool) -> Result<String> {
        let mut out = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c < ' ' || c == '"' || c == '\\').unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out, lenient)?,
                Some(control) => {
                    return Err(self.error(format!("Character with value 0x{control:02x} must be escaped.")));
                }
                None => return Err(self.error("The input string ended unexpectedly.")),
            }
        }
    }

    fn escape(&mut self, out: &mut String, lenient: bool) -> Result<()> {
        self.at += 1;
        let character = match self.byte() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(out, lenient),
            Some(_) => {
                let token = self.token().chars().next().map(String::from).unwrap_or_default();
                return Err(self.error(format!("Escape sequence \"\\{token}\" is invalid.")));
            }
            None => return Err(self.error("The input string ended unexpectedly.")),
        };
        out.push(character);
        self.at += 1;
        Ok(())
    }

    /// The four digits after `\u`.
    fn code_unit(&mut self) -> Result<u32> {
        self.at += 1;
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.error("\"\\u\" must be followed by four hexadecimal digits."))?;
        self.at += 4;
        Ok(unit)
    }

    fn unicode_escape(&mut self, out: &mut String, lenient: bool) -> Result<()> {
        let first = self.code_unit()?;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) {
            if !self.text[self.at..].starts_with("\\u") {
                return Err(self.error("Unicode low surrogate must follow a high surrogate."));
            }
            self.at += 1;
            let second = self.code_unit()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.error("Unicode low surrogate must follow a high surrogate."));
            }
            code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        }
        match char::from_u32(code) {
            Some('\0') if !lenient => {
                Err(SqlError::new(SqlState::UntranslatableCharacter, "unsupported Unicode escape sequence")
                    .with_detail("\\u0000 cannot be converted to text."))
            }
            Some(character) => {
                out.push(character);
                Ok(())
            }
            None => Err(self.error("Unicode low surrogate must follow a high surrogate.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        canonical(text).unwrap_or_else(|error| error.detail.unwrap_or(error.message))
    }

    #[test]
    fn canonical_form_is_postgresqls() {
        let cases = [
            (r#"{"b":1,"a":[1, 2],"c":1.10, "aa":null}"#, r#"{"a": [1, 2], "b": 1, "c": 1.10, "aa": null}"#),
            (r#"{"b":1,"a":[1, 2],"a":3}"#, r#"{"a": 3, "b": 1}"#),
            (r#""\u00e9""#, "\"é\""),
            (r#""\ud83d\ude00\n""#, "\"😀\\n\""),
            (" [ ] ", "[]"),
            ("{}", "{}"),
            ("1e2", "100"),
            ("{bad", "Token \"bad\" is invalid."),
            ("{\"a\" 1}", "Expected \":\", but found \"1\"."),
            ("[1,", "The input string ended unexpectedly."),
            ("[1 2]", "Expected \",\" or \"]\", but found \"2\"."),
            ("01", "Token \"01\" is invalid."),
            ("", "The input string ended unexpectedly."),
            ("\"\\u12\"", "\"\\u\" must be followed by four hexadecimal digits."),
            ("\"\\u0000\"", "\\u0000 cannot be converted to text."),
            ("\"é", "The input string ended unexpectedly."),
            ("é", "Token \"é\" is invalid."),
            ("1 é", "Token \"é\" is invalid."),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
        assert!(validate("\"\\u0000\"").is_ok());
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(validate(&deep).map_err(|error| error.state), Err(SqlState::StatementTooComplex));
    }
}
