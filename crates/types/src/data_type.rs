//! SQL data types: what a column means, its PostgreSQL OID, its name and its Arrow representation.
//!
//! Arrow's type alone is never asked for SQL meaning: `varchar`, `text` and `name` are all `Utf8`.

use serde::{Deserialize, Serialize};

/// Which catalog a `reg*` type names objects of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegKind {
    /// `regclass`: relations.
    Class,
    /// `regtype`: types.
    Type,
    /// `regproc`: functions by name.
    Proc,
    /// `regprocedure`: functions by name and arguments.
    Procedure,
    /// `regnamespace`: schemas.
    Namespace,
    /// `regrole`: roles.
    Role,
    /// `regoper`: operators.
    Oper,
    /// `regcollation`: collations.
    Collation,
}

/// A SQL data type, with its modifier where it has one.
///
/// | SQL | Arrow |
/// |---|---|
/// | boolean, int2/4/8, float4/8 | Boolean, Int16/32/64, Float32/64 |
/// | numeric | FixedSizeBinary(16), see [`crate::Numeric`] |
/// | text, varchar, char, name, "char", json, pg_node_tree, aclitem, unknown | Utf8 |
/// | bytea, jsonb | Binary |
/// | date | Date32, days since 1970-01-01; `i32::MAX`/`MIN` are ±infinity |
/// | time | Time64(Microsecond) |
/// | timestamp, timestamptz | Timestamp(Microsecond, None / "UTC"); `i64::MAX`/`MIN` are ±infinity |
/// | interval | Interval(MonthDayNano), nanoseconds = microseconds × 1000 |
/// | uuid | FixedSizeBinary(16) |
/// | oid, reg*, xid | UInt32 |
/// | T[], int2vector, oidvector | List of the element, field name "item", nullable |
/// | void | Null |
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DataType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`, with `(precision, scale)` where declared.
    Numeric(Option<(u16, i16)>),
    /// `text`
    Text,
    /// `character varying`, with its length in characters where declared.
    Varchar(Option<u32>),
    /// `character`: blank-padded; its length in characters. `None` is `bpchar` without a length.
    Char(Option<u32>),
    /// `name`: an identifier of the catalogs.
    Name,
    /// `"char"`: one byte.
    InternalChar,
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `time without time zone`
    Time,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    Timestamptz,
    /// `interval`
    Interval,
    /// `uuid`
    Uuid,
    /// `json`
    Json,
    /// `jsonb`
    Jsonb,
    /// `oid`
    Oid,
    /// `xid`
    Xid,
    /// `regclass` and its kin.
    Reg(RegKind),
    /// `int2vector`: subscripted from 0.
    Int2Vector,
    /// `oidvector`: subscripted from 0.
    OidVector,
    /// `pg_node_tree`
    PgNodeTree,
    /// `aclitem`
    AclItem,
    /// `anyarray`, as a column of the catalogs (`pg_attribute.attmissingval`).
    AnyArray,
    /// A one-dimensional array.
    Array(Box<DataType>),
    /// `void`: what a function called for its effect returns.
    Void,
    /// A literal whose type its context decides.
    Unknown,
}

/// A named, typed column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// The column's type.
    pub data_type: DataType,
}

impl Field {
    /// A column of this name and type.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type }
    }
}

/// The columns of a relation or a result, in order.
pub type Schema = Vec<Field>;

impl DataType {
    /// The Arrow type of a column of this type.
    #[must_use]
    pub fn arrow_type(&self) -> arrow_schema::DataType {
        use arrow_schema::{DataType as A, IntervalUnit, TimeUnit};
        match self {
            Self::Bool => A::Boolean,
            Self::Int2 => A::Int16,
            Self::Int4 => A::Int32,
            Self::Int8 => A::Int64,
            Self::Float4 => A::Float32,
            Self::Float8 => A::Float64,
            Self::Numeric(_) | Self::Uuid => A::FixedSizeBinary(16),
            Self::Text
            | Self::Varchar(_)
            | Self::Char(_)
            | Self::Name
            | Self::InternalChar
            | Self::Json
            | Self::PgNodeTree
            | Self::AclItem
            | Self::AnyArray
            | Self::Unknown => A::Utf8,
            Self::Bytea | Self::Jsonb => A::Binary,
            Self::Date => A::Date32,
            Self::Time => A::Time64(TimeUnit::Microsecond),
            Self::Timestamp => A::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => A::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => A::Interval(IntervalUnit::MonthDayNano),
            Self::Oid | Self::Xid | Self::Reg(_) => A::UInt32,
            Self::Int2Vector => list_of(&Self::Int2),
            Self::OidVector => list_of(&Self::Oid),
            Self::Array(element) => list_of(element),
            Self::Void => A::Null,
        }
    }

    /// The element type of an array or vector type.
    #[must_use]
    pub fn element(&self) -> Option<Self> {
        match self {
            Self::Array(element) => Some((**element).clone()),
            Self::Int2Vector => Some(Self::Int2),
            Self::OidVector => Some(Self::Oid),
            _ => None,
        }
    }

    /// This type without its modifier: `numeric(10,2)` → `numeric`, `varchar(3)` → `varchar`.
    #[must_use]
    pub fn without_modifier(&self) -> Self {
        match self {
            Self::Numeric(_) => Self::Numeric(None),
            Self::Varchar(_) => Self::Varchar(None),
            Self::Char(_) => Self::Char(None),
            Self::Array(element) => Self::Array(Box::new(element.without_modifier())),
            other => other.clone(),
        }
    }

    /// The same type, modifiers apart.
    #[must_use]
    pub fn same_base(&self, other: &Self) -> bool {
        self.without_modifier() == other.without_modifier()
    }
}

fn list_of(element: &DataType) -> arrow_schema::DataType {
    arrow_schema::DataType::List(std::sync::Arc::new(arrow_schema::Field::new("item", element.arrow_type(), true)))
}
