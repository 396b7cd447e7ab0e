//! The log of a small database, cut at every byte and with every byte changed: opening it gives a prefix of whole
//! transactions with their views, or an error that names the file; never a panic, and never a shorter history that
//! nobody is told of.

use crate::support::{Home, connect, run, sorted};
use headwater_engine::Session;
use headwater_storage::{SimVfs, Vfs};
use std::path::PathBuf;
use std::sync::Arc;

const VIEW: &str = "SELECT u.name, count(*) AS n, sum(t.v) AS s FROM t JOIN u ON t.u = u.k GROUP BY u.name";
/// Statements of one transaction each, over both tables: rows come, change and go; tables come and go.
const COMMITS: [&str; 7] = [
    "CREATE TABLE t (k int PRIMARY KEY, u int, v numeric); CREATE TABLE u (k int PRIMARY KEY, name text)",
    "INSERT INTO t VALUES (1, 1, 1.50), (2, 1, 2), (3, 2, NULL); INSERT INTO u VALUES (1, 'one'), (2, 'two')",
    "CREATE MATERIALIZED VIEW m AS SELECT u.name, count(*) AS n, sum(t.v) AS s FROM t JOIN u ON t.u = u.k GROUP BY u.name",
    "UPDATE t SET v = v + 10; INSERT INTO u VALUES (3, 'three')",
    "DELETE FROM t WHERE k = 1; UPDATE u SET name = 'zwei' WHERE k = 2; CREATE TABLE w (k int PRIMARY KEY)",
    "INSERT INTO t VALUES (1, 3, 7), (4, 4, 4); DELETE FROM u WHERE k = 1; INSERT INTO w VALUES (1)",
    "DROP TABLE w; TRUNCATE t; INSERT INTO t VALUES (9, 2, 9)",
];

/// What a reader sees: each relation there is, and its rows.
type Contents = Vec<(String, Vec<Vec<String>>)>;

/// A database that lost its process after the last commit.
struct Subject {
    vfs: SimVfs,
    log: PathBuf,
    bytes: Vec<u8>,
    /// The log's length and the contents: of the empty database, and after each commit.
    history: Vec<(usize, Contents)>,
}

fn contents(session: &mut Session) -> Contents {
    let names = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace";
    let mut contents = vec![];
    for name in sorted(session, names).into_iter().flatten() {
        let rows = sorted(session, &format!("SELECT * FROM {name}"));
        if name == "m" {
            assert_eq!(rows, sorted(session, VIEW), "the view is its SELECT");
        }
        contents.push((name, rows));
    }
    contents
}

impl Subject {
    fn new() -> Self {
        let vfs = SimVfs::new();
        let home = Home::on(Arc::new(vfs.clone()));
        let database = home.open();
        let mut session = connect(&database);
        let log = |vfs: &SimVfs| {
            let directory = home.path.join("log");
            let names = vfs.list(&directory).expect("the log is a directory");
            directory.join(names.last().expect("it has a segment"))
        };
        let mut history = vec![(0, contents(&mut session))];
        for sql in COMMITS {
            run(&mut session, sql);
            let length = vfs.contents(&log(&vfs)).expect("the segment").len();
            history.push((length, contents(&mut session)));
        }
        let log = log(&vfs);
        let subject = Self { bytes: vfs.contents(&log).expect("the segment"), vfs: vfs.fork(), log, history };
        database.shutdown();
        subject
    }

    /// Opens the database over another log; its contents, or the error in words.
    fn open(&self, log: &[u8]) -> Result<Contents, String> {
        let vfs = self.vfs.fork();
        vfs.put(&self.log, log);
        let database = Home::on(Arc::new(vfs)).try_open().map_err(|error| error.to_string())?;
        let contents = contents(&mut connect(&database));
        database.shutdown();
        Ok(contents)
    }

    /// Runs a check for every place in the log, on all processors.
    fn for_every_byte(&self, check: impl Fn(usize) + Sync) {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for first in 0..threads {
                let check = &check;
                scope.spawn(move || (first..self.bytes.len()).step_by(threads).for_each(check));
            }
        });
    }
}

#[test]
fn a_log_cut_anywhere_is_a_prefix_of_whole_transactions() {
    let subject = Subject::new();
    subject.for_every_byte(|length| {
        let whole = subject.history.iter().rfind(|(end, _)| *end <= length).expect("the first is empty");
        match subject.open(&subject.bytes[..length]) {
            Ok(found) => assert_eq!(found, whole.1, "cut at {length}"),
            Err(error) => {
                assert!(error.contains("the segment's header is cut off"), "cut at {length}: {error}");
                assert!(whole.1.is_empty(), "cut at {length}, behind a commit: {error}");
            }
        }
    });
}

#[test]
fn a_changed_byte_is_told_or_was_in_the_last_write() {
    let subject = Subject::new();
    let [.., (before_last, shorter), _] = &subject.history[..] else { panic!("there is a history") };
    for change in [0x01, 0x80, 0xff] {
        subject.for_every_byte(|at| {
            let mut log = subject.bytes.clone();
            log[at] ^= change;
            match subject.open(&log) {
                // Nobody can tell it from a write that the crash interrupted.
                Ok(found) if at >= *before_last => assert_eq!(found, *shorter, "{change:#x} at {at}"),
                Ok(_) => panic!("{change:#x} at {at} was not noticed"),
                Err(error) => {
                    let file = subject.log.display().to_string();
                    assert!(error.starts_with(&format!("corrupt file \"{file}\"")), "{change:#x} at {at}: {error}");
                }
            }
        });
    }
}
