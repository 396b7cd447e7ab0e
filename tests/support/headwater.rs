//! Headwater in this process.

use super::{Answer, Failure};
use headwater_engine::{
    Config, ConnectOptions, Database, Execution, RowStream, Session, StatementKind, TransactionStatus,
};
use headwater_types::{DataType, Datum, SqlError, datum_to_text};

/// A database in a temporary directory, gone with this value.
pub struct Home {
    directory: tempfile::TempDir,
    pub database: Database,
    workers: usize,
}

impl Home {
    pub fn new(workers: usize) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = open(&directory, workers);
        Self { directory, database, workers }
    }

    /// Stops the database and starts it again from its files.
    #[allow(dead_code, reason = "the logic tests do not restart")]
    pub fn restart(&mut self) {
        self.database.shutdown();
        self.database = open(&self.directory, self.workers);
    }

    pub fn connect(&self) -> Local {
        let options =
            ConnectOptions { user: "root".to_owned(), database: "dev".to_owned(), ..ConnectOptions::default() };
        Local { session: self.database.connect(options).expect("root can connect") }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.database.shutdown();
    }
}

fn open(directory: &tempfile::TempDir, workers: usize) -> Database {
    let config = Config { data_dir: directory.path().join("data"), workers, ..Config::default() };
    Database::open(config).expect("the database opens")
}

/// A session.
pub struct Local {
    pub session: Session,
}

impl Local {
    /// Runs a script by the simple protocol's rules; the answer is that of its last statement.
    pub fn run(&mut self, sql: &str) -> Result<Answer, Failure> {
        let result = self.statements(sql);
        let ended = self.session.end_script(result.is_ok());
        let answer = result.map_err(failure)?;
        ended.map_err(failure)?;
        Ok(answer)
    }

    /// As [`Local::run`]. What changes nothing is answered once more by the plan that was kept, and once by a plan of its
    /// own: the same, errors' places included.
    #[allow(dead_code, reason = "the random tests make each query once")]
    pub fn run_with_and_without_kept_plans(&mut self, sql: &str) -> Result<Answer, Failure> {
        let idle = self.session.transaction_status() == TransactionStatus::Idle;
        let answer = self.run(sql);
        if idle && self.changes_nothing(sql, answer.is_err()) {
            for kept in [true, false] {
                self.session.share_plans(kept);
                assert_eq!(sorted(self.run(sql)), sorted(answer.clone()), "with kept plans: {kept}\n{sql}");
            }
            self.session.share_plans(true);
        }
        answer
    }

    /// Whether a script is one statement that can be run again to the same end.
    fn changes_nothing(&mut self, sql: &str, failed: bool) -> bool {
        const DIFFERS: [&str; 7] = ["now", "random", "clock", "current_", "pg_", "uuid", "set_config"];
        let text = sql.to_ascii_lowercase();
        let again = match self.session.parse(sql).as_deref() {
            Ok([statement]) => match statement.kind() {
                StatementKind::Select => true,
                StatementKind::Update | StatementKind::Delete => failed,
                _ => false,
            },
            _ => false,
        };
        again && !DIFFERS.iter().any(|word| text.contains(word))
    }

    fn statements(&mut self, sql: &str) -> Result<Answer, SqlError> {
        let statements = self.session.parse(sql)?;
        let mut answer = Answer::Done(0);
        for statement in &statements {
            answer = match self.session.execute_simple(statement, statements.len())? {
                Execution::Rows(rows) => {
                    let types = rows.columns.iter().map(|column| letter(&column.data_type)).collect();
                    let values = drain(rows)?;
                    let rows = values.iter().map(|row| row.iter().map(|(v, t)| self.text(v, t)).collect()).collect();
                    Answer::Rows { types, rows }
                }
                Execution::Command { tag } => {
                    Answer::Done(tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
                }
                Execution::Empty => Answer::Done(0),
                Execution::CopyIn(_) | Execution::CopyOut(_) => return Err(SqlError::unsupported("COPY in this test")),
            };
        }
        Ok(answer)
    }

    /// The values that a query answers.
    #[allow(dead_code, reason = "the logic tests look at text only")]
    pub fn values(&mut self, sql: &str) -> Result<Vec<Vec<Datum>>, SqlError> {
        let statements = self.session.parse(sql)?;
        let [statement] = &statements[..] else { return Err(SqlError::internal("one query, please")) };
        let Execution::Rows(rows) = self.session.execute_simple(statement, 1)? else {
            return Err(SqlError::internal("not a query"));
        };
        Ok(drain(rows)?.into_iter().map(|row| row.into_iter().map(|(value, _)| value).collect()).collect())
    }

    /// A value as a client sees it.
    pub fn text(&self, value: &Datum, data_type: &DataType) -> Option<String> {
        if value.is_null() {
            return None;
        }
        let name = match (value, data_type) {
            (Datum::Oid(oid), DataType::Reg(kind)) => self.session.reg_name(*kind, *oid),
            _ => None,
        };
        Some(name.unwrap_or_else(|| datum_to_text(value, data_type, self.session.settings())))
    }
}

/// An answer whose rows are in an order of their own.
fn sorted(answer: Result<Answer, Failure>) -> Result<Answer, Failure> {
    answer.map(|answer| match answer {
        Answer::Rows { types, mut rows } => {
            rows.sort();
            Answer::Rows { types, rows }
        }
        done => done,
    })
}

/// All the values of an answer, with their types.
fn drain(mut rows: RowStream) -> Result<Vec<Vec<(Datum, DataType)>>, SqlError> {
    let types: Vec<DataType> = rows.columns.iter().map(|column| column.data_type.clone()).collect();
    let mut all = vec![];
    while let Some(batch) = rows.next_batch()? {
        all.extend((0..batch.rows).map(|i| batch.row(i, &types).into_iter().zip(types.iter().cloned()).collect()));
    }
    Ok(all)
}

fn letter(data_type: &DataType) -> char {
    match &*data_type.internal_name() {
        "int2" | "int4" | "int8" => 'I',
        "float4" | "float8" | "numeric" => 'R',
        "text" | "varchar" | "bpchar" | "name" => 'T',
        _ => '?',
    }
}

/// An error as a client sees it.
pub fn failure(error: SqlError) -> Failure {
    Failure { sqlstate: error.state.code().to_owned(), message: error.message, position: error.position }
}
