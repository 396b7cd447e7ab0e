//! Which function or operator a call means: PostgreSQL's overload rules (`parse_func.c`, `parse_oper.c`).
//!
//! A literal without a type is `unknown` and may become anything; among several candidates the one wins that matches
//! most known arguments exactly, then the one with most preferred types, then the one that reads the unknown literals
//! in one category (text if any candidate takes text).

use super::coercion::{TypeCategory, can_cast, category, common_type_in, is_preferred};
use super::{Function, FunctionRef, TypePattern, lookup_functions, lookup_operators};
use crate::{AggregateFunction, CastContext};
use headwater_types::{DataType, Result, SqlError, SqlState};

const HINT_NO_FUNCTION: &str =
    "No function matches the given name and argument types. You might need to add explicit type casts.";
const HINT_AMBIGUOUS_FUNCTION: &str =
    "Could not choose a best candidate function. You might need to add explicit type casts.";
const HINT_NO_OPERATOR: &str =
    "No operator matches the given name and argument types. You might need to add explicit type casts.";
const HINT_NO_PREFIX_OPERATOR: &str =
    "No operator matches the given name and argument type. You might need to add an explicit type cast.";
const HINT_AMBIGUOUS_OPERATOR: &str =
    "Could not choose a best candidate operator. You might need to add explicit type casts.";

/// What a call means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The function.
    pub function: FunctionRef,
    /// The types its arguments are to be cast to, implicitly. Without modifiers.
    pub arg_types: Vec<DataType>,
    /// The result's type.
    pub data_type: DataType,
}

/// What an aggregate call means: the aggregate, the types its arguments are to be cast to, the result's type.
pub type ResolvedAggregate = (AggregateFunction, Vec<DataType>, DataType);

/// One candidate, its parameters spread to the number of arguments.
pub(super) struct Candidate<T> {
    pub(super) target: T,
    pub(super) params: Vec<TypePattern>,
    pub(super) result: TypePattern,
}

/// Why no candidate was chosen.
pub(super) enum Failure {
    None,
    Ambiguous,
}

/// The function that `name(types…)` calls. Names are lower-case.
///
/// # Errors
///
/// 42883 `function f(integer) does not exist`; 42725 `function f(unknown) is not unique`.
pub fn resolve_function(name: &str, types: &[DataType]) -> Result<Resolved> {
    let candidates = lookup_functions(name).iter().filter_map(|f| spread(f, types.len())).collect();
    match choose(candidates, types) {
        Ok((candidate, arg_types, data_type)) => Ok(Resolved { function: candidate.target, arg_types, data_type }),
        Err(failure) => Err(function_error(name, types, &failure)),
    }
}

/// 42883 or 42725 for `name(types…)`.
pub(super) fn function_error(name: &str, types: &[DataType], failure: &Failure) -> SqlError {
    let list: Vec<String> = types.iter().map(|t| t.without_modifier().sql_name()).collect();
    // Only EXTRACT's own syntax reaches it, which means PostgreSQL's function whatever the search path.
    let schema = if name == "extract" { "pg_catalog." } else { "" };
    let call = format!("{schema}{name}({})", list.join(", "));
    match failure {
        Failure::None => SqlError::new(SqlState::UndefinedFunction, format!("function {call} does not exist"))
            .with_hint(HINT_NO_FUNCTION),
        Failure::Ambiguous => SqlError::new(SqlState::AmbiguousFunction, format!("function {call} is not unique"))
            .with_hint(HINT_AMBIGUOUS_FUNCTION),
    }
}

/// The operator that `left symbol right` means; no `left`: a prefix operator.
///
/// # Errors
///
/// 42883 `operator does not exist: integer = text`; 42725 `operator is not unique: unknown + unknown`.
pub fn resolve_operator(symbol: &str, left: Option<DataType>, right: DataType) -> Result<Resolved> {
    let symbol = if symbol == "!=" { "<>" } else { symbol };
    let types: Vec<DataType> = left.iter().cloned().chain([right.clone()]).collect();
    let candidates: Vec<Candidate<FunctionRef>> =
        lookup_operators(symbol).iter().filter_map(|f| spread(f, types.len())).collect();
    // An unknown literal beside a known type is first tried as that type.
    if let [a, b] = types.as_slice() {
        let assumed = match (a, b) {
            (DataType::Unknown, known) | (known, DataType::Unknown) if *known != DataType::Unknown => {
                Some(vec![known.without_modifier(); 2])
            }
            _ => None,
        };
        if let Some(assumed) = assumed
            && let Some(exact) = candidates.iter().position(|c| matches_exactly(&c.params, &assumed))
            && let Some((arg_types, data_type)) = instantiate(&candidates[exact], &assumed)
        {
            return Ok(Resolved { function: candidates[exact].target, arg_types, data_type });
        }
    }
    match choose(candidates, &types) {
        Ok((candidate, arg_types, data_type)) => Ok(Resolved { function: candidate.target, arg_types, data_type }),
        Err(failure) => Err(operator_error(symbol, left.as_ref(), &right, &failure)),
    }
}

