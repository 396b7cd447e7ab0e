//! Views as their definitions: what a transaction reads when it has changed what a view is made of, or has made the
//! view itself and not yet committed.

use super::Session;
use crate::visible::State;
use headwater_catalog::{Catalog, MaterializedView, RelationRef};
use headwater_plan::hir::{HirQuery, HirRelation};
use headwater_plan::hir_visit::{HirVisitorMut, walk_query_mut, walk_relation_mut};
use headwater_sql::{BindContext, BoundStatement, bind, parse_script};
use headwater_types::{RelationId, Result, SqlError};
use std::collections::BTreeSet;

/// How deep views may be stacked on views.
const VIEW_DEPTH_MAX: usize = 64;

impl Session {
    /// Puts definitions in the place of materialized views whose stored rows are not what this transaction must see.
    pub(super) fn expand_changed_views(&self, query: &mut HirQuery, state: &State, catalog: &Catalog) -> Result<()> {
        let Some(transaction) = &self.transaction else { return Ok(()) };
        if transaction.is_clean() {
            return Ok(());
        }
        let written: BTreeSet<RelationId> = transaction.written_tables().collect();
        let mut expansion = Expansion { state, catalog, written, now_micros: self.now_micros(), depth: 0, error: None };
        walk_query_mut(&mut expansion, query);
        expansion.error.map_or(Ok(()), Err)
    }
}

struct Expansion<'a> {
    state: &'a State,
    catalog: &'a Catalog,
    written: BTreeSet<RelationId>,
    now_micros: i64,
    depth: usize,
    error: Option<SqlError>,
}

impl Expansion<'_> {
    /// Whether the relation's stored rows are out of date for this transaction.
    fn is_changed(&self, relation: RelationId) -> bool {
        let mut open = vec![relation];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if self.written.contains(&id) {
                return true;
            }
            if seen.insert(id)
                && let Some(found) = self.catalog.relation(id)
            {
                open.extend(found.depends_on());
            }
        }
        false
    }

    fn definition(&self, id: RelationId) -> Result<Option<HirRelation>> {
        let Some(RelationRef::MaterializedView(view)) = self.catalog.relation(id) else { return Ok(None) };
        if self.state.relations.contains_key(&id) && !self.is_changed(id) {
            return Ok(None);
        }
        if self.depth > VIEW_DEPTH_MAX {
            return Err(SqlError::unsupported("reading views stacked this deep in a transaction that changes them"));
        }
        Ok(Some(presented(view_query(&view, self.catalog, self.now_micros)?)))
    }
}

/// A materialized view's query, bound anew.
pub(super) fn view_query(view: &MaterializedView, catalog: &Catalog, now_micros: i64) -> Result<HirQuery> {
    let statements = parse_script(&view.sql)?;
    let context = BindContext { catalog, settings: &view.settings, parameter_types: &[], now_micros };
    let [statement] = &statements[..] else {
        return Err(SqlError::internal(format!("the text of view \"{}\" is not one statement", view.name)));
    };
    match bind(statement, &context)?.statement {
        BoundStatement::Query(query) => Ok(query),
        _ => Err(SqlError::internal(format!("the text of view \"{}\" is not a query", view.name))),
    }
}

impl HirVisitorMut for Expansion<'_> {
    fn relation(&mut self, relation: &mut HirRelation) {
        if let HirRelation::Get { relation: id, .. } = relation {
            match self.definition(*id) {
                Ok(None) => {}
                Ok(Some(definition)) => {
                    *relation = definition;
                    self.depth += 1;
                    self.relation(relation);
                    self.depth -= 1;
                }
                Err(error) => self.error = Some(error),
            }
            return;
        }
        walk_relation_mut(self, relation);
    }
}

/// A query's presented rows as a relation.
pub(super) fn presented(query: HirQuery) -> HirRelation {
    let mut relation = query.relation;
    if query.limit.is_some() || query.offset.is_some() {
        relation = HirRelation::TopK {
            input: Box::new(relation),
            group_key: vec![],
            order_by: query.order_by,
            limit: query.limit.map(Box::new),
            offset: query.offset.map(Box::new),
        };
    }
    HirRelation::Project { input: Box::new(relation), columns: query.projection }
}
