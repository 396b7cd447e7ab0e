//! Oracle 0: an interpreter of bound queries, a row at a time, with nested loops. Obviously right, never fast.
//!
//! It shares with the engine the evaluation of one scalar over one row, and nothing else: no plan, no rewrite, no
//! operator, no index. Tests compare the engine with it. Where SQL leaves a choice (rows of a LIMIT that tie), it
//! makes the one that the engine documents: by the other columns, ascending, NULLs last.

mod aggregate;
mod relation;
mod scalar;

use headwater_expr::{ColumnOrder, EvalContext};
use headwater_plan::hir::{HirQuery, HirRelation};
use headwater_types::{Datum, Numeric, RelationId, Result};
use std::cmp::Ordering;
use std::collections::HashMap;

/// One row.
pub type Row = Vec<Datum>;

/// The rows of a stored relation.
pub type Stored<'a> = &'a dyn Fn(RelationId) -> Vec<Row>;

/// The query's rows, in order, its presented columns only.
///
/// # Errors
///
/// The first error met.
pub fn interpret(query: &HirQuery, stored: Stored<'_>, eval: &EvalContext<'_>) -> Result<Vec<Row>> {
    let interpreter = Interpreter { stored, eval };
    let scope = Scope::default();
    let mut rows = interpreter.relation(&query.relation, &scope)?;
    let ties = query.projection.iter().copied().chain(query.order_by.iter().map(|o| o.column));
    let keys: Vec<ColumnOrder> = query.order_by.iter().copied().chain(ties.map(ascending)).collect();
    if !query.order_by.is_empty() {
        rows.sort_by(|a, b| compare(a, b, &keys));
    }
    let limit = interpreter.count(query.limit.as_ref())?;
    let offset = interpreter.count(query.offset.as_ref())?.unwrap_or(0);
    let present = |row: Row| query.projection.iter().map(|&c| row[c].clone()).collect();
    Ok(rows.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX)).map(present).collect())
}

struct Interpreter<'a> {
    stored: Stored<'a>,
    eval: &'a EvalContext<'a>,
}

/// What surrounds a relation.
#[derive(Clone, Default)]
struct Scope<'q> {
    /// The rows of the enclosing scopes, outermost first.
    rows: Vec<Row>,
    /// Common table expressions, and how many scopes each is inside.
    ctes: HashMap<usize, (&'q HirRelation, usize)>,
}

impl Scope<'_> {
    /// One scope further in.
    fn inside(&self, row: &[Datum]) -> Self {
        let mut inner = self.clone();
        inner.rows.push(row.to_vec());
        inner
    }
}

fn ascending(column: usize) -> ColumnOrder {
    ColumnOrder { column, descending: false, nulls_first: false }
}

fn compare_values(a: &Datum, b: &Datum, order: &ColumnOrder) -> Ordering {
    let nulls = if order.nulls_first { Ordering::Less } else { Ordering::Greater };
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => nulls,
        (false, true) => nulls.reverse(),
        (false, false) if order.descending => b.sql_cmp(a),
        (false, false) => a.sql_cmp(b),
    }
}

fn compare(a: &[Datum], b: &[Datum], keys: &[ColumnOrder]) -> Ordering {
    keys.iter()
        .map(|key| compare_values(&a[key.column], &b[key.column], key))
        .find(|o| o.is_ne())
        .unwrap_or_else(|| identity(a, b))
}

/// The order of rows that are equal and perhaps not identical: 1.5 before 1.50, 0 before -0, 24 hours before 1 day.
/// Of such rows the engine shows the least.
fn identity(a: &[Datum], b: &[Datum]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| difference(a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

fn difference(a: &Datum, b: &Datum) -> Ordering {
    let is_negative_zero = |v: f64| v == 0.0 && v.is_sign_negative();
    match (a, b) {
        (Datum::Numeric(Numeric::Finite(a)), Datum::Numeric(Numeric::Finite(b))) => a.scale().cmp(&b.scale()),
        (Datum::Float8(a), Datum::Float8(b)) => is_negative_zero(*a).cmp(&is_negative_zero(*b)),
        (Datum::Interval(a), Datum::Interval(b)) => (a.months, a.days).cmp(&(b.months, b.days)),
        (Datum::Array(a), Datum::Array(b)) => identity(&a.values, &b.values),
        _ => Ordering::Equal,
    }
}

/// Whether two rows are equal as DISTINCT and GROUP BY see it.
fn same(a: &[Datum], b: &[Datum]) -> bool {
    a.iter().zip(b).all(|(a, b)| compare_values(a, b, &ascending(0)).is_eq())
}

/// Rows in groups of equal keys, in the order of their first rows.
fn grouped(rows: Vec<Row>, key: &[usize]) -> Vec<(Row, Vec<Row>)> {
    let mut groups: Vec<(Row, Vec<Row>)> = Vec::new();
    for row in rows {
        let values: Row = key.iter().map(|&c| row[c].clone()).collect();
        match groups.iter_mut().find(|(k, _)| same(k, &values)) {
            Some((least, members)) => {
                if identity(&values, least).is_lt() {
                    *least = values;
                }
                members.push(row);
            }
            None => groups.push((values, vec![row])),
        }
    }
    groups
}
