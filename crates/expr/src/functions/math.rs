//! Arithmetic and mathematical functions.

use crate::eval::arithmetic::{division_by_zero, out_of_range};
use crate::registry::{Arithmetic, Call, Entry, Kernel, function, operator};
use headwater_types::{Datum, Numeric, Result, SqlError, SqlState};
use rust_decimal::Decimal;

const ADD: Kernel = Kernel::Arithmetic(Arithmetic::Add);
const SUB: Kernel = Kernel::Arithmetic(Arithmetic::Sub);
const MUL: Kernel = Kernel::Arithmetic(Arithmetic::Mul);
const DIV: Kernel = Kernel::Arithmetic(Arithmetic::Div);
const REM: Kernel = Kernel::Arithmetic(Arithmetic::Rem);

macro_rules! numbers {
    ($symbol:literal, $kernel:expr) => {
        [
            operator($symbol, "int2,int2", "int2", $kernel).fallible(),
            operator($symbol, "int4,int4", "int4", $kernel).fallible(),
            operator($symbol, "int8,int8", "int8", $kernel).fallible(),
            operator($symbol, "int2,int4", "int4", $kernel).fallible(),
            operator($symbol, "int4,int2", "int4", $kernel).fallible(),
            operator($symbol, "int4,int8", "int8", $kernel).fallible(),
            operator($symbol, "int8,int4", "int8", $kernel).fallible(),
            operator($symbol, "int2,int8", "int8", $kernel).fallible(),
            operator($symbol, "int8,int2", "int8", $kernel).fallible(),
            operator($symbol, "float4,float4", "float4", $kernel).fallible(),
            operator($symbol, "float8,float8", "float8", $kernel).fallible(),
            operator($symbol, "float4,float8", "float8", $kernel).fallible(),
            operator($symbol, "float8,float4", "float8", $kernel).fallible(),
            operator($symbol, "numeric,numeric", "numeric", $kernel).fallible(),
        ]
    };
}

const OPERATORS: [[Entry; 14]; 4] = [numbers!("+", ADD), numbers!("-", SUB), numbers!("*", MUL), numbers!("/", DIV)];

macro_rules! rows {
    ($f:expr) => {
        Kernel::Rows($f)
    };
}

/// The four operators on every pair of number types.
pub(super) fn operators() -> impl Iterator<Item = Entry> {
    OPERATORS.into_iter().flatten()
}

