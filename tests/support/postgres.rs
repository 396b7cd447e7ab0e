//! A PostgreSQL of the test's own: started from the machine's programs in a temporary directory, reached by a socket
//! there, gone with the test. `HEADWATER_PG_URL` names one that runs already.

use super::{Answer, Failure};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// Debian's `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// A running server.
pub struct Postgres {
    config: Config,
    /// The server's process and its directory, if it is ours.
    _own: Option<(Server, tempfile::TempDir)>,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Postgres {
    /// The server that there is, or a new one; `None`, with a word on stderr, where there can be none.
    pub fn start() -> Option<Self> {
        if let Ok(url) = std::env::var("HEADWATER_PG_URL") {
            return Some(Self { config: url.parse().expect("HEADWATER_PG_URL is a connection string"), _own: None });
        }
        let Some(programs) = programs() else {
            eprintln!("no PostgreSQL here: not compared with it");
            return None;
        };
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        let is_root = std::fs::metadata(path).expect("it is there").uid() == 0;
        if is_root {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        let command = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.current_dir(path).env("LC_ALL", "C").env_remove("PGDATA");
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let arguments = [
            "-D",
            "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--lc-ctype=C.UTF-8",
            "--no-sync",
        ];
        let made = command("initdb").args(arguments).output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let settings = ["-c", "fsync=off", "-c", "timezone=UTC", "-c", "listen_addresses="];
        let mut server = command("postgres");
        server.args(["-D", "data", "-k"]).arg(path).args(settings).stderr(Stdio::piped());
        let mut child = server.spawn().expect("postgres runs");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let server = Server(child);
        let is_ready = |line: &std::io::Result<String>| {
            line.as_ref().is_ok_and(|line| line.contains("ready to accept connections"))
        };
        assert!(lines.any(|line| is_ready(&line)), "postgres ended");
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let mut config = Config::new();
        config.host_path(path).user("postgres").dbname("postgres");
        Some(Self { config, _own: Some((server, directory)) })
    }

    /// An empty database of this name.
    pub fn create(&self, database: &str) {
        let mut first = Session::open(&self.config);
        for command in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
            first.run(&format!("{command} \"{database}\"")).unwrap_or_else(|failure| panic!("PostgreSQL: {failure}"));
        }
    }

    /// A session in a database.
    pub fn connect(&self, database: &str) -> Session {
        Session::open(self.config.clone().dbname(database))
    }
}

fn programs() -> Option<PathBuf> {
    let given = std::env::var_os("HEADWATER_TEST_POSTGRES_BIN").map(PathBuf::from);
    let debian = Path::new("/usr/lib/postgresql/15/bin").to_owned();
    given.into_iter().chain([debian]).find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}

/// A session.
pub struct Session {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Session {
    fn open(config: &Config) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (client, connection) = runtime.block_on(config.connect(NoTls)).expect("PostgreSQL accepts");
        runtime.spawn(connection);
        Self { runtime, client }
    }

    /// Runs a script by the simple protocol; the answer is that of its last statement.
    pub fn run(&mut self, sql: &str) -> Result<Answer, Failure> {
        let mut types = String::new();
        if has_rows(sql) {
            let prepared = self.runtime.block_on(self.client.prepare(sql)).map_err(failure)?;
            types = prepared.columns().iter().map(|column| letter(column.type_())).collect();
        }
        let messages = self.runtime.block_on(self.client.simple_query(sql)).map_err(failure)?;
        let mut rows: Option<Vec<_>> = None;
        let mut answer = Answer::Done(0);
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(_) => rows = Some(vec![]),
                SimpleQueryMessage::Row(row) => {
                    let values = (0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect();
                    rows.get_or_insert_default().push(values);
                }
                SimpleQueryMessage::CommandComplete(count) => {
                    answer = match rows.take() {
                        Some(rows) => {
                            // What was not prepared has types untold.
                            let columns = rows.first().map_or(0, Vec::len);
                            let types = if types.is_empty() { "?".repeat(columns) } else { types.clone() };
                            Answer::Rows { types, rows }
                        }
                        None => Answer::Done(count),
                    };
                }
                _ => {}
            }
        }
        Ok(answer)
    }
}

/// One statement that answers rows, whose types PostgreSQL tells when it is prepared.
fn has_rows(sql: &str) -> bool {
    let words: Vec<String> = sql.split_whitespace().map(str::to_uppercase).collect();
    let first = words.first().map_or("", |word| word.trim_start_matches('('));
    !sql.trim_end().trim_end_matches(';').contains(';')
        && (matches!(first, "SELECT" | "WITH" | "VALUES" | "TABLE" | "SHOW")
            || words.iter().any(|word| word == "RETURNING"))
}

fn letter(data_type: &Type) -> char {
    match data_type.name() {
        "int2" | "int4" | "int8" => 'I',
        "float4" | "float8" | "numeric" => 'R',
        "text" | "varchar" | "bpchar" | "name" => 'T',
        _ => '?',
    }
}

fn failure(error: tokio_postgres::Error) -> Failure {
    let Some(error) = error.as_db_error() else { panic!("PostgreSQL's connection: {error}") };
    let position = match error.position() {
        Some(ErrorPosition::Original(position)) => Some(*position),
        _ => None,
    };
    Failure { sqlstate: error.code().code().to_owned(), message: error.message().to_owned(), position }
}
