//! What names mean: the columns that FROM brings, scope by scope outwards.

use super::{Binder, error, unsupported};
use crate::ast::{Ident, Pos};
use headwater_expr::Expr;
use headwater_plan::hir::{HirLeaf, HirRelation, HirScalar};
use headwater_types::{DataType, Datum, RelationId, Result, SqlError, SqlState};
use std::cell::RefCell;
use std::rc::Rc;

/// A column of an item of FROM.
#[derive(Debug, Clone)]
pub(crate) struct ScopeColumn {
    pub(crate) name: String,
    /// Its ordinal in the relation of all of FROM.
    pub(crate) index: usize,
    pub(crate) data_type: DataType,
    pub(crate) hidden: bool,
    pub(crate) origin: Option<(RelationId, i16)>,
}

/// An item of FROM: a table, a subquery, a function, or the merged columns of a join with USING.
#[derive(Debug, Clone)]
pub(crate) struct ScopeItem {
    /// Its alias or name; none for a join.
    pub(crate) name: Option<String>,
    /// Its schema, where it is a table without an alias.
    pub(crate) schema: Option<String>,
    /// The relation's own name, where an alias hides it.
    pub(crate) hidden_name: Option<String>,
    pub(crate) relation: Option<RelationId>,
    pub(crate) columns: Vec<ScopeColumn>,
    /// Found by bare column names and shown by `*`; false for the sides of a join with USING.
    pub(crate) bare: bool,
    pub(crate) pos: Pos,
}

/// What FROM brings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Namespace {
    pub(crate) items: Vec<ScopeItem>,
    /// Columns of the relation.
    pub(crate) width: usize,
}

impl Namespace {
    /// Moves all columns to the right.
    pub(crate) fn shift(&mut self, by: usize) {
        for column in self.items.iter_mut().flat_map(|item| &mut item.columns) {
            column.index += by;
        }
    }

    /// Adds the items of another namespace, whose columns come behind.
    ///
    /// # Errors
    ///
    /// 42712 if a name is in both.
    pub(crate) fn append(&mut self, mut other: Self) -> Result<()> {
        other.shift(self.width);
        for item in &other.items {
            let Some(name) = &item.name else { continue };
            let same = |mine: &&ScopeItem| mine.name.as_ref() == Some(name) && mine.schema == item.schema;
            if self.items.iter().any(|mine| same(&mine)) {
                return Err(error(
                    SqlState::DuplicateAlias,
                    format!("table name \"{name}\" specified more than once"),
                    item.pos,
                ));
            }
        }
        self.items.append(&mut other.items);
        self.width += other.width;
        Ok(())
    }

    /// The columns that bare names find.
    pub(crate) fn bare_columns(&self) -> impl Iterator<Item = &ScopeColumn> {
        self.items.iter().filter(|item| item.bare).flat_map(|item| &item.columns)
    }
}

/// A use of a column, to find the place of a grouping error.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub(crate) index: usize,
    pub(crate) pos: Pos,
}

/// A query's namespace and those around it.
pub(crate) struct Scope<'s> {
    pub(crate) namespace: &'s Namespace,
    pub(crate) outer: Option<&'s Scope<'s>>,
    /// The columns used so far, outside of aggregates.
    pub(crate) uses: RefCell<Vec<Use>>,
}

impl<'s> Scope<'s> {
    pub(crate) fn new(namespace: &'s Namespace, outer: Option<&'s Scope<'s>>) -> Self {
        Self { namespace, outer, uses: RefCell::new(vec![]) }
    }
}

/// A common table expression in force.
#[derive(Debug)]
pub(crate) struct Cte {
    pub(crate) name: String,
    pub(crate) id: usize,
    pub(crate) columns: Vec<(String, DataType)>,
    /// The one defined before it, or outside.
    pub(crate) next: Option<Rc<Cte>>,
}

/// What surrounds a query.
#[derive(Clone, Default)]
pub(crate) struct Env<'s> {
    pub(crate) outer: Option<&'s Scope<'s>>,
    pub(crate) ctes: Option<Rc<Cte>>,
}

impl Env<'_> {
    pub(crate) fn cte(&self, name: &str) -> Option<Rc<Cte>> {
        let mut next = self.ctes.as_ref();
        while let Some(cte) = next {
            if cte.name == name {
                return Some(Rc::clone(cte));
            }
            next = cte.next.as_ref();
        }
        None
    }
}

/// A column found.
pub(crate) struct Found {
    pub(crate) scalar: HirScalar,
    pub(crate) origin: Option<(RelationId, i16)>,
}

/// A relation of one row without columns.
pub(crate) fn one_row() -> HirRelation {
    HirRelation::Constant { rows: vec![vec![]], types: vec![] }
}

/// A column as a scalar.
pub(crate) fn column(level: usize, index: usize, data_type: DataType) -> HirScalar {
    Expr::Leaf(HirLeaf::Column { level, index, data_type })
}

fn found(scope: &Scope<'_>, column_found: &ScopeColumn, level: usize, pos: Pos) -> Found {
    scope.uses.borrow_mut().push(Use { index: column_found.index, pos });
    Found { scalar: column(level, column_found.index, column_found.data_type.clone()), origin: column_found.origin }
}

/// Names of columns that every PostgreSQL table has.
const SYSTEM_COLUMNS: [&str; 5] = ["ctid", "xmin", "xmax", "cmin", "cmax"];

