//! Runs each case in every way and compares.

use crate::changes::Change;
use crate::corpus;
use crate::support::headwater::{Home, Local};
use crate::support::postgres::{self, Postgres};
use crate::support::{Answer, Failure};
use headwater_catalog::{Catalog, RelationRef};
use headwater_expr::EvalContext;
use headwater_sql::{BindContext, BoundStatement, bind, parse_script};
use headwater_types::{Datum, RelationId, SqlError};
use std::collections::HashMap;

type Rows = Vec<Vec<Option<String>>>;
type Outcome = Result<Rows, Failure>;

/// Digits that an inexact value of PostgreSQL's and of ours have in common.
const DIGITS: usize = 12;
/// Differences that a message shows.
const DIFFERENCES_MAX: usize = 6;
/// A time for `now()`, which no case looks at.
const NOW_MICROS: i64 = 1_700_000_000_000_000;

/// A query.
pub struct Case {
    sql: String,
    /// What PostgreSQL is asked: it has no TUMBLE.
    postgres: String,
    /// Its columns' types, by a letter each.
    types: String,
}

impl Case {
    pub fn new(sql: &str) -> Self {
        let postgres = corpus::WINDOWS.iter().fold(sql.to_owned(), |sql, (ours, theirs)| sql.replace(ours, theirs));
        Self { sql: sql.to_owned(), postgres, types: String::new() }
    }
}

/// Headwater, and PostgreSQL where there is one, with the same tables.
pub struct Databases {
    home: Home,
    local: Local,
    postgres: Option<(postgres::Session, Postgres)>,
    /// A transaction is open.
    in_block: bool,
}

impl Databases {
    pub fn new(workers: usize, definitions: &str, postgres_definitions: &str) -> Self {
        let home = Home::new(workers);
        let mut local = home.connect();
        run(&mut local, definitions);
        let postgres = Postgres::start().map(|postgres| {
            // Tests of one process may share a server.
            let database = format!("headwater_{}_{:?}", std::process::id(), std::thread::current().id());
            postgres.create(&database);
            let mut session = postgres.connect(&database);
            for sql in [definitions, postgres_definitions] {
                run_postgres(&mut session, sql);
            }
            (session, postgres)
        });
        Self { home, local, postgres, in_block: false }
    }

    /// Whether the case is a query: that a random one is not says something about the generator or the binder.
    pub fn accept(&mut self, case: &Case, seed: u64) -> bool {
        let ours = self.local.run(&case.sql);
        let Some((session, _)) = &mut self.postgres else { return ours.is_ok() };
        let theirs = session.run(&case.postgres);
        match (ours, theirs) {
            (Ok(_), Ok(_)) => true,
            (Err(ours), Err(theirs)) if ours.sqlstate == theirs.sqlstate => false,
            (ours, theirs) => {
                panic!("seed {seed}: over empty tables\n{}\nours {ours:?}\nPostgreSQL's {theirs:?}", case.sql)
            }
        }
    }

    /// A materialized view for each case.
    pub fn make_views(&mut self, prefix: &str, cases: &[Case]) {
        for (i, case) in cases.iter().enumerate() {
            // The columns get names, as those of a view must differ.
            let columns = case_columns(&mut self.local, &case.sql);
            run(&mut self.local, &format!("CREATE MATERIALIZED VIEW {prefix}_{i} ({columns}) AS {}", case.sql));
            run(&mut self.local, &format!("CREATE VIEW plain_{prefix}_{i} AS SELECT * FROM {prefix}_{i}"));
            let over = format!("CREATE MATERIALIZED VIEW over_{prefix}_{i} AS SELECT * FROM plain_{prefix}_{i}");
            run(&mut self.local, &over);
        }
    }

    /// Applies changes, as one transaction.
    pub fn change(&mut self, changes: &[Change]) {
        let script = |text: fn(&Change) -> &str| changes.iter().map(text).collect::<Vec<_>>().join(";\n");
        run(&mut self.local, &script(|change| &change.headwater));
        if let Some((session, _)) = &mut self.postgres {
            let sql = script(|change| &change.postgres);
            run_postgres(session, &sql);
        }
    }

