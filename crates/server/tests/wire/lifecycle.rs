//! Starting, stopping, and refusing to start.

use crate::client::{Client, kinds, message};
use crate::server::{Server, command, refusal};

#[test]
fn sigterm_tells_clients_and_ends_cleanly() {
    let server = Server::start();
    let mut idle = Client::connect(&server);
    let mut busy = Client::connect(&server);
    busy.send(&message(b'Q', b"SELECT pg_sleep(50)\0"));
    server.signal("TERM");
    let messages = idle.until_ready();
    assert_eq!(kinds(&messages), "E");
    assert_eq!(messages[0].error(), ("57P01".into(), "terminating connection due to administrator command".into()));
    assert!(busy.until_ready().iter().any(|message| message.kind == 'E'));
    let (status, _) = server.wait();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_session_that_another_ends_is_told_and_closed() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let mut idle = Client::connect(&server);
    let mut busy = Client::connect(&server);
    let pid = |client: &mut Client| client.value("SELECT pg_backend_pid()").expect("a number");
    let (idle_pid, busy_pid) = (pid(&mut idle), pid(&mut busy));
    busy.send(&message(b'Q', b"SELECT pg_sleep(50)\0"));
    for (ended, pid) in [(&mut idle, idle_pid), (&mut busy, busy_pid)] {
        assert_eq!(client.value(&format!("SELECT pg_terminate_backend({pid})")).as_deref(), Some("t"));
        let messages = ended.until_ready();
        let error = messages.iter().find(|message| message.kind == 'E').expect("it is told");
        assert_eq!(error.error(), ("57P01".into(), "terminating connection due to administrator command".into()));
        assert_eq!(error.field(b'S').as_deref(), Some("FATAL"));
        assert!(messages.iter().all(|message| message.kind != 'Z'), "and closed");
    }
    assert_eq!(client.value("SELECT 1").as_deref(), Some("1"), "others go on");
}

#[test]
fn acknowledged_rows_survive_a_kill() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.rows("CREATE TABLE t (a int PRIMARY KEY)");
    client.rows("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t");
    client.rows("INSERT INTO t VALUES (1), (2)");
    server.signal("KILL");
    let (_, data) = server.wait();
    let server = Server::start_in(data, &[], &[]);
    let mut client = Client::connect(&server);
    assert_eq!(client.value("SELECT n FROM v").as_deref(), Some("2"));
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let server = Server::start();
    let data = tempfile::tempdir().expect("a temporary directory");
    let address = server.address().to_string();
    let mut second = std::process::Command::new(env!("CARGO_BIN_EXE_headwater"));
    second.args(["--listen", &address, "--data-dir"]).arg(data.path());
    let text = refusal(&mut second);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("is in use"), "{text}");
}

#[test]
fn a_data_directory_has_one_server() {
    let server = Server::start();
    let text = refusal(&mut command(server.data_dir()));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(&server.data_dir().display().to_string()), "{text}");
}

#[test]
fn a_data_directory_that_cannot_be_is_one_clear_line() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = refusal(&mut command(file.path()));
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn listening_to_the_world_needs_a_password() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut open = std::process::Command::new(env!("CARGO_BIN_EXE_headwater"));
    open.env_remove("HEADWATER_PASSWORD").args(["--listen", "0.0.0.0:0", "--data-dir"]).arg(data.path());
    let text = refusal(&mut open);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("HEADWATER_PASSWORD"), "{text}");
}
