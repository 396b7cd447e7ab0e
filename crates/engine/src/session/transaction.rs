//! A session's open transaction: what it has changed and not yet committed.
//!
//! Nothing of it is in the database before COMMIT. Its own reads overlay the changes on a state; a savepoint is a
//! length of the lists of changes.

use crate::ahead::AheadRows;
use crate::change::TableOp;
use crate::visible::State;
use headwater_catalog::{Catalog, CatalogChange};
use headwater_types::{Batch, Epoch, RelationId, Result, SqlError, SqlState};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a transaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One statement; commits by itself.
    Statement,
    /// Several statements of one message: commits at its end.
    Script,
    /// BEGIN.
    Block,
}

/// A savepoint: how much there was when it was made.
#[derive(Debug)]
struct Savepoint {
    name: String,
    changes: usize,
    catalog: Arc<Catalog>,
    writes: BTreeMap<RelationId, usize>,
}

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub scope: Scope,
    /// `now()`.
    pub now_micros: i64,
    pub read_only: bool,
    /// One state for all statements (REPEATABLE READ); its first statement fixes it.
    pub repeatable: bool,
    pub fixed: Option<Arc<State>>,
    /// The mark of the first state it has read.
    pub read: Option<Epoch>,
    /// Whether a statement has run: isolation can no longer be set.
    pub started: bool,
    /// The catalog it was begun on, once it has changed it; with the changes.
    catalog: Option<CatalogOverlay>,
    writes: BTreeMap<RelationId, Vec<TableOp>>,
    /// Those of the writes that the engine applies already.
    ahead: Option<AheadRows>,
    bytes: usize,
    savepoints: Vec<Savepoint>,
}

#[derive(Debug)]
struct CatalogOverlay {
    base_version: u64,
    current: Arc<Catalog>,
    changes: Vec<CatalogChange>,
}

/// What a transaction asks the engine to commit.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The version its DDL was made on.
    pub base_version: Option<u64>,
    pub changes: Vec<CatalogChange>,
    pub writes: Vec<(RelationId, Vec<TableOp>)>,
    pub ahead: Option<AheadRows>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.writes.is_empty()
    }
}

impl Transaction {
    pub fn new(scope: Scope, now_micros: i64) -> Self {
        Self {
            scope,
            now_micros,
            read_only: false,
            repeatable: false,
            fixed: None,
            read: None,
            started: false,
            catalog: None,
            writes: BTreeMap::new(),
            ahead: None,
            bytes: 0,
            savepoints: vec![],
        }
    }

    /// Whether nothing has been changed.
    pub fn is_clean(&self) -> bool {
        self.catalog.is_none() && self.writes.is_empty()
    }

    /// Whether it has changed the catalog.
    pub fn has_catalog(&self) -> bool {
        self.catalog.is_some()
    }

    /// The catalog as this transaction sees it over `state`.
    pub fn catalog(&self, state: &State) -> Arc<Catalog> {
        self.catalog.as_ref().map_or_else(|| state.catalog.clone(), |overlay| overlay.current.clone())
    }

    /// Changes the catalog, as the transaction sees it over `state`.
    pub fn change_catalog(&mut self, state: &State, change: CatalogChange) -> Result<()> {
        self.read.get_or_insert(state.mark);
        let before = self.catalog(state);
        let after = Arc::new(before.apply(&change)?);
        let overlay = self.catalog.get_or_insert_with(|| CatalogOverlay {
            base_version: before.version(),
            current: before,
            changes: vec![],
        });
        overlay.current = after;
        overlay.changes.push(change);
        Ok(())
    }

    /// Buffers an operation.
    ///
    /// # Errors
    ///
    /// 54000 beyond `bytes_max`; nothing is buffered then.
    pub fn write(&mut self, table: RelationId, op: TableOp, bytes_max: usize) -> Result<()> {
        let bytes = op.bytes();
        self.check_bytes(bytes, bytes_max)?;
        self.bytes += bytes;
        self.writes.entry(table).or_default().push(op);
        Ok(())
    }

    /// Lets the engine apply the table's newest write, which inserts these rows, before the commit; if it can.
    pub fn get_ahead(&mut self, table: RelationId, rows: &Batch, unique: bool, begin: impl FnOnce() -> AheadRows) {
        let place = self.writes(table).len() - 1;
        if self.ahead.is_none() && place == 0 && self.catalog.is_none() {
            self.ahead = Some(begin());
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.give(place, table, rows, unique);
        }
    }

    /// Whether so many more bytes may be buffered.
    ///
    /// # Errors
    ///
    /// 54000 beyond `bytes_max`.
    pub fn check_bytes(&self, more: usize, bytes_max: usize) -> Result<()> {
        if self.bytes.saturating_add(more) <= bytes_max {
            return Ok(());
        }
        let message = format!("transaction is larger than {bytes_max} bytes");
        Err(SqlError::new(SqlState::ProgramLimitExceeded, message).with_hint("Commit in smaller parts."))
    }

    /// The operations on a table, in order.
    pub fn writes(&self, table: RelationId) -> &[TableOp] {
        self.writes.get(&table).map_or(&[], Vec::as_slice)
    }

    /// The tables that the transaction has written.
    pub fn written_tables(&self) -> impl Iterator<Item = RelationId> + '_ {
        self.writes.keys().copied()
    }

    pub fn savepoint(&mut self, name: &str, state: &State) {
        self.savepoints.push(Savepoint {
            name: name.to_owned(),
            changes: self.catalog.as_ref().map_or(0, |overlay| overlay.changes.len()),
            catalog: self.catalog(state),
            writes: self.writes.iter().map(|(table, ops)| (*table, ops.len())).collect(),
        });
    }

    /// Forgets the savepoint and those after it.
    pub fn release(&mut self, name: &str) -> Result<()> {
        let at = self.find_savepoint(name)?;
        self.savepoints.truncate(at);
        Ok(())
    }

    /// Undoes everything since the savepoint, which stays.
    pub fn rollback_to(&mut self, name: &str) -> Result<()> {
        let at = self.find_savepoint(name)?;
        self.savepoints.truncate(at + 1);
        let savepoint = &self.savepoints[at];
        self.ahead = None;
        match &mut self.catalog {
            Some(overlay) if savepoint.changes > 0 => {
                overlay.changes.truncate(savepoint.changes);
                overlay.current = savepoint.catalog.clone();
            }
            catalog => *catalog = None,
        }
        self.writes.retain(|table, ops| {
            ops.truncate(savepoint.writes.get(table).copied().unwrap_or(0));
            !ops.is_empty()
        });
        self.bytes = self.writes.values().flatten().map(TableOp::bytes).sum();
        Ok(())
    }

    fn find_savepoint(&self, name: &str) -> Result<usize> {
        self.savepoints.iter().rposition(|savepoint| savepoint.name == name).ok_or_else(|| {
            SqlError::new(SqlState::InvalidSavepointSpecification, format!("savepoint \"{name}\" does not exist"))
        })
    }

    /// What there is to commit. Writes of tables that the transaction then dropped are not.
    pub fn into_changes(self) -> Changes {
        let mut writes = self.writes;
        let Some(overlay) = self.catalog else {
            let writes = writes.into_iter().collect();
            return Changes { base_version: None, changes: vec![], writes, ahead: self.ahead };
        };
        writes.retain(|table, _| overlay.current.table(*table).is_some());
        Changes {
            base_version: Some(overlay.base_version),
            changes: overlay.changes,
            writes: writes.into_iter().collect(),
            ahead: self.ahead,
        }
    }
}