    /// Applies changes in a transaction, which must see them, and takes them back.
    pub fn undo(&mut self, changes: &[Change], cases: &mut [Case], seed: u64) {
        self.both("BEGIN");
        self.change(changes);
        self.in_block = true;
        self.check(cases, seed, &format!("in the transaction of {changes:#?}"));
        self.in_block = false;
        self.both("ROLLBACK");
    }

    fn both(&mut self, sql: &str) {
        let sql = sql.to_owned();
        self.change(&[Change { headwater: sql.clone(), postgres: sql }]);
    }

    /// An answer of ours; in a transaction that lives on if it is an error.
    fn ask(&mut self, sql: &str) -> Result<Answer, Failure> {
        if !self.in_block {
            return self.local.run(sql);
        }
        run(&mut self.local, "SAVEPOINT s");
        self.local.run(sql).inspect_err(|_| run(&mut self.local, "ROLLBACK TO s"))
    }

    /// An answer of PostgreSQL's.
    fn ask_postgres(&mut self, sql: &str) -> Option<Result<Answer, Failure>> {
        let (session, _) = self.postgres.as_mut()?;
        if !self.in_block {
            return Some(session.run(sql));
        }
        run_postgres(session, "SAVEPOINT s");
        let answer = session.run(sql);
        if answer.is_err() {
            run_postgres(session, "ROLLBACK TO s");
        }
        Some(answer)
    }

    pub fn restart(&mut self) {
        self.home.restart();
        self.local = self.home.connect();
    }

    /// Every case, every way.
    pub fn check(&mut self, cases: &mut [Case], seed: u64, when: &str) {
        let catalog = self.home.database.catalog();
        let stored = stored(&mut self.local, &catalog);
        let mut differences = vec![];
        for (i, case) in cases.iter_mut().enumerate() {
            let select = outcome(self.ask(&case.sql), &mut case.types);
            let mut compare = |way: &str, theirs: Outcome, is_same: bool| {
                if !is_same {
                    differences.push(format!("{way} of {}\n{}", case.sql, difference(&select, &theirs)));
                }
            };
            for prefix in ["before", "after", "over_before", "over_after"] {
                let view = outcome(self.ask(&format!("SELECT * FROM {prefix}_{i}")), &mut String::new());
                let same = select == view;
                compare(&format!("the view {prefix}_{i}"), view, same);
            }
            let oracle = oracle(&self.local, &catalog, &stored, &case.sql);
            // The interpreter meets errors of rows that do not count.
            let same = oracle.is_err() || select == oracle;
            compare("the interpretation", oracle, same);
            if let Some(theirs) = self.ask_postgres(&case.postgres) {
                let theirs = outcome(theirs, &mut String::new());
                let same = match (&select, &theirs) {
                    (Ok(ours), Ok(theirs)) => rounded(ours, &case.types) == rounded(theirs, &case.types),
                    (Err(ours), Err(theirs)) => ours.sqlstate == theirs.sqlstate,
                    _ => false,
                };
                compare("PostgreSQL's answer", theirs, same);
            }
        }
        let count = differences.len();
        differences.truncate(DIFFERENCES_MAX);
        assert!(count == 0, "seed {seed}: {count} differences {when}\n{}", differences.join("\n\n"));
    }
}

fn run_postgres(session: &mut postgres::Session, sql: &str) {
    session.run(sql).unwrap_or_else(|failure| panic!("PostgreSQL: {failure}\n{sql}"));
}

fn run(local: &mut Local, sql: &str) {
    local.run(sql).unwrap_or_else(|failure| panic!("{failure}\n{sql}"));
}

/// `c0, c1, …` for the columns of a query.
fn case_columns(local: &mut Local, sql: &str) -> String {
    let types = match local.run(sql) {
        Ok(Answer::Rows { types, .. }) => types,
        other => panic!("{other:?}\n{sql}"),
    };
    (0..types.len()).map(|i| format!("c{i}")).collect::<Vec<_>>().join(", ")
}

