//! One client's connection after startup: a state machine over one session.
//!
//! ```text
//! input bytes ──▶ advance() ──▶ output bytes
//!                   │ Idle        next statement of the script, else next message
//!                   │ Sending     rows of a result
//!                   │ CopyingIn   messages are COPY input
//!                   └ CopyingOut  chunks of COPY output
//! ```
//!
//! # Invariants
//!
//! 1. `advance` returns when it needs input or has [`OUTPUT_BYTES_FLUSH`] of output: a result of any size passes
//!    through a bounded buffer, at the pace of the client.
//! 2. Every Query and every Sync is answered by exactly one ReadyForQuery; every error by exactly one ErrorResponse.
//! 3. A statement that commits is answered only after its commit.
//! 4. It does no I/O: the listener reads, writes and decides when.

use super::OUTPUT_BYTES_FLUSH;
use super::backend::{self, Format, Severity};
use super::copy_out::RowSplitter;
use super::extended::Extended;
use super::frame::{self, Frontend, ProtocolError};
use super::parameters::utf8;
use super::rows::RowEncoder;
use bytes::{Bytes, BytesMut};
use headwater_engine::{CopyIn, CopyOut, Execution, RowStream, Runnable, Session, TransactionStatus};
use headwater_types::{Batch, CopyFormat, SqlError, SqlState};

/// Why [`Connection::advance`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is no whole message left.
    NeedInput,
    /// The output should be written before anything more is made.
    OutputFull,
    /// The connection is over, once the output is written.
    Closed,
}

/// A connection's state.
pub struct Connection {
    pub(super) session: Session,
    pub(super) output: BytesMut,
    pub(super) extended: Extended,
    activity: Activity,
    script: Option<Script>,
    mode: Mode,
    /// Another session has ended this one, and the client has been told.
    ended: bool,
}

/// Which protocol the statement at hand came by: it decides what an error ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Simple,
    Extended,
}

/// The statements of one Query message.
struct Script {
    statements: Vec<Runnable>,
    next: usize,
}

impl Script {
    fn is_exhausted(&self) -> bool {
        self.next >= self.statements.len()
    }
}

enum Activity {
    Idle,
    Sending(Sending),
    CopyingIn(Box<CopyIn>),
    CopyingOut(CopyingOut),
}

/// A result on its way.
pub(super) struct Sending {
    rows: RowStream,
    formats: Vec<Format>,
    /// The batch at hand and its first row not yet sent.
    batch: Option<(Batch, usize)>,
    /// Rows sent since the last Execute: what the command tag counts.
    sent: u64,
    /// Where `sent` must stop, and the portal that then waits.
    limit: Option<u64>,
    portal: Option<String>,
}

struct CopyingOut {
    copy: Box<CopyOut>,
    splitter: RowSplitter,
    chunk: Vec<u8>,
}

impl Connection {
    /// A connection whose session has just begun: the output starts with what a client awaits then.
    pub fn new(session: Session, mut output: BytesMut) -> Self {
        for (name, value) in session.reported_parameters() {
            backend::parameter_status(&mut output, &name, &value);
        }
        backend::backend_key_data(&mut output, session.pid(), session.secret());
        backend::ready_for_query(&mut output, TransactionStatus::Idle);
        Self {
            session,
            output,
            extended: Extended::default(),
            activity: Activity::Idle,
            script: None,
            mode: Mode::Simple,
            ended: false,
        }
    }

    /// What is to be written to the client.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Whether there is work without more input.
    pub fn is_busy(&self) -> bool {
        self.script.is_some() || matches!(self.activity, Activity::Sending(_) | Activity::CopyingOut(_))
    }

    /// Tells the client that its connection ends, and why.
    pub fn abandon(&mut self, error: &SqlError) {
        backend::error(&mut self.output, Severity::Fatal, error);
    }

    /// Does what can be done with `input`. May block: in the engine, on locks, disks and views.
    pub fn advance(&mut self, input: &mut BytesMut) -> Progress {
        loop {
            if self.output.len() >= OUTPUT_BYTES_FLUSH {
                return Progress::OutputFull;
            }
            let step = match std::mem::replace(&mut self.activity, Activity::Idle) {
                Activity::Sending(sending) => self.send_rows(sending),
                Activity::CopyingOut(copying) => self.send_copy(copying),
                Activity::CopyingIn(copy) => match frame::next_message(input) {
                    Ok(Some(Frontend::Terminate)) => return Progress::Closed,
                    Ok(Some(message)) => self.copy_message(copy, message),
                    Ok(None) => {
                        self.activity = Activity::CopyingIn(copy);
                        return Progress::NeedInput;
                    }
                    Err(error) => return self.protocol_error(&error),
                },
                Activity::Idle if self.script.is_some() => self.run_next_statement(),
                Activity::Idle => match frame::next_message(input) {
                    Ok(Some(Frontend::Terminate)) => return Progress::Closed,
                    Ok(Some(Frontend::Password(_))) => {
                        return self.protocol_error(&ProtocolError::UnknownType { kind: b'p' });
                    }
                    Ok(Some(message)) => self.message(message),
                    Ok(None) => return Progress::NeedInput,
                    Err(error) => return self.protocol_error(&error),
                },
            };
            if let Err(error) = step {
                self.fail(&error);
                if self.ended {
                    return Progress::Closed;
                }
            }
        }
    }

