//! MIR → LIR: maps, filters and projections are fused into operators, joins get their keys and the form of their
//! sides, bindings become shared nodes, and equal nodes become one.

use crate::lir::{FlatMapPlan, JoinKind, JoinPlan, Mfp, Node, NodeId, Operator, ReducePlan, SideState, TopKPlan};
use crate::mfp::{MfpBuilder, in_order};
use crate::mir::Mir;
use crate::rewrite::crossing;
use headwater_expr::Scalar;
use headwater_types::{DataType, Result, SqlError};
use std::collections::HashMap;

/// The nodes of a plan, and its root.
pub(crate) struct Lowered {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
}

/// The plan as a dataflow.
///
/// # Errors
///
/// XX000 for a binding out of scope.
pub(crate) fn lower(mir: &Mir) -> Result<Lowered> {
    let mut lower = Lower { nodes: vec![], bindings: HashMap::new(), alike: HashMap::new() };
    let root = lower.relation(mir)?;
    Ok(Lowered { nodes: lower.nodes, root })
}

struct Lower {
    nodes: Vec<Node>,
    bindings: HashMap<usize, NodeId>,
    /// Nodes by what is cheap to compare, for finding equal ones.
    alike: HashMap<(std::mem::Discriminant<Operator>, Vec<NodeId>), Vec<NodeId>>,
}

impl Lower {
    fn add(&mut self, operator: Operator, inputs: Vec<NodeId>, types: Vec<DataType>) -> NodeId {
        let node = Node { operator, inputs, types };
        let alike = self.alike.entry((std::mem::discriminant(&node.operator), node.inputs.clone())).or_default();
        if let Some(&id) = alike.iter().find(|&&id| self.nodes[id] == node) {
            return id;
        }
        let id = self.nodes.len();
        alike.push(id);
        self.nodes.push(node);
        id
    }

    /// A node that is not an [`Mfp`] itself, followed by one if there is something to do.
    fn add_then(&mut self, id: NodeId, above: &[&Mir]) -> NodeId {
        let (mfp, types) = fuse(self.nodes[id].types.clone(), above);
        if mfp.is_identity() { id } else { self.add(Operator::Mfp(mfp), vec![id], types) }
    }

    fn relation(&mut self, mir: &Mir) -> Result<NodeId> {
        // The maps, filters and projections above the operator, outermost first.
        let mut above: Vec<&Mir> = Vec::new();
        let mut base = mir;
        loop {
            base = match base {
                Mir::Project { input, .. } | Mir::Map { input, .. } | Mir::Filter { input, .. } => {
                    above.push(base);
                    input
                }
                Mir::Let { id, value, body } => {
                    let value = self.relation(value)?;
                    self.bindings.insert(*id, value);
                    body
                }
                _ => break,
            };
        }
        let id = match base {
            Mir::Constant { rows, types } => self.add(Operator::Constant(rows.clone()), vec![], types.clone()),
            Mir::Get { relation, types } => {
                let (mfp, types) = fuse(types.clone(), &above);
                return Ok(self.add(Operator::Source { relation: *relation, mfp }, vec![], types));
            }
            Mir::LocalGet { id, .. } => *self
                .bindings
                .get(id)
                .ok_or_else(|| SqlError::internal(format!("binding {id} is used outside its body")))?,
            Mir::Join { left, right, kind, on } => return self.join(left, right, *kind, on, &above),
            Mir::Aggregate { input, group_key, aggregates } => {
                let input = self.relation(input)?;
                let of_input = &self.nodes[input].types;
                let types = group_key
                    .iter()
                    .map(|&c| of_input[c].clone())
                    .chain(aggregates.iter().map(|a| a.data_type.clone()))
                    .collect();
                let (mfp, types) = fuse(types, &above);
                let reduce = ReducePlan { key: group_key.clone(), aggregates: aggregates.clone(), mfp };
                return Ok(self.add(Operator::Reduce(reduce), vec![input], types));
            }
            Mir::FlatMap { input, function, args, types, ordinality } => {
                let input = self.relation(input)?;
                let mut all = self.nodes[input].types.clone();
                all.extend(types.iter().cloned());
                if *ordinality {
                    all.push(DataType::Int8);
                }
                let (mfp, out) = fuse(all, &above);
                let flat_map = FlatMapPlan {
                    function: *function,
                    args: args.clone(),
                    types: types.clone(),
                    ordinality: *ordinality,
                    mfp,
                };
                return Ok(self.add(Operator::FlatMap(flat_map), vec![input], out));
            }
            Mir::Distinct { input } => self.unary(Operator::Distinct, input)?,
            Mir::Negate { input } => self.unary(Operator::Negate, input)?,
            Mir::Threshold { input } => self.unary(Operator::Threshold, input)?,
            Mir::AtMostOne { input, key } => self.unary(Operator::AtMostOne { key: key.clone() }, input)?,
            Mir::TopK { input, group_key, order_by, limit, offset } => {
                let top_k =
                    TopKPlan { key: group_key.clone(), order_by: order_by.clone(), limit: *limit, offset: *offset };
                self.unary(Operator::TopK(top_k), input)?
            }
            Mir::Union { inputs, types } => {
                let inputs = inputs.iter().map(|input| self.relation(input)).collect::<Result<Vec<_>>>()?;
                self.add(Operator::Union, inputs, types.clone())
            }
            Mir::Project { .. } | Mir::Map { .. } | Mir::Filter { .. } | Mir::Let { .. } => {
                return Err(SqlError::internal("an operator was not peeled"));
            }
        };
        Ok(self.add_then(id, &above))
    }