pub(super) const ENTRIES: &[Entry] = &[
    operator("%", "int2,int2", "int2", REM).fallible(),
    operator("%", "int4,int4", "int4", REM).fallible(),
    operator("%", "int8,int8", "int8", REM).fallible(),
    operator("%", "numeric,numeric", "numeric", REM).fallible(),
    function("mod", "int2,int2", "int2", REM).fallible(),
    function("mod", "int4,int4", "int4", REM).fallible(),
    function("mod", "int8,int8", "int8", REM).fallible(),
    function("mod", "numeric,numeric", "numeric", REM).fallible(),
    operator("-", ",int2", "int2", rows!(negate)).fallible(),
    operator("-", ",int4", "int4", rows!(negate)).fallible(),
    operator("-", ",int8", "int8", rows!(negate)).fallible(),
    operator("-", ",float4", "float4", rows!(negate)),
    operator("-", ",float8", "float8", rows!(negate)),
    operator("-", ",numeric", "numeric", rows!(negate)),
    operator("+", ",int2", "int2", rows!(same)),
    operator("+", ",int4", "int4", rows!(same)),
    operator("+", ",int8", "int8", rows!(same)),
    operator("+", ",float4", "float4", rows!(same)),
    operator("+", ",float8", "float8", rows!(same)),
    operator("+", ",numeric", "numeric", rows!(same)),
    operator("@", ",int2", "int2", rows!(abs)).fallible(),
    operator("@", ",int4", "int4", rows!(abs)).fallible(),
    operator("@", ",int8", "int8", rows!(abs)).fallible(),
    operator("@", ",float4", "float4", rows!(abs)),
    operator("@", ",float8", "float8", rows!(abs)),
    operator("@", ",numeric", "numeric", rows!(abs)),
    function("abs", "int2", "int2", rows!(abs)).fallible(),
    function("abs", "int4", "int4", rows!(abs)).fallible(),
    function("abs", "int8", "int8", rows!(abs)).fallible(),
    function("abs", "float4", "float4", rows!(abs)),
    function("abs", "float8", "float8", rows!(abs)),
    function("abs", "numeric", "numeric", rows!(abs)),
    operator("&", "int2,int2", "int2", rows!(bit_and)),
    operator("&", "int4,int4", "int4", rows!(bit_and)),
    operator("&", "int8,int8", "int8", rows!(bit_and)),
    operator("|", "int2,int2", "int2", rows!(bit_or)),
    operator("|", "int4,int4", "int4", rows!(bit_or)),
    operator("|", "int8,int8", "int8", rows!(bit_or)),
    operator("#", "int2,int2", "int2", rows!(bit_xor)),
    operator("#", "int4,int4", "int4", rows!(bit_xor)),
    operator("#", "int8,int8", "int8", rows!(bit_xor)),
    operator("~", ",int2", "int2", rows!(bit_not)),
    operator("~", ",int4", "int4", rows!(bit_not)),
    operator("~", ",int8", "int8", rows!(bit_not)),
    operator("<<", "int2,int4", "int2", rows!(shift_left)),
    operator("<<", "int4,int4", "int4", rows!(shift_left)),
    operator("<<", "int8,int4", "int8", rows!(shift_left)),
    operator(">>", "int2,int4", "int2", rows!(shift_right)),
    operator(">>", "int4,int4", "int4", rows!(shift_right)),
    operator(">>", "int8,int4", "int8", rows!(shift_right)),
    operator("^", "float8,float8", "float8", rows!(power)).fallible(),
    operator("^", "numeric,numeric", "numeric", rows!(numeric_power)).fallible(),
    function("power", "float8,float8", "float8", rows!(power)).fallible(),
    function("power", "numeric,numeric", "numeric", rows!(numeric_power)).fallible(),
    function("pow", "float8,float8", "float8", rows!(power)).fallible(),
    function("pow", "numeric,numeric", "numeric", rows!(numeric_power)).fallible(),
    operator("|/", ",float8", "float8", rows!(sqrt)).fallible(),
    operator("||/", ",float8", "float8", rows!(cbrt)),
    function("sqrt", "float8", "float8", rows!(sqrt)).fallible(),
    function("sqrt", "numeric", "numeric", rows!(numeric_sqrt)).fallible(),
    function("cbrt", "float8", "float8", rows!(cbrt)),
    function("exp", "float8", "float8", rows!(exp)).fallible(),
    function("exp", "numeric", "numeric", rows!(numeric_exp)).fallible(),
    function("ln", "float8", "float8", rows!(ln)).fallible(),
    function("ln", "numeric", "numeric", rows!(numeric_ln)).fallible(),
    function("log", "float8", "float8", rows!(log10)).fallible(),
    function("log", "numeric", "numeric", rows!(numeric_log10)).fallible(),
    function("log10", "float8", "float8", rows!(log10)).fallible(),
    function("log10", "numeric", "numeric", rows!(numeric_log10)).fallible(),
    function("log", "numeric,numeric", "numeric", rows!(numeric_log)).fallible(),
    function("ceil", "float8", "float8", rows!(ceil)),
    function("ceil", "numeric", "numeric", rows!(ceil)).fallible(),
    function("ceiling", "float8", "float8", rows!(ceil)),
    function("ceiling", "numeric", "numeric", rows!(ceil)).fallible(),
    function("floor", "float8", "float8", rows!(floor)),
    function("floor", "numeric", "numeric", rows!(floor)).fallible(),
    function("round", "float8", "float8", rows!(round)),
    function("round", "numeric", "numeric", rows!(round)).fallible(),
    function("round", "numeric,int4", "numeric", rows!(round)).fallible(),
    function("trunc", "float8", "float8", rows!(trunc)),
    function("trunc", "numeric", "numeric", rows!(trunc)),
    function("trunc", "numeric,int4", "numeric", rows!(trunc)),
    function("sign", "float8", "float8", rows!(sign)),
    function("sign", "numeric", "numeric", rows!(sign)),
    function("div", "numeric,numeric", "numeric", rows!(div)).fallible(),
    function("gcd", "int4,int4", "int4", rows!(gcd)).fallible(),
    function("gcd", "int8,int8", "int8", rows!(gcd)).fallible(),
    function("lcm", "int4,int4", "int4", rows!(lcm)).fallible(),
    function("lcm", "int8,int8", "int8", rows!(lcm)).fallible(),
    function("factorial", "int8", "numeric", rows!(factorial)).fallible(),
    function("scale", "numeric", "int4", rows!(scale)),
    function("trim_scale", "numeric", "numeric", rows!(trim_scale)),
    function("pi", "", "float8", rows!(|_, _| Ok(Datum::Float8(std::f64::consts::PI)))),
    function("degrees", "float8", "float8", rows!(|a, _| unary(a, f64::to_degrees))),
    function("radians", "float8", "float8", rows!(|a, _| unary(a, f64::to_radians))),
    function("sin", "float8", "float8", rows!(|a, _| finite_unary(a, f64::sin))).fallible(),
    function("cos", "float8", "float8", rows!(|a, _| finite_unary(a, f64::cos))).fallible(),
    function("tan", "float8", "float8", rows!(|a, _| finite_unary(a, f64::tan))).fallible(),
    function("atan", "float8", "float8", rows!(|a, _| unary(a, f64::atan))),
    function("asin", "float8", "float8", rows!(|a, _| arc(a, f64::asin))).fallible(),
    function("acos", "float8", "float8", rows!(|a, _| arc(a, f64::acos))).fallible(),
    function("atan2", "float8,float8", "float8", rows!(atan2)),
    function("random", "", "float8", rows!(random)).volatile(),
    function("greatest", "variadic anycompatible", "anycompatible", rows!(greatest)).lax(),
    function("least", "variadic anycompatible", "anycompatible", rows!(least)).lax(),
    function("width_bucket", "float8,float8,float8,int4", "int4", rows!(width_bucket)).fallible(),
];

