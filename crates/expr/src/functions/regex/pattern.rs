//! PostgreSQL's advanced regular expressions as the `regex` crate writes them.
//!
//! | PostgreSQL | here |
//! |---|---|
//! | `\y \Y \m \M \A \Z`, `[[:<:]] [[:>:]]` | `\b \B \b{start} \b{end} \A \z` |
//! | `***:…`, `***=…`, `(?flags)` at the start | options |
//! | `.` and `[^…]` match newlines, `^ $` only the ends | `(?s)`; flags n, p, w change it |
//! | `{` that begins no bound | a literal |

use ::regex::{Regex, RegexBuilder};
use headwater_types::{Result, SqlError, SqlState};
use std::iter::Peekable;
use std::str::Chars;

/// Options, from flags and from the pattern's own prefix.
#[derive(Debug, Default, Clone, Copy)]
struct Options {
    insensitive: bool,
    literal: bool,
    extended: bool,
    /// `.` and negated brackets stop at newlines.
    newline_stops: bool,
    /// `^` and `$` match at newlines.
    newline_anchors: bool,
}

impl Options {
    fn set(&mut self, flag: char) -> Result<()> {
        match flag {
            'i' => self.insensitive = true,
            'c' => self.insensitive = false,
            'q' => self.literal = true,
            'x' => self.extended = true,
            't' => self.extended = false,
            'n' | 'm' => (self.newline_stops, self.newline_anchors) = (true, true),
            'p' => (self.newline_stops, self.newline_anchors) = (true, false),
            'w' => (self.newline_stops, self.newline_anchors) = (false, true),
            's' => (self.newline_stops, self.newline_anchors) = (false, false),
            'g' | 'e' | 'b' => {}
            other => {
                return Err(SqlError::new(
                    SqlState::InvalidParameterValue,
                    format!("invalid regular expression option: \"{other}\""),
                ));
            }
        }
        Ok(())
    }
}

fn invalid(reason: &str) -> SqlError {
    SqlError::new(SqlState::InvalidRegularExpression, format!("invalid regular expression: {reason}"))
}

/// Compiles a pattern.
///
/// # Errors
///
/// 2201B with PostgreSQL's reason; 22023 for a flag that is none; 0A000 for back references and look-around.
pub(super) fn compile(source: &str, flags: &str) -> Result<Regex> {
    let mut options = Options::default();
    for flag in flags.chars() {
        options.set(flag)?;
    }
    let mut rest = source;
    if let Some(after) = rest.strip_prefix("***=") {
        options.literal = true;
        rest = after;
    } else if let Some(after) = rest.strip_prefix("***:") {
        rest = after;
    } else if rest.starts_with("***") {
        return Err(invalid("quantifier operand invalid"));
    }
    if !options.literal
        && let Some(inner) = rest.strip_prefix("(?")
        && let Some(end) = inner.find(')')
        && end > 0
        && inner[..end].bytes().all(|b| b.is_ascii_alphabetic())
    {
        for flag in inner[..end].chars() {
            options.set(flag).map_err(|_| invalid("invalid embedded option"))?;
        }
        rest = &inner[end + 1..];
    }
    let translated =
        if options.literal { ::regex::escape(rest) } else { Translation::new(rest, options.extended).run()? };
    RegexBuilder::new(&translated)
        .case_insensitive(options.insensitive)
        .dot_matches_new_line(!options.newline_stops)
        .multi_line(options.newline_anchors)
        .build()
        .map_err(|error| match error {
            ::regex::Error::CompiledTooBig(_) => invalid("regular expression is too complex"),
            _ => invalid(reason_of(&error.to_string())),
        })
}

/// PostgreSQL's words for the crate's.
fn reason_of(message: &str) -> &'static str {
    if message.contains("group") {
        "parentheses () not balanced"
    } else if message.contains("class range") || message.contains("character class range") {
        "invalid character range"
    } else if message.contains("class") {
        "brackets [] not balanced"
    } else if message.contains("repetition operator missing") {
        "quantifier operand invalid"
    } else if message.contains("repetition") {
        "invalid repetition count(s)"
    } else if message.contains("escape") {
        "invalid escape \\ sequence"
    } else {
        "regular expression is too complex"
    }
}

struct Translation<'a> {
    characters: Peekable<Chars<'a>>,
    out: String,
    extended: bool,
    open: usize,
}

