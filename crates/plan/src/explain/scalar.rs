//! Scalars and aggregates as text, close to SQL.

use headwater_expr::{Aggregate, AggregateFunction, Cast, ColumnOrder, Expr, Quantifier};
use headwater_types::{DataType, Datum, SessionSettings, datum_to_text};

/// The scalar, with `leaf` showing its leaves.
pub(crate) fn scalar<L>(expr: &Expr<L>, leaf: &dyn Fn(&L) -> String) -> String {
    let one = |e: &Expr<L>| scalar(e, leaf);
    let all = |list: &[Expr<L>]| list.iter().map(one).collect::<Vec<_>>();
    match expr {
        Expr::Leaf(l) => leaf(l),
        Expr::Literal(value, data_type) => literal(value, data_type),
        Expr::Parameter(index, _) => format!("${}", index + 1),
        Expr::Call { function, args, .. } => {
            let (name, args) = (function.0.name, all(args));
            match args.as_slice() {
                [left, right] if function.0.is_operator => format!("({left} {name} {right})"),
                [operand] if function.0.is_operator => format!("({name} {operand})"),
                args => format!("{name}({})", args.join(", ")),
            }
        }
        Expr::Cast(input, Cast { to, .. }) => format!("{}::{}", one(input), to.sql_name()),
        Expr::And(list) => format!("({})", all(list).join(" AND ")),
        Expr::Or(list) => format!("({})", all(list).join(" OR ")),
        Expr::Not(input) => match &**input {
            Expr::IsNull(inner) => format!("({} IS NOT NULL)", one(inner)),
            Expr::IsNotDistinct(left, right) => format!("({} IS DISTINCT FROM {})", one(left), one(right)),
            _ => format!("(NOT {})", one(input)),
        },
        Expr::IsNull(input) => format!("({} IS NULL)", one(input)),
        Expr::IsNotDistinct(left, right) => format!("({} IS NOT DISTINCT FROM {})", one(left), one(right)),
        Expr::Case { branches, otherwise } => {
            let mut text = "CASE".to_owned();
            for (condition, result) in branches {
                text.push_str(&format!(" WHEN {} THEN {}", one(condition), one(result)));
            }
            if !matches!(**otherwise, Expr::Literal(Datum::Null, _)) {
                text.push_str(&format!(" ELSE {}", one(otherwise)));
            }
            text + " END"
        }
        Expr::Coalesce(list) => format!("COALESCE({})", all(list).join(", ")),
        Expr::Quantified { function, left, array, quantifier } => {
            let quantifier = match quantifier {
                Quantifier::Any => "ANY",
                Quantifier::All => "ALL",
            };
            format!("({} {} {quantifier} ({}))", one(left), function.0.name, one(array))
        }
        Expr::Array(items, _) => format!("ARRAY[{}]", all(items).join(", ")),
        Expr::Subscript(array, index) => format!("{}[{}]", one(array), one(index)),
    }
}

fn literal(value: &Datum, data_type: &DataType) -> String {
    let text = || datum_to_text(value, data_type, &SessionSettings::default());
    match value {
        Datum::Null => "NULL".to_owned(),
        Datum::Bool(value) => value.to_string(),
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Numeric(_) | Datum::Float4(_) | Datum::Float8(_) => {
            text()
        }
        _ => format!("'{}'::{}", text().replace('\'', "''"), data_type.sql_name()),
    }
}

/// The aggregate call, with `leaf` showing its arguments' leaves.
pub(crate) fn aggregate<L>(call: &Aggregate<L>, leaf: &dyn Fn(&L) -> String) -> String {
    let name = match call.function {
        AggregateFunction::CountStar | AggregateFunction::Count => "count".to_owned(),
        other => snake_case(&format!("{other:?}")),
    };
    let args = match call.function {
        AggregateFunction::CountStar => "*".to_owned(),
        _ => call.args.iter().map(|a| scalar(a, leaf)).collect::<Vec<_>>().join(", "),
    };
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let order_by = if call.order_by.is_empty() {
        String::new()
    } else {
        let keys = call.order_by.iter().map(|(key, order)| direction(&scalar(key, leaf), order));
        format!(" ORDER BY {}", keys.collect::<Vec<_>>().join(", "))
    };
    let filter = call.filter.as_ref().map(|f| format!(" FILTER (WHERE {})", scalar(f, leaf))).unwrap_or_default();
    format!("{name}({distinct}{args}{order_by}){filter}")
}

/// `GenerateSeries` as `generate_series`.
pub(super) fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// A sort key with its direction, as little as says it.
pub(super) fn direction(key: &str, order: &ColumnOrder) -> String {
    let direction = if order.descending { " DESC" } else { "" };
    let nulls = match (order.descending, order.nulls_first) {
        (true, false) => " NULLS LAST",
        (false, true) => " NULLS FIRST",
        _ => "",
    };
    format!("{key}{direction}{nulls}")
}
