//! What objects look like: `pg_get_viewdef`, `pg_get_indexdef`, comments, visibility.

use super::format_type::format_type;
use super::reg::{self, ProcRow, exists, index_is_visible, procs};
use super::{Call, Function, optional};
use crate::definition::{all_indexes, column_list, foreign_key_definition, key_definition};
use crate::system::{file_rows, named};
use crate::{RelationRef, index_definition, quote_identifier, roles, view_definition};
use headwater_types::{Datum, RegKind, RelationId, Result, SqlError};
use std::collections::HashMap;
use std::sync::OnceLock;

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("col_description", |call| Ok(col_description(call))),
    ("format_type", reg::format_type_call),
    ("obj_description", |call| Ok(obj_description(call))),
    ("pg_collation_is_visible", |call| Ok(visible_if_static(call, "pg_collation"))),
    ("pg_conversion_is_visible", |call| Ok(visible_if_static(call, "pg_conversion"))),
    ("pg_function_is_visible", |call| Ok(visible_if_static(call, "pg_proc"))),
    ("pg_get_constraintdef", |call| Ok(constraint_definition(call))),
    ("pg_get_expr", |call| Ok(optional(call.text(0).map(expression)))),
    ("pg_get_function_arg_default", |_| Ok(Datum::Null)),
    ("pg_get_function_arguments", |call| Ok(function_text(call, |proc| arguments(proc, true)))),
    ("pg_get_function_identity_arguments", |call| Ok(function_text(call, |proc| arguments(proc, false)))),
    ("pg_get_function_result", |call| Ok(function_text(call, result))),
    ("pg_get_function_sqlbody", |_| Ok(Datum::Null)),
    ("pg_get_functiondef", |_| Err(SqlError::unsupported("pg_get_functiondef"))),
    ("pg_get_indexdef", |call| Ok(get_indexdef(call))),
    ("pg_get_partition_constraintdef", |_| Ok(Datum::Null)),
    ("pg_get_partkeydef", |_| Ok(Datum::Null)),
    ("pg_get_ruledef", |call| Ok(ruledef(call))),
    ("pg_get_serial_sequence", serial_sequence),
    ("pg_get_statisticsobjdef", |_| Ok(Datum::Null)),
    ("pg_get_statisticsobjdef_columns", |_| Ok(Datum::Null)),
    ("pg_get_triggerdef", |_| Ok(Datum::Null)),
    ("pg_get_userbyid", |call| Ok(user_by_id(call))),
    ("pg_get_viewdef", viewdef),
    ("pg_opclass_is_visible", |call| Ok(visible_if_static(call, "pg_opclass"))),
    ("pg_operator_is_visible", |call| Ok(visible_if_static(call, "pg_operator"))),
    ("pg_opfamily_is_visible", |call| Ok(visible_if_static(call, "pg_opfamily"))),
    ("pg_statistics_obj_is_visible", |_| Ok(Datum::Null)),
    ("pg_table_is_visible", |call| Ok(table_is_visible(call))),
    ("pg_ts_config_is_visible", |call| Ok(visible_if_static(call, "pg_ts_config"))),
    ("pg_ts_dict_is_visible", |call| Ok(visible_if_static(call, "pg_ts_dict"))),
    ("pg_ts_parser_is_visible", |call| Ok(visible_if_static(call, "pg_ts_parser"))),
    ("pg_ts_template_is_visible", |call| Ok(visible_if_static(call, "pg_ts_template"))),
    ("pg_type_is_visible", |call| Ok(type_is_visible(call))),
    ("shobj_description", |call| Ok(shared_description(call))),
];

/// Built-in comments by (object, catalog).
fn built_in_comments() -> &'static HashMap<(u32, u32), String> {
    static COMMENTS: OnceLock<HashMap<(u32, u32), String>> = OnceLock::new();
    COMMENTS.get_or_init(|| {
        let relation = named("pg_catalog", "pg_description").expect("it is among PostgreSQL's relations");
        let entry = |row: Vec<Datum>| match (&row[0], &row[1], &row[3]) {
            (Datum::Oid(object), Datum::Oid(class), Datum::Text(text)) => Some(((*object, *class), text.to_string())),
            _ => None,
        };
        file_rows("pg_description", &relation.columns).into_iter().filter_map(entry).collect()
    })
}

fn relation_comment(relation: &RelationRef, column: Option<usize>) -> Option<String> {
    let (comment, columns) = match relation {
        RelationRef::Table(table) => (&table.comment, &table.column_comments),
        RelationRef::View(view) => (&view.comment, &view.column_comments),
        RelationRef::MaterializedView(view) => (&view.comment, &view.column_comments),
        RelationRef::System(_) => return None,
    };
    match column {
        None => comment.clone(),
        Some(column) => columns.get(&column).cloned(),
    }
}

