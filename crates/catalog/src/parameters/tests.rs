//! Messages and values as PostgreSQL 15.18 printed them.

use super::*;

fn set(parameters: &mut Parameters, name: &str, value: &str) -> String {
    match parameters.set(name, Some(&[value.to_owned()]), false) {
        Ok(()) => parameters.show(name).expect("it was just set"),
        Err(error) => {
            let detail = error.detail.or(error.hint).map(|text| format!(" / {text}")).unwrap_or_default();
            format!("{} {}{detail}", error.state.code(), error.message)
        }
    }
}

#[test]
fn values_and_messages_are_postgresqls() {
    let cases = [
        (
            "extra_float_digits",
            "9",
            "22023 9 is outside the valid range for parameter \"extra_float_digits\" (-15 .. 3)",
        ),
        ("work_mem", "1", "22023 1 kB is outside the valid range for parameter \"work_mem\" (64 .. 2147483647)"),
        ("work_mem", "abc", "22023 invalid value for parameter \"work_mem\": \"abc\""),
        ("work_mem", "64MB", "64MB"),
        ("work_mem", "1.5GB", "1536MB"),
        ("enable_seqscan", "3", "22023 parameter \"enable_seqscan\" requires a Boolean value"),
        ("enable_seqscan", "f", "off"),
        (
            "intervalstyle",
            "x",
            "22023 invalid value for parameter \"intervalstyle\": \"x\" / Available values: postgres, postgres_verbose, sql_standard, iso_8601.",
        ),
        (
            "datestyle",
            "foo",
            "22023 invalid value for parameter \"DateStyle\": \"foo\" / Unrecognized key word: \"foo\".",
        ),
        (
            "datestyle",
            "iso,german",
            "22023 invalid value for parameter \"DateStyle\": \"iso,german\" / Conflicting \"datestyle\" specifications.",
        ),
        ("datestyle", "sql, dmy", "SQL, DMY"),
        ("datestyle", "german", "German, DMY"),
        ("datestyle", "mdy", "German, MDY"),
        ("timezone", "foo", "22023 invalid value for parameter \"TimeZone\": \"foo\""),
        ("client_encoding", "'utf-8'", "UTF8"),
        ("server_version", "1", "55P02 parameter \"server_version\" cannot be changed"),
        ("max_connections", "3", "55P02 parameter \"max_connections\" cannot be changed without restarting the server"),
        ("fsync", "off", "55P02 parameter \"fsync\" cannot be changed now"),
        ("nope", "3", "42704 unrecognized configuration parameter \"nope\""),
        ("a.b", "4", "4"),
        ("statement_timeout", "1.5s", "1500ms"),
        ("statement_timeout", "90 s", "90s"),
        (
            "statement_timeout",
            "1 parsec",
            "22023 invalid value for parameter \"statement_timeout\": \"1 parsec\" / Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".",
        ),
        (
            "seq_page_cost",
            "-1",
            "22023 -1 is outside the valid range for parameter \"seq_page_cost\" (0 .. 1.79769e+308)",
        ),
        ("application_name", "ü", "??"),
        ("default_transaction_isolation", "SERIALIZABLE", "serializable"),
        ("implicit_flush", "true", "on"),
    ];
    let mut parameters = Parameters::new("root", "dev");
    for (name, value, expected) in cases {
        assert_eq!(set(&mut parameters, name, value), expected, "SET {name} = {value}");
    }
    assert_eq!(parameters.show("wal_buffers").as_deref(), Some("-1"));
    assert_eq!(parameters.show("server_version_num").as_deref(), Some("150018"));
}

#[test]
fn search_path_is_split_and_quoted() {
    let mut parameters = Parameters::new("root", "dev");
    assert_eq!(parameters.show("search_path").as_deref(), Some("\"$user\", public"));
    assert_eq!(parameters.settings().search_path, ["$user", "public"]);
    let values = ["A", "b c", "d"].map(str::to_owned);
    parameters.set("search_path", Some(&values), false).expect("any list will do");
    assert_eq!(parameters.show("search_path").as_deref(), Some("\"A\", \"b c\", d"));
    assert_eq!(parameters.settings().search_path, values);
}

#[test]
fn local_values_end_with_the_transaction_and_reset_goes_back_to_the_connections() {
    let mut parameters = Parameters::new("root", "dev");
    parameters.set_at_startup("TimeZone", "Europe/Oslo").expect("a zone");
    let start = parameters.clone();
    parameters.set_text("TimeZone", "utc", true).expect("a zone");
    assert_eq!(parameters.changed_reports(&start), [("TimeZone", "UTC".to_owned())]);
    parameters.end_transaction();
    assert_eq!(parameters.settings().time_zone.to_string(), "Europe/Oslo");
    parameters.set_text("TimeZone", "utc", false).expect("a zone");
    parameters.reset("timezone").expect("it may be reset");
    assert_eq!(parameters, start);
}
