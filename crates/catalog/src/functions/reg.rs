//! `regclass`, `regtype`, `regproc` and their kin: from names to oids and back.

use super::format_type::{format_type, types};
use super::{Call, Function, optional, split_name};
use crate::catalog::{Catalog, PG_CATALOG, effective_path};
use crate::definition::all_indexes;
use crate::system::static_relation;
use crate::{RelationRef, quote_identifier, roles};
use headwater_types::{DataType, Datum, RegKind, RelationId, Result, SessionSettings, SqlError, SqlState};
use std::collections::HashMap;
use std::sync::OnceLock;

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("to_regclass", |call| Ok(to_reg(call, RegKind::Class))),
    ("to_regcollation", |call| Ok(to_reg(call, RegKind::Collation))),
    ("to_regnamespace", |call| Ok(to_reg(call, RegKind::Namespace))),
    ("to_regoper", |call| Ok(to_reg(call, RegKind::Oper))),
    ("to_regproc", |call| Ok(to_reg(call, RegKind::Proc))),
    ("to_regprocedure", |call| Ok(to_reg(call, RegKind::Procedure))),
    ("to_regrole", |call| Ok(to_reg(call, RegKind::Role))),
    ("to_regtype", |call| Ok(to_reg(call, RegKind::Type))),
];

fn to_reg(call: &Call<'_>, kind: RegKind) -> Datum {
    let found = call.text(0).and_then(|name| oid(call.catalog, kind, name, call.settings).ok());
    found.map_or(Datum::Null, Datum::Oid)
}

/// A built-in function.
pub(super) struct ProcRow {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) namespace: u32,
    pub(super) returns_set: bool,
    pub(super) result: u32,
    /// Input arguments' types.
    pub(super) inputs: Vec<u32>,
    /// All arguments: type, mode (`i`, `o`, `b`, `v`, `t`), name.
    pub(super) args: Vec<(u32, char, String)>,
    pub(super) defaults: Option<String>,
    pub(super) default_count: usize,
}

/// PostgreSQL's built-in functions by oid, and oids by name.
pub(super) struct Procs {
    pub(super) by_oid: HashMap<u32, ProcRow>,
    by_name: HashMap<String, Vec<u32>>,
}

fn list(datum: &Datum) -> &[Datum] {
    match datum {
        Datum::Array(array) => &array.values,
        _ => &[],
    }
}

fn as_oid(datum: &Datum) -> u32 {
    if let Datum::Oid(oid) = datum { *oid } else { 0 }
}

fn as_text(datum: &Datum) -> &str {
    if let Datum::Text(text) = datum { text } else { "" }
}

pub(super) fn procs() -> &'static Procs {
    static PROCS: OnceLock<Procs> = OnceLock::new();
    PROCS.get_or_init(|| {
        let relation = static_relation("pg_proc");
        let columns = [
            "oid",
            "proname",
            "pronamespace",
            "proretset",
            "prorettype",
            "proargtypes",
            "proallargtypes",
            "proargmodes",
            "proargnames",
            "proargdefaults",
            "pronargdefaults",
        ];
        let at = columns.map(|name| relation.column(name));
        let mut procs = Procs { by_oid: HashMap::new(), by_name: HashMap::new() };
        for row in relation.static_rows() {
            let inputs: Vec<u32> = list(&row[at[5]]).iter().map(as_oid).collect();
            let all = list(&row[at[6]]);
            let types: Vec<u32> = if all.is_empty() { inputs.clone() } else { all.iter().map(as_oid).collect() };
            let modes = list(&row[at[7]]);
            let names = list(&row[at[8]]);
            let args = types.iter().enumerate().map(|(i, &data_type)| {
                let mode = modes.get(i).and_then(|mode| as_text(mode).chars().next()).unwrap_or('i');
                (data_type, mode, names.get(i).map(as_text).unwrap_or_default().to_owned())
            });
            let proc = ProcRow {
                oid: as_oid(&row[at[0]]),
                name: as_text(&row[at[1]]).to_owned(),
                namespace: as_oid(&row[at[2]]),
                returns_set: row[at[3]] == Datum::Bool(true),
                result: as_oid(&row[at[4]]),
                args: args.collect(),
                inputs,
                defaults: Some(as_text(&row[at[9]]).to_owned()).filter(|text| !text.is_empty()),
                default_count: if let Datum::Int2(count) = row[at[10]] {
                    usize::try_from(count).unwrap_or(0)
                } else {
                    0
                },
            };
            procs.by_name.entry(proc.name.clone()).or_default().push(proc.oid);
            procs.by_oid.insert(proc.oid, proc);
        }
        procs
    })
}