    fn protocol_error(&mut self, error: &ProtocolError) -> Progress {
        self.abandon(&SqlError::new(SqlState::ProtocolViolation, error.to_string()));
        Progress::Closed
    }

    fn message(&mut self, message: Frontend) -> Result<(), SqlError> {
        if self.extended.skip_until_sync && message != Frontend::Sync {
            return Ok(());
        }
        match message {
            Frontend::Query(text) => {
                self.mode = Mode::Simple;
                self.query(&text)
            }
            Frontend::FunctionCall => {
                self.mode = Mode::Simple;
                Err(SqlError::unsupported("the function call message"))
            }
            // What is left of a COPY that has failed.
            Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail(_) => Ok(()),
            Frontend::Sync => {
                self.sync();
                Ok(())
            }
            message => {
                self.mode = Mode::Extended;
                self.extended_message(message)
            }
        }
    }

    fn query(&mut self, text: &Bytes) -> Result<(), SqlError> {
        self.extended.forget_portal(&mut self.session, "");
        self.session.close_statement("");
        let statements = utf8(text).and_then(|text| self.session.parse(text))?;
        if statements.is_empty() {
            self.session.end_script(true)?;
            backend::empty_query(&mut self.output);
            self.ready();
        } else {
            self.script = Some(Script { statements, next: 0 });
        }
        Ok(())
    }

    fn run_next_statement(&mut self) -> Result<(), SqlError> {
        let Some(script) = &mut self.script else { return Ok(()) };
        let length = script.statements.len();
        let Some(statement) = script.statements.get(script.next) else {
            self.script = None;
            self.ready();
            return Ok(());
        };
        script.next += 1;
        let execution = self.session.execute_simple(statement, length)?;
        self.begin(execution, Vec::new(), None)
    }

    /// Starts to answer an execution. `portal` is the portal executed and its row limit, in the extended protocol.
    pub(super) fn begin(
        &mut self,
        execution: Execution,
        formats: Vec<Format>,
        portal: Option<(String, Option<u64>)>,
    ) -> Result<(), SqlError> {
        match execution {
            Execution::Empty => {
                self.write_notices();
                backend::empty_query(&mut self.output);
            }
            Execution::Command { tag } => self.complete(&tag)?,
            Execution::Rows(rows) => {
                let (portal, limit) = portal.unzip();
                if portal.is_none() {
                    self.write_notices();
                    backend::row_description(&mut self.output, &rows.columns, &formats)?;
                }
                self.resume(Sending { rows, formats, batch: None, sent: 0, limit: limit.flatten(), portal });
            }
            Execution::CopyIn(copy) => {
                self.write_notices();
                backend::copy_in_response(&mut self.output, copy.columns, wire_format(copy.options.format));
                self.activity = Activity::CopyingIn(copy);
            }
            Execution::CopyOut(copy) => {
                self.write_notices();
                backend::copy_out_response(&mut self.output, copy.columns, wire_format(copy.options.format));
                let splitter = RowSplitter::new(copy.options.format);
                self.activity = Activity::CopyingOut(CopyingOut { copy, splitter, chunk: Vec::new() });
            }
        }
        Ok(())
    }

    /// Goes on with a result, from where it stopped.
    pub(super) fn resume(&mut self, sending: Sending) {
        self.activity = Activity::Sending(sending);
    }

    fn send_rows(&mut self, mut sending: Sending) -> Result<(), SqlError> {
        loop {
            if sending.limit.is_some_and(|limit| sending.sent >= limit) {
                backend::portal_suspended(&mut self.output);
                self.extended.suspend(sending);
                return Ok(());
            }
            let (batch, next) = match sending.batch.take() {
                Some(batch) => batch,
                None => match sending.rows.next_batch()? {
                    Some(batch) => (batch, 0),
                    None => return self.finish_rows(sending),
                },
            };
            let next = self.encode_rows(&mut sending, &batch, next);
            if next < batch.rows {
                sending.batch = Some((batch, next));
            }
            if self.output.len() >= OUTPUT_BYTES_FLUSH {
                self.resume(sending);
                return Ok(());
            }
        }
    }

