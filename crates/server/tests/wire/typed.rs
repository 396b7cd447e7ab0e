//! A real driver: binary values, cancel, notices.

use crate::server::Server;
use std::time::{Duration, SystemTime};
use tokio_postgres::error::SqlState;
use tokio_postgres::{NoTls, SimpleQueryMessage};

#[tokio::test]
async fn values_travel_in_binary_both_ways() {
    let server = Server::start();
    let client = server.connect().await;
    client
        .batch_execute(
            "CREATE TABLE t (k int PRIMARY KEY, b boolean, s smallint, i int, l bigint, f real, d double precision, \
             x text, v varchar(10), z timestamptz, a int[])",
        )
        .await
        .expect("a table");
    let moment = SystemTime::UNIX_EPOCH + Duration::from_micros(1_792_000_000_123_456);
    client
        .execute(
            "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            &[
                &1_i32,
                &true,
                &-2_i16,
                &3_i32,
                &-4_i64,
                &0.5_f32,
                &1.307_017_543_859_649_2_f64,
                &"größer",
                &"v",
                &moment,
                &vec![Some(1_i32), None],
            ],
        )
        .await
        .expect("an insert");
    let row = client.query_one("SELECT * FROM t WHERE k = $1", &[&1_i32]).await.expect("the row");
    assert!(row.get::<_, bool>("b"));
    assert_eq!(row.get::<_, i16>("s"), -2);
    assert_eq!(row.get::<_, i32>("i"), 3);
    assert_eq!(row.get::<_, i64>("l"), -4);
    assert_eq!(row.get::<_, f32>("f").to_bits(), 0.5_f32.to_bits());
    assert_eq!(row.get::<_, f64>("d").to_bits(), 1.307_017_543_859_649_2_f64.to_bits());
    assert_eq!(row.get::<_, &str>("x"), "größer");
    assert_eq!(row.get::<_, &str>("v"), "v");
    assert_eq!(row.get::<_, SystemTime>("z"), moment);
    assert_eq!(row.get::<_, Vec<Option<i32>>>("a"), [Some(1), None]);
    let nothing = client.query_one("SELECT $1::text", &[&None::<&str>]).await.expect("a row");
    assert_eq!(nothing.get::<_, Option<&str>>(0), None);
}

#[tokio::test]
async fn describe_tells_types_and_origins() {
    let server = Server::start();
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (k int PRIMARY KEY, n numeric(10,2), v varchar(7))").await.expect("a table");
    let statement = client.prepare("SELECT k, n, v, k + 1 AS next FROM t WHERE v = $1").await.expect("a statement");
    let types: Vec<&str> = statement.columns().iter().map(|column| column.type_().name()).collect();
    assert_eq!(types, ["int4", "numeric", "varchar", "int4"]);
    assert_eq!(statement.columns()[2].type_modifier(), 11);
    assert_eq!(statement.columns()[1].column_id(), Some(2));
    assert!(statement.columns()[0].table_oid().is_some());
    assert_eq!(statement.columns()[3].table_oid(), None);
}

#[tokio::test]
async fn cancel_stops_the_statement_and_not_the_session() {
    let server = Server::start();
    let client = server.connect().await;
    let cancel = client.cancel_token();
    let sleeping = client.batch_execute("SELECT pg_sleep(50)");
    let canceling = async {
        // The statement may not have begun when the first request comes; then that one hits nothing.
        loop {
            cancel.cancel_query(NoTls).await.expect("a cancel request");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let error = tokio::select! {
        slept = sleeping => slept.expect_err("it was canceled"),
        () = canceling => unreachable!("it goes on until the statement ends"),
    };
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(error.as_db_error().expect("of the server").message(), "canceling statement due to user request");
    assert_eq!(client.query_one("SELECT 1", &[]).await.expect("a row").get::<_, i32>(0), 1);
}

#[tokio::test]
async fn many_statements_in_flight_keep_their_order() {
    let server = Server::start();
    let client = server.connect().await;
    let queries = (0..200_i32).map(|i| {
        let client = &client;
        async move { client.query_one("SELECT $1::int * 2", &[&i]).await.expect("a row").get::<_, i32>(0) }
    });
    let answers = futures::future::join_all(queries).await;
    assert_eq!(answers, (0..200).map(|i| i * 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_tutorial_is_exact_on_each_commit() {
    let server = Server::start();
    let client = server.connect().await;
    for file in ["01_tables.sql", "02_views.sql"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql/marketing").join(file);
        let sql = std::fs::read_to_string(path).expect("the tutorial's files");
        client.batch_execute(&sql).await.expect(file);
    }
    client
        .batch_execute(
            "INSERT INTO campaigns VALUES ('c1', 'One', 'ab_test', NULL, NULL, 1, NULL);
             INSERT INTO ab_test_variants VALUES ('v1', 'c1', 'A', 'creative', NULL), ('v2', 'c1', 'A', 'creative', NULL)",
        )
        .await
        .expect("a campaign");
    for (id, kind, amount) in [("e1", "impression", "0"), ("e2", "click", "0"), ("e3", "conversion", "4523.88")] {
        let insert = format!(
            "INSERT INTO marketing_events VALUES \
             ('{id}', 1, 'c1', 'email', '{kind}', {amount}, 's', 'm', 'u', '2026-10-27 21:11:09.699472+00')"
        );
        client.batch_execute(&insert).await.expect("an event");
    }
    let row = |sql: &'static str| {
        let client = &client;
        async move {
            let messages = client.simple_query(sql).await.expect("a query");
            let row = messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let row = row.expect("one row");
            (0..row.len()).map(|i| row.get(i).unwrap_or("NULL").to_owned()).collect::<Vec<_>>().join("|")
        }
    };
    assert_eq!(
        row("SELECT * FROM campaign_performance").await,
        "2026-10-27 21:00:00+00|2026-10-27 22:00:00+00|c1|One|ab_test|1|1|1|4523.88|1|1"
    );
    // The two variants share a name and a type: revenue doubles, distinct events do not.
    assert_eq!(
        row("SELECT * FROM ab_test_results").await,
        "2026-10-27 21:00:00+00|2026-10-27 22:00:00+00|c1|One|A|creative|1|1|1|9047.76|1"
    );
    assert_eq!(
        row("SELECT * FROM channel_attribution").await,
        "2026-10-27 21:00:00+00|2026-10-27 22:00:00+00|email|s|m|1|1|4523.88|4523.88"
    );
}
