//! What the demo has done so far: counted in one place, shown in another.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Visibility times kept for the percentiles.
const SAMPLES_MAX: usize = 1000;

/// The span over which the rate is taken.
const RATE_WINDOW: Duration = Duration::from_secs(2);

/// Counters shared by the stream and the display.
#[derive(Default)]
pub struct Progress(Mutex<Counters>);

#[derive(Default)]
struct Counters {
    events: u64,
    /// (when, events by then), as far back as the rate looks.
    history: VecDeque<(Instant, u64)>,
    samples: VecDeque<Duration>,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Events committed.
    pub events: u64,
    /// Events per second, lately.
    pub rate: f64,
    /// From COMMIT to the first read that shows it: median and 99th percentile of the latest samples.
    pub visible: Option<(Duration, Duration)>,
}

impl Progress {
    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `count` more events are committed.
    pub fn committed(&self, count: u64, now: Instant) {
        let mut counters = self.counters();
        counters.events += count;
        let entry = (now, counters.events);
        counters.history.push_back(entry);
        while counters.history.len() > 2
            && counters.history.get(1).is_some_and(|(when, _)| now.duration_since(*when) > RATE_WINDOW)
        {
            counters.history.pop_front();
        }
    }

    /// A commit was seen by a read after `time`.
    pub fn seen_after(&self, time: Duration) {
        let mut counters = self.counters();
        if counters.samples.len() == SAMPLES_MAX {
            counters.samples.pop_front();
        }
        counters.samples.push_back(time);
    }

    /// The figures at `now`.
    pub fn figures(&self, now: Instant) -> Figures {
        let counters = self.counters();
        let rate = counters.history.front().map_or(0.0, |(when, events)| {
            let seconds = now.duration_since(*when).as_secs_f64();
            let since = u32::try_from(counters.events - events).unwrap_or(u32::MAX);
            if seconds > 0.0 { f64::from(since) / seconds } else { 0.0 }
        });
        let mut samples: Vec<Duration> = counters.samples.iter().copied().collect();
        samples.sort_unstable();
        let visible = percentile(&samples, 50).zip(percentile(&samples, 99));
        Figures { events: counters.events, rate, visible }
    }
}

/// The value below which `percent` of the sorted samples lie.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * percent / 100).copied()
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} events  {:.0} events/s", self.events, self.rate)?;
        if let Some((median, p99)) = self.visible {
            write!(f, "  COMMIT to visible: p50 {}, p99 {}", millis(median), millis(p99))?;
        }
        Ok(())
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let progress = Progress::default();
        for tick in 0..100_u32 {
            progress.committed(5, start + Duration::from_millis(100) * tick);
        }
        let figures = progress.figures(start + Duration::from_millis(9_900));
        assert_eq!(figures.events, 500);
        assert!((45.0..55.0).contains(&figures.rate), "{figures:?}");
        let idle = progress.figures(start + Duration::from_secs(1000));
        assert!(idle.rate < 1.0, "{idle:?}");
    }

    #[test]
    fn percentiles_are_of_the_samples() {
        let progress = Progress::default();
        assert_eq!(progress.figures(Instant::now()).visible, None);
        for millis in (1..=101).rev() {
            progress.seen_after(Duration::from_millis(millis));
        }
        let figures = progress.figures(Instant::now());
        assert_eq!(figures.visible, Some((Duration::from_millis(51), Duration::from_millis(100))));
    }
}
