//! Statements that fail: with PostgreSQL's SQLSTATE, message and position.

use crate::support::headwater::Home;
use libtest_mimic::Failed;

/// `sqlstate, message, detail, hint, position, statement`, as PostgreSQL 15 answered.
const TABLE: &str = include_str!("errors.tsv");

/// What the statements speak of.
const OBJECTS: &str = "
CREATE TABLE et (a int PRIMARY KEY, b text NOT NULL, c varchar(3), n numeric(4,2), d int CHECK (d > 0)) WITH (on_conflict = 'error');
CREATE TABLE customers (id int PRIMARY KEY, name varchar(40));
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, total numeric);
CREATE VIEW v_orders AS SELECT o.id, c.name, o.total FROM orders o JOIN customers c ON c.id = o.customer_id;
CREATE MATERIALIZED VIEW mv_totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
INSERT INTO et (a, b) VALUES (1, 'one')";

pub fn on_headwater() -> Result<(), Failed> {
    let home = Home::new(1);
    for statement in OBJECTS.split(';') {
        home.connect().run(statement)?;
    }
    let failures: Vec<String> = TABLE.lines().skip(1).filter_map(|line| check(&home, line)).collect();
    if failures.is_empty() { Ok(()) } else { Err(format!("{} failed\n{}", failures.len(), failures.join("\n")).into()) }
}

/// What is wrong with a line's statement.
fn check(home: &Home, line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [sqlstate, message, _, _, position, statement] = fields[..] else {
        return Some(format!("not six fields: {line}"));
    };
    let position = position.parse().ok();
    let mut session = home.connect();
    let result = session.run(statement);
    // Whatever happened, the session goes on.
    let after = session.run("ROLLBACK").and_then(|_| session.run("SELECT 1"));
    match result {
        Ok(answer) => Some(format!("{statement}\n  expected {sqlstate}: {message}\n  answered {answer:?}")),
        Err(error)
            if error.sqlstate != sqlstate || !error.message.starts_with(message) || error.position != position =>
        {
            Some(format!(
                "{statement}\n  expected {sqlstate}: {message} @{position:?}\n  failed   {error} @{:?}",
                error.position
            ))
        }
        Err(_) => after.err().map(|error| format!("{statement}\n  left the session with {error}")),
    }
}