fn unexpected(name: &str) -> SqlError {
    SqlError::internal(format!("{name} met arguments it was not resolved for"))
}

fn same(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(args[0].clone())
}

fn negate(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(match &args[0] {
        Datum::Int2(v) => Datum::Int2(v.checked_neg().ok_or_else(|| out_of_range("smallint"))?),
        Datum::Int4(v) => Datum::Int4(v.checked_neg().ok_or_else(|| out_of_range("integer"))?),
        Datum::Int8(v) => Datum::Int8(v.checked_neg().ok_or_else(|| out_of_range("bigint"))?),
        Datum::Float4(v) => Datum::Float4(-v),
        Datum::Float8(v) => Datum::Float8(-v),
        Datum::Numeric(v) => Datum::Numeric(-*v),
        _ => return Err(unexpected("-")),
    })
}

fn abs(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(match &args[0] {
        Datum::Int2(v) => Datum::Int2(v.checked_abs().ok_or_else(|| out_of_range("smallint"))?),
        Datum::Int4(v) => Datum::Int4(v.checked_abs().ok_or_else(|| out_of_range("integer"))?),
        Datum::Int8(v) => Datum::Int8(v.checked_abs().ok_or_else(|| out_of_range("bigint"))?),
        Datum::Float4(v) => Datum::Float4(v.abs()),
        Datum::Float8(v) => Datum::Float8(v.abs()),
        Datum::Numeric(v) => Datum::Numeric(v.abs()),
        _ => return Err(unexpected("abs")),
    })
}

macro_rules! bitwise {
    ($name:ident, $a:ident, $b:ident, $compute:expr) => {
        fn $name(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
            Ok(match (&args[0], &args[1]) {
                (Datum::Int2($a), Datum::Int2($b)) => Datum::Int2($compute),
                (Datum::Int4($a), Datum::Int4($b)) => Datum::Int4($compute),
                (Datum::Int8($a), Datum::Int8($b)) => Datum::Int8($compute),
                _ => return Err(unexpected(stringify!($name))),
            })
        }
    };
}
bitwise!(bit_and, a, b, a & b);
bitwise!(bit_or, a, b, a | b);
bitwise!(bit_xor, a, b, a ^ b);

fn bit_not(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(match &args[0] {
        Datum::Int2(v) => Datum::Int2(!v),
        Datum::Int4(v) => Datum::Int4(!v),
        Datum::Int8(v) => Datum::Int8(!v),
        _ => return Err(unexpected("~")),
    })
}

/// The distance of a shift: the low bits only, as the machine (and PostgreSQL) has it; of int2, as of int4.
fn distance(datum: &Datum) -> Result<u32> {
    match datum {
        Datum::Int4(v) => Ok(u32::from_ne_bytes(v.to_ne_bytes())),
        _ => Err(unexpected("shift")),
    }
}

fn shift_left(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let by = distance(&args[1])?;
    Ok(match &args[0] {
        Datum::Int2(v) => {
            let [low, high, ..] = i32::from(*v).wrapping_shl(by).to_le_bytes();
            Datum::Int2(i16::from_le_bytes([low, high]))
        }
        Datum::Int4(v) => Datum::Int4(v.wrapping_shl(by)),
        Datum::Int8(v) => Datum::Int8(v.wrapping_shl(by)),
        _ => return Err(unexpected("<<")),
    })
}

