//! `to_char` and `to_number` of numbers: `9 0 . D , G FM S MI PL SG PR L TH` and `V` is 0A000.

use crate::functions::text::text;
use crate::registry::Call;
use headwater_types::{Datum, Numeric, Result, SqlError, SqlState};

/// A number template.
#[derive(Debug, Default)]
struct Template {
    /// Digit places and separators before the point, in order: '9', '0', ',' or a literal.
    whole: Vec<Place>,
    /// And behind it.
    fraction: Vec<Place>,
    has_point: bool,
    fill_mode: bool,
    sign: Sign,
    ordinal: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nine,
    Zero,
    Group,
    Literal(char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sign {
    /// Before the number, a blank for plus.
    #[default]
    Default,
    /// S in front: − or +, next to the number.
    Leading,
    /// S behind.
    Trailing,
    /// MI
    Minus { leading: bool },
    /// PL
    Plus { leading: bool },
    /// PR
    Angle,
}

fn parse(source: &str) -> Result<Template> {
    let mut template = Template::default();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let starts = |word: &str| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let in_front = template.whole.is_empty() && !template.has_point;
        let taken = if starts("FM") {
            template.fill_mode = true;
            2
        } else if starts("MI") {
            template.sign = Sign::Minus { leading: in_front };
            2
        } else if starts("PL") {
            template.sign = Sign::Plus { leading: in_front };
            2
        } else if starts("SG") {
            template.sign = if in_front { Sign::Leading } else { Sign::Trailing };
            2
        } else if starts("PR") {
            template.sign = Sign::Angle;
            2
        } else if starts("TH") {
            template.ordinal = Some(rest.starts_with('T'));
            2
        } else if starts("S") {
            template.sign = if in_front { Sign::Leading } else { Sign::Trailing };
            1
        } else if starts("EEEE") || starts("RN") || starts("V") {
            return Err(SqlError::unsupported("a number template with EEEE, RN or V"));
        } else if first == '"' {
            let quoted = rest[1..].split('"').next().unwrap_or("");
            for c in quoted.chars() {
                template.push(Place::Literal(c));
            }
            (quoted.len() + 2).min(rest.len())
        } else {
            match first {
                '9' => template.push(Place::Nine),
                '0' => template.push(Place::Zero),
                ',' | 'G' | 'g' => template.push(Place::Group),
                '.' | 'D' | 'd' => {
                    if template.has_point {
                        return Err(SqlError::new(SqlState::SyntaxError, "multiple decimal points"));
                    }
                    template.has_point = true;
                }
                'L' | 'l' => template.push(Place::Literal(' ')),
                other => template.push(Place::Literal(other)),
            }
            first.len_utf8()
        };
        rest = &rest[taken..];
    }
    Ok(template)
}

impl Template {
    fn push(&mut self, place: Place) {
        if self.has_point { self.fraction.push(place) } else { self.whole.push(place) }
    }
}

fn digits(places: &[Place]) -> usize {
    places.iter().filter(|p| matches!(p, Place::Nine | Place::Zero)).count()
}

pub(super) fn to_char(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let template = parse(text(&args[1])?)?;
    let fraction_digits = digits(&template.fraction);
    // Floats round their binary value half to even, as C's printf.
    let printed =
        |v: f64| if v.is_finite() { Numeric::parse(&format!("{v:.fraction_digits$}")) } else { Numeric::from_f64(v) };
    let value = match &args[0] {
        Datum::Int4(v) => Numeric::from_i64(i64::from(*v)),
        Datum::Int8(v) => Numeric::from_i64(*v),
        Datum::Float4(v) => printed(f64::from(*v))?,
        Datum::Float8(v) => printed(*v)?,
        Datum::Numeric(v) => *v,
        _ => return Err(SqlError::internal("to_char met a type it was not resolved for")),
    };
    let rounded = value.round(i32::try_from(fraction_digits).unwrap_or(i32::MAX))?;
    let Numeric::Finite(decimal) = rounded else {
        return Err(SqlError::unsupported("to_char of NaN or infinity"));
    };
    let negative = decimal.is_sign_negative() && !decimal.is_zero();
    let plain = decimal.abs().to_string();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    Ok(Datum::text(render(&template, negative, whole, fraction)))
}

fn render(template: &Template, negative: bool, whole: &str, fraction: &str) -> String {
    let places = digits(&template.whole);
    // A number that does not fit shows as #.
    let significant = if whole == "0" { "" } else { whole };
    let overflow = significant.len() > places;
    let padded = format!("{significant:>places$}");
    let mut source = padded.chars();
    let leading = template.whole.iter().take_while(|place| matches!(place, Place::Literal(_)));
    let prefix: String = leading.map(|place| if let Place::Literal(c) = place { *c } else { ' ' }).collect();
    let mut body = String::new();
    let (mut started, mut zeros) = (false, false);
    let only_fraction = template.has_point && digits(&template.fraction) > 0;
    let mut remaining = places;
    for place in template.whole.iter().skip(prefix.chars().count()) {
        match place {
            Place::Nine | Place::Zero => {
                remaining -= 1;
                zeros |= *place == Place::Zero;
                let digit = source.next().unwrap_or(' ');
                if overflow {
                    body.push('#');
                    started = true;
                } else if digit != ' ' {
                    started = true;
                    body.push(digit);
                } else if zeros || (remaining == 0 && !only_fraction) {
                    started = true;
                    body.push('0');
                } else {
                    body.push(' ');
                }
            }
            Place::Group => body.push(if started { ',' } else { ' ' }),
            Place::Literal(c) => body.push(*c),
        }
    }
    if template.has_point {
        body.push('.');
        let mut source = fraction.chars();
        let mut last = body.len();
        for place in &template.fraction {
            match place {
                Place::Nine | Place::Zero => {
                    let digit = source.next().unwrap_or('0');
                    body.push(if overflow { '#' } else { digit });
                    if digit != '0' || *place == Place::Zero || overflow {
                        last = body.len();
                    }
                }
                Place::Group => body.push(','),
                Place::Literal(c) => body.push(*c),
            }
        }
        if template.fill_mode {
            body.truncate(last);
        }
    }
    prefix + &signed(template, negative, &body)
}

/// The sign at its place: next to the first digit where it leads.
fn signed(template: &Template, negative: bool, body: &str) -> String {
    let trimmed = body.trim_start_matches(' ');
    let blanks = if template.fill_mode { "" } else { &body[..body.len() - trimmed.len()] };
    let shown = match template.sign {
        Sign::Default => format!(
            "{blanks}{}{trimmed}",
            if negative {
                "-"
            } else if template.fill_mode {
                ""
            } else {
                " "
            }
        ),
        Sign::Leading => format!("{blanks}{}{trimmed}", if negative { '-' } else { '+' }),
        Sign::Trailing => format!("{blanks}{trimmed}{}", if negative { '-' } else { '+' }),
        Sign::Minus { leading } => {
            let sign = if negative {
                "-"
            } else if template.fill_mode {
                ""
            } else {
                " "
            };
            if leading { format!("{sign}{blanks}{trimmed}") } else { format!("{blanks}{trimmed}{sign}") }
        }
        Sign::Plus { leading } => {
            let unsigned = if template.fill_mode { "" } else { " " };
            let (plus, minus) = if negative { (unsigned, "-") } else { ("+", unsigned) };
            if leading { format!("{plus}{blanks}{minus}{trimmed}") } else { format!("{blanks}{minus}{trimmed}{plus}") }
        }
        Sign::Angle if negative => format!("{blanks}<{trimmed}>"),
        Sign::Angle if template.fill_mode => trimmed.to_owned(),
        Sign::Angle => format!(" {blanks}{trimmed} "),
    };
    let ordinal = template.ordinal.and_then(|upper| {
        let whole = trimmed.split('.').next()?.replace(',', "").parse::<i64>().ok()?;
        (!negative).then(|| ordinal_suffix(whole, upper))
    });
    shown + ordinal.unwrap_or("")
}

/// `st`, `nd`, `rd`, `th`.
pub(super) fn ordinal_suffix(number: i64, upper: bool) -> &'static str {
    let place = match (number / 10 % 10, number % 10) {
        (1, _) => 3,
        (_, 1) => 0,
        (_, 2) => 1,
        (_, 3) => 2,
        _ => 3,
    };
    if upper { ["ST", "ND", "RD", "TH"][place] } else { ["st", "nd", "rd", "th"][place] }
}

