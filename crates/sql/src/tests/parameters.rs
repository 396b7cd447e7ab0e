//! The types that parameters are inferred to have, as PostgreSQL infers them.

use super::bound;

/// The parameters' types, else the error.
fn inferred(sql: &str) -> String {
    match bound(sql) {
        Ok(bound) => bound.parameter_types.iter().map(|t| t.sql_name()).collect::<Vec<_>>().join(", "),
        Err(error) => format!("{} {}", error.state.code(), error.message),
    }
}

/// As PostgreSQL 15 infers.
#[test]
fn types_are_inferred_as_by_postgresql() {
    for (sql, expected) in [
        ("select $1", "text"),
        ("select $1::int", "integer"),
        ("select $1 + 1", "integer"),
        ("select $1 + $2", "42725 operator is not unique: unknown + unknown"),
        ("select $1 || 'x'", "text"),
        ("select $1 || $2", "text, text"),
        ("select * from customers where id = $1", "integer"),
        ("select * from customers where name = $1", "text"),
        ("select * from customers where name like $1", "text"),
        ("select * from customers where id in ($1,$2)", "integer, integer"),
        ("select * from customers where id = any($1)", "integer[]"),
        ("select * from customers where created_at > $1", "timestamp with time zone"),
        (
            "select * from customers where created_at > now() - $1",
            "42883 operator does not exist: timestamp with time zone > interval",
        ),
        ("select * from customers where created_at > now() - $1::interval", "interval"),
        ("select * from customers where bal > $1", "numeric"),
        ("select * from customers where bal > $1 * 2", "integer"),
        ("select * from customers where f8 > $1", "double precision"),
        ("select * from customers limit $1 offset $2", "bigint, bigint"),
        (
            "insert into customers(id,name,bal,doc,tags,created_at) values ($1,$2,$3,$4,$5,$6)",
            "integer, character varying, numeric, jsonb, text[], timestamp with time zone",
        ),
        ("update customers set bal = bal + $1 where id = $2", "numeric, integer"),
        ("select coalesce($1, 5)", "integer"),
        ("select coalesce($1, $2)", "text, text"),
        ("select case when $1 then 1 else 2 end", "boolean"),
        ("select case when id = 1 then $1 else 'x' end from customers", "text"),
        ("select $1 = $2", "text, text"),
        ("select $1 is null", "42P18 could not determine data type of parameter $1"),
        ("select lower($1)", "text"),
        ("select count(*) from generate_series(1,$1)", "integer"),
        ("select date_trunc($1, created_at) from customers", "text"),
        ("select sum($1)", "42725 function sum(unknown) is not unique"),
        ("select array[$1,$2]", "text, text"),
        ("select ($1, $2) = (1, 'x')", "integer, text"),
        ("values ($1),($2)", "text, text"),
        ("select $1 union select 1", "integer"),
        ("select $1::text::int", "text"),
        ("select * from (select $1 as a) s where a = 1", "42883 operator does not exist: text = integer"),
        ("select abs($1)", "double precision"),
        ("select greatest($1, 1.5)", "numeric"),
        ("select interval '1 day' * $1", "double precision"),
        ("select tags[$1] from customers", "integer"),
        ("select * from customers where id between $1 and $2", "integer, integer"),
        (
            "select * from customers where ($1 is null or id = $1)",
            "42P08 could not determine data type of parameter $1",
        ),
        ("select * from customers where ($1::int is null or id = $1)", "integer"),
        ("select round($1, $2)", "numeric, integer"),
        ("select md5($1)", "text"),
        ("select $2::int, $1::text", "text, integer"),
        ("select $2", "42P18 could not determine data type of parameter $1"),
    ] {
        assert_eq!(inferred(sql), expected, "{sql}");
    }
}
