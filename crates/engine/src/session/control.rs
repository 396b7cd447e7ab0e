//! What functions do to sessions: `set_config`, `pg_cancel_backend`, `txid_current`.
//!
//! A function runs deep inside a query, perhaps on the query's own thread, and cannot hold the session. What it asks for
//! is kept here, and the session takes it when the statement has succeeded.

use super::{Notice, Session};
use crate::database::Shared;
use headwater_catalog::{Parameters, SessionControl};
use headwater_compute::Interrupt;
use headwater_expr::Expr;
use headwater_plan::hir::{HirQuery, HirScalar};
use headwater_plan::hir_visit::{HirVisitorMut, walk_query_mut, walk_scalar_mut};
use headwater_types::{Result, SqlError, SqlState};
use parking_lot::Mutex;
use std::sync::Arc;

/// A session, as its functions reach it.
pub(crate) struct Control {
    shared: Arc<Shared>,
    interrupt: Interrupt,
    asked: Mutex<Asked>,
}

/// What the running statement's functions have asked for.
#[derive(Default)]
struct Asked {
    /// All settings, as they are to be.
    parameters: Option<Parameters>,
    warnings: Vec<String>,
    /// Kept until the transaction ends.
    transaction_id: Option<i64>,
}

impl Control {
    pub fn new(shared: Arc<Shared>, interrupt: Interrupt) -> Self {
        Self { shared, interrupt, asked: Mutex::default() }
    }

    /// A transaction begins: it has no number until it asks for one.
    pub fn begin_transaction(&self) {
        *self.asked.lock() = Asked::default();
    }

    /// Forgets what a failed statement has asked for.
    pub fn forget(&self) {
        let mut asked = self.asked.lock();
        asked.parameters = None;
        asked.warnings.clear();
    }
}

impl SessionControl for Control {
    fn check_interrupt(&self) -> Result<()> {
        self.interrupt.check()
    }

    fn set_config(&self, parameters: &Parameters, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        let mut asked = self.asked.lock();
        let parameters = asked.parameters.get_or_insert_with(|| parameters.clone());
        match value {
            Some(value) => parameters.set_text(name, value, local)?,
            None => parameters.set(name, None, local)?,
        }
        Ok(parameters.show(name).unwrap_or_default())
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.asked.lock().parameters.as_ref()?.show(name)
    }

    fn signal(&self, pid: i32, end: bool) -> bool {
        let sessions = self.shared.sessions.lock();
        let Some(session) = sessions.get(&pid) else {
            drop(sessions);
            self.asked.lock().warnings.push(format!("PID {pid} is not a PostgreSQL backend process"));
            return false;
        };
        if end {
            session.interrupt.terminate();
            if let Some(wake) = &session.on_terminate {
                wake();
            }
        } else {
            session.interrupt.raise();
        }
        true
    }

    fn transaction_id(&self) -> i64 {
        *self.asked.lock().transaction_id.get_or_insert_with(|| self.shared.next_transaction_id())
    }
}

impl Session {
    /// Called once when another session ends this one with `pg_terminate_backend`: from then on every statement is
    /// 57P01, and whoever holds the session should let it go.
    pub fn on_terminate(&self, wake: impl Fn() + Send + Sync + 'static) {
        if let Some(session) = self.shared.sessions.lock().get_mut(&self.pid) {
            session.on_terminate = Some(Box::new(wake));
        }
    }

    /// Does what a statement's functions have asked for.
    pub(super) fn apply_asked(&mut self) {
        let (parameters, warnings) = {
            let mut asked = self.control.asked.lock();
            (asked.parameters.take(), std::mem::take(&mut asked.warnings))
        };
        if let Some(parameters) = parameters {
            self.parameters = Arc::new(parameters);
        }
        self.notices.extend(
            warnings
                .into_iter()
                .map(|text| Notice { severity: "WARNING", error: SqlError::new(SqlState::Warning, text) }),
        );
    }
}

/// Whether a query calls `set_config`: its answer must then be complete before the session goes on.
pub(super) fn sets_parameters(query: &mut HirQuery) -> bool {
    struct Search(bool);
    impl HirVisitorMut for Search {
        fn scalar(&mut self, scalar: &mut HirScalar) {
            self.0 |= matches!(scalar, Expr::Call { function, .. } if function.0.name == "set_config");
            walk_scalar_mut(self, scalar);
        }
    }
    let mut search = Search(false);
    walk_query_mut(&mut search, query);
    search.0
}
