//! What the engine needs to know of a table again and again, taken from the catalog once.

use headwater_arrange::KeyedRelation;
use headwater_catalog::Table;
use headwater_types::{DataType, RelationId};

/// A table's columns and key.
#[derive(Debug)]
pub(crate) struct TableShape {
    pub id: RelationId,
    pub schema: String,
    pub name: String,
    pub names: Vec<String>,
    pub types: Vec<DataType>,
    pub not_null: Vec<bool>,
    pub key: Vec<usize>,
    pub key_types: Vec<DataType>,
    pub key_name: String,
    /// Columns that a user sees; the hidden key is not among them.
    pub visible: Vec<usize>,
}

impl TableShape {
    pub fn new(table: &Table) -> Self {
        let types: Vec<DataType> = table.columns.iter().map(|c| c.data_type.clone()).collect();
        Self {
            id: table.id,
            schema: table.schema.clone(),
            name: table.name.clone(),
            names: table.columns.iter().map(|c| c.name.clone()).collect(),
            not_null: table.columns.iter().map(|c| c.not_null).collect(),
            key_types: table.primary_key.iter().map(|&c| types[c].clone()).collect(),
            key: table.primary_key.clone(),
            key_name: table.primary_key_name.clone().unwrap_or_else(|| format!("{}_row_id", table.name)),
            visible: (0..types.len()).filter(|&c| !table.columns[c].hidden).collect(),
            types,
        }
    }

    /// The table without a row.
    pub fn empty_rows(&self) -> KeyedRelation {
        KeyedRelation::new(self.types.clone(), Some(self.key.clone()))
    }
}
