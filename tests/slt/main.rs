//! The SQL logic tests: each file on Headwater; those in `pg/`, whose meaning is PostgreSQL's, on PostgreSQL too.
//!
//! Each file has a database of its own. `HEADWATER_UPDATE_SLT=1` writes what was answered into the files: into `pg/`
//! what PostgreSQL answers, never what Headwater does.

mod errors;
#[path = "../support/mod.rs"]
mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use sqllogictest::{AsyncDB, DB, DBOutput, DefaultColumnType, MakeConnection, Normalizer, Record, Runner};
use std::future::ready;
use std::path::{Path, PathBuf};
use support::headwater::{Home, Local};
use support::postgres::{Postgres, Session};
use support::{Answer, Failure};

const UPDATE: &str = "HEADWATER_UPDATE_SLT";

fn main() {
    let mut trials = vec![Trial::test("errors on headwater", errors::on_headwater)];
    for path in files("pg") {
        let name = format!("pg/{} on headwater", stem(&path));
        if std::env::var_os(UPDATE).is_none() {
            trials.push(Trial::test(name, move || on_headwater(&path)));
        }
    }
    for path in files("headwater") {
        trials.push(Trial::test(format!("headwater/{}", stem(&path)), move || on_headwater(&path)));
    }
    // One test, as each starts a server where tests have a process of their own.
    trials.push(Trial::test("pg on postgresql", on_postgres));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The `.slt` files of a directory, sorted.
fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/slt").join(directory);
    let entries = std::fs::read_dir(directory).expect("the tests are there").flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "slt")).collect();
    files.sort();
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("names are ASCII")
}

fn on_headwater(path: &Path) -> Result<(), Failed> {
    let home = Home::new(1);
    run(path, Runner::new(|| ready(Ok(home.connect()))))
}

fn on_postgres() -> Result<(), Failed> {
    let Some(postgres) = Postgres::start() else { return Ok(()) };
    let runs = files("pg").into_iter().map(|path| {
        let database = format!("headwater_{}", stem(&path));
        postgres.create(&database);
        run(&path, Runner::new(|| ready(Ok(postgres.connect(&database)))))
            .map_err(|failed| format!("{}: {}", path.display(), failed.message().unwrap_or_default()))
    });
    let failures: Vec<String> = runs.filter_map(Result::err).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// Runs a file to its end; all failures together are its failure.
fn run<D, M>(path: &Path, mut runner: Runner<D, M>) -> Result<(), Failed>
where
    D: AsyncDB<ColumnType = DefaultColumnType>,
    M: MakeConnection<Conn = D>,
{
    runner.with_validator(rows_are);
    runner.with_column_validator(types_are);
    if std::env::var_os(UPDATE).is_some() {
        let update =
            runner.update_test_file(path, SEPARATOR, rows_are, as_it_is, sqllogictest::strict_column_validator);
        return futures::executor::block_on(update).map_err(|error| error.to_string().into());
    }
    let records: Vec<Record<DefaultColumnType>> = sqllogictest::parse_file(path)?;
    let failures: Vec<String> = records
        .into_iter()
        .filter_map(|record| runner.run(record).err())
        .map(|error| error.display(false).to_string())
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(format!("{} failed\n{}", failures.len(), failures.join("\n")).into()) }
}

/// Between the values of a row.
const SEPARATOR: &str = "|";

#[expect(clippy::ptr_arg, reason = "the runner's type of function")]
fn as_it_is(value: &String) -> String {
    value.clone()
}

/// To the letter: spaces count.
fn rows_are(_: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    actual.iter().map(|row| row.join(SEPARATOR)).eq(expected.iter().cloned())
}

/// `?` stands for any type.
#[expect(clippy::ptr_arg, reason = "the runner's type of function")]
fn types_are(actual: &Vec<DefaultColumnType>, expected: &Vec<DefaultColumnType>) -> bool {
    let any = DefaultColumnType::Any;
    actual.len() == expected.len() && actual.iter().zip(expected).all(|(a, e)| *e == any || a == e)
}

/// An answer as the files write it.
fn output(answer: Answer) -> DBOutput<DefaultColumnType> {
    match answer {
        Answer::Done(count) => DBOutput::StatementComplete(count),
        Answer::Rows { types, rows } => {
            let column_type = |letter| match letter {
                'I' => DefaultColumnType::Integer,
                'R' => DefaultColumnType::FloatingPoint,
                'T' => DefaultColumnType::Text,
                _ => DefaultColumnType::Any,
            };
            let types = types.chars().map(column_type).collect();
            DBOutput::Rows { types, rows: rows.into_iter().map(|row| row.into_iter().map(shown).collect()).collect() }
        }
    }
}

fn shown(value: Option<String>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(text) if text.is_empty() => "(empty)".to_owned(),
        Some(text) => text.replace('\n', "\\n"),
    }
}

impl DB for Local {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        self.run_with_and_without_kept_plans(sql).map(output)
    }

    fn engine_name(&self) -> &str {
        "headwater"
    }

    fn error_sql_state(error: &Failure) -> Option<String> {
        Some(error.sqlstate.clone())
    }
}

impl DB for Session {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        Session::run(self, sql).map(output)
    }

    fn engine_name(&self) -> &str {
        "postgresql"
    }

    fn error_sql_state(error: &Failure) -> Option<String> {
        Some(error.sqlstate.clone())
    }
}
