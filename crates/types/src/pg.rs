//! What PostgreSQL calls its types: OIDs, type modifiers, SQL names and catalog names.
//!
//! OIDs are those of PostgreSQL's `pg_type.dat`.

use crate::{DataType, RegKind};

/// Added to a length to make a type modifier (`VARHDRSZ`).
const TYPMOD_OFFSET: i32 = 4;

/// Every type without a modifier, arrays apart.
const SCALARS: &[DataType] = &[
    DataType::Bool,
    DataType::Int2,
    DataType::Int4,
    DataType::Int8,
    DataType::Float4,
    DataType::Float8,
    DataType::Numeric(None),
    DataType::Text,
    DataType::Varchar(None),
    DataType::Char(None),
    DataType::Name,
    DataType::InternalChar,
    DataType::Bytea,
    DataType::Date,
    DataType::Time,
    DataType::Timestamp,
    DataType::Timestamptz,
    DataType::Interval,
    DataType::Uuid,
    DataType::Json,
    DataType::Jsonb,
    DataType::Oid,
    DataType::Xid,
    DataType::Reg(RegKind::Class),
    DataType::Reg(RegKind::Type),
    DataType::Reg(RegKind::Proc),
    DataType::Reg(RegKind::Procedure),
    DataType::Reg(RegKind::Namespace),
    DataType::Reg(RegKind::Role),
    DataType::Reg(RegKind::Oper),
    DataType::Reg(RegKind::Collation),
    DataType::Int2Vector,
    DataType::OidVector,
    DataType::PgNodeTree,
    DataType::AclItem,
    DataType::AnyArray,
    DataType::Void,
    DataType::Unknown,
];

/// `InvalidOid`: for types that have no array type.
const NO_OID: u32 = 0;

