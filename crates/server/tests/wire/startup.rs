//! How sessions begin, and how they are refused.

use crate::client::{Client, Message};
use crate::server::Server;

fn parameter(messages: &[Message], name: &str) -> Option<String> {
    messages.iter().filter(|message| message.kind == 'S').find_map(|message| {
        let mut parts = message.body.split(|&byte| byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
        (parts.next()? == name).then(|| parts.next())?
    })
}

#[test]
fn encryption_is_declined_and_the_session_begins() {
    let server = Server::start();
    let mut client = Client::open(&server);
    for request in [80_877_104, 80_877_103] {
        client.startup(request, b"");
        assert_eq!(client.byte(), b'N');
    }
    client.startup(0x0003_0000, b"user\0postgres\0database\0dev\0application_name\0tests\0\0");
    let messages = client.until_ready();
    assert_eq!(messages[0], Message { kind: 'R', body: vec![0; 4] });
    assert!(parameter(&messages, "server_version").is_some_and(|version| version.starts_with("15.")));
    assert_eq!(parameter(&messages, "client_encoding").as_deref(), Some("UTF8"));
    assert_eq!(parameter(&messages, "standard_conforming_strings").as_deref(), Some("on"));
    assert_eq!(parameter(&messages, "integer_datetimes").as_deref(), Some("on"));
    assert_eq!(parameter(&messages, "application_name").as_deref(), Some("tests"));
    assert!(messages.iter().any(|message| message.kind == 'K' && message.body.len() == 8));
}

#[test]
fn settings_come_with_the_startup_packet() {
    let server = Server::start();
    let mut client = Client::open(&server);
    client.startup(
        0x0003_0000,
        b"user\0root\0database\0dev\0TimeZone\0Asia/Kolkata\0options\0-c extra_float_digits=0\0\0",
    );
    let messages = client.until_ready();
    assert_eq!(parameter(&messages, "TimeZone").as_deref(), Some("Asia/Kolkata"));
    assert_eq!(client.value("SHOW extra_float_digits").as_deref(), Some("0"));
}

#[test]
fn strangers_are_told_why() {
    let server = Server::start();
    let cases: [(&[u8], &str, &str); 3] = [
        (b"user\0nobody\0database\0dev\0\0", "28000", "role \"nobody\" does not exist"),
        (b"user\0root\0database\0prod\0\0", "3D000", "database \"prod\" does not exist"),
        (b"database\0dev\0\0", "28000", "no PostgreSQL user name specified in startup packet"),
    ];
    for (body, code, text) in cases {
        let mut client = Client::open(&server);
        client.startup(0x0003_0000, body);
        let messages = client.until_ready();
        let error = messages.iter().find(|message| message.kind == 'E').expect("an error");
        assert_eq!(error.error(), (code.to_owned(), text.to_owned()));
        assert_eq!(error.field(b'S').as_deref(), Some("FATAL"));
        assert_eq!(client.next(), None);
    }
}

#[test]
fn a_newer_protocol_is_talked_down() {
    let server = Server::start();
    let mut client = Client::open(&server);
    client.startup(0x0003_270f, b"user\0root\0database\0dev\0_pq_.novelty\0on\0\0");
    let messages = client.until_ready();
    let negotiate = messages.iter().find(|message| message.kind == 'v').expect("an offer");
    assert_eq!(negotiate.body[..8], [0, 3, 0, 2, 0, 0, 0, 1]);
    assert!(negotiate.body.ends_with(b"_pq_.novelty\0"));
    assert_eq!(client.value("SELECT 1").as_deref(), Some("1"));
}

#[test]
fn a_password_is_asked_for_where_one_is_set() {
    let server = Server::start_with(&[], &[("HEADWATER_PASSWORD", "sesame öffne dich")]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let connect = |password: &'static str| {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(server.address().port()).user("root").dbname("dev").password(password);
        runtime.block_on(async move {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            client.query_one("SELECT 1", &[]).await.map(|row| row.get::<_, i32>(0))
        })
    };
    assert_eq!(connect("sesame öffne dich").expect("the right password"), 1);
    let error = connect("wrong").expect_err("the wrong password");
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("28P01"));
}
