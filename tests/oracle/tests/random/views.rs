//! Random bound queries as views: after every change of the tables, the view holds the oracle's rows. Each is made
//! twice; the second time it may read what the first has brought to share. Some were kept by another plan before.

use crate::generate::Generator;
use crate::run::{self, Tables, is_keyed, types};
use headwater_arrange::KeyedRelation;
use headwater_catalog::SharedRelation;
use headwater_compute::runtime::{
    Build, BuildId, BuildProgress, Callbacks, MarkReport, Runtime, RuntimeConfig, Step, ViewInstall, ViewSnapshot,
};
use headwater_dataflow::SourceDelta;
use headwater_plan::hir::HirQuery;
use headwater_plan::lir::Plan;
use headwater_plan::{PlanOptions, RewriteOptions, SharedPlan, ViewPlan, plan_view};
use headwater_types::{Batch, Datum, Epoch, RelationId, Result, SessionSettings, SqlState};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

const SEEDS: u64 = 300;
const STEPS: usize = 8;
const VIEWS: [RelationId; 2] = [RelationId(100), RelationId(101)];
const SHARED_FIRST: RelationId = RelationId(200);

/// The tables as the engine stores them.
struct Stored(Vec<KeyedRelation>);

impl Stored {
    fn new(tables: &Tables) -> Self {
        let stored = |table: u32| {
            let mut relation = KeyedRelation::new(types(table), is_keyed(table).then(|| vec![0]));
            let rows = tables.rows(RelationId(table));
            relation.apply(&[], &Batch::from_rows(&types(table), &rows)).expect("there is room");
            relation
        };
        Self((1..=3).map(stored).collect())
    }

    /// Each stored row with its id.
    fn rows(&self, table: usize) -> Vec<(u32, Vec<Datum>)> {
        let types = self.0[table].types().to_vec();
        let columns: Vec<usize> = (0..types.len()).collect();
        let mut rows = Vec::new();
        for batch in self.0[table].snapshot().scan(&columns) {
            let ids = batch.row_ids.clone().expect("a stored relation has row ids");
            rows.extend(ids.into_iter().zip(batch.to_rows(&types)).map(|(id, (row, _))| (id, row)));
        }
        rows
    }

    /// Changes some tables at random.
    fn change(&mut self, random: &mut SmallRng) -> Vec<(RelationId, SourceDelta)> {
        let mut changes = Vec::new();
        for (i, table) in (0..3).zip(1..=3) {
            if random.random_bool(0.4) {
                continue;
            }
            let rows = self.rows(i);
            let deleted: Vec<u32> = rows.iter().filter(|_| random.random_bool(0.3)).map(|(id, _)| *id).collect();
            let kept: Vec<&Vec<Datum>> =
                rows.iter().filter(|(id, _)| !deleted.contains(id)).map(|(_, row)| row).collect();
            let mut inserts: Vec<Vec<Datum>> = Vec::new();
            for row in run::random_rows(random, table, 3) {
                let clash = |other: &&Vec<Datum>| other[0] == row[0];
                if !is_keyed(table) || !kept.iter().any(clash) && !inserts.iter().any(|other| other[0] == row[0]) {
                    inserts.push(row);
                }
            }
            let relation = &mut self.0[i];
            let applied = relation.apply(&deleted, &Batch::from_rows(&types(table), &inserts)).expect("there is room");
            let after = relation.snapshot();
            changes
                .push((RelationId(table), SourceDelta { batches: vec![applied.delta], moves: applied.moves, after }));
        }
        changes
    }

    fn tables(&self) -> Tables {
        let rows = |table| self.rows(table).into_iter().map(|(_, row)| row).collect();
        Tables((0..3).map(rows).collect(), vec![], [1; 3])
    }
}

pub struct Host {
    runtime: Runtime,
    marks: Receiver<Result<MarkReport, String>>,
    builds: Receiver<(BuildId, Result<()>)>,
    epoch: u64,
}

impl Host {
    pub fn start(workers: usize) -> Self {
        let (sender, marks) = channel();
        let fatal = sender.clone();
        let (built, builds) = channel();
        let callbacks = Callbacks {
            on_mark: Box::new(move |mark| sender.send(Ok(mark)).unwrap_or_default()),
            on_build: Box::new(move |id, outcome| built.send((id, outcome)).unwrap_or_default()),
            on_fatal: Box::new(move |message| fatal.send(Err(message)).unwrap_or_default()),
        };
        let runtime = Runtime::start(RuntimeConfig { workers }, callbacks);
        Self { runtime: runtime.expect("threads start"), marks, builds, epoch: 0 }
    }

