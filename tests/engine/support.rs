//! A database in a temporary place, and sessions that speak text.

use headwater_engine::{Config, ConnectOptions, Database, Execution, Session};
use headwater_storage::{OsVfs, Vfs};
use headwater_types::{SqlError, datum_to_text};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A database's files and how to open them.
pub struct Home {
    pub vfs: Arc<dyn Vfs>,
    pub path: PathBuf,
    _directory: Option<tempfile::TempDir>,
    pub workers: usize,
}

impl Home {
    /// On the real file system.
    pub fn on_disk() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { vfs: Arc::new(OsVfs), path: directory.path().join("data"), _directory: Some(directory), workers: 1 }
    }

    /// On this file system.
    pub fn on(vfs: Arc<dyn Vfs>) -> Self {
        Self { vfs, path: Path::new("/data").to_owned(), _directory: None, workers: 1 }
    }

    pub fn open(&self) -> Database {
        self.try_open().expect("the database opens")
    }

    pub fn try_open(&self) -> Result<Database, headwater_engine::OpenError> {
        let config = Config { data_dir: self.path.clone(), workers: self.workers, ..Config::default() };
        Database::open_on(self.vfs.clone(), config)
    }
}

/// A session of `root` on `dev`.
pub fn connect(database: &Database) -> Session {
    let options = ConnectOptions { user: "root".to_owned(), database: "dev".to_owned(), ..ConnectOptions::default() };
    database.connect(options).expect("root can connect")
}

/// Runs a script; the rows of its last statement that has rows, as text (`NULL` for NULL).
pub fn try_run(session: &mut Session, sql: &str) -> Result<Vec<Vec<String>>, SqlError> {
    let result = run_statements(session, sql);
    let ended = session.end_script(result.is_ok());
    result.and_then(|rows| ended.map(|()| rows))
}

fn run_statements(session: &mut Session, sql: &str) -> Result<Vec<Vec<String>>, SqlError> {
    let statements = session.parse(sql)?;
    let mut answer = vec![];
    for statement in &statements {
        match session.execute_simple(statement, statements.len())? {
            Execution::Rows(mut rows) => {
                answer.clear();
                let types: Vec<_> = rows.columns.iter().map(|column| column.data_type.clone()).collect();
                while let Some(batch) = rows.next_batch()? {
                    for i in 0..batch.rows {
                        let row = batch.row(i, &types);
                        let text = row.iter().zip(&types).map(|(value, data_type)| {
                            if value.is_null() {
                                "NULL".to_owned()
                            } else {
                                datum_to_text(value, data_type, session.settings())
                            }
                        });
                        answer.push(text.collect());
                    }
                }
            }
            Execution::CopyIn(_) | Execution::CopyOut(_) => panic!("COPY is not for this helper"),
            Execution::Empty | Execution::Command { .. } => {}
        }
    }
    Ok(answer)
}

/// [`try_run`] of what must work.
pub fn run(session: &mut Session, sql: &str) -> Vec<Vec<String>> {
    try_run(session, sql).unwrap_or_else(|error| panic!("{sql}\n{} {error}", error.state.code()))
}

/// The rows, sorted: relations have no order.
pub fn sorted(session: &mut Session, sql: &str) -> Vec<Vec<String>> {
    let mut rows = run(session, sql);
    rows.sort();
    rows
}

/// One line a row, for short expectations.
pub fn lines(session: &mut Session, sql: &str) -> Vec<String> {
    run(session, sql).into_iter().map(|row| row.join("|")).collect()
}

/// The SQLSTATE of what must fail.
pub fn state_of(session: &mut Session, sql: &str) -> &'static str {
    match try_run(session, sql) {
        Ok(rows) => panic!("{sql}\nanswered {rows:?}"),
        Err(error) => error.state.code(),
    }
}
