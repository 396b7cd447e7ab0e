//! Parsing: statements, precedence, depth.

use crate::ast::{Expr, ExprKind, QueryBody, Statement as Ast};
use crate::{StatementKind, parse_script};
use headwater_types::SqlState;

/// An expression with its operators' operands in parentheses.
fn shape(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Column(parts) => parts.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join("."),
        ExprKind::Number(digits) => digits.clone(),
        ExprKind::String(text) => format!("'{text}'"),
        ExprKind::Unary { op, expr } => format!("({op} {})", shape(expr)),
        ExprKind::Binary { op, left, right } => format!("({} {op} {})", shape(left), shape(right)),
        ExprKind::Not(expr) => format!("(not {})", shape(expr)),
        ExprKind::And(all) => format!("(and {})", all.iter().map(shape).collect::<Vec<_>>().join(" ")),
        ExprKind::Or(all) => format!("(or {})", all.iter().map(shape).collect::<Vec<_>>().join(" ")),
        ExprKind::Cast { expr, to } => format!("{}::{}", shape(expr), to.name.display()),
        ExprKind::Like { expr, pattern, .. } => format!("({} like {})", shape(expr), shape(pattern)),
        ExprKind::Is { expr, .. } => format!("(is {})", shape(expr)),
        ExprKind::Between { expr, low, high, .. } => {
            format!("({} between {} {})", shape(expr), shape(low), shape(high))
        }
        other => format!("{other:?}"),
    }
}

fn expression(sql: &str) -> String {
    let statements = parse_script(&format!("select {sql}")).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let Ok(Ast::Query(query)) = statements[0].ast() else { panic!("{sql} is a query") };
    let QueryBody::Select(select) = &query.body else { panic!("{sql} is a select") };
    shape(&select.items[0].expr)
}

#[test]
fn operators_bind_as_in_postgresql() {
    for (sql, expected) in [
        ("-2 ^ 2", "(-2 ^ 2)"),
        ("-a ^ 2", "((- a) ^ 2)"),
        ("2 ^ 3 ^ 2", "((2 ^ 3) ^ 2)"),
        ("@ a + b", "(@ (a + b))"),
        ("a ~ b || c", "((a ~ b) || c)"),
        ("a || b ~ c", "((a || b) ~ c)"),
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a < b + 1 and not c = d or e", "(or (and (a < (b + 1)) (not (c = d))) e)"),
        ("a is null = b", "((is a) = b)"),
        ("-1::text", "(- 1::text)"),
        ("a -> 'x' ->> 'y' = 'z'", "(((a -> 'x') ->> 'y') = 'z')"),
        ("a between 1 and 2 and b", "(and (a between 1 2) b)"),
        ("a like 'x' || b", "(a like ('x' || b))"),
        ("a operator(pg_catalog.+) b * c", "(a + (b * c))"),
        ("not a is null", "(not (is a))"),
    ] {
        assert_eq!(expression(sql), expected, "{sql}");
    }
}

#[test]
fn comparisons_do_not_associate() {
    for (sql, position) in [("select a < b < c", 14), ("select a = b = c", 14), ("select a like b like c", 17)] {
        let error = parse_script(sql).expect_err(sql);
        assert_eq!((error.state, error.position), (SqlState::SyntaxError, Some(position)), "{sql}");
    }
}

#[test]
fn parses_what_psql_sends() {
    let script = include_str!("../../testdata/psql.sql");
    let statements = parse_script(script).expect("all of psql's statements");
    assert!(statements.len() > 140, "{} statements", statements.len());
}

#[test]
fn splits_scripts() {
    let script = "select 1; ; /* a; b */ select 'x;y' -- z;\n; insert into t values ('é;'); begin";
    let statements = parse_script(script).expect("valid");
    let texts: Vec<&str> = statements.iter().map(|s| s.text()).collect();
    assert_eq!(texts, ["select 1", "select 'x;y' -- z;", "insert into t values ('é;')", "begin"]);
    let kinds: Vec<StatementKind> = statements.iter().map(|s| s.kind()).collect();
    use StatementKind::{Begin, Insert, Select};
    assert_eq!(kinds, [Select, Select, Insert, Begin]);
}

#[test]
fn positions_count_characters_of_the_script() {
    let error = parse_script("select 'éé'; select 1 frm x y").expect_err("syntax");
    assert_eq!((error.message.as_str(), error.position), ("syntax error at or near \"x\"", Some(27)));
    let error = parse_script("insert into t values ('é'); selec").expect_err("syntax");
    assert_eq!(error.position, Some(29));
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let deep = 100_000;
    for sql in [
        format!("select {}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("select {}1", "- ".repeat(deep)),
        format!("select {}true", "not ".repeat(deep)),
        format!("select 1{}", " + 1".repeat(deep)),
        format!("select {}1{}", "(select ".repeat(deep), ")".repeat(deep)),
        format!("select 1{}", " union select 1".repeat(deep)),
        format!("select * from {}t{}", "(".repeat(deep), ")".repeat(deep)),
        format!("select * from t{}", " cross join t".repeat(deep)),
        format!("select {}1{}", "array[".repeat(deep), "]".repeat(deep)),
        format!("select 1{}", "::int".repeat(deep)),
        format!("select {}1{}", "case when true then ".repeat(deep), " end".repeat(deep)),
        format!("select {}1", "(".repeat(deep)),
    ] {
        let error = parse_script(&sql).expect_err("too deep");
        assert!(matches!(
            error.state,
            SqlState::StatementTooComplex | SqlState::FeatureNotSupported | SqlState::SyntaxError
        ));
    }
    let wide = format!("select true{}", " or a = 1".repeat(20_000));
    parse_script(&wide).expect("OR is n-ary");
}

#[test]
fn long_literals_are_linear() {
    let sql = format!("select '{}'", "x''".repeat(1_000_000));
    let statements = parse_script(&sql).expect("one literal");
    assert_eq!(statements.len(), 1);
}

#[test]
fn kinds_and_rows() {
    for (sql, tag, rows) in [
        ("insert into t values (1) returning a", "INSERT", true),
        ("with x as (select 1) update t set a = 1", "UPDATE", false),
        ("start transaction read only", "START TRANSACTION", false),
        ("create materialized view v as select 1", "CREATE MATERIALIZED VIEW", false),
        ("select 1 into t", "SELECT", false),
        ("show tables", "SHOW", true),
        ("(values (1))", "SELECT", true),
        ("discard all", "DISCARD ALL", false),
        ("move next in c", "MOVE", false),
        ("flush", "FLUSH", false),
        ("comment on table t is $tag$it's$tag$", "COMMENT", false),
        ("vacuum t", "VACUUM", false),
    ] {
        let statements = parse_script(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!((statements[0].kind().tag(), statements[0].returns_rows()), (tag, rows), "{sql}");
    }
}
