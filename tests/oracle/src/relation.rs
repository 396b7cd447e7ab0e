//! Relations: each operator as its definition says.

use crate::scalar::is_true;
use crate::{Interpreter, Row, Scope, ascending, compare, grouped, identity, same};
use headwater_expr::evaluate_table_function;
use headwater_plan::hir::{HirRelation, HirScalar, JoinKind};
use headwater_types::{Datum, Result, SqlError};

impl Interpreter<'_> {
    /// The relation's rows.
    pub(crate) fn relation<'q>(&self, relation: &'q HirRelation, scope: &Scope<'q>) -> Result<Vec<Row>> {
        match relation {
            HirRelation::Constant { rows, .. } => Ok(rows.clone()),
            HirRelation::Get { relation, .. } => Ok((self.stored)(*relation)),
            HirRelation::Let { id, value, body } => {
                let mut inner = scope.clone();
                inner.ctes.insert(*id, (value, scope.rows.len()));
                self.relation(body, &inner)
            }
            HirRelation::LocalGet { id, .. } => {
                let &(value, depth) = scope.ctes.get(id).ok_or_else(|| SqlError::internal("no such CTE"))?;
                let mut outer = scope.clone();
                outer.rows.truncate(depth);
                self.relation(value, &outer)
            }
            HirRelation::Project { input, columns } => Ok(self
                .relation(input, scope)?
                .into_iter()
                .map(|row| columns.iter().map(|&c| row[c].clone()).collect())
                .collect()),
            HirRelation::Map { input, scalars } => self
                .relation(input, scope)?
                .into_iter()
                .map(|row| {
                    let values = scalars.iter().map(|s| self.scalar(s, &row, scope)).collect::<Result<Vec<_>>>()?;
                    Ok(row.into_iter().chain(values).collect())
                })
                .collect(),
            HirRelation::Filter { input, predicates } => {
                let mut kept = Vec::new();
                for row in self.relation(input, scope)? {
                    if self.all(predicates, &row, scope)? {
                        kept.push(row);
                    }
                }
                Ok(kept)
            }
            HirRelation::Join { left, right, on, kind, lateral } => self.join(left, right, on, *kind, *lateral, scope),
            HirRelation::Aggregate { input, group_key, aggregates } => {
                let mut groups = grouped(self.relation(input, scope)?, group_key);
                if group_key.is_empty() && groups.is_empty() {
                    groups.push((vec![], vec![]));
                }
                groups
                    .into_iter()
                    .map(|(mut key, rows)| {
                        for aggregate in aggregates {
                            key.push(self.aggregate(aggregate, &rows, scope)?);
                        }
                        Ok(key)
                    })
                    .collect()
            }
            HirRelation::Distinct(input) => Ok(distinct(self.relation(input, scope)?)),
            HirRelation::TopK { input, group_key, order_by, limit, offset } => {
                let limit = self.count(limit.as_deref())?.unwrap_or(usize::MAX);
                let offset = self.count(offset.as_deref())?.unwrap_or(0);
                let rows = self.relation(input, scope)?;
                let arity = rows.first().map_or(0, Vec::len);
                let keys: Vec<_> = order_by.iter().copied().chain((0..arity).map(ascending)).collect();
                let mut kept = Vec::new();
                for (_, mut members) in grouped(rows, group_key) {
                    members.sort_by(|a, b| compare(a, b, &keys));
                    kept.extend(members.into_iter().skip(offset).take(limit));
                }
                Ok(kept)
            }
            HirRelation::Union(inputs) => {
                let mut all = Vec::new();
                for input in inputs {
                    all.extend(self.relation(input, scope)?);
                }
                Ok(all)
            }
            HirRelation::Except(left, right) => {
                let mut rows = self.relation(left, scope)?;
                for gone in self.relation(right, scope)? {
                    if let Some(i) = rows.iter().position(|row| same(row, &gone)) {
                        rows.swap_remove(i);
                    }
                }
                Ok(rows)
            }
            HirRelation::TableFunction { function, args, types, ordinality } => {
                let args = args.iter().map(|a| self.scalar(a, &[], scope)).collect::<Result<Vec<_>>>()?;
                let rows = evaluate_table_function(*function, &args, types, self.eval)?.to_rows(types);
                let number = |(i, mut row): (usize, Row)| {
                    if *ordinality {
                        row.push(Datum::Int8(i64::try_from(i + 1).expect("few rows")));
                    }
                    row
                };
                Ok(rows.into_iter().enumerate().map(number).collect())
            }
        }
    }

    /// Whether all predicates are true: an AND, in which one that is false drops the errors of the others.
    fn all<'q>(&self, predicates: &'q [HirScalar], row: &[Datum], scope: &Scope<'q>) -> Result<bool> {
        let mut result = Ok(true);
        for predicate in predicates {
            match self.scalar(predicate, row, scope) {
                Ok(value) if is_true(&value) => {}
                Ok(Datum::Null) => result = result.map(|_| false),
                Ok(_) => return Ok(false),
                Err(error) => result = Err(error),
            }
        }
        result
    }

    fn join<'q>(
        &self,
        left: &'q HirRelation,
        right: &'q HirRelation,
        on: &'q HirScalar,
        kind: JoinKind,
        lateral: bool,
        scope: &Scope<'q>,
    ) -> Result<Vec<Row>> {
        let left_rows = self.relation(left, scope)?;
        let fixed = if lateral { vec![] } else { self.relation(right, scope)? };
        let mut matched_right = vec![false; fixed.len()];
        let mut joined = Vec::new();
        for left_row in left_rows {
            let rows = if lateral { self.relation(right, &scope.inside(&left_row))? } else { fixed.clone() };
            let mut matched = false;
            for (i, right_row) in rows.into_iter().enumerate() {
                let pair: Row = left_row.iter().cloned().chain(right_row).collect();
                if is_true(&self.scalar(on, &pair, scope)?) {
                    matched = true;
                    if let Some(flag) = matched_right.get_mut(i) {
                        *flag = true;
                    }
                    joined.push(pair);
                }
            }
            if !matched && matches!(kind, JoinKind::Left | JoinKind::Full) {
                let nulls = std::iter::repeat_n(Datum::Null, right.arity());
                joined.push(left_row.into_iter().chain(nulls).collect());
            }
        }
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            for (row, _) in fixed.into_iter().zip(matched_right).filter(|(_, matched)| !matched) {
                joined.push(std::iter::repeat_n(Datum::Null, left.arity()).chain(row).collect());
            }
        }
        Ok(joined)
    }
}

/// Each row once.
fn distinct(rows: Vec<Row>) -> Vec<Row> {
    let mut kept: Vec<Row> = Vec::new();
    for row in rows {
        match kept.iter_mut().find(|k| same(k, &row)) {
            Some(least) if identity(&row, least).is_lt() => *least = row,
            Some(_) => {}
            None => kept.push(row),
        }
    }
    kept
}
