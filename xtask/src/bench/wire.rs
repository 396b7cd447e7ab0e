//! A blocking client of PostgreSQL's protocol that costs next to nothing beside the server it measures.
//!
//! Messages are rendered before the clock runs ([`query_message`], [`execute_message`], [`copy_frame`]); while it runs,
//! the client writes bytes and reads until the server is ready. No runtime, no task switch between sending and reading.

use super::report::count;
use crate::TaskError;
use bytes::{Buf, Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{
    COPY_DATA_TAG, DATA_ROW_TAG, DataRowBody, ERROR_RESPONSE_TAG, ErrorResponseBody, Header, Message,
    READY_FOR_QUERY_TAG,
};
use postgres_protocol::message::frontend;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// What one read from the socket takes at most.
const READ_BYTES_MAX: usize = 64 * 1024;

/// Where a server is, and who asks.
#[derive(Clone, Debug)]
pub struct Address {
    /// Its port on this machine.
    pub port: u16,
    /// The user's name.
    pub user: &'static str,
    /// The database's name.
    pub database: &'static str,
}

/// A row's values as text.
pub type Row = Vec<Option<String>>;

/// A connection.
pub struct Client {
    stream: TcpStream,
    input: BytesMut,
    chunk: Vec<u8>,
}

/// What a statement answered, by count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drained {
    /// Rows, or pieces of COPY data.
    pub rows: u64,
    /// With the messages' frames.
    pub bytes: u64,
}

/// What a statement answered.
#[derive(Default)]
struct Answer {
    rows: Vec<DataRowBody>,
    copied: BytesMut,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The server does not accept.
    pub fn connect(address: &Address) -> Result<Self, TaskError> {
        let stream = TcpStream::connect(("127.0.0.1", address.port)).map_err(socket)?;
        stream.set_nodelay(true).map_err(socket)?;
        let mut client = Self { stream, input: BytesMut::new(), chunk: vec![0; READ_BYTES_MAX] };
        let mut output = BytesMut::new();
        let parameters = [("user", address.user), ("database", address.database), ("client_encoding", "UTF8")];
        frontend::startup_message(parameters, &mut output).map_err(socket)?;
        client.send(&output)?;
        Ok(client)
    }

    /// Runs statements by the simple protocol, for their effect.
    ///
    /// # Errors
    ///
    /// One of them fails.
    pub fn run(&mut self, sql: &str) -> Result<(), TaskError> {
        self.send(&query_message(sql)).map(drop)
    }