fn obj_description(call: &Call<'_>) -> Datum {
    let Some(oid) = call.oid(0) else { return Datum::Null };
    // The one-argument form does not say which catalog.
    let class = match (call.args.len(), call.text(1)) {
        (1, _) => None,
        (_, Some(name)) => match named("pg_catalog", name) {
            Some(relation) => Some(relation.id.0),
            None => return Datum::Null,
        },
        (_, None) => return Datum::Null,
    };
    let is = |name: &str| class.is_none_or(|class| named("pg_catalog", name).is_some_and(|r| r.id.0 == class));
    let id = RelationId(oid);
    let mut text = None;
    if is("pg_class") {
        text = call.catalog.relation(id).and_then(|relation| relation_comment(&relation, None));
    }
    if text.is_none() && is("pg_namespace") {
        text = call.catalog.contents.namespaces.get(&id).and_then(|namespace| namespace.comment.clone());
    }
    if text.is_none() {
        text = match class {
            Some(class) => built_in_comments().get(&(oid, class)).cloned(),
            None => built_in_comments().iter().find(|((object, _), _)| *object == oid).map(|(_, text)| text.clone()),
        };
    }
    optional(text)
}

fn col_description(call: &Call<'_>) -> Datum {
    let (Some(id), Some(number)) = (call.id(0), call.integer(1)) else { return Datum::Null };
    let column = number.checked_sub(1).and_then(|ordinal| usize::try_from(ordinal).ok());
    let Some(column) = column else { return Datum::Null };
    optional(call.catalog.relation(id).and_then(|relation| relation_comment(&relation, Some(column))))
}

/// Comments on databases, roles and tablespaces: none but PostgreSQL's, whose objects are not here.
fn shared_description(_: &Call<'_>) -> Datum {
    Datum::Null
}

/// PostgreSQL's own objects are all in `pg_catalog`, which is always searched.
fn visible_if_static(call: &Call<'_>, relation: &str) -> Datum {
    match call.oid(0) {
        Some(oid) if relation == "pg_proc" => {
            let namespace = procs().by_oid.get(&oid).map(|proc| proc.namespace);
            namespace.map_or(Datum::Null, |namespace| Datum::Bool(namespace == crate::catalog::PG_CATALOG.0))
        }
        Some(oid) if exists(relation, oid) => Datum::Bool(true),
        _ => Datum::Null,
    }
}

fn type_is_visible(call: &Call<'_>) -> Datum {
    let row = call.oid(0).and_then(|oid| super::format_type::types().get(&oid));
    row.map_or(Datum::Null, |row| Datum::Bool(row.namespace == crate::catalog::PG_CATALOG.0))
}

fn table_is_visible(call: &Call<'_>) -> Datum {
    let Some(id) = call.id(0) else { return Datum::Null };
    if let Some(relation) = call.catalog.relation(id) {
        return Datum::Bool(call.catalog.is_visible(&relation, call.search_path()));
    }
    match all_indexes(call.catalog).into_iter().find(|index| index.id == id) {
        Some(index) => {
            let schema = index.relation.schema();
            Datum::Bool(index_is_visible(call.catalog, schema, &index.name, call.search_path()))
        }
        None => Datum::Null,
    }
}

fn user_by_id(call: &Call<'_>) -> Datum {
    let name = |oid| roles::by_id(oid).map_or_else(|| format!("unknown (OID={oid})"), |role| role.name.to_owned());
    optional(call.oid(0).map(name))
}

/// A stored expression, with PostgreSQL's spelling of the functions that SQL writes without parentheses.
fn expression(text: &str) -> String {
    const BARE: &[&str] = &[
        "CURRENT_TIMESTAMP",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "LOCALTIMESTAMP",
        "LOCALTIME",
        "CURRENT_USER",
        "SESSION_USER",
        "NULL",
    ];
    let bare = BARE.iter().find(|word| word.eq_ignore_ascii_case(text.trim()));
    bare.map_or_else(|| text.to_owned(), |word| (*word).to_owned())
}

fn viewdef(call: &Call<'_>) -> Result<Datum> {
    let Some(oid) = call.object(0, RegKind::Class)? else { return Ok(Datum::Null) };
    Ok(match call.catalog.relation(RelationId(oid)) {
        Some(RelationRef::View(view)) => Datum::text(view_definition(&view.sql)),
        Some(RelationRef::MaterializedView(view)) => Datum::text(view_definition(&view.sql)),
        // What PostgreSQL answers for a relation that is no view.
        Some(RelationRef::Table(_) | RelationRef::System(_)) => Datum::text("Not a view"),
        None => Datum::Null,
    })
}

