//! The sync thread: makes logged epochs durable and tells the sessions that wait for it.
//!
//! ```text
//! engine ─ logged ─┬─ synchronous_commit on   ─▶ write and fsync what is logged ─▶ told
//!                  └─ off: told at once       ─▶ written with the next, or after RELAXED_SYNC_MILLIS
//! ```
//!
//! Requests that wait while the disk works are made durable together. A failed sync poisons: the sessions that wait get
//! 08007, because nobody knows what the disk has kept, and the database stops; recovery decides.

use crate::visible::Visible;
use crossbeam_channel::{Receiver, Sender};
use headwater_storage::LogSyncer;
use headwater_types::{Epoch, Result, SqlError, SqlState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long commits that nobody waits for may stay unwritten, so that many are written together.
const RELAXED_SYNC_MILLIS: u64 = 10;

/// One session to tell.
pub(crate) struct Acknowledgement {
    pub epoch: Epoch,
    pub reply: Sender<Result<Epoch>>,
    pub synchronous: bool,
}

/// An epoch that has been written to the log or was before, and who waits until it is durable.
pub(crate) struct SyncRequest {
    pub epoch: Epoch,
    pub waiting: Vec<Acknowledgement>,
}

impl Acknowledgement {
    /// Tells the session.
    pub fn tell(self, visible: &Visible) {
        visible.acknowledge(self.epoch);
        // The session may be gone.
        let _ = self.reply.send(Ok(self.epoch));
    }
}

/// Serves until the engine thread is gone or a sync fails. `relaxed` is whether a request is on its way that nobody
/// waits for: it need not be sent again before it is served.
pub(crate) fn run(log: LogSyncer, requests: &Receiver<SyncRequest>, relaxed: &AtomicBool, visible: &Arc<Visible>) {
    let mut synced = Epoch(0);
    while let Ok(first) = requests.recv() {
        let mut newest = synced.max(first.epoch);
        let mut waiting = first.waiting;
        let due = Instant::now() + Duration::from_millis(RELAXED_SYNC_MILLIS);
        while waiting.is_empty() {
            let Ok(request) = requests.recv_deadline(due) else { break };
            newest = newest.max(request.epoch);
            waiting.extend(request.waiting);
        }
        for request in requests.try_iter() {
            newest = newest.max(request.epoch);
            waiting.extend(request.waiting);
        }
        if newest > synced {
            // What is logged from here on asks again.
            relaxed.store(false, Ordering::SeqCst);
            match log.sync() {
                Ok(durable) => synced = durable,
                Err(error) => return fail(&error.to_string(), waiting, visible),
            }
            visible.synced(synced);
        }
        for acknowledgement in waiting {
            acknowledgement.tell(visible);
        }
    }
    // A clean end: damage found at the next start is then told from a torn write.
    if let Err(error) = log.seal() {
        visible.fail(&format!("the log cannot be sealed: {error}"));
    }
}

/// Nobody knows what the disk holds.
fn fail(why: &str, waiting: Vec<Acknowledgement>, visible: &Visible) {
    let message = format!("the log cannot be synced: {why}");
    visible.fail(&message);
    for acknowledgement in waiting {
        let unknown = SqlError::new(SqlState::TransactionResolutionUnknown, message.clone());
        // The session may be gone.
        let _ = acknowledgement.reply.send(Err(unknown));
    }
}
