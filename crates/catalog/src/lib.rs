//! The catalog: objects, the changes that make them, name resolution, dependencies, settings, and the system relations
//! and functions through which clients see it all.
//!
//! A [`Catalog`] is an immutable value. A DDL statement makes a [`CatalogChange`], and [`Catalog::apply`] makes the next
//! value from it; replaying the changes in order gives the same catalog, ids included.

mod catalog;
mod change;
mod definition;
mod dependency;
mod functions;
mod object;
pub mod parameters;
pub mod roles;
mod shared;
mod system;

pub use catalog::{Catalog, IDENTIFIER_BYTES_MAX, IdAllocator, SYSTEM_OWNER};
pub use change::{CatalogChange, PlanReplacement};
pub use definition::{index_definition, table_definition, view_definition};
pub use dependency::{DropPlan, quote_identifier};
pub use functions::CatalogFunctions;
pub use object::{
    Check, ForeignKey, Index, MaterializedView, Namespace, OnConflict, ROW_ID_COLUMN, RelationKind, RelationRef, Table,
    TableColumn, UniqueConstraint, View,
};
pub use parameters::Parameters;
pub use shared::{Grouping, GroupingAggregate, Hosted, SharedRelation};
pub use system::{
    BuildInfo, MemoryInfo, OperatorInfo, RelationSizes, SessionControl, SessionInfo, SystemContext, SystemRelation,
    shows_operators, system_relation, system_relations,
};

#[cfg(test)]
mod tests;
