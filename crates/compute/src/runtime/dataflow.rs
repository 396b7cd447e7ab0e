//! One view's plan as a timely dataflow: a line of stages, each one operator.
//!
//! ```text
//!  clock ──▶ stage 0 ══exchange══▶ stage 1 ══exchange══▶ … stage n ──▶ probe
//!                │                     │                      │
//!                └──── Rendered: the operators of all stages, what this step changes, its result
//! ```
//!
//! # Invariants
//!
//! 1. Each stage runs exactly once per tick, when its input's frontier has passed the tick: after the stages before it,
//!    on all workers. It holds a capability for the tick until it has run.
//! 2. The worker begins a tick only when the probe has passed the one before, so that what the stages share is always
//!    about one tick.
//! 3. A stage that failed, and those after it, still pass the tick, and all that follow, so that nothing waits for them.
//!
//! The timely input carries no data: tables' changes are in the memory of every worker.

use crate::node::{NodeOperator, Place, Sources};
use crate::runtime::exchange::{Chunk, Parcel, SpreadByKey};
use crate::stages::Stages;
use headwater_dataflow::{Delta, StepContext, StepError};
use headwater_expr::EvalContext;
use headwater_plan::lir::{NodeId, Plan};
use headwater_types::{RelationId, SessionSettings, SqlError};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::Accountable;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Capability, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, Stream};
use timely::worker::Worker as Timely;

type Clock = InputHandle<u64, NoopBuilder<Parcel>>;

/// What the stages of one view on one worker share.
pub(crate) struct Rendered {
    plan: Arc<Plan>,
    stages: Arc<Stages>,
    settings: Arc<SessionSettings>,
    operators: Vec<NodeOperator>,
    /// Each stage's nodes.
    nodes: Vec<Vec<NodeId>>,
    /// Edges by the node they leave.
    leaving: Vec<Vec<usize>>,
    /// How many nodes of its own stage read a node's output.
    local_readers: Vec<usize>,
    /// What arrived for a node's input over an edge.
    arrived: HashMap<(NodeId, usize), Delta>,
    /// Whether operators must not be stepped again.
    poisoned: bool,
    tick: Tick,
}

/// What concerns one tick only.
#[derive(Default)]
pub(crate) struct Tick {
    now_micros: i64,
    /// Whether another tick follows at once, with whose result this one's may come.
    holds: bool,
    /// The changes of the relations that the plan reads.
    sources: Sources,
    pub(crate) result: Delta,
    pub(crate) rows_touched: u64,
    pub(crate) failure: Option<SqlError>,
}

/// A view's dataflow, as its worker holds it.
pub(crate) struct ViewDataflow {
    index: usize,
    clock: Clock,
    probe: ProbeHandle<u64>,
    now: u64,
    rendered: Rc<RefCell<Rendered>>,
}

impl Rendered {
    fn new(plan: Arc<Plan>, stages: Arc<Stages>, settings: Arc<SessionSettings>, place: Place<'_>) -> Self {
        let operators = (0..plan.nodes.len()).map(|id| NodeOperator::new(&plan, id, place)).collect();
        let mut leaving = vec![vec![]; plan.nodes.len()];
        for (place, edge) in stages.edges.iter().enumerate() {
            leaving[edge.from].push(place);
        }
        let mut nodes = vec![vec![]; stages.count];
        let mut local_readers = vec![0; plan.nodes.len()];
        for (id, node) in plan.nodes.iter().enumerate() {
            nodes[stages.stage[id]].push(id);
            for &input in node.inputs.iter().filter(|&&input| stages.stage[input] == stages.stage[id]) {
                local_readers[input] += 1;
            }
        }
        let (arrived, tick) = (HashMap::new(), Tick::default());
        Self { plan, stages, settings, operators, nodes, leaving, local_readers, arrived, poisoned: false, tick }
    }

    fn state_bytes(&self) -> Vec<(NodeId, &'static str, usize)> {
        let operators = self.operators.iter().enumerate();
        let kept = |(id, operator): (NodeId, &NodeOperator)| {
            Some((id, self.plan.nodes[id].operator.name(), operator.state_bytes()?))
        };
        operators.filter_map(kept).collect()
    }

    /// Runs a stage on what arrived, and gives what goes on to the next.
    fn run_stage(&mut self, stage: usize, incoming: Vec<Chunk>) -> Vec<Chunk> {
        let mut outgoing = vec![];
        for chunk in incoming {
            let edge = &self.stages.edges[chunk.edge];
            match edge.to {
                _ if edge.to_stage > stage => outgoing.push(chunk),
                Some(place) => self.arrived.entry(place).or_default().append(chunk.delta),
                None => self.tick.result.append(chunk.delta),
            }
        }
        if !self.poisoned
            && let Err(failure) = self.run_nodes(stage, &mut outgoing)
        {
            self.poisoned = true;
            self.tick.failure = Some(failure);
        }
        outgoing
    }

