//! Whether a plan is well-formed: every column exists and has the type that is said of it. Debug builds look after each
//! rewrite.

use crate::mir::{JoinKind, Mir};
use headwater_expr::{AggregateFunction, Scalar};
use headwater_types::DataType;
use std::collections::HashMap;

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// A scalar uses a column that is not there, or takes it for another type.
    #[error("{operator}: column {column} is said to be {said:?} and is {found:?}")]
    Column { operator: &'static str, column: usize, said: DataType, found: Option<DataType> },
    /// A condition is not boolean.
    #[error("{operator}: a condition is {found:?}")]
    Condition { operator: &'static str, found: DataType },
    /// An ordinal is out of range.
    #[error("{operator}: column {column} of {arity}")]
    Ordinal { operator: &'static str, column: usize, arity: usize },
    /// The inputs of a union differ.
    #[error("the inputs of a union differ: {left:?}, {right:?}")]
    Union { left: Vec<DataType>, right: Vec<DataType> },
    /// A binding is used outside its body.
    #[error("binding {id} is not in scope, or of other types")]
    Binding { id: usize },
    /// A constant's row has another length.
    #[error("a row of {found} values in a constant of {arity} columns")]
    Row { found: usize, arity: usize },
    /// An aggregate's number of arguments.
    #[error("{function:?} of {found} arguments")]
    Arguments { function: AggregateFunction, found: usize },
}

/// Checks the whole plan.
pub(crate) fn check(mir: &Mir) -> Result<(), Problem> {
    types(mir, &mut HashMap::new()).map(|_| ())
}

type Bindings = HashMap<usize, Vec<DataType>>;

fn scalar(operator: &'static str, scalar: &Scalar, input: &[DataType]) -> Result<(), Problem> {
    let mut problem = Ok(());
    scalar.for_each_leaf(&mut |column| {
        let found = input.get(column.index);
        if problem.is_ok() && !found.is_some_and(|t| t.same_base(&column.data_type)) {
            let (said, found) = (column.data_type.clone(), found.cloned());
            problem = Err(Problem::Column { operator, column: column.index, said, found });
        }
    });
    problem
}

fn condition(operator: &'static str, predicate: &Scalar, input: &[DataType]) -> Result<(), Problem> {
    scalar(operator, predicate, input)?;
    match predicate.data_type() {
        DataType::Bool => Ok(()),
        found => Err(Problem::Condition { operator, found }),
    }
}

fn ordinals(operator: &'static str, columns: impl IntoIterator<Item = usize>, arity: usize) -> Result<(), Problem> {
    match columns.into_iter().find(|&c| c >= arity) {
        None => Ok(()),
        Some(column) => Err(Problem::Ordinal { operator, column, arity }),
    }
}

/// Modifiers do not matter: `varchar(3)` and `varchar` are one type here.
fn alike(a: &[DataType], b: &[DataType]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_base(b))
}

fn types(mir: &Mir, bindings: &mut Bindings) -> Result<Vec<DataType>, Problem> {
    match mir {
        Mir::Constant { rows, types } => match rows.iter().find(|(row, _)| row.len() != types.len()) {
            None => Ok(types.clone()),
            Some((row, _)) => Err(Problem::Row { found: row.len(), arity: types.len() }),
        },
        Mir::Get { types, .. } => Ok(types.clone()),
        Mir::Let { id, value, body } => {
            let value = types(value, bindings)?;
            bindings.insert(*id, value);
            types(body, bindings)
        }
        Mir::LocalGet { id, types } => match bindings.get(id) {
            Some(bound) if alike(bound, types) => Ok(types.clone()),
            _ => Err(Problem::Binding { id: *id }),
        },
        Mir::Project { input, columns } => {
            let input = types(input, bindings)?;
            ordinals("Project", columns.iter().copied(), input.len())?;
            Ok(columns.iter().map(|&c| input[c].clone()).collect())
        }
        Mir::Map { input, scalars } => {
            let mut all = types(input, bindings)?;
            scalars.iter().try_for_each(|s| scalar("Map", s, &all))?;
            all.extend(scalars.iter().map(Scalar::data_type));
            Ok(all)
        }
        Mir::Filter { input, predicates } => {
            let input = types(input, bindings)?;
            predicates.iter().try_for_each(|p| condition("Filter", p, &input))?;
            Ok(input)
        }
        Mir::Join { left, right, kind, on } => {
            let mut all = types(left, bindings)?;
            let l = all.len();
            all.extend(types(right, bindings)?);
            on.iter().try_for_each(|p| condition("Join", p, &all))?;
            if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                all.truncate(l);
            }
            Ok(all)
        }
        Mir::Aggregate { input, group_key, aggregates } => {
            let input = types(input, bindings)?;
            ordinals("Aggregate", group_key.iter().copied(), input.len())?;
            mir_scalars("Aggregate", mir, &input)?;
            for aggregate in aggregates {
                let found = aggregate.args.len();
                if (aggregate.function == AggregateFunction::CountStar) != (found == 0) {
                    return Err(Problem::Arguments { function: aggregate.function, found });
                }
                aggregate.filter.iter().try_for_each(|f| condition("Aggregate", f, &input))?;
            }
            let keys = group_key.iter().map(|&c| input[c].clone());
            Ok(keys.chain(aggregates.iter().map(|a| a.data_type.clone())).collect())
        }
        Mir::TopK { input, group_key, order_by, .. } => {
            let input = types(input, bindings)?;
            ordinals("TopK", group_key.iter().copied().chain(order_by.iter().map(|o| o.column)), input.len())?;
            Ok(input)
        }
        Mir::Union { inputs, types: own } => {
            for input in inputs {
                let found = types(input, bindings)?;
                if !alike(&found, own) {
                    return Err(Problem::Union { left: own.clone(), right: found });
                }
            }
            Ok(own.clone())
        }
        Mir::Distinct { input } | Mir::Negate { input } | Mir::Threshold { input } => types(input, bindings),
        Mir::FlatMap { input, types: own, ordinality, .. } => {
            let mut all = types(input, bindings)?;
            mir_scalars("FlatMap", mir, &all)?;
            all.extend(own.iter().cloned());
            if *ordinality {
                all.push(DataType::Int8);
            }
            Ok(all)
        }
        Mir::AtMostOne { input, key } => {
            let input = types(input, bindings)?;
            ordinals("AtMostOne", key.iter().copied(), input.len())?;
            Ok(input)
        }
    }
}

fn mir_scalars(operator: &'static str, mir: &Mir, input: &[DataType]) -> Result<(), Problem> {
    let mut problem = Ok(());
    mir.for_each_scalar(&mut |s| {
        if problem.is_ok() {
            problem = scalar(operator, s, input);
        }
    });
    problem
}