impl<'a> Translation<'a> {
    fn new(source: &'a str, extended: bool) -> Self {
        Self { characters: source.chars().peekable(), out: String::with_capacity(source.len() + 8), extended, open: 0 }
    }

    fn run(mut self) -> Result<String> {
        while let Some(c) = self.characters.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.bracket()?,
                '(' => self.group()?,
                ')' => {
                    self.open = self.open.checked_sub(1).ok_or_else(|| invalid("parentheses () not balanced"))?;
                    self.out.push(')');
                }
                '{' => self.bound()?,
                '}' => self.out.push_str("\\}"),
                '#' if self.extended => while self.characters.next_if(|c| *c != '\n').is_some() {},
                c if self.extended && c.is_whitespace() => {}
                c => self.out.push(c),
            }
        }
        if self.open > 0 {
            return Err(invalid("parentheses () not balanced"));
        }
        Ok(self.out)
    }

    fn group(&mut self) -> Result<()> {
        self.out.push('(');
        self.open += 1;
        if self.characters.next_if_eq(&'?').is_some() {
            match self.characters.next() {
                Some(':') => self.out.push_str("?:"),
                Some('=' | '!' | '<') => {
                    return Err(SqlError::unsupported("look-around in a regular expression"));
                }
                Some('#') => {
                    // A comment.
                    self.out.push_str("?:");
                    while self.characters.next_if(|c| *c != ')').is_some() {}
                }
                _ => return Err(invalid("quantifier operand invalid")),
            }
        }
        Ok(())
    }

    /// `{n}`, `{n,}`, `{n,m}`; any other brace is a literal.
    fn bound(&mut self) -> Result<()> {
        if !self.characters.peek().is_some_and(char::is_ascii_digit) {
            self.out.push_str("\\{");
            return Ok(());
        }
        let mut bound = String::from("{");
        loop {
            match self.characters.next() {
                Some('}') => break,
                Some(c) if c.is_ascii_digit() || c == ',' => bound.push(c),
                Some(_) => return Err(invalid("invalid repetition count(s)")),
                None => return Err(invalid("braces {} not balanced")),
            }
        }
        let counts = bound[1..].split(',').filter(|n| !n.is_empty()).map(str::parse::<u32>);
        if counts.into_iter().any(|n| n.is_err() || n.is_ok_and(|n| n > 255)) {
            return Err(invalid("invalid repetition count(s)"));
        }
        bound.push('}');
        self.out.push_str(&bound);
        Ok(())
    }

    fn escape(&mut self) -> Result<()> {
        let Some(c) = self.characters.next() else { return Err(invalid("invalid escape \\ sequence")) };
        match c {
            'y' => self.out.push_str("\\b"),
            'Y' => self.out.push_str("\\B"),
            'm' => self.out.push_str("\\b{start}"),
            'M' => self.out.push_str("\\b{end}"),
            'A' => self.out.push_str("\\A"),
            'Z' => self.out.push_str("\\z"),
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => self.out.extend(['\\', c]),
            _ => {
                let c = self.character_escape(c)?;
                self.literal(c);
            }
        }
        Ok(())
    }

    /// An escape that stands for one character, here and in brackets.
    fn character_escape(&mut self, c: char) -> Result<char> {
        Ok(match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'B' => '\\',
            'e' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '0' => '\0',
            'x' => self.hexadecimal(1, 255)?,
            'u' => self.hexadecimal(4, 4)?,
            'U' => self.hexadecimal(8, 8)?,
            '1'..='9' => return Err(SqlError::unsupported("a back reference in a regular expression")),
            c if c.is_ascii_alphanumeric() => return Err(invalid("invalid escape \\ sequence")),
            c => c,
        })
    }

    fn hexadecimal(&mut self, least: usize, most: usize) -> Result<char> {
        let mut digits = String::new();
        while digits.len() < most
            && let Some(digit) = self.characters.next_if(char::is_ascii_hexdigit)
        {
            digits.push(digit);
        }
        let code = (digits.len() >= least).then(|| u32::from_str_radix(&digits, 16).ok()).flatten();
        code.and_then(char::from_u32).ok_or_else(|| invalid("invalid escape \\ sequence"))
    }

    fn literal(&mut self, c: char) {
        let mut buffer = [0; 4];
        self.out.push_str(&::regex::escape(c.encode_utf8(&mut buffer)));
    }

    /// `[…]`, written anew with everything escaped that the crate would read otherwise.
    fn bracket(&mut self) -> Result<()> {
        let unbalanced = || invalid("brackets [] not balanced");
        for (word, meaning) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
            if self.characters.clone().take(word.len()).eq(word.chars()) {
                self.characters.nth(word.len() - 1);
                self.out.push_str(meaning);
                return Ok(());
            }
        }
        self.out.push('[');
        if self.characters.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.characters.next().ok_or_else(unbalanced)?;
            match c {
                ']' if !first => break,
                '[' if matches!(self.characters.peek(), Some(':' | '.' | '=')) => self.named()?,
                '\\' => {
                    let escaped = self.characters.next().ok_or_else(unbalanced)?;
                    if matches!(escaped, 'd' | 's' | 'w' | 'D' | 'S' | 'W') {
                        self.out.extend(['\\', escaped]);
                    } else {
                        let c = self.character_escape(escaped)?;
                        self.in_bracket(c);
                    }
                }
                '-' if !first && self.characters.peek() != Some(&']') => self.out.push('-'),
                c => self.in_bracket(c),
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    fn in_bracket(&mut self, c: char) {
        if matches!(c, '[' | ']' | '\\' | '^' | '-' | '&' | '~') {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// `[:alpha:]`, `[.x.]`, `[=x=]`
    fn named(&mut self) -> Result<()> {
        let kind = self.characters.next().ok_or_else(|| invalid("brackets [] not balanced"))?;
        let mut name = String::new();
        loop {
            let c = self.characters.next().ok_or_else(|| invalid("brackets [] not balanced"))?;
            if c == kind && self.characters.next_if_eq(&']').is_some() {
                break;
            }
            name.push(c);
        }
        if kind == ':' {
            const CLASSES: [&str; 13] = [
                "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
                "upper", "xdigit",
            ];
            // Letters are Unicode's, as with PostgreSQL in a UTF-8 database.
            match name.as_str() {
                "alpha" => self.out.push_str("\\p{Alphabetic}"),
                "alnum" => self.out.push_str("\\p{Alphabetic}\\p{Nd}"),
                "lower" => self.out.push_str("\\p{Lowercase}"),
                "upper" => self.out.push_str("\\p{Uppercase}"),
                "space" => self.out.push_str("\\s"),
                "word" => self.out.push_str("\\w"),
                name if CLASSES.contains(&name) => self.out.push_str(&format!("[:{name}:]")),
                _ => return Err(invalid("invalid character class")),
            }
            return Ok(());
        }
        let mut characters = name.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) => self.in_bracket(c),
            _ => return Err(invalid("invalid collating element")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(subject: &str, source: &str) -> bool {
        compile(source, "").expect("a good pattern").is_match(subject)
    }

    fn error(source: &str) -> String {
        compile(source, "").expect_err("a bad pattern").message
    }

    #[test]
    fn escapes_and_brackets_translate() {
        assert!(matches("a word here", "\\yword\\y"));
        assert!(!matches("swords", "\\mword"));
        assert!(matches("swords", "words\\M"));
        assert!(matches("the end", "end\\Z"));
        assert!(matches("a]b", "a[]]b"));
        assert!(matches("a-b", "a[x-]b"));
        assert!(matches("a&&b", "a[&]+b"));
        assert!(matches("[", "[[]"));
        assert!(matches("x{y", "x{y"));
        assert!(matches("xxx", "^x{3}$"));
        assert!(matches("ABC", "(?i)abc"));
        assert!(matches("a.c", "***=a.c"));
        assert!(!matches("abc", "***=a.c"));
        assert!(matches("a\nb", "a.b"));
        assert!(matches("foo bar", "[[:<:]]bar[[:>:]]"));
        assert!(matches("É", "^[[:alpha:]]$"));
    }

    #[test]
    fn errors_are_postgresqls() {
        assert_eq!(error("["), "invalid regular expression: brackets [] not balanced");
        assert_eq!(error("("), "invalid regular expression: parentheses () not balanced");
        assert_eq!(error("a)"), "invalid regular expression: parentheses () not balanced");
        assert_eq!(error("*"), "invalid regular expression: quantifier operand invalid");
        assert_eq!(error("a{1,0}"), "invalid regular expression: invalid repetition count(s)");
        assert_eq!(error("a\\"), "invalid regular expression: invalid escape \\ sequence");
        assert!(error("(a)\\1").contains("not supported"));
    }
}
