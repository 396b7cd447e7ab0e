//! What each node of a one-shot plan did: EXPLAIN ANALYZE.
//!
//! Times include those of a node's inputs, as far as it asked for their rows.

use crate::local::stream::Stream;
use headwater_plan::lir::NodeId;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What one node did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeProfile {
    /// Rows that it gave, copies not counted.
    pub rows: usize,
    /// How long it and its inputs worked.
    pub time: Duration,
}

/// What the nodes of a plan did, by their place in it.
#[derive(Debug, Clone)]
pub struct Profile {
    nodes: Rc<RefCell<Vec<NodeProfile>>>,
}

impl Profile {
    /// Nothing was done yet by this many nodes.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { nodes: Rc::new(RefCell::new(vec![NodeProfile::default(); nodes])) }
    }

    /// What a node has done so far.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> NodeProfile {
        self.nodes.borrow()[id]
    }

    /// Notes what a node did elsewhere.
    pub(super) fn add(&self, id: NodeId, rows: usize, time: Duration) {
        let node = &mut self.nodes.borrow_mut()[id];
        node.rows += rows;
        node.time += time;
    }

    /// Runs what prepares a node's stream.
    pub(super) fn preparing<T>(&self, id: NodeId, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.nodes.borrow_mut()[id].time += start.elapsed();
        done
    }

    /// A node's stream, measured.
    pub(super) fn measured<'a>(&self, id: NodeId, mut stream: Stream<'a>) -> Stream<'a> {
        let nodes = Rc::clone(&self.nodes);
        Box::new(std::iter::from_fn(move || {
            let start = Instant::now();
            let next = stream.next();
            let node = &mut nodes.borrow_mut()[id];
            node.time += start.elapsed();
            if let Some(Ok(delta)) = &next {
                node.rows += delta.rows();
            }
            next
        }))
    }
}
