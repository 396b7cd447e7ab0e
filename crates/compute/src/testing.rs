//! Two small tables that change at random, and plans over them, for tests.

use headwater_arrange::{KeyedRelation, RelationSnapshot};
use headwater_dataflow::SourceDelta;
use headwater_dataflow::spec::{Finishing, JoinKind, JoinPlan, Mfp, ReducePlan, SideState, TopKPlan};
use headwater_expr::registry::function_by_signature;
use headwater_expr::{Aggregate, AggregateFunction, Column, ColumnOrder, EvalContext, Expr, Scalar};
use headwater_plan::lir::{Node, NodeId, Operator, Plan};
use headwater_types::{Batch, DataType, Datum, RelationId, Result, SessionSettings, SqlError};
use std::collections::{BTreeMap, HashMap};

use crate::Interrupt;
use crate::local::{SourceInput, SourceProvider, execute};

pub(crate) const EVENTS: RelationId = RelationId(1);
pub(crate) const GROUPS: RelationId = RelationId(2);

/// `events (id int4 primary key, grp int4, val int8)`
pub(crate) fn event_types() -> Vec<DataType> {
    vec![DataType::Int4, DataType::Int4, DataType::Int8]
}

/// `groups (grp int4 primary key, name text)`
pub(crate) fn group_types() -> Vec<DataType> {
    vec![DataType::Int4, DataType::Text]
}

/// A small generator (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn int(&mut self, bound: u64) -> i32 {
        i32::try_from(self.below(bound)).expect("small")
    }
}

/// The tables, as an engine would keep them.
pub(crate) struct Tables {
    tables: BTreeMap<RelationId, KeyedRelation>,
}

impl Tables {
    pub(crate) fn new() -> Self {
        let events = KeyedRelation::new(event_types(), Some(vec![0]));
        let groups = KeyedRelation::new(group_types(), Some(vec![0]));
        Self { tables: BTreeMap::from([(EVENTS, events), (GROUPS, groups)]) }
    }

    pub(crate) fn snapshot(&self, id: RelationId) -> RelationSnapshot {
        self.tables[&id].snapshot()
    }

    pub(crate) fn snapshots(&self) -> Vec<(RelationId, RelationSnapshot)> {
        self.tables.iter().map(|(&id, table)| (id, table.snapshot())).collect()
    }

    /// Upserts rows by their first column and deletes others.
    pub(crate) fn change(&mut self, id: RelationId, upserts: &[Vec<Datum>], deletes: &[i32]) -> SourceDelta {
        let table = self.tables.get_mut(&id).expect("one of the two");
        let types = table.types().to_vec();
        let mut new: BTreeMap<i32, Vec<Datum>> = BTreeMap::new();
        for row in upserts {
            let Datum::Int4(key) = row[0] else { panic!("the key is int4") };
            new.insert(key, row.clone());
        }
        let keys = new.keys().chain(deletes.iter().filter(|key| !new.contains_key(key)));
        let mut rows: Vec<u32> =
            keys.filter_map(|&key| table.snapshot().lookup(&[Datum::Int4(key)]).expect("small")).collect();
        rows.sort_unstable();
        rows.dedup();
        let inserts = Batch::from_rows(&types, &new.into_values().collect::<Vec<_>>());
        let applied = table.apply(&rows, &inserts).expect("there is room");
        SourceDelta { batches: vec![applied.delta], moves: applied.moves, after: table.snapshot() }
    }

    /// Changes both tables at random.
    pub(crate) fn change_at_random(&mut self, random: &mut Random) -> Vec<(RelationId, SourceDelta)> {
        let mut changes = vec![];
        if random.below(4) > 0 {
            let upserts: Vec<_> = (0..random.below(6)).map(|_| random_event(random)).collect();
            let deletes: Vec<_> = (0..random.below(4)).map(|_| random.int(30)).collect();
            changes.push((EVENTS, self.change(EVENTS, &upserts, &deletes)));
        }
        if random.below(3) == 0 {
            let name = |random: &mut Random| Datum::text(format!("g{}", random.below(3)));
            let upserts: Vec<_> =
                (0..random.below(3)).map(|_| vec![Datum::Int4(random.int(6)), name(random)]).collect();
            let deletes: Vec<_> = (0..random.below(2)).map(|_| random.int(6)).collect();
            changes.push((GROUPS, self.change(GROUPS, &upserts, &deletes)));
        }
        changes
    }
}

fn random_event(random: &mut Random) -> Vec<Datum> {
    let grp = if random.below(8) == 0 { Datum::Null } else { Datum::Int4(random.int(6)) };
    let val = if random.below(8) == 0 { Datum::Null } else { Datum::Int8(i64::from(random.int(5))) };
    vec![Datum::Int4(random.int(30)), grp, val]
}

/// Builds plans from their end.
pub(crate) struct PlanBuilder {
    nodes: Vec<Node>,
}

pub(crate) fn call(signature: &str, args: Vec<Scalar>, data_type: DataType) -> Scalar {
    let function = function_by_signature(signature).expect("a function of the registry");
    Expr::Call { function, args, data_type }
}