fn shift_right(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let by = distance(&args[1])?;
    Ok(match &args[0] {
        Datum::Int2(v) => {
            let [low, high, ..] = i32::from(*v).wrapping_shr(by).to_le_bytes();
            Datum::Int2(i16::from_le_bytes([low, high]))
        }
        Datum::Int4(v) => Datum::Int4(v.wrapping_shr(by)),
        Datum::Int8(v) => Datum::Int8(v.wrapping_shr(by)),
        _ => return Err(unexpected(">>")),
    })
}

fn float(datum: &Datum) -> Result<f64> {
    match datum {
        Datum::Float8(v) => Ok(*v),
        _ => Err(unexpected("a function of float8")),
    }
}

fn numeric(datum: &Datum) -> Result<Numeric> {
    match datum {
        Datum::Numeric(v) => Ok(*v),
        _ => Err(unexpected("a function of numeric")),
    }
}

fn unary(args: &[Datum], compute: fn(f64) -> f64) -> Result<Datum> {
    Ok(Datum::Float8(compute(float(&args[0])?)))
}

fn input_out_of_range() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "input is out of range")
}

fn finite_unary(args: &[Datum], compute: fn(f64) -> f64) -> Result<Datum> {
    if float(&args[0])?.is_infinite() { Err(input_out_of_range()) } else { unary(args, compute) }
}

fn arc(args: &[Datum], compute: fn(f64) -> f64) -> Result<Datum> {
    if float(&args[0])?.abs() > 1.0 { Err(input_out_of_range()) } else { unary(args, compute) }
}

fn atan2(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Float8(float(&args[0])?.atan2(float(&args[1])?)))
}

fn overflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: overflow")
}

fn underflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: underflow")
}

fn power(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (base, exponent) = (float(&args[0])?, float(&args[1])?);
    check_power(base == 0.0, base < 0.0, exponent < 0.0, exponent.is_infinite() || exponent.fract() == 0.0)?;
    let result = base.powf(exponent);
    if base.is_finite() && exponent.is_finite() {
        if result.is_infinite() {
            return Err(overflow());
        }
        if result == 0.0 && base != 0.0 {
            return Err(underflow());
        }
    }
    Ok(Datum::Float8(result))
}

fn check_power(zero: bool, negative: bool, negative_exponent: bool, whole_exponent: bool) -> Result<()> {
    let message = if zero && negative_exponent {
        "zero raised to a negative power is undefined"
    } else if negative && !whole_exponent {
        "a negative number raised to a non-integer power yields a complex result"
    } else {
        return Ok(());
    };
    Err(SqlError::new(SqlState::InvalidArgumentForPowerFunction, message))
}

fn numeric_power(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (base, exponent) = (numeric(&args[0])?, numeric(&args[1])?);
    if let (Numeric::Finite(b), Numeric::Finite(e)) = (base, exponent) {
        check_power(
            b.is_zero(),
            b.is_sign_negative() && !b.is_zero(),
            e.is_sign_negative() && !e.is_zero(),
            e.fract().is_zero(),
        )?;
        if e.fract().is_zero()
            && let Ok(whole) = exponent.to_integer::<i32>("integer")
        {
            return whole_power(base, whole).map(Datum::Numeric);
        }
    }
    approximate(base.to_f64().powf(exponent.to_f64()), 16)
}

/// By squaring; a negative exponent divides at the end.
fn whole_power(base: Numeric, exponent: i32) -> Result<Numeric> {
    let mut result = Numeric::ONE;
    let mut square = base;
    let mut rest = exponent.unsigned_abs();
    while rest > 0 {
        if rest & 1 == 1 {
            result = result.checked_mul(square)?;
        }
        rest >>= 1;
        if rest > 0 {
            square = square.checked_mul(square)?;
        }
    }
    if exponent < 0 { pad(Numeric::ONE.checked_div(result)?) } else { pad(result) }
}

/// At least 16 digits of fraction, as PostgreSQL shows roots and powers.
fn pad(value: Numeric) -> Result<Numeric> {
    match value.scale() {
        Some(scale) if scale < 16 => value.round(16),
        _ => Ok(value),
    }
}

