//! Views that are maintained against the same plans run once on the tables as they are then.

use crate::local::SourceInput;
use crate::runtime::{
    Build, BuildId, BuildProgress, Callbacks, MarkReport, Runtime, RuntimeConfig, RuntimeError, Step, ViewInstall,
    ViewSnapshot,
};
use crate::testing::{EVENTS, GROUPS, Given, PlanBuilder, Random, Tables, answer, call, int8, plans, sorted};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headwater_dataflow::SourceDelta;
use headwater_dataflow::spec::{JoinKind, Mfp};
use headwater_expr::{Cast, CastContext, Expr, Scalar};
use headwater_plan::lir::{Operator, Plan};
use headwater_types::{Batch, DataType, Datum, Epoch, RelationId, Result, SessionSettings, SqlError};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a test hosts its views.
#[derive(Debug, Clone, Copy)]
struct Hosting {
    workers: usize,
    /// Whether deltas travel between workers as bytes.
    bytes: bool,
}

const HOSTINGS: [Hosting; 4] = [
    Hosting { workers: 1, bytes: false },
    Hosting { workers: 2, bytes: false },
    Hosting { workers: 3, bytes: false },
    Hosting { workers: 2, bytes: true },
];

/// A runtime, and what it reported.
struct Host {
    runtime: Runtime,
    marks: Receiver<Result<MarkReport, String>>,
    builds: Receiver<(BuildId, Result<(), SqlError>)>,
    /// While closed, a worker that reports a mark waits.
    gate: Arc<Mutex<()>>,
    views: BTreeMap<RelationId, Vec<ViewSnapshot>>,
    epoch: u64,
    next_build: u64,
}

impl Host {
    fn start(hosting: Hosting) -> Self {
        let (sender, marks) = unbounded();
        let fatal = sender.clone();
        let communication = match hosting {
            Hosting { workers: 1, .. } => timely::CommunicationConfig::Thread,
            Hosting { workers, bytes: false } => timely::CommunicationConfig::Process(workers),
            Hosting { workers, bytes: true } => timely::CommunicationConfig::ProcessBinary(workers),
        };
        let (built, builds) = unbounded();
        let gate = Arc::new(Mutex::new(()));
        let callbacks = Callbacks {
            on_mark: Box::new({
                let gate = Arc::clone(&gate);
                move |mark| {
                    sender.send(Ok(mark)).expect("the test waits");
                    drop(gate.lock());
                }
            }),
            on_build: Box::new(move |id, outcome| report(&built, id, outcome)),
            on_fatal: Box::new(move |message| fatal.send(Err(message)).expect("the test waits")),
        };
        let runtime = Runtime::start_with(RuntimeConfig { workers: hosting.workers }, communication, callbacks);
        let runtime = runtime.expect("threads start");
        Self { runtime, marks, builds, gate, views: BTreeMap::new(), epoch: 0, next_build: 1 }
    }

    /// Waits for the next mark.
    fn mark(&mut self) -> MarkReport {
        let mark = self.marks.recv().expect("the runtime lives").expect("nothing is broken");
        self.views.extend(mark.changed.iter().cloned());
        mark
    }

    fn install(&mut self, id: u32, plan: &Plan, tables: &Tables) {
        let (build, _) = self.begin(&[(id, plan)], tables);
        let mark = self.attach(build);
        assert_eq!(mark.changed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [RelationId(id)]);
    }

    /// Begins to build views over the tables as they are now.
    fn begin(&mut self, views: &[(u32, &Plan)], tables: &Tables) -> (BuildId, Arc<BuildProgress>) {
        let install = |(id, plan): &(u32, &Plan)| ViewInstall {
            id: RelationId(*id),
            plan: Arc::new((*plan).clone()),
            settings: Arc::new(SessionSettings::default()),
            types: plan.nodes[plan.root].types.clone(),
            key: plan.key.clone(),
            inputs: tables.snapshots(),
            epoch: Epoch(self.epoch),
            now_micros: 0,
        };
        let (id, progress) = (BuildId(self.next_build), Arc::new(BuildProgress::default()));
        self.next_build += 1;
        self.runtime.build(Build { id, views: views.iter().map(install).collect(), progress: Arc::clone(&progress) });
        (id, progress)
    }

    /// Waits until a build has caught up, or has failed.
    fn built(&self) -> (BuildId, Result<(), SqlError>) {
        self.builds.recv().expect("the runtime lives")
    }

