//! Which types convert to which, by whose asking, and what type several types have in common.
//!
//! The rules are PostgreSQL's: `pg_cast`, `pg_type.typcategory` and `typispreferred`, `parse_coerce.c`.

use crate::CastContext;
use headwater_types::{DataType, Result, SqlError, SqlState};

/// `pg_type.typcategory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeCategory {
    /// A
    Array,
    /// B
    Boolean,
    /// D
    DateTime,
    /// N
    Numeric,
    /// P: pseudo-types.
    Pseudo,
    /// S
    String,
    /// T
    Timespan,
    /// U: types of their own.
    User,
    /// X: the unknown literal.
    Unknown,
    /// Z: internal types.
    Internal,
}

/// A type's category.
#[must_use]
pub fn category(data_type: &DataType) -> TypeCategory {
    use DataType as D;
    match data_type {
        D::Bool => TypeCategory::Boolean,
        D::Int2 | D::Int4 | D::Int8 | D::Float4 | D::Float8 | D::Numeric(_) | D::Oid | D::Reg(_) => {
            TypeCategory::Numeric
        }
        D::Text | D::Varchar(_) | D::Char(_) | D::Name => TypeCategory::String,
        D::Date | D::Time | D::Timestamp | D::Timestamptz => TypeCategory::DateTime,
        D::Interval => TypeCategory::Timespan,
        D::Bytea | D::Uuid | D::Json | D::Jsonb | D::Xid | D::AclItem => TypeCategory::User,
        D::InternalChar | D::PgNodeTree => TypeCategory::Internal,
        D::Int2Vector | D::OidVector | D::Array(_) => TypeCategory::Array,
        D::AnyArray | D::Void => TypeCategory::Pseudo,
        D::Unknown => TypeCategory::Unknown,
    }
}

/// Whether the type is its category's preferred one (`pg_type.typispreferred`).
#[must_use]
pub fn is_preferred(data_type: &DataType) -> bool {
    use DataType as D;
    matches!(data_type, D::Bool | D::Float8 | D::Oid | D::Text | D::Timestamptz | D::Interval)
}

/// Whether a value of `from` is one of `to` as it stands: `varchar` for `text`, `regclass` for `oid`.
#[must_use]
pub fn is_binary_coercible(from: &DataType, to: &DataType) -> bool {
    use DataType as D;
    from.same_base(to)
        || matches!(
            (from, to),
            (D::Varchar(_) | D::PgNodeTree, D::Text)
                | (D::Text, D::Varchar(_) | D::Char(_))
                | (D::Varchar(_), D::Char(_))
                | (D::Oid, D::Reg(_))
                | (D::Reg(_), D::Oid)
                | (D::Int4, D::Oid | D::Reg(_))
        )
}

