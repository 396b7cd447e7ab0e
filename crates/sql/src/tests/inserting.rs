//! INSERT: the literal path and the general one give the same.

use super::bound;
use crate::{BoundStatement, InsertSource, OnConflict};
use headwater_types::{DataType, Datum};

fn insert(sql: &str) -> crate::Insert {
    match bound(sql).map(|bound| bound.statement) {
        Ok(BoundStatement::Insert(insert)) => insert,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn literals_become_columns() {
    let sql = "insert into et (b, a, n) values ('x''y', -1, 2.5), (E'a\\tb', 2, null)";
    let InsertSource::Batch { columns, rows, defaults } = insert(sql).source else { panic!("a batch") };
    assert_eq!(columns, [1, 0, 3]);
    let types = [DataType::Text, DataType::Int4, DataType::Numeric(Some((4, 2)))];
    let first = rows.row(0, &types);
    assert_eq!(first[..2], [Datum::text("x'y"), Datum::Int4(-1)]);
    assert_eq!(rows.row(1, &types), [Datum::text("a\tb"), Datum::Int4(2), Datum::Null]);
    let ordinals: Vec<usize> = defaults.iter().map(|(ordinal, _)| *ordinal).collect();
    assert_eq!(ordinals, [2, 4]);
}

#[test]
fn the_generators_insert_is_direct() {
    let sql = "\n INSERT INTO marketing_events (event_id, user_id, campaign_id, channel_type, event_type, amount, utm_source, utm_medium, utm_campaign, timestamp)
        VALUES ('e1', 5, 'c1', 'email', 'click', 6252.570015900456, 'a', 'b', 'c', '2026-10-27T21:11:09.699472'::timestamp)";
    let InsertSource::Batch { rows, defaults, .. } = insert(sql).source else { panic!("a batch") };
    assert_eq!((rows.rows, defaults.len()), (1, 0));
    let types = [DataType::Timestamptz];
    assert_eq!(rows.project(&[9]).row(0, &types), [Datum::Timestamp(1_793_135_469_699_472)]);
}

#[test]
fn surprises_take_the_general_path() {
    for sql in [
        "insert into et (a, b) values (1, 2)",
        "insert into et (a, b) values (1.5, 'x')",
        "insert into et (a, b) values (1, 'x') on conflict (a) do nothing",
        "insert into et (a, b, d) values (1 + 1, lower('X'), default)",
    ] {
        assert!(matches!(insert(sql).source, InsertSource::Values(_)), "{sql}");
    }
    assert!(matches!(insert("insert into et (a, b) select 1, 'x'").source, InsertSource::Query(_)));
}

#[test]
fn both_paths_raise_the_same_errors() {
    for (literal, general) in [
        ("insert into et (a, b) values ('x', 'y')", "insert into et (a, b) values ('x', lower('y'))"),
        ("insert into et values (1, 'x', 'y', 1, 2, 3)", "insert into et values (1, 'x', 'y', 1,+2, 3)"),
        ("insert into et (a, b) values (1)", "insert into et (a, b) values (+1)"),
        ("insert into nosuch values (1)", "insert into nosuch values (+1)"),
        ("insert into et (a, b) values (true, 'x')", "insert into et (a, b) values (true, lower('x'))"),
        ("insert into et (a, b, n) values (1, 'x', 123.4)", "insert into et (a, b, n) values (1, 'x', '123.4')"),
    ] {
        let (literal_error, general_error) = (bound(literal), bound(general));
        match (literal_error, general_error) {
            (Err(a), Err(b)) => {
                assert_eq!((a.state, a.message, a.position), (b.state, b.message, b.position), "{literal}")
            }
            // Assignment casts of typed values are checked when they run.
            (Ok(_), _) => assert!(literal.contains("123.4"), "{literal}"),
            (Err(error), Ok(_)) => panic!("{literal}: {error}"),
        }
    }
}

#[test]
fn conflict_clauses() {
    let sql = "insert into et as t (a, b) values (1, 'x') on conflict (b) do update set b = excluded.b || t.b, d = default \
               where t.a > 0 returning *, a + 1 as next";
    let insert = insert(sql);
    let OnConflict::DoUpdate { target, assignments, filter } = insert.on_conflict else { panic!("an update") };
    assert_eq!((target, assignments.len(), filter.is_some()), (vec![1], 2, true));
    let returning = insert.returning.expect("rows");
    assert_eq!(returning.schema.len(), 6);
    assert_eq!(returning.origins[5], None);
    assert_eq!(returning.origins[0].map(|(_, number)| number), Some(1));
}

#[test]
fn updates_present_old_and_new_rows() {
    let Ok(BoundStatement::Update(update)) =
        bound("update et set n = 1, b = s.y from nokey s where s.x = a returning a, b, s.y").map(|b| b.statement)
    else {
        panic!("an update")
    };
    // Old row, new row, and nokey's columns with its hidden key.
    assert_eq!(update.query.projection.len(), 5 + 5 + 3);
    assert_eq!(update.assigned, [3, 1]);
    let returning = update.returning.expect("rows");
    assert_eq!(returning.schema.len(), 3);
    let Ok(BoundStatement::Delete(delete)) = bound("delete from nokey where x > 1 returning x").map(|b| b.statement)
    else {
        panic!("a delete")
    };
    assert_eq!(delete.query.projection.len(), 3);
}
