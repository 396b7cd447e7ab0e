//! A worker thread: takes commands one at a time, and steps the dataflows that they concern.
//!
//! Worker 0 paces the builds: having done a piece, or a step that a build holds, it asks for the next piece, behind the
//! commands that have come meanwhile.

use crate::node::Sources;
use crate::runtime::assemble::{Assembler, WorkerReport};
use crate::runtime::building::Building;
use crate::runtime::network::{Host, Network, cannot_be_maintained};
use crate::runtime::queues::{Command, CommandQueues};
use crate::runtime::{Build, BuildId, OperatorMemory, Step};
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use headwater_dataflow::SourceDelta;
use headwater_types::{Epoch, RelationId};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use timely::worker::Worker as Timely;

/// A change of fewer rows is taken by one worker.
const SHARE_ROWS_MIN: usize = 256;
/// How long a piece of a build is to take: as long as a step may wait for it.
const PIECE_TIME: Duration = Duration::from_millis(5);
/// Rows in the first piece, before it is known how long they take.
const PIECE_ROWS_FIRST: usize = 4096;
/// Rows in a piece, at least and at most.
const PIECE_ROWS_MIN: usize = 256;
const PIECE_ROWS_MAX: usize = 1 << 17;

/// See the module.
pub(crate) struct Worker {
    index: usize,
    workers: usize,
    assembler: Arc<Assembler>,
    queues: Arc<CommandQueues>,
    live: Network,
    builds: BTreeMap<BuildId, Paced>,
}

/// A build, and how it is paced.
struct Paced {
    building: Building,
    /// Rows of the next piece.
    rows_max: usize,
    /// Whether a piece has been asked for.
    expects_piece: bool,
    /// Whether it was told that it has caught up, or why it cannot.
    is_told: bool,
}

impl Worker {
    pub(crate) fn new(timely: &Timely, assembler: Arc<Assembler>, queues: Arc<CommandQueues>) -> Self {
        let (index, workers) = (timely.index(), timely.peers());
        Self { index, workers, assembler, queues, live: Network::default(), builds: BTreeMap::new() }
    }

    /// Serves until it is told to stop, or something is broken beyond repair.
    pub(crate) fn run(mut self, timely: &mut Timely, commands: &Receiver<Command>) {
        let failure = match catch_unwind(AssertUnwindSafe(|| self.serve(timely, commands))) {
            Ok(Ok(())) => None,
            Ok(Err(message)) => Some(message),
            Err(panic) => Some(format!("a view worker panicked: {}", panic_message(&*panic))),
        };
        if let Some(message) = failure {
            self.assembler.fail(message);
        }
        // Timely serves on as long as there are dataflows.
        for dataflow in timely.installed_dataflows() {
            timely.drop_dataflow(dataflow);
        }
    }

    fn serve(&mut self, timely: &mut Timely, commands: &Receiver<Command>) -> Result<(), String> {
        let assembler = Arc::clone(&self.assembler);
        loop {
            let mut host = Host { timely: &mut *timely, assembler: &assembler };
            match commands.try_recv() {
                Ok(Command::Build(build)) => self.build(&mut host, &build),
                Ok(Command::Advance(build, rows_max)) => self.advance(&mut host, build, rows_max)?,
                Ok(Command::Attach(build, epoch)) => self.attach(&mut host, build, epoch)?,
                Ok(Command::Cancel(build)) => self.cancel(&mut host, build),
                Ok(Command::Drop(ids)) => self.drop_views(&mut host, &ids),
                Ok(Command::Step(step)) => self.step(&mut host, &step)?,
                Ok(Command::Describe(reply)) => self.describe(&reply),
                Ok(Command::Shutdown) | Err(TryRecvError::Disconnected) => return Ok(()),
                // Whoever sends a command unparks this thread afterwards.
                Err(TryRecvError::Empty) => {
                    timely.step_or_park(None);
                }
            }
        }
    }

    fn describe(&self, reply: &Sender<OperatorMemory>) {
        for memory in self.live.views().flat_map(|view| view.operator_memory(self.index)) {
            // Whoever asked may be gone.
            let _ = reply.send(memory);
        }
    }

    fn build(&mut self, host: &mut Host<'_>, build: &Build) {
        match Building::new(host, build, &self.live) {
            Ok(building) => {
                let paced = Paced { building, rows_max: PIECE_ROWS_FIRST, expects_piece: false, is_told: false };
                self.builds.insert(build.id, paced);
                self.pace(build.id);
            }
            Err(error) => self.assembler.report_build(build.id, Err(error)),
        }
    }

