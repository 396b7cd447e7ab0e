//! CREATE MATERIALIZED VIEW: the plan, the shared relations that come with it, and the views that read them too from now
//! on.
//!
//! ```text
//! before: table ─▶ [aggregate] ─▶ a             after: table ─▶ shared relation ─▶ a
//!                                                                             └──▶ b
//! ```

use super::Session;
use super::ddl::view_columns;
use super::expand::view_query;
use super::query::{Info, Sharing};
use crate::views::{decode_plan, encode_plan, plan_inputs, shared_relation};
use crate::visible::State;
use headwater_catalog::{Catalog, CatalogChange, Grouping, MaterializedView, PlanReplacement};
use headwater_plan::lir::Plan;
use headwater_plan::{PlanOptions, SharedPlan, ViewPlan, plan_view};
use headwater_sql::CreateView;
use headwater_types::{RelationId, Result, SqlError};
use std::collections::{BTreeMap, BTreeSet};

impl Session {
    pub(super) fn create_materialized_view(&mut self, new: CreateView) -> Result<()> {
        let (state, catalog) = self.ddl_catalog();
        if self.exists_already(&catalog, &new.schema, &new.name, new.if_not_exists)? {
            return Ok(());
        }
        for notice in new.notices.clone() {
            self.notice("NOTICE", headwater_types::SqlState::SuccessfulCompletion, notice);
        }
        let columns = view_columns(&new);
        let mut ids = catalog.ids();
        let info = self.info(&catalog, &state, Sharing::View);
        let options = PlanOptions { share_from: Some(ids.clone().next_id()), ..PlanOptions::default() };
        let ViewPlan { plan, shared, groupings } = plan_view(&new.query, &info, &options)?;
        let read = plan_inputs(&plan).into_iter().chain(shared.iter().map(|shared| shared.grouping.reads));
        if read.into_iter().any(|id| headwater_catalog::system_relation(id).is_some()) {
            return Err(SqlError::unsupported("a materialized view over system relations"));
        }
        for shared in &shared {
            let relation = shared_relation(shared, self.settings())?;
            assert_eq!(relation.id, ids.next_id(), "shared relations are numbered from the id that was given");
            self.transaction().change_catalog(&state, CatalogChange::CreateSharedRelation(relation))?;
        }
        self.share_with_others(&state, &shared)?;
        let view = MaterializedView {
            id: ids.next_id(),
            schema: new.schema,
            name: new.name,
            columns,
            sql: new.sql,
            depends_on: new.depends_on,
            settings: self.settings().clone(),
            owner: self.settings().user.clone(),
            comment: None,
            column_comments: BTreeMap::new(),
            shared: shared_inputs(&plan, &self.catalog(&state)),
            groupings,
            key: plan.key.clone(),
            plan: encode_plan(&plan)?,
        };
        self.transaction().change_catalog(&state, CatalogChange::CreateMaterializedView(view))
    }

    /// Has the views read what is shared from now on that compute it by themselves.
    fn share_with_others(&mut self, state: &State, shared: &[SharedPlan]) -> Result<()> {
        let catalog = self.catalog(state);
        for view in catalog.materialized_views() {
            let agrees = |own: &Grouping| !own.uses_settings || view.settings == *self.settings();
            let is_shared = |own: &Grouping| shared.iter().any(|shared| shared.grouping.safe_places_of(own).is_some());
            if view.groupings.iter().any(|own| agrees(own) && is_shared(own))
                && let Some(replacement) = self.planned_again(view, &catalog, state)?
            {
                self.transaction().change_catalog(state, CatalogChange::ReplacePlan(replacement))?;
            }
        }
        Ok(())
    }

    /// A view's plan, made anew; `None` if its text does not mean any more what it meant when the view was made: a name
    /// may be found elsewhere on the search path by now.
    fn planned_again(
        &self,
        view: &MaterializedView,
        catalog: &Catalog,
        state: &State,
    ) -> Result<Option<PlanReplacement>> {
        let Ok(query) = view_query(view, catalog, self.now_micros()) else { return Ok(None) };
        let info = Info { catalog, state, settings: &view.settings, sharing: Sharing::View };
        let Ok(ViewPlan { plan, groupings, .. }) = plan_view(&query, &info, &PlanOptions::default()) else {
            return Ok(None);
        };
        let old = decode_plan(&view.plan)?;
        let shared = shared_inputs(&plan, catalog);
        let is_same = base_relations(&plan, catalog) == base_relations(&old, catalog)
            && plan.nodes[plan.root].types == old.nodes[old.root].types
            && view.shared.iter().all(|id| shared.contains(id));
        if !is_same {
            return Ok(None);
        }
        let (key, plan) = (plan.key.clone(), encode_plan(&plan)?);
        Ok(Some(PlanReplacement { view: view.id, shared, groupings, key, plan }))
    }
}

/// The shared relations that a plan reads.
fn shared_inputs(plan: &Plan, catalog: &Catalog) -> Vec<RelationId> {
    plan_inputs(plan).into_iter().filter(|id| catalog.shared_relation(*id).is_some()).collect()
}

/// The tables and views that a plan's rows are made of.
fn base_relations(plan: &Plan, catalog: &Catalog) -> BTreeSet<RelationId> {
    let base = |id| catalog.shared_relation(id).map_or(id, |shared| shared.grouping.reads);
    plan_inputs(plan).into_iter().map(base).collect()
}