    fn attach(&mut self, build: BuildId) -> MarkReport {
        self.epoch += 1;
        self.runtime.attach(build, Epoch(self.epoch));
        self.mark()
    }

    fn step(&mut self, deltas: Vec<(RelationId, SourceDelta)>) -> MarkReport {
        self.send(deltas);
        self.mark()
    }

    fn send(&mut self, deltas: Vec<(RelationId, SourceDelta)>) {
        self.epoch += 1;
        self.runtime.step(Step { epoch: Epoch(self.epoch), now_micros: 0, deltas });
    }

    /// A view's rows, in some order; or what reading it raises.
    fn read(&self, id: u32) -> Result<Vec<Vec<Datum>>, SqlError> {
        let parts = &self.views[&RelationId(id)];
        if let Some(error) = parts.iter().filter_map(|part| part.error.as_ref()).min() {
            return Err(error.clone());
        }
        let mut rows = vec![];
        for part in parts {
            let types = part.rows.types().to_vec();
            let all: Vec<usize> = (0..types.len()).collect();
            for batch in part.rows.scan(&all) {
                for (row, weight) in batch.to_rows(&types) {
                    assert!(weight > 0, "a stored row weighs {weight}");
                    rows.extend((0..weight).map(|_| row.clone()));
                }
            }
        }
        Ok(sorted(rows))
    }
}

fn report(built: &Sender<(BuildId, Result<(), SqlError>)>, id: BuildId, outcome: Result<(), SqlError>) {
    // The test may be over.
    let _ = built.send((id, outcome));
}

#[test]
fn views_equal_their_plans_after_every_step() {
    let plans = plans();
    for hosting in HOSTINGS {
        for seed in 0..4 {
            let mut random = Random(seed);
            let (mut host, mut tables) = (Host::start(hosting), Tables::new());
            for step in 0..40 {
                // Views come one by one, so that some begin with rows and some without.
                if step % 2 == 0
                    && let Some((_, plan)) = plans.get(step / 2)
                {
                    let id = 100 + u32::try_from(step / 2).expect("small");
                    host.install(id, plan, &tables);
                }
                let deltas = tables.change_at_random(&mut random);
                host.step(deltas);
                for (id, (name, plan)) in (100..).zip(&plans).take(step / 2 + 1) {
                    let expected = answer(plan, &Given::tables(&tables));
                    assert_eq!(host.read(id), expected, "{name}: {hosting:?} seed {seed} step {step}");
                }
            }
        }
    }
}

