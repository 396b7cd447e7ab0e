//! EXPLAIN: a plan as text, an operator a line, inputs indented below it.

mod hir;
mod lir;
mod mir;
mod scalar;
mod state;

use crate::hir::HirQuery;
use crate::rewrite::{self, Purpose};
use crate::{PlanInfo, PlanOptions, SharedPlan, ViewPlan, decorrelate, query_relation, view_relation};
use headwater_catalog::{Grouping, SharedRelation};
use headwater_types::{RelationId, Result};
use std::sync::Arc;

pub use lir::{explain_plan, explain_plan_with};
#[cfg(test)]
pub(crate) use mir::explain as mir_text;
pub(crate) use mir::{call_text as mir_call_text, scalar_text as mir_scalar_text};
pub(crate) use scalar::{aggregate as aggregate_text, scalar as scalar_text};

/// Which stage to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainStage {
    /// The bound query.
    Hir,
    /// Relational algebra after the rewrites.
    Mir,
    /// The dataflow.
    Lir,
}

/// The query's plan as text. `view` plans it as a materialized view.
///
/// # Errors
///
/// As planning.
pub fn explain(
    query: &HirQuery,
    info: &dyn PlanInfo,
    options: &PlanOptions,
    stage: ExplainStage,
    view: bool,
) -> Result<String> {
    decorrelate::with_stack(query, || stage_text(query, info, options, stage, view))
}

fn stage_text(
    query: &HirQuery,
    info: &dyn PlanInfo,
    options: &PlanOptions,
    stage: ExplainStage,
    view: bool,
) -> Result<String> {
    match stage {
        ExplainStage::Hir => Ok(hir::explain(query, info)),
        ExplainStage::Mir => {
            let (relation, purpose) = match view {
                true => (view_relation(query, info)?, Purpose::View),
                false => (query_relation(query, info)?.0, Purpose::Query),
            };
            let (relation, fired) = rewrite::optimize(relation, info, options.rewrites, purpose)?;
            Ok(with_rewrites(mir::explain(&relation, info), &fired))
        }
        ExplainStage::Lir if view => Ok(explain_view(&crate::plan_view(query, info, options)?, info)),
        ExplainStage::Lir => {
            let (plan, finishing) = crate::plan_query(query, info, options)?;
            Ok(explain_plan(&plan, Some(&finishing), info))
        }
    }
}

/// The view's plan, then those of the shared relations that are to be made for it.
pub(crate) fn explain_view(view: &ViewPlan, info: &dyn PlanInfo) -> String {
    let mut text = explain_plan(&view.plan, None, &WithShared { info, shared: &view.shared });
    for shared in &view.shared {
        text += &format!("\nShared relation {}\n{}", shared.id, explain_plan(&shared.plan, None, info));
    }
    text
}

/// What is known, with the shared relations to be made.
struct WithShared<'a> {
    info: &'a dyn PlanInfo,
    shared: &'a [SharedPlan],
}

impl WithShared<'_> {
    fn find(&self, relation: RelationId) -> Option<&SharedPlan> {
        self.shared.iter().find(|shared| shared.id == relation)
    }
}

impl PlanInfo for WithShared<'_> {
    fn name(&self, relation: RelationId) -> String {
        self.find(relation).map_or_else(|| self.info.name(relation), |shared| format!("shared relation {}", shared.id))
    }

    fn column_name(&self, relation: RelationId, column: usize) -> String {
        let shared = self.find(relation).map(|shared| shared.columns[column].name.clone());
        shared.unwrap_or_else(|| self.info.column_name(relation, column))
    }

    fn keys(&self, relation: RelationId) -> Vec<Vec<usize>> {
        self.info.keys(relation)
    }

    fn not_null(&self, relation: RelationId) -> Vec<usize> {
        self.info.not_null(relation)
    }

    fn rows(&self, relation: RelationId) -> Option<u64> {
        self.info.rows(relation)
    }

    fn distinct(&self, relation: RelationId, columns: &[usize]) -> Option<u64> {
        self.info.distinct(relation, columns)
    }

    fn shared_over(&self, relation: RelationId) -> Vec<Arc<SharedRelation>> {
        self.info.shared_over(relation)
    }

    fn groupings_over(&self, relation: RelationId) -> Vec<Grouping> {
        self.info.groupings_over(relation)
    }

    fn shared_details(&self, relation: RelationId) -> Option<String> {
        let shared = self.find(relation).map(|shared| format!("{} (new)", shared.definition));
        shared.or_else(|| self.info.shared_details(relation))
    }
}

/// The text with a last line naming the rewrites that fired.
fn with_rewrites<S: AsRef<str>>(mut text: String, fired: &[S]) -> String {
    if !fired.is_empty() {
        let names: Vec<&str> = fired.iter().map(AsRef::as_ref).collect();
        text.push_str(&format!("Rewrites: {}\n", names.join(", ")));
    }
    text
}

/// Lines indented by depth.
struct Lines {
    text: String,
}

impl Lines {
    fn new() -> Self {
        Self { text: String::new() }
    }

    /// An operator's line.
    fn operator(&mut self, depth: usize, line: &str) {
        match depth {
            0 => self.text.push_str(line),
            _ => {
                self.text.push_str(&"      ".repeat(depth - 1));
                self.text.push_str("  ->  ");
                self.text.push_str(line);
            }
        }
        self.text.push('\n');
    }

    /// A detail of the operator above.
    fn detail(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"      ".repeat(depth));
        self.text.push_str("  ");
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// Items separated by commas.
fn list<T>(items: impl IntoIterator<Item = T>, mut show: impl FnMut(T) -> String) -> String {
    items.into_iter().map(&mut show).collect::<Vec<_>>().join(", ")
}