/// Reads digits, point and sign by the template; everything else is skipped.
pub(super) fn to_number(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (source, template) = (text(&args[0])?, parse(text(&args[1])?)?);
    let mut number = String::new();
    let mut negative = false;
    for c in source.chars() {
        match c {
            '-' | '<' => negative = true,
            '0'..='9' => number.push(c),
            '.' if template.has_point && !number.contains('.') => number.push('.'),
            '.' => break,
            _ => {}
        }
    }
    if number.is_empty() || number == "." {
        return Err(SqlError::new(
            SqlState::InvalidTextRepresentation,
            format!("invalid input syntax for type numeric: \"{source}\""),
        ));
    }
    let places = i32::try_from(digits(&template.fraction)).unwrap_or(0);
    let value = Numeric::parse(&number)?;
    let value = if value.scale().is_some_and(|s| i32::try_from(s).is_ok_and(|s| s > places)) {
        value.trunc(places)?
    } else {
        value
    };
    Ok(Datum::Numeric(if negative { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str, template: &str) -> String {
        let template = parse(template).expect("a good template");
        let places = i32::try_from(digits(&template.fraction)).expect("few");
        let rounded = Numeric::parse(value).and_then(|v| v.round(places)).expect("a number").to_string();
        let negative = rounded.starts_with('-');
        let plain = rounded.trim_start_matches('-');
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        render(&template, negative, whole, fraction)
    }

    #[test]
    fn numbers_print_by_template() {
        assert_eq!(shown("1234.5", "FM9,999.00"), "1,234.50");
        assert_eq!(shown("1234.5", "9,999.00"), " 1,234.50");
        assert_eq!(shown("-12", "999"), " -12");
        assert_eq!(shown("12", "0999"), " 0012");
        assert_eq!(shown("0.5", "9.9"), "  .5");
        assert_eq!(shown("0.5", "0.9"), " 0.5");
        assert_eq!(shown("1234", "999"), " ###");
        assert_eq!(shown("0", "999"), "   0");
        assert_eq!(shown("1.50", "FM9.99"), "1.5");
        assert_eq!(shown("-5", "9MI"), "5-");
        assert_eq!(shown("5", "S9"), "+5");
    }
}