fn operator_error(symbol: &str, left: Option<&DataType>, right: &DataType, failure: &Failure) -> SqlError {
    let name = |t: &DataType| t.without_modifier().sql_name();
    let call = match left {
        Some(left) => format!("{} {symbol} {}", name(left), name(right)),
        None => format!("{symbol} {}", name(right)),
    };
    match failure {
        Failure::None => SqlError::new(SqlState::UndefinedFunction, format!("operator does not exist: {call}"))
            .with_hint(if left.is_some() { HINT_NO_OPERATOR } else { HINT_NO_PREFIX_OPERATOR }),
        Failure::Ambiguous => SqlError::new(SqlState::AmbiguousFunction, format!("operator is not unique: {call}"))
            .with_hint(HINT_AMBIGUOUS_OPERATOR),
    }
}

/// `function` as a candidate for `count` arguments.
fn spread(function: &'static Function, count: usize) -> Option<Candidate<FunctionRef>> {
    let declared = &function.args;
    let params = if function.variadic {
        if count < declared.len() {
            return None;
        }
        let last = declared.last().expect("a variadic function has a parameter");
        declared.iter().chain(std::iter::repeat(last)).take(count).cloned().collect()
    } else if declared.len() == count {
        declared.clone()
    } else {
        return None;
    };
    Some(Candidate { target: FunctionRef(function), params, result: function.result.clone() })
}

type Chosen<T> = (Candidate<T>, Vec<DataType>, DataType);

/// PostgreSQL's `func_get_detail` and `func_select_candidate`.
pub(super) fn choose<T>(candidates: Vec<Candidate<T>>, types: &[DataType]) -> Result<Chosen<T>, Failure> {
    let types: Vec<DataType> = types.iter().map(DataType::without_modifier).collect();
    let take = |mut list: Vec<Candidate<T>>, index: usize| {
        let candidate = list.swap_remove(index);
        let (arg_types, data_type) = instantiate(&candidate, &types).ok_or(Failure::None)?;
        Ok((candidate, arg_types, data_type))
    };
    if let Some(index) = candidates.iter().position(|c| matches_exactly(&c.params, &types)) {
        return take(candidates, index);
    }
    let mut viable: Vec<Candidate<T>> =
        candidates.into_iter().filter(|c| accepts(&c.params, &types) && instantiate(c, &types).is_some()).collect();
    match viable.len() {
        0 => return Err(Failure::None),
        1 => return take(viable, 0),
        _ => {}
    }
    viable = keep_best(viable, |c| count_where(&c.params, &types, |param, known| param.exact() == Some(known)));
    if viable.len() == 1 {
        return take(viable, 0);
    }
    viable = keep_best(viable, |c| {
        count_where(&c.params, &types, |param, known| {
            param.exact().is_some_and(|p| p == known || (category(p) == category(known) && is_preferred(p)))
        })
    });
    if viable.len() == 1 {
        return take(viable, 0);
    }
    let unknowns: Vec<usize> = (0..types.len()).filter(|&i| types[i] == DataType::Unknown).collect();
    if unknowns.is_empty() {
        return Err(Failure::Ambiguous);
    }
    viable = prefer_unknown_categories(viable, &unknowns);
    if viable.len() == 1 {
        return take(viable, 0);
    }
    // Last: suppose the unknown ones to be of the type that all known ones share.
    let mut known = types.iter().filter(|t| **t != DataType::Unknown);
    if let Some(first) = known.next()
        && known.all(|t| t == first)
    {
        let supposed = vec![first.clone(); types.len()];
        let mut accepting = (0..viable.len())
            .filter(|&i| accepts(&viable[i].params, &supposed) && instantiate(&viable[i], &supposed).is_some());
        if let (Some(index), None) = (accepting.next(), accepting.next()) {
            return take(viable, index);
        }
    }
    Err(Failure::Ambiguous)
}

fn matches_exactly(params: &[TypePattern], types: &[DataType]) -> bool {
    params.len() == types.len() && params.iter().zip(types).all(|(p, t)| p.exact() == Some(t))
}

/// Whether every argument converts implicitly to its parameter; polymorphic consistency is `instantiate`'s business.
fn accepts(params: &[TypePattern], types: &[DataType]) -> bool {
    params.iter().zip(types).all(|(param, argument)| match param {
        TypePattern::Exact(wanted) => can_cast(argument, wanted, CastContext::Implicit),
        TypePattern::AnyArray | TypePattern::AnyCompatibleArray => {
            matches!(argument, DataType::Unknown | DataType::AnyArray) || argument.element().is_some()
        }
        TypePattern::AnyNonArray => argument.element().is_none(),
        TypePattern::AnyElement | TypePattern::AnyCompatible | TypePattern::Any => true,
    })
}