fn outcome(answer: Result<Answer, Failure>, types_out: &mut String) -> Outcome {
    match answer? {
        Answer::Done(_) => Ok(vec![]),
        Answer::Rows { types, mut rows } => {
            rows.sort();
            *types_out = types;
            Ok(rows)
        }
    }
}

/// The rows, inexact values to so many digits only: PostgreSQL divides numerics to another scale.
fn rounded(rows: &Rows, types: &str) -> Rows {
    let value = |(text, letter): (&Option<String>, char)| {
        let number = text.as_ref().filter(|_| letter == 'R').and_then(|text| text.parse::<f64>().ok());
        match number {
            // No negative zero.
            Some(number) if number.is_finite() => Some(format!("{:.*e}", DIGITS, number + 0.0)),
            _ => text.clone(),
        }
    };
    let mut rows: Rows = rows.iter().map(|row| row.iter().zip(types.chars()).map(value).collect()).collect();
    rows.sort();
    rows
}

fn difference(select: &Outcome, theirs: &Outcome) -> String {
    match (select, theirs) {
        (Ok(ours), Ok(theirs)) => {
            let only = |these: &Rows, those: &Rows| {
                let mut rest = those.clone();
                let rows = these.iter().filter(|row| match rest.iter().position(|other| other == *row) {
                    Some(found) => {
                        rest.swap_remove(found);
                        false
                    }
                    None => true,
                });
                rows.map(|row| row.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
                    .collect::<Vec<_>>()
            };
            format!("only in the SELECT: {:#?}\nonly in the other: {:#?}", only(ours, theirs), only(theirs, ours))
        }
        (ours, theirs) => format!("the SELECT: {ours:?}\nthe other: {theirs:?}"),
    }
}

/// The rows of every table, hidden columns too.
fn stored(local: &mut Local, catalog: &Catalog) -> HashMap<RelationId, Vec<Vec<Datum>>> {
    let tables = catalog.tables().filter(|table| table.schema == "public");
    tables
        .map(|table| {
            let visible: Vec<usize> = table.visible_columns().map(|(ordinal, _)| ordinal).collect();
            let rows = local.values(&format!("SELECT * FROM {}", table.name)).expect("a table can be read");
            let whole = (0i64..).zip(rows).map(|(number, row)| {
                let mut whole = vec![Datum::Int8(number); table.columns.len()];
                for (ordinal, value) in visible.iter().zip(row) {
                    whole[*ordinal] = value;
                }
                whole
            });
            (table.id, whole.collect())
        })
        .collect()
}

/// What the naive interpreter answers.
fn oracle(local: &Local, catalog: &Catalog, stored: &HashMap<RelationId, Vec<Vec<Datum>>>, sql: &str) -> Outcome {
    let settings = local.session.settings();
    let failed = |error: SqlError| crate::support::headwater::failure(error);
    let statements = parse_script(sql).map_err(failed)?;
    let context = BindContext { catalog, settings, parameter_types: &[], now_micros: NOW_MICROS };
    let bound = bind(&statements[0], &context).map_err(failed)?;
    let BoundStatement::Query(query) = bound.statement else { panic!("not a query: {sql}") };
    let rows_of = |id: RelationId| {
        stored.get(&id).cloned().unwrap_or_else(|| {
            let name = catalog.relation(id).map(|relation: RelationRef| relation.name().to_owned());
            panic!("{name:?} is no table of the test")
        })
    };
    let eval = EvalContext { settings, now_micros: NOW_MICROS, catalog: None };
    let rows = headwater_oracle::interpret(&query, &rows_of, &eval).map_err(failed)?;
    let text = |row: Vec<Datum>| {
        row.iter().zip(query.schema.iter()).map(|(value, field)| local.text(value, &field.data_type)).collect()
    };
    let mut rows: Rows = rows.into_iter().map(text).collect();
    rows.sort();
    Ok(rows)
}