/// The row of `pg_cast`: what kind of asking the cast needs.
fn catalog_cast(from: &DataType, to: &DataType) -> Option<CastContext> {
    use CastContext::{Assignment, Explicit, Implicit};
    use DataType as D;
    Some(match (from, to) {
        (D::Int2, D::Int4 | D::Int8 | D::Float4 | D::Float8 | D::Numeric(_) | D::Oid | D::Reg(_)) => Implicit,
        (D::Int4, D::Int2) => Assignment,
        (D::Int4, D::Int8 | D::Float4 | D::Float8 | D::Numeric(_) | D::Oid | D::Reg(_)) => Implicit,
        (D::Int4, D::Bool | D::InternalChar) => Explicit,
        (D::Int8, D::Int2 | D::Int4) => Assignment,
        (D::Int8, D::Float4 | D::Float8 | D::Numeric(_) | D::Oid | D::Reg(_)) => Implicit,
        (D::Float4, D::Float8) => Implicit,
        (D::Float4, D::Int2 | D::Int4 | D::Int8 | D::Numeric(_)) => Assignment,
        (D::Float8, D::Int2 | D::Int4 | D::Int8 | D::Float4 | D::Numeric(_)) => Assignment,
        (D::Numeric(_), D::Float4 | D::Float8) => Implicit,
        (D::Numeric(_), D::Int2 | D::Int4 | D::Int8) => Assignment,
        (D::Bool, D::Int4) => Explicit,
        (D::Bool, D::Text | D::Varchar(_) | D::Char(_)) => Assignment,
        (D::Oid | D::Reg(_), D::Int4 | D::Int8) => Assignment,
        (D::Oid, D::Reg(_)) | (D::Reg(_), D::Oid) => Implicit,
        (D::Reg(a), D::Reg(b)) => {
            use headwater_types::RegKind::{Proc, Procedure};
            match (a, b) {
                (Proc, Procedure) | (Procedure, Proc) => Implicit,
                _ => return None,
            }
        }
        (D::Text | D::Varchar(_), D::Reg(headwater_types::RegKind::Class)) => Implicit,
        (D::Text, D::Varchar(_) | D::Char(_) | D::Name) => Implicit,
        (D::Varchar(_), D::Text | D::Char(_) | D::Name) => Implicit,
        (D::Char(_), D::Text | D::Varchar(_) | D::Name) => Implicit,
        (D::Name, D::Text) => Implicit,
        (D::Name, D::Varchar(_) | D::Char(_)) => Assignment,
        (D::InternalChar, D::Text) => Implicit,
        (D::InternalChar, D::Varchar(_) | D::Char(_)) => Assignment,
        (D::InternalChar, D::Int4) => Explicit,
        (D::Text | D::Varchar(_) | D::Char(_), D::InternalChar) => Assignment,
        (D::PgNodeTree, D::Text) => Implicit,
        (D::Date, D::Timestamp | D::Timestamptz) => Implicit,
        (D::Time, D::Interval) => Implicit,
        (D::Interval, D::Time) => Assignment,
        (D::Timestamp, D::Timestamptz) => Implicit,
        (D::Timestamp, D::Date | D::Time) => Assignment,
        (D::Timestamptz, D::Timestamp | D::Date | D::Time) => Assignment,
        (D::Json, D::Jsonb) | (D::Jsonb, D::Json) => Assignment,
        _ => return None,
    })
}

/// Whether `from` converts to `to` when asked for in this way.
#[must_use]
pub fn can_cast(from: &DataType, to: &DataType, context: CastContext) -> bool {
    use DataType as D;
    if from.same_base(to) {
        return true;
    }
    match (from, to) {
        (_, D::Void | D::Unknown) => false,
        (D::Void, _) => false,
        (D::Unknown, _) => true,
        (D::Array(_) | D::Int2Vector | D::OidVector | D::AnyArray, D::AnyArray) => true,
        (D::Array(_) | D::Int2Vector | D::OidVector, D::Array(inner)) => {
            from.element().is_some_and(|element| can_cast(&element, inner, context))
        }
        _ => {
            let needed = catalog_cast(from, to).or_else(|| {
                if category(to) == TypeCategory::String {
                    Some(CastContext::Assignment)
                } else if category(from) == TypeCategory::String {
                    Some(CastContext::Explicit)
                } else {
                    None
                }
            });
            needed.is_some_and(|needed| context >= needed)
        }
    }
}

/// Whether the cast can raise an error for some value.
#[must_use]
pub fn is_cast_fallible(from: &DataType, to: &DataType, context: CastContext) -> bool {
    use DataType as D;
    let infallible_length = |limited: bool| !limited || context == CastContext::Explicit;
    match (from, to) {
        (D::Array(a), D::Array(b)) => is_cast_fallible(a, b, context),
        (_, D::Text) => false,
        (_, D::Varchar(length) | D::Char(length)) => !infallible_length(length.is_some()),
        (D::Text | D::Varchar(_) | D::Char(_) | D::Name | D::InternalChar, D::Name | D::InternalChar) => false,
        (D::Numeric(a), D::Numeric(b)) => b.is_some() && a != b,
        (D::Int2 | D::Int4 | D::Int8, D::Numeric(None)) => false,
        (D::Int2, D::Int4 | D::Int8 | D::Float4 | D::Float8)
        | (D::Int4, D::Int8 | D::Float4 | D::Float8 | D::Bool | D::Oid | D::Reg(_))
        | (D::Int8, D::Float4 | D::Float8)
        | (D::Float4, D::Float8)
        | (D::Bool, D::Int4)
        | (D::Oid | D::Reg(_), D::Oid | D::Reg(_) | D::Int4 | D::Int8)
        | (D::Numeric(_), D::Float8)
        | (D::Time, D::Interval)
        | (D::Interval, D::Time)
        | (D::Int2Vector, D::Array(_))
        | (D::OidVector, D::Array(_))
        | (_, D::AnyArray) => false,
        _ => !from.same_base(to),
    }
}

