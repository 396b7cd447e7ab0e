//! The simple protocol: scripts, transactions, errors.

use crate::client::{Client, kinds};
use crate::server::Server;

#[test]
fn a_script_answers_statement_by_statement() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let messages = client.query("SELECT 1 AS a; SELECT 2, NULL; ;");
    assert_eq!(kinds(&messages), "TDCTDCZ");
    assert_eq!(messages[4].values(), [Some("2".to_owned()), None]);
    assert_eq!(messages[5].text(), "SELECT 1");
    assert_eq!(kinds(&client.query("")), "IZ");
    assert_eq!(kinds(&client.query(" ; -- nothing\n")), "IZ");
}

#[test]
fn a_script_is_one_transaction() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.rows("CREATE TABLE t (a int PRIMARY KEY)");
    let messages = client.query("INSERT INTO t VALUES (1); INSERT INTO t VALUES ('x'); SELECT 1");
    assert_eq!(kinds(&messages), "CEZ");
    assert_eq!(messages[1].error().0, "22P02");
    assert_eq!(client.value("SELECT count(*) FROM t").as_deref(), Some("0"));
    client.rows("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)");
    assert_eq!(client.value("SELECT count(*) FROM t").as_deref(), Some("2"));
}

#[test]
fn the_ready_byte_tells_where_the_transaction_stands() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let byte = |client: &mut Client, sql: &str| {
        let messages = client.query(sql);
        char::from(messages.last().expect("an answer").body[0])
    };
    assert_eq!(byte(&mut client, "BEGIN"), 'T');
    assert_eq!(byte(&mut client, "SELECT 1"), 'T');
    assert_eq!(byte(&mut client, "SELECT 1/0"), 'E');
    assert_eq!(
        client.failure("SELECT 1"),
        ("25P02".into(), "current transaction is aborted, commands ignored until end of transaction block".into())
    );
    let messages = client.query("COMMIT");
    assert_eq!(messages[0].text(), "ROLLBACK");
    assert_eq!(byte(&mut client, "SELECT 1"), 'I');
    let messages = client.query("COMMIT");
    assert_eq!(kinds(&messages), "NCZ");
    assert_eq!(messages[0].error(), ("25P01".into(), "there is no transaction in progress".into()));
    assert_eq!(messages[0].field(b'S').as_deref(), Some("WARNING"));
}

#[test]
fn errors_point_at_the_character() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let cases = [
        ("SELEC 1", "42601", "syntax error at or near \"SELEC\"", Some("1")),
        ("SELECT 'ä', nothing", "42703", "column \"nothing\" does not exist", Some("13")),
        ("SELECT * FROM nowhere", "42P01", "relation \"nowhere\" does not exist", Some("15")),
        ("SELECT 1/0", "22012", "division by zero", None),
        ("SELECT 'abc'::int", "22P02", "invalid input syntax for type integer: \"abc\"", Some("8")),
    ];
    for (sql, code, text, position) in cases {
        let messages = client.query(sql);
        assert_eq!(kinds(&messages), "EZ", "{sql}");
        assert_eq!(messages[0].error(), (code.to_owned(), text.to_owned()), "{sql}");
        assert_eq!(messages[0].field(b'P').as_deref(), position, "{sql}");
        assert_eq!(messages[0].field(b'V').as_deref(), Some("ERROR"), "{sql}");
    }
}

#[test]
fn settings_that_change_are_reported() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let messages = client.query("SET TimeZone TO 'America/New_York'");
    assert_eq!(kinds(&messages), "CSZ");
    assert_eq!(messages[1].body, b"TimeZone\0America/New_York\0");
    assert_eq!(client.value("SELECT '2026-07-01 12:00:00+00'::timestamptz").as_deref(), Some("2026-07-01 08:00:00-04"));
}

#[test]
fn a_result_larger_than_any_buffer_arrives_whole() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let rows = client.rows("SELECT i, repeat('x', 100) FROM generate_series(1, 200000) AS s(i)");
    assert_eq!(rows.len(), 200_000);
    assert_eq!(rows[199_999][0].as_deref(), Some("200000"));
}

#[test]
fn a_lost_connection_leaves_nothing() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.rows("CREATE TABLE t (a int PRIMARY KEY)");
    let mut lost = Client::connect(&server);
    lost.rows("BEGIN");
    lost.rows("INSERT INTO t VALUES (1)");
    drop(lost);
    client.rows("INSERT INTO t VALUES (1)");
    assert_eq!(client.value("SELECT count(*) FROM t").as_deref(), Some("1"));
}
