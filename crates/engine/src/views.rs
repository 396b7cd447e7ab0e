//! Views and shared relations, between the catalog's bytes and the dataflows.

use headwater_arrange::RelationSnapshot;
use headwater_catalog::{Catalog, Hosted, SharedRelation};
use headwater_compute::runtime::ViewInstall;
use headwater_plan::SharedPlan;
use headwater_plan::lir::{Operator, Plan};
use headwater_types::{Epoch, RelationId, Result, SessionSettings, SqlError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A plan as the catalog keeps it.
pub(crate) fn encode_plan(plan: &Plan) -> Result<Vec<u8>> {
    postcard::to_stdvec(plan).map_err(|e| SqlError::internal(format!("cannot encode a plan: {e}")))
}

/// A plan from the catalog.
pub(crate) fn decode_plan(bytes: &[u8]) -> Result<Plan> {
    postcard::from_bytes(bytes).map_err(|e| SqlError::internal(format!("a stored plan cannot be read: {e}")))
}

/// A planned shared relation as the catalog keeps it.
pub(crate) fn shared_relation(shared: &SharedPlan, settings: &SessionSettings) -> Result<SharedRelation> {
    Ok(SharedRelation {
        id: shared.id,
        grouping: shared.grouping.clone(),
        definition: shared.definition.clone(),
        columns: shared.columns.clone(),
        settings: settings.clone(),
        plan: encode_plan(&shared.plan)?,
    })
}

/// The stored relations that a plan reads.
pub(crate) fn plan_inputs(plan: &Plan) -> BTreeSet<RelationId> {
    plan.nodes
        .iter()
        .filter_map(|node| match &node.operator {
            Operator::Source { relation, .. } => Some(*relation),
            _ => None,
        })
        .collect()
}

/// What the workers need to host a view or a shared relation whose base tables have these snapshots.
///
/// # Errors
///
/// If the stored plan is not readable, or reads what is neither a table nor a view.
pub(crate) fn view_install(
    view: Hosted<'_>,
    epoch: Epoch,
    now_micros: i64,
    catalog: &Catalog,
    table: &dyn Fn(RelationId) -> Option<RelationSnapshot>,
) -> Result<ViewInstall> {
    let plan = decode_plan(view.plan())?;
    let mut inputs = vec![];
    for id in plan_inputs(&plan) {
        match table(id) {
            Some(rows) => inputs.push((id, rows)),
            // The workers have it.
            None if catalog.hosted(id).is_some() => {}
            None => {
                let what = view.description();
                return Err(SqlError::internal(format!("{what} reads relation {id}, which is not there")));
            }
        }
    }
    Ok(ViewInstall {
        id: view.id(),
        types: view.types(),
        key: plan.key.clone(),
        plan: Arc::new(plan),
        settings: Arc::new(view.settings().clone()),
        inputs,
        epoch,
        now_micros,
    })
}
