//! COPY over the wire.

use crate::client::{Client, bind, execute, kinds, message, parse, sync};
use crate::server::Server;

fn table(server: &Server) -> Client {
    let mut client = Client::connect(server);
    client.rows("CREATE TABLE t (a int PRIMARY KEY, b text)");
    client
}

#[test]
fn data_may_be_cut_anywhere() {
    let server = Server::start();
    let mut client = table(&server);
    client.send(&message(b'Q', b"COPY t FROM STDIN; SELECT count(*) FROM t\0"));
    assert_eq!(client.next().expect("an answer").kind, 'G');
    for byte in b"1\tone\n2\t\\N\n3\ttab\\there\n" {
        client.send(&message(b'd', &[*byte]));
    }
    let messages = client.exchange(&message(b'c', b""));
    assert_eq!(kinds(&messages), "CTDCZ");
    assert_eq!(messages[0].text(), "COPY 3");
    assert_eq!(messages[2].values(), [Some("3".to_owned())]);
    assert_eq!(client.value("SELECT b FROM t WHERE a = 3").as_deref(), Some("tab\there"));
}

#[test]
fn a_bad_row_undoes_the_copy_and_the_rest_is_ignored() {
    let server = Server::start();
    let mut client = table(&server);
    client.send(&message(b'Q', b"COPY t FROM STDIN\0"));
    client.send(&message(b'd', b"1\tone\nx\ttwo\n"));
    client.send(&message(b'd', b"3\tthree\n"));
    client.send(&message(b'c', b""));
    let messages = client.until_ready();
    let error = messages.iter().find(|message| message.kind == 'E').expect("an error");
    assert_eq!(error.error(), ("22P02".into(), "invalid input syntax for type integer: \"x\"".into()));
    assert_eq!(error.field(b'W').as_deref(), Some("COPY t, line 2, column a: \"x\""));
    assert_eq!(client.value("SELECT count(*) FROM t").as_deref(), Some("0"));
}

#[test]
fn a_client_may_give_up() {
    let server = Server::start();
    let mut client = table(&server);
    client.send(&message(b'Q', b"COPY t FROM STDIN\0"));
    client.send(&message(b'd', b"1\tone\n"));
    let messages = client.exchange(&message(b'f', b"no more\0"));
    let error = messages.iter().find(|message| message.kind == 'E').expect("an error");
    assert_eq!(error.error(), ("57014".into(), "COPY from stdin failed: no more".into()));
    assert_eq!(client.value("SELECT count(*) FROM t").as_deref(), Some("0"));
}

#[test]
fn copy_works_in_the_extended_protocol_with_an_early_sync() {
    let server = Server::start();
    let mut client = table(&server);
    client.send(&[parse("COPY t FROM STDIN"), bind("", &[]), execute("", 0), sync()].concat());
    let messages: Vec<_> = (0..3).map(|_| client.next().expect("an answer")).collect();
    assert_eq!(kinds(&messages), "12G");
    client.send(&message(b'd', b"1\tone\n"));
    let messages = client.exchange(&[message(b'c', b""), sync()].concat());
    assert_eq!(kinds(&messages), "CZ");
    assert_eq!(client.value("SELECT count(*) FROM t").as_deref(), Some("1"));
}

#[test]
fn output_is_a_message_per_row() {
    let server = Server::start();
    let mut client = table(&server);
    client.rows("INSERT INTO t VALUES (1, 'a\nb'), (2, NULL)");
    let messages = client.query("COPY (SELECT * FROM t ORDER BY a) TO STDOUT");
    assert_eq!(kinds(&messages), "HddcCZ");
    assert_eq!(messages[1].body, b"1\ta\\nb\n");
    assert_eq!(messages[2].body, b"2\t\\N\n");
    assert_eq!(messages[4].text(), "COPY 2");
    let messages = client.query("COPY (SELECT * FROM t ORDER BY a) TO STDOUT (FORMAT csv)");
    assert_eq!(kinds(&messages), "HddcCZ");
    assert_eq!(messages[1].body, b"1,\"a\nb\"\n");
}
