//! LIR as text: what each operator does, which side of a join is an index over a stored relation, and the state that is
//! kept. A node that is used more than once is shown once, and referred to after that.

use super::scalar::{aggregate, direction, scalar, snake_case};
use super::{Lines, list, state, with_rewrites};
use crate::PlanInfo;
use crate::lir::{Finishing, JoinKind, JoinPlan, Mfp, NodeId, Operator, Plan, SideState};
use headwater_expr::{Column, Scalar, TableFunction};

/// Longer texts of columns give way to a label.
const NAME_CHARS_MAX: usize = 60;

/// The plan as text, with a one-shot query's finishing.
#[must_use]
pub fn explain_plan(plan: &Plan, finishing: Option<&Finishing>, info: &dyn PlanInfo) -> String {
    explain_plan_with(plan, finishing, info, &|_| None)
}

/// The plan as text, and behind each operator what `note` says of it.
#[must_use]
pub fn explain_plan_with(
    plan: &Plan,
    finishing: Option<&Finishing>,
    info: &dyn PlanInfo,
    note: &dyn Fn(NodeId) -> Option<String>,
) -> String {
    let mut uses = vec![0usize; plan.nodes.len()];
    for node in &plan.nodes {
        node.inputs.iter().for_each(|&input| uses[input] += 1);
    }
    let mut explain = Explain {
        plan,
        info,
        note,
        uses,
        shown: vec![false; plan.nodes.len()],
        lines: Lines::new(),
        labels: 0,
        columns: Vec::with_capacity(plan.nodes.len()),
    };
    for id in 0..plan.nodes.len() {
        let columns = explain.name_columns(id);
        explain.columns.push(columns);
    }
    let mut depth = 0;
    if let Some(line) = finishing.and_then(|f| finish(f, explain.output(plan.root))) {
        explain.lines.operator(0, &line);
        depth = 1;
    }
    explain.node(plan.root, depth);
    let names = explain.output(plan.root).to_vec();
    let mut text = explain.lines.text;
    if let Some(key) = &plan.key {
        let key = if key.is_empty() { "one row at most".to_owned() } else { list(key, |&c| names[c].clone()) };
        text.push_str(&format!("Key: {key}\n"));
    }
    with_rewrites(text, &plan.rewrites)
}

fn finish(finishing: &Finishing, names: &[String]) -> Option<String> {
    let mut parts = Vec::new();
    if !finishing.order_by.is_empty() {
        parts.push(format!("order: {}", list(&finishing.order_by, |o| direction(&names[o.column], o))));
    }
    if let Some(limit) = finishing.limit {
        parts.push(format!("limit: {limit}"));
    }
    if finishing.offset > 0 {
        parts.push(format!("offset: {}", finishing.offset));
    }
    (!parts.is_empty()).then(|| format!("Finish  ({})", parts.join("; ")))
}

struct Explain<'a> {
    plan: &'a Plan,
    info: &'a dyn PlanInfo,
    note: &'a dyn Fn(NodeId) -> Option<String>,
    uses: Vec<usize>,
    shown: Vec<bool>,
    lines: Lines,
    /// The labels given so far.
    labels: usize,
    /// Each node's columns.
    columns: Vec<Columns>,
}

/// The names of a node's columns.
struct Columns {
    /// The aggregates and expressions that are too long for a name: label and text.
    defined: Vec<(String, String)>,
    /// Before its [`Mfp`] projects.
    all: Vec<String>,
    /// What it gives.
    output: Vec<String>,
}

fn show(s: &Scalar, names: &[String]) -> String {
    scalar(s, &|c: &Column| names.get(c.index).cloned().unwrap_or_else(|| format!("#{}", c.index)))
}

fn function_name(function: TableFunction) -> String {
    snake_case(&format!("{function:?}"))
}