    fn unary(&mut self, operator: Operator, input: &Mir) -> Result<NodeId> {
        let input = self.relation(input)?;
        let types = self.nodes[input].types.clone();
        Ok(self.add(operator, vec![input], types))
    }

    fn join(&mut self, left: &Mir, right: &Mir, kind: JoinKind, on: &[Scalar], above: &[&Mir]) -> Result<NodeId> {
        let left = self.relation(left)?;
        let right = self.relation(right)?;
        let l = self.nodes[left].types.len();
        let mut plan = JoinPlan {
            kind,
            left_key: vec![],
            right_key: vec![],
            null_safe: vec![],
            residual: vec![],
            left_state: SideState::Owned,
            right_state: SideState::Owned,
            mfp: Mfp::identity(0),
        };
        for condition in on {
            let key = crossing(condition, l).and_then(|equation| {
                Some((equation.left.as_column()?, equation.right.as_column()?, equation.null_safe()))
            });
            match key {
                Some((a, b, null_safe)) => {
                    let known = plan.left_key.iter().zip(&plan.right_key).any(|(&x, &y)| (x, y) == (a, b - l));
                    if !known {
                        plan.left_key.push(a);
                        plan.right_key.push(b - l);
                        plan.null_safe.push(null_safe);
                    } else {
                        plan.residual.push(condition.clone());
                    }
                }
                None => plan.residual.push(condition.clone()),
            }
        }
        plan.residual = in_order(plan.residual);
        plan.left_state = self.side(left, &plan.left_key);
        plan.right_state = self.side(right, &plan.right_key);
        let mut types = self.nodes[left].types.clone();
        if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            types.extend(self.nodes[right].types.iter().cloned());
        }
        let (mfp, types) = fuse(types, above);
        plan.mfp = mfp;
        Ok(self.add(Operator::Join(plan), vec![left, right], types))
    }

    /// A side over a stored relation needs to remember where rows are only, if its key is made of stored columns.
    fn side(&self, input: NodeId, key: &[usize]) -> SideState {
        match &self.nodes[input].operator {
            Operator::Source { mfp, .. } if key.iter().all(|&c| mfp.projection[c] < mfp.input_arity) => {
                SideState::Shared
            }
            _ => SideState::Owned,
        }
    }
}

/// The maps, filters and projections `above` (outermost first) an operator of these types, as one.
fn fuse(types: Vec<DataType>, above: &[&Mir]) -> (Mfp, Vec<DataType>) {
    let mut builder = MfpBuilder::new(types);
    for mir in above.iter().rev() {
        match mir {
            Mir::Project { columns, .. } => builder.project(columns),
            Mir::Map { scalars, .. } => builder.map(scalars),
            Mir::Filter { predicates, .. } => builder.filter(predicates),
            _ => {}
        }
    }
    builder.finish()
}
