//! Where a plan's rows change workers.
//!
//! ```text
//!  stage 0            ║ stage 1                   ║ stage 2
//!  Source a ─ by key ─╫▶ Join ─ by group ─────────╫▶ Reduce ─▶ result
//!  Source b ─ by key ─╫▶  ▲
//!  Source c ──────────╫───────── passed on ───────╫▶ Union …
//! ```
//!
//! A stage is the nodes between two exchanges: one timely operator, run once per step. Stages form a line, and between
//! two neighbours is one exchange for all edges that cross; an edge that ends in a later stage is passed on by those
//! between.
//!
//! # The rule
//!
//! 1. An operator with state per key gets its inputs exchanged by that key (SQL equality): Join, Reduce, TopK,
//!    AtMostOne by theirs, Distinct and Threshold by the whole row. No key: everything goes to worker 0.
//! 2. The result must arrive where it arrived before, or a retraction would not find its row. Behind an operator with
//!    state that is so by itself. A result that comes from a Source without any is exchanged by the whole row.
//! 3. Errors go by their own hash at every exchange.
//! 4. With one worker there is one stage.

use headwater_plan::lir::{NodeId, Operator, Plan};
use headwater_types::DataType;
use std::sync::Arc;

/// An edge that crosses from one stage to a later one.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The node whose output it carries.
    pub from: NodeId,
    /// The node and the place among its inputs; `None` is the plan's result.
    pub to: Option<(NodeId, usize)>,
    /// The stage it ends in.
    pub to_stage: usize,
    /// The columns by whose values rows are exchanged; `None`: they stay on their worker.
    pub key: Option<Vec<usize>>,
    /// The types of its columns.
    pub types: Arc<[DataType]>,
}

/// A plan's division into stages.
#[derive(Debug, Clone)]
pub struct Stages {
    /// How many there are.
    pub count: usize,
    /// Each node's stage.
    pub stage: Vec<usize>,
    /// The edges that cross.
    pub edges: Vec<Edge>,
    /// The stage that has the result.
    pub result_stage: usize,
}

/// The columns by which an operator wants input `place`; `None` if it does not mind.
fn exchange_key(plan: &Plan, node: NodeId, place: usize) -> Option<Vec<usize>> {
    let node = &plan.nodes[node];
    match &node.operator {
        Operator::Join(join) => Some(if place == 0 { join.left_key.clone() } else { join.right_key.clone() }),
        Operator::Reduce(reduce) => Some(reduce.key.clone()),
        Operator::TopK(top) => Some(top.key.clone()),
        Operator::AtMostOne { key } => Some(key.clone()),
        Operator::Distinct | Operator::Threshold => Some((0..plan.nodes[node.inputs[place]].types.len()).collect()),
        Operator::Constant(_)
        | Operator::Source { .. }
        | Operator::Mfp(_)
        | Operator::Union
        | Operator::Negate
        | Operator::FlatMap(_) => None,
    }
}

/// Whether a node's rows come out on the same worker each time.
fn settled(plan: &Plan) -> Vec<bool> {
    let mut settled = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let this = match &node.operator {
            Operator::Source { .. } => false,
            Operator::Mfp(_) | Operator::Union | Operator::Negate | Operator::FlatMap(_) => {
                node.inputs.iter().all(|&input| settled[input])
            }
            Operator::Constant(_)
            | Operator::Join(_)
            | Operator::Reduce(_)
            | Operator::Distinct
            | Operator::TopK(_)
            | Operator::Threshold
            | Operator::AtMostOne { .. } => true,
        };
        settled.push(this);
    }
    settled
}

impl Stages {
    /// Divides a plan for so many workers.
    pub fn of(plan: &Plan, workers: usize) -> Self {
        if workers == 1 {
            return Self { count: 1, stage: vec![0; plan.nodes.len()], edges: vec![], result_stage: 0 };
        }
        let mut stage = vec![0; plan.nodes.len()];
        for (id, node) in plan.nodes.iter().enumerate() {
            for (place, &input) in node.inputs.iter().enumerate() {
                let crossed = usize::from(exchange_key(plan, id, place).is_some());
                stage[id] = stage[id].max(stage[input] + crossed);
            }
        }
        let types = |id: NodeId| -> Arc<[DataType]> { plan.nodes[id].types.clone().into() };
        let mut edges = vec![];
        for (id, node) in plan.nodes.iter().enumerate() {
            for (place, &input) in node.inputs.iter().enumerate() {
                if stage[input] < stage[id] {
                    let key = exchange_key(plan, id, place);
                    let to = Some((id, place));
                    edges.push(Edge { from: input, to, to_stage: stage[id], key, types: types(input) });
                }
            }
        }
        let root = plan.root;
        let mut result_stage = stage[root];
        if !settled(plan)[root] {
            result_stage += 1;
            let key = Some((0..plan.nodes[root].types.len()).collect());
            edges.push(Edge { from: root, to: None, to_stage: result_stage, key, types: types(root) });
        }
        let last = stage.iter().copied().max().unwrap_or(0).max(result_stage);
        Self { count: last + 1, stage, edges, result_stage }
    }
}
