//! A load at a steady pace, beside what is measured; and requests at a steady pace, measured as users feel them.

use super::events::Events;
use super::wire::{Address, Client};
use super::workload::copy;
use crate::TaskError;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two COPYs: with 200,000 events a second, 10,000 in each.
const TICK: Duration = Duration::from_millis(50);

/// When requests are due, so that a slow answer also counts for those that had to wait behind it.
pub struct Schedule {
    due: Instant,
    interval: Duration,
}

impl Schedule {
    /// A request every `interval` from now on.
    pub fn every(interval: Duration) -> Self {
        Self { due: Instant::now(), interval }
    }

    /// Waits until the next request is due. The moment from which it counts: when it was due, if that is over.
    pub fn next(&mut self) -> Instant {
        let due = self.due;
        self.due += self.interval;
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return due;
        }
        std::thread::sleep(wait);
        // A timer's own delay is nobody's.
        Instant::now()
    }
}

/// A thread that loads events.
pub struct Load {
    thread: JoinHandle<Result<Paced, TaskError>>,
    is_over: Arc<AtomicBool>,
}

/// How well the pace was kept.
pub struct Paced {
    /// Events loaded.
    pub events: u64,
    /// The time that it took.
    pub elapsed: Duration,
}

impl Load {
    /// Renders `events_per_second` for `seconds`, then starts to send them; without a pace, as fast as they go.
    ///
    /// # Errors
    ///
    /// The server refuses a connection.
    pub fn start(
        address: &Address,
        source: &mut Events,
        events_per_second: u64,
        seconds: u64,
        is_paced: bool,
    ) -> Result<Self, TaskError> {
        let ticks = u64::try_from(Duration::from_secs(seconds).as_millis() / TICK.as_millis()).expect("a short run");
        let each = (events_per_second * seconds).div_ceil(ticks.max(1));
        let batches: Vec<Vec<Bytes>> = (0..ticks).map(|_| source.copy_frames(each)).collect();
        let mut client = Client::connect(address)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let result = send(&mut client, &batches, if is_paced { TICK } else { Duration::ZERO });
            over.store(true, Ordering::Release);
            result.map(|elapsed| Paced { events: each * ticks, elapsed })
        });
        Ok(Self { thread, is_over })
    }

    /// Whether all is sent.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Waits for the end.
    ///
    /// # Errors
    ///
    /// A COPY failed.
    pub fn finish(self) -> Result<Paced, TaskError> {
        self.thread.join().unwrap_or_else(|_| Err(TaskError::Answer("the load's thread panicked".into())))
    }
}

fn send(client: &mut Client, batches: &[Vec<Bytes>], tick: Duration) -> Result<Duration, TaskError> {
    let started = Instant::now();
    let mut due = started;
    for batch in batches {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        copy(client, batch)?;
        due += tick;
    }
    Ok(started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_waited_counts_from_when_it_was_due() {
        let started = Instant::now();
        let mut schedule = Schedule { due: started, interval: Duration::ZERO };
        assert_eq!(schedule.next(), started);
        assert_eq!(schedule.next(), started);
        let mut schedule = Schedule { due: started, interval: Duration::from_millis(1) };
        schedule.next();
        assert!(schedule.next() >= started + Duration::from_millis(1));
    }
}
