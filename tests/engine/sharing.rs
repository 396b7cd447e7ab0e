//! Shared relations: that there is one where views have a part in common, that nobody sees it, that it comes and goes
//! with the views, and that the views hold what they would without.

use crate::support::{Home, connect, lines, run, sorted, state_of, try_run};
use headwater_engine::{Database, Session};

const TABLES: &str = "CREATE TABLE events (id int PRIMARY KEY, k int, x int);
    CREATE TABLE dims (k int PRIMARY KEY, name text);
    CREATE TABLE labels (k int, label text);
    CREATE TABLE other (a int);
    INSERT INTO events VALUES (1, 1, 10), (2, 1, 20), (3, 2, 5), (4, NULL, 1);
    INSERT INTO dims VALUES (1, 'one'), (2, 'two');
    INSERT INTO labels VALUES (1, 'a'), (1, 'b'), (3, 'c');";

const GROUPS: &str = "(SELECT k, count(*) AS n, max(x) AS x FROM events GROUP BY k)";

/// The text of a view over the groups: by name.
fn by_name() -> String {
    format!("SELECT d.name, g.n, g.x FROM {GROUPS} g JOIN dims d ON d.k = g.k")
}

/// The text of another: by label, with the columns the other way round.
fn by_label() -> String {
    "SELECT l.label, g.n, g.x FROM (SELECT max(x) AS x, count(*) AS n, k FROM events GROUP BY k) g
     JOIN labels l ON l.k = g.k"
        .to_owned()
}