/// The type that values of all these types are brought to: COALESCE, GREATEST, array constructors (named so in errors).
///
/// # Errors
///
/// 42804 `… types integer and text cannot be matched`.
pub fn common_type(types: &[DataType]) -> Result<DataType> {
    common_type_in("COALESCE", types)
}

/// [`common_type`], with the construct that errors name: `CASE`, `UNION`, `ARRAY`, `VALUES`, `COALESCE`, ….
///
/// # Errors
///
/// 42804 `CASE types integer and text cannot be matched`.
pub fn common_type_in(construct: &str, types: &[DataType]) -> Result<DataType> {
    let Some(first) = types.first() else { return Ok(DataType::Text) };
    if *first != DataType::Unknown && types.iter().all(|t| t == first) {
        return Ok(first.clone());
    }
    let mut chosen = first.without_modifier();
    for next in &types[1..] {
        let next = next.without_modifier();
        if next == DataType::Unknown || next == chosen {
            continue;
        }
        if chosen == DataType::Unknown {
            chosen = next;
        } else if category(&chosen) != category(&next) {
            return Err(SqlError::new(
                SqlState::DatatypeMismatch,
                format!("{construct} types {} and {} cannot be matched", chosen.sql_name(), next.sql_name()),
            ));
        } else if !is_preferred(&chosen)
            && can_cast(&chosen, &next, CastContext::Implicit)
            && !can_cast(&next, &chosen, CastContext::Implicit)
        {
            chosen = next;
        }
    }
    if chosen == DataType::Unknown {
        return Ok(DataType::Text);
    }
    // Known types that agree on their modifier keep it.
    let mut known = types.iter().filter(|t| **t != DataType::Unknown);
    let modified = known.next().expect("a type was chosen, so one is known");
    if types.len() > 1 && types.contains(&DataType::Unknown) {
        return Ok(chosen);
    }
    Ok(if known.all(|t| t == modified) { modified.clone() } else { chosen })
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType as D;

    #[test]
    fn common_types_follow_the_preferred_and_the_implicit() {
        let common = |types: &[D]| common_type(types).expect("they have a common type");
        assert_eq!(common(&[D::Int4, D::Int8]), D::Int8);
        assert_eq!(common(&[D::Int8, D::Numeric(None), D::Int4]), D::Numeric(None));
        assert_eq!(common(&[D::Unknown, D::Int4]), D::Int4);
        assert_eq!(common(&[D::Unknown, D::Unknown]), D::Text);
        assert_eq!(common(&[D::Varchar(Some(3)), D::Varchar(Some(3))]), D::Varchar(Some(3)));
        assert_eq!(common(&[D::Varchar(Some(3)), D::Varchar(Some(4))]), D::Varchar(None));
        assert_eq!(common(&[D::Varchar(None), D::Text]), D::Varchar(None));
        assert_eq!(common(&[D::Date, D::Timestamptz]), D::Timestamptz);
        let error = common_type_in("CASE", &[D::Int4, D::Text]).expect_err("they have nothing in common");
        assert_eq!(error.message, "CASE types integer and text cannot be matched");
        assert_eq!(error.state, SqlState::DatatypeMismatch);
    }

    #[test]
    fn casts_need_the_right_asking() {
        use CastContext::{Assignment, Explicit, Implicit};
        assert!(can_cast(&D::Int4, &D::Int8, Implicit));
        assert!(!can_cast(&D::Int8, &D::Int4, Implicit));
        assert!(can_cast(&D::Int8, &D::Int4, Assignment));
        assert!(!can_cast(&D::Int4, &D::Bool, Assignment));
        assert!(can_cast(&D::Int4, &D::Bool, Explicit));
        assert!(!can_cast(&D::Int8, &D::Bool, Explicit));
        assert!(!can_cast(&D::Text, &D::Int4, Assignment));
        assert!(can_cast(&D::Text, &D::Int4, Explicit));
        assert!(can_cast(&D::Int4, &D::Text, Assignment));
        assert!(!can_cast(&D::Timestamptz, &D::Int4, Explicit));
        assert!(can_cast(&D::Int2Vector, &D::Array(Box::new(D::Int2)), Implicit));
    }
}
