//! The names of a query's columns, as PostgreSQL chooses them (`FigureColname`).

use crate::ast::{Expr, ExprKind, Query, QueryBody, SelectItem, ValueFunction};

/// What a column of this expression is called.
pub(crate) fn column_name(item: &SelectItem) -> String {
    match &item.alias {
        Some(alias) => alias.name.clone(),
        None => figure(&item.expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name),
    }
}

/// A name and whether it is a good one: a cast's type name and `case` give way to those.
fn figure(expr: &Expr) -> Option<(String, bool)> {
    let good = |name: &str| Some((name.to_owned(), true));
    let weak = |name: &str| Some((name.to_owned(), false));
    match &expr.kind {
        ExprKind::Column(parts) => good(&parts.last().expect("a column has a name").name),
        ExprKind::Function(call) => good(&call.name.last().name),
        ExprKind::Field { field: Some(field), .. } => good(&field.name),
        ExprKind::Subscript { expr, .. } | ExprKind::Collate { expr, .. } => figure(expr),
        ExprKind::Cast { expr, to } => match figure(expr) {
            Some((name, true)) => Some((name, true)),
            _ => weak(&to.name.last().name),
        },
        ExprKind::Bool(_) => weak("bool"),
        ExprKind::Case { otherwise, .. } => match otherwise.as_deref().and_then(figure) {
            Some((name, true)) => Some((name, true)),
            _ => weak("case"),
        },
        ExprKind::Coalesce(_) => good("coalesce"),
        ExprKind::Extreme(true, _) => good("greatest"),
        ExprKind::Extreme(false, _) => good("least"),
        ExprKind::NullIf(..) => good("nullif"),
        ExprKind::Array(_) | ExprKind::ArrayQuery(_) => good("array"),
        ExprKind::Row(_) => good("row"),
        ExprKind::Exists(_) => good("exists"),
        ExprKind::Subquery(query) => first_column(query).map(|name| (name, true)),
        ExprKind::Value(function) => good(match function {
            ValueFunction::CurrentDate => "current_date",
            ValueFunction::CurrentTime => "current_time",
            ValueFunction::CurrentTimestamp => "current_timestamp",
            ValueFunction::LocalTime => "localtime",
            ValueFunction::LocalTimestamp => "localtimestamp",
            ValueFunction::CurrentRole => "current_role",
            ValueFunction::CurrentUser => "current_user",
            ValueFunction::SessionUser => "session_user",
            ValueFunction::User => "user",
            ValueFunction::CurrentCatalog => "current_catalog",
            ValueFunction::CurrentSchema => "current_schema",
        }),
        _ => None,
    }
}

fn first_column(query: &Query) -> Option<String> {
    match &query.body {
        QueryBody::Select(select) => {
            let item = select.items.first()?;
            match &item.alias {
                Some(alias) => Some(alias.name.clone()),
                None => figure(&item.expr).map(|(name, _)| name),
            }
        }
        QueryBody::Values(_) => Some("column1".to_owned()),
        QueryBody::Nested(query) => first_column(query),
        QueryBody::Set { left, .. } => first_column(left),
    }
}
