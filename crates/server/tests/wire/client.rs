//! A client that sends bytes and sees messages.

use crate::server::Server;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A server that does not answer for this long has hung.
const ANSWER_SECONDS_MAX: u64 = 60;

/// A connection.
pub struct Client(TcpStream);

/// A message from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type byte.
    pub kind: char,
    /// What follows the length.
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an ErrorResponse or NoticeResponse.
    pub fn field(&self, kind: u8) -> Option<String> {
        let fields = self.body.split(|&byte| byte == 0).filter(|field| !field.is_empty());
        fields
            .into_iter()
            .find(|field| field[0] == kind)
            .map(|field| String::from_utf8(field[1..].to_vec()).expect("text"))
    }

    /// SQLSTATE and message of an error.
    pub fn error(&self) -> (String, String) {
        (self.field(b'C').unwrap_or_default(), self.field(b'M').unwrap_or_default())
    }

    /// The values of a DataRow, as text.
    pub fn values(&self) -> Vec<Option<String>> {
        assert_eq!(self.kind, 'D', "{self:?}");
        let mut rest = &self.body[2..];
        let mut values = Vec::new();
        while !rest.is_empty() {
            let length = i32::from_be_bytes(rest[..4].try_into().expect("four bytes"));
            rest = &rest[4..];
            let Ok(length) = usize::try_from(length) else {
                values.push(None);
                continue;
            };
            values.push(Some(String::from_utf8_lossy(&rest[..length]).into_owned()));
            rest = &rest[length..];
        }
        values
    }

    /// The body up to its first NUL.
    pub fn text(&self) -> String {
        let end = self.body.iter().position(|&byte| byte == 0).unwrap_or(self.body.len());
        String::from_utf8_lossy(&self.body[..end]).into_owned()
    }
}

/// A frontend message.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(body.len() + 4).expect("short").to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Parse of the unnamed statement.
pub fn parse(sql: &str) -> Vec<u8> {
    message(b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat())
}

/// Bind of the unnamed statement to a portal, with text parameters.
pub fn bind(portal: &str, parameters: &[&str]) -> Vec<u8> {
    let mut body = [portal.as_bytes(), b"\0\0\0\0"].concat();
    body.extend(u16::try_from(parameters.len()).expect("few").to_be_bytes());
    for parameter in parameters {
        body.extend(u32::try_from(parameter.len()).expect("short").to_be_bytes());
        body.extend(parameter.as_bytes());
    }
    body.extend(b"\0\0");
    message(b'B', &body)
}

/// Execute of a portal.
pub fn execute(portal: &str, rows_max: i32) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), b"\0", &rows_max.to_be_bytes()].concat())
}

/// Describe of a portal.
pub fn describe_portal(portal: &str) -> Vec<u8> {
    message(b'D', &[b"P", portal.as_bytes(), b"\0"].concat())
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

impl Client {
    /// A socket, nothing sent.
    pub fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).expect("the server accepts");
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX))).expect("a timeout can be set");
        stream.set_nodelay(true).expect("an option can be set");
        Self(stream)
    }

    /// A session of root in dev.
    pub fn connect(server: &Server) -> Self {
        let mut client = Self::open(server);
        client.startup(0x0003_0000, b"user\0root\0database\0dev\0\0");
        let messages = client.until_ready();
        assert_eq!(messages.last().map(|message| message.body.clone()), Some(b"I".to_vec()), "{messages:?}");
        client
    }

    /// Sends a startup packet.
    pub fn startup(&mut self, code: u32, body: &[u8]) {
        let mut packet = u32::try_from(body.len() + 8).expect("short").to_be_bytes().to_vec();
        packet.extend(code.to_be_bytes());
        packet.extend(body);
        self.send(&packet);
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server reads");
    }

    /// The next byte, outside any message.
    pub fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).expect("a byte");
        byte[0]
    }

    /// The next message; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<Message> {
        let mut header = [0; 5];
        match self.0.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("no answer: {error}"),
        }
        let length = u32::from_be_bytes(header[1..].try_into().expect("four bytes"));
        let mut body = vec![0; usize::try_from(length).expect("a length") - 4];
        self.0.read_exact(&mut body).expect("the rest of the message");
        Some(Message { kind: header[0].into(), body })
    }

    /// All messages up to ReadyForQuery, or the end of the stream.
    pub fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next() {
            messages.push(message);
            if messages.last().is_some_and(|message| message.kind == 'Z') {
                break;
            }
        }
        messages
    }

    /// Sends bytes; the messages up to ReadyForQuery.
    pub fn exchange(&mut self, bytes: &[u8]) -> Vec<Message> {
        self.send(bytes);
        self.until_ready()
    }

    /// Sends a Query; its messages.
    pub fn query(&mut self, sql: &str) -> Vec<Message> {
        self.exchange(&message(b'Q', &[sql.as_bytes(), b"\0"].concat()))
    }

    /// Runs a Query that must succeed; its rows.
    pub fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let messages = self.query(sql);
        if let Some(error) = messages.iter().find(|message| message.kind == 'E') {
            panic!("{sql}: {:?}", error.error());
        }
        messages.iter().filter(|message| message.kind == 'D').map(Message::values).collect()
    }

    /// The single value of a Query.
    pub fn value(&mut self, sql: &str) -> Option<String> {
        let rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql}");
        rows[0][0].clone()
    }

    /// SQLSTATE and message of a Query that must fail.
    pub fn failure(&mut self, sql: &str) -> (String, String) {
        let messages = self.query(sql);
        let error = messages.iter().find(|message| message.kind == 'E');
        error.unwrap_or_else(|| panic!("{sql} succeeded")).error()
    }
}

/// The kinds of messages, as a string.
pub fn kinds(messages: &[Message]) -> String {
    messages.iter().map(|message| message.kind).collect()
}