    /// Writes rows of `batch` from `next` until the batch, the limit or the output's space ends; the next row.
    fn encode_rows(&mut self, sending: &mut Sending, batch: &Batch, mut next: usize) -> usize {
        let session = &self.session;
        let reg_name = |kind, oid| session.reg_name(kind, oid);
        let mut encoder =
            RowEncoder::new(batch, &sending.rows.columns, &sending.formats, session.settings(), &reg_name);
        let allowed = sending.limit.map_or(u64::MAX, |limit| limit - sending.sent);
        let start = next;
        let end = batch.rows.min(start.saturating_add(usize::try_from(allowed).unwrap_or(usize::MAX)));
        while next < end && self.output.len() < OUTPUT_BYTES_FLUSH {
            encoder.encode(next, &mut self.output);
            next += 1;
        }
        sending.sent += u64::try_from(next - start).expect("a batch's rows fit 64 bits");
        next
    }

    fn finish_rows(&mut self, sending: Sending) -> Result<(), SqlError> {
        let tag = sending.rows.tag(sending.sent);
        let again = sending.rows.tag(0);
        if let Some(portal) = sending.portal {
            self.extended.finish(&portal, again);
        }
        self.complete(&tag)
    }

    fn send_copy(&mut self, mut copying: CopyingOut) -> Result<(), SqlError> {
        copying.chunk.clear();
        match copying.copy.next_chunk(&mut copying.chunk)? {
            Some(_) => {
                copying.splitter.write(&copying.chunk, &mut self.output);
                self.activity = Activity::CopyingOut(copying);
                Ok(())
            }
            None => {
                copying.splitter.finish(&copying.chunk, &mut self.output);
                backend::copy_done(&mut self.output);
                let tag = copying.copy.tag();
                self.complete(&tag)
            }
        }
    }

    fn copy_message(&mut self, mut copy: Box<CopyIn>, message: Frontend) -> Result<(), SqlError> {
        match message {
            Frontend::CopyData(data) => {
                copy.write(&mut self.session, &data)?;
                self.activity = Activity::CopyingIn(copy);
                Ok(())
            }
            Frontend::CopyDone => {
                let tag = copy.finish(&mut self.session)?;
                self.complete(&tag)
            }
            Frontend::CopyFail(reason) => {
                let reason = String::from_utf8_lossy(&reason);
                Err(copy.fail(&mut self.session, &reason))
            }
            // Clients that pipeline send these with the statement, before they know that it is a COPY.
            Frontend::Flush | Frontend::Sync => {
                self.activity = Activity::CopyingIn(copy);
                Ok(())
            }
            _ => {
                let mut error = copy.fail(&mut self.session, "unexpected message");
                error.state = SqlState::ProtocolViolation;
                error.message = "unexpected message type during COPY from stdin".to_owned();
                Err(error)
            }
        }
    }

    /// A statement has done its work. The last one of a script is answered after the script's commit.
    fn complete(&mut self, tag: &str) -> Result<(), SqlError> {
        if self.mode == Mode::Simple && self.script.as_ref().is_some_and(Script::is_exhausted) {
            self.session.end_script(true)?;
        }
        self.write_notices();
        backend::command_complete(&mut self.output, tag);
        Ok(())
    }

    /// A statement has failed: what it belongs to ends with it.
    fn fail(&mut self, error: &SqlError) {
        self.activity = Activity::Idle;
        self.script = None;
        let ended = self.session.end_script(false);
        self.write_notices();
        if error.state == SqlState::AdminShutdown {
            self.ended = true;
            return self.abandon(error);
        }
        backend::error(&mut self.output, Severity::Error, error);
        if let Err(second) = ended {
            backend::notice(&mut self.output, "WARNING", &second);
        }
        match self.mode {
            Mode::Simple => self.ready(),
            Mode::Extended => self.extended.skip_until_sync = true,
        }
    }

    fn sync(&mut self) {
        if !std::mem::take(&mut self.extended.skip_until_sync)
            && let Err(error) = self.session.end_script(true)
        {
            backend::error(&mut self.output, Severity::Error, &error);
        }
        self.write_notices();
        self.ready();
    }

    fn ready(&mut self) {
        for (name, value) in self.session.take_parameter_changes() {
            backend::parameter_status(&mut self.output, &name, &value);
        }
        self.extended.forget_ended_portals(&mut self.session);
        backend::ready_for_query(&mut self.output, self.session.transaction_status());
    }

    pub(super) fn write_notices(&mut self) {
        for notice in self.session.take_notices() {
            backend::notice(&mut self.output, notice.severity, &notice.error);
        }
    }
}

impl Sending {
    /// The portal this result belongs to.
    pub(super) fn portal(&self) -> Option<&str> {
        self.portal.as_deref()
    }

    /// Allows `limit` more rows, or all.
    pub(super) fn allow(&mut self, limit: Option<u64>) {
        self.sent = 0;
        self.limit = limit;
    }
}

fn wire_format(format: CopyFormat) -> Format {
    match format {
        CopyFormat::Binary => Format::Binary,
        CopyFormat::Text | CopyFormat::Csv => Format::Text,
    }
}
