//! What a parameter or a result of a registry entry may be: a type, or one of PostgreSQL's polymorphic pseudo-types.

use headwater_types::{DataType, RegKind};

/// A parameter's or a result's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypePattern {
    /// This type.
    Exact(DataType),
    /// `anyelement`: any type, the same in every place.
    AnyElement,
    /// `anyarray`: an array of the `anyelement`.
    AnyArray,
    /// `anynonarray`: `anyelement`, but no array.
    AnyNonArray,
    /// `anycompatible`: any type; the places agree on a common one.
    AnyCompatible,
    /// `anycompatiblearray`: an array of the `anycompatible`.
    AnyCompatibleArray,
    /// `"any"`: any type, each place its own.
    Any,
}

impl TypePattern {
    /// The pattern of this PostgreSQL internal type name (`int4`, `_text`, `anyarray`).
    ///
    /// # Panics
    ///
    /// On a name that is none: registry entries are constants.
    pub(crate) fn parse(name: &str) -> Self {
        match name {
            "anyelement" => Self::AnyElement,
            "anyarray" => Self::AnyArray,
            "anynonarray" => Self::AnyNonArray,
            "anycompatible" => Self::AnyCompatible,
            "anycompatiblearray" => Self::AnyCompatibleArray,
            "any" => Self::Any,
            _ => Self::Exact(type_by_name(name)),
        }
    }

    /// The name [`TypePattern::parse`] takes.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Exact(data_type) => data_type.internal_name(),
            Self::AnyElement => "anyelement".to_owned(),
            Self::AnyArray => "anyarray".to_owned(),
            Self::AnyNonArray => "anynonarray".to_owned(),
            Self::AnyCompatible => "anycompatible".to_owned(),
            Self::AnyCompatibleArray => "anycompatiblearray".to_owned(),
            Self::Any => "any".to_owned(),
        }
    }

    /// The type's OID in `pg_type`, pseudo-types included.
    #[must_use]
    pub fn oid(&self) -> u32 {
        match self {
            Self::Exact(data_type) => data_type.oid(),
            Self::AnyElement => 2283,
            Self::AnyArray => 2277,
            Self::AnyNonArray => 2776,
            Self::AnyCompatible => 5077,
            Self::AnyCompatibleArray => 5078,
            Self::Any => 2276,
        }
    }

    /// The type, if this is one.
    #[must_use]
    pub fn exact(&self) -> Option<&DataType> {
        match self {
            Self::Exact(data_type) => Some(data_type),
            _ => None,
        }
    }
}

fn type_by_name(name: &str) -> DataType {
    if let Some(element) = name.strip_prefix('_') {
        return DataType::Array(Box::new(type_by_name(element)));
    }
    match name {
        "bool" => DataType::Bool,
        "int2" => DataType::Int2,
        "int4" => DataType::Int4,
        "int8" => DataType::Int8,
        "float4" => DataType::Float4,
        "float8" => DataType::Float8,
        "numeric" => DataType::Numeric(None),
        "text" => DataType::Text,
        "varchar" => DataType::Varchar(None),
        "bpchar" => DataType::Char(None),
        "name" => DataType::Name,
        "char" => DataType::InternalChar,
        "bytea" => DataType::Bytea,
        "date" => DataType::Date,
        "time" => DataType::Time,
        "timestamp" => DataType::Timestamp,
        "timestamptz" => DataType::Timestamptz,
        "interval" => DataType::Interval,
        "uuid" => DataType::Uuid,
        "json" => DataType::Json,
        "jsonb" => DataType::Jsonb,
        "oid" => DataType::Oid,
        "xid" => DataType::Xid,
        "regclass" => DataType::Reg(RegKind::Class),
        "regtype" => DataType::Reg(RegKind::Type),
        "regproc" => DataType::Reg(RegKind::Proc),
        "regprocedure" => DataType::Reg(RegKind::Procedure),
        "regnamespace" => DataType::Reg(RegKind::Namespace),
        "regrole" => DataType::Reg(RegKind::Role),
        "regoper" => DataType::Reg(RegKind::Oper),
        "regcollation" => DataType::Reg(RegKind::Collation),
        "int2vector" => DataType::Int2Vector,
        "oidvector" => DataType::OidVector,
        "pg_node_tree" => DataType::PgNodeTree,
        "aclitem" => DataType::AclItem,
        "void" => DataType::Void,
        "unknown" => DataType::Unknown,
        other => unreachable!("registry entries name known types only, not {other}"),
    }
}