pub(crate) fn int8(value: i64) -> Scalar {
    Expr::literal(Datum::Int8(value), DataType::Int8)
}

impl PlanBuilder {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![] }
    }

    pub(crate) fn add(&mut self, operator: Operator, inputs: &[NodeId], types: Vec<DataType>) -> NodeId {
        self.nodes.push(Node { operator, inputs: inputs.to_vec(), types });
        self.nodes.len() - 1
    }

    pub(crate) fn source(&mut self, relation: RelationId, types: &[DataType]) -> NodeId {
        self.add(Operator::Source { relation, mfp: Mfp::identity(types.len()) }, &[], types.to_vec())
    }

    pub(crate) fn events(&mut self) -> NodeId {
        self.source(EVENTS, &event_types())
    }

    pub(crate) fn groups(&mut self) -> NodeId {
        self.source(GROUPS, &group_types())
    }

    fn types(&self, node: NodeId) -> Vec<DataType> {
        self.nodes[node].types.clone()
    }

    pub(crate) fn project(&mut self, input: NodeId, columns: &[usize]) -> NodeId {
        let types = self.types(input);
        let mfp = Mfp { projection: columns.to_vec(), ..Mfp::identity(types.len()) };
        self.add(Operator::Mfp(mfp), &[input], columns.iter().map(|&c| types[c].clone()).collect())
    }

    /// count(*), and sum of an int8 column if given.
    pub(crate) fn count(&mut self, input: NodeId, key: &[usize], sum: Option<usize>) -> NodeId {
        let types = self.types(input);
        let aggregate = |function, args, data_type| Aggregate {
            function,
            args,
            distinct: false,
            filter: None,
            order_by: vec![],
            data_type,
        };
        let mut aggregates: Vec<Aggregate<Column>> =
            vec![aggregate(AggregateFunction::CountStar, vec![], DataType::Int8)];
        let mut out: Vec<DataType> = key.iter().map(|&c| types[c].clone()).collect();
        out.push(DataType::Int8);
        if let Some(column) = sum {
            let argument = Scalar::column(column, types[column].clone());
            aggregates.push(aggregate(AggregateFunction::Sum, vec![argument], DataType::Numeric(None)));
            out.push(DataType::Numeric(None));
        }
        let plan = ReducePlan { key: key.to_vec(), aggregates, mfp: Mfp::identity(out.len()) };
        self.add(Operator::Reduce(plan), &[input], out)
    }

    pub(crate) fn join(&mut self, kind: JoinKind, left: NodeId, right: NodeId, on: (usize, usize)) -> NodeId {
        let state = |node: &Node| match node.operator {
            Operator::Source { .. } => SideState::Shared,
            _ => SideState::Owned,
        };
        let mut types = self.types(left);
        if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            types.extend(self.types(right));
        }
        let plan = JoinPlan {
            kind,
            left_key: vec![on.0],
            right_key: vec![on.1],
            null_safe: vec![false],
            residual: vec![],
            left_state: state(&self.nodes[left]),
            right_state: state(&self.nodes[right]),
            mfp: Mfp::identity(types.len()),
        };
        self.add(Operator::Join(plan), &[left, right], types)
    }

    pub(crate) fn top(&mut self, input: NodeId, key: &[usize], by: usize, limit: u64) -> NodeId {
        let order_by = vec![ColumnOrder { column: by, descending: true, nulls_first: true }];
        let plan = TopKPlan { key: key.to_vec(), order_by, limit: Some(limit), offset: 0 };
        let types = self.types(input);
        self.add(Operator::TopK(plan), &[input], types)
    }

    /// An operator that keeps its first input's columns.
    pub(crate) fn same(&mut self, operator: Operator, inputs: &[NodeId]) -> NodeId {
        let types = self.types(inputs[0]);
        self.add(operator, inputs, types)
    }

    /// `100 / val`: an error where val is 0.
    pub(crate) fn quotient(&mut self, input: NodeId, column: usize) -> NodeId {
        let mut types = self.types(input);
        let arity = types.len();
        let divisor = Scalar::column(column, DataType::Int8);
        let expression = call("/(int8,int8)", vec![int8(100), divisor], DataType::Int8);
        types.push(DataType::Int8);
        let mfp = Mfp {
            input_arity: arity,
            expressions: vec![expression],
            predicates: vec![],
            projection: (0..=arity).collect(),
        };
        self.add(Operator::Mfp(mfp), &[input], types)
    }

    pub(crate) fn plan(self) -> Plan {
        let root = self.nodes.len() - 1;
        Plan { nodes: self.nodes, root, key: None, rewrites: vec![] }
    }
}