/// The name a value of this kind prints; `None` if there is no such object.
pub(super) fn name(catalog: &Catalog, kind: RegKind, oid: u32, settings: &SessionSettings) -> Option<String> {
    if oid == 0 {
        return Some("-".to_owned());
    }
    match kind {
        RegKind::Class => class_name(catalog, RelationId(oid), &settings.search_path),
        RegKind::Type => types().contains_key(&oid).then(|| format_type(oid, None)),
        RegKind::Proc => {
            let proc = procs().by_oid.get(&oid)?;
            let unique = procs().by_name.get(&proc.name).is_some_and(|all| all.len() == 1);
            let visible = unique && proc.namespace == PG_CATALOG.0;
            Some(in_schema(catalog, visible, proc.namespace, &proc.name))
        }
        RegKind::Procedure => {
            let proc = procs().by_oid.get(&oid)?;
            let args: Vec<_> = proc.inputs.iter().map(|&input| format_type(input, None)).collect();
            let name = in_schema(catalog, proc.namespace == PG_CATALOG.0, proc.namespace, &proc.name);
            Some(format!("{name}({})", args.join(",")))
        }
        RegKind::Namespace => Some(quote_identifier(&catalog.contents.namespaces.get(&RelationId(oid))?.name)),
        RegKind::Role => Some(quote_identifier(roles::by_id(oid)?.name)),
        RegKind::Oper => {
            let relation = static_relation("pg_operator");
            let (id, symbol) = (relation.column("oid"), relation.column("oprname"));
            let found = relation.static_rows().iter().find(|row| row[id] == Datum::Oid(oid))?;
            let same = relation.static_rows().iter().filter(|row| row[symbol] == found[symbol]).count();
            let name = as_text(&found[symbol]);
            Some(if same == 1 { name.to_owned() } else { format!("pg_catalog.{name}") })
        }
        RegKind::Collation => {
            let relation = static_relation("pg_collation");
            let (id, name) = (relation.column("oid"), relation.column("collname"));
            let found = relation.static_rows().iter().find(|row| row[id] == Datum::Oid(oid))?;
            Some(quote_identifier(as_text(&found[name])))
        }
    }
}

fn in_schema(catalog: &Catalog, visible: bool, namespace: u32, name: &str) -> String {
    let name = quote_identifier(name);
    match catalog.contents.namespaces.get(&RelationId(namespace)) {
        Some(schema) if !visible => format!("{}.{name}", quote_identifier(&schema.name)),
        _ => name,
    }
}

fn class_name(catalog: &Catalog, id: RelationId, search_path: &[String]) -> Option<String> {
    if let Some(relation) = catalog.relation(id) {
        return Some(catalog.display_name(&relation, search_path));
    }
    let index = all_indexes(catalog).into_iter().find(|index| index.id == id)?;
    let schema = index.relation.schema();
    let name = quote_identifier(&index.name);
    if index_is_visible(catalog, schema, &index.name, search_path) {
        return Some(name);
    }
    Some(format!("{}.{name}", quote_identifier(schema)))
}

/// Whether the search path finds this index by its bare name.
pub(super) fn index_is_visible(catalog: &Catalog, schema: &str, name: &str, search_path: &[String]) -> bool {
    effective_path(search_path).find(|schema| catalog.is_taken(schema, name)) == Some(schema)
}

/// The object that a value's text names.
pub(super) fn oid(catalog: &Catalog, kind: RegKind, name: &str, settings: &SessionSettings) -> Result<u32> {
    if name == "-" {
        return Ok(0);
    }
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        return name.parse().map_err(|_| {
            SqlError::new(SqlState::NumericValueOutOfRange, format!("value \"{name}\" is out of range for type oid"))
        });
    }
    match kind {
        RegKind::Class => class_oid(catalog, name, settings),
        RegKind::Type => type_oid(name),
        RegKind::Proc => proc_oid(name),
        RegKind::Procedure => procedure_oid(name),
        RegKind::Namespace => {
            let schema = single(name)?;
            Ok(catalog.require_namespace(&schema)?.id.0)
        }
        RegKind::Role => {
            let role = single(name)?;
            roles::by_name(&role)
                .map(|role| role.id)
                .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("role \"{role}\" does not exist")))
        }
        RegKind::Oper => oper_oid(name),
        RegKind::Collation => {
            let parts = split_name(name)?;
            let last = parts.last().map(String::as_str).unwrap_or_default();
            static_oid("pg_collation", "collname", last).ok_or_else(|| {
                let text = format!("collation \"{}\" for encoding \"UTF8\" does not exist", parts.join("."));
                SqlError::new(SqlState::UndefinedObject, text)
            })
        }
    }
}

fn single(name: &str) -> Result<String> {
    match <[String; 1]>::try_from(split_name(name)?) {
        Ok([part]) => Ok(part),
        Err(_) => Err(SqlError::new(SqlState::InvalidName, "invalid name syntax")),
    }
}

fn static_oid(relation: &str, column: &str, name: &str) -> Option<u32> {
    let relation = static_relation(relation);
    let (id, column) = (relation.column("oid"), relation.column(column));
    relation.static_rows().iter().find(|row| as_text(&row[column]) == name).map(|row| as_oid(&row[id]))
}

