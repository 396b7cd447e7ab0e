//! Who depends on whom, and what a DROP takes with it.
//!
//! The order of PostgreSQL's messages follows from its recursion (`findDependentObjects`): dependents newest first, each
//! after its own dependents; messages read the result backwards.

use crate::{Catalog, RelationRef};
use headwater_types::{RelationId, Result, SqlError, SqlState};

/// PostgreSQL lists no more than this in a DETAIL.
const REPORTED_DEPENDENTS_MAX: usize = 100;

/// What a DROP removes, and what it tells the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropPlan {
    /// Everything to remove, dependents first, then the shared relations that only they read: for
    /// [`crate::CatalogChange::Drop`].
    pub ids: Vec<RelationId>,
    /// The NOTICE about dependents that go too, and its DETAIL.
    pub notice: Option<(String, Option<String>)>,
}

struct Target {
    id: RelationId,
    /// Through which object it was found; `None` if the statement named it.
    dependee: Option<RelationId>,
}

impl Catalog {
    /// The views, materialized views and foreign keys that depend directly on a relation, or the relations in a schema;
    /// by id.
    #[must_use]
    pub fn dependents(&self, id: RelationId) -> Vec<RelationId> {
        if let Some(namespace) = self.contents.namespaces.get(&id) {
            return self.relations().filter(|r| r.schema() == namespace.name).map(|r| r.id()).collect();
        }
        let views =
            self.relations().filter(|relation| relation.depends_on().contains(&id)).map(|relation| relation.id());
        let keys = self
            .tables()
            .filter(|table| table.id != id)
            .flat_map(|table| table.foreign_keys.iter().filter(|key| key.referenced == id).map(|key| key.id));
        let mut all: Vec<_> = views.chain(keys).collect();
        all.sort_unstable();
        all
    }

    /// What DROP of these relations or schemas removes.
    ///
    /// # Errors
    ///
    /// 2BP01 if others depend on them and `cascade` is not given.
    pub fn drop_plan(&self, ids: &[RelationId], cascade: bool, search_path: &[String]) -> Result<DropPlan> {
        let mut targets = Vec::new();
        for &id in ids {
            self.collect(id, None, ids, &mut targets);
        }
        // As PostgreSQL reports: the last found first.
        let dependents: Vec<&Target> = targets.iter().rev().filter(|target| !ids.contains(&target.id)).collect();
        let mut order: Vec<RelationId> = targets.iter().map(|target| target.id).collect();
        // Nobody is told of these.
        let unread = self.shared_only_by(&order);
        order.extend(unread);
        if dependents.is_empty() {
            return Ok(DropPlan { ids: order, notice: None });
        }
        let describe = |id| self.describe_object(id, search_path);
        if !cascade {
            let lines = dependents.iter().map(|target| match target.dependee {
                Some(dependee) => format!("{} depends on {}", describe(target.id), describe(dependee)),
                None => describe(target.id),
            });
            let message = match ids {
                [id] => format!("cannot drop {} because other objects depend on it", describe(*id)),
                _ => "cannot drop desired object(s) because other objects depend on them".to_owned(),
            };
            return Err(SqlError::new(SqlState::DependentObjectsStillExist, message)
                .with_detail(capped(lines))
                .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        let lines = dependents.iter().map(|target| format!("drop cascades to {}", describe(target.id)));
        let notice = match dependents.len() {
            1 => (format!("drop cascades to {}", describe(dependents[0].id)), None),
            n => (format!("drop cascades to {n} other objects"), Some(capped(lines))),
        };
        Ok(DropPlan { ids: order, notice: Some(notice) })
    }

    /// Post-order over dependents, with an explicit stack: views may be stacked as deep as a user likes.
    fn collect(&self, root: RelationId, dependee: Option<RelationId>, named: &[RelationId], targets: &mut Vec<Target>) {
        let mut stack = vec![(root, dependee, false)];
        let mut entered = Vec::new();
        while let Some((id, dependee, done)) = stack.pop() {
            if done {
                targets.push(Target { id, dependee: dependee.filter(|_| !named.contains(&id)) });
                continue;
            }
            if entered.contains(&id) || targets.iter().any(|target| target.id == id) {
                continue;
            }
            entered.push(id);
            stack.push((id, dependee, true));
            // The newest is visited first, so it is pushed last.
            stack.extend(self.dependents(id).into_iter().map(|dependent| (dependent, Some(id), false)));
        }
    }

    /// An object as messages name it: `materialized view x`, `table s.t` when not on the search path.
    #[must_use]
    pub fn describe_object(&self, id: RelationId, search_path: &[String]) -> String {
        if let Some(namespace) = self.contents.namespaces.get(&id) {
            return format!("schema {}", quote_identifier(&namespace.name));
        }
        if let Some(relation) = self.relation(id) {
            return format!("{} {}", relation.kind().description(), self.display_name(&relation, search_path));
        }
        if let Some(index) = self.index(id) {
            return format!("index {}", quote_identifier(&index.name));
        }
        for table in self.tables() {
            if let Some(key) = table.foreign_keys.iter().find(|key| key.id == id) {
                let table = self.display_name(&RelationRef::Table(table.clone()), search_path);
                return format!("constraint {} on table {table}", quote_identifier(&key.name));
            }
        }
        format!("object {id}")
    }

    /// A relation's name, qualified only when it is not visible on the search path.
    #[must_use]
    pub fn display_name(&self, relation: &RelationRef, search_path: &[String]) -> String {
        let name = quote_identifier(relation.name());
        if self.is_visible(relation, search_path) {
            return name;
        }
        format!("{}.{name}", quote_identifier(relation.schema()))
    }
}

fn capped(lines: impl ExactSizeIterator<Item = String>) -> String {
    let more = lines.len().saturating_sub(REPORTED_DEPENDENTS_MAX);
    let mut text = lines.take(REPORTED_DEPENDENTS_MAX).collect::<Vec<_>>().join("\n");
    if more > 0 {
        let noun = if more == 1 { "object" } else { "objects" };
        text.push_str(&format!("\nand {more} other {noun} (see server log for list)"));
    }
    text
}

/// An identifier as SQL reads it back: in double quotes unless it is a plain lower-case word that is not reserved.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !headwater_expr::keywords::needs_quotes(name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
