//! Stopping a statement that runs.

use headwater_types::{Result, SqlError, SqlState};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// What deadlines are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const NOT_RAISED: u8 = 0;
const CANCELED: u8 = 1;
const TERMINATED: u8 = 2;

/// A flag that any thread may raise, and a deadline; a running statement looks at both between batches. Clones share
/// them.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    raised: AtomicU8,
    /// Nanoseconds after [`START`]; 0 is none.
    deadline: AtomicU64,
}

impl Interrupt {
    /// Not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises it.
    pub fn raise(&self) {
        self.0.raised.fetch_max(CANCELED, Ordering::Relaxed);
    }

    /// Raises it for good: nothing lowers it again.
    pub fn terminate(&self) {
        self.0.raised.store(TERMINATED, Ordering::Relaxed);
    }

    /// Lowers it, for the next statement.
    pub fn clear(&self) {
        // What was raised for good stays.
        let _ = self.0.raised.compare_exchange(CANCELED, NOT_RAISED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Raises it by itself after this time from now; `None` is never. Replaces the deadline there was.
    pub fn set_deadline(&self, after: Option<Duration>) {
        let at = after.map_or(0, |after| nanos_since_start().saturating_add(nanos(after)).max(1));
        self.0.deadline.store(at, Ordering::Relaxed);
    }

    /// Whether to go on.
    ///
    /// # Errors
    ///
    /// 57014 if it was raised or its deadline has passed; 57P01 if it was raised for good.
    pub fn check(&self) -> Result<()> {
        let text = match self.0.raised.load(Ordering::Relaxed) {
            NOT_RAISED if !self.is_late() => return Ok(()),
            NOT_RAISED => "canceling statement due to statement timeout",
            CANCELED => "canceling statement due to user request",
            _ => {
                let text = "terminating connection due to administrator command";
                return Err(SqlError::new(SqlState::AdminShutdown, text));
            }
        };
        Err(SqlError::new(SqlState::QueryCanceled, text))
    }

    fn is_late(&self) -> bool {
        let deadline = self.0.deadline.load(Ordering::Relaxed);
        deadline != 0 && nanos_since_start() >= deadline
    }
}

fn nanos_since_start() -> u64 {
    nanos(START.elapsed())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_is_lowered_a_termination_is_not() {
        let interrupt = Interrupt::new();
        assert_eq!(interrupt.check(), Ok(()));
        interrupt.raise();
        assert_eq!(interrupt.check().map_err(|e| e.state), Err(SqlState::QueryCanceled));
        interrupt.clear();
        assert_eq!(interrupt.check(), Ok(()));
        interrupt.terminate();
        interrupt.raise();
        interrupt.clear();
        assert_eq!(interrupt.check().map_err(|e| e.state), Err(SqlState::AdminShutdown));
    }

    #[test]
    fn a_deadline_passes_and_can_be_taken_back() {
        let interrupt = Interrupt::new();
        interrupt.set_deadline(Some(Duration::ZERO));
        let error = interrupt.check().expect_err("it has passed");
        assert_eq!((error.state.code(), &*error.message), ("57014", "canceling statement due to statement timeout"));
        interrupt.set_deadline(Some(Duration::MAX));
        assert_eq!(interrupt.check(), Ok(()));
        interrupt.set_deadline(None);
        assert_eq!(interrupt.check(), Ok(()));
    }
}
