//! The first packet: encryption requests, cancel requests, and the parameters of a session.

use bytes::{Buf, Bytes, BytesMut};
use headwater_types::{SqlError, SqlState};

/// The longest first packet, as in PostgreSQL.
const STARTUP_PACKET_BYTES_MAX: usize = 10_000;

const PROTOCOL_MAJOR: u16 = 3;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_ENCRYPTION_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// A packet without a type byte, as a connection begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum StartupPacket {
    /// The client would like TLS or GSS encryption; the answer is one byte.
    EncryptionRequest,
    /// The client wants another session's statement canceled.
    Cancel { pid: i32, secret: i32 },
    /// The client wants a session.
    Startup(StartupParameters),
}

/// What a client says of the session it wants.
#[derive(Debug, PartialEq, Eq)]
pub struct StartupParameters {
    /// The role.
    pub user: String,
    /// The database; the role's name if not given.
    pub database: String,
    /// Settings, those of `options` first.
    pub settings: Vec<(String, String)>,
    /// The protocol's minor version to answer with, and the `_pq_.` options not known, if either is not as asked.
    pub negotiate: Option<(i32, Vec<String>)>,
}

/// Takes a startup packet off `input`; `None` if it has not all arrived.
///
/// # Errors
///
/// 08P01 or 28000, fatal to the connection.
pub fn next_packet(input: &mut BytesMut) -> Result<Option<StartupPacket>, SqlError> {
    let Some(length) = input.get(..4) else { return Ok(None) };
    let length = u32::from_be_bytes(length.try_into().expect("four bytes were taken"));
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if !(8..=STARTUP_PACKET_BYTES_MAX).contains(&length) {
        return Err(violation("invalid length of startup packet"));
    }
    if input.len() < length {
        return Ok(None);
    }
    let mut body = input.split_to(length).freeze();
    body.advance(4);
    let code = body.get_u32();
    match code {
        SSL_REQUEST | GSS_ENCRYPTION_REQUEST => Ok(Some(StartupPacket::EncryptionRequest)),
        CANCEL_REQUEST => {
            let mut field = || body.try_get_i32().map_err(|_| violation("invalid length of cancel request packet"));
            Ok(Some(StartupPacket::Cancel { pid: field()?, secret: field()? }))
        }
        version => startup(version, body).map(|parameters| Some(StartupPacket::Startup(parameters))),
    }
}

fn violation(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::ProtocolViolation, message)
}

fn startup(version: u32, mut body: Bytes) -> Result<StartupParameters, SqlError> {
    let [major, minor] = [version >> 16, version & 0xffff];
    if major != u32::from(PROTOCOL_MAJOR) {
        return Err(SqlError::new(
            SqlState::FeatureNotSupported,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2"),
        ));
    }
    // 3.1 was never released; 3.2 adds only longer cancel keys, which a server need not use.
    let served = match minor {
        0 | 2 => minor,
        1 => 0,
        _ => 2,
    };
    let mut user = None;
    let mut database = None;
    let mut options = Vec::new();
    let mut settings = Vec::new();
    let mut unknown = Vec::new();
    loop {
        let name = text(&mut body)?;
        if name.is_empty() {
            break;
        }
        let value = text(&mut body)?;
        match name.as_str() {
            "user" => user = Some(value),
            "database" => database = Some(value),
            "options" => options = command_line_settings(&value)?,
            "replication" => match value.as_str() {
                "false" | "off" | "no" | "0" => {}
                _ => return Err(SqlError::unsupported("the replication protocol")),
            },
            _ if name.starts_with("_pq_.") => unknown.push(name),
            _ => settings.push((name, value)),
        }
    }
    if !body.is_empty() {
        return Err(violation("invalid startup packet layout: expected terminator as last byte"));
    }
    let user = user.filter(|user| !user.is_empty()).ok_or_else(|| {
        SqlError::new(
            SqlState::InvalidAuthorizationSpecification,
            "no PostgreSQL user name specified in startup packet",
        )
    })?;
    let database = database.filter(|database| !database.is_empty()).unwrap_or_else(|| user.clone());
    options.extend(settings);
    let negotiate = (served != minor || !unknown.is_empty()).then(|| {
        let version = (u32::from(PROTOCOL_MAJOR) << 16) | served;
        (version.cast_signed(), unknown)
    });
    Ok(StartupParameters { user, database, settings: options, negotiate })
}

fn text(body: &mut Bytes) -> Result<String, SqlError> {
    let end = body
        .iter()
        .position(|&byte| byte == 0)
        .ok_or_else(|| violation("invalid startup packet layout: expected terminator as last byte"))?;
    let text = body.split_to(end);
    body.advance(1);
    super::parameters::utf8(&text).map(str::to_owned)
}

/// Settings from `options`, as a PostgreSQL server's command line has them: `-c name=value`, `-cname=value`,
/// `--name=value`; a backslash keeps a blank from separating.
fn command_line_settings(options: &str) -> Result<Vec<(String, String)>, SqlError> {
    let mut words = words(options).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let assignment = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(assignment), _) => Some(assignment.to_owned()),
            (None, Some("")) => words.next(),
            (None, Some(assignment)) => Some(assignment.to_owned()),
            (None, None) => None,
        };
        let Some((name, value)) = assignment.as_deref().and_then(|assignment| assignment.split_once('=')) else {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                format!("invalid command-line argument for server process: {word}"),
            ));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            blank if blank.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(code: u32, body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::new();
        bytes.extend_from_slice(&u32::try_from(body.len() + 8).expect("short").to_be_bytes());
        bytes.extend_from_slice(&code.to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn a_session_is_asked_for_with_its_settings() {
        let mut input =
            packet(0x0003_0000, b"user\0root\0database\0dev\0options\0-c a=1 --b-c=x\\ y -cd=2\0TimeZone\0UTC\0\0");
        let Ok(Some(StartupPacket::Startup(startup))) = next_packet(&mut input) else { panic!("a startup packet") };
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("root", "dev"));
        let settings: Vec<_> = startup.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(settings, [("a", "1"), ("b_c", "x y"), ("d", "2"), ("TimeZone", "UTC")]);
        assert_eq!(startup.negotiate, None);
    }

    #[test]
    fn newer_protocols_are_talked_down() {
        for (version, served) in
            [(0x0003_0003, Some(0x0003_0002)), (0x0003_0001, Some(0x0003_0000)), (0x0003_0002, None)]
        {
            let Ok(Some(StartupPacket::Startup(startup))) = next_packet(&mut packet(version, b"user\0root\0\0")) else {
                panic!("a startup packet")
            };
            assert_eq!(startup.negotiate.map(|(version, _)| version), served);
            assert_eq!(startup.database, "root");
        }
        let error = next_packet(&mut packet(0x0002_0000, b"\0")).expect_err("protocol 2 is gone");
        assert_eq!(error.state, SqlState::FeatureNotSupported);
    }

    #[test]
    fn what_is_not_a_startup_packet_is_refused() {
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\x04", b"\xff\xff\xff\xff\0\0\0\0"] {
            assert!(next_packet(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
        }
        assert!(next_packet(&mut packet(0x0003_0000, b"user\0root")).is_err());
        assert!(next_packet(&mut packet(0x0003_0000, b"\0")).is_err());
        assert!(next_packet(&mut packet(CANCEL_REQUEST, b"\0\0\0\x01")).is_err());
        assert_eq!(next_packet(&mut BytesMut::from(&b"\0\0\0"[..])), Ok(None));
    }
}
