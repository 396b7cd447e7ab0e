//! Joins against nested loops.

use super::*;
use crate::testing::{Bag, Input, Random, Row, context, delta_of};
use headwater_arrange::{KeyedRelation, Moves, RelationSnapshot};
use headwater_types::{Batch, Datum, DeltaBatch};
use std::collections::BTreeMap;

const KINDS: [JoinKind; 6] =
    [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full, JoinKind::Semi, JoinKind::Anti];

/// key, tag, flag
fn types() -> Vec<DataType> {
    vec![DataType::Int4, DataType::Int4, DataType::Bool]
}

fn make(random: &mut Random) -> Row {
    vec![random.int(4), random.int(3), Datum::Bool(random.below(3) > 0)]
}

#[derive(Debug, Clone, Copy)]
struct Case {
    kind: JoinKind,
    keyed: bool,
    null_safe: bool,
    residual: bool,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut cases = vec![];
        for kind in KINDS {
            for (keyed, null_safe, residual) in [
                (true, false, false),
                (true, true, true),
                (true, false, true),
                (false, false, true),
                (false, false, false),
            ] {
                cases.push(Self { kind, keyed, null_safe, residual });
            }
        }
        cases
    }

    fn width(self) -> usize {
        if emits_pairs(self.kind) { 6 } else { 3 }
    }

    fn plan(self) -> JoinPlan {
        let key = if self.keyed { vec![0] } else { vec![] };
        let same_tag = Scalar::IsNotDistinct(
            Box::new(Scalar::column(1, DataType::Int4)),
            Box::new(Scalar::column(4, DataType::Int4)),
        );
        JoinPlan {
            kind: self.kind,
            left_key: key.clone(),
            right_key: key.clone(),
            null_safe: vec![self.null_safe; key.len()],
            residual: if self.residual { vec![same_tag] } else { vec![] },
            left_state: crate::spec::SideState::Owned,
            right_state: crate::spec::SideState::Owned,
            mfp: Mfp::identity(self.width()),
        }
    }

    fn output(self) -> Vec<DataType> {
        [types(), types()].concat().into_iter().take(self.width()).collect()
    }

    fn matches(self, left: &Row, right: &Row) -> bool {
        let key = !self.keyed || (left[0] == right[0] && (self.null_safe || !left[0].is_null()));
        key && (!self.residual || left[1] == right[1])
    }

    fn recompute(self, left: &[Row], right: &[Row]) -> Bag {
        let mut bag = Bag::default();
        let nulls = || vec![Datum::Null; 3];
        for l in left {
            let matching: Vec<&Row> = right.iter().filter(|r| self.matches(l, r)).collect();
            match self.kind {
                JoinKind::Semi if !matching.is_empty() => bag.add_row(l, 1),
                JoinKind::Anti if matching.is_empty() => bag.add_row(l, 1),
                JoinKind::Semi | JoinKind::Anti => {}
                _ => matching.iter().for_each(|r| bag.add_row(&[&l[..], r].concat(), 1)),
            }
            if matching.is_empty() && matches!(self.kind, JoinKind::Left | JoinKind::Full) {
                bag.add_row(&[l.clone(), nulls()].concat(), 1);
            }
        }
        if matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            for r in right.iter().filter(|r| !left.iter().any(|l| self.matches(l, r))) {
                bag.add_row(&[nulls(), r.clone()].concat(), 1);
            }
        }
        bag
    }
}

fn own(delta: Delta) -> SideInput<'static> {
    SideInput { delta, source: None }
}

#[test]
fn owned_sides_add_up_to_recomputation() {
    for case in Case::all() {
        for seed in 0..3 {
            let mut random = Random(seed * 31 + 5);
            let owned = || SideRelation::Owned { types: types() };
            let mut join = Join::new(&case.plan(), owned(), owned());
            let (mut left, mut right, mut seen) = (Input::default(), Input::default(), Bag::default());
            for round in 0..15 {
                let size = [0, 1, 5, 25];
                let sizes = [(); 2].map(|()| size[usize::try_from(random.below(4)).expect("small")]);
                let changes = left.change(&mut random, sizes[0], &mut make);
                let l = delta_of(&mut random, changes, &types());
                let changes = right.change(&mut random, sizes[1], &mut make);
                let r = delta_of(&mut random, changes, &types());
                seen.add_delta(&join.step(own(l), own(r), &context(false)).expect("no limit"), &case.output());
                assert_eq!(seen, case.recompute(&left.rows, &right.rows), "{case:?}, seed {seed}, step {round}");
            }
            for one_shot in [true, false] {
                let mut join = Join::new(&case.plan(), owned(), owned());
                let l = delta_of(&mut random, left.weighted(), &types());
                let mut r = delta_of(&mut random, right.weighted(), &types());
                // A row that comes and goes within the step.
                r.append(delta_of(&mut random, vec![(make(&mut Random(3)), 1), (make(&mut Random(3)), -1)], &types()));
                let mut whole = Bag::default();
                whole.add_delta(&join.step(own(l), own(r), &context(one_shot)).expect("no limit"), &case.output());
                assert_eq!(whole, seen, "{case:?}, seed {seed}: everything in one step, one-shot {one_shot}");
            }
        }
    }
}

/// A table with an id column in front, of which the source drops the rows whose flag is false.
struct Table {
    relation: KeyedRelation,
    rows: BTreeMap<i32, Row>,
}

fn table_types() -> Vec<DataType> {
    [vec![DataType::Int4], types()].concat()
}

