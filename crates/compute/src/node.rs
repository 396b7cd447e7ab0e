//! An operator of a plan with its state: the one place where LIR becomes operators.

use headwater_dataflow::spec::{Mfp, SideState};
use headwater_dataflow::{
    AtMostOne, Delta, Distinct, FlatMap, Join, MapFilterProject, Negate, Reduce, SideInput, SideRelation, SourceDelta,
    StepContext, StepError, Threshold, TopK, Union,
};
use headwater_plan::lir::{NodeId, Operator, Plan};
use headwater_types::{DataType, DeltaBatch, RelationId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The changes of relations that a plan reads, in this step.
pub(crate) type Sources = BTreeMap<RelationId, Arc<SourceDelta>>;

/// Where an operator runs.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Once, over a snapshot.
    OneShot,
    /// On a worker, step by step.
    Worker {
        /// Which; worker 0 has what cannot be divided.
        worker: usize,
        /// Of how many.
        workers: usize,
        /// Whether a relation is a view, of which each worker has its part.
        is_view: &'a dyn Fn(RelationId) -> bool,
    },
}

/// See the module.
pub(crate) enum NodeOperator {
    Constant(Option<DeltaBatch>),
    Source(RelationId, MapFilterProject),
    Mfp(MapFilterProject),
    /// The operator, and the relations that its sides share.
    Join(Box<Join>, [Option<RelationId>; 2]),
    Reduce(Box<Reduce>),
    Distinct(Box<Distinct>),
    TopK(Box<TopK>),
    Union(Union),
    Negate(Negate),
    Threshold(Box<Threshold>),
    FlatMap(Box<FlatMap>),
    AtMostOne(Box<AtMostOne>),
    /// Nothing of it is on this worker.
    Elsewhere,
}

impl NodeOperator {
    /// A node's operator, in its first state.
    pub(crate) fn new(plan: &Plan, id: NodeId, place: Place<'_>) -> Self {
        let node = &plan.nodes[id];
        let first_worker = !matches!(place, Place::Worker { worker: 1.., .. });
        let input = |number: usize| -> &[DataType] { &plan.nodes[node.inputs[number]].types };
        match &node.operator {
            Operator::Constant(rows) => Self::Constant(first_worker.then(|| DeltaBatch::from_rows(&node.types, rows))),
            Operator::Source { relation, mfp } => Self::Source(*relation, MapFilterProject::new(mfp)),
            Operator::Mfp(mfp) => Self::Mfp(MapFilterProject::new(mfp)),
            Operator::Join(join) => {
                let states = [&join.left_state, &join.right_state];
                let shared = [0, 1].map(|side| shared_relation(plan, node.inputs[side], states[side], place));
                let [left, right] = [0, 1].map(|side| match shared[side] {
                    Some((_, mfp)) => SideRelation::Shared { types: input(side).to_vec(), mfp: mfp.clone() },
                    None => SideRelation::Owned { types: input(side).to_vec() },
                });
                Self::Join(Box::new(Join::new(join, left, right)), shared.map(|side| side.map(|(id, _)| id)))
            }
            // An aggregate without GROUP BY has a row even for no input: on one worker only.
            Operator::Reduce(reduce) if reduce.key.is_empty() && !first_worker => Self::Elsewhere,
            Operator::Reduce(reduce) => Self::Reduce(Box::new(Reduce::new(reduce, input(0)))),
            Operator::Distinct => Self::Distinct(Box::new(Distinct::new(input(0)))),
            Operator::TopK(top) => Self::TopK(Box::new(TopK::new(top, input(0)))),
            Operator::Union => Self::Union(Union),
            Operator::Negate => Self::Negate(Negate),
            Operator::Threshold => Self::Threshold(Box::new(Threshold::new(input(0)))),
            Operator::FlatMap(flat_map) => Self::FlatMap(Box::new(FlatMap::new(flat_map))),
            Operator::AtMostOne { key } => Self::AtMostOne(Box::new(AtMostOne::new(key, input(0)))),
        }
    }

    /// The memory that it keeps, about; `None` of an operator without state.
    pub(crate) fn state_bytes(&self) -> Option<usize> {
        match self {
            Self::Join(join, _) => Some(join.state_bytes()),
            Self::Reduce(reduce) => Some(reduce.state_bytes()),
            Self::Distinct(distinct) => Some(distinct.state_bytes()),
            Self::TopK(top) => Some(top.state_bytes()),
            Self::Threshold(threshold) => Some(threshold.state_bytes()),
            Self::AtMostOne(at_most_one) => Some(at_most_one.state_bytes()),
            Self::Constant(_)
            | Self::Source(..)
            | Self::Mfp(_)
            | Self::Union(_)
            | Self::Negate(_)
            | Self::FlatMap(_)
            | Self::Elsewhere => None,
        }
    }

    /// [`NodeOperator::step`] of a node that reads no relation.
    pub(crate) fn step_alone(&mut self, inputs: Vec<Delta>, context: &StepContext<'_>) -> Result<Delta, StepError> {
        self.step(inputs, &Sources::new(), context)
    }

    /// Consumes one step's input deltas, as many as the node has inputs, and returns that step's output delta.
    pub(crate) fn step(
        &mut self,
        inputs: Vec<Delta>,
        sources: &Sources,
        context: &StepContext<'_>,
    ) -> Result<Delta, StepError> {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().expect("a node is given its inputs");
        match self {
            Self::Constant(rows) => Ok(rows.take().map_or_else(Delta::default, Delta::of)),
            Self::Source(relation, mfp) => match sources.get(relation) {
                Some(source) if source.rows() > 0 => {
                    mfp.step(Delta { batches: source.batches.clone(), errors: vec![] }, context)
                }
                _ => Ok(Delta::default()),
            },
            Self::Mfp(mfp) => mfp.step(next(), context),
            Self::Join(join, shared) => {
                let [left, right] = shared.map(|relation| {
                    let source = relation.and_then(|relation| sources.get(&relation)).map(Arc::as_ref);
                    SideInput { delta: next(), source }
                });
                join.step(left, right, context)
            }
            Self::Reduce(reduce) => reduce.step(next(), context),
            Self::Distinct(distinct) => distinct.step(next(), context),
            Self::TopK(top) => top.step(next(), context),
            Self::Union(union) => Ok(union.step(inputs.collect(), context)),
            Self::Negate(negate) => negate.step(next(), context),
            Self::Threshold(threshold) => threshold.step(next(), context),
            Self::FlatMap(flat_map) => flat_map.step(next(), context),
            Self::AtMostOne(at_most_one) => at_most_one.step(next(), context),
            Self::Elsewhere => {
                debug_assert!(inputs.all(|input| input.is_empty()), "rows without a key go to worker 0");
                Ok(Delta::default())
            }
        }
    }
}

/// The relation whose rows a join's side shares, and what the source does to them. The plan decides; but rows of a
/// view's part on another worker cannot be fetched, and a one-shot step shares nothing.
fn shared_relation<'p>(
    plan: &'p Plan,
    input: NodeId,
    state: &SideState,
    place: Place<'_>,
) -> Option<(RelationId, &'p Mfp)> {
    let Operator::Source { relation, mfp } = &plan.nodes[input].operator else { return None };
    let reachable = match place {
        Place::OneShot => false,
        Place::Worker { workers, is_view, .. } => workers == 1 || !is_view(*relation),
    };
    (*state == SideState::Shared && reachable).then_some((*relation, mfp))
}