    fn advance(&mut self, host: &mut Host<'_>, id: BuildId, rows_max: usize) -> Result<(), String> {
        // It may have been attached or cancelled since.
        let Some(paced) = self.builds.get_mut(&id) else { return Ok(()) };
        let start = Instant::now();
        paced.building.advance(host, rows_max)?;
        paced.expects_piece = false;
        paced.rows_max = next_rows(rows_max, start.elapsed());
        self.pace(id);
        Ok(())
    }

    /// Asks for a build's next piece, or tells that there is none.
    fn pace(&mut self, id: BuildId) {
        let paced = self.builds.get_mut(&id).expect("the build is there");
        if let Some(error) = paced.building.failure() {
            if !std::mem::replace(&mut paced.is_told, true) {
                self.assembler.report_build(id, Err(error.clone()));
            }
            return;
        }
        if self.index > 0 {
            return;
        }
        if !paced.building.is_caught_up() {
            if !std::mem::replace(&mut paced.expects_piece, true) {
                self.queues.send(&Command::Advance(id, paced.rows_max));
            }
        } else if !std::mem::replace(&mut paced.is_told, true) {
            self.assembler.report_build(id, Ok(()));
        }
    }

    fn attach(&mut self, host: &mut Host<'_>, id: BuildId, epoch: Epoch) -> Result<(), String> {
        let Some(Paced { mut building, .. }) = self.builds.remove(&id) else {
            return Err("a build that is not there cannot be attached".to_owned());
        };
        while !building.is_caught_up() {
            building.advance(host, PIECE_ROWS_MAX)?;
        }
        if let Some(error) = building.failure() {
            return Err(format!("views cannot be built: {}", error.message));
        }
        let (views, cost) = building.into_views();
        let stepped = self.live.adopt(host, views)?;
        if let Some((id, error)) = stepped.failure {
            return Err(cannot_be_maintained(id, &error));
        }
        self.report(epoch, &stepped.affected, cost + stepped.rows_touched);
        Ok(())
    }

    fn cancel(&mut self, host: &mut Host<'_>, id: BuildId) {
        let Some(Paced { building, .. }) = self.builds.remove(&id) else { return };
        for view in building.into_views().0 {
            view.remove(host);
        }
    }

    fn drop_views(&mut self, host: &mut Host<'_>, ids: &[RelationId]) {
        for view in ids.iter().filter_map(|id| self.live.remove(*id)).collect::<Vec<_>>() {
            view.remove(host);
        }
    }

    fn step(&mut self, host: &mut Host<'_>, step: &Step) -> Result<(), String> {
        let (mut affected, mut changes) = (BTreeSet::new(), Sources::new());
        let is_read = |id| self.live.is_read(id) || self.builds.values().any(|build| build.building.reads(id));
        for (id, change) in step.deltas.iter().filter(|(id, _)| is_read(*id)) {
            affected.insert(*id);
            changes.insert(*id, Arc::new(self.share(change)));
        }
        let stepped = self.live.step(host, step.now_micros, affected, changes)?;
        if let Some((id, error)) = &stepped.failure {
            return Err(cannot_be_maintained(*id, error));
        }
        self.report(step.epoch, &stepped.affected, stepped.rows_touched);
        for id in self.builds.keys().copied().collect::<Vec<_>>() {
            self.builds.get_mut(&id).expect("just listed").building.hold(step.now_micros, &stepped);
            self.pace(id);
        }
        Ok(())
    }

    /// What this worker takes of a table's change. (Of a view's change every worker has its own.)
    fn share(&self, change: &SourceDelta) -> SourceDelta {
        let share = |rows: usize| match self.workers {
            1 => (0, rows),
            _ if rows < SHARE_ROWS_MIN => (0, if self.index == 0 { rows } else { 0 }),
            workers => (rows * self.index / workers, rows * (self.index + 1) / workers),
        };
        let batches = change.batches.iter().map(|batch| {
            let (from, to) = share(batch.rows.rows);
            batch.slice(from, to - from)
        });
        SourceDelta { batches: batches.collect(), ..change.clone() }
    }

    fn report(&self, epoch: Epoch, affected: &BTreeSet<RelationId>, rows_touched: u64) {
        let changed = self.live.report(affected);
        self.assembler.report(self.index, WorkerReport { epoch, changed, rows_touched });
    }
}

/// The rows of the piece after one of `rows` that took `elapsed`.
fn next_rows(rows: usize, elapsed: Duration) -> usize {
    let nanos = elapsed.as_nanos().max(1);
    let wanted = u128::try_from(rows).unwrap_or(u128::MAX).saturating_mul(PIECE_TIME.as_nanos()) / nanos;
    usize::try_from(wanted).unwrap_or(usize::MAX).min(rows * 2).clamp(PIECE_ROWS_MIN, PIECE_ROWS_MAX)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