#[test]
fn views_read_views_and_their_errors() {
    let base = {
        let mut b = PlanBuilder::new();
        let events = b.events();
        let quotient = b.quotient(events, 2);
        b.project(quotient, &[1, 3]);
        b.plan()
    };
    let base_types = [DataType::Int4, DataType::Int8];
    // Joins the view with itself through an aggregate, and with a table.
    let above = {
        let mut b = PlanBuilder::new();
        let view = b.source(RelationId(100), &base_types);
        let groups = b.groups();
        let counts = b.count(view, &[0], None);
        let joined = b.join(JoinKind::Left, counts, groups, (0, 0));
        b.project(joined, &[0, 1, 3]);
        b.plan()
    };
    let shared = {
        let mut b = PlanBuilder::new();
        let view = b.source(RelationId(100), &base_types);
        let groups = b.groups();
        b.join(JoinKind::Inner, view, groups, (0, 0));
        b.plan()
    };
    let top = {
        let mut b = PlanBuilder::new();
        let view = b.source(RelationId(101), &[DataType::Int4, DataType::Int8, DataType::Text]);
        b.count(view, &[], Some(1));
        b.plan()
    };
    for hosting in HOSTINGS {
        for seed in 0..6 {
            let mut random = Random(seed * 31 + 7);
            let (mut host, mut tables) = (Host::start(hosting), Tables::new());
            for step in 0..30 {
                for (at, id, plan) in [(0, 100, &base), (5, 101, &above), (7, 102, &shared), (9, 103, &top)] {
                    if step == at {
                        host.install(id, plan, &tables);
                    }
                }
                host.step(tables.change_at_random(&mut random));
                let mut given = Given::tables(&tables);
                for (at, id, plan) in [(0, 100, &base), (5, 101, &above), (7, 102, &shared), (9, 103, &top)] {
                    if step < at {
                        break;
                    }
                    let context = format!("view {id}: {hosting:?} seed {seed} step {step}");
                    match answer(plan, &given) {
                        Ok(rows) => {
                            assert_eq!(host.read(id).as_ref(), Ok(&rows), "{context}");
                            let types = &plan.nodes[plan.root].types;
                            given.0.insert(RelationId(id), SourceInput::Rows(Batch::from_rows(types, &rows)));
                        }
                        Err(error) => {
                            // And so do all that read it.
                            for id in (id..=103).filter(|id| host.views.contains_key(&RelationId(*id))) {
                                assert_eq!(host.read(id).as_ref(), Err(&error), "{context}");
                            }
                            break;
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn views_come_and_go_while_others_are_kept() {
    let plans = plans();
    for hosting in HOSTINGS {
        let mut random = Random(99);
        let (mut host, mut tables) = (Host::start(hosting), Tables::new());
        let mut live: BTreeMap<u32, usize> = BTreeMap::new();
        for step in 0..60_u32 {
            let chosen = usize::try_from(random.below(20)).expect("small");
            if random.below(2) == 0 {
                host.install(1000 + step, &plans[chosen].1, &tables);
                live.insert(1000 + step, chosen);
            }
            if live.len() > 5 {
                let gone: Vec<u32> = live.keys().copied().filter(|_| random.below(3) == 0).collect();
                for id in &gone {
                    live.remove(id);
                    host.views.remove(&RelationId(*id));
                }
                host.runtime.drop_views(gone.into_iter().map(RelationId).collect());
            }
            let mark = host.step(tables.change_at_random(&mut random));
            assert!(mark.changed.iter().all(|(id, _)| live.contains_key(&id.0)), "a dropped view is reported");
            for (id, plan) in &live {
                let (name, plan) = &plans[*plan];
                let expected = answer(plan, &Given::tables(&tables));
                assert_eq!(host.read(*id), expected, "{name}: {hosting:?} step {step}");
            }
        }
    }
}

#[test]
fn a_backfill_in_many_pieces_gives_the_whole() {
    let event = |id: i32| vec![Datum::Int4(id), Datum::Int4(id % 7), Datum::Int8(i64::from(id % 5 + 1))];
    for hosting in HOSTINGS {
        let (mut host, mut tables) = (Host::start(hosting), Tables::new());
        for start in (0..30_000).step_by(3000) {
            let rows: Vec<_> = (start..start + 3000).map(event).collect();
            tables.change(EVENTS, &rows, &[]);
        }
        tables.change(GROUPS, &[vec![Datum::Int4(3), Datum::text("three")]], &[]);
        tables.change(EVENTS, &[], &(0..9000).step_by(3).collect::<Vec<_>>());
        for (id, (name, plan)) in (100..).zip(plans()) {
            if name == "everything" || name.contains("join") && hosting.bytes {
                continue;
            }
            host.install(id, &plan, &tables);
            assert_eq!(host.read(id), answer(&plan, &Given::tables(&tables)), "{name}: {hosting:?}");
        }
    }
}

#[test]
fn rows_that_move_are_still_joined() {
    // `events JOIN groups ON 100 / val = grp WHERE val <> 0`: of rows that the filter drops, the key is an error.
    let plan = {
        let mut b = PlanBuilder::new();
        let (val, grp) = (Scalar::column(2, DataType::Int8), Scalar::column(0, DataType::Int4));
        let key = call("/(int8,int8)", vec![int8(100), val.clone()], DataType::Int8);
        let passes = call("<>(int8,int8)", vec![val, int8(0)], DataType::Bool);
        let mfp =
            Mfp { expressions: vec![key], predicates: vec![(0, passes)], projection: vec![0, 3], ..Mfp::identity(3) };
        let types = vec![DataType::Int4, DataType::Int8];
        let events = b.add(Operator::Source { relation: EVENTS, mfp }, &[], types);
        let cast = Cast { to: DataType::Int8, context: CastContext::Implicit };
        let widened = Expr::Cast(Box::new(grp), cast);
        let mfp = Mfp { expressions: vec![widened], projection: vec![1, 2], ..Mfp::identity(2) };
        let types = vec![DataType::Text, DataType::Int8];
        let groups = b.add(Operator::Source { relation: GROUPS, mfp }, &[], types);
        b.join(JoinKind::Left, events, groups, (1, 1));
        b.plan()
    };
    for hosting in HOSTINGS {
        let (mut host, mut tables) = (Host::start(hosting), Tables::new());
        let event = |id: i32| vec![Datum::Int4(id), Datum::Int4(1), Datum::Int8(i64::from(id % 5))];
        for start in (0..12_000).step_by(1500) {
            tables.change(EVENTS, &(start..start + 1500).map(event).collect::<Vec<_>>(), &[]);
        }
        host.install(100, &plan, &tables);
        let group = |id: i32, name: &str| vec![Datum::Int4(id), Datum::text(name)];
        let delta = tables.change(GROUPS, &[group(25, "a"), group(50, "b")], &[]);
        host.step(vec![(GROUPS, delta)]);
        let mut moved = false;
        for part in 0..9 {
            let gone: Vec<i32> = (0..12_000).filter(|id| id % 9 == part && id % 7 > 0).collect();
            let delta = tables.change(EVENTS, &[], &gone);
            moved |= delta.moves.is_some();
            host.step(vec![(EVENTS, delta)]);
        }
        assert!(moved, "the table was compacted");
        for (id, name) in [(25, "c"), (33, "d"), (50, "e")] {
            let delta = tables.change(GROUPS, &[group(id, name)], &[]);
            host.step(vec![(GROUPS, delta)]);
        }
        let delta = tables.change(EVENTS, &[], &(0..12_000).filter(|id| id % 3 > 0).collect::<Vec<_>>());
        host.step(vec![(EVENTS, delta)]);
        assert_eq!(host.read(100), answer(&plan, &Given::tables(&tables)), "{hosting:?}");
    }
}

#[test]
fn a_step_costs_what_it_changes() {
    let mut tables = Tables::new();
    let rows: Vec<_> = (0..20_000).map(|id| vec![Datum::Int4(id), Datum::Int4(id % 1000), Datum::Int8(1)]).collect();
    tables.change(EVENTS, &rows, &[]);
    let groups: Vec<_> = (0..1000).map(|id| vec![Datum::Int4(id), Datum::text(format!("g{id}"))]).collect();
    tables.change(GROUPS, &groups, &[]);
    let mut host = Host::start(HOSTINGS[0]);
    for (id, (name, plan)) in (100..).zip(plans()) {
        if ["count by group", "count of all", "inner join and count"].contains(&name) {
            host.install(id, &plan, &tables);
        }
    }
    let delta = tables.change(EVENTS, &[vec![Datum::Int4(20_000), Datum::Int4(5), Datum::Int8(1)]], &[]);
    let mark = host.step(vec![(EVENTS, delta)]);
    assert!(mark.rows_touched < 100, "{} rows for one", mark.rows_touched);
    // The table of groups concerns one of them only.
    let delta = tables.change(GROUPS, &[vec![Datum::Int4(2000), Datum::text("empty")]], &[]);
    let mark = host.step(vec![(GROUPS, delta)]);
    assert!(mark.changed.len() <= 1, "views that read other tables are left alone");
    assert!(mark.rows_touched < 20, "{} rows for one", mark.rows_touched);
}

#[test]
fn a_broken_invariant_is_fatal_and_nothing_hangs() {
    for hosting in HOSTINGS {
        let mut host = Host::start(hosting);
        let (name, plan) = &plans()[2];
        host.install(100, plan, &Tables::new());
        // A row that was never inserted is retracted.
        let mut delta = Tables::new().change(EVENTS, &[vec![Datum::Int4(1), Datum::Int4(1), Datum::Int8(1)]], &[]);
        delta.batches[0].weights = vec![-1];
        host.runtime.step(Step { epoch: Epoch(2), now_micros: 0, deltas: vec![(EVENTS, delta)] });
        let message = host.marks.recv().expect("the runtime lives").expect_err("it is broken");
        assert!(message.contains("view with id 100"), "{name}: {message}");
        host.runtime.shutdown();
        assert!(host.marks.try_recv().is_err(), "nothing is reported after the end");
    }
}

#[test]
fn absurd_numbers_of_workers_are_refused() {
    for workers in [0, 100_000] {
        let callbacks =
            Callbacks { on_mark: Box::new(|_| ()), on_build: Box::new(|_, _| ()), on_fatal: Box::new(|_| ()) };
        let started = Runtime::start(RuntimeConfig { workers }, callbacks);
        assert!(matches!(started, Err(RuntimeError::Workers { .. })), "{workers}");
    }
}

/// `count by group` over the table, and views over that: by a join and by itself.
fn stacked() -> [(u32, Plan); 3] {
    let counts = {
        let mut b = PlanBuilder::new();
        let events = b.events();
        b.count(events, &[1], None);
        b.plan()
    };
    let types = [DataType::Int4, DataType::Int8];
    let joined = {
        let mut b = PlanBuilder::new();
        let counts = b.source(RelationId(100), &types);
        let groups = b.groups();
        b.join(JoinKind::Left, counts, groups, (0, 0));
        b.plan()
    };
    let total = {
        let mut b = PlanBuilder::new();
        let counts = b.source(RelationId(100), &types);
        b.count(counts, &[], Some(1));
        b.plan()
    };
    [(100, counts), (101, joined), (102, total)]
}

/// What stacked views answer.
fn stacked_answers(views: &[(u32, Plan)], tables: &Tables) -> BTreeMap<u32, Result<Vec<Vec<Datum>>, SqlError>> {
    let mut given = Given::tables(tables);
    let mut answers = BTreeMap::new();
    for (id, plan) in views {
        let rows = answer(plan, &given);
        if let Ok(rows) = &rows {
            let types = &plan.nodes[plan.root].types;
            given.0.insert(RelationId(*id), SourceInput::Rows(Batch::from_rows(types, rows)));
        }
        answers.insert(*id, rows);
    }
    answers
}

fn event(id: i32) -> Vec<Datum> {
    vec![Datum::Int4(id), Datum::Int4(id % 7), Datum::Int8(i64::from(id % 5 + 1))]
}

/// So many events that a build takes several pieces.
fn many_events() -> Tables {
    let mut tables = Tables::new();
    for start in (0..60_000).step_by(6000) {
        tables.change(EVENTS, &(start..start + 6000).map(event).collect::<Vec<_>>(), &[]);
    }
    tables.change(GROUPS, &[vec![Datum::Int4(3), Datum::text("three")]], &[]);
    tables
}

#[test]
fn steps_go_on_while_views_are_built() {
    let views = stacked();
    let plans: Vec<(u32, &Plan)> = views.iter().map(|(id, plan)| (*id, plan)).collect();
    for hosting in HOSTINGS {
        let (mut host, mut tables) = (Host::start(hosting), many_events());
        host.install(50, &views[0].1, &tables);
        let live = |host: &mut Host, tables: &mut Tables, id: i32| {
            let delta = tables.change(EVENTS, &[event(id)], &[id % 60_000]);
            host.send(vec![(EVENTS, delta)]);
        };
        // Nothing of this is begun before all of it is asked for: who reports the first mark waits.
        let gate = Arc::clone(&host.gate);
        let closed = gate.lock();
        host.send(vec![]);
        let (build, progress) = host.begin(&plans, &tables);
        live(&mut host, &mut tables, 70_001);
        drop(closed);
        host.mark();
        host.mark();
        let mut seen = vec![];
        for id in 70_002..70_020 {
            live(&mut host, &mut tables, id);
            host.mark();
            seen.push(progress.rows_done());
        }
        assert!(seen.iter().any(|&rows| rows > 0), "pieces are fed between steps");
        assert_eq!(host.built(), (build, Ok(())));
        assert!(progress.rows_done() >= 60_000 && progress.rows_done() == progress.rows_total());
        assert!(!host.views.contains_key(&RelationId(100)), "nothing is read of what is not attached");
        // Held, as the build has caught up before.
        live(&mut host, &mut tables, 70_100);
        host.mark();
        let mark = host.attach(build);
        assert_eq!(mark.changed.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [100, 101, 102]);
        for step in 0..3 {
            for (id, expected) in stacked_answers(&views, &tables) {
                assert_eq!(host.read(id), expected, "view {id}, step {step}: {hosting:?}");
            }
            let delta = tables.change(EVENTS, &[event(80_000 + step)], &[70_002 + step]);
            host.step(vec![(EVENTS, delta)]);
        }
        assert_eq!(progress.held_bytes(), 0);
    }
}

#[test]
fn builds_at_random_equal_their_plans() {
    let (plans, views) = (plans(), stacked());
    for hosting in HOSTINGS {
        for seed in 0..4 {
            let mut random = Random(seed * 97 + 5);
            let (mut host, mut tables) = (Host::start(hosting), Tables::new());
            let mut building: Vec<(BuildId, Vec<usize>)> = vec![];
            let mut live: BTreeMap<u32, usize> = BTreeMap::new();
            for step in 0..60_u32 {
                if step % 3 == 0 {
                    let chosen: Vec<usize> = (0..=random.below(2))
                        .map(|_| {
                            usize::try_from(random.below(u64::try_from(plans.len()).expect("few"))).expect("small")
                        })
                        .collect();
                    let installs: Vec<(u32, &Plan)> =
                        (1000 + step * 3..).zip(&chosen).map(|(id, &plan)| (id, &plans[plan].1)).collect();
                    let (id, _) = host.begin(&installs, &tables);
                    building.push((id, chosen));
                }
                if step == 30 {
                    let stack: Vec<(u32, &Plan)> = views.iter().map(|(id, plan)| (*id, plan)).collect();
                    let (id, _) = host.begin(&stack, &tables);
                    host.step(tables.change_at_random(&mut random));
                    host.attach(id);
                }
                host.step(tables.change_at_random(&mut random));
                match random.below(3) {
                    0 if !building.is_empty() => {
                        let (id, chosen) = building.remove(0);
                        let mark = host.attach(id);
                        live.extend(mark.changed.iter().map(|(id, _)| id.0).zip(chosen));
                    }
                    1 if building.len() > 2 => {
                        let (id, _) = building.remove(1);
                        host.runtime.cancel_build(id);
                    }
                    _ => {}
                }
                for (id, plan) in &live {
                    let (name, plan) = &plans[*plan];
                    let expected = answer(plan, &Given::tables(&tables));
                    assert_eq!(host.read(*id), expected, "{name}: {hosting:?} seed {seed} step {step}");
                }
                if step >= 30 {
                    for (id, expected) in stacked_answers(&views, &tables) {
                        assert_eq!(host.read(id), expected, "view {id}: {hosting:?} seed {seed} step {step}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_cancelled_build_leaves_nothing() {
    for hosting in HOSTINGS {
        let (mut host, mut tables) = (Host::start(hosting), many_events());
        let views = stacked();
        let (build, _) = host.begin(&[(100, &views[0].1)], &tables);
        host.runtime.cancel_build(build);
        host.runtime.cancel_build(build);
        let delta = tables.change(EVENTS, &[event(90_000)], &[]);
        let mark = host.step(vec![(EVENTS, delta)]);
        assert!(mark.changed.is_empty() && mark.rows_touched == 0, "nobody reads the table: {hosting:?}");
        // Its id is free again.
        host.install(100, &views[0].1, &tables);
        assert_eq!(host.read(100), answer(&views[0].1, &Given::tables(&tables)), "{hosting:?}");
    }
}

#[test]
fn a_build_that_fails_is_told_and_the_others_live_on() {
    for hosting in HOSTINGS {
        let (mut host, tables) = (Host::start(hosting), many_events());
        let views = stacked();
        // It reads view 100, which is not there.
        let (build, _) = host.begin(&[(101, &views[1].1)], &tables);
        let (failed, outcome) = host.built();
        assert!(failed == build && outcome.is_err_and(|error| error.message.contains("reads relation 100")));
        host.runtime.cancel_build(build);
        host.install(100, &views[0].1, &tables);
        host.install(101, &views[1].1, &tables);
        assert_eq!(host.read(101), stacked_answers(&views, &tables)[&101], "{hosting:?}");
    }
}

#[test]
fn a_view_is_replaced_under_those_that_read_it() {
    let views = stacked();
    // The same counts, over a relation of their own.
    let groups_only = {
        let mut b = PlanBuilder::new();
        let events = b.events();
        b.project(events, &[1]);
        b.plan()
    };
    let counts = {
        let mut b = PlanBuilder::new();
        let groups = b.source(RelationId(99), &[DataType::Int4]);
        b.count(groups, &[0], None);
        b.plan()
    };
    for hosting in HOSTINGS {
        for seed in 0..3 {
            let mut random = Random(seed * 7 + 1);
            let (mut host, mut tables) = (Host::start(hosting), Tables::new());
            for _ in 0..5 {
                tables.change_at_random(&mut random);
            }
            for (id, plan) in &views {
                host.install(*id, plan, &tables);
            }
            let (build, _) = host.begin(&[(99, &groups_only), (100, &counts), (103, &views[1].1)], &tables);
            host.step(tables.change_at_random(&mut random));
            host.attach(build);
            for step in 0..20 {
                for (id, expected) in stacked_answers(&views, &tables) {
                    assert_eq!(host.read(id), expected, "view {id}, step {step}: {hosting:?}");
                }
                assert_eq!(host.read(103), host.read(101), "built beside the replacement: {hosting:?}");
                host.step(tables.change_at_random(&mut random));
            }
        }
    }
}