/// A float's value as a numeric of about `digits` significant digits, all that it is good for.
fn approximate(value: f64, digits: i32) -> Result<Datum> {
    if !value.is_finite() {
        return Numeric::from_f64(value).map(Datum::Numeric);
    }
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let whole = crate::eval::cast::f64_to_i64(magnitude).and_then(|m| i32::try_from(m).ok()).unwrap_or(0);
    Numeric::from_f64(value)?.round((digits - whole.max(0)).clamp(0, 16)).map(Datum::Numeric)
}

fn negative_root() -> SqlError {
    SqlError::new(SqlState::InvalidArgumentForPowerFunction, "cannot take square root of a negative number")
}

fn sqrt(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    if float(&args[0])? < 0.0 { Err(negative_root()) } else { unary(args, f64::sqrt) }
}

fn cbrt(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    unary(args, f64::cbrt)
}

fn numeric_sqrt(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let Numeric::Finite(value) = numeric(&args[0])? else {
        return match numeric(&args[0])? {
            Numeric::NegInfinity => Err(negative_root()),
            other => Ok(Datum::Numeric(other)),
        };
    };
    if value.is_sign_negative() && !value.is_zero() {
        return Err(negative_root());
    }
    if value.is_zero() {
        return Numeric::ZERO.round(15).map(Datum::Numeric);
    }
    // Newton's method from the float's root converges to all of a decimal's digits in a few steps.
    let Ok(Numeric::Finite(mut root)) = Numeric::from_f64(Numeric::Finite(value).to_f64().sqrt()) else {
        return Err(unexpected("sqrt"));
    };
    for _ in 0..4 {
        let next =
            value.checked_div(root).and_then(|quotient| quotient.checked_add(root)).map(|sum| sum / Decimal::TWO);
        match next {
            Some(next) if next != root => root = next,
            _ => break,
        }
    }
    let digits = i32::try_from(root.trunc().to_string().len()).unwrap_or(1);
    let scale = i32::try_from(value.scale()).unwrap_or(0).max(if root.trunc().is_zero() { 16 } else { 16 - digits });
    Numeric::Finite(root).round(scale).map(Datum::Numeric)
}

fn exp(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let value = float(&args[0])?;
    let result = value.exp();
    if value.is_finite() && result.is_infinite() {
        return Err(overflow());
    }
    if value.is_finite() && result == 0.0 {
        return Err(underflow());
    }
    Ok(Datum::Float8(result))
}

fn numeric_exp(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    approximate(numeric(&args[0])?.to_f64().exp(), 16)
}

fn check_logarithm(zero: bool, negative: bool) -> Result<()> {
    let message = if zero {
        "cannot take logarithm of zero"
    } else if negative {
        "cannot take logarithm of a negative number"
    } else {
        return Ok(());
    };
    Err(SqlError::new(SqlState::InvalidArgumentForLogarithm, message))
}

fn ln(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let value = float(&args[0])?;
    check_logarithm(value == 0.0, value < 0.0)?;
    unary(args, f64::ln)
}

fn log10(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let value = float(&args[0])?;
    check_logarithm(value == 0.0, value < 0.0)?;
    unary(args, f64::log10)
}

fn logarithm_argument(datum: &Datum) -> Result<f64> {
    let value = numeric(datum)?.to_f64();
    check_logarithm(value == 0.0, value < 0.0)?;
    Ok(value)
}

fn numeric_ln(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    approximate(logarithm_argument(&args[0])?.ln(), 16)
}

fn numeric_log10(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    approximate(logarithm_argument(&args[0])?.log10(), 16)
}

fn numeric_log(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (base, value) = (logarithm_argument(&args[0])?.ln(), logarithm_argument(&args[1])?.ln());
    if base == 0.0 {
        return Err(division_by_zero());
    }
    approximate(value / base, 16)
}

fn ceil(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match &args[0] {
        Datum::Numeric(v) => v.ceil().map(Datum::Numeric),
        _ => unary(args, f64::ceil),
    }
}

fn floor(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match &args[0] {
        Datum::Numeric(v) => v.floor().map(Datum::Numeric),
        _ => unary(args, f64::floor),
    }
}

fn places(args: &[Datum]) -> i32 {
    match args.get(1) {
        Some(Datum::Int4(places)) => *places,
        _ => 0,
    }
}

fn round(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match &args[0] {
        Datum::Numeric(v) => v.round(places(args)).map(Datum::Numeric),
        _ => unary(args, f64::round_ties_even),
    }
}

fn trunc(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match &args[0] {
        Datum::Numeric(v) => v.trunc(places(args)).map(Datum::Numeric),
        _ => unary(args, f64::trunc),
    }
}

