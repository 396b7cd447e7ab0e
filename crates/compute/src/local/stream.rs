//! The nodes of a one-shot plan as iterators of deltas.
//!
//! # Invariants
//!
//! 1. A linear node gives a delta for each of its input's, and keeps nothing. Other nodes consume their inputs before
//!    they give anything.
//! 2. A node with several readers runs once; its output is kept for them.
//! 3. `signed` says whether a stream may hold negative weights, so that it must be consolidated before it is shown.

use crate::Interrupt;
use crate::local::bounds::bounds;
use crate::local::lookup::{found_rows, wanted_key};
use crate::local::parallel::{LinearInput, Reduced};
use crate::local::profile::Profile;
use crate::local::source::{Overlay, SourceInput, SourceProvider};
use crate::node::{NodeOperator, Place};
use headwater_dataflow::spec::{JoinKind, Mfp, ReducePlan};
use headwater_dataflow::{Delta, MapFilterProject, Reduce, StepContext};
use headwater_expr::EvalContext;
use headwater_expr::registry::Volatility;
use headwater_plan::lir::{NodeId, Operator, Plan};
use headwater_types::{Batch, DeltaBatch, RelationId, Result};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Instant;

/// Rows per delta of a relation that is not stored in batches.
const STREAM_BATCH_ROWS_MAX: usize = 8192;
/// A node with state takes its input in pieces of about so many rows, so that a long input is not kept whole.
const PIECE_ROWS: usize = 1 << 20;

/// A node's output.
pub(super) type Stream<'a> = Box<dyn Iterator<Item = Result<Delta>> + 'a>;

/// A stream, and whether it may hold negative weights.
type Signed<'a> = (Stream<'a>, bool);

/// What a node's readers take its output from.
enum Output<'a> {
    /// For one reader.
    Once(Option<Signed<'a>>),
    /// For several.
    Kept(Arc<Vec<Delta>>, bool),
}

struct Builder<'p, 'a> {
    plan: &'p Plan,
    sources: &'p dyn SourceProvider,
    eval: EvalContext<'a>,
    interrupt: &'p Interrupt,
    profile: Option<&'p Profile>,
    inputs: HashMap<RelationId, SourceInput>,
    outputs: Vec<Output<'a>>,
}

/// The plan's result.
pub(super) fn streams<'a>(
    plan: &Plan,
    sources: &dyn SourceProvider,
    eval: EvalContext<'a>,
    interrupt: &Interrupt,
    profile: Option<&Profile>,
) -> Result<Signed<'a>> {
    let mut readers = vec![0_usize; plan.nodes.len()];
    readers[plan.root] = 1;
    for id in (0..plan.nodes.len()).rev() {
        if readers[id] > 0 {
            plan.nodes[id].inputs.iter().for_each(|&input| readers[input] += 1);
        }
    }
    let mut builder = Builder {
        plan,
        sources,
        eval,
        interrupt,
        profile,
        inputs: HashMap::new(),
        outputs: Vec::with_capacity(plan.nodes.len()),
    };
    for (id, &readers) in readers.iter().enumerate() {
        let output = match readers {
            0 => Output::Once(None),
            1 => Output::Once(Some(builder.measured_node(id)?)),
            _ => {
                let (stream, signed) = builder.measured_node(id)?;
                let mut kept = vec![];
                for delta in stream {
                    interrupt.check()?;
                    kept.push(delta?);
                }
                Output::Kept(Arc::new(kept), signed)
            }
        };
        builder.outputs.push(output);
    }
    Ok(builder.take(plan.root))
}

