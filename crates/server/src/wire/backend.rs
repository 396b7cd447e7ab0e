//! Backend messages, written into an output buffer.

use bytes::{BufMut, BytesMut};
use headwater_engine::{ColumnDescription, TransactionStatus};
use headwater_types::{DataType, SqlError, SqlState};
use pgwire::messages::Message;
use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::{EmptyQueryResponse, ErrorResponse, NoticeResponse};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey};

/// Columns of a result, as in PostgreSQL.
pub const RESULT_COLUMNS_MAX: usize = 1664;

/// How a value travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As text.
    Text,
    /// In the type's binary form.
    Binary,
}

impl Format {
    /// From the code of the protocol, which the frame decoder has checked.
    pub fn from_code(code: i16) -> Self {
        if code == 0 { Self::Text } else { Self::Binary }
    }

    fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// How bad an error is: what the client is told of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
}

fn put(output: &mut BytesMut, message: &impl Message) {
    message.encode(output).expect("messages built here are within the protocol's sizes");
}

/// Writes a message whose body `body` writes: for those whose size a user decides.
pub fn framed(output: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    output.put_u8(kind);
    let start = output.len();
    output.put_u32(0);
    body(output);
    let length = u32::try_from(output.len() - start).expect("one message is far below 4 GiB");
    output[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn put_text(output: &mut BytesMut, text: &str) {
    // A NUL would end the string early; no PostgreSQL text can hold one.
    output.extend(text.bytes().filter(|&byte| byte != 0));
    output.put_u8(0);
}

/// AuthenticationOk, or a step of SASL.
pub fn authentication(output: &mut BytesMut, message: &Authentication) {
    put(output, message);
}

/// Tells the client which protocol it will get.
pub fn negotiate_protocol_version(output: &mut BytesMut, version: i32, unknown_options: Vec<String>) {
    put(output, &NegotiateProtocolVersion::new(version, unknown_options));
}

/// The key with which another connection can cancel this one's statement.
pub fn backend_key_data(output: &mut BytesMut, pid: i32, secret: i32) {
    put(output, &BackendKeyData::new(pid, SecretKey::I32(secret)));
}

/// A setting's value.
pub fn parameter_status(output: &mut BytesMut, name: &str, value: &str) {
    framed(output, b'S', |output| {
        put_text(output, name);
        put_text(output, value);
    });
}

/// Ready for the next statement.
pub fn ready_for_query(output: &mut BytesMut, status: TransactionStatus) {
    let status = match status {
        TransactionStatus::Idle => b'I',
        TransactionStatus::InTransaction => b'T',
        TransactionStatus::Failed => b'E',
    };
    framed(output, b'Z', |output| output.put_u8(status));
}

/// Parse has succeeded.
pub fn parse_complete(output: &mut BytesMut) {
    put(output, &ParseComplete::new());
}

/// Bind has succeeded.
pub fn bind_complete(output: &mut BytesMut) {
    put(output, &BindComplete::new());
}

/// Close has succeeded.
pub fn close_complete(output: &mut BytesMut) {
    put(output, &CloseComplete::new());
}

/// A portal's row limit was reached.
pub fn portal_suspended(output: &mut BytesMut) {
    put(output, &PortalSuspended::new());
}

/// The statement returns no rows.
pub fn no_data(output: &mut BytesMut) {
    put(output, &NoData::new());
}

/// There was no statement.
pub fn empty_query(output: &mut BytesMut) {
    put(output, &EmptyQueryResponse::new());
}

/// A statement has succeeded.
pub fn command_complete(output: &mut BytesMut, tag: &str) {
    framed(output, b'C', |output| put_text(output, tag));
}

/// The end of COPY output.
pub fn copy_done(output: &mut BytesMut) {
    put(output, &CopyDone::new());
}

/// The server awaits COPY input.
pub fn copy_in_response(output: &mut BytesMut, columns: usize, format: Format) {
    let (overall, columns, formats) = copy_formats(columns, format);
    put(output, &CopyInResponse::new(overall, columns, formats));
}

/// COPY output follows.
pub fn copy_out_response(output: &mut BytesMut, columns: usize, format: Format) {
    let (overall, columns, formats) = copy_formats(columns, format);
    put(output, &CopyOutResponse::new(overall, columns, formats));
}

fn copy_formats(columns: usize, format: Format) -> (i8, i16, Vec<i16>) {
    let overall = match format {
        Format::Text => 0,
        Format::Binary => 1,
    };
    (overall, i16::try_from(columns).expect("a table has at most 1600 columns"), vec![format.code(); columns])
}

/// The types of a statement's parameters.
pub fn parameter_description(output: &mut BytesMut, types: &[DataType]) {
    put(output, &ParameterDescription::new(types.iter().map(DataType::oid).collect()));
}

/// The columns of a result. `formats` has one entry per column, or none for text.
///
/// # Errors
///
/// 54011: more columns than the protocol can count.
pub fn row_description(
    output: &mut BytesMut,
    columns: &[ColumnDescription],
    formats: &[Format],
) -> Result<(), SqlError> {
    if columns.len() > RESULT_COLUMNS_MAX {
        return Err(SqlError::new(
            SqlState::TooManyColumns,
            format!("target lists can have at most {RESULT_COLUMNS_MAX} entries"),
        ));
    }
    let count = u16::try_from(columns.len()).expect("it was checked");
    framed(output, b'T', |output| {
        output.put_u16(count);
        for (index, column) in columns.iter().enumerate() {
            let (table, attribute) = column.table.unwrap_or((0, 0));
            put_text(output, &column.name);
            output.put_u32(table);
            output.put_i16(attribute);
            output.put_u32(column.data_type.oid());
            output.put_i16(type_size(&column.data_type));
            output.put_i32(column.data_type.typmod());
            output.put_i16(formats.get(index).copied().unwrap_or(Format::Text).code());
        }
    });
    Ok(())
}

/// `pg_type.typlen`: bytes of a value, −1 where they vary, −2 for a C string.
fn type_size(data_type: &DataType) -> i16 {
    match data_type {
        DataType::Bool | DataType::InternalChar => 1,
        DataType::Int2 => 2,
        DataType::Int4
        | DataType::Float4
        | DataType::Date
        | DataType::Oid
        | DataType::Xid
        | DataType::Reg(_)
        | DataType::Void => 4,
        DataType::Int8 | DataType::Float8 | DataType::Time | DataType::Timestamp | DataType::Timestamptz => 8,
        DataType::Interval | DataType::Uuid => 16,
        DataType::Name => 64,
        DataType::Unknown => -2,
        DataType::Numeric(_)
        | DataType::Text
        | DataType::Varchar(_)
        | DataType::Char(_)
        | DataType::Bytea
        | DataType::Json
        | DataType::Jsonb
        | DataType::Int2Vector
        | DataType::OidVector
        | DataType::PgNodeTree
        | DataType::AclItem
        | DataType::AnyArray
        | DataType::Array(_) => -1,
    }
}

/// A statement, or the connection, has failed.
pub fn error(output: &mut BytesMut, severity: Severity, error: &SqlError) {
    let severity = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    put(output, &ErrorResponse::new(fields(severity, error)));
}

/// Something the client should know.
pub fn notice(output: &mut BytesMut, severity: &str, notice: &SqlError) {
    put(output, &NoticeResponse::new(fields(severity, notice)));
}

/// The protocol's fields: S and V severity, C code, M message, D detail, H hint, P position, W context, s t c d n names.
fn fields(severity: &str, error: &SqlError) -> Vec<(u8, String)> {
    let mut fields = vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', error.state.code().to_owned()),
        (b'M', error.message.clone()),
    ];
    let mut optional = |kind: u8, value: &Option<String>| {
        if let Some(value) = value {
            fields.push((kind, value.clone()));
        }
    };
    optional(b'D', &error.detail);
    optional(b'H', &error.hint);
    optional(b'P', &error.position.map(|position| position.to_string()));
    optional(b'W', &error.context);
    if let Some(object) = &error.object {
        optional(b's', &object.schema);
        optional(b't', &object.table);
        optional(b'c', &object.column);
        optional(b'd', &object.data_type);
        optional(b'n', &object.constraint);
    }
    for (_, value) in &mut fields {
        // A NUL would end the field early, and the client would lose the rest of the message.
        value.retain(|character| character != '\0');
    }
    fields
}
