//! Objects as the statements that would make them.

use crate::catalog::Catalog;
use crate::{OnConflict, RelationRef, Table, quote_identifier};
use headwater_types::RelationId;

/// A view's query as `pg_get_viewdef` prints it: a leading space, what the user wrote, a semicolon.
#[must_use]
pub fn view_definition(sql: &str) -> String {
    format!(" {};", sql.trim().trim_end_matches(';').trim_end())
}

/// `CREATE TABLE …`, with one column or constraint a line.
#[must_use]
pub fn table_definition(catalog: &Catalog, table: &Table) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (_, column) in table.visible_columns() {
        let mut line = format!("{} {}", quote_identifier(&column.name), column.data_type.sql_name());
        if let Some(default) = &column.default {
            line.push_str(&format!(" DEFAULT {default}"));
        }
        if column.not_null {
            line.push_str(" NOT NULL");
        }
        lines.push(line);
    }
    let mut constraint = |name: &str, definition: String| {
        lines.push(format!("CONSTRAINT {} {definition}", quote_identifier(name)));
    };
    if let Some(name) = &table.primary_key_name {
        constraint(name, key_definition("PRIMARY KEY", table, &table.primary_key));
    }
    for unique in &table.unique {
        constraint(&unique.name, key_definition("UNIQUE", table, &unique.columns));
    }
    for check in &table.checks {
        constraint(&check.name, format!("CHECK ({})", check.sql));
    }
    for key in &table.foreign_keys {
        constraint(&key.name, foreign_key_definition(catalog, table, key, &[]));
    }
    let on_conflict = match table.on_conflict {
        OnConflict::Overwrite => "",
        OnConflict::DoNothing => " ON CONFLICT DO NOTHING",
        OnConflict::DoUpdateIfNotNull => " ON CONFLICT DO UPDATE IF NOT NULL",
        OnConflict::Error => " WITH (on_conflict = 'error')",
    };
    format!(
        "CREATE TABLE {}.{} (\n    {}\n){on_conflict}",
        quote_identifier(&table.schema),
        quote_identifier(&table.name),
        lines.join(",\n    ")
    )
}

/// `PRIMARY KEY (a, b)`
pub(crate) fn key_definition(kind: &str, table: &Table, columns: &[usize]) -> String {
    format!("{kind} ({})", column_list(&RelationRef::Table(table.clone().into()), columns))
}

/// `FOREIGN KEY (a) REFERENCES t(b)`
pub(crate) fn foreign_key_definition(
    catalog: &Catalog,
    table: &Table,
    key: &crate::ForeignKey,
    search_path: &[String],
) -> String {
    let (referenced, columns) = match catalog.relation(key.referenced) {
        Some(relation) => {
            (catalog.display_name(&relation, search_path), column_list(&relation, &key.referenced_columns))
        }
        None => (key.referenced.to_string(), String::new()),
    };
    let own = column_list(&RelationRef::Table(table.clone().into()), &key.columns);
    format!("FOREIGN KEY ({own}) REFERENCES {referenced}({columns})")
}

/// The columns' names, quoted, with commas.
pub(crate) fn column_list(relation: &RelationRef, columns: &[usize]) -> String {
    let fields = relation.fields();
    let names = columns.iter().filter_map(|&column| fields.get(column)).map(|field| quote_identifier(&field.name));
    names.collect::<Vec<_>>().join(", ")
}

/// An index, wherever it comes from.
pub(crate) struct IndexInfo {
    pub(crate) id: RelationId,
    pub(crate) name: String,
    pub(crate) relation: RelationRef,
    pub(crate) columns: Vec<usize>,
    pub(crate) unique: bool,
    pub(crate) primary: bool,
}

/// Every index that clients see, by id.
pub(crate) fn all_indexes(catalog: &Catalog) -> Vec<IndexInfo> {
    let mut all = Vec::new();
    for table in catalog.tables() {
        for (id, name, columns, primary) in table.indexes() {
            all.push(IndexInfo {
                id,
                name: name.to_owned(),
                relation: RelationRef::Table(table.clone()),
                columns: columns.to_vec(),
                unique: true,
                primary,
            });
        }
    }
    for index in catalog.indexes() {
        let Some(relation) = catalog.relation(index.relation) else { continue };
        all.push(IndexInfo {
            id: index.id,
            name: index.name.clone(),
            relation,
            columns: index.columns.clone(),
            unique: index.unique,
            primary: false,
        });
    }
    all.sort_by_key(|index| index.id);
    all
}

/// `CREATE UNIQUE INDEX campaigns_pkey ON public.campaigns USING btree (campaign_id)`. `pretty` leaves the schema out
/// where the search path finds the table without it. `None` if there is no such index.
#[must_use]
pub fn index_definition(catalog: &Catalog, index: RelationId, pretty: bool, search_path: &[String]) -> Option<String> {
    let index = all_indexes(catalog).into_iter().find(|info| info.id == index)?;
    Some(index_statement(catalog, &index, pretty, search_path))
}

pub(crate) fn index_statement(catalog: &Catalog, index: &IndexInfo, pretty: bool, search_path: &[String]) -> String {
    let relation = if pretty {
        catalog.display_name(&index.relation, search_path)
    } else {
        format!("{}.{}", quote_identifier(index.relation.schema()), quote_identifier(index.relation.name()))
    };
    format!(
        "CREATE {}INDEX {} ON {relation} USING btree ({})",
        if index.unique { "UNIQUE " } else { "" },
        quote_identifier(&index.name),
        column_list(&index.relation, &index.columns)
    )
}