    /// Hosts views, or replaces them; their contents.
    fn install(&mut self, views: Vec<(RelationId, Plan)>, stored: &Stored) -> BTreeMap<RelationId, Vec<ViewSnapshot>> {
        self.epoch += 1;
        let install = |(id, plan): (RelationId, Plan)| ViewInstall {
            id,
            types: plan.nodes[plan.root].types.clone(),
            key: plan.key.clone(),
            plan: Arc::new(plan),
            settings: Arc::new(SessionSettings::default()),
            inputs: (1..=3).zip(&stored.0).map(|(id, table)| (RelationId(id), table.snapshot())).collect(),
            epoch: Epoch(self.epoch),
            now_micros: 0,
        };
        let (id, progress) = (BuildId(self.epoch), Arc::new(BuildProgress::default()));
        self.runtime.build(Build { id, views: views.into_iter().map(install).collect(), progress });
        let (built, outcome) = self.builds.recv().expect("the runtime lives");
        outcome.expect("it can be built");
        self.runtime.attach(built, Epoch(self.epoch));
        self.mark().changed.into_iter().collect()
    }

    fn mark(&self) -> MarkReport {
        self.marks.recv().expect("the runtime lives").unwrap_or_else(|message| panic!("{message}"))
    }
}

fn read(parts: &[ViewSnapshot]) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for part in parts {
        if let Some(error) = &part.error {
            return Err(error.clone());
        }
        let types = part.rows.types().to_vec();
        let columns: Vec<usize> = (0..types.len()).collect();
        for batch in part.rows.scan(&columns) {
            for (row, weight) in batch.to_rows(&types) {
                assert!(weight > 0, "a row of weight {weight}");
                rows.extend((0..weight).map(|_| format!("{row:?}")));
            }
        }
    }
    rows.sort();
    Ok(rows)
}

fn compare(found: Result<Vec<String>>, query: &HirQuery, tables: &Tables, what: &dyn Fn() -> String) {
    let Ok(mut expected) = run::oracle(query, tables) else { return };
    expected.sort();
    match found {
        Ok(found) => assert_eq!(found, expected, "{}", what()),
        Err(error) => assert_eq!(error.state, SqlState::DivisionByZero, "{error}: {}", what()),
    }
}

/// Whether the query's view had something to share.
fn check(seed: u64, host: &mut Host) -> bool {
    let mut random = SmallRng::seed_from_u64(seed);
    let tables = Tables::random(&mut random);
    let query = Generator::new(&mut random).query();
    let rewrites = match random.random_range(0..3) {
        0 => RewriteOptions::none(),
        1 => RewriteOptions::all(),
        _ => RewriteOptions::from_bits(random.random()),
    };
    let options = PlanOptions { rewrites, share_from: random.random_bool(0.7).then_some(SHARED_FIRST) };
    holds(seed, &query, tables, &options, &mut random, host)
}

/// Keeps two views of the query while the tables change, and compares them with the oracle after each step. Whether they
/// had something to share.
pub fn holds(
    seed: u64,
    query: &HirQuery,
    mut tables: Tables,
    options: &PlanOptions,
    random: &mut SmallRng,
    host: &mut Host,
) -> bool {
    let planned = |tables: &Tables, options: &PlanOptions| {
        plan_view(query, tables, options).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
    };
    let mut stored = Stored::new(&tables);
    let alone = PlanOptions { share_from: None, ..*options };
    if random.random_bool(0.5) {
        // Its plan is replaced below.
        host.install(vec![(VIEWS[0], planned(&tables, &alone).plan)], &stored);
    }
    let ViewPlan { plan, shared, .. } = planned(&tables, options);
    tables.1.extend(shared.iter().map(|shared| Arc::new(in_catalog(shared))));
    let mut hosted: Vec<(RelationId, Plan)> = shared.iter().map(|shared| (shared.id, shared.plan.clone())).collect();
    hosted.extend([(VIEWS[0], plan), (VIEWS[1], planned(&tables, &alone).plan)]);
    let ids = hosted.iter().map(|(id, _)| *id).collect();
    let mut contents = host.install(hosted, &stored);
    for step in 0..=STEPS {
        let what = || format!("seed {seed}, step {step}\n{}", run::explained(query, &tables, options));
        for view in VIEWS {
            compare(read(&contents[&view]), query, &stored.tables(), &what);
        }
        host.epoch += 1;
        let deltas = stored.change(random);
        host.runtime.step(Step { epoch: Epoch(host.epoch), now_micros: 0, deltas });
        contents.extend(host.mark().changed);
    }
    host.runtime.drop_views(ids);
    !shared.is_empty()
}

fn in_catalog(shared: &SharedPlan) -> SharedRelation {
    SharedRelation {
        id: shared.id,
        grouping: shared.grouping.clone(),
        definition: shared.definition.clone(),
        columns: shared.columns.clone(),
        settings: SessionSettings::default(),
        plan: vec![],
    }
}

#[test]
fn views_hold_the_oracles_rows() {
    let mut host = Host::start(1);
    let first = crate::first_seed();
    let shared = (first..first + SEEDS).filter(|&seed| check(seed, &mut host)).count();
    assert!(shared > 10, "only {shared} views had something to share");
}