fn source_mfp() -> Mfp {
    Mfp {
        input_arity: 4,
        expressions: vec![],
        predicates: vec![(0, Scalar::column(3, DataType::Bool))],
        projection: vec![1, 2, 3],
    }
}

impl Table {
    fn new() -> Self {
        Self { relation: KeyedRelation::new(table_types(), Some(vec![0])), rows: BTreeMap::new() }
    }

    /// Random upserts and deletes, all in one epoch.
    fn change(&mut self, random: &mut Random, size: u64, ids: u64) -> SourceDelta {
        let before = self.relation.snapshot();
        let mut changes: BTreeMap<i32, Option<Row>> = BTreeMap::new();
        for _ in 0..size {
            let id = i32::try_from(random.below(ids)).expect("small");
            let row = (random.below(4) > 0).then(|| make(random));
            changes.insert(id, row);
        }
        let deletes: Vec<u32> =
            changes.keys().filter_map(|&id| before.lookup(&[Datum::Int4(id)]).expect("small")).collect();
        let mut inserts = vec![];
        for (id, row) in changes {
            match row {
                Some(row) => {
                    inserts.push([vec![Datum::Int4(id)], row.clone()].concat());
                    self.rows.insert(id, row);
                }
                None => {
                    self.rows.remove(&id);
                }
            }
        }
        let applied = self.relation.apply(&deletes, &Batch::from_rows(&table_types(), &inserts)).expect("room");
        SourceDelta { batches: vec![applied.delta], moves: applied.moves, after: self.relation.snapshot() }
    }

    fn passing(&self) -> Vec<Row> {
        self.rows.values().filter(|row| row[2] == Datum::Bool(true)).cloned().collect()
    }
}

fn shared_input<'a>(source: &'a SourceDelta, map: &mut MapFilterProject) -> SideInput<'a> {
    let delta = map.step(Delta { batches: source.batches.clone(), errors: vec![] }, &context(false)).expect("linear");
    SideInput { delta, source: Some(source) }
}

#[test]
fn shared_sides_add_up_to_recomputation() {
    for case in Case::all() {
        let shared = || SideRelation::Shared { types: types(), mfp: source_mfp() };
        let mut join = Join::new(&case.plan(), shared(), shared());
        let mut map = MapFilterProject::new(&source_mfp());
        let (mut left, mut right, mut seen) = (Table::new(), Table::new(), Bag::default());
        let mut random = Random(17);
        for round in 0..20 {
            let (l, r) = (left.change(&mut random, 10, 40), right.change(&mut random, 3, 20));
            let inputs = (shared_input(&l, &mut map), shared_input(&r, &mut map));
            seen.add_delta(&join.step(inputs.0, inputs.1, &context(false)).expect("no limit"), &case.output());
            // A step in which only one relation changes, and the other is not heard of.
            let l = left.change(&mut random, 2, 40);
            let input = shared_input(&l, &mut map);
            seen.add_delta(
                &join.step(input, own(Delta::default()), &context(false)).expect("no limit"),
                &case.output(),
            );
            assert_eq!(seen, case.recompute(&left.passing(), &right.passing()), "{case:?}, step {round}");
        }
    }
}

/// So much churn that the relation moves rows.
#[test]
fn follows_rows_that_move() {
    for kind in [JoinKind::Inner, JoinKind::Full, JoinKind::Anti] {
        let case = Case { kind, keyed: true, null_safe: false, residual: true };
        let shared = || SideRelation::Shared { types: types(), mfp: source_mfp() };
        let mut join = Join::new(&case.plan(), shared(), SideRelation::Owned { types: types() });
        let mut map = MapFilterProject::new(&source_mfp());
        let (mut left, mut right, mut seen) = (Table::new(), Input::default(), Bag::default());
        let mut random = Random(23);
        let mut moved = 0;
        for round in 0..40 {
            let l = left.change(&mut random, 600, 400);
            moved += l.moves.as_ref().map_or(0, |moves: &Moves| moves.old.len());
            let changes = right.change(&mut random, 3, &mut make);
            let r = delta_of(&mut random, changes, &types());
            let input = shared_input(&l, &mut map);
            seen.add_delta(&join.step(input, own(r), &context(false)).expect("no limit"), &case.output());
            assert_eq!(seen, case.recompute(&left.passing(), &right.rows), "{kind:?}, step {round}");
        }
        assert!(moved > 0, "compaction is exercised");
    }
}

/// One row more probes its matches, however many rows there are.
#[test]
fn work_is_proportional_to_the_change() {
    let case = Case { kind: JoinKind::Left, keyed: true, null_safe: false, residual: false };
    let owned = || SideRelation::Owned { types: types() };
    let mut join = Join::new(&case.plan(), owned(), owned());
    let row = |n: i32| vec![Datum::Int4(n), Datum::Null, Datum::Bool(true)];
    let rows: Vec<(Row, i64)> = (0..20_000).map(|n| (row(n), 1)).collect();
    let delta = || Delta::of(DeltaBatch::from_rows(&types(), &rows));
    join.step(own(delta()), own(delta()), &context(false)).expect("no limit");
    let counted = context(false);
    let new = vec![Datum::Int4(5), Datum::Int4(1), Datum::Bool(true)];
    let one = Delta::of(DeltaBatch::from_rows(&types(), &[(new, 1)]));
    let output = join.step(own(one), own(Delta::default()), &counted).expect("no limit");
    assert_eq!(output.rows(), 1);
    assert!(counted.rows_touched() <= 4, "{} rows", counted.rows_touched());
    assert_eq!(RelationSnapshot::empty(types()).live_rows(), 0);
}