    fn run_nodes(&mut self, stage: usize, outgoing: &mut Vec<Chunk>) -> Result<(), SqlError> {
        let eval = EvalContext { settings: &self.settings, now_micros: self.tick.now_micros, catalog: None };
        let mut context = StepContext::new(eval, false);
        context.holds = self.tick.holds;
        // By place in the plan: a node's output, and how many have yet to take it.
        let mut outputs: Vec<Option<(Delta, usize)>> = vec![None; self.plan.nodes.len()];
        for &id in &self.nodes[stage] {
            let node = &self.plan.nodes[id];
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for (place, &input) in node.inputs.iter().enumerate() {
                inputs.push(match &mut outputs[input] {
                    Some((output, 1)) => std::mem::take(output),
                    Some((output, readers)) => {
                        *readers -= 1;
                        output.clone()
                    }
                    None => self.arrived.remove(&(id, place)).unwrap_or_default(),
                });
            }
            let output = self.operators[id].step(inputs, &self.tick.sources, &context).map_err(StepError::sql_error)?;
            for &edge in &self.leaving[id] {
                outgoing.push(Chunk { edge, delta: output.clone() });
            }
            if id == self.plan.root && self.stages.result_stage == stage {
                self.tick.result.append(output.clone());
            }
            if self.local_readers[id] > 0 {
                outputs[id] = Some((output, self.local_readers[id]));
            }
        }
        self.tick.rows_touched += context.rows_touched();
        Ok(())
    }
}

impl ViewDataflow {
    /// Builds the dataflow; on every worker at the same place among its commands.
    pub(crate) fn build(
        timely: &mut Timely,
        plan: Arc<Plan>,
        settings: Arc<SessionSettings>,
        is_view: &dyn Fn(RelationId) -> bool,
    ) -> Self {
        let (worker, workers) = (timely.index(), timely.peers());
        let stages = Arc::new(Stages::of(&plan, workers));
        let place = Place::Worker { worker, workers, is_view };
        let rendered = Rc::new(RefCell::new(Rendered::new(plan, Arc::clone(&stages), settings, place)));
        let index = timely.next_dataflow_index();
        let mut clock = Clock::new_with_builder();
        let probe = timely.dataflow(|scope| {
            let mut stream = clock.to_stream(scope);
            for stage in 0..stages.count {
                stream = if stage == 0 {
                    add_stage(stream, Pipeline, stage, &stages, &rendered)
                } else {
                    let spread = SpreadByKey { stages: Arc::clone(&stages), stage, worker };
                    add_stage(stream, DistributorPact(move |_| spread), stage, &stages, &rendered)
                };
            }
            stream.probe().0
        });
        Self { index, clock, probe, now: 0, rendered }
    }

    /// Begins the next tick with these changes. Every worker must. If it `holds`, another must follow before the view is
    /// whole.
    pub(crate) fn begin(&mut self, now_micros: i64, sources: Sources, holds: bool) {
        self.rendered.borrow_mut().tick = Tick { now_micros, sources, holds, ..Tick::default() };
        self.now += 1;
        self.clock.advance_to(self.now);
    }

    /// Whether the tick that began last is through, on all workers.
    pub(crate) fn is_through(&self) -> bool {
        !self.probe.less_than(&self.now)
    }

    /// What the tick made. It must be through.
    pub(crate) fn take_tick(&mut self) -> Tick {
        debug_assert!(self.is_through(), "a tick's result is taken when it is through");
        std::mem::take(&mut self.rendered.borrow_mut().tick)
    }

    /// From now on its ticks do nothing.
    pub(crate) fn poison(&mut self) {
        self.rendered.borrow_mut().poisoned = true;
    }

    /// The memory of its operators that keep any: node, name, bytes.
    pub(crate) fn state_bytes(&self) -> Vec<(NodeId, &'static str, usize)> {
        self.rendered.borrow().state_bytes()
    }

    /// Removes the dataflow; on every worker at the same place among its commands.
    pub(crate) fn remove(self, timely: &mut Timely) {
        timely.drop_dataflow(self.index);
    }
}

/// One stage: collects what arrives, and runs when the tick's input is complete.
fn add_stage<'scope, P>(
    stream: Stream<'scope, u64, Parcel>,
    pact: P,
    stage: usize,
    stages: &Arc<Stages>,
    rendered: &Rc<RefCell<Rendered>>,
) -> Stream<'scope, u64, Parcel>
where
    P: timely::dataflow::channels::pact::ParallelizationContract<u64, Parcel>,
{
    let (stages, rendered) = (Arc::clone(stages), Rc::clone(rendered));
    stream.unary_frontier::<NoopBuilder<Parcel>, _, _, _>(pact, "stage", move |capability, _| {
        let mut capability: Capability<u64> = capability;
        let mut incoming = vec![];
        move |(input, frontier), output| {
            input.for_each(|_, parcel| incoming.push(std::mem::take(parcel).chunk));
            // Ticks follow one another only when the last is through, so that all that arrived is of this one.
            if frontier.less_equal(capability.time()) {
                return;
            }
            let outgoing = rendered.borrow_mut().run_stage(stage, std::mem::take(&mut incoming));
            let mut session = output.session_with_builder(&capability);
            for chunk in outgoing {
                let mut parcel = Parcel::new(chunk, &stages);
                if parcel.record_count() > 0 {
                    session.give_container(&mut parcel);
                }
            }
            drop(session);
            let next = capability.time() + 1;
            capability.downgrade(&next);
        }
    })
}
