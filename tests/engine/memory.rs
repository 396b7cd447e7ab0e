//! What the system says of the memory that relations and operators occupy.

use crate::support::{Home, connect, lines, run};

#[test]
fn memory_is_told_by_relation_column_and_operator() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(
        &mut s,
        "CREATE TABLE t (k int PRIMARY KEY, g text); INSERT INTO t SELECT i, 'g' || i % 3 FROM generate_series(1, 1000) i",
    );
    run(&mut s, "CREATE MATERIALIZED VIEW v AS SELECT g, count(DISTINCT k) AS n FROM t GROUP BY g");
    let relations = "SELECT relation_name, kind, rows, row_bytes > 0, dead_bytes, index_bytes > 0
        FROM headwater_catalog.relation_memory ORDER BY relation_name";
    assert_eq!(lines(&mut s, relations), ["t|table|1000|t|0|t", "v|materialized view|3|t|0|t"]);
    let columns = "SELECT relation_name, column_name, bytes > 0 FROM headwater_catalog.column_memory
        WHERE relation_name = 't' ORDER BY column_name";
    assert_eq!(lines(&mut s, columns), ["t|g|t", "t|k|t"]);
    let total = "SELECT (SELECT sum(bytes) FROM headwater_catalog.column_memory WHERE relation_name = 't') =
        (SELECT row_bytes FROM headwater_catalog.relation_memory WHERE relation_name = 't')";
    assert_eq!(lines(&mut s, total), ["t"]);
    let operators = "SELECT relation_name, worker, operator, bytes > 0 FROM headwater_catalog.operator_memory";
    assert_eq!(lines(&mut s, operators), ["v|0|Reduce|t"]);
    run(&mut s, "DROP MATERIALIZED VIEW v; DELETE FROM t WHERE k <= 10");
    assert!(lines(&mut s, operators).is_empty());
    assert_eq!(lines(&mut s, "SELECT rows FROM headwater_catalog.relation_memory"), ["990"]);
    database.shutdown();
}
