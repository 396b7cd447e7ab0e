//! One worker's share of one view: its dataflow, its result, its errors.

use crate::node::Sources;
use crate::runtime::dataflow::{Tick, ViewDataflow};
use crate::runtime::network::Host;
use crate::runtime::{OperatorMemory, ViewInstall, ViewSnapshot};
use headwater_arrange::{RelationSnapshot, TextForm, ZSetRelation};
use headwater_dataflow::spec::Mfp;
use headwater_dataflow::{Delta, MapFilterProject, SourceDelta};
use headwater_plan::lir::{NodeId, Operator, Plan};
use headwater_types::{DataType, DeltaBatch, RelationId, Result, SqlError};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// See the module.
pub(crate) struct HostedView {
    pub(crate) id: RelationId,
    /// The relations that it reads.
    pub(crate) sources: Vec<RelationId>,
    /// 0 if it reads no other view of its network, else one more than the deepest that it reads.
    pub(crate) depth: usize,
    /// Whether it is to take the place of a live one.
    pub(crate) replaces: bool,
    plan: Arc<Plan>,
    dataflow: ViewDataflow,
    types: Arc<[DataType]>,
    store: ZSetRelation,
    snapshot: RelationSnapshot,
    /// The errors of its own operators, with their weights.
    errors: BTreeMap<SqlError, i64>,
    /// What reading it raises: the least of its errors and of those of the views that it reads.
    pub(crate) error: Option<SqlError>,
    /// Whether it has failed: its ticks do nothing any more.
    failed: bool,
}

/// What a tick did to a view.
pub(crate) struct ViewChange {
    /// As views that read it see it; none if its rows stayed.
    pub(crate) change: Option<Arc<SourceDelta>>,
    pub(crate) rows_touched: u64,
}

/// The relations that a plan reads, each once.
pub(crate) fn sources_of(plan: &Plan) -> Vec<RelationId> {
    reads_of(plan).map(|(relation, _)| relation).collect::<BTreeSet<_>>().into_iter().collect()
}

fn reads_of(plan: &Plan) -> impl Iterator<Item = (RelationId, &Mfp)> {
    plan.nodes.iter().filter_map(|node| match &node.operator {
        Operator::Source { relation, mfp } => Some((*relation, mfp)),
        _ => None,
    })
}

/// Whether a node's rows go to reduces only, with maps and filters between.
fn is_only_grouped(plan: &Plan, id: NodeId) -> bool {
    let mut readers = (0..plan.nodes.len()).filter(|reader| plan.nodes[*reader].inputs.contains(&id));
    id != plan.root
        && readers.all(|reader| match plan.nodes[reader].operator {
            Operator::Reduce(_) => true,
            Operator::Mfp(_) => is_only_grouped(plan, reader),
            _ => false,
        })
}

impl HostedView {
    pub(crate) fn new(
        host: &mut Host<'_>,
        install: &ViewInstall,
        replaces: bool,
        is_view: &dyn Fn(RelationId) -> bool,
    ) -> Self {
        let types: Arc<[DataType]> = install.types.clone().into();
        let store = ZSetRelation::new(Arc::clone(&types), install.key.clone());
        let snapshot = store.snapshot();
        let (plan, settings) = (Arc::clone(&install.plan), Arc::clone(&install.settings));
        Self {
            id: install.id,
            sources: sources_of(&plan),
            depth: 0,
            replaces,
            dataflow: ViewDataflow::build(host.timely, Arc::clone(&plan), settings, is_view),
            plan,
            types,
            store,
            snapshot,
            errors: BTreeMap::new(),
            error: None,
            failed: false,
        }
    }

    /// Whether it can be filled in several ticks: in the middle of a backfill a negated input may outweigh what it will
    /// be taken from.
    pub(crate) fn is_divisible(&self) -> bool {
        !self.plan.nodes.iter().any(|node| matches!(node.operator, Operator::Negate))
    }

    /// The columns that it reads of a relation with so many.
    pub(crate) fn demand(&self, relation: RelationId, arity: usize) -> MapFilterProject {
        let reads = reads_of(&self.plan).filter(|(read, _)| *read == relation);
        let columns: BTreeSet<usize> =
            reads.flat_map(|(_, mfp)| MapFilterProject::new(mfp).required().to_vec()).collect();
        MapFilterProject::new(&Mfp { projection: columns.into_iter().collect(), ..Mfp::identity(arity) })
    }

    /// The form in which it takes texts of a relation: dictionaries where only groups are made of them.
    pub(crate) fn text_form(&self, relation: RelationId) -> TextForm {
        let reads = |id: &NodeId| matches!(self.plan.nodes[*id].operator, Operator::Source { relation: r, .. } if r == relation);
        let is_grouped = (0..self.plan.nodes.len()).filter(reads).all(|id| is_only_grouped(&self.plan, id));
        if is_grouped { TextForm::Dictionary } else { TextForm::Plain }
    }

    /// What its operators keep on this worker.
    pub(crate) fn operator_memory(&self, worker: usize) -> Vec<OperatorMemory> {
        let operators = self.dataflow.state_bytes().into_iter();
        operators
            .map(|(node, operator, bytes)| OperatorMemory { relation: self.id, worker, node, operator, bytes })
            .collect()
    }

