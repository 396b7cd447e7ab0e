//! CREATE, DROP, RENAME, COMMENT.

use super::scope::{Env, Namespace, ScopeColumn, ScopeItem};
use super::{Binder, at, error, unsupported};
use crate::ast::{self, ColumnConstraint, CommentObject, Ident, Name, OptionItem, OptionValue, TableConstraint};
use crate::bound::{
    BoundStatement, Comment, CommentTarget, ConflictAction, CreateTable, CreateView, Drop, NewCheck, NewColumn,
    NewForeignKey, NewKey, RelationKind,
};
use headwater_catalog::{ROW_ID_COLUMN, RelationKind as CatalogKind, RelationRef};
use headwater_plan::hir::HirQuery;
use headwater_types::{DataType, Field, RelationId, Result, Schema, SqlError, SqlState};

/// PostgreSQL's most columns of a table.
const COLUMNS_MAX: usize = 1600;

pub(crate) fn catalog_kind(kind: RelationKind) -> CatalogKind {
    match kind {
        RelationKind::Table => CatalogKind::Table,
        RelationKind::View => CatalogKind::View,
        RelationKind::MaterializedView => CatalogKind::MaterializedView,
        RelationKind::Index => CatalogKind::Index,
    }
}

fn duplicate_column(name: &str) -> SqlError {
    SqlError::new(SqlState::DuplicateColumn, format!("column \"{name}\" specified more than once"))
}

/// The parts of a table being made.
struct Draft<'t> {
    schema: String,
    name: &'t str,
    columns: Vec<NewColumn>,
    primary_key: Option<NewKey>,
    checks: Vec<NewCheck>,
    foreign_keys: Vec<NewForeignKey>,
    /// Names given to constraints so far.
    names: Vec<String>,
    notices: Vec<String>,
}

impl Draft<'_> {
    fn column(&self, name: &Ident) -> Result<usize> {
        self.columns.iter().position(|column| column.name == name.name).ok_or_else(|| {
            error(SqlState::UndefinedColumn, format!("column \"{}\" named in key does not exist", name.name), name.pos)
        })
    }

    fn ordinals(&self, names: &[Ident], constraint: &str) -> Result<Vec<usize>> {
        let mut ordinals = Vec::with_capacity(names.len());
        for name in names {
            let ordinal = self.column(name)?;
            if ordinals.contains(&ordinal) {
                return Err(error(
                    SqlState::DuplicateColumn,
                    format!("column \"{}\" appears twice in {constraint} constraint", name.name),
                    name.pos,
                ));
            }
            ordinals.push(ordinal);
        }
        Ok(ordinals)
    }

    fn joined_names(&self, ordinals: &[usize]) -> String {
        ordinals.iter().map(|ordinal| self.columns[*ordinal].name.as_str()).collect::<Vec<_>>().join("_")
    }

    fn namespace(&self) -> Namespace {
        let columns = self.columns.iter().enumerate().map(|(index, column)| ScopeColumn {
            name: column.name.clone(),
            index,
            data_type: column.data_type.clone(),
            hidden: column.hidden,
            origin: None,
        });
        let item = ScopeItem {
            name: Some(self.name.to_owned()),
            schema: None,
            hidden_name: None,
            relation: None,
            columns: columns.collect(),
            bare: true,
            pos: 0,
        };
        Namespace { items: vec![item], width: self.columns.len() }
    }
}

