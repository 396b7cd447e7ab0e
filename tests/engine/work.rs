//! Work follows the change, not the data: counted, not timed.

use crate::support::{Home, connect, lines, run};
use headwater_engine::{Execution, Session};

const TABLES: &str = include_str!("../../sql/marketing/01_tables.sql");
const VIEWS: &str = include_str!("../../sql/marketing/02_views.sql");
/// Rows that a commit of one event may touch in all operators of the three views.
const ROWS_TOUCHED_MAX: u64 = 200;

fn copy(session: &mut Session, sql: &str, data: &[u8]) {
    let statements = session.parse(sql).expect("the statement parses");
    let Execution::CopyIn(mut copy) = session.execute_simple(&statements[0], 1).expect("COPY begins") else {
        panic!("{sql} takes no data");
    };
    for piece in data.chunks(1 << 16) {
        copy.write(session, piece).expect("the data is right");
    }
    copy.finish(session).expect("COPY commits");
}

#[test]
fn a_one_row_commit_touches_few_rows_with_a_million_loaded() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, TABLES);
    run(&mut s, VIEWS);
    let campaigns: Vec<String> = (0..100)
        .map(|i| {
            format!(
                "('c{i}', 'campaign {i}', '{}', NULL, NULL, 1, NULL)",
                if i % 2 == 0 { "ab_test" } else { "regular" }
            )
        })
        .collect();
    run(&mut s, &format!("INSERT INTO campaigns VALUES {}", campaigns.join(",")));
    let variants: Vec<String> = (0..100)
        .step_by(2)
        .flat_map(|i| ["A", "B"].map(|v| format!("('v{i}{v}', 'c{i}', '{v}', 'creative', 'x')")))
        .collect();
    run(&mut s, &format!("INSERT INTO ab_test_variants VALUES {}", variants.join(",")));
    let mut data = String::new();
    for i in 0..1_000_000u32 {
        let kind = ["impression", "click", "conversion"][(i % 3) as usize];
        let second = i % 86_400;
        data.push_str(&format!(
            "e{i},{},c{},email,{kind},{},google,cpc,x,2026-10-27 {:02}:{:02}:{:02}+00\n",
            i % 10_000,
            i % 100,
            i % 97,
            second / 3600,
            second / 60 % 60,
            second % 60
        ));
    }
    copy(&mut s, "COPY marketing_events FROM STDIN (FORMAT csv)", data.as_bytes());
    assert_eq!(lines(&mut s, "SELECT sum(impressions + clicks + conversions) FROM campaign_performance"), ["1000000"]);
    let before = database.rows_touched();
    run(
        &mut s,
        "INSERT INTO marketing_events VALUES ('new', 1, 'c2', 'email', 'click', 0, 'google', 'cpc', 'x', '2026-10-27 10:00:00+00')",
    );
    assert_eq!(lines(&mut s, "SELECT sum(impressions + clicks + conversions) FROM campaign_performance"), ["1000001"]);
    let touched = database.rows_touched() - before;
    assert!(touched > 0, "the views did something");
    assert!(touched <= ROWS_TOUCHED_MAX, "one event touched {touched} rows");
    database.shutdown();
}