/// Plans over the two tables that use every operator, with names for messages.
pub(crate) fn plans() -> Vec<(&'static str, Plan)> {
    type Build = fn(&mut PlanBuilder);
    let builds: Vec<(&'static str, Build)> = vec![
        ("everything", |b| {
            b.events();
        }),
        ("a projection with duplicates", |b| {
            let events = b.events();
            b.project(events, &[1]);
        }),
        ("count by group", |b| {
            let events = b.events();
            b.count(events, &[1], Some(2));
        }),
        ("count of all", |b| {
            let events = b.events();
            b.count(events, &[], Some(2));
        }),
        ("inner join and count", |b| {
            let (events, groups) = (b.events(), b.groups());
            let join = b.join(JoinKind::Inner, events, groups, (1, 0));
            b.count(join, &[4], Some(2));
        }),
        ("left join", |b| {
            let (events, groups) = (b.events(), b.groups());
            b.join(JoinKind::Left, events, groups, (1, 0));
        }),
        ("full join", |b| {
            let (events, groups) = (b.events(), b.groups());
            b.join(JoinKind::Full, events, groups, (1, 0));
        }),
        ("semi join", |b| {
            let (events, groups) = (b.events(), b.groups());
            b.join(JoinKind::Semi, events, groups, (1, 0));
        }),
        ("anti join", |b| {
            let (events, groups) = (b.events(), b.groups());
            b.join(JoinKind::Anti, events, groups, (1, 0));
        }),
        ("self join of an aggregate", |b| {
            let events = b.events();
            let counts = b.count(events, &[1], None);
            b.join(JoinKind::Inner, counts, events, (0, 1));
        }),
        ("distinct", |b| {
            let events = b.events();
            let values = b.project(events, &[1, 2]);
            b.same(Operator::Distinct, &[values]);
        }),
        ("top two of each group", |b| {
            let events = b.events();
            b.top(events, &[1], 2, 2);
        }),
        ("top five of all", |b| {
            let events = b.events();
            b.top(events, &[], 2, 5);
        }),
        ("union all, then count", |b| {
            let (events, groups) = (b.events(), b.groups());
            let left = b.project(events, &[1]);
            let right = b.project(groups, &[0]);
            let union = b.same(Operator::Union, &[left, right]);
            b.count(union, &[0], None);
        }),
        ("union all of stages", |b| {
            let events = b.events();
            let counts = b.count(events, &[1], None);
            let again = b.count(counts, &[1], None);
            let left = b.project(again, &[1]);
            let right = b.project(events, &[2]);
            b.same(Operator::Union, &[left, right]);
        }),
        ("except all", |b| {
            let (events, groups) = (b.events(), b.groups());
            let left = b.project(events, &[1]);
            let right = b.project(groups, &[0]);
            let negated = b.same(Operator::Negate, &[right]);
            let union = b.same(Operator::Union, &[left, negated]);
            b.same(Operator::Threshold, &[union]);
        }),
        ("at most one", |b| {
            let groups = b.groups();
            b.same(Operator::AtMostOne { key: vec![1] }, &[groups]);
        }),
        ("a division that may fail", |b| {
            let events = b.events();
            b.quotient(events, 2);
        }),
        ("a division that may fail, counted", |b| {
            let events = b.events();
            let quotient = b.quotient(events, 2);
            b.count(quotient, &[1], Some(3));
        }),
        ("a constant", |b| {
            let rows = vec![(vec![Datum::Int8(7)], 2), (vec![Datum::Null], 1)];
            b.add(Operator::Constant(rows), &[], vec![DataType::Int8]);
        }),
    ];
    let plan = |(name, build): (&'static str, Build)| {
        let mut builder = PlanBuilder::new();
        build(&mut builder);
        (name, builder.plan())
    };
    builds.into_iter().map(plan).collect()
}

/// Relations by id.
#[derive(Default)]
pub(crate) struct Given(pub(crate) HashMap<RelationId, SourceInput>);

impl SourceProvider for Given {
    fn source(&self, relation: RelationId) -> Result<SourceInput> {
        Ok(self.0[&relation].clone())
    }
}

impl Given {
    pub(crate) fn tables(tables: &Tables) -> Self {
        Self(tables.snapshots().into_iter().map(|(id, rows)| (id, rows.into())).collect())
    }
}

pub(crate) fn whole(arity: usize) -> Finishing {
    Finishing { order_by: vec![], limit: None, offset: 0, projection: (0..arity).collect() }
}

/// The rows of a plan run once, in the order given.
pub(crate) fn run(plan: &Plan, finishing: &Finishing, sources: &Given) -> Result<Vec<Vec<Datum>>> {
    let settings = SessionSettings::default();
    let eval = EvalContext { settings: &settings, now_micros: 0, catalog: None };
    let types: Vec<DataType> =
        finishing.projection.iter().map(|&column| plan.nodes[plan.root].types[column].clone()).collect();
    let mut rows = vec![];
    for batch in execute(plan, finishing, sources, eval, &Interrupt::new())? {
        rows.extend(batch?.to_rows(&types));
    }
    Ok(rows)
}

/// The rows of a plan run once, in an order of their own; or its error.
pub(crate) fn answer(plan: &Plan, sources: &Given) -> Result<Vec<Vec<Datum>>, SqlError> {
    run(plan, &whole(plan.nodes[plan.root].types.len()), sources).map(sorted)
}

/// Rows in some order that depends on nothing but them.
pub(crate) fn sorted(mut rows: Vec<Vec<Datum>>) -> Vec<Vec<Datum>> {
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}
