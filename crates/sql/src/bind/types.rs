//! Type names to data types.

use super::{Binder, error, unsupported};
use crate::ast::TypeName;
use headwater_types::{DataType, Result, SqlState};

/// PostgreSQL's longest varchar and char.
const LENGTH_MAX: i64 = 10_485_760;
/// PostgreSQL's most digits.
const PRECISION_MAX: i64 = 1000;

impl Binder<'_> {
    /// The type that a name means.
    ///
    /// # Errors
    ///
    /// 42704 `type "x" does not exist`; 22023 for a bad modifier; 0A000 for PostgreSQL's other types.
    pub(crate) fn data_type(&self, name: &TypeName) -> Result<DataType> {
        let last = name.name.last().name.as_str();
        let schema = name.name.parts.len().checked_sub(2).map(|index| name.name.parts[index].name.as_str());
        let known = match schema {
            None | Some("pg_catalog") => DataType::from_internal_name(last).or_else(|| match last {
                "string" if schema.is_none() => Some(DataType::Varchar(None)),
                _ => None,
            }),
            Some("information_schema") => match last {
                "cardinal_number" => Some(DataType::Int4),
                "character_data" | "sql_identifier" => Some(DataType::Name),
                "yes_or_no" => Some(DataType::Varchar(Some(3))),
                "time_stamp" => Some(DataType::Timestamptz),
                _ => None,
            },
            Some(_) => None,
        };
        let Some(base) = known else {
            let unsupported_types = [
                "timetz",
                "bit",
                "varbit",
                "money",
                "xml",
                "point",
                "line",
                "lseg",
                "box",
                "path",
                "polygon",
                "circle",
                "inet",
                "cidr",
                "macaddr",
                "tsvector",
                "tsquery",
                "serial",
                "serial4",
                "bigserial",
                "serial8",
                "smallserial",
                "serial2",
                "record",
                "jsonpath",
                "int4range",
                "int8range",
                "numrange",
                "tsrange",
                "tstzrange",
                "daterange",
            ];
            if matches!(schema, None | Some("pg_catalog")) && unsupported_types.contains(&last) {
                return Err(unsupported(&format!("type {last}"), name.pos));
            }
            return Err(error(
                SqlState::UndefinedObject,
                format!("type \"{}\" does not exist", name.name.display()),
                name.pos,
            ));
        };
        let modified = modify(base, name)?;
        Ok(match modified {
            DataType::Array(_) => modified,
            scalar if name.is_array => DataType::Array(Box::new(scalar)),
            scalar => scalar,
        })
    }
}

fn modify(base: DataType, name: &TypeName) -> Result<DataType> {
    let invalid = |message: String| error(SqlState::InvalidParameterValue, message, name.pos);
    let length = |sql: &str, value: i64| {
        if value < 1 {
            return Err(invalid(format!("length for type {sql} must be at least 1")));
        }
        if value > LENGTH_MAX {
            return Err(invalid(format!("length for type {sql} cannot exceed {LENGTH_MAX}")));
        }
        Ok(u32::try_from(value).expect("within the limits"))
    };
    match (base, name.modifiers.as_slice()) {
        (base, []) => Ok(base),
        (DataType::Varchar(_), [value]) => Ok(DataType::Varchar(Some(length("varchar", *value)?))),
        (DataType::Char(_), [value]) => Ok(DataType::Char(Some(length("char", *value)?))),
        (DataType::Numeric(_), [precision, rest @ ..]) if rest.len() < 2 => {
            if !(1..=PRECISION_MAX).contains(precision) {
                return Err(invalid(format!("NUMERIC precision {precision} must be between 1 and {PRECISION_MAX}")));
            }
            let scale = rest.first().copied().unwrap_or(0);
            if !(-PRECISION_MAX..=PRECISION_MAX).contains(&scale) {
                return Err(invalid(format!(
                    "NUMERIC scale {scale} must be between -{PRECISION_MAX} and {PRECISION_MAX}"
                )));
            }
            let precision = u16::try_from(*precision).expect("within the limits");
            Ok(DataType::Numeric(Some((precision, i16::try_from(scale).expect("within the limits")))))
        }
        // Precisions of times are accepted; values keep microseconds.
        (base @ (DataType::Time | DataType::Timestamp | DataType::Timestamptz | DataType::Interval), [_]) => Ok(base),
        (base, _) => Err(error(
            SqlState::SyntaxError,
            format!("type modifier is not allowed for type \"{}\"", base.internal_name()),
            name.pos,
        )),
    }
}