impl DataType {
    /// Every built-in type that is not an array, without modifiers.
    #[must_use]
    pub fn scalars() -> &'static [Self] {
        SCALARS
    }

    /// (OID, array type's OID, catalog name) of a type that is not an array.
    fn entry(&self) -> (u32, u32, &'static str) {
        match self {
            Self::Bool => (16, 1000, "bool"),
            Self::Bytea => (17, 1001, "bytea"),
            Self::InternalChar => (18, 1002, "char"),
            Self::Name => (19, 1003, "name"),
            Self::Int8 => (20, 1016, "int8"),
            Self::Int2 => (21, 1005, "int2"),
            Self::Int2Vector => (22, 1006, "int2vector"),
            Self::Int4 => (23, 1007, "int4"),
            Self::Reg(RegKind::Proc) => (24, 1008, "regproc"),
            Self::Text => (25, 1009, "text"),
            Self::Oid => (26, 1028, "oid"),
            Self::Xid => (28, 1011, "xid"),
            Self::OidVector => (30, 1013, "oidvector"),
            Self::Json => (114, 199, "json"),
            Self::PgNodeTree => (194, NO_OID, "pg_node_tree"),
            Self::Float4 => (700, 1021, "float4"),
            Self::Float8 => (701, 1022, "float8"),
            Self::Unknown => (705, NO_OID, "unknown"),
            Self::AclItem => (1033, 1034, "aclitem"),
            Self::Char(_) => (1042, 1014, "bpchar"),
            Self::Varchar(_) => (1043, 1015, "varchar"),
            Self::Date => (1082, 1182, "date"),
            Self::Time => (1083, 1183, "time"),
            Self::Timestamp => (1114, 1115, "timestamp"),
            Self::Timestamptz => (1184, 1185, "timestamptz"),
            Self::Interval => (1186, 1187, "interval"),
            Self::Numeric(_) => (1700, 1231, "numeric"),
            Self::Reg(RegKind::Procedure) => (2202, 2207, "regprocedure"),
            Self::Reg(RegKind::Oper) => (2203, 2208, "regoper"),
            Self::Reg(RegKind::Class) => (2205, 2210, "regclass"),
            Self::Reg(RegKind::Type) => (2206, 2211, "regtype"),
            Self::AnyArray => (2277, NO_OID, "anyarray"),
            Self::Void => (2278, NO_OID, "void"),
            Self::Uuid => (2950, 2951, "uuid"),
            Self::Jsonb => (3802, 3807, "jsonb"),
            Self::Reg(RegKind::Namespace) => (4089, 4090, "regnamespace"),
            Self::Reg(RegKind::Role) => (4096, 4097, "regrole"),
            Self::Reg(RegKind::Collation) => (4191, 4192, "regcollation"),
            Self::Array(element) => element.entry(),
        }
    }

    /// The type's OID.
    #[must_use]
    pub fn oid(&self) -> u32 {
        match self {
            Self::Array(element) => element.array_oid(),
            scalar => scalar.entry().0,
        }
    }

    /// The OID of the array type over this one; 0 if there is none. An array's is its own: PostgreSQL has one array
    /// type for all dimensions.
    #[must_use]
    pub fn array_oid(&self) -> u32 {
        self.entry().1
    }

    /// `atttypmod`: −1 without a modifier.
    #[must_use]
    pub fn typmod(&self) -> i32 {
        match self {
            Self::Varchar(Some(length)) | Self::Char(Some(length)) => {
                i32::try_from(*length).map_or(-1, |length| length.saturating_add(TYPMOD_OFFSET))
            }
            Self::Numeric(Some((precision, scale))) => {
                ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + TYPMOD_OFFSET
            }
            Self::Array(element) => element.typmod(),
            _ => -1,
        }
    }

    /// The type with this OID and modifier (−1 for none).
    #[must_use]
    pub fn from_oid(oid: u32, typmod: i32) -> Option<Self> {
        let base = SCALARS.iter().find_map(|scalar| {
            let (own, array, _) = scalar.entry();
            if own == oid {
                Some(scalar.clone())
            } else if array == oid && array != NO_OID {
                Some(Self::Array(Box::new(scalar.clone())))
            } else {
                None
            }
        })?;
        Some(base.with_typmod(typmod))
    }

    /// This type with the modifier that `typmod` stands for.
    #[must_use]
    pub fn with_typmod(self, typmod: i32) -> Self {
        let modifier = typmod.checked_sub(TYPMOD_OFFSET).filter(|modifier| *modifier >= 0);
        let length = modifier.and_then(|modifier| u32::try_from(modifier).ok());
        match self {
            Self::Varchar(_) => Self::Varchar(length),
            Self::Char(_) => Self::Char(length),
            Self::Numeric(_) => Self::Numeric(modifier.and_then(|modifier| {
                let precision = u16::try_from(modifier >> 16).ok()?;
                // Eleven bits, signed.
                let scale = ((modifier & 0x7ff) ^ 1024) - 1024;
                Some((precision, i16::try_from(scale).ok()?))
            })),
            Self::Array(element) => Self::Array(Box::new(element.with_typmod(typmod))),
            other => other,
        }
    }

    /// The name `format_type` gives: `character varying(40)`, `timestamp with time zone`, `integer[]`.
    #[must_use]
    pub fn sql_name(&self) -> String {
        match self {
            Self::Bool => "boolean".to_owned(),
            Self::Int2 => "smallint".to_owned(),
            Self::Int4 => "integer".to_owned(),
            Self::Int8 => "bigint".to_owned(),
            Self::Float4 => "real".to_owned(),
            Self::Float8 => "double precision".to_owned(),
            Self::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
            Self::Varchar(None) => "character varying".to_owned(),
            Self::Varchar(Some(length)) => format!("character varying({length})"),
            Self::Char(None) => "character".to_owned(),
            Self::Char(Some(length)) => format!("character({length})"),
            Self::InternalChar => "\"char\"".to_owned(),
            Self::Time => "time without time zone".to_owned(),
            Self::Timestamp => "timestamp without time zone".to_owned(),
            Self::Timestamptz => "timestamp with time zone".to_owned(),
            Self::Array(element) => format!("{}[]", element.sql_name()),
            other => other.entry().2.to_owned(),
        }
    }

    /// `pg_type.typname`: `int4`, `bpchar`, `_int4`.
    #[must_use]
    pub fn internal_name(&self) -> String {
        match self {
            Self::Array(element) => format!("_{}", element.entry().2),
            scalar => scalar.entry().2.to_owned(),
        }
    }

    /// A built-in type by a name that SQL or the catalogs give it, with its modifier where there is one:
    /// `int`, `varchar(40)`, `timestamp with time zone`, `_int4`, `numeric(10,2)[]`, `pg_catalog.text`, `"char"`.
    /// Case counts only inside double quotes. `None` if there is no such type.
    #[must_use]
    pub fn from_sql_name(name: &str) -> Option<Self> {
        let name = name.trim();
        if let Some(element) = name.strip_suffix(']') {
            let (element, bound) = element.rsplit_once('[')?;
            if !bound.chars().all(|c| c.is_ascii_digit() || c == ' ') {
                return None;
            }
            return Some(match Self::from_sql_name(element)? {
                // One array type for all dimensions.
                array @ Self::Array(_) => array,
                scalar => Self::Array(Box::new(scalar)),
            });
        }
        let lower = name.to_ascii_lowercase();
        let lower = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
        if lower == "\"char\"" {
            return Some(Self::InternalChar);
        }
        let unquoted = lower.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        if let Some(quoted) = unquoted {
            let exact = name.trim_end_matches('"').rsplit('"').next()?;
            return if exact == quoted { Self::from_internal_name(quoted) } else { None };
        }
        let (base, modifiers, rest) = match lower.split_once('(') {
            None => (lower, None, ""),
            Some((base, rest)) => {
                let (modifiers, rest) = rest.split_once(')')?;
                let modifiers: Option<Vec<i32>> = modifiers.split(',').map(|m| m.trim().parse().ok()).collect();
                (base, Some(modifiers?), rest)
            }
        };
        let words: Vec<&str> = base.split_whitespace().chain(rest.split_whitespace()).collect();
        Self::from_words(&words.join(" "), modifiers.as_deref())
    }

    /// A built-in type by `pg_type.typname`.
    #[must_use]
    pub fn from_internal_name(name: &str) -> Option<Self> {
        let find = |name: &str| SCALARS.iter().find(|scalar| scalar.entry().2 == name).cloned();
        find(name).or_else(|| {
            let element = find(name.strip_prefix('_')?)?;
            (element.array_oid() != NO_OID).then(|| Self::Array(Box::new(element)))
        })
    }

    fn from_words(words: &str, modifiers: Option<&[i32]>) -> Option<Self> {
        let base = match words {
            "boolean" => Self::Bool,
            "smallint" => Self::Int2,
            "int" | "integer" => Self::Int4,
            "bigint" => Self::Int8,
            "real" => Self::Float4,
            "double precision" => Self::Float8,
            "float" => match modifiers {
                Some([1..=24]) => return Some(Self::Float4),
                None | Some([25..=53]) => return Some(Self::Float8),
                Some(_) => return None,
            },
            "decimal" | "dec" => Self::Numeric(None),
            "character varying" | "char varying" | "national character varying" | "nchar varying" => {
                Self::Varchar(None)
            }
            "character" | "char" | "nchar" | "national character" => {
                Self::Char(if modifiers.is_none() { Some(1) } else { None })
            }
            "string" => Self::Varchar(None),
            "time without time zone" => Self::Time,
            "timestamp without time zone" => Self::Timestamp,
            "timestamp with time zone" => Self::Timestamptz,
            other => Self::from_internal_name(other)?,
        };
        let Some(modifiers) = modifiers else { return Some(base) };
        match (base, modifiers) {
            (Self::Numeric(_), [precision]) => Some(Self::Numeric(Some((u16::try_from(*precision).ok()?, 0)))),
            (Self::Numeric(_), [precision, scale]) => {
                Some(Self::Numeric(Some((u16::try_from(*precision).ok()?, i16::try_from(*scale).ok()?))))
            }
            (Self::Varchar(_), [length @ 1..=i32::MAX]) => Some(Self::Varchar(u32::try_from(*length).ok())),
            (Self::Char(_), [length @ 1..=i32::MAX]) => Some(Self::Char(u32::try_from(*length).ok())),
            // Microseconds are what we keep.
            (base @ (Self::Time | Self::Timestamp | Self::Timestamptz | Self::Interval), [6]) => Some(base),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_and_names_lead_back_to_the_type() {
        for scalar in SCALARS {
            assert_eq!(DataType::from_oid(scalar.oid(), -1).as_ref(), Some(scalar));
            assert_eq!(DataType::from_internal_name(&scalar.internal_name()).as_ref(), Some(scalar));
            let expected = if *scalar == DataType::Char(None) { DataType::Char(Some(1)) } else { scalar.clone() };
            assert_eq!(DataType::from_sql_name(&scalar.sql_name()), Some(expected), "{}", scalar.sql_name());
            if scalar.array_oid() != NO_OID {
                let array = DataType::Array(Box::new(scalar.clone()));
                assert_eq!(DataType::from_oid(array.oid(), -1).as_ref(), Some(&array));
                assert_eq!(DataType::from_internal_name(&array.internal_name()).as_ref(), Some(&array));
            }
        }
        assert_eq!(DataType::from_oid(4_294_967_295, -1), None);
    }

    #[test]
    fn modifiers_are_those_of_postgresql() {
        let cases = [
            (DataType::Varchar(Some(40)), 44, "character varying(40)"),
            (DataType::Char(Some(5)), 9, "character(5)"),
            (DataType::Numeric(Some((10, 2))), 655_366, "numeric(10,2)"),
            (DataType::Numeric(Some((3, -2))), 198_658, "numeric(3,-2)"),
            (DataType::Array(Box::new(DataType::Varchar(Some(3)))), 7, "character varying(3)[]"),
            (DataType::Timestamptz, -1, "timestamp with time zone"),
        ];
        for (data_type, typmod, name) in cases {
            assert_eq!(data_type.typmod(), typmod, "{name}");
            assert_eq!(DataType::from_oid(data_type.oid(), typmod).as_ref(), Some(&data_type), "{name}");
            assert_eq!(data_type.sql_name(), name);
            assert_eq!(DataType::from_sql_name(name).as_ref(), Some(&data_type));
        }
    }

    #[test]
    fn names_are_read_as_sql_writes_them() {
        let cases = [
            ("INT", Some(DataType::Int4)),
            (" double  precision ", Some(DataType::Float8)),
            ("float(24)", Some(DataType::Float4)),
            ("decimal(8)", Some(DataType::Numeric(Some((8, 0))))),
            ("timestamp(6) with time zone", Some(DataType::Timestamptz)),
            ("pg_catalog.int4[][]", Some(DataType::Array(Box::new(DataType::Int4)))),
            ("\"char\"", Some(DataType::InternalChar)),
            ("char", Some(DataType::Char(Some(1)))),
            ("\"int4\"", Some(DataType::Int4)),
            ("\"INT4\"", None),
            ("varchar(0)", None),
            ("nothing", None),
            ("int4]", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(DataType::from_sql_name(name), expected, "{name}");
        }
    }
}
