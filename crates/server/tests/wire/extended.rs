//! The extended protocol: pipelines, portals, parameters, formats.

use crate::client::{Client, bind, describe_portal, execute, kinds, message, parse, sync};
use crate::server::Server;

#[test]
fn a_pipeline_answers_in_order_and_skips_after_an_error_until_sync() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let good = [parse("SELECT $1::int + 1"), bind("", &["41"]), describe_portal(""), execute("", 0)].concat();
    let bad = [parse("SELECT nothing"), bind("", &[]), execute("", 0)].concat();
    let messages = client.exchange(&[good.clone(), sync()].concat());
    assert_eq!(kinds(&messages), "12TDCZ");
    assert_eq!(messages[3].values(), [Some("42".to_owned())]);
    let messages = client.exchange(&[good.clone(), bad, good.clone(), sync()].concat());
    assert_eq!(kinds(&messages), "12TDCEZ");
    let messages = client.exchange(&[good, sync()].concat());
    assert_eq!(kinds(&messages), "12TDCZ");
}

#[test]
fn a_portal_stops_at_its_row_limit_and_goes_on() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.rows("BEGIN");
    let start = [parse("SELECT i FROM generate_series(1, 5) AS s(i)"), bind("p", &[]), execute("p", 2), sync()];
    let messages = client.exchange(&start.concat());
    assert_eq!(kinds(&messages), "12DDsZ");
    let messages = client.exchange(&[execute("p", 2), sync()].concat());
    assert_eq!(kinds(&messages), "DDsZ");
    assert_eq!(messages[1].values(), [Some("4".to_owned())]);
    let messages = client.exchange(&[execute("p", i32::MAX), sync()].concat());
    assert_eq!(kinds(&messages), "DCZ");
    assert_eq!(messages[1].text(), "SELECT 1");
    let messages = client.exchange(&[execute("p", 0), sync()].concat());
    assert_eq!(kinds(&messages), "CZ");
    assert_eq!(messages[0].text(), "SELECT 0");
    client.rows("COMMIT");
    let messages = client.exchange(&[execute("p", 0), sync()].concat());
    assert_eq!(kinds(&messages), "EZ");
    assert_eq!(messages[0].error(), ("34000".into(), "portal \"p\" does not exist".into()));
}

#[test]
fn a_negative_row_limit_is_none() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let all = [parse("SELECT i FROM generate_series(1, 3) AS s(i)"), bind("", &[]), execute("", -1), sync()];
    assert_eq!(kinds(&client.exchange(&all.concat())), "12DDDCZ");
}

#[test]
fn mismatched_binds_are_errors_that_fail_the_block() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.rows("BEGIN");
    let messages = client.exchange(&[parse("SELECT $1::int"), bind("", &[]), sync()].concat());
    assert_eq!(kinds(&messages), "1EZ");
    assert_eq!(
        messages[1].error(),
        ("08P01".into(), "bind message supplies 0 parameters, but prepared statement \"\" requires 1".into())
    );
    assert_eq!(messages[2].body, b"E");
    client.rows("ROLLBACK");
    let messages = client.exchange(&[parse("SELECT $1::int"), bind("", &["x"]), sync()].concat());
    assert_eq!(messages[1].error().0, "22P02");
    assert_eq!(messages[1].field(b'W').as_deref(), Some("unnamed portal parameter $1 = '...'"));
    let messages = client.exchange(&[message(b'D', b"Snone\0"), sync()].concat());
    assert_eq!(messages[0].error(), ("26000".into(), "prepared statement \"none\" does not exist".into()));
}

#[test]
fn statements_up_to_sync_are_one_transaction() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.rows("CREATE TABLE t (a int PRIMARY KEY)");
    let insert = [parse("INSERT INTO t VALUES ($1)"), bind("", &["1"]), execute("", 0)].concat();
    let fail = [parse("SELECT 1/$1::int"), bind("", &["0"]), execute("", 0)].concat();
    let messages = client.exchange(&[insert.clone(), fail, sync()].concat());
    assert_eq!(kinds(&messages), "12C12EZ");
    assert_eq!(client.value("SELECT count(*) FROM t").as_deref(), Some("0"));
    client.exchange(&[insert, sync()].concat());
    assert_eq!(client.value("SELECT count(*) FROM t").as_deref(), Some("1"));
}

#[test]
fn flush_brings_the_answers_so_far() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.send(&[parse("SELECT $1::int8"), message(b'D', b"S\0"), message(b'H', b"")].concat());
    let messages: Vec<_> = (0..3).map(|_| client.next().expect("an answer")).collect();
    assert_eq!(kinds(&messages), "1tT");
    assert_eq!(messages[1].body, [&b"\0\x01"[..], &20_u32.to_be_bytes()].concat());
    assert_eq!(kinds(&client.exchange(&sync())), "Z");
}

#[test]
fn empty_statements_and_closed_ones() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let empty = [parse(""), bind("", &[]), describe_portal(""), execute("", 0), sync()].concat();
    assert_eq!(kinds(&client.exchange(&empty)), "12nIZ");
    let closed = [message(b'C', b"Snone\0"), message(b'C', b"Pnone\0"), sync()].concat();
    assert_eq!(kinds(&client.exchange(&closed)), "33Z");
}
