//! GROUP BY: from expressions over FROM's columns to expressions over groups.
//!
//! Expressions are bound over the ungrouped columns, with stand-ins for aggregates; here each group expression and each
//! aggregate in them becomes a column of the Aggregate, and a column that is neither is the error 42803.

use super::columns::visit_relation;
use super::expr::AGGREGATE_BASE;
use super::scope::{Namespace, Scope, column};
use super::{Binder, error};
use headwater_expr::Expr;
use headwater_plan::hir::{HirAggregate, HirLeaf, HirRelation, HirScalar};
use headwater_types::{DataType, Result, SqlError, SqlState};
use std::collections::HashMap;

/// How a query groups.
pub(crate) struct Grouping {
    /// The group expressions, over the input.
    keys: Vec<HirScalar>,
    /// Of input columns that are groups by themselves: which.
    columns: HashMap<usize, usize>,
}

impl Grouping {
    pub(crate) fn new(keys: Vec<HirScalar>) -> Self {
        let mut grouping = Self { keys: vec![], columns: HashMap::new() };
        for key in keys {
            grouping.add(key);
        }
        grouping
    }

    fn add(&mut self, key: HirScalar) {
        if self.keys.contains(&key) {
            return;
        }
        if let Expr::Leaf(HirLeaf::Column { level: 0, index, .. }) = key {
            self.columns.insert(index, self.keys.len());
        }
        self.keys.push(key);
    }

    /// Lets columns that a grouped primary key determines stand for groups too.
    pub(crate) fn add_determined(&mut self, binder: &Binder<'_>, namespace: &Namespace) {
        for item in &namespace.items {
            let Some(table) = item.relation.and_then(|id| binder.catalog.table(id)) else { continue };
            if table.hidden_key || item.columns.len() != table.columns.len() {
                continue;
            }
            if table.primary_key.iter().all(|key| self.columns.contains_key(&item.columns[*key].index)) {
                for determined in &item.columns {
                    self.add(column(0, determined.index, determined.data_type.clone()));
                }
            }
        }
    }

    /// The scalar over groups: the keys' columns, then the aggregates'.
    fn rewrite(&self, scalar: &mut HirScalar, scope: &Scope<'_>) -> Result<()> {
        if let Some(group) = self.keys.iter().position(|key| key == scalar) {
            *scalar = column(0, group, scalar.data_type());
            return Ok(());
        }
        match scalar {
            Expr::Leaf(HirLeaf::Column { level: 0, index, .. }) => self.place(index, scope),
            Expr::Leaf(HirLeaf::Column { .. } | HirLeaf::Parameter { .. }) | Expr::Literal(..) => Ok(()),
            Expr::Leaf(
                HirLeaf::Exists(relation)
                | HirLeaf::ScalarSubquery(relation, _)
                | HirLeaf::ArraySubquery { relation, .. },
            ) => self.rewrite_relation(relation, scope),
            Expr::Leaf(HirLeaf::AnySubquery { relation, predicate }) => {
                self.rewrite_relation(relation, scope)?;
                // The predicate sees the subquery's columns first, ours one level out.
                self.rewrite_inner(predicate, scope)
            }
            other => other.children_mut().into_iter().try_for_each(|child| self.rewrite(child, scope)),
        }
    }

    fn rewrite_relation(&self, relation: &mut HirRelation, scope: &Scope<'_>) -> Result<()> {
        let mut result = Ok(());
        visit_relation(relation, |leaf, depth| {
            if let Expr::Leaf(HirLeaf::Column { level, index, .. }) = leaf
                && *level == depth
                && result.is_ok()
            {
                result = self.place(index, scope);
            }
        });
        result
    }

    fn rewrite_inner(&self, predicate: &mut HirScalar, scope: &Scope<'_>) -> Result<()> {
        let mut result = Ok(());
        super::columns::visit_scalar(predicate, |leaf, depth| {
            if let Expr::Leaf(HirLeaf::Column { level, index, .. }) = leaf
                && *level == depth + 1
                && result.is_ok()
            {
                result = self.place(index, scope);
            }
        });
        result
    }

    /// A column's ordinal among the groups and aggregates.
    fn place(&self, index: &mut usize, scope: &Scope<'_>) -> Result<()> {
        if *index >= AGGREGATE_BASE {
            // Stand-ins for aggregates follow the keys; those for set-returning functions stay.
            if *index < super::expr::SET_RETURNING_BASE {
                *index = *index - AGGREGATE_BASE + self.keys.len();
            }
            return Ok(());
        }
        match self.columns.get(index) {
            Some(group) => {
                *index = *group;
                Ok(())
            }
            None => Err(ungrouped(*index, scope)),
        }
    }

    /// The scalars over groups.
    ///
    /// # Errors
    ///
    /// 42803 `column "et.a" must appear in the GROUP BY clause or be used in an aggregate function`.
    pub(crate) fn rewrite_all<'e>(
        &self,
        scalars: impl Iterator<Item = &'e mut HirScalar>,
        scope: &Scope<'_>,
    ) -> Result<()> {
        for scalar in scalars {
            self.rewrite(scalar, scope)?;
        }
        Ok(())
    }

    /// The grouped relation and its number of columns.
    pub(crate) fn aggregate(
        &self,
        input: HirRelation,
        width: usize,
        aggregates: Vec<HirAggregate>,
    ) -> (HirRelation, usize) {
        let mut computed = Vec::new();
        let mut group_key = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            group_key.push(match key {
                Expr::Leaf(HirLeaf::Column { level: 0, index, .. }) => *index,
                other => {
                    computed.push(other.clone());
                    width + computed.len() - 1
                }
            });
        }
        let input =
            if computed.is_empty() { input } else { HirRelation::Map { input: Box::new(input), scalars: computed } };
        let columns = self.keys.len() + aggregates.len();
        (HirRelation::Aggregate { input: Box::new(input), group_key, aggregates }, columns)
    }
}

fn ungrouped(index: usize, scope: &Scope<'_>) -> SqlError {
    let pos = scope.uses.borrow().iter().find(|used| used.index == index).map(|used| used.pos);
    let items = &scope.namespace.items;
    let name = items
        .iter()
        .filter(|item| item.name.is_some())
        .find_map(|item| {
            let column = item.columns.iter().find(|column| column.index == index)?;
            Some(format!("{}.{}", item.name.as_deref().unwrap_or_default(), column.name))
        })
        .or_else(|| {
            scope.namespace.bare_columns().find(|column| column.index == index).map(|column| column.name.clone())
        })
        .unwrap_or_else(|| "?column?".to_owned());
    let message = format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function");
    match pos {
        Some(pos) => error(SqlState::GroupingError, message, pos),
        None => SqlError::new(SqlState::GroupingError, message),
    }
}

/// Whether a type can be grouped, sorted and made distinct.
pub(crate) fn is_groupable(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Json)
}