fn count_where(params: &[TypePattern], types: &[DataType], good: impl Fn(&TypePattern, &DataType) -> bool) -> usize {
    params.iter().zip(types).filter(|(param, t)| **t != DataType::Unknown && good(param, t)).count()
}

fn keep_best<T>(candidates: Vec<Candidate<T>>, score: impl Fn(&Candidate<T>) -> usize) -> Vec<Candidate<T>> {
    let best = candidates.iter().map(&score).max().unwrap_or(0);
    candidates.into_iter().filter(|c| score(c) == best).collect()
}

/// Keeps the candidates that read every unknown argument in the one category that all (or text) agree on.
fn prefer_unknown_categories<T>(candidates: Vec<Candidate<T>>, unknowns: &[usize]) -> Vec<Candidate<T>> {
    let read = |c: &Candidate<T>, i: usize| match c.params[i].exact() {
        Some(t) => (category(t), is_preferred(t)),
        None => (TypeCategory::Pseudo, false),
    };
    let mut wanted = Vec::with_capacity(unknowns.len());
    for &i in unknowns {
        let mut slot: Option<(TypeCategory, bool)> = None;
        let mut conflict = false;
        for candidate in &candidates {
            let (found, preferred) = read(candidate, i);
            slot = Some(match slot {
                None => (found, preferred),
                Some((current, had)) if current == found => (current, had || preferred),
                Some(_) if found == TypeCategory::String => (found, preferred),
                Some(kept) => {
                    conflict |= kept.0 != TypeCategory::String;
                    kept
                }
            });
        }
        let Some(slot) = slot else { return candidates };
        if conflict && slot.0 != TypeCategory::String {
            return candidates;
        }
        wanted.push(slot);
    }
    let fits = |c: &Candidate<T>| {
        unknowns.iter().zip(&wanted).all(|(&i, &(category, preferred))| {
            let (found, is_preferred) = read(c, i);
            found == category && (!preferred || is_preferred)
        })
    };
    if candidates.iter().any(fits) { candidates.into_iter().filter(fits).collect() } else { candidates }
}

/// The parameters' and the result's types, polymorphic ones decided; `None` if the arguments do not agree.
fn instantiate<T>(candidate: &Candidate<T>, types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let places = || candidate.params.iter().zip(types);
    let polymorphic =
        |p: &TypePattern| matches!(p, TypePattern::AnyElement | TypePattern::AnyArray | TypePattern::AnyNonArray);
    let compatible = |p: &TypePattern| matches!(p, TypePattern::AnyCompatible | TypePattern::AnyCompatibleArray);
    let element_of = |param: &TypePattern, argument: &DataType| match param {
        TypePattern::AnyArray | TypePattern::AnyCompatibleArray => argument.element(),
        _ => Some(argument.without_modifier()),
    };

    let mut element: Option<DataType> = None;
    for (param, argument) in places().filter(|(p, a)| polymorphic(p) && **a != DataType::Unknown) {
        let found = if *argument == DataType::AnyArray { DataType::Text } else { element_of(param, argument)? };
        match &element {
            Some(known) if !known.same_base(&found) => return None,
            _ => element = Some(found.without_modifier()),
        }
    }
    if element.is_none() && places().any(|(p, _)| polymorphic(p)) {
        // Only unknown literals: PostgreSQL cannot determine the type either, except of a lone element, which is text.
        if places().any(|(p, _)| *p == TypePattern::AnyArray) {
            return None;
        }
        element = Some(DataType::Text);
    }
    let common = {
        let found: Option<Vec<DataType>> = places()
            .filter(|(p, a)| compatible(p) && **a != DataType::Unknown)
            .map(|(p, a)| element_of(p, a))
            .collect();
        let found = found?;
        if places().any(|(p, _)| compatible(p)) {
            let common = common_type_in("ARRAY", &found).ok()?.without_modifier();
            if !found.iter().all(|t| can_cast(t, &common, CastContext::Implicit)) {
                return None;
            }
            Some(common)
        } else {
            None
        }
    };
    if element.as_ref().is_some_and(|e| e.element().is_some()) && places().any(|(p, _)| *p == TypePattern::AnyNonArray)
    {
        return None;
    }
    let decide = |param: &TypePattern, argument: Option<&DataType>| -> Option<DataType> {
        Some(match param {
            TypePattern::Exact(t) => t.clone(),
            TypePattern::AnyElement | TypePattern::AnyNonArray => element.clone()?,
            TypePattern::AnyArray => match argument {
                Some(vector @ (DataType::Int2Vector | DataType::OidVector | DataType::AnyArray)) => vector.clone(),
                _ => DataType::Array(Box::new(element.clone()?)),
            },
            TypePattern::AnyCompatible => common.clone()?,
            TypePattern::AnyCompatibleArray => DataType::Array(Box::new(common.clone()?)),
            TypePattern::Any => match argument {
                None | Some(DataType::Unknown) => DataType::Text,
                Some(t) => t.without_modifier(),
            },
        })
    };
    let args = places().map(|(p, a)| decide(p, Some(a))).collect::<Option<Vec<_>>>()?;
    let result = decide(&candidate.result, None)?;
    Some((args, result))
}

