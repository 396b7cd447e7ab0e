//! EXPLAIN: a statement's plan as text; with ANALYZE, what each operator did.

use super::query::{Sharing, set_parameters};
use super::{Execution, Session};
use headwater_plan::hir::HirQuery;
use headwater_plan::{ExplainStage, PlanOptions};
use headwater_sql::{BoundStatement, Explain};
use headwater_types::{Datum, Result, SqlError};
use std::time::Instant;

impl Session {
    pub(super) fn explain(&mut self, explain: Explain, parameters: &[Datum]) -> Result<Execution> {
        if explain.json {
            return Err(SqlError::unsupported("EXPLAIN (FORMAT JSON)"));
        }
        let text = match *explain.statement {
            BoundStatement::Query(mut query) => {
                set_parameters(&mut query, parameters);
                if explain.analyze { self.analyze(&mut query)? } else { self.plan_text(query, explain.stage, false)? }
            }
            _ if explain.analyze => {
                return Err(SqlError::unsupported("EXPLAIN ANALYZE of other statements than queries"));
            }
            BoundStatement::CreateMaterializedView(view) => self.plan_text(view.query, explain.stage, true)?,
            BoundStatement::CreateView(view) => self.plan_text(view.query, explain.stage, false)?,
            BoundStatement::Update(mut update) => {
                set_parameters(&mut update.query, parameters);
                self.plan_text(update.query, explain.stage, false)?
            }
            BoundStatement::Delete(mut delete) => {
                set_parameters(&mut delete.query, parameters);
                self.plan_text(delete.query, explain.stage, false)?
            }
            _ => return Err(SqlError::unsupported("EXPLAIN of this statement")),
        };
        let rows = text.lines().map(|line| vec![line.to_owned()]).collect();
        Ok(Execution::Rows(super::utility::text_rows(&["QUERY PLAN"], rows, "EXPLAIN")))
    }

    fn plan_text(&mut self, query: HirQuery, stage: headwater_sql::ExplainStage, is_view: bool) -> Result<String> {
        let state = self.state()?;
        let catalog = self.catalog(&state);
        let stage = match stage {
            headwater_sql::ExplainStage::Hir => ExplainStage::Hir,
            headwater_sql::ExplainStage::Mir => ExplainStage::Mir,
            headwater_sql::ExplainStage::Lir | headwater_sql::ExplainStage::Readable => ExplainStage::Lir,
        };
        let (sharing, share_from) = match is_view {
            true => (Sharing::View, Some(catalog.ids().next_id())),
            false => (self.query_sharing(), None),
        };
        let info = self.info(&catalog, &state, sharing);
        let options = PlanOptions { share_from, ..PlanOptions::default() };
        headwater_plan::explain(&query, &info, &options, stage, is_view)
    }

    /// Runs the query, whose rows nobody sees.
    fn analyze(&mut self, query: &mut HirQuery) -> Result<String> {
        let start = Instant::now();
        let run = self.plan(query)?;
        let planned = Instant::now();
        let state = self.state()?;
        let catalog = self.catalog(&state);
        let text = run.analyze(&self.info(&catalog, &state, self.query_sharing()))?;
        let [planning, execution] =
            [planned - start, planned.elapsed()].map(|time| format!("{:.3} ms", time.as_secs_f64() * 1000.0));
        Ok(format!("{text}Planning Time: {planning}\nExecution Time: {execution}\n"))
    }
}
