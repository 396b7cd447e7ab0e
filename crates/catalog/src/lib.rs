//! The catalog: objects, the changes that make them, name resolution, dependencies, settings, and the system relations
//! through which clients see it all.
//!
//! A [`Catalog`] is an immutable value. A DDL statement makes a [`CatalogChange`], and [`Catalog::apply`] makes the next
//! value from it; replaying the changes in order gives the same catalog, ids included.

mod catalog;
mod change;
mod dependency;
pub mod keywords;
mod object;
mod system;

pub use catalog::{Catalog, IDENTIFIER_BYTES_MAX, IdAllocator, SYSTEM_OWNER};
pub use change::CatalogChange;
pub use dependency::{DropPlan, quote_identifier};
pub use object::{
    Check, ForeignKey, MaterializedView, Namespace, OnConflict, ROW_ID_COLUMN, RelationKind, RelationRef, Table,
    TableColumn, UniqueConstraint, View,
};
pub use system::{SessionInfo, SystemContext, SystemRelation, system_relation, system_relations};
