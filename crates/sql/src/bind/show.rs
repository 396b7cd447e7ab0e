//! SHOW TABLES and its kin, DESCRIBE: queries over the catalogs, with RisingWave's column headers.

use super::Binder;
use super::ddl::catalog_kind;
use super::scope::Env;
use crate::ast::{Name, ShowObjects, Statement};
use crate::bound::{BoundStatement, RelationKind};
use headwater_catalog::{RelationRef, table_definition};
use headwater_plan::hir::{HirQuery, HirRelation};
use headwater_types::{DataType, Datum, Field, Result, SqlError, SqlState};

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Relations of these kinds (`relkind`), by name.
fn relations(kinds: &str, condition: &str) -> String {
    format!(
        "SELECT c.relname::varchar AS \"Name\" FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ({kinds}) AND {condition} ORDER BY 1"
    )
}

impl Binder<'_> {
    pub(crate) fn show_objects(&self, show: &ShowObjects) -> Result<BoundStatement> {
        match show {
            ShowObjects::List { what, schema, like } => {
                let schema = schema.as_ref().map(|name| name.name.as_str());
                self.show_list(what, schema, like.as_deref())
            }
            ShowObjects::Columns(name) => {
                let id = self.relation(name)?.id();
                self.catalog_query(&format!(
                    "SELECT a.attname::varchar AS \"Name\", pg_catalog.format_type(a.atttypid, a.atttypmod) AS \"Type\", \
                     'false'::varchar AS \"Is Hidden\", pg_catalog.col_description(a.attrelid, a.attnum::int4) AS \"Description\" \
                     FROM pg_catalog.pg_attribute a \
                     WHERE a.attrelid = {id}::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
                ))
            }
            ShowObjects::Indexes(name) => {
                let id = self.relation(name)?.id();
                self.catalog_query(&format!(
                    "SELECT i.relname::varchar AS \"Name\", c.relname::varchar AS \"On\", \
                     pg_catalog.pg_get_indexdef(x.indexrelid) AS \"Definition\" \
                     FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
                     JOIN pg_catalog.pg_class c ON c.oid = x.indrelid WHERE x.indrelid = {id}::oid ORDER BY 1"
                ))
            }
            ShowObjects::Create(kind, name) => self.show_create(*kind, name),
        }
    }

    fn show_list(&self, what: &str, schema: Option<&str>, like: Option<&str>) -> Result<BoundStatement> {
        let condition = match schema {
            Some(schema) => {
                self.catalog.require_namespace(schema)?;
                format!("n.nspname = {}", quote(schema))
            }
            None => "pg_catalog.pg_table_is_visible(c.oid) AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
                .to_owned(),
        };
        let simple = |expr: &str, from: &str| format!("SELECT {expr}::varchar AS \"Name\" FROM {from} ORDER BY 1");
        let sql = match what {
            "tables" => relations("'r', 'p'", &condition),
            "views" => relations("'v'", &condition),
            "materialized views" => relations("'m'", &condition),
            "indexes" => relations("'i'", &condition),
            "schemas" => simple("nspname", "pg_catalog.pg_namespace"),
            "databases" => simple("datname", "pg_catalog.pg_database"),
            "users" => simple("rolname", "pg_catalog.pg_roles"),
            // There are none of these, and cannot be.
            _ => "SELECT ''::varchar AS \"Name\" WHERE false".to_owned(),
        };
        let sql = match like {
            Some(pattern) => {
                format!("SELECT \"Name\" FROM ({sql}) shown WHERE \"Name\" LIKE {} ORDER BY 1", quote(pattern))
            }
            None => sql,
        };
        self.catalog_query(&sql)
    }

    /// Binds a query of ours.
    fn catalog_query(&self, sql: &str) -> Result<BoundStatement> {
        let statements = crate::parse_script(sql)?;
        let Some(Statement::Query(query)) = statements.first().map(crate::Statement::ast).transpose()? else {
            return Err(SqlError::internal(format!("not a query: {sql}")));
        };
        let query = self.query(query, &Env::default()).map_err(super::coerce::without_position)?;
        Ok(BoundStatement::Query(query))
    }

    fn show_create(&self, kind: RelationKind, name: &Name) -> Result<BoundStatement> {
        let relation = self.relation(name)?;
        if relation.kind() != catalog_kind(kind) {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("\"{}\" is not {}", relation.name(), catalog_kind(kind).with_article()),
            ));
        }
        let qualified = format!("{}.{}", relation.schema(), relation.name());
        let text = match &relation {
            RelationRef::Table(table) => table_definition(self.catalog, table),
            RelationRef::View(view) => format!("CREATE VIEW {} AS {}", view.name, view.sql),
            RelationRef::MaterializedView(view) => format!("CREATE MATERIALIZED VIEW {} AS {}", view.name, view.sql),
            RelationRef::System(_) => return Err(SqlError::unsupported("SHOW CREATE of a system relation")),
        };
        let fields =
            vec![Field::new("Name", DataType::Varchar(None)), Field::new("Create Sql", DataType::Varchar(None))];
        let types: Vec<DataType> = fields.iter().map(|field| field.data_type.clone()).collect();
        let rows = vec![vec![Datum::text(qualified), Datum::text(text)]];
        Ok(BoundStatement::Query(HirQuery {
            relation: HirRelation::Constant { rows, types },
            order_by: vec![],
            limit: None,
            offset: None,
            projection: vec![0, 1],
            schema: fields,
            origins: vec![None; 2],
        }))
    }
}