impl Explain<'_> {
    fn output(&self, id: NodeId) -> &[String] {
        &self.columns[id].output
    }

    /// The text itself, or a label for it.
    fn short(&mut self, text: String, defined: &mut Vec<(String, String)>) -> String {
        if text.chars().count() <= NAME_CHARS_MAX {
            return text;
        }
        self.labels += 1;
        let label = format!("${}", self.labels);
        defined.push((label.clone(), text));
        label
    }

    fn name_columns(&mut self, id: NodeId) -> Columns {
        let plan = self.plan;
        let node = &plan.nodes[id];
        let input = |i: usize| node.inputs.get(i).map(|&n| self.output(n).to_vec()).unwrap_or_default();
        let mut defined = Vec::new();
        let mut all = match &node.operator {
            Operator::Constant(_) => (0..node.types.len()).map(|c| format!("column{}", c + 1)).collect(),
            Operator::Source { relation, mfp } => {
                (0..mfp.input_arity).map(|c| self.info.column_name(*relation, c)).collect()
            }
            Operator::Join(join) => {
                let mut names = input(0);
                if !matches!(join.kind, JoinKind::Semi | JoinKind::Anti) {
                    names.extend(input(1));
                }
                names
            }
            Operator::Reduce(reduce) => {
                let names = input(0);
                let mut all: Vec<String> = reduce.key.iter().map(|&c| names[c].clone()).collect();
                for call in &reduce.aggregates {
                    let text = aggregate(call, &|c: &Column| names[c.index].clone());
                    all.push(self.short(text, &mut defined));
                }
                all
            }
            Operator::FlatMap(flat_map) => {
                let mut names = input(0);
                names.extend(flat_map.types.iter().map(|_| function_name(flat_map.function)));
                if flat_map.ordinality {
                    names.push("ordinality".to_owned());
                }
                names
            }
            Operator::Mfp(_)
            | Operator::Distinct
            | Operator::TopK(_)
            | Operator::Union
            | Operator::Negate
            | Operator::Threshold
            | Operator::AtMostOne { .. } => input(0),
        };
        let Some(mfp) = self.mfp(id) else { return Columns { defined, output: all.clone(), all } };
        let mfp = mfp.clone();
        for expression in &mfp.expressions {
            let text = show(expression, &all);
            all.push(self.short(text, &mut defined));
        }
        let output = mfp.projection.iter().map(|&c| all[c].clone()).collect();
        Columns { defined, all, output }
    }

    fn mfp(&self, id: NodeId) -> Option<&Mfp> {
        match &self.plan.nodes[id].operator {
            Operator::Source { mfp, .. } | Operator::Mfp(mfp) => Some(mfp),
            Operator::Join(join) => Some(&join.mfp),
            Operator::Reduce(reduce) => Some(&reduce.mfp),
            Operator::FlatMap(flat_map) => Some(&flat_map.mfp),
            Operator::Constant(_)
            | Operator::Distinct
            | Operator::TopK(_)
            | Operator::Union
            | Operator::Negate
            | Operator::Threshold
            | Operator::AtMostOne { .. } => None,
        }
    }

    fn node(&mut self, id: NodeId, depth: usize) {
        let plan = self.plan;
        let node = &plan.nodes[id];
        let shared = self.uses[id] > 1;
        if self.shown[id] {
            self.lines.operator(depth, &format!("Node {id}, shown above"));
            return;
        }
        self.shown[id] = true;
        let mut details = Vec::new();
        let line = self.line(id, &mut details);
        let line = if shared { format!("{line}  [node {id}]") } else { line };
        let line = match (self.note)(id) {
            Some(note) => format!("{line}  ({note})"),
            None => line,
        };
        let defined = self.columns[id].defined.iter().filter(|(label, _)| !self.aggregates(id).any(|a| a == label));
        details.extend(defined.map(|(label, text)| format!("{label} = {text}")));
        let kept = state::kept(&node.operator, |side| self.source_name(node.inputs[side]));
        if !kept.is_empty() {
            details.push(format!("keeps: {}", kept.join(", ")));
        }
        if let Some(mfp) = self.mfp(id).filter(|mfp| !mfp.predicates.is_empty()) {
            let all = &self.columns[id].all;
            details.push(format!("filter: {}", list(&mfp.predicates, |(_, p)| show(p, all))));
        }
        if matches!(node.operator, Operator::Source { .. } | Operator::Mfp(_)) {
            details.push(format!("columns: {}", list(self.output(id), String::clone)));
        }
        self.lines.operator(depth, &line);
        details.iter().for_each(|detail| self.lines.detail(depth, detail));
        node.inputs.iter().for_each(|&n| self.node(n, depth + 1));
    }

    /// What the node does, and details of it.
    fn line(&self, id: NodeId, details: &mut Vec<String>) -> String {
        let node = &self.plan.nodes[id];
        let input: &[String] = node.inputs.first().map_or(&[], |&n| self.output(n));
        match &node.operator {
            Operator::Constant(rows) => format!("Constant  ({} rows)", rows.len()),
            Operator::Source { relation, .. } => {
                details.extend(self.info.shared_details(*relation));
                format!("Source {}", self.info.name(*relation))
            }
            Operator::Mfp(_) => "Map/Filter".to_owned(),
            Operator::Join(join) => self.join(join, &node.inputs, details),
            Operator::Reduce(reduce) => {
                details.extend(self.aggregates(id).map(|name| {
                    match self.columns[id].defined.iter().find(|(label, _)| label == name) {
                        Some((label, text)) => format!("{label} = {text}"),
                        None => name.clone(),
                    }
                }));
                format!("Reduce  (key: {})", list(&reduce.key, |&c| input[c].clone()))
            }
            Operator::Distinct => "Distinct".to_owned(),
            Operator::TopK(top_k) => {
                let order = list(&top_k.order_by, |o| direction(&input[o.column], o));
                let key = list(&top_k.key, |&c| input[c].clone());
                let limit = top_k.limit.map_or("all".to_owned(), |l| l.to_string());
                format!("TopK  (key: {key}; order: {order}; limit: {limit}; offset: {})", top_k.offset)
            }
            Operator::Union => "Union".to_owned(),
            Operator::Negate => "Negate".to_owned(),
            Operator::Threshold => "Threshold".to_owned(),
            Operator::FlatMap(flat_map) => {
                format!("FlatMap  ({}({}))", function_name(flat_map.function), list(&flat_map.args, |s| show(s, input)))
            }
            Operator::AtMostOne { key } => {
                format!("At Most One  (key: {})", list(key, |&c| input[c].clone()))
            }
        }
    }

    fn join(&self, join: &JoinPlan, inputs: &[NodeId], details: &mut Vec<String>) -> String {
        let (left, right) = (self.output(inputs[0]), self.output(inputs[1]));
        for (side, state, key, names, n) in [
            ("left", &join.left_state, &join.left_key, left, inputs[0]),
            ("right", &join.right_state, &join.right_key, right, inputs[1]),
        ] {
            let key = list(key, |&c| names[c].clone());
            details.push(match state {
                SideState::Shared => format!("{side}: index ({key}) over {}", self.source_name(n)),
                SideState::Owned => format!("{side}: own rows by ({key})"),
            });
        }
        if !join.residual.is_empty() {
            let both: Vec<String> = left.iter().chain(right).cloned().collect();
            details.push(format!("condition: {}", list(&join.residual, |s| show(s, &both))));
        }
        let pairs = join.left_key.iter().zip(&join.right_key).zip(&join.null_safe);
        let keys = list(pairs, |((&a, &b), &null_safe)| {
            let operator = if null_safe { "IS NOT DISTINCT FROM" } else { "=" };
            format!("{} {operator} {}", left[a], right[b])
        });
        match (join.kind, keys.is_empty()) {
            (JoinKind::Inner, true) => "Cross Join".to_owned(),
            (kind, true) => format!("{kind:?} Join"),
            (kind, false) => format!("{kind:?} Join  ({keys})"),
        }
    }

    /// The names of a Reduce's aggregates.
    fn aggregates(&self, id: NodeId) -> impl Iterator<Item = &String> {
        let places = match &self.plan.nodes[id].operator {
            Operator::Reduce(reduce) => reduce.key.len()..reduce.key.len() + reduce.aggregates.len(),
            _ => 0..0,
        };
        self.columns[id].all[places].iter()
    }

    fn source_name(&self, id: NodeId) -> String {
        match &self.plan.nodes[id].operator {
            Operator::Source { relation, .. } => self.info.name(*relation),
            _ => format!("node {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lir::Plan;
    use crate::lower::lower;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{Tables, call, column, compare_golden, equal, get};
    use headwater_expr::AggregateFunction;
    use headwater_types::DataType;

    fn shown(mir: &Mir) -> String {
        let lowered = lower(mir).expect("well-formed");
        let plan = Plan { nodes: lowered.nodes, root: lowered.root, key: None, rewrites: vec!["a rewrite".to_owned()] };
        super::explain_plan(&plan, None, &Tables::marketing())
    }

    #[test]
    fn golden_texts() {
        let events = get(1);
        let join = |left: Mir, right: Mir, kind: JoinKind, (a, b): (usize, usize)| {
            let both = left.clone().join(right.clone(), JoinKind::Inner, vec![]);
            let on = vec![equal(column(&both, a), column(&both, left.arity() + b))];
            left.join(right, kind, on)
        };
        let count = |c: usize, distinct: bool| {
            call(AggregateFunction::Count, Some(column(&events, c)), distinct, DataType::Int8)
        };
        let max = call(AggregateFunction::Max, Some(column(&events, 1)), true, DataType::Int4);
        let grouped = get(1).aggregate(vec![2], vec![count(1, true), count(3, true), count(0, false), max]);
        let top = |group_key: Vec<usize>| Mir::TopK {
            input: Box::new(get(4)),
            group_key,
            order_by: vec![],
            limit: Some(3),
            offset: 0,
        };
        let cases = [
            ("a join of tables", join(get(1), get(2), JoinKind::Inner, (2, 0))),
            ("a join of groups", join(grouped.clone(), get(2), JoinKind::Left, (0, 0))),
            ("a semi join", join(get(1), get(3), JoinKind::Semi, (2, 1))),
            ("one group", get(1).aggregate(vec![], vec![count(1, true)])),
            ("distinct", get(4).distinct()),
            ("top k", top(vec![])),
            ("top k of groups", top(vec![0])),
            ("one row of a group", Mir::AtMostOne { input: Box::new(get(4)), key: vec![0] }),
        ];
        let texts = cases.map(|(title, mir)| format!("# {title}\n\n{}\n", shown(&mir)));
        compare_golden("explain", &texts.concat());
    }
}
