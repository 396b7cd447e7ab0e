//! Views, between the catalog's bytes and the dataflows.

use headwater_arrange::RelationSnapshot;
use headwater_catalog::{Catalog, MaterializedView};
use headwater_compute::runtime::ViewInstall;
use headwater_plan::lir::{Operator, Plan};
use headwater_types::{Epoch, RelationId, Result, SqlError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A plan as the catalog keeps it.
pub(crate) fn encode_plan(plan: &Plan) -> Result<Vec<u8>> {
    postcard::to_stdvec(plan).map_err(|e| SqlError::internal(format!("cannot encode a plan: {e}")))
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

/// What the workers need to host a view whose base tables have these snapshots.
///
/// # Errors
///
/// If the stored plan is not readable, or reads what is neither a table nor a view.
pub(crate) fn view_install(
    view: &MaterializedView,
    epoch: Epoch,
    now_micros: i64,
    catalog: &Catalog,
    table: &dyn Fn(RelationId) -> Option<RelationSnapshot>,
) -> Result<ViewInstall> {
    let plan: Plan = postcard::from_bytes(&view.plan)
        .map_err(|e| SqlError::internal(format!("the plan of \"{}\" cannot be read: {e}", view.name)))?;
    let mut inputs = vec![];
    for id in plan_inputs(&plan) {
        match table(id) {
            Some(rows) => inputs.push((id, rows)),
            // The workers have it.
            None if catalog.materialized_view(id).is_some() => {}
            None => {
                return Err(SqlError::internal(format!(
                    "view \"{}\" reads relation {id}, which is not there",
                    view.name
                )));
            }
        }
    }
    Ok(ViewInstall {
        id: view.id,
        types: view.columns.iter().map(|field| field.data_type.clone()).collect(),
        key: plan.key.clone(),
        plan: Arc::new(plan),
        settings: Arc::new(view.settings.clone()),
        inputs,
        epoch,
        now_micros,
    })
}
