//! Shared relations: sub-plans that several materialized views have in common, kept once.
//!
//! ```text
//!  table ──▶ shared relation ──▶ materialized view a
//!                          └───▶ materialized view b
//! ```
//! A shared relation is hosted as a materialized view is, but it has no name and no text: it comes with the first view
//! that reads it, in the same commit, and goes with the last one. No system relation of PostgreSQL's shows it;
//! `headwater_catalog.shared_relations` does.
//!
//! # Invariants
//!
//! 1. Every shared relation is read by a materialized view, before and after every commit.
//! 2. What a shared relation reads is among what each view that reads it depends on, so that a DROP that takes it takes
//!    them first.

use crate::{Catalog, MaterializedView, RelationRef};
use headwater_types::{DataType, RelationId, Schema, SessionSettings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A hidden relation that materialized views read: the groups of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedRelation {
    /// Its oid.
    pub id: RelationId,
    /// What it computes.
    pub grouping: Grouping,
    /// The same as text.
    pub definition: String,
    /// Its columns: the group columns, then the aggregates.
    pub columns: Schema,
    /// The settings that it is computed under.
    pub settings: SessionSettings,
    /// The serialised plan. Opaque here.
    pub plan: Vec<u8>,
}

/// What an aggregate over a stored relation computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grouping {
    /// The table or materialized view that its rows are made of.
    pub reads: RelationId,
    /// What identifies its input and its groups: two that agree in it have the same groups of the same rows.
    pub fingerprint: Vec<u8>,
    /// Its aggregates, in the order of their columns.
    pub aggregates: Vec<GroupingAggregate>,
    /// Whether its rows depend on the settings that it is computed under.
    pub uses_settings: bool,
}

/// An aggregate of a [`Grouping`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupingAggregate {
    /// What identifies it among aggregates of the same input.
    pub fingerprint: Vec<u8>,
    /// Whether it can raise an error, which whoever reads the relation then raises.
    pub fallible: bool,
}

impl Grouping {
    /// The places of another's aggregates among these, if it has the same groups and all of them are here.
    #[must_use]
    pub fn places_of(&self, other: &Self) -> Option<Vec<usize>> {
        if self.fingerprint != other.fingerprint {
            return None;
        }
        let place =
            |wanted: &GroupingAggregate| self.aggregates.iter().position(|a| a.fingerprint == wanted.fingerprint);
        other.aggregates.iter().map(place).collect()
    }

    /// [`Grouping::places_of`], if those that the other has not cannot fail: a view raises no error but its own.
    #[must_use]
    pub fn safe_places_of(&self, other: &Self) -> Option<Vec<usize>> {
        let places = self.places_of(other)?;
        let fails_more = self.aggregates.iter().enumerate().any(|(i, a)| a.fallible && !places.contains(&i));
        (!fails_more).then_some(places)
    }
}

/// What the views' workers keep: a materialized view or a shared relation.
#[derive(Debug, Clone, Copy)]
pub enum Hosted<'a> {
    /// A materialized view.
    View(&'a MaterializedView),
    /// A shared relation.
    Shared(&'a SharedRelation),
}

impl<'a> Hosted<'a> {
    /// Its oid.
    #[must_use]
    pub fn id(self) -> RelationId {
        match self {
            Self::View(view) => view.id,
            Self::Shared(shared) => shared.id,
        }
    }

    /// What it is, for messages about it.
    #[must_use]
    pub fn description(self) -> String {
        match self {
            Self::View(view) => format!("view \"{}\"", view.name),
            Self::Shared(shared) => format!("shared relation {}", shared.id),
        }
    }

    /// Its columns' types.
    #[must_use]
    pub fn types(self) -> Vec<DataType> {
        let columns = match self {
            Self::View(view) => &view.columns,
            Self::Shared(shared) => &shared.columns,
        };
        columns.iter().map(|field| field.data_type.clone()).collect()
    }

    /// Its serialised plan.
    #[must_use]
    pub fn plan(self) -> &'a [u8] {
        match self {
            Self::View(view) => &view.plan,
            Self::Shared(shared) => &shared.plan,
        }
    }

    /// The settings that it is computed under.
    #[must_use]
    pub fn settings(self) -> &'a SessionSettings {
        match self {
            Self::View(view) => &view.settings,
            Self::Shared(shared) => &shared.settings,
        }
    }
}

impl Catalog {
    /// All shared relations, by id.
    pub fn shared_relations(&self) -> impl Iterator<Item = &Arc<SharedRelation>> {
        self.contents.shared_relations.values()
    }

    /// The shared relation of this id.
    #[must_use]
    pub fn shared_relation(&self, id: RelationId) -> Option<&Arc<SharedRelation>> {
        self.contents.shared_relations.get(&id)
    }

    /// The materialized views that read a shared relation, by id.
    pub fn shared_readers(&self, id: RelationId) -> impl Iterator<Item = &Arc<MaterializedView>> {
        self.materialized_views().filter(move |view| view.shared.contains(&id))
    }

    /// The names of the materialized views that read a shared relation, in the order of their making.
    #[must_use]
    pub fn shared_reader_names(&self, id: RelationId, search_path: &[String]) -> Vec<String> {
        let name =
            |view: &Arc<MaterializedView>| self.display_name(&RelationRef::MaterializedView(view.clone()), search_path);
        self.shared_readers(id).map(name).collect()
    }

    /// The shared relations that nothing reads any more when these views are gone.
    pub(crate) fn shared_only_by(&self, gone: &[RelationId]) -> Vec<RelationId> {
        let read_no_more =
            |shared: &&Arc<SharedRelation>| self.shared_readers(shared.id).all(|view| gone.contains(&view.id));
        self.shared_relations().filter(read_no_more).map(|shared| shared.id).collect()
    }

    /// What the workers keep under this id.
    #[must_use]
    pub fn hosted(&self, id: RelationId) -> Option<Hosted<'_>> {
        let view = self.materialized_view(id).map(|view| Hosted::View(view));
        view.or_else(|| self.shared_relation(id).map(|shared| Hosted::Shared(shared)))
    }

    /// Everything that the workers keep, each after what it reads.
    #[must_use]
    pub fn all_hosted(&self) -> Vec<Hosted<'_>> {
        let mut order = vec![];
        let mut entered = BTreeSet::new();
        let views = self.materialized_views().map(|view| view.id);
        // With an explicit stack: views may be stacked as deep as a user likes.
        let mut stack: Vec<(RelationId, bool)> = views.map(|id| (id, false)).collect();
        stack.reverse();
        while let Some((id, done)) = stack.pop() {
            if done {
                order.extend(self.hosted(id));
            } else if entered.insert(id) {
                stack.push((id, true));
                stack.extend(self.hosted_inputs(id).into_iter().map(|input| (input, false)));
            }
        }
        order
    }

    /// What the plan of a relation may read, and more.
    fn hosted_inputs(&self, id: RelationId) -> Vec<RelationId> {
        if let Some(shared) = self.shared_relation(id) {
            return vec![shared.grouping.reads];
        }
        let mut inputs = self.relation(id).map(|relation| relation.depends_on().to_vec()).unwrap_or_default();
        inputs.extend(self.materialized_view(id).iter().flat_map(|view| &view.shared));
        inputs
    }
}