    /// Runs a query by the simple protocol.
    ///
    /// # Errors
    ///
    /// It fails.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Row>, TaskError> {
        self.write(&query_message(sql))?;
        self.finish()?.rows.iter().map(row).collect()
    }

    /// Runs a query of one row.
    ///
    /// # Errors
    ///
    /// It fails, or has no row.
    pub fn query_row(&mut self, sql: &str) -> Result<Row, TaskError> {
        self.query(sql)?.pop().ok_or_else(|| TaskError::Answer(format!("no row from {sql}")))
    }

    /// Runs a query of one whole number; NULL and no row count as 0.
    ///
    /// # Errors
    ///
    /// It fails, or the answer is no whole number.
    pub fn number(&mut self, sql: &str) -> Result<u64, TaskError> {
        self.answer(&query_message(sql))
    }

    /// As [`Client::number`], of a message rendered before.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn answer(&mut self, message: &[u8]) -> Result<u64, TaskError> {
        self.write(message)?;
        let answer = self.finish()?.rows.pop().map(|body| row(&body)).transpose()?;
        let answer = answer.and_then(|row| row.into_iter().next().flatten()).unwrap_or_else(|| "0".to_owned());
        answer.parse().map_err(|_| TaskError::Answer(format!("a number was expected, not {answer:?}")))
    }

    /// Sends messages that end in one Query or Sync, and waits for their end. The number of rows that came.
    ///
    /// # Errors
    ///
    /// A statement fails.
    pub fn send(&mut self, messages: &[u8]) -> Result<usize, TaskError> {
        self.write(messages)?;
        Ok(self.finish()?.rows.len())
    }

    /// Prepares a statement under a name.
    ///
    /// # Errors
    ///
    /// It does not parse.
    pub fn prepare(&mut self, name: &str, sql: &str) -> Result<(), TaskError> {
        let mut output = BytesMut::new();
        frontend::parse(name, sql, [], &mut output).map_err(socket)?;
        frontend::sync(&mut output);
        self.send(&output).map(drop)
    }

    /// Sends messages that end in one Query or Sync, and counts the answer without keeping it.
    ///
    /// # Errors
    ///
    /// A statement fails.
    pub fn drain(&mut self, messages: &[u8]) -> Result<Drained, TaskError> {
        self.write(messages)?;
        let mut drained = Drained::default();
        loop {
            while let Some(header) = Header::parse(&self.input).map_err(socket)? {
                let length = usize::try_from(header.len()).unwrap_or(0) + 1;
                if self.input.len() < length {
                    break;
                }
                match header.tag() {
                    DATA_ROW_TAG | COPY_DATA_TAG => {
                        drained.rows += 1;
                        drained.bytes += count(length);
                        self.input.advance(length);
                    }
                    ERROR_RESPONSE_TAG | READY_FOR_QUERY_TAG => return self.finish().map(|_| drained),
                    _ => self.input.advance(length),
                }
            }
            self.fill()?;
        }
    }

    /// COPY FROM STDIN of frames made by [`copy_frame`].
    ///
    /// # Errors
    ///
    /// The statement or a row fails.
    pub fn copy_in(&mut self, statement: &str, frames: &[Bytes]) -> Result<(), TaskError> {
        self.write(&query_message(statement))?;
        loop {
            match self.receive()? {
                Message::CopyInResponse(_) => break,
                Message::ErrorResponse(body) => return Err(refused(&body)),
                _ => {}
            }
        }
        for frame in frames {
            self.write(frame)?;
        }
        let mut output = BytesMut::new();
        frontend::copy_done(&mut output);
        self.write(&output)?;
        self.finish().map(drop)
    }

    /// What COPY TO STDOUT writes.
    ///
    /// # Errors
    ///
    /// The statement fails.
    pub fn copy_out(&mut self, statement: &str) -> Result<Bytes, TaskError> {
        self.write(&query_message(statement))?;
        Ok(self.finish()?.copied.freeze())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TaskError> {
        self.stream.write_all(bytes).map_err(socket)
    }

    /// Reads until the server is ready for the next statement.
    fn finish(&mut self) -> Result<Answer, TaskError> {
        let mut answer = Answer::default();
        let mut error = None;
        loop {
            match self.receive()? {
                Message::DataRow(body) => answer.rows.push(body),
                Message::CopyData(body) => answer.copied.extend_from_slice(body.data()),
                Message::ErrorResponse(body) => error = error.or(Some(refused(&body))),
                Message::ReadyForQuery(_) => return error.map_or(Ok(answer), Err),
                _ => {}
            }
        }
    }

    fn receive(&mut self) -> Result<Message, TaskError> {
        loop {
            if let Some(message) = Message::parse(&mut self.input).map_err(socket)? {
                return Ok(message);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), TaskError> {
        let read = self.stream.read(&mut self.chunk).map_err(socket)?;
        if read == 0 {
            return Err(TaskError::Answer("the server closed the connection".into()));
        }
        self.input.extend_from_slice(&self.chunk[..read]);
        Ok(())
    }
}

/// A simple query.
pub fn query_message(sql: &str) -> Bytes {
    let mut output = BytesMut::with_capacity(sql.len() + 6);
    frontend::query(sql, &mut output).expect("no statement here holds a NUL");
    output.freeze()
}

/// Bind, Execute and Sync of a prepared statement with parameters as text, for an answer in text or in binary.
pub fn execute_message(name: &str, parameters: &[&str], binary: bool) -> Bytes {
    let mut output = BytesMut::new();
    let put = |value: &&str, buffer: &mut BytesMut| {
        buffer.extend_from_slice(value.as_bytes());
        Ok(IsNull::No)
    };
    let bound = frontend::bind("", name, [], parameters, put, [i16::from(binary)], &mut output);
    assert!(bound.is_ok(), "no parameter here holds a NUL");
    frontend::execute("", 0, &mut output).expect("the portal's name is empty");
    frontend::sync(&mut output);
    output.freeze()
}

/// A piece of COPY data, ready to send.
pub fn copy_frame(data: &[u8]) -> Bytes {
    let mut output = BytesMut::with_capacity(data.len() + 5);
    frontend::CopyData::new(data).expect("a piece is far below 2 GiB").write(&mut output);
    output.freeze()
}

fn row(body: &DataRowBody) -> Result<Row, TaskError> {
    let text = |range: Option<std::ops::Range<usize>>| {
        Ok(range.map(|range| String::from_utf8_lossy(&body.buffer()[range]).into_owned()))
    };
    body.ranges().map(text).collect().map_err(socket)
}

fn refused(body: &ErrorResponseBody) -> TaskError {
    let message = body.fields().find(|field| Ok(field.type_() == b'M')).ok().flatten();
    let message = message.map(|field| String::from_utf8_lossy(field.value_bytes()).into_owned());
    TaskError::Answer(format!("the server: {}", message.unwrap_or_default()))
}

fn socket(source: io::Error) -> TaskError {
    TaskError::Io { what: "the connection to the server".into(), source }
}