/// The aggregates: name, parameters, result, function.
const AGGREGATES: &[(&str, &[&str], &str, AggregateFunction)] = &[
    ("count", &[], "int8", AggregateFunction::CountStar),
    ("count", &["any"], "int8", AggregateFunction::Count),
    ("sum", &["int8"], "numeric", AggregateFunction::Sum),
    ("sum", &["int4"], "int8", AggregateFunction::Sum),
    ("sum", &["int2"], "int8", AggregateFunction::Sum),
    ("sum", &["float4"], "float4", AggregateFunction::Sum),
    ("sum", &["float8"], "float8", AggregateFunction::Sum),
    ("sum", &["interval"], "interval", AggregateFunction::Sum),
    ("sum", &["numeric"], "numeric", AggregateFunction::Sum),
    ("avg", &["int8"], "numeric", AggregateFunction::Avg),
    ("avg", &["int4"], "numeric", AggregateFunction::Avg),
    ("avg", &["int2"], "numeric", AggregateFunction::Avg),
    ("avg", &["numeric"], "numeric", AggregateFunction::Avg),
    ("avg", &["float4"], "float8", AggregateFunction::Avg),
    ("avg", &["float8"], "float8", AggregateFunction::Avg),
    ("avg", &["interval"], "interval", AggregateFunction::Avg),
    ("bool_and", &["bool"], "bool", AggregateFunction::BoolAnd),
    ("every", &["bool"], "bool", AggregateFunction::BoolAnd),
    ("bool_or", &["bool"], "bool", AggregateFunction::BoolOr),
    ("array_agg", &["anynonarray"], "anyarray", AggregateFunction::ArrayAgg),
    ("array_agg", &["anyarray"], "anyarray", AggregateFunction::ArrayAgg),
    ("string_agg", &["text", "text"], "text", AggregateFunction::StringAgg),
];

/// What `min` and `max` take: PostgreSQL's overloads.
const EXTREMES: &[&str] = &[
    "int8",
    "int4",
    "int2",
    "oid",
    "float4",
    "float8",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "text",
    "numeric",
    "anyarray",
    "bpchar",
];

/// Whether there is an aggregate of this (lower-case) name.
#[must_use]
pub fn has_aggregate(name: &str) -> bool {
    matches!(name, "min" | "max") || AGGREGATES.iter().any(|(n, ..)| *n == name)
}

/// The aggregate that `name(types…)` calls; `None` if `name` is no aggregate. `count(*)` is `count` of no arguments.
///
/// The inner error: 42883 `function sum(text) does not exist`, 42725 `function sum(unknown) is not unique`.
#[must_use]
pub fn resolve_aggregate(name: &str, types: &[DataType]) -> Option<Result<ResolvedAggregate>> {
    if !has_aggregate(name) {
        return None;
    }
    let extreme = match name {
        "min" => Some(AggregateFunction::Min),
        "max" => Some(AggregateFunction::Max),
        _ => None,
    };
    let candidates: Vec<Candidate<AggregateFunction>> = if let Some(function) = extreme {
        EXTREMES
            .iter()
            .map(|t| {
                let pattern = TypePattern::parse(t);
                Candidate { target: function, params: vec![pattern.clone()], result: pattern }
            })
            .filter(|c| c.params.len() == types.len())
            .collect()
    } else {
        AGGREGATES
            .iter()
            .filter(|(n, params, ..)| *n == name && params.len() == types.len())
            .map(|&(_, params, result, target)| Candidate {
                target,
                params: params.iter().map(|p| TypePattern::parse(p)).collect(),
                result: TypePattern::parse(result),
            })
            .collect()
    };
    let chosen =
        choose(candidates, types).map(|(candidate, arg_types, data_type)| (candidate.target, arg_types, data_type));
    Some(match chosen {
        Ok((AggregateFunction::ArrayAgg, arg_types, _)) if arg_types[0].element().is_some() => {
            Err(SqlError::unsupported("array_agg of arrays"))
        }
        Ok((function, arg_types, data_type)) => Ok((function, arg_types, data_type)),
        Err(failure) => Err(function_error(name, types, &failure)),
    })
}