fn class_oid(catalog: &Catalog, name: &str, settings: &SessionSettings) -> Result<u32> {
    let mut parts = split_name(name)?;
    if parts.len() == 3 {
        if parts[0] != settings.database {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("cross-database references are not implemented: \"{}\"", parts.join(".")),
            ));
        }
        parts.remove(0);
    }
    let missing = |name: String| SqlError::new(SqlState::UndefinedTable, format!("relation \"{name}\" does not exist"));
    match parts.as_slice() {
        [name] => {
            let found =
                effective_path(&settings.search_path).find_map(|schema| relation_or_index(catalog, schema, name));
            found.ok_or_else(|| missing(name.clone()))
        }
        [schema, name] => {
            catalog.require_namespace(schema)?;
            relation_or_index(catalog, schema, name).ok_or_else(|| missing(format!("{schema}.{name}")))
        }
        _ => Err(SqlError::new(
            SqlState::SyntaxError,
            format!("improper relation name (too many dotted names): {}", parts.join(".")),
        )),
    }
}

fn relation_or_index(catalog: &Catalog, schema: &str, name: &str) -> Option<u32> {
    let relation = catalog.resolve(Some(schema), name, &[]).map(|relation: RelationRef| relation.id().0);
    relation.or_else(|| catalog.name_id(schema, name).map(|id| id.0))
}

fn type_oid(name: &str) -> Result<u32> {
    if let Some(found) = DataType::from_sql_name(name) {
        return Ok(found.oid());
    }
    // Types that Headwater does not compute with still have rows in pg_type.
    let missing = || SqlError::new(SqlState::UndefinedObject, format!("type \"{name}\" does not exist"));
    let (base, array) = match name.trim().strip_suffix("[]") {
        Some(base) => (base, true),
        None => (name, false),
    };
    let parts = split_name(base).map_err(|_| missing())?;
    let last = parts.last().ok_or_else(missing)?;
    let wanted = if array { format!("_{last}") } else { last.clone() };
    types().values().filter(|row| row.name == wanted).map(|row| row.oid).min().ok_or_else(missing)
}

fn proc_oid(name: &str) -> Result<u32> {
    let parts = split_name(name)?;
    let last = parts.last().map(String::as_str).unwrap_or_default();
    match procs().by_name.get(last).map(Vec::as_slice) {
        Some([oid]) => Ok(*oid),
        Some(_) => Err(SqlError::new(SqlState::AmbiguousFunction, format!("more than one function named \"{name}\""))),
        None => Err(SqlError::new(SqlState::UndefinedFunction, format!("function \"{name}\" does not exist"))),
    }
}

fn procedure_oid(name: &str) -> Result<u32> {
    let syntax = |what| SqlError::new(SqlState::InvalidTextRepresentation, what);
    let (function, rest) = name.split_once('(').ok_or_else(|| syntax("expected a left parenthesis"))?;
    let args = rest.trim_end().strip_suffix(')').ok_or_else(|| syntax("expected a right parenthesis"))?;
    let args = args.split(',').map(str::trim).filter(|arg| !arg.is_empty());
    let args = args.map(type_oid).collect::<Result<Vec<_>>>()?;
    let parts = split_name(function)?;
    let candidates = parts.last().and_then(|last| procs().by_name.get(last)).map(Vec::as_slice).unwrap_or_default();
    candidates
        .iter()
        .copied()
        .find(|oid| procs().by_oid.get(oid).is_some_and(|proc| proc.inputs == args))
        .ok_or_else(|| SqlError::new(SqlState::UndefinedFunction, format!("function \"{name}\" does not exist")))
}

fn oper_oid(name: &str) -> Result<u32> {
    let symbol = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let relation = static_relation("pg_operator");
    let (id, column) = (relation.column("oid"), relation.column("oprname"));
    let mut found = relation.static_rows().iter().filter(|row| as_text(&row[column]) == symbol);
    match (found.next(), found.next()) {
        (Some(row), None) => Ok(as_oid(&row[id])),
        (Some(_), Some(_)) => {
            Err(SqlError::new(SqlState::AmbiguousFunction, format!("more than one operator named {name}")))
        }
        (None, _) => Err(SqlError::new(SqlState::UndefinedFunction, format!("operator does not exist: {name}"))),
    }
}

/// Whether a row with this oid is in one of the catalogs that hold PostgreSQL's own objects only.
pub(super) fn exists(relation: &str, oid: u32) -> bool {
    let relation = static_relation(relation);
    let id = relation.column("oid");
    relation.static_rows().iter().any(|row| row[id] == Datum::Oid(oid))
}

/// `format_type(oid, typmod)`; only the first argument's NULL gives NULL.
pub(super) fn format_type_call(call: &Call<'_>) -> Result<Datum> {
    let modifier = call.integer(1).and_then(|modifier| i32::try_from(modifier).ok());
    Ok(optional(call.oid(0).map(|oid| format_type(oid, modifier))))
}
