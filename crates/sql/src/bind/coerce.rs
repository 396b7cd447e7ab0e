//! Conversions: literals and parameters adopt the type they are wanted as; everything else is cast.

use super::{Binder, at, error};
use crate::ast::Pos;
use headwater_expr::{Cast, CastContext, Expr, registry};
use headwater_plan::hir::{HirLeaf, HirScalar};
use headwater_types::{DataType, Datum, RegKind, Result, SqlError, SqlState, TextContext, apply_typmod, parse_text};

/// Whether values of `from` are values of `to` as they are.
fn is_relabel(from: &DataType, to: &DataType) -> bool {
    from == to
        || (from.same_base(to) && *to == to.without_modifier())
        || (registry::is_binary_coercible(from, to) && from.arrow_type() == to.arrow_type())
}

/// Whether a literal of this type may stand for a moment: `'now'`, `'today 12:00'`.
fn names_moment(text: &str, data_type: &DataType) -> bool {
    const WORDS: [&[u8]; 4] = [b"now", b"today", b"tomorrow", b"yesterday"];
    let element = data_type.element();
    let is_moment = matches!(
        element.as_ref().unwrap_or(data_type),
        DataType::Date | DataType::Time | DataType::Timestamp | DataType::Timestamptz
    );
    is_moment
        && WORDS.iter().any(|word| text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

impl Binder<'_> {
    /// The value of an untyped literal as `to`. Its text has a position, the type's length or precision has none.
    pub(super) fn literal(&self, text: &str, to: &DataType, context: CastContext, pos: Pos) -> Result<Datum> {
        let base = to.without_modifier();
        let value = match &base {
            DataType::Text | DataType::Varchar(_) => Datum::text(text),
            DataType::Reg(kind) => Datum::Oid(self.reg_oid(*kind, text).map_err(|e| at(e, pos))?),
            _ => {
                if names_moment(text, &base) {
                    self.reads_clock.set(true);
                }
                let context = TextContext { settings: self.settings, now_micros: self.now_micros };
                parse_text(text, &base, &context).map_err(|e| at(e, pos))?
            }
        };
        if base == *to { Ok(value) } else { apply_typmod(value, to, context == CastContext::Explicit) }
    }

    fn reg_oid(&self, kind: RegKind, text: &str) -> Result<u32> {
        self.catalog.reg_oid(kind, text, self.settings)
    }

    /// The type of a scalar, and its adoption of another if it has none yet: `None` if it has one already.
    fn adopt(&self, scalar: &HirScalar, to: &DataType, context: CastContext, pos: Pos) -> Result<Option<HirScalar>> {
        match scalar {
            Expr::Literal(Datum::Null, DataType::Unknown) => Ok(Some(Expr::Literal(Datum::Null, to.clone()))),
            Expr::Literal(Datum::Text(text), DataType::Unknown) => {
                let value = self.literal(text, to, context, pos)?;
                Ok(Some(Expr::Literal(value, to.clone())))
            }
            Expr::Leaf(HirLeaf::Parameter { index, data_type: DataType::Unknown }) => {
                let base = to.without_modifier();
                self.parameters.borrow_mut().decide(*index, &base).map_err(|e| at(e, pos))?;
                let parameter = Expr::Leaf(HirLeaf::Parameter { index: *index, data_type: base.clone() });
                Ok(Some(if base == *to { parameter } else { cast(parameter, to, context) }))
            }
            _ => Ok(None),
        }
    }

    /// The scalar as an argument that wants type `to`: values that already fit are left alone.
    ///
    /// # Errors
    ///
    /// Those of the literal's input function; 42846.
    pub(crate) fn argument(&self, scalar: HirScalar, to: &DataType, pos: Pos) -> Result<HirScalar> {
        if let Some(adopted) = self.adopt(&scalar, to, CastContext::Implicit, pos)? {
            return Ok(adopted);
        }
        let from = scalar.data_type();
        if is_relabel(&from, to) { Ok(scalar) } else { self.convert(scalar, &from, to, CastContext::Implicit, pos) }
    }

    /// The scalar as exactly `to`, converted implicitly.
    ///
    /// # Errors
    ///
    /// As [`Binder::argument`].
    pub(crate) fn coerce(&self, scalar: HirScalar, to: &DataType, pos: Pos) -> Result<HirScalar> {
        self.coerce_as(scalar, to, CastContext::Implicit, pos)
    }

    /// The scalar as exactly `to`.
    ///
    /// # Errors
    ///
    /// As [`Binder::argument`].
    pub(crate) fn coerce_as(
        &self,
        scalar: HirScalar,
        to: &DataType,
        context: CastContext,
        pos: Pos,
    ) -> Result<HirScalar> {
        if let Some(adopted) = self.adopt(&scalar, to, context, pos)? {
            return Ok(adopted);
        }
        let from = scalar.data_type();
        if from == *to { Ok(scalar) } else { self.convert(scalar, &from, to, context, pos) }
    }

    fn convert(
        &self,
        scalar: HirScalar,
        from: &DataType,
        to: &DataType,
        context: CastContext,
        pos: Pos,
    ) -> Result<HirScalar> {
        if registry::can_cast(from, to, context) {
            return Ok(cast(scalar, to, context));
        }
        Err(error(
            SqlState::CannotCoerce,
            format!("cannot cast type {} to {}", from.without_modifier().sql_name(), to.without_modifier().sql_name()),
            pos,
        ))
    }

    /// The scalar as the value of a column.
    ///
    /// # Errors
    ///
    /// 42804 `column "x" is of type integer but expression is of type text`.
    pub(crate) fn assign(&self, scalar: HirScalar, name: &str, to: &DataType, pos: Pos) -> Result<HirScalar> {
        if let Some(adopted) = self.adopt(&scalar, to, CastContext::Assignment, pos)? {
            return Ok(adopted);
        }
        let from = scalar.data_type();
        if from == *to {
            return Ok(scalar);
        }
        if registry::can_cast(&from, to, CastContext::Assignment) {
            return Ok(cast(scalar, to, CastContext::Assignment));
        }
        Err(error(
            SqlState::DatatypeMismatch,
            format!(
                "column \"{name}\" is of type {} but expression is of type {}",
                to.without_modifier().sql_name(),
                from.without_modifier().sql_name()
            ),
            pos,
        )
        .with_hint("You will need to rewrite or cast the expression."))
    }

    /// The scalar as a condition of `clause`.
    ///
    /// # Errors
    ///
    /// 42804 `argument of WHERE must be type boolean, not type integer`.
    pub(crate) fn condition(&self, scalar: HirScalar, clause: &str, pos: Pos) -> Result<HirScalar> {
        self.specific(scalar, &DataType::Bool, clause, pos)
    }

    /// The scalar as a value of `clause`, which takes one type only.
    ///
    /// # Errors
    ///
    /// 42804.
    pub(crate) fn specific(&self, scalar: HirScalar, to: &DataType, clause: &str, pos: Pos) -> Result<HirScalar> {
        let from = scalar.data_type();
        if from != DataType::Unknown && !registry::can_cast(&from, to, CastContext::Assignment) {
            return Err(error(
                SqlState::DatatypeMismatch,
                format!(
                    "argument of {clause} must be type {}, not type {}",
                    to.sql_name(),
                    from.without_modifier().sql_name()
                ),
                pos,
            ));
        }
        self.coerce_as(scalar, to, CastContext::Assignment, pos)
    }

    /// The scalar with a type: unknown becomes text.
    ///
    /// # Errors
    ///
    /// 42P08 for a parameter that has another type elsewhere.
    pub(crate) fn typed(&self, scalar: HirScalar, pos: Pos) -> Result<HirScalar> {
        if scalar.data_type() == DataType::Unknown { self.coerce(scalar, &DataType::Text, pos) } else { Ok(scalar) }
    }

    /// The scalars brought to one type.
    ///
    /// # Errors
    ///
    /// 42804 `CASE types integer and text cannot be matched`.
    pub(crate) fn unify(&self, construct: &str, scalars: Vec<(HirScalar, Pos)>) -> Result<(Vec<HirScalar>, DataType)> {
        let types: Vec<DataType> = scalars.iter().map(|(scalar, _)| scalar.data_type()).collect();
        let common = registry::common_type_in(construct, &types).map_err(|e| {
            // PostgreSQL points at the first value that does not match those before it.
            let culprit = (1..=types.len())
                .find(|count| registry::common_type_in(construct, &types[..*count]).is_err())
                .map_or(0, |count| count - 1);
            at(e, scalars[culprit].1)
        })?;
        let coerced =
            scalars.into_iter().map(|(scalar, pos)| self.coerce(scalar, &common, pos)).collect::<Result<_>>()?;
        Ok((coerced, common))
    }
}

/// A cast.
pub(crate) fn cast(scalar: HirScalar, to: &DataType, context: CastContext) -> HirScalar {
    Expr::Cast(Box::new(scalar), Cast { to: to.clone(), context })
}

/// The literal `true`.
pub(crate) fn truth() -> HirScalar {
    Expr::Literal(Datum::Bool(true), DataType::Bool)
}

/// AND of any number of conditions.
pub(crate) fn all_of(mut conditions: Vec<HirScalar>) -> HirScalar {
    match conditions.len() {
        0 => truth(),
        1 => conditions.remove(0),
        _ => Expr::And(conditions),
    }
}

/// The error without its position: it is about text that the client did not send.
pub(crate) fn without_position(mut error: SqlError) -> SqlError {
    error.position = None;
    error
}