impl<'a> Builder<'_, 'a> {
    fn take(&mut self, id: NodeId) -> Signed<'a> {
        match &mut self.outputs[id] {
            Output::Once(stream) => stream.take().expect("a node's only reader takes its output once"),
            Output::Kept(kept, signed) => {
                let kept = Arc::clone(kept);
                (Box::new((0..kept.len()).map(move |place| Ok(kept[place].clone()))), *signed)
            }
        }
    }

    fn measured_node(&mut self, id: NodeId) -> Result<Signed<'a>> {
        let Some(profile) = self.profile else { return self.node(id) };
        let (stream, signed) = profile.preparing(id, || self.node(id))?;
        Ok((profile.measured(id, stream), signed))
    }

    fn node(&mut self, id: NodeId) -> Result<Signed<'a>> {
        let plan = self.plan;
        let node = &plan.nodes[id];
        if let Operator::Reduce(reduce) = &node.operator
            && let Some(reduced) = self.reduce_stored(node.inputs[0], reduce)?
        {
            return Ok((Box::new(std::iter::once(Ok(reduced))), false));
        }
        let mut inputs: Vec<Signed<'a>> = node.inputs.iter().map(|&input| self.take(input)).collect();
        let signed = inputs.iter().any(|(_, signed)| *signed);
        let eval = self.eval;
        match &node.operator {
            Operator::Source { relation, mfp } => self.source(*relation, mfp),
            Operator::Constant(rows) => {
                let delta = Delta::of(DeltaBatch::from_rows(&node.types, rows));
                let signed = rows.iter().any(|(_, weight)| *weight < 0);
                Ok((Box::new(std::iter::once(Ok(delta))), signed))
            }
            Operator::Union => Ok((Box::new(inputs.into_iter().flat_map(|(stream, _)| stream)), signed)),
            Operator::Mfp(_) | Operator::Negate | Operator::FlatMap(_) => {
                let mut operator = NodeOperator::new(plan, id, Place::OneShot);
                let (input, _) = inputs.pop().expect("a linear node has one input");
                let stream = input.map(move |delta| {
                    let context = StepContext::new(eval, true);
                    Ok(operator.step_alone(vec![delta?], &context)?)
                });
                Ok((Box::new(stream), signed || matches!(node.operator, Operator::Negate)))
            }
            Operator::Join(_) => self.join(id, inputs, signed),
            Operator::Reduce(_) => self.reduce(id, inputs.pop().expect("it has one input")),
            Operator::Distinct | Operator::TopK(_) | Operator::Threshold | Operator::AtMostOne { .. } => {
                self.stateful(id, inputs.pop().expect("it has one input").0)
            }
        }
    }

    /// Gives a node its whole input; in one step if it is not too long.
    fn stateful(&mut self, id: NodeId, input: Stream<'a>) -> Result<Signed<'a>> {
        let mut operator = NodeOperator::new(self.plan, id, Place::OneShot);
        let (mut piece, mut output, mut pieces) = (Delta::default(), Delta::default(), 0);
        for delta in input {
            self.interrupt.check()?;
            piece.append(delta?);
            if piece.rows() >= PIECE_ROWS {
                let context = StepContext::new(self.eval, false);
                output.append(operator.step_alone(vec![std::mem::take(&mut piece)], &context)?);
                pieces += 1;
            }
        }
        if pieces == 0 || !piece.is_empty() {
            let context = StepContext::new(self.eval, pieces == 0);
            output.append(operator.step_alone(vec![piece], &context)?);
            pieces += 1;
        }
        Ok((Box::new(std::iter::once(Ok(output))), pieces > 1))
    }

    /// Gives a reduce its whole input; groups are shown when all rows have come, unless some are taken back.
    fn reduce(&mut self, id: NodeId, (input, signed): Signed<'a>) -> Result<Signed<'a>> {
        let Operator::Reduce(plan) = &self.plan.nodes[id].operator else { unreachable!("the caller looked") };
        if signed {
            return self.stateful(id, input);
        }
        let mut reduce = Reduce::new(plan, &self.plan.nodes[self.plan.nodes[id].inputs[0]].types);
        let context = StepContext::new(self.eval, true);
        let mut errors = vec![];
        for delta in input {
            self.interrupt.check()?;
            errors.extend(reduce.collect(delta?, &context)?);
        }
        let mut output = reduce.finish(&context)?;
        output.errors.extend(errors);
        Ok((Box::new(std::iter::once(Ok(output))), false))
    }

    /// The groups of a stored relation's rows, where they need only be counted or are many; `None` if the input is anything
    /// else.
    fn reduce_stored(&mut self, input: NodeId, plan: &ReducePlan) -> Result<Option<Delta>> {
        let Some((nodes, linear)) = self.linear_input(input)? else { return Ok(None) };
        let types = &self.plan.nodes[input].types;
        let start = Instant::now();
        if let Some(rows) = linear.counted(plan)? {
            let mut reduce = Reduce::new(plan, types);
            let context = StepContext::new(self.eval, true);
            let one = DeltaBatch::new(Batch::new(vec![], 1), vec![rows]);
            reduce.collect(Delta::of(one), &context)?;
            return Ok(Some(reduce.finish(&context)?));
        }
        if !linear.is_large() || !Reduce::new(plan, types).is_divisible() {
            return Ok(None);
        }
        let Reduced { output, rows } = linear.reduce(&|| Reduce::new(plan, types), self.eval, self.interrupt)?;
        if let Some(profile) = self.profile {
            nodes.into_iter().zip(rows).for_each(|(id, rows)| profile.add(id, rows, start.elapsed()));
        }
        Ok(Some(output))
    }

    /// The node's output as operators over a stored relation, if it is no more than that and has no other reader; and
    /// the nodes that they are, the source first.
    fn linear_input(&mut self, top: NodeId) -> Result<Option<(Vec<NodeId>, LinearInput)>> {
        let plan = self.plan;
        let (mut nodes, mut operators) = (vec![], vec![]);
        let mut id = top;
        let (relation, source) = loop {
            if !matches!(self.outputs[id], Output::Once(Some(_))) {
                return Ok(None);
            }
            nodes.push(id);
            match &plan.nodes[id].operator {
                Operator::Source { relation, mfp } => break (*relation, mfp),
                Operator::Mfp(mfp) if !is_volatile(mfp) => {
                    operators.push(MapFilterProject::new(mfp));
                    id = plan.nodes[id].inputs[0];
                }
                _ => return Ok(None),
            }
        };
        if is_volatile(source) {
            return Ok(None);
        }
        let SourceInput::Stored { parts, overlay } = self.input(relation)? else { return Ok(None) };
        let overlay = Overlay::new(overlay);
        if overlay.signed || parts.first().and_then(|part| wanted_key(source, part)).is_some() {
            return Ok(None);
        }
        let bounds = parts.first().map_or_else(Vec::new, |part| bounds(source, part.types()));
        operators.push(MapFilterProject::new(source));
        operators.reverse();
        nodes.reverse();
        Ok(Some((nodes, LinearInput { parts, overlay, bounds, operators })))
    }

    fn join(&mut self, id: NodeId, inputs: Vec<Signed<'a>>, signed: bool) -> Result<Signed<'a>> {
        let [(left, _), (right, _)] =
            <[Signed<'a>; 2]>::try_from(inputs).unwrap_or_else(|_| unreachable!("a join has two inputs"));
        let right = self.collect(right)?;
        if let Operator::Join(join) = &self.plan.nodes[id].operator
            && join.left_key.is_empty()
            && !matches!(join.kind, JoinKind::Right | JoinKind::Full)
        {
            return Ok((self.cross_join(id, left, right), signed));
        }
        let left = self.collect(left)?;
        let mut operator = NodeOperator::new(self.plan, id, Place::OneShot);
        let output = operator.step_alone(vec![left, right], &StepContext::new(self.eval, true))?;
        Ok((Box::new(std::iter::once(Ok(output))), signed))
    }

    fn collect(&self, stream: Stream<'a>) -> Result<Delta> {
        let mut all = Delta::default();
        for delta in stream {
            self.interrupt.check()?;
            all.append(delta?);
        }
        Ok(all)
    }

    /// A join without a key, linear in left, of which each step makes a bounded number of pairs.
    fn cross_join(&self, id: NodeId, left: Stream<'a>, mut right: Delta) -> Stream<'a> {
        let (plan, eval) = (self.plan.clone(), self.eval);
        let rows = (PIECE_ROWS / right.rows().max(1)).max(1);
        // The errors of right's rows count once, whatever left has.
        let errors = Delta { batches: vec![], errors: std::mem::take(&mut right.errors) };
        let pieces = left.flat_map(move |delta| -> Stream<'a> {
            match delta {
                Ok(delta) => Box::new(pieces_of(delta, rows).map(Ok)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        });
        let joined = pieces.map(move |piece| {
            let mut operator = NodeOperator::new(&plan, id, Place::OneShot);
            Ok(operator.step_alone(vec![piece?, right.clone()], &StepContext::new(eval, true))?)
        });
        Box::new(std::iter::once(Ok(errors)).chain(joined))
    }

    fn input(&mut self, relation: RelationId) -> Result<SourceInput> {
        Ok(match self.inputs.entry(relation) {
            Entry::Occupied(entry) => entry.get().clone(),
            Entry::Vacant(entry) => entry.insert(self.sources.source(relation)?).clone(),
        })
    }

    fn source(&mut self, relation: RelationId, mfp: &Mfp) -> Result<Signed<'a>> {
        let input = self.input(relation)?;
        let operator = MapFilterProject::new(mfp);
        let eval = self.eval;
        match input {
            SourceInput::Rows(rows) => {
                let batches = (0..rows.rows).step_by(STREAM_BATCH_ROWS_MAX).map(move |offset| {
                    DeltaBatch::insertions(rows.slice(offset, STREAM_BATCH_ROWS_MAX.min(rows.rows - offset)))
                });
                Ok((Box::new(batches.map(move |batch| Ok(mapped(&operator, batch, eval)))), false))
            }
            SourceInput::Stored { parts, overlay } => {
                let overlay = Overlay::new(overlay);
                let signed = overlay.signed;
                let extra = overlay.extra.clone().into_iter();
                let stored: Box<dyn Iterator<Item = Result<DeltaBatch>>> = match found_rows(mfp, &operator, &parts) {
                    Some(found) => Box::new(found?.into_iter().map(Ok)),
                    None => {
                        let operator = operator.clone();
                        let bounds = parts.first().map_or_else(Vec::new, |part| bounds(mfp, part.types()));
                        Box::new(parts.into_iter().flat_map(move |part| {
                            let operator = operator.clone();
                            let scan = part.scan(operator.required()).with_bounds(bounds.clone());
                            scan.map(move |batch| Ok(widened(&operator, batch)))
                        }))
                    }
                };
                let batches = stored.map(move |batch| batch.map(|batch| overlay.strip(batch))).chain(extra.map(Ok));
                Ok((Box::new(batches.map(move |batch| Ok(mapped(&operator, batch?, eval)))), signed))
            }
        }
    }
}

/// Whether it does more than compute from its input, as setting a parameter.
fn is_volatile(mfp: &Mfp) -> bool {
    let mut scalars = mfp.expressions.iter().chain(mfp.predicates.iter().map(|(_, predicate)| predicate));
    scalars.any(|scalar| scalar.volatility() == Volatility::Volatile)
}

/// A delta cut into pieces of at most so many rows, the errors with the first.
fn pieces_of(delta: Delta, rows: usize) -> impl Iterator<Item = Delta> {
    let errors = (!delta.errors.is_empty()).then_some(Delta { batches: vec![], errors: delta.errors });
    let pieces = delta.batches.into_iter().flat_map(move |batch| {
        let total = batch.rows.rows;
        (0..total).step_by(rows).map(move |offset| Delta::of(batch.slice(offset, rows.min(total - offset))))
    });
    errors.into_iter().chain(pieces)
}

fn widened(operator: &MapFilterProject, batch: DeltaBatch) -> DeltaBatch {
    DeltaBatch { rows: operator.widen(batch.rows.columns, batch.rows.rows), ..batch }
}

fn mapped(operator: &MapFilterProject, batch: DeltaBatch, eval: EvalContext<'_>) -> Delta {
    let mut output = Delta::default();
    operator.apply(batch, &eval, &mut output);
    output
}