impl Binder<'_> {
    /// The schema and name of something to be made.
    ///
    /// # Errors
    ///
    /// 3F000; 42501 for system schemas; 42P07 if the name is taken and `if_not_exists` and `replace` are not given.
    fn new_name(&self, name: &Name, may_exist: bool) -> Result<(String, String)> {
        let (schema, last) = self.split_name(name)?;
        let schema = match schema {
            Some(schema) => {
                self.catalog.require_namespace(schema).map_err(|e| at(e, name.pos()))?;
                schema.to_owned()
            }
            None => match self.catalog.creation_schema(&self.settings.search_path) {
                Some(namespace) => namespace.name.clone(),
                None => {
                    return Err(error(
                        SqlState::InvalidSchemaName,
                        "no schema has been selected to create in",
                        name.pos(),
                    ));
                }
            },
        };
        if matches!(schema.as_str(), "pg_catalog" | "information_schema" | "rw_catalog" | "pg_toast") {
            return Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!("permission denied to create \"{schema}.{last}\""),
            )
            .with_detail("System catalog modifications are currently disallowed."));
        }
        if !may_exist && self.catalog.is_taken(&schema, last) {
            return Err(SqlError::new(SqlState::DuplicateTable, format!("relation \"{last}\" already exists")));
        }
        Ok((schema, last.to_owned()))
    }

    /// A constraint's name: as given, or made from the columns'.
    fn constraint_name(
        &self,
        draft: &mut Draft<'_>,
        given: Option<&Ident>,
        base: &str,
        suffix: &str,
    ) -> Result<String> {
        let name = match given {
            Some(given) if draft.names.contains(&given.name) => {
                return Err(SqlError::new(
                    SqlState::DuplicateObject,
                    format!("constraint \"{}\" for relation \"{}\" already exists", given.name, draft.name),
                ));
            }
            Some(given) => given.name.clone(),
            None => self.catalog.choose_name(&draft.schema, base, suffix, &draft.names),
        };
        draft.names.push(name.clone());
        Ok(name)
    }

    pub(crate) fn create_table(&self, create: &ast::CreateTable) -> Result<BoundStatement> {
        let (schema, name) = self.new_name(&create.name, create.if_not_exists)?;
        let mut draft = Draft {
            schema,
            name: &name,
            columns: vec![],
            primary_key: None,
            checks: vec![],
            foreign_keys: vec![],
            names: vec![],
            notices: vec![],
        };
        for definition in &create.columns {
            if draft.columns.iter().any(|column| column.name == definition.name.name) {
                return Err(duplicate_column(&definition.name.name));
            }
            draft.columns.push(self.new_column(definition, &name)?);
        }
        if draft.columns.len() > COLUMNS_MAX {
            return Err(SqlError::new(
                SqlState::TooManyColumns,
                format!("tables can have at most {COLUMNS_MAX} columns"),
            ));
        }
        for (ordinal, definition) in create.columns.iter().enumerate() {
            for constraint in &definition.constraints {
                self.column_constraint(&mut draft, ordinal, &definition.name, constraint)?;
            }
        }
        for constraint in &create.constraints {
            self.table_constraint(&mut draft, constraint)?;
        }
        let mut on_conflict = create.on_conflict.unwrap_or_default();
        for option in &create.options {
            table_option(option, &mut on_conflict, &mut draft.notices)?;
        }
        let hidden = draft.primary_key.is_none();
        if hidden {
            draft.columns.push(hidden_column(&draft.columns)?);
        }
        Ok(BoundStatement::CreateTable(CreateTable {
            schema: draft.schema,
            columns: draft.columns,
            primary_key: draft.primary_key,
            checks: draft.checks,
            foreign_keys: draft.foreign_keys,
            notices: draft.notices,
            name,
            if_not_exists: create.if_not_exists,
            on_conflict,
        }))
    }

    fn new_column(&self, definition: &ast::ColumnDefinition, table: &str) -> Result<NewColumn> {
        let data_type = self.data_type(&definition.data_type)?;
        let name = &definition.name;
        if super::scope::is_system_column(&name.name) {
            return Err(SqlError::new(
                SqlState::DuplicateColumn,
                format!("column name \"{}\" conflicts with a system column name", name.name),
            ));
        }
        if matches!(data_type, DataType::AnyArray | DataType::Void | DataType::Unknown) {
            return Err(SqlError::new(
                SqlState::InvalidTableDefinition,
                format!("column \"{}\" has pseudo-type {}", name.name, data_type.sql_name()),
            ));
        }
        let mut column =
            NewColumn { name: name.name.clone(), data_type, not_null: false, default: None, hidden: false };
        let mut nullable = false;
        for constraint in &definition.constraints {
            match constraint {
                ColumnConstraint::NotNull(pos) | ColumnConstraint::Null(pos) => {
                    let not_null = matches!(constraint, ColumnConstraint::NotNull(_));
                    nullable |= !not_null;
                    column.not_null |= not_null;
                    if nullable && column.not_null {
                        let name = &name.name;
                        return Err(error(
                            SqlState::SyntaxError,
                            format!(
                                "conflicting NULL/NOT NULL declarations for column \"{name}\" of table \"{table}\""
                            ),
                            *pos,
                        ));
                    }
                }
                ColumnConstraint::Default(sql, pos) => {
                    if column.default.is_some() {
                        return Err(error(
                            SqlState::SyntaxError,
                            format!("multiple default values specified for column \"{}\"", name.name),
                            *pos,
                        ));
                    }
                    let expr = crate::statement::parse_expression(sql)?;
                    let shift = u32::try_from(*pos).unwrap_or(0);
                    self.default_expr(&expr, &column.name, &column.data_type).map_err(|mut e| {
                        e.position = e.position.map(|position| position.saturating_add(shift));
                        e
                    })?;
                    column.default = Some(sql.clone());
                }
                _ => {}
            }
        }
        Ok(column)
    }

    fn column_constraint(
        &self,
        draft: &mut Draft<'_>,
        ordinal: usize,
        column: &Ident,
        constraint: &ColumnConstraint,
    ) -> Result<()> {
        let columns = std::slice::from_ref(column);
        match constraint {
            ColumnConstraint::PrimaryKey(name) => self.primary_key(draft, name.as_ref(), columns),
            ColumnConstraint::Unique(name, pos) => self.unique_key(draft, name.as_ref(), columns, *pos),
            ColumnConstraint::Check(name, expr, sql) => {
                let base = format!("{}_{}", draft.name, draft.columns[ordinal].name);
                self.new_check(draft, name.as_ref(), &base, expr, sql)
            }
            ColumnConstraint::References(name, table, referenced) => {
                self.foreign_key(draft, name.as_ref(), columns, table, referenced)
            }
            _ => Ok(()),
        }
    }

    fn table_constraint(&self, draft: &mut Draft<'_>, constraint: &TableConstraint) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey(name, columns) => self.primary_key(draft, name.as_ref(), columns),
            TableConstraint::Unique(name, columns, pos) => self.unique_key(draft, name.as_ref(), columns, *pos),
            TableConstraint::Check(name, expr, sql) => {
                let mut base = draft.name.to_owned();
                let namespace = draft.namespace();
                let mut predicate = self.check_predicate(expr, &namespace)?;
                let mut used = Vec::new();
                super::columns::visit_scalar(&mut predicate, |leaf, _| {
                    if let headwater_expr::Expr::Leaf(headwater_plan::hir::HirLeaf::Column { index, .. }) = leaf
                        && !used.contains(index)
                    {
                        used.push(*index);
                    }
                });
                if let [only] = used.as_slice() {
                    base = format!("{base}_{}", draft.columns[*only].name);
                }
                self.new_check(draft, name.as_ref(), &base, expr, sql)
            }
            TableConstraint::ForeignKey(name, columns, table, referenced) => {
                self.foreign_key(draft, name.as_ref(), columns, table, referenced)
            }
        }
    }

    fn primary_key(&self, draft: &mut Draft<'_>, name: Option<&Ident>, columns: &[Ident]) -> Result<()> {
        if draft.primary_key.is_some() {
            return Err(error(
                SqlState::InvalidTableDefinition,
                format!("multiple primary keys for table \"{}\" are not allowed", draft.name),
                columns[0].pos,
            ));
        }
        let ordinals = draft.ordinals(columns, "primary key")?;
        for ordinal in &ordinals {
            draft.columns[*ordinal].not_null = true;
        }
        let name = self.constraint_name(draft, name, draft.name, "pkey")?;
        draft.primary_key = Some(NewKey { name, columns: ordinals });
        Ok(())
    }

    fn unique_key(&self, draft: &mut Draft<'_>, name: Option<&Ident>, columns: &[Ident], pos: ast::Pos) -> Result<()> {
        let ordinals = draft.ordinals(columns, "unique")?;
        let base = format!("{}_{}", draft.name, draft.joined_names(&ordinals));
        let name = self.constraint_name(draft, name, &base, "key")?;
        Err(not_enforced(&format!("UNIQUE constraint \"{name}\" beside the primary key"), pos))
    }

    fn new_check(
        &self,
        draft: &mut Draft<'_>,
        name: Option<&Ident>,
        base: &str,
        expr: &ast::Expr,
        sql: &str,
    ) -> Result<()> {
        self.check_predicate(expr, &draft.namespace())?;
        let name = self.constraint_name(draft, name, base, "check")?;
        draft.checks.push(NewCheck { name, expression: sql.to_owned() });
        Ok(())
    }

    fn foreign_key(
        &self,
        draft: &mut Draft<'_>,
        name: Option<&Ident>,
        columns: &[Ident],
        table: &Name,
        referenced: &[Ident],
    ) -> Result<()> {
        let ordinals = draft.ordinals(columns, "foreign key")?;
        let (schema, last) = self.split_name(table)?;
        let own = last == draft.name && schema.is_none_or(|schema| schema == draft.schema);
        let (id, referenced_columns) = if own {
            let ordinals = match (referenced, &draft.primary_key) {
                ([], Some(key)) => key.columns.clone(),
                ([], None) => return Err(no_primary_key(last)),
                (names, _) => draft.ordinals(names, "foreign key")?,
            };
            (None, ordinals)
        } else {
            match self.relation(table).map_err(super::coerce::without_position)? {
                RelationRef::Table(target) if referenced.is_empty() && target.hidden_key => {
                    return Err(no_primary_key(&target.name));
                }
                RelationRef::Table(target) if referenced.is_empty() => (Some(target.id), target.primary_key.clone()),
                RelationRef::Table(target) => {
                    let ordinals = referenced.iter().map(|name| {
                        self.table_column(&target, name).map_err(|_| {
                            error(
                                SqlState::UndefinedColumn,
                                format!("column \"{}\" referenced in foreign key constraint does not exist", name.name),
                                name.pos,
                            )
                        })
                    });
                    (Some(target.id), ordinals.collect::<Result<_>>()?)
                }
                other => {
                    return Err(SqlError::new(
                        SqlState::WrongObjectType,
                        format!("referenced relation \"{}\" is not a table", other.name()),
                    ));
                }
            }
        };
        if ordinals.len() != referenced_columns.len() {
            return Err(SqlError::new(
                SqlState::InvalidForeignKey,
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let base = format!("{}_{}", draft.name, draft.joined_names(&ordinals));
        let name = self.constraint_name(draft, name, &base, "fkey")?;
        draft.notices.push(format!("foreign key constraint \"{name}\" is recorded but not enforced"));
        draft.foreign_keys.push(NewForeignKey { name, columns: ordinals, referenced: id, referenced_columns });
        Ok(())
    }

    pub(crate) fn create_table_as(&self, create: &ast::CreateTableAs) -> Result<BoundStatement> {
        let (schema, name) = self.new_name(&create.name, create.if_not_exists)?;
        let query = self.query(&create.query, &Env::default())?;
        if create.columns.len() > query.schema.len() {
            return Err(SqlError::new(SqlState::SyntaxError, "too many column names were specified"));
        }
        let fields = renamed(&query.schema, &create.columns);
        check_duplicates(&fields)?;
        let mut columns: Vec<NewColumn> = fields
            .into_iter()
            .map(|field| NewColumn {
                name: field.name,
                data_type: field.data_type,
                not_null: false,
                default: None,
                hidden: false,
            })
            .collect();
        columns.push(hidden_column(&columns)?);
        let table = CreateTable {
            schema,
            name,
            columns,
            primary_key: None,
            checks: vec![],
            foreign_keys: vec![],
            if_not_exists: create.if_not_exists,
            on_conflict: ConflictAction::default(),
            notices: vec![],
        };
        Ok(BoundStatement::CreateTableAs { table, query, with_data: create.with_data })
    }

    pub(crate) fn create_view(&self, create: &ast::CreateView) -> Result<BoundStatement> {
        if create.materialized && create.or_replace {
            return Err(unsupported("CREATE OR REPLACE MATERIALIZED VIEW", create.name.pos()));
        }
        let (schema, name) = self.new_name(&create.name, create.if_not_exists || create.or_replace)?;
        if crate::statement::selects_into(&create.query) {
            return Err(error(SqlState::SyntaxError, "views must not contain SELECT INTO", create.query.pos));
        }
        self.materialized.set(create.materialized);
        let query: HirQuery = self.query(&create.query, &Env::default())?;
        let depends_on = self.named_relations();
        if let Some(index) = self.parameters.borrow().any() {
            return Err(SqlError::new(SqlState::UndefinedParameter, format!("there is no parameter ${}", index + 1)));
        }
        if create.columns.len() > query.schema.len() {
            return Err(SqlError::new(SqlState::SyntaxError, "CREATE VIEW specifies more column names than columns"));
        }
        let fields = renamed(&query.schema, &create.columns);
        check_duplicates(&fields)?;
        if create.materialized {
            self.check_materialized(&depends_on)?;
        }
        let view = CreateView {
            schema,
            name,
            column_names: fields.into_iter().map(|field| field.name).collect(),
            query,
            sql: create.sql.clone(),
            depends_on,
            if_not_exists: create.if_not_exists,
            or_replace: create.or_replace,
            notices: create.notices.clone(),
        };
        Ok(if create.materialized {
            BoundStatement::CreateMaterializedView(view)
        } else {
            BoundStatement::CreateView(view)
        })
    }

    /// System relations change without a commit, so that no view can be kept over them.
    fn check_materialized(&self, depends_on: &[RelationId]) -> Result<()> {
        let mut todo = depends_on.to_vec();
        while let Some(id) = todo.pop() {
            match self.catalog.relation(id) {
                Some(RelationRef::System(relation)) => {
                    return Err(SqlError::unsupported(format_args!(
                        "a materialized view over the system relation {}",
                        relation.name
                    )));
                }
                Some(RelationRef::View(view)) => todo.extend(&view.depends_on),
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn create_index(
        &self,
        name: Option<&Ident>,
        table: &Name,
        columns: &[Ident],
        unique: Option<ast::Pos>,
        if_not_exists: bool,
    ) -> Result<BoundStatement> {
        let relation = self.relation(table).map_err(super::coerce::without_position)?;
        let fields = relation.fields();
        let ordinals = columns
            .iter()
            .map(|column| {
                fields.iter().position(|field| field.name == column.name).ok_or_else(|| {
                    SqlError::new(SqlState::UndefinedColumn, format!("column \"{}\" does not exist", column.name))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        if !matches!(relation, RelationRef::Table(_) | RelationRef::MaterializedView(_)) {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("cannot create index on relation \"{}\"", relation.name()),
            ));
        }
        let schema = relation.schema().to_owned();
        let name = match name {
            Some(name) => name.name.clone(),
            None => {
                let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                let base = format!("{}_{}", relation.name(), names.join("_"));
                self.catalog.choose_name(&schema, &base, "idx", &[])
            }
        };
        if !if_not_exists && self.catalog.is_taken(&schema, &name) {
            return Err(SqlError::new(SqlState::DuplicateTable, format!("relation \"{name}\" already exists")));
        }
        if let Some(pos) = unique {
            return Err(not_enforced(&format!("unique index \"{name}\" beside the primary key"), pos));
        }
        let relation = relation.id();
        Ok(BoundStatement::CreateIndex { schema, name, relation, columns: ordinals, if_not_exists })
    }

    /// The existing relation of a kind, or `None` if there is none and `if_exists` is given.
    fn existing(&self, kind: RelationKind, name: &Name, if_exists: bool) -> Result<Option<RelationId>> {
        let (schema, last) = self.split_name(name)?;
        let wanted = catalog_kind(kind);
        if let Some(schema) = schema
            && self.catalog.namespace(schema).is_none()
        {
            if if_exists {
                return Ok(None);
            }
            return Err(SqlError::new(SqlState::InvalidSchemaName, format!("schema \"{schema}\" does not exist")));
        }
        let index = self.index(schema, last);
        match self.catalog.resolve(schema, last, &self.settings.search_path) {
            Some(RelationRef::System(relation)) => Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!("permission denied: \"{}\" is a system catalog", relation.name),
            )),
            Some(relation) if relation.kind() == wanted => Ok(Some(relation.id())),
            Some(relation) => Err(relation.kind().wrong_kind_for_drop(last, wanted)),
            None => match index {
                Some(id) if kind == RelationKind::Index => Ok(Some(id)),
                Some(_) => Err(CatalogKind::Index.wrong_kind_for_drop(last, wanted)),
                None if if_exists => Ok(None),
                None => Err(wanted.does_not_exist(&name.display())),
            },
        }
    }

    /// The index of this name, on the search path.
    fn index(&self, schema: Option<&str>, name: &str) -> Option<RelationId> {
        let path: Vec<&str> = match schema {
            Some(schema) => vec![schema],
            None => self.settings.search_path.iter().map(String::as_str).collect(),
        };
        path.into_iter().find_map(|schema| {
            let tables = self.catalog.tables().filter(|table| table.schema == schema);
            let of_keys = tables.flat_map(|table| table.indexes()).find(|(_, index, ..)| *index == name);
            let made = || self.catalog.indexes().find(|index| index.schema == schema && index.name == name);
            of_keys.map(|(id, ..)| id).or_else(|| made().map(|index| index.id))
        })
    }

    pub(crate) fn drop_relations(
        &self,
        kind: RelationKind,
        names: &[Name],
        if_exists: bool,
        cascade: bool,
    ) -> Result<BoundStatement> {
        let mut drop = Drop { kind, relations: vec![], notices: vec![], cascade };
        for name in names {
            match self.existing(kind, name, if_exists)? {
                Some(id) if drop.relations.contains(&id) => {}
                Some(id) => drop.relations.push(id),
                None => drop.notices.push(match name.parts.as_slice() {
                    [.., schema, _] if self.catalog.namespace(&schema.name).is_none() => {
                        format!("schema \"{}\" does not exist, skipping", schema.name)
                    }
                    _ => format!(
                        "{} \"{}\" does not exist, skipping",
                        catalog_kind(kind).description(),
                        name.last().name
                    ),
                }),
            }
        }
        Ok(BoundStatement::Drop(drop))
    }

    pub(crate) fn drop_schemas(&self, names: &[Ident], if_exists: bool, cascade: bool) -> Result<BoundStatement> {
        let (mut existing, mut notices) = (vec![], vec![]);
        for name in names {
            if self.catalog.namespace(&name.name).is_some() {
                existing.push(name.name.clone());
            } else if if_exists {
                notices.push(format!("schema \"{}\" does not exist, skipping", name.name));
            } else {
                return Err(SqlError::new(
                    SqlState::InvalidSchemaName,
                    format!("schema \"{}\" does not exist", name.name),
                ));
            }
        }
        Ok(BoundStatement::DropSchema { names: existing, notices, cascade })
    }

    pub(crate) fn rename(
        &self,
        kind: RelationKind,
        name: &Name,
        to: &Ident,
        if_exists: bool,
    ) -> Result<BoundStatement> {
        let found = self.existing(kind, name, if_exists).map_err(|e| match e.state {
            // ALTER says it as a reference does, not as DROP.
            SqlState::UndefinedTable => {
                SqlError::new(SqlState::UndefinedTable, format!("relation \"{}\" does not exist", name.display()))
            }
            _ => SqlError { hint: None, ..e },
        })?;
        Ok(match found {
            Some(relation) => BoundStatement::Rename { relation, name: to.name.clone() },
            None => BoundStatement::NoOperation {
                notices: vec![format!("relation \"{}\" does not exist, skipping", name.display())],
            },
        })
    }

    pub(crate) fn comment(&self, object: &CommentObject, text: Option<&str>) -> Result<BoundStatement> {
        let target = match object {
            CommentObject::Relation(kind, name) => {
                let found = self.existing(*kind, name, false).map_err(|e| match e.state {
                    SqlState::UndefinedTable => SqlError::new(
                        SqlState::UndefinedTable,
                        format!("relation \"{}\" does not exist", name.display()),
                    ),
                    _ => SqlError { hint: None, ..e },
                })?;
                CommentTarget::Relation(found.expect("missing relations are errors here"))
            }
            CommentObject::Column(name) => {
                let (column, table) = name.parts.split_last().expect("a column's name is qualified");
                let relation =
                    self.relation(&Name { parts: table.to_vec() }).map_err(super::coerce::without_position)?;
                let fields = relation.fields();
                let ordinal = fields.iter().position(|field| field.name == column.name).ok_or_else(|| {
                    SqlError::new(
                        SqlState::UndefinedColumn,
                        format!("column \"{}\" of relation \"{}\" does not exist", column.name, relation.name()),
                    )
                })?;
                CommentTarget::Column(relation.id(), ordinal)
            }
            CommentObject::Schema(name) => {
                self.catalog.require_namespace(&name.name)?;
                CommentTarget::Schema(name.name.clone())
            }
        };
        Ok(BoundStatement::Comment(Comment { target, text: text.map(str::to_owned) }))
    }

    pub(crate) fn refresh(&self, name: &Name) -> Result<BoundStatement> {
        match self.relation(name).map_err(super::coerce::without_position)? {
            RelationRef::MaterializedView(view) => Ok(BoundStatement::Refresh(view.id)),
            other => Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("\"{}\" is not a materialized view", other.name()),
            )),
        }
    }
}

/// A key other than the primary one.
fn not_enforced(what: &str, pos: ast::Pos) -> SqlError {
    unsupported(what, pos)
        .with_hint("Only a table's PRIMARY KEY is enforced: make these columns the key, or leave out UNIQUE.")
}

fn no_primary_key(table: &str) -> SqlError {
    SqlError::new(SqlState::UndefinedObject, format!("there is no primary key for referenced table \"{table}\""))
}

fn hidden_column(columns: &[NewColumn]) -> Result<NewColumn> {
    if columns.iter().any(|column| column.name == ROW_ID_COLUMN) {
        return Err(SqlError::new(
            SqlState::DuplicateColumn,
            format!("column name \"{ROW_ID_COLUMN}\" conflicts with a system column name"),
        )
        .with_hint("Declare a primary key, or name the column otherwise."));
    }
    Ok(NewColumn {
        name: ROW_ID_COLUMN.to_owned(),
        data_type: DataType::Int8,
        not_null: true,
        default: None,
        hidden: true,
    })
}

fn table_option(option: &OptionItem, on_conflict: &mut ConflictAction, notices: &mut Vec<String>) -> Result<()> {
    let value = match &option.value {
        Some(OptionValue::Text(text, _)) => text.to_ascii_lowercase(),
        _ => String::new(),
    };
    match option.name.name.as_str() {
        "on_conflict" => {
            *on_conflict = match value.as_str() {
                "error" => ConflictAction::Error,
                "overwrite" | "do update full" => ConflictAction::Overwrite,
                "ignore" | "nothing" | "do nothing" => ConflictAction::Ignore,
                "do update if not null" => ConflictAction::UpdateIfNotNull,
                _ => {
                    return Err(SqlError::new(
                        SqlState::InvalidParameterValue,
                        format!("invalid value for parameter \"on_conflict\": \"{value}\""),
                    )
                    .with_hint("Available values: error, overwrite, nothing, \"do update if not null\"."));
                }
            };
        }
        name if name == "fillfactor" || name.starts_with("autovacuum_") || name.starts_with("toast.") => {
            notices.push(format!("option \"{name}\" is ignored"));
        }
        name => {
            return Err(SqlError::new(SqlState::InvalidParameterValue, format!("unrecognized parameter \"{name}\"")));
        }
    }
    Ok(())
}

fn renamed(schema: &Schema, names: &[Ident]) -> Vec<Field> {
    let mut fields = schema.clone();
    for (field, name) in fields.iter_mut().zip(names) {
        field.name.clone_from(&name.name);
    }
    fields
}

fn check_duplicates(fields: &[Field]) -> Result<()> {
    let duplicate = fields.iter().enumerate().find(|(i, field)| fields[..*i].iter().any(|f| f.name == field.name));
    duplicate.map_or(Ok(()), |(_, field)| Err(duplicate_column(&field.name)))
}
