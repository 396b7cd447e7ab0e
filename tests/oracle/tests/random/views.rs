//! Random bound queries as views: after every change of the tables, the view holds the oracle's rows.

use crate::generate::Generator;
use crate::run::{self, Tables, is_keyed, types};
use headwater_arrange::KeyedRelation;
use headwater_compute::runtime::{MarkReport, Runtime, RuntimeConfig, Step, ViewInstall, ViewSnapshot};
use headwater_dataflow::SourceDelta;
use headwater_plan::hir::HirQuery;
use headwater_plan::{PlanOptions, RewriteOptions, plan_view};
use headwater_types::{Batch, Datum, Epoch, RelationId, Result, SessionSettings, SqlState};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

const SEEDS: u64 = 300;
const STEPS: usize = 8;

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
            let before = relation.snapshot();
            let applied = relation.apply(&deleted, &Batch::from_rows(&types(table), &inserts)).expect("there is room");
            let after = relation.snapshot();
            changes
                .push((RelationId(table), SourceDelta { delta: applied.delta, moves: applied.moves, before, after }));
        }
        changes
    }

    fn tables(&self) -> Tables {
        Tables((0..3).map(|table| self.rows(table).into_iter().map(|(_, row)| row).collect()).collect())
    }
}

struct Host {
    runtime: Runtime,
    marks: Receiver<Result<MarkReport, String>>,
    epoch: u64,
}

impl Host {
    fn start() -> Self {
        let (sender, marks) = channel();
        let fatal = sender.clone();
        let runtime = Runtime::start(
            RuntimeConfig::default(),
            Box::new(move |mark| sender.send(Ok(mark)).unwrap_or_default()),
            Box::new(move |message| fatal.send(Err(message)).unwrap_or_default()),
        );
        Self { runtime: runtime.expect("threads start"), marks, epoch: 0 }
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

fn check(seed: u64, host: &mut Host) {
    let mut random = SmallRng::seed_from_u64(seed);
    let tables = Tables::random(&mut random);
    let query = Generator::new(&mut random).query();
    let rewrites = match random.random_range(0..3) {
        0 => RewriteOptions::none(),
        1 => RewriteOptions::all(),
        _ => RewriteOptions::from_bits(random.random()),
    };
    let options = PlanOptions { rewrites };
    let plan = plan_view(&query, &tables, &options).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let mut stored = Stored::new(&tables);
    let view = RelationId(100 + u32::try_from(seed).expect("small"));
    host.epoch += 1;
    host.runtime.install(ViewInstall {
        id: view,
        types: plan.nodes[plan.root].types.clone(),
        key: plan.key.clone(),
        plan: Arc::new(plan),
        settings: Arc::new(SessionSettings::default()),
        inputs: (1..=3).zip(&stored.0).map(|(id, table)| (RelationId(id), table.snapshot())).collect(),
        epoch: Epoch(host.epoch),
        now_micros: 0,
    });
    let mut contents = host.mark().changed.into_iter().find(|(id, _)| *id == view).expect("it is new").1;
    for step in 0..=STEPS {
        let what = || format!("seed {seed}, step {step}\n{}", run::explained(&query, &tables, &options));
        compare(read(&contents), &query, &stored.tables(), &what);
        host.epoch += 1;
        let deltas = stored.change(&mut random);
        host.runtime.step(Step { epoch: Epoch(host.epoch), now_micros: 0, deltas });
        if let Some((_, changed)) = host.mark().changed.into_iter().find(|(id, _)| *id == view) {
            contents = changed;
        }
    }
    host.runtime.drop_views(vec![view]);
}

#[test]
fn views_hold_the_oracles_rows() {
    let mut host = Host::start();
    let first = crate::first_seed();
    for seed in first..first + SEEDS {
        check(seed, &mut host);
    }
}