/// Whether a table cannot have a column of this name.
pub(crate) fn is_system_column(name: &str) -> bool {
    name == "tableoid" || SYSTEM_COLUMNS.contains(&name)
}

impl Binder<'_> {
    /// Resolves a column reference.
    ///
    /// # Errors
    ///
    /// 42703, 42702, 42P01 with PostgreSQL's texts.
    pub(crate) fn column(&self, parts: &[Ident], scope: Option<&Scope<'_>>) -> Result<Found> {
        match parts {
            [name] => self.bare_column(name, scope),
            [table, name] => self.qualified_column(None, table, name, scope),
            [schema, table, name] => self.qualified_column(Some(schema), table, name, scope),
            [database, schema, table, name] if database.name == self.settings.database => {
                self.qualified_column(Some(schema), table, name, scope)
            }
            _ => Err(error(
                SqlState::SyntaxError,
                format!(
                    "improper qualified name (too many dotted names): {}",
                    parts.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(".")
                ),
                parts[0].pos,
            )),
        }
    }

    fn bare_column(&self, name: &Ident, scope: Option<&Scope<'_>>) -> Result<Found> {
        let mut level = 0;
        let mut next = scope;
        while let Some(scope) = next {
            let mut matches = scope.namespace.bare_columns().filter(|column| column.name == name.name);
            if let Some(first) = matches.next() {
                if matches.next().is_some() {
                    return Err(error(
                        SqlState::AmbiguousColumn,
                        format!("column reference \"{}\" is ambiguous", name.name),
                        name.pos,
                    ));
                }
                return Ok(found(scope, first, level, name.pos));
            }
            if let Some(item) = scope.namespace.items.iter().find(|item| item.bare && item.relation.is_some())
                && let Some(system) = system_column(item, name)?
            {
                return Ok(system);
            }
            level += 1;
            next = scope.outer;
        }
        let mut next = scope;
        while let Some(scope) = next {
            if scope.namespace.items.iter().any(|item| item.name.as_deref() == Some(name.name.as_str())) {
                return Err(unsupported("a reference to a whole row", name.pos));
            }
            next = scope.outer;
        }
        Err(error(SqlState::UndefinedColumn, format!("column \"{}\" does not exist", name.name), name.pos))
    }

    fn qualified_column(
        &self,
        schema: Option<&Ident>,
        table: &Ident,
        name: &Ident,
        scope: Option<&Scope<'_>>,
    ) -> Result<Found> {
        let (scope, item, level) = self.item(schema, table, scope)?;
        let mut matches = item.columns.iter().filter(|column| column.name == name.name);
        if let Some(first) = matches.next() {
            if matches.next().is_some() {
                return Err(error(
                    SqlState::AmbiguousColumn,
                    format!("column reference \"{}\" is ambiguous", name.name),
                    table.pos,
                ));
            }
            return Ok(found(scope, first, level, table.pos));
        }
        if item.relation.is_some()
            && let Some(system) = system_column(item, name)?
        {
            return Ok(system);
        }
        Err(error(SqlState::UndefinedColumn, format!("column {}.{} does not exist", table.name, name.name), table.pos))
    }

    /// The item of FROM that a qualifier names, with its scope and level.
    pub(crate) fn item<'s>(
        &self,
        schema: Option<&Ident>,
        table: &Ident,
        scope: Option<&'s Scope<'s>>,
    ) -> Result<(&'s Scope<'s>, &'s ScopeItem, usize)> {
        let mut level = 0;
        let mut next = scope;
        while let Some(scope) = next {
            let mut matches = scope.namespace.items.iter().filter(|item| {
                item.name.as_deref() == Some(table.name.as_str())
                    && schema.is_none_or(|schema| item.schema.as_deref() == Some(schema.name.as_str()))
            });
            if let Some(first) = matches.next() {
                if matches.next().is_some() {
                    return Err(error(
                        SqlState::AmbiguousAlias,
                        format!("table reference \"{}\" is ambiguous", table.name),
                        table.pos,
                    ));
                }
                return Ok((scope, first, level));
            }
            level += 1;
            next = scope.outer;
        }
        Err(missing_item(table, schema.unwrap_or(table).pos, scope))
    }
}

fn missing_item(table: &Ident, pos: Pos, scope: Option<&Scope<'_>>) -> SqlError {
    let mut next = scope;
    while let Some(scope) = next {
        let hidden = scope.namespace.items.iter().find(|item| item.hidden_name.as_deref() == Some(table.name.as_str()));
        if let Some(alias) = hidden.and_then(|item| item.name.as_ref()) {
            return error(
                SqlState::UndefinedTable,
                format!("invalid reference to FROM-clause entry for table \"{}\"", table.name),
                pos,
            )
            .with_hint(format!("Perhaps you meant to reference the table alias \"{alias}\"."));
        }
        next = scope.outer;
    }
    error(SqlState::UndefinedTable, format!("missing FROM-clause entry for table \"{}\"", table.name), pos)
}

fn system_column(item: &ScopeItem, name: &Ident) -> Result<Option<Found>> {
    let Some(relation) = item.relation else { return Ok(None) };
    if name.name == "tableoid" {
        let scalar = Expr::Literal(Datum::Oid(relation.0), DataType::Oid);
        return Ok(Some(Found { scalar, origin: None }));
    }
    if SYSTEM_COLUMNS.contains(&name.name.as_str()) {
        return Err(unsupported(&format!("the system column {}", name.name), name.pos));
    }
    Ok(None)
}
