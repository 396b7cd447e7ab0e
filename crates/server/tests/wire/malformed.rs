//! Bytes that are not the protocol: they cost their connection, and nothing else.

use crate::client::{Client, bind, kinds, message, parse, sync};
use crate::server::Server;

#[test]
fn a_malformed_message_ends_its_connection_only() {
    let server = Server::start();
    let mut bystander = Client::connect(&server);
    let cases: [(&str, Vec<u8>); 11] = [
        ("unknown type", message(b'?', b"")),
        ("length below the header", b"Q\0\0\0\x03".to_vec()),
        ("negative length", b"Q\xff\xff\xff\xff".to_vec()),
        ("more than 1 GiB", b"Q\x7f\xff\xff\xff".to_vec()),
        ("a long Sync", b"S\0\x10\0\0".to_vec()),
        ("no terminator", message(b'Q', b"select 1")),
        ("bytes after the terminator", message(b'Q', b"select 1\0select 2\0")),
        ("a Bind that ends early", message(b'B', b"\0\0\0\x01")),
        ("65535 parameters, none there", message(b'P', b"\0select 1\0\xff\xff")),
        ("a parameter of -2 bytes", message(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0")),
        ("a password, uncalled for", message(b'p', b"x\0")),
    ];
    for (name, bytes) in cases {
        let mut client = Client::connect(&server);
        let messages = client.exchange(&bytes);
        assert_eq!(kinds(&messages), "E", "{name}");
        assert_eq!(messages[0].error().0, "08P01", "{name}");
        assert_eq!(messages[0].field(b'S').as_deref(), Some("FATAL"), "{name}");
        assert_eq!(client.next(), None, "{name}");
        assert_eq!(bystander.value("SELECT 1").as_deref(), Some("1"), "{name}");
    }
}

#[test]
fn what_is_not_a_client_is_sent_away() {
    let server = Server::start();
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\0\0\0\x04", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"]
    {
        let mut client = Client::open(&server);
        client.send(bytes);
        let messages = client.until_ready();
        assert_eq!(kinds(&messages), "E");
        assert_eq!(messages[0].error().0, "08P01");
    }
    // Half a packet and then nothing: the server waits, and serves the others.
    let mut silent = Client::open(&server);
    silent.send(b"\0\0");
    assert_eq!(Client::connect(&server).value("SELECT 1").as_deref(), Some("1"));
}

#[test]
fn invalid_utf8_is_an_error_of_the_statement() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let messages = client.exchange(&message(b'Q', b"select '\xff'\0"));
    assert_eq!(kinds(&messages), "EZ");
    assert_eq!(messages[0].error(), ("22021".into(), "invalid byte sequence for encoding \"UTF8\": 0xff".into()));

    let unsynced = [message(b'P', b"\0select '\xc3('\0\0\0"), sync()].concat();
    let messages = client.exchange(&unsynced);
    assert_eq!(kinds(&messages), "EZ");
    assert_eq!(messages[0].error().1, "invalid byte sequence for encoding \"UTF8\": 0xc3 0x28");

    let mut bound = bind("", &["xx"]);
    let at = bound.windows(2).position(|pair| pair == b"xx").expect("the parameter");
    bound[at] = 0xff;
    let messages = client.exchange(&[parse("select $1::text"), bound, sync()].concat());
    assert_eq!(kinds(&messages), "1EZ");
    assert_eq!(messages[1].error().0, "22021");
    assert_eq!(client.value("SELECT 'still here'").as_deref(), Some("still here"));
}

#[test]
fn input_beyond_reason_is_refused_and_the_session_goes_on() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let nested = format!("SELECT {}1{}", "(".repeat(30_000), ")".repeat(30_000));
    assert_eq!(client.failure(&nested).0, "54001");
    assert_eq!(client.failure("SELECT 'abc").0, "42601");
    let long = "x".repeat(100 << 20);
    assert_eq!(client.value(&format!("SELECT length('{long}')")).as_deref(), Some("104857600"));
    assert_eq!(client.value("SELECT 1").as_deref(), Some("1"));
}