fn create(session: &mut Session, name: &str, query: &str) {
    run(session, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
}

fn start() -> (Home, Database, Session) {
    let home = Home::on_disk();
    let database = home.open();
    let mut session = connect(&database);
    run(&mut session, TABLES);
    (home, database, session)
}

/// Who reads each shared relation.
fn readers(session: &mut Session) -> Vec<String> {
    lines(session, "SELECT read_by FROM headwater_catalog.shared_relations ORDER BY id")
}

/// The query's rows, computed from the tables: a transaction that has written reads no shared relation.
fn recomputed(session: &mut Session, query: &str) -> Vec<Vec<String>> {
    run(session, "BEGIN; INSERT INTO other VALUES (1)");
    let rows = sorted(session, query);
    run(session, "ROLLBACK");
    rows
}

fn check(session: &mut Session, view: &str, query: &str) {
    let expected = recomputed(session, query);
    assert_eq!(sorted(session, &format!("SELECT * FROM {view}")), expected, "{view}");
    assert_eq!(sorted(session, query), expected, "{query}");
}

fn change(session: &mut Session) {
    run(
        session,
        "INSERT INTO events VALUES (11, 1, 99), (12, 3, 7), (13, 2, NULL);
         UPDATE events SET k = 2 WHERE id = 2;
         DELETE FROM events WHERE id = 3;
         INSERT INTO labels VALUES (2, 'd')",
    );
}

#[test]
fn the_second_view_reads_what_the_first_has_brought() {
    for order in [["by_name", "by_label"], ["by_label", "by_name"]] {
        for workers in [1, 2] {
            let mut home = Home::on_disk();
            home.workers = workers;
            let database = home.open();
            let mut session = connect(&database);
            run(&mut session, TABLES);
            let query = |view: &str| if view == "by_name" { by_name() } else { by_label() };
            create(&mut session, order[0], &query(order[0]));
            change(&mut session);
            create(&mut session, order[1], &query(order[1]));
            assert_eq!(readers(&mut session), [format!("{{{},{}}}", order[0], order[1])]);
            run(&mut session, "INSERT INTO events SELECT i, i % 4, i FROM generate_series(100, 900) i");
            run(&mut session, "DELETE FROM events WHERE id % 3 = 0");
            for view in order {
                check(&mut session, view, &query(view));
            }
            database.shutdown();
        }
    }
}

#[test]
fn it_outlives_the_first_and_goes_with_the_last() {
    let (home, database, mut session) = start();
    create(&mut session, "by_name", &by_name());
    create(&mut session, "by_label", &by_label());
    run(&mut session, "DROP MATERIALIZED VIEW by_name");
    assert_eq!(readers(&mut session), ["{by_label}"]);
    change(&mut session);
    check(&mut session, "by_label", &by_label());
    database.shutdown();
    let database = home.open();
    let mut session = connect(&database);
    check(&mut session, "by_label", &by_label());
    create(&mut session, "by_name", &by_name());
    assert_eq!(readers(&mut session), ["{by_label,by_name}"]);
    check(&mut session, "by_name", &by_name());
    run(&mut session, "DROP MATERIALIZED VIEW by_label; DROP MATERIALIZED VIEW by_name");
    assert_eq!(readers(&mut session), [""; 0]);
    database.shutdown();
    let database = home.open();
    assert_eq!(readers(&mut connect(&database)), [""; 0]);
    database.shutdown();
}

#[test]
fn the_log_brings_it_back() {
    let (home, database, mut session) = start();
    create(&mut session, "by_name", &by_name());
    create(&mut session, "over", "SELECT name FROM by_name WHERE n > 1");
    let groups =
        "SELECT g.n, d.name FROM (SELECT name, count(*) AS n FROM over GROUP BY name) g JOIN dims d USING (name)";
    create(&mut session, "of_view", groups);
    create(&mut session, "by_label", &by_label());
    assert_eq!(readers(&mut session), ["{by_name,by_label}", "{of_view}"]);
    change(&mut session);
    database.shutdown();
    let database = home.open();
    let mut session = connect(&database);
    assert_eq!(readers(&mut session), ["{by_name,by_label}", "{of_view}"]);
    run(&mut session, "INSERT INTO events VALUES (21, 2, 50)");
    for (view, query) in [("by_name", by_name()), ("by_label", by_label()), ("of_view", groups.to_owned())] {
        check(&mut session, view, &query);
    }
    database.shutdown();
}

#[test]
fn a_transaction_makes_all_of_it_or_nothing() {
    let (_home, database, mut session) = start();
    run(&mut session, "BEGIN");
    create(&mut session, "by_name", &by_name());
    run(&mut session, "ROLLBACK");
    assert_eq!(readers(&mut session), [""; 0]);

    run(&mut session, "BEGIN; INSERT INTO events VALUES (31, 2, 70)");
    create(&mut session, "by_name", &by_name());
    create(&mut session, "by_label", &by_label());
    assert_eq!(sorted(&mut session, "SELECT * FROM by_name"), [["one", "2", "20"], ["two", "2", "70"]]);
    run(&mut session, "COMMIT");
    assert_eq!(readers(&mut session), ["{by_name,by_label}"]);
    check(&mut session, "by_name", &by_name());
    check(&mut session, "by_label", &by_label());

    run(&mut session, "BEGIN; DROP MATERIALIZED VIEW by_name; DROP MATERIALIZED VIEW by_label; ROLLBACK");
    assert_eq!(readers(&mut session), ["{by_name,by_label}"]);
    run(&mut session, "BEGIN; SAVEPOINT s; DROP MATERIALIZED VIEW by_name; ROLLBACK TO s");
    run(&mut session, "DROP MATERIALIZED VIEW by_label; DROP MATERIALIZED VIEW by_name; COMMIT");
    assert_eq!(readers(&mut session), [""; 0]);

    run(&mut session, "BEGIN");
    create(&mut session, "by_name", &by_name());
    run(&mut session, "DROP MATERIALIZED VIEW by_name; COMMIT");
    assert_eq!(readers(&mut session), [""; 0]);
    change(&mut session);
    database.shutdown();
}

#[test]
fn of_two_that_would_make_it_one_tries_again() {
    let (_home, database, mut one) = start();
    let mut two = connect(&database);
    run(&mut one, "BEGIN");
    create(&mut one, "by_name", &by_name());
    run(&mut two, "BEGIN");
    create(&mut two, "by_label", &by_label());
    run(&mut one, "COMMIT");
    assert_eq!(state_of(&mut two, "COMMIT"), "40001");
    create(&mut two, "by_label", &by_label());
    assert_eq!(readers(&mut one), ["{by_name,by_label}"]);
    change(&mut one);
    check(&mut two, "by_label", &by_label());
    database.shutdown();
}

#[test]
fn a_transaction_sees_its_own_changes_through_it() {
    let (_home, database, mut session) = start();
    create(&mut session, "by_name", &by_name());
    run(&mut session, "BEGIN; INSERT INTO events VALUES (41, 1, 77)");
    assert_eq!(lines(&mut session, "SELECT n, x FROM by_name WHERE name = 'one'"), ["3|77"]);
    assert_eq!(lines(&mut session, &format!("SELECT n, x FROM {GROUPS} g WHERE k = 1")), ["3|77"]);
    run(&mut session, "ROLLBACK");
    assert_eq!(lines(&mut session, "SELECT n, x FROM by_name WHERE name = 'one'"), ["2|20"]);
    database.shutdown();
}

#[test]
fn drop_speaks_of_views_only() {
    let (_home, database, mut session) = start();
    create(&mut session, "by_name", &by_name());
    create(&mut session, "by_label", &by_label());
    let error = try_run(&mut session, "DROP TABLE events").expect_err("views depend on it");
    assert_eq!(
        error.detail.as_deref(),
        Some("materialized view by_name depends on table events\nmaterialized view by_label depends on table events")
    );
    run(&mut session, "DROP TABLE dims CASCADE");
    assert_eq!(readers(&mut session), ["{by_label}"]);
    change(&mut session);
    check(&mut session, "by_label", &by_label());
    run(&mut session, "DROP TABLE events CASCADE");
    assert_eq!(readers(&mut session), [""; 0]);
    run(&mut session, "INSERT INTO labels VALUES (9, 'z')");
    database.shutdown();
}

#[test]
fn clients_do_not_see_it() {
    let (_home, database, mut session) = start();
    let shown = "SELECT 'class', oid::text, relname::text FROM pg_class WHERE oid >= 16384
        UNION ALL SELECT 'table', table_schema::text, table_name::text FROM information_schema.tables
            WHERE table_schema = 'public'
        UNION ALL SELECT 'attribute', attrelid::text, attname::text FROM pg_attribute WHERE attrelid >= 16384
        UNION ALL SELECT 'depend', objid::text, refobjid::text FROM pg_depend
        UNION ALL SELECT 'relation', name, '' FROM rw_catalog.rw_relations
        UNION ALL SELECT 'schema', nspname::text, '' FROM pg_namespace";
    create(&mut session, "by_name", &by_name());
    let id = lines(&mut session, "SELECT id FROM headwater_catalog.shared_relations").remove(0);
    let rows = sorted(&mut session, shown);
    assert!(rows.iter().any(|row| row.contains(&"by_name".to_owned())));
    assert!(!rows.iter().flatten().any(|value| *value == id || value == "headwater_catalog"), "{rows:?}");
    database.shutdown();
}

#[test]
fn settings_that_matter_keep_views_apart() {
    let (_home, database, mut session) = start();
    run(&mut session, "CREATE TABLE moments (at timestamptz, k int)");
    run(&mut session, "INSERT INTO moments VALUES ('2024-01-01 23:30+00', 1), ('2024-01-02 00:30+00', 1)");
    let days = "SELECT g.day, g.n, d.name FROM
        (SELECT at::date AS day, k, count(*) AS n FROM moments GROUP BY at::date, k) g JOIN dims d ON d.k = g.k";
    create(&mut session, "utc", days);
    create(&mut session, "by_name", &by_name());
    run(&mut session, "SET TimeZone = 'Asia/Tokyo'");
    create(&mut session, "tokyo", days);
    create(&mut session, "by_label", &by_label());
    assert_eq!(readers(&mut session), ["{utc}", "{by_name,by_label}", "{tokyo}"]);
    assert_eq!(lines(&mut session, "SELECT n FROM utc ORDER BY day"), ["1", "1"]);
    assert_eq!(lines(&mut session, "SELECT n FROM tokyo ORDER BY day"), ["2"]);
    assert_eq!(run(&mut session, days), [["2024-01-02", "2", "one"]]);
    run(&mut session, "SET TimeZone = 'America/New_York'");
    assert_eq!(run(&mut session, days), [["2024-01-01", "2", "one"]]);
    database.shutdown();
}

#[test]
fn an_error_stays_with_the_views_that_ask_for_it() {
    let (_home, database, mut session) = start();
    let fails = "SELECT d.name, g.m FROM (SELECT k, count(*) AS n, max(100 / x) AS m FROM events GROUP BY k) g
        JOIN dims d ON d.k = g.k";
    let works = "SELECT d.name, g.n FROM (SELECT k, count(*) AS n FROM events GROUP BY k) g JOIN dims d ON d.k = g.k";
    create(&mut session, "fails", fails);
    create(&mut session, "works", works);
    run(&mut session, "INSERT INTO events VALUES (51, 2, 0)");
    assert_eq!(state_of(&mut session, "SELECT * FROM fails"), "22012");
    assert_eq!(state_of(&mut session, fails), "22012");
    check(&mut session, "works", works);
    run(&mut session, "DELETE FROM events WHERE id = 51");
    check(&mut session, "fails", fails);
    database.shutdown();
}

#[test]
fn a_query_reads_some_groups_of_it() {
    let (_home, database, mut session) = start();
    create(&mut session, "by_name", &by_name());
    change(&mut session);
    let all = "SELECT k, count(*), max(x) FROM events";
    let shared = [
        "WHERE k = 1 GROUP BY k",
        "WHERE k IN (1, 3) AND k > 0 GROUP BY k",
        "WHERE k IS NULL GROUP BY k",
        "WHERE k = 9 GROUP BY k",
        "GROUP BY k HAVING k < 3 AND count(*) > 1",
    ];
    for rest in shared {
        let query = format!("{all} {rest}");
        let plan = lines(&mut session, &format!("EXPLAIN {query}")).join("\n");
        assert!(plan.contains("Source shared relation"), "{plan}");
        assert_eq!(sorted(&mut session, &query), recomputed(&mut session, &query), "{query}");
    }
    for query in [
        "SELECT k, count(*), max(x) FROM events WHERE x > 5 GROUP BY k",
        "SELECT k, count(*), max(x) FROM events WHERE 1 / k = 1 GROUP BY k",
        "SELECT count(*) FROM events WHERE k = 1",
    ] {
        let plan = lines(&mut session, &format!("EXPLAIN {query}")).join("\n");
        assert!(!plan.contains("shared relation"), "{plan}");
    }
    run(&mut session, "PREPARE of_one AS SELECT k, count(*), max(x) FROM events WHERE k = $1 GROUP BY k");
    assert_eq!(lines(&mut session, "EXECUTE of_one(1)"), ["1|2|99"]);
    run(&mut session, "INSERT INTO events VALUES (71, 1, 100)");
    assert_eq!(lines(&mut session, "EXECUTE of_one(1)"), ["1|3|100"]);
    run(&mut session, "BEGIN; INSERT INTO events VALUES (72, 1, 101)");
    assert_eq!(lines(&mut session, "EXECUTE of_one(1)"), ["1|4|101"]);
    run(&mut session, "ROLLBACK; DROP MATERIALIZED VIEW by_name");
    assert_eq!(lines(&mut session, "EXECUTE of_one(1)"), ["1|3|100"]);
    database.shutdown();
}

#[test]
fn explain_tells() {
    let (_home, database, mut session) = start();
    let explain = |session: &mut Session, what: &str| lines(session, &format!("EXPLAIN {what}")).join("\n");
    let text = explain(&mut session, &format!("CREATE MATERIALIZED VIEW v AS {}", by_name()));
    assert!(text.contains("SELECT k, count(*), max(x) FROM events GROUP BY k (new)"), "{text}");
    assert!(text.contains("Reduce  (key: k)"), "{text}");
    assert!(!explain(&mut session, &by_name()).contains("shared relation"));
    create(&mut session, "by_name", &by_name());
    let text = explain(&mut session, &format!("CREATE MATERIALIZED VIEW v AS {}", by_label()));
    assert!(text.contains("FROM events GROUP BY k; read by by_name"), "{text}");
    assert!(!text.contains("Reduce"), "{text}");
    let text = explain(&mut session, &format!("SELECT * FROM {GROUPS} g"));
    assert!(text.contains("Source shared relation"), "{text}");
    database.shutdown();
}

#[test]
fn what_two_views_compute_by_themselves_becomes_shared() {
    for workers in [1, 2] {
        let mut home = Home::on_disk();
        home.workers = workers;
        let database = home.open();
        let mut session = connect(&database);
        run(&mut session, TABLES);
        let groups = "SELECT k, count(*) AS n, max(x) AS x FROM events GROUP BY k";
        let large = "SELECT k FROM events GROUP BY k HAVING count(*) > 1 AND max(x) > 0";
        create(&mut session, "groups", groups);
        create(&mut session, "over", "SELECT g.n, d.name FROM groups g JOIN dims d ON d.k = g.k");
        assert_eq!(readers(&mut session), [""; 0]);
        create(&mut session, "large", large);
        assert_eq!(readers(&mut session), ["{groups,large}"]);
        create(&mut session, "by_name", &by_name());
        assert_eq!(readers(&mut session), ["{groups,large,by_name}"]);
        let over = "SELECT g.n, d.name FROM groups g JOIN dims d ON d.k = g.k";
        let all = [("groups", groups), ("large", large), ("over", over), ("by_name", &by_name())];
        change(&mut session);
        all.iter().for_each(|(view, query)| check(&mut session, view, query));
        database.shutdown();
        let database = home.open();
        let mut session = connect(&database);
        all.iter().for_each(|(view, query)| check(&mut session, view, query));
        run(&mut session, "INSERT INTO events SELECT i, i % 5, i FROM generate_series(100, 400) i");
        all.iter().for_each(|(view, query)| check(&mut session, view, query));
        run(&mut session, "DROP MATERIALIZED VIEW by_name; DROP MATERIALIZED VIEW groups CASCADE");
        assert_eq!(readers(&mut session), ["{large}"]);
        run(&mut session, "DELETE FROM events WHERE id % 2 = 0");
        check(&mut session, "large", large);
        database.shutdown();
    }
}

#[test]
fn a_view_is_planned_again_in_the_transaction_that_made_it() {
    let (home, database, mut session) = start();
    let groups = "SELECT k, count(*) AS n, max(x) AS x FROM events GROUP BY k";
    run(&mut session, "BEGIN");
    create(&mut session, "groups", groups);
    create(&mut session, "by_name", &by_name());
    run(&mut session, "INSERT INTO events VALUES (61, 2, 61)");
    assert_eq!(lines(&mut session, "SELECT n, x FROM groups WHERE k = 2"), ["2|61"]);
    run(&mut session, "COMMIT");
    assert_eq!(readers(&mut session), ["{groups,by_name}"]);
    check(&mut session, "groups", groups);
    run(&mut session, "BEGIN; DROP MATERIALIZED VIEW by_name; ROLLBACK");
    change(&mut session);
    check(&mut session, "groups", groups);
    check(&mut session, "by_name", &by_name());
    database.shutdown();
    let database = home.open();
    check(&mut connect(&database), "groups", groups);
    database.shutdown();
}

#[test]
fn a_view_whose_names_mean_something_else_by_now_keeps_its_plan() {
    let (_home, database, mut session) = start();
    run(&mut session, "CREATE SCHEMA early; SET search_path = early, public");
    create(&mut session, "public.groups", "SELECT k, count(*) AS n, max(x) AS x FROM events GROUP BY k");
    run(&mut session, "CREATE TABLE early.events (id int PRIMARY KEY, k int, x int)");
    let named = "SELECT d.name, g.n, g.x FROM
        (SELECT k, count(*) AS n, max(x) AS x FROM public.events GROUP BY k) g JOIN dims d ON d.k = g.k";
    create(&mut session, "public.by_name", named);
    assert_eq!(readers(&mut session), ["{by_name}"]);
    assert_eq!(lines(&mut session, "SELECT n, x FROM groups WHERE k = 1"), ["2|20"]);
    database.shutdown();
}

const MARKETING: &str = include_str!("../../sql/marketing/01_tables.sql");
const MARKETING_VIEWS: &str = include_str!("../../sql/marketing/02_views.sql");

#[test]
fn the_tutorial_keeps_one_aggregate_by_window_and_campaign() {
    let definition = |name: &str| {
        let of = |statement: &&str| statement.contains(&format!("VIEW {name} "));
        MARKETING_VIEWS.split(';').find(of).expect("the tutorial has it").to_owned()
    };
    let both = ["campaign_performance", "ab_test_results"];
    for order in [both, [both[1], both[0]]] {
        let home = Home::on_disk();
        let database = home.open();
        let mut session = connect(&database);
        run(&mut session, MARKETING);
        run(&mut session, "CREATE TABLE other (a int)");
        run(
            &mut session,
            "INSERT INTO campaigns (campaign_id, campaign_name, campaign_type) SELECT 'c' || i, 'n' || i,
                CASE WHEN i % 2 = 0 THEN 'ab_test' ELSE 'regular' END FROM generate_series(0, 4) i;
             INSERT INTO ab_test_variants SELECT 'v' || i, 'c' || i / 2, 'A', 'creative', '' FROM generate_series(0, 7) i",
        );
        let events = |from: i32| {
            format!(
                "INSERT INTO marketing_events SELECT 'e' || i, i % 7, 'c' || i % 6, 'email',
                     CASE i % 3 WHEN 0 THEN 'impression' WHEN 1 THEN 'click' ELSE 'conversion' END,
                     CASE WHEN i % 3 = 2 THEN i END, 's', 'm', 'u',
                     '2024-01-01'::timestamptz + (i % 200) * interval '1 minute'
                 FROM generate_series({from}, {from} + 999) i"
            )
        };
        run(&mut session, &events(0));
        for view in order {
            run(&mut session, &definition(view));
        }
        let of_events = "SELECT read_by FROM headwater_catalog.shared_relations
            WHERE relation_id = 'marketing_events'::regclass";
        assert_eq!(lines(&mut session, of_events), [format!("{{{},{}}}", order[0], order[1])]);
        run(&mut session, &events(500));
        let query = |view: &str| definition(view).split_once(" AS\n").expect("a query follows").1.to_owned();
        for view in order {
            check(&mut session, view, &query(view));
        }
        run(&mut session, &format!("DROP MATERIALIZED VIEW {}", order[0]));
        run(&mut session, &events(1200));
        assert_eq!(lines(&mut session, of_events), [format!("{{{}}}", order[1])]);
        check(&mut session, order[1], &query(order[1]));
        database.shutdown();
    }
}