    /// The result as of the last tick.
    pub(crate) fn snapshot(&self) -> &RelationSnapshot {
        &self.snapshot
    }

    /// The result as of the last tick, for readers.
    pub(crate) fn report(&self) -> ViewSnapshot {
        ViewSnapshot { rows: self.snapshot.clone(), error: self.error.clone() }
    }

    /// The least of the view's own errors.
    pub(crate) fn own_error(&self) -> Option<&SqlError> {
        self.errors.keys().next()
    }

    /// Begins a tick with what it reads of these changes. If it `holds`, another must follow before the view is whole.
    pub(crate) fn begin(&mut self, now_micros: i64, changes: &Sources, holds: bool) {
        let read = self.sources.iter().filter_map(|id| Some((*id, Arc::clone(changes.get(id)?))));
        self.dataflow.begin(now_micros, read.collect(), holds);
    }

    /// Whether its tick is through, on all workers.
    pub(crate) fn is_through(&self) -> bool {
        self.dataflow.is_through()
    }

    /// Applies what the tick, which is through, has made.
    pub(crate) fn finish_tick(&mut self) -> Result<ViewChange> {
        let Tick { mut result, rows_touched, failure, .. } = self.dataflow.take_tick();
        if self.failed {
            return Ok(ViewChange { change: None, rows_touched: 0 });
        }
        for (error, weight) in std::mem::take(&mut result.errors) {
            self.add_error(error, weight);
        }
        let applied = failure.map_or(Ok(()), Err).and_then(|()| self.apply(result));
        let change = applied.inspect_err(|_| self.fail())?;
        let produced = change.as_ref().map_or(0, |change| change.rows());
        let produced = u64::try_from(produced).expect("usize fits u64");
        Ok(ViewChange { change, rows_touched: rows_touched + produced })
    }

    fn fail(&mut self) {
        self.failed = true;
        self.dataflow.poison();
    }

    /// Adds a change to the result. The parts of one that is too large for a batch become one change again: no row has
    /// moved before all are applied.
    fn apply(&mut self, result: Delta) -> Result<Option<Arc<SourceDelta>>> {
        if result.is_empty() {
            return Ok(None);
        }
        let parts = result.consolidated_parts(&self.types)?;
        if parts.is_empty() {
            return Ok(None);
        }
        let batches = parts.iter().map(|part| Ok(self.store.add(part)?)).collect::<Result<Vec<_>>>()?;
        let moves = self.store.compact();
        self.snapshot = self.store.snapshot();
        Ok(Some(Arc::new(SourceDelta { batches, moves, after: self.snapshot.clone() })))
    }

    fn add_error(&mut self, error: SqlError, weight: i64) {
        match self.errors.entry(error) {
            Entry::Vacant(entry) if weight != 0 => {
                entry.insert(weight);
            }
            Entry::Vacant(_) => {}
            Entry::Occupied(mut entry) => {
                *entry.get_mut() = entry.get().saturating_add(weight);
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    /// Takes the place of a view with the same contents. Returns the change of the rows where they differ, as they may
    /// while there are errors, or where they are on other workers now.
    pub(crate) fn take_over(&mut self, old: Self, host: &mut Host<'_>) -> Result<Option<Arc<SourceDelta>>> {
        self.replaces = false;
        self.error = old.error;
        old.dataflow.remove(host.timely);
        if host.workers() > 1 {
            let batches = difference(&self.snapshot, &old.snapshot, &self.types)?;
            let after = self.snapshot.clone();
            return Ok((!batches.is_empty()).then(|| Arc::new(SourceDelta { batches, moves: None, after })));
        }
        let made = std::mem::replace(&mut self.snapshot, old.snapshot);
        // The rows that are there stay: views that read them know them by their ids.
        self.store = old.store;
        if self.errors.is_empty() && old.errors.is_empty() {
            debug_assert!(difference(&made, &self.snapshot, &self.types)?.is_empty(), "the contents are equal");
            return Ok(None);
        }
        let batches = difference(&made, &self.snapshot, &self.types)?;
        self.apply(Delta { batches, errors: vec![] })
    }

    /// Removes the view; on every worker at the same place among its commands.
    pub(crate) fn remove(self, host: &mut Host<'_>) {
        self.dataflow.remove(host.timely);
    }
}

/// What leads from the contents of `before` to those of `after`.
fn difference(after: &RelationSnapshot, before: &RelationSnapshot, types: &[DataType]) -> Result<Vec<DeltaBatch>> {
    let all: Vec<usize> = (0..types.len()).collect();
    let rows = |relation: &RelationSnapshot, sign: i64| -> Vec<DeltaBatch> {
        let signed = |batch: DeltaBatch| {
            DeltaBatch::new(batch.rows, batch.weights.into_iter().map(|weight| sign * weight).collect())
        };
        relation.scan(&all).map(signed).collect()
    };
    let batches = [rows(after, 1), rows(before, -1)].concat();
    Ok(Delta { batches, errors: vec![] }.consolidated_parts(types)?)
}
