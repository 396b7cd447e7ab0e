//! `format_type`: a type's SQL name with its modifier, over `pg_type`'s rows.

use crate::system::static_relation;
use crate::{SystemRelation, quote_identifier};
use headwater_types::Datum;
use std::collections::HashMap;
use std::sync::OnceLock;

/// What is asked of a row of `pg_type`.
pub(super) struct TypeRow {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) namespace: u32,
    /// The element's type, of a true array.
    element: Option<u32>,
}

fn oid_at(relation: &SystemRelation, row: &[Datum], column: &str) -> u32 {
    match row[relation.column(column)] {
        Datum::Oid(oid) => oid,
        _ => 0,
    }
}

pub(super) fn types() -> &'static HashMap<u32, TypeRow> {
    static TYPES: OnceLock<HashMap<u32, TypeRow>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let relation = static_relation("pg_type");
        let name = relation.column("typname");
        let rows = relation.static_rows().iter().filter_map(|row| {
            let Datum::Text(name) = &row[name] else { return None };
            let oid = oid_at(relation, row, "oid");
            let element = oid_at(relation, row, "typelem");
            let element = (element != 0 && name.starts_with('_')).then_some(element);
            let namespace = oid_at(relation, row, "typnamespace");
            Some((oid, TypeRow { oid, name: name.to_string(), namespace, element }))
        });
        rows.collect()
    })
}

/// As PostgreSQL's `format_type(oid, typmod)`: `modifier` is `None` for a NULL, `Some(-1)` for a type without one.
pub(super) fn format_type(oid: u32, modifier: Option<i32>) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let Some(row) = types().get(&oid) else { return "???".to_owned() };
    if let Some(element) = row.element.and_then(|element| types().get(&element)) {
        return format!("{}[]", format_scalar(element, modifier));
    }
    format_scalar(row, modifier)
}

fn format_scalar(row: &TypeRow, modifier: Option<i32>) -> String {
    const BPCHAR: u32 = 1042;
    let typmod = modifier.filter(|modifier| *modifier >= 0);
    // Lengths are kept with PostgreSQL's header of four bytes.
    let length = typmod.map(|modifier| format!("({})", modifier.saturating_sub(4))).unwrap_or_default();
    let precision = typmod.map(|modifier| format!("({modifier})")).unwrap_or_default();
    match row.oid {
        16 => "boolean".to_owned(),
        20 => "bigint".to_owned(),
        21 => "smallint".to_owned(),
        23 => "integer".to_owned(),
        700 => "real".to_owned(),
        701 => "double precision".to_owned(),
        BPCHAR if typmod.is_some() || modifier.is_none() => format!("character{length}"),
        1043 => format!("character varying{length}"),
        1083 => format!("time{precision} without time zone"),
        1114 => format!("timestamp{precision} without time zone"),
        1184 => format!("timestamp{precision} with time zone"),
        1186 => "interval".to_owned(),
        1266 => format!("time{precision} with time zone"),
        1560 if typmod.is_some() || modifier.is_none() => format!("bit{precision}"),
        1562 => format!("bit varying{precision}"),
        1700 => match typmod.map(|modifier| modifier.saturating_sub(4)) {
            Some(packed) => {
                // Eleven bits of scale, signed.
                let scale = ((packed & 0x7ff) ^ 1024) - 1024;
                format!("numeric({},{scale})", (packed >> 16) & 0xffff)
            }
            None => "numeric".to_owned(),
        },
        _ => {
            let name = quote_identifier(&row.name);
            if row.namespace == crate::catalog::INFORMATION_SCHEMA.0 {
                return format!("information_schema.{name}");
            }
            name
        }
    }
}
