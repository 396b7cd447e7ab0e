//! MD5, and the encodings of binary data as text.

use super::text::text;
use crate::registry::Call;
use headwater_types::{Datum, Result, SqlError, SqlState};

/// MD5 (RFC 1321) in hexadecimal.
pub(super) fn md5_hex(message: &[u8]) -> String {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let constants: Vec<u32> = (1..=64_u32).map(sine_constant).collect();
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    let bits = u64::try_from(message.len()).expect("a length fits").wrapping_mul(8);
    padded.extend_from_slice(&bits.to_le_bytes());
    for block in padded.as_chunks::<64>().0 {
        let words: Vec<u32> = block.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w)).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for round in 0..64 {
            let (mixed, place) = match round / 16 {
                0 => ((b & c) | (!b & d), round),
                1 => ((d & b) | (!d & c), (5 * round + 1) % 16),
                2 => (b ^ c ^ d, (3 * round + 5) % 16),
                _ => (c ^ (b | !d), (7 * round) % 16),
            };
            let sum = mixed.wrapping_add(a).wrapping_add(constants[round]).wrapping_add(words[place]);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[round / 16][round % 4]));
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d]) {
            *total = total.wrapping_add(part);
        }
    }
    state.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("{byte:02x}")).collect()
}

/// `⌊2³² · |sin n|⌋`
fn sine_constant(n: u32) -> u32 {
    let scaled = (f64::from(n).sin().abs() * 4_294_967_296.0).floor();
    let whole = crate::eval::cast::f64_to_i64(scaled).and_then(|v| u32::try_from(v).ok());
    whole.expect("the product is below 2^32")
}

fn invalid(message: String) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, message)
}

fn bytes(datum: &Datum) -> Result<&[u8]> {
    match datum {
        Datum::Bytes(bytes) => Ok(bytes),
        _ => Err(SqlError::internal("a function of bytea met another type")),
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The characters of a line of base64.
const BASE64_LINE: usize = 76;

/// `encode(bytea, 'hex' | 'base64' | 'escape')`
pub(super) fn encode(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let source = bytes(&args[0])?;
    let format = text(&args[1])?;
    let encoded = match format.to_ascii_lowercase().as_str() {
        "hex" => source.iter().map(|b| format!("{b:02x}")).collect(),
        "base64" => base64(source),
        "escape" => source
            .iter()
            .map(|&b| match b {
                b'\\' => "\\\\".to_owned(),
                0 | 0x80.. => format!("\\{b:03o}"),
                _ => char::from(b).to_string(),
            })
            .collect(),
        _ => return Err(invalid(format!("unrecognized encoding: \"{format}\""))),
    };
    Ok(Datum::text(encoded))
}

fn base64(source: &[u8]) -> String {
    let mut out = String::new();
    for (number, chunk) in source.chunks(3).enumerate() {
        if number > 0 && (number * 4) % BASE64_LINE == 0 {
            out.push('\n');
        }
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).expect("six bits");
            out.push(if place > chunk.len() { '=' } else { char::from(BASE64[digit]) });
        }
    }
    out
}

/// `decode(text, 'hex' | 'base64' | 'escape')`
pub(super) fn decode(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (source, format) = (text(&args[0])?, text(&args[1])?);
    let decoded = match format.to_ascii_lowercase().as_str() {
        "hex" => decode_hex(source)?,
        "base64" => decode_base64(source)?,
        "escape" => decode_escape(source)?,
        _ => return Err(invalid(format!("unrecognized encoding: \"{format}\""))),
    };
    Ok(Datum::Bytes(decoded.into()))
}

fn decode_hex(source: &str) -> Result<Vec<u8>> {
    let mut digits = Vec::with_capacity(source.len());
    for c in source.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r')) {
        let digit = c.to_digit(16).and_then(|d| u8::try_from(d).ok());
        digits.push(digit.ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{c}\"")))?);
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(invalid("invalid hexadecimal data: odd number of digits".to_owned()));
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn decode_base64(source: &str) -> Result<Vec<u8>> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for c in source.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r')) {
        if c == '=' {
            break;
        }
        let digit = u8::try_from(c).ok().and_then(|b| BASE64.iter().position(|&d| d == b));
        let digit =
            digit.ok_or_else(|| invalid(format!("invalid symbol \"{c}\" found while decoding base64 sequence")))?;
        bits = bits << 6 | u32::try_from(digit).expect("six bits");
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).expect("masked to a byte"));
        }
    }
    if held >= 6 {
        return Err(invalid("invalid base64 end sequence".to_owned())
            .with_hint("Input data is missing padding, is truncated, or is otherwise corrupted."));
    }
    Ok(out)
}

fn decode_escape(source: &str) -> Result<Vec<u8>> {
    let bad = || SqlError::new(SqlState::InvalidTextRepresentation, "invalid input syntax for type bytea");
    let mut out = Vec::with_capacity(source.len());
    let mut rest = source.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'\\' {
            out.push(first);
            rest = after;
        } else if after.first() == Some(&b'\\') {
            out.push(b'\\');
            rest = &after[1..];
        } else {
            let digits = after.get(..3).and_then(|d| std::str::from_utf8(d).ok()).ok_or_else(bad)?;
            out.push(u8::from_str_radix(digits, 8).map_err(|_| bad())?);
            rest = &after[3..];
        }
    }
    Ok(out)
}

fn require_utf8(encoding: &str) -> Result<()> {
    match encoding.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        _ => Err(SqlError::unsupported(format!("encoding \"{encoding}\""))),
    }
}

/// `convert_from(bytea, 'UTF8')`
pub(super) fn convert_from(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    require_utf8(text(&args[1])?)?;
    let source = bytes(&args[0])?;
    match std::str::from_utf8(source) {
        Ok(text) if !text.contains('\0') => Ok(Datum::text(text)),
        result => {
            let at = result.err().map_or_else(|| source.iter().position(|b| *b == 0).unwrap_or(0), |e| e.valid_up_to());
            Err(SqlError::new(
                SqlState::CharacterNotInRepertoire,
                format!("invalid byte sequence for encoding \"UTF8\": 0x{:02x}", source[at]),
            ))
        }
    }
}

/// `convert_to(text, 'UTF8')`
pub(super) fn convert_to(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    require_utf8(text(&args[1])?)?;
    Ok(Datum::Bytes(text(&args[0])?.as_bytes().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_of_the_rfc() {
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(md5_hex(b"abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(md5_hex(&[b'a'; 100]), "36a92cc94a9e0fa21f625f8bfb007adf");
    }

    #[test]
    fn base64_goes_both_ways() {
        assert_eq!(base64(b"abc"), "YWJj");
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(decode_base64("YQ==").expect("good"), b"a");
        assert_eq!(decode_hex("00ff").expect("good"), [0, 255]);
        assert_eq!(decode_hex("zz").expect_err("bad").message, "invalid hexadecimal digit: \"z\"");
    }
}
