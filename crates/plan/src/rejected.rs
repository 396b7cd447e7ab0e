//! What a view may not use: functions whose results change while its inputs do not.

use crate::mir::Mir;
use headwater_expr::registry::{Kernel, Volatility};
use headwater_expr::{Expr, Leaf, Scalar};
use headwater_types::{DataType, Result, SqlError, SqlState};

/// Fails for a plan that cannot be kept up to date by its inputs' changes alone. Binding says so first, with a position,
/// but for what views hold that the query names.
///
/// # Errors
///
/// 0A000 naming the function.
pub(crate) fn check_view(mir: &Mir) -> Result<()> {
    let mut result = Ok(());
    mir.for_each_scalar(&mut |s| {
        if result.is_ok() {
            result = check(s);
        }
    });
    result?;
    mir.children().into_iter().try_for_each(check_view)
}

/// Fails for a plan that has parameters, where there is no value for them.
///
/// # Errors
///
/// 42P02 naming the first.
pub(crate) fn check_parameters(mir: &Mir) -> Result<()> {
    fn check(scalar: &Scalar) -> Result<()> {
        if let Expr::Parameter(index, _) = scalar {
            let message = format!("there is no parameter ${}", index + 1);
            return Err(SqlError::new(SqlState::UndefinedParameter, message));
        }
        scalar.children().into_iter().try_for_each(check)
    }
    let mut result = Ok(());
    mir.for_each_scalar(&mut |s| {
        if result.is_ok() {
            result = check(s);
        }
    });
    result?;
    mir.children().into_iter().try_for_each(check_parameters)
}

fn check(scalar: &Scalar) -> Result<()> {
    check_kept(scalar)?;
    scalar.children().into_iter().try_for_each(check)
}

/// Fails for a call that a materialized view may not have, its operands aside.
///
/// # Errors
///
/// 0A000 naming the function.
pub fn check_kept<L: Leaf>(scalar: &Expr<L>) -> Result<()> {
    match scalar {
        Expr::Call { function, .. } | Expr::Quantified { function, .. } => {
            let function = function.0;
            if function.volatility == Volatility::Volatile
                || matches!(function.kernel, Kernel::Catalog)
                || scalar.reads_clock() && !scalar.children().iter().any(|child| child.reads_clock())
            {
                return Err(SqlError::unsupported(format!("{}() in a materialized view", function.name)));
            }
        }
        Expr::Cast(input, cast)
            if matches!(cast.to, DataType::Reg(_))
                && !matches!(input.data_type(), DataType::Oid | DataType::Reg(_)) =>
        {
            return Err(SqlError::unsupported("a cast to a registry type in a materialized view"));
        }
        _ => {}
    }
    Ok(())
}
