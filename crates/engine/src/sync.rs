//! The sync thread: makes logged epochs durable and tells the sessions.
//!
//! Requests that wait while the disk works are made durable together. A failed sync poisons: the sessions that wait get
//! 08007, because nobody knows what the disk has kept, and the database stops; recovery decides.

use crate::visible::Visible;
use crossbeam_channel::{Receiver, Sender};
use headwater_storage::LogSyncer;
use headwater_types::{Epoch, Result, SqlError, SqlState};
use std::sync::Arc;

/// One session to tell.
pub(crate) struct Acknowledgement {
    pub epoch: Epoch,
    pub reply: Sender<Result<Epoch>>,
    pub synchronous: bool,
}

/// An epoch that has been written to the log, and who waits for it.
pub(crate) struct SyncRequest {
    pub epoch: Epoch,
    /// Whether the epoch is that of these sessions' commits; those that changed nothing wait for one before them.
    pub wrote: bool,
    pub acknowledgements: Vec<Acknowledgement>,
}

/// Serves until the engine thread is gone or a sync fails.
pub(crate) fn run(log: LogSyncer, requests: &Receiver<SyncRequest>, visible: &Arc<Visible>) {
    let mut synced = Epoch(0);
    while let Ok(first) = requests.recv() {
        let mut waiting = vec![];
        let mut newest = synced;
        for request in std::iter::once(first).chain(requests.try_iter()) {
            newest = newest.max(request.epoch);
            let (strict, relaxed): (Vec<_>, Vec<_>) = request.acknowledgements.into_iter().partition(|a| a.synchronous);
            if request.wrote && strict.is_empty() && !relaxed.is_empty() {
                visible.relax(request.epoch);
            }
            for acknowledgement in relaxed {
                tell(acknowledgement, visible);
            }
            waiting.extend(strict);
        }
        if newest > synced {
            if let Err(error) = log.sync() {
                let message = format!("the log cannot be synced: {error}");
                visible.fail(&message);
                for acknowledgement in waiting {
                    let unknown = SqlError::new(SqlState::TransactionResolutionUnknown, message.clone());
                    // The session may be gone.
                    let _ = acknowledgement.reply.send(Err(unknown));
                }
                return;
            }
            synced = newest;
            visible.synced(synced);
        }
        for acknowledgement in waiting {
            tell(acknowledgement, visible);
        }
    }
    // A clean end: damage found at the next start is then told from a torn write.
    if let Err(error) = log.seal() {
        visible.fail(&format!("the log cannot be sealed: {error}"));
    }
}

fn tell(acknowledgement: Acknowledgement, visible: &Visible) {
    visible.acknowledge(acknowledgement.epoch);
    // The session may be gone.
    let _ = acknowledgement.reply.send(Ok(acknowledgement.epoch));
}
