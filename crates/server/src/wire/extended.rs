//! The extended protocol: Parse, Bind, Describe, Execute, Close.
//!
//! The session keeps statements and portals; kept here is only what the wire adds to a portal: the formats of its
//! columns, and its rows between two Executes.

use super::backend::{self, Format};
use super::connection::{Connection, Sending};
use super::frame::{Bind, Frontend, Target};
use super::parameters::{self, utf8};
use bytes::Bytes;
use headwater_engine::{Session, TransactionStatus};
use headwater_types::{SqlError, TextContext};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// A connection's state of the extended protocol.
#[derive(Default)]
pub(super) struct Extended {
    /// A message has failed: all others are ignored until Sync.
    pub(super) skip_until_sync: bool,
    portals: HashMap<String, Portal>,
}

struct Portal {
    format_codes: Vec<i16>,
    rows: PortalRows,
}

enum PortalRows {
    /// Never executed.
    NotStarted,
    /// Its row limit was reached.
    Suspended(Box<Sending>),
    /// All rows were sent; the tag of executing it again, for no rows.
    Finished { tag: String },
}

impl Extended {
    /// Keeps a result until its portal is executed again.
    pub(super) fn suspend(&mut self, sending: Sending) {
        if let Some(portal) = sending.portal().and_then(|name| self.portals.get_mut(name)) {
            portal.rows = PortalRows::Suspended(Box::new(sending));
        }
    }

    /// A portal's rows are all sent.
    pub(super) fn finish(&mut self, portal: &str, tag: String) {
        if let Some(portal) = self.portals.get_mut(portal) {
            portal.rows = PortalRows::Finished { tag };
        }
    }

    /// Closes a portal, here and in the session.
    pub(super) fn forget_portal(&mut self, session: &mut Session, name: &str) {
        self.portals.remove(name);
        session.close_portal(name);
    }

    /// Portals end with their transaction, and those never executed with the transaction they never began.
    pub(super) fn forget_ended_portals(&mut self, session: &mut Session) {
        if session.transaction_status() == TransactionStatus::Idle {
            for (name, _) in self.portals.drain() {
                session.close_portal(&name);
            }
        } else {
            self.portals.retain(|name, _| session.portal_exists(name));
        }
    }
}

impl Connection {
    pub(super) fn extended_message(&mut self, message: Frontend) -> Result<(), SqlError> {
        match message {
            Frontend::Parse { name, query, parameter_oids } => self.parse(&name, &query, &parameter_oids),
            Frontend::Bind(bind) => self.bind(&bind),
            Frontend::Describe { target: Target::Statement, name } => self.describe_statement(&name),
            Frontend::Describe { target: Target::Portal, name } => self.describe_portal(&name),
            Frontend::Execute { portal, rows_max } => self.execute(&portal, rows_max),
            Frontend::Close { target, name } => {
                let name = utf8(&name)?;
                match target {
                    Target::Statement => self.session.close_statement(name),
                    Target::Portal => self.extended.forget_portal(&mut self.session, name),
                }
                backend::close_complete(&mut self.output);
                Ok(())
            }
            // Whatever has been said is written as soon as no message is waiting.
            _ => Ok(()),
        }
    }

    fn parse(&mut self, name: &Bytes, query: &Bytes, parameter_oids: &[u32]) -> Result<(), SqlError> {
        self.session.prepare(utf8(name)?, utf8(query)?, parameter_oids)?;
        self.write_notices();
        backend::parse_complete(&mut self.output);
        Ok(())
    }

    fn bind(&mut self, bind: &Bind) -> Result<(), SqlError> {
        let (portal, statement) = (utf8(&bind.portal)?, utf8(&bind.statement)?);
        let description = self.session.describe_statement(statement)?;
        let context = TextContext { settings: self.session.settings(), now_micros: now_micros() };
        let values = parameters::decode(bind, &description.parameter_types, &context)?;
        let columns = description.columns.as_ref().map_or(0, |columns| columns.len());
        result_formats(&bind.result_formats, columns)?;
        self.session.bind(portal, statement, values)?;
        let format_codes = bind.result_formats.clone();
        self.extended.portals.insert(portal.to_owned(), Portal { format_codes, rows: PortalRows::NotStarted });
        backend::bind_complete(&mut self.output);
        Ok(())
    }

    fn describe_statement(&mut self, name: &Bytes) -> Result<(), SqlError> {
        let description = self.session.describe_statement(utf8(name)?)?;
        backend::parameter_description(&mut self.output, &description.parameter_types);
        match &description.columns {
            Some(columns) => backend::row_description(&mut self.output, columns, &[])?,
            None => backend::no_data(&mut self.output),
        }
        Ok(())
    }

    fn describe_portal(&mut self, name: &Bytes) -> Result<(), SqlError> {
        let name = utf8(name)?;
        match self.session.describe_portal(name)? {
            Some(columns) => {
                let formats = self.portal_formats(name, columns.len())?;
                backend::row_description(&mut self.output, &columns, &formats)?;
            }
            None => backend::no_data(&mut self.output),
        }
        Ok(())
    }

    fn execute(&mut self, portal: &Bytes, rows_max: i32) -> Result<(), SqlError> {
        let name = utf8(portal)?;
        let limit = u64::try_from(rows_max).ok().filter(|&limit| limit > 0);
        let failed = self.session.transaction_status() == TransactionStatus::Failed;
        if !failed && let Some(portal) = self.extended.portals.get_mut(name) {
            match std::mem::replace(&mut portal.rows, PortalRows::NotStarted) {
                PortalRows::NotStarted => {}
                PortalRows::Suspended(mut sending) => {
                    sending.allow(limit);
                    self.resume(*sending);
                    return Ok(());
                }
                PortalRows::Finished { tag } => {
                    backend::command_complete(&mut self.output, &tag);
                    portal.rows = PortalRows::Finished { tag };
                    return Ok(());
                }
            }
        }
        let execution = self.session.execute_portal(name)?;
        let formats = match &execution {
            headwater_engine::Execution::Rows(rows) => self.portal_formats(name, rows.columns.len())?,
            _ => Vec::new(),
        };
        self.begin(execution, formats, Some((name.to_owned(), limit)))
    }

    fn portal_formats(&self, name: &str, columns: usize) -> Result<Vec<Format>, SqlError> {
        let codes = self.extended.portals.get(name).map_or(&[][..], |portal| &portal.format_codes);
        result_formats(codes, columns)
    }
}

fn result_formats(codes: &[i16], columns: usize) -> Result<Vec<Format>, SqlError> {
    if columns == 0 && !codes.is_empty() {
        // A statement without rows has no use for formats, and drivers send them all the same.
        return Ok(Vec::new());
    }
    parameters::formats(codes, columns, || {
        format!("bind message has {} result formats but query has {columns} columns", codes.len())
    })
}

/// Microseconds since 1970, for `'now'` and `'today'` in a parameter.
fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::SqlState;

    #[test]
    fn result_formats_must_match_the_columns() {
        assert_eq!(result_formats(&[1], 3), Ok(vec![Format::Binary; 3]));
        assert_eq!(result_formats(&[1, 1], 0), Ok(vec![]));
        let error = result_formats(&[1, 0], 3).expect_err("two for three");
        assert_eq!(error.state, SqlState::ProtocolViolation);
        assert_eq!(error.message, "bind message has 2 result formats but query has 3 columns");
    }
}