fn sign(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match &args[0] {
        Datum::Numeric(v) => Ok(Datum::Numeric(v.sign())),
        _ => unary(args, |v| {
            if v > 0.0 {
                1.0
            } else if v < 0.0 {
                -1.0
            } else {
                0.0
            }
        }),
    }
}

fn div(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    numeric(&args[0])?.checked_div(numeric(&args[1])?)?.trunc(0).map(Datum::Numeric)
}

fn euclid(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}

fn pair(args: &[Datum]) -> Result<(i128, i128)> {
    match (&args[0], &args[1]) {
        (Datum::Int4(a), Datum::Int4(b)) => Ok((i128::from(*a), i128::from(*b))),
        (Datum::Int8(a), Datum::Int8(b)) => Ok((i128::from(*a), i128::from(*b))),
        _ => Err(unexpected("gcd")),
    }
}

fn narrowed(value: i128, like: &Datum) -> Result<Datum> {
    match like {
        Datum::Int4(_) => i32::try_from(value).map(Datum::Int4).map_err(|_| out_of_range("integer")),
        _ => i64::try_from(value).map(Datum::Int8).map_err(|_| out_of_range("bigint")),
    }
}

fn gcd(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (a, b) = pair(args)?;
    narrowed(euclid(a, b), &args[0])
}

fn lcm(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (a, b) = pair(args)?;
    let divisor = euclid(a, b);
    narrowed(if divisor == 0 { 0 } else { (a / divisor * b).abs() }, &args[0])
}

fn factorial(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let Datum::Int8(n) = &args[0] else { return Err(unexpected("factorial")) };
    if *n < 0 {
        return Err(SqlError::new(SqlState::NumericValueOutOfRange, "factorial of a negative number is undefined"));
    }
    let mut product = Numeric::ONE;
    for factor in 2..=*n {
        product = product.checked_mul(Numeric::from_i64(factor))?;
    }
    Ok(Datum::Numeric(product))
}

fn scale(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(match numeric(&args[0])?.scale() {
        Some(scale) => Datum::Int4(i32::try_from(scale).expect("a scale is at most 28")),
        None => Datum::Null,
    })
}

fn trim_scale(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Numeric(match numeric(&args[0])? {
        Numeric::Finite(value) => Numeric::Finite(value.normalize()),
        other => other,
    }))
}

fn random(_: &[Datum], _: &Call<'_>) -> Result<Datum> {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's hasher is seeded by the system, and differently each time.
    let bits = std::collections::hash_map::RandomState::new().build_hasher().finish() >> 11;
    let bits = i64::try_from(bits).expect("53 bits");
    Ok(Datum::Float8(crate::eval::cast::int_to_f64(bits) / 9_007_199_254_740_992.0))
}

fn extreme(args: &[Datum], wanted: std::cmp::Ordering) -> Datum {
    let mut best = &Datum::Null;
    for arg in args.iter().filter(|arg| !arg.is_null()) {
        if best.is_null() || arg.sql_cmp(best) == wanted {
            best = arg;
        }
    }
    best.clone()
}

fn greatest(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(extreme(args, std::cmp::Ordering::Greater))
}

fn least(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(extreme(args, std::cmp::Ordering::Less))
}

fn width_bucket(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (value, low, high) = (float(&args[0])?, float(&args[1])?, float(&args[2])?);
    let Datum::Int4(count) = &args[3] else { return Err(unexpected("width_bucket")) };
    let invalid = |message: &str| Err(SqlError::new(SqlState::InvalidArgumentForWidthBucket, message));
    if *count <= 0 {
        return invalid("count must be greater than zero");
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return invalid("operand, lower bound, and upper bound cannot be NaN");
    }
    if low.is_infinite() || high.is_infinite() {
        return invalid("lower and upper bounds must be finite");
    }
    if low == high {
        return invalid("lower bound cannot equal upper bound");
    }
    let share = (value - low) / (high - low);
    let beyond = count.checked_add(1).ok_or_else(|| out_of_range("integer"));
    if share < 0.0 {
        return Ok(Datum::Int4(0));
    }
    if share >= 1.0 {
        return beyond.map(Datum::Int4);
    }
    let bucket = crate::eval::cast::f64_to_i64((share * f64::from(*count)).floor()).unwrap_or(0);
    Ok(Datum::Int4(i32::try_from(bucket + 1).map_err(|_| out_of_range("integer"))?))
}