fn ruledef(call: &Call<'_>) -> Datum {
    let Some(id) = call.id(0) else { return Datum::Null };
    let (relation, sql) = match call.catalog.relation(id) {
        Some(RelationRef::View(view)) => (RelationRef::View(view.clone()), view.sql.clone()),
        Some(RelationRef::MaterializedView(view)) => (RelationRef::MaterializedView(view.clone()), view.sql.clone()),
        _ => return Datum::Null,
    };
    let name = call.catalog.display_name(&relation, call.search_path());
    Datum::text(format!("CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {name} DO INSTEAD {}", view_definition(&sql)))
}

/// `pg_get_indexdef(oid)`, `pg_get_indexdef(oid, column, pretty)`: column 0 is the whole statement.
fn get_indexdef(call: &Call<'_>) -> Datum {
    let Some(id) = call.id(0) else { return Datum::Null };
    let number = match call.args.len() {
        1 => 0,
        _ => match call.integer(1) {
            Some(number) => number,
            None => return Datum::Null,
        },
    };
    if number == 0 {
        return optional(index_definition(call.catalog, id, call.flag(2), call.search_path()));
    }
    let Some(index) = all_indexes(call.catalog).into_iter().find(|index| index.id == id) else { return Datum::Null };
    let ordinal = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let column = ordinal.and_then(|ordinal| index.columns.get(ordinal));
    // PostgreSQL answers an empty text for a column that is not there.
    Datum::text(column.map(|&column| column_list(&index.relation, &[column])).unwrap_or_default())
}

fn constraint_definition(call: &Call<'_>) -> Datum {
    let Some(id) = call.id(0) else { return Datum::Null };
    for table in call.catalog.tables() {
        if table.primary_key_name.is_some() && table.primary_key_index == id {
            return Datum::text(key_definition("PRIMARY KEY", table, &table.primary_key));
        }
        if let Some(unique) = table.unique.iter().find(|unique| unique.id == id) {
            return Datum::text(key_definition("UNIQUE", table, &unique.columns));
        }
        if let Some(check) = table.checks.iter().find(|check| check.id == id) {
            return Datum::text(format!("CHECK ({})", check.sql));
        }
        if let Some(key) = table.foreign_keys.iter().find(|key| key.id == id) {
            return Datum::text(foreign_key_definition(call.catalog, table, key, call.search_path()));
        }
    }
    // An index that is no constraint, or nothing at all.
    Datum::Null
}

fn function_text(call: &Call<'_>, print: impl Fn(&ProcRow) -> String) -> Datum {
    optional(call.oid(0).and_then(|oid| procs().by_oid.get(&oid)).map(print))
}

fn arguments(proc: &ProcRow, defaults: bool) -> String {
    // Defaults belong to the last inputs. Their text has commas only between them: PostgreSQL's own are all simple.
    let texts: Vec<&str> = proc.defaults.as_deref().map(|text| text.split(", ").collect()).unwrap_or_default();
    let first_default = proc.inputs.len().saturating_sub(proc.default_count);
    let mut input = 0;
    let mut parts = Vec::new();
    for (data_type, mode, name) in &proc.args {
        let is_input = matches!(mode, 'i' | 'b' | 'v');
        let default = (is_input && input >= first_default).then(|| texts.get(input - first_default)).flatten();
        input += usize::from(is_input);
        if *mode == 't' || (!defaults && !is_input) {
            continue;
        }
        let prefix = match mode {
            'o' => "OUT ",
            'b' => "INOUT ",
            'v' => "VARIADIC ",
            _ => "",
        };
        let name = if name.is_empty() { String::new() } else { format!("{} ", quote_identifier(name)) };
        let default = default.filter(|_| defaults).map(|text| format!(" DEFAULT {text}")).unwrap_or_default();
        parts.push(format!("{prefix}{name}{}{default}", format_type(*data_type, None)));
    }
    parts.join(", ")
}

fn result(proc: &ProcRow) -> String {
    let columns: Vec<String> = (proc.args.iter().filter(|(_, mode, _)| *mode == 't'))
        .map(|(data_type, _, name)| format!("{} {}", quote_identifier(name), format_type(*data_type, None)))
        .collect();
    if !columns.is_empty() {
        return format!("TABLE({})", columns.join(", "));
    }
    let set = if proc.returns_set { "SETOF " } else { "" };
    format!("{set}{}", format_type(proc.result, None))
}

/// There are no sequences; the table and column must still exist.
fn serial_sequence(call: &Call<'_>) -> Result<Datum> {
    let (Some(oid), Some(column)) = (call.object(0, RegKind::Class)?, call.text(1)) else { return Ok(Datum::Null) };
    let relation = call.catalog.relation(RelationId(oid));
    match relation {
        Some(relation) if !relation.fields().iter().any(|field| field.name == column) => Err(SqlError::new(
            headwater_types::SqlState::UndefinedColumn,
            format!("column \"{column}\" of relation \"{}\" does not exist", relation.name()),
        )),
        _ => Ok(Datum::Null),
    }
}
