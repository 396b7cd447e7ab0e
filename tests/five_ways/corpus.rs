//! The tables, and the queries over them. All of it means the same to PostgreSQL, but for the windows.

use crate::check::Case;

/// The values that a column is filled with.
pub enum Values {
    /// A key: a number below this.
    IntKey(u32),
    /// A key: this and a number below that.
    TextKey(&'static str, u32),
    /// Any of these literals.
    Of(&'static [&'static str]),
}

/// A table.
pub struct Table {
    pub name: &'static str,
    /// The first column is its primary key.
    pub keyed: bool,
    pub columns: &'static [(&'static str, Values)],
}

const HOURS: Values = Values::Of(&[
    "'2026-10-27 09:59:59.999999+00'",
    "'2026-10-27 10:00:00+00'",
    "'2026-10-27 10:30:00+00'",
    "'2026-10-27 12:00:00+02'",
    "'2026-10-26 23:10:00+00'",
    "NULL",
]);

pub const TABLES: [Table; 7] = [
    Table {
        name: "people",
        keyed: true,
        columns: &[
            ("id", Values::IntKey(12)),
            ("name", Values::Of(&["'Ann'", "'Bob'", "'cid'", "''", "NULL"])),
            ("city", Values::Of(&["'Oslo'", "'Rome'", "'Bonn'", "NULL"])),
            ("age", Values::Of(&["1", "2", "3", "30", "-5", "NULL"])),
            ("score", Values::Of(&["1.50", "0", "2.25", "-3.10", "99.99", "NULL"])),
            ("active", Values::Of(&["true", "false", "NULL"])),
        ],
    },
    Table {
        name: "orders",
        keyed: true,
        columns: &[
            ("oid", Values::IntKey(20)),
            ("person", Values::Of(&["0", "1", "2", "3", "5", "40", "NULL"])),
            ("item", Values::Of(&["'pen'", "'ink'", "'cap'", "'none'", "NULL"])),
            ("qty", Values::Of(&["0", "1", "2", "3", "10", "NULL"])),
            ("price", Values::Of(&["1.50", "1.5", "7", "12.25", "0.001", "0", "NULL"])),
            ("at", HOURS),
        ],
    },
    Table {
        name: "items",
        keyed: true,
        columns: &[
            ("item", Values::Of(&["'pen'", "'ink'", "'cap'", "'hat'"])),
            ("kind", Values::Of(&["'write'", "'wear'", "NULL"])),
            ("weight", Values::Of(&["0.5", "0.25", "1.75", "-2", "NULL"])),
        ],
    },
    Table {
        name: "log",
        keyed: false,
        columns: &[
            ("a", Values::Of(&["1", "2", "3", "NULL"])),
            ("b", Values::Of(&["1", "2", "30", "NULL"])),
            ("note", Values::Of(&["'x'", "'y'", "NULL"])),
        ],
    },
    Table {
        name: "marketing_events",
        keyed: true,
        columns: &[
            ("event_id", Values::TextKey("e", 30)),
            ("user_id", Values::Of(&["1", "2", "3", "NULL"])),
            ("campaign_id", Values::Of(&["'c0'", "'c1'", "'c2'", "'c9'", "NULL"])),
            ("channel_type", Values::Of(&["'email'", "'social'", "NULL"])),
            ("event_type", Values::Of(&["'impression'", "'click'", "'conversion'", "NULL"])),
            ("amount", Values::Of(&["0", "6252.570015900456", "149.99", "20", "NULL"])),
            ("utm_source", Values::Of(&["'google'", "'meta'", "NULL"])),
            ("utm_medium", Values::Of(&["'cpc'", "NULL"])),
            ("utm_campaign", Values::Of(&["'x'"])),
            ("timestamp", HOURS),
        ],
    },
    Table {
        name: "campaigns",
        keyed: true,
        columns: &[
            ("campaign_id", Values::TextKey("c", 4)),
            ("campaign_name", Values::Of(&["'spring'", "'summer'", "NULL"])),
            ("campaign_type", Values::Of(&["'regular'", "'ab_test'", "'ab_test'"])),
            ("start_date", Values::Of(&["'2026-01-01'", "NULL"])),
            ("end_date", Values::Of(&["'2026-12-31'", "NULL"])),
            ("budget", Values::Of(&["1000", "12.50", "NULL"])),
            ("target_audience", Values::Of(&["'all'"])),
        ],
    },
    Table {
        name: "ab_test_variants",
        keyed: true,
        columns: &[
            ("variant_id", Values::TextKey("v", 6)),
            ("campaign_id", Values::Of(&["'c0'", "'c1'", "'c2'", "NULL"])),
            ("variant_name", Values::Of(&["'A'", "'B'"])),
            ("variant_type", Values::Of(&["'creative'", "'subject_line'"])),
            ("content_details", Values::Of(&["'x'"])),
        ],
    },
];

pub const DEFINITIONS: &str = concat!(
    "CREATE TABLE people (id int PRIMARY KEY, name varchar(20), city text, age int, score numeric(8,2), active boolean);
CREATE TABLE orders (oid int PRIMARY KEY, person int, item text, qty int, price numeric, at timestamptz);
CREATE TABLE items (item text PRIMARY KEY, kind text, weight double precision);
CREATE TABLE log (a int, b int, note text);
",
    include_str!("../../sql/marketing/01_tables.sql")
);

/// What TUMBLE over an hour is.
pub const POSTGRES_DEFINITIONS: &str = r#"
CREATE VIEW hourly_events AS SELECT *, date_trunc('hour', "timestamp") AS window_start,
    date_trunc('hour', "timestamp") + INTERVAL '1 hour' AS window_end FROM marketing_events;
CREATE VIEW hourly_orders AS SELECT *, date_trunc('hour', at) AS window_start,
    date_trunc('hour', at) + INTERVAL '1 hour' AS window_end FROM orders"#;

/// What stands for it in PostgreSQL's text.
pub const WINDOWS: [(&str, &str); 2] = [
    ("TUMBLE(marketing_events, timestamp, INTERVAL '1 HOUR')", "hourly_events"),
    ("TUMBLE(orders, at, INTERVAL '1 HOUR')", "hourly_orders"),
];

const TUTORIAL: &str = include_str!("../../sql/marketing/02_views.sql");

const QUERIES: &str = "
SELECT * FROM people WHERE age > 1
SELECT id, city FROM people WHERE city = 'Oslo' OR active
SELECT id FROM people WHERE NOT (active AND age > 2)
SELECT id, age + 1, -age, score * 2, score + age FROM people WHERE name IS NOT NULL
SELECT id, CASE WHEN age > 2 THEN 'old' WHEN age > 0 THEN 'young' END, COALESCE(city, name, 'none'), NULLIF(city, 'Rome') FROM people
SELECT id, age IS DISTINCT FROM 2, age BETWEEN 1 AND 3, city IN ('Oslo', NULL), city LIKE 'O%', name ~ '^[A-C]' FROM people
SELECT id, GREATEST(age, 2), LEAST(score, 1.5), upper(name) || '!' FROM people
SELECT DISTINCT city FROM people
SELECT DISTINCT city, active FROM people
SELECT DISTINCT a, b FROM log
SELECT a, b FROM log
SELECT count(*) FROM log
SELECT count(*), count(a), count(DISTINCT a), sum(a), min(b), max(b) FROM log
SELECT a, count(*), count(b), sum(b), count(DISTINCT b), min(note), max(note) FROM log GROUP BY a
SELECT a, b, count(*) FROM log GROUP BY a, b HAVING count(*) > 1
SELECT city, count(*), sum(age), avg(age), min(score), max(score), sum(score), avg(score) FROM people GROUP BY city
SELECT active, count(*) FILTER (WHERE age > 1), sum(age) FILTER (WHERE city = 'Oslo'), count(DISTINCT city) FILTER (WHERE score > 0) FROM people GROUP BY active
SELECT bool_and(active), bool_or(active), sum(DISTINCT age), avg(DISTINCT age) FROM people
SELECT kind, sum(weight), avg(weight), min(weight), max(weight) FROM items GROUP BY kind
SELECT max(n) FROM (SELECT count(*) AS n FROM people GROUP BY city) t
SELECT n, count(*) FROM (SELECT city, count(*) AS n FROM people GROUP BY city) t GROUP BY n
SELECT city, string_agg(name, ',' ORDER BY id), array_agg(id ORDER BY id DESC) FROM people GROUP BY city
SELECT p.id, o.oid FROM people p JOIN orders o ON o.person = p.id
SELECT p.id, o.oid FROM people p LEFT JOIN orders o ON o.person = p.id
SELECT p.id, o.oid FROM people p LEFT JOIN orders o ON o.person = p.id AND o.qty > 1
SELECT p.id, o.oid FROM people p RIGHT JOIN orders o ON o.person = p.id
SELECT p.id, o.oid FROM people p FULL JOIN orders o ON o.person = p.id
SELECT p.id, o.oid, i.kind FROM people p JOIN orders o ON o.person = p.id JOIN items i ON i.item = o.item
SELECT p.id, o.oid, i.kind FROM people p LEFT JOIN orders o ON o.person = p.id LEFT JOIN items i ON i.item = o.item
SELECT item, oid, kind FROM orders FULL JOIN items USING (item)
SELECT x.a, y.b FROM log x JOIN log y ON x.a = y.a
SELECT x.a, y.b FROM log x LEFT JOIN log y ON x.a = y.b
SELECT x.a, x.b, y.a, y.b FROM log x FULL JOIN log y ON x.a = y.b
SELECT a.id, b.id FROM people a JOIN people b ON a.city = b.city AND a.id < b.id
SELECT a.id, b.id FROM people a JOIN people b ON a.age IS NOT DISTINCT FROM b.age
SELECT a.id, b.id FROM people a JOIN people b ON a.age < b.age AND a.active
SELECT count(*) FROM people CROSS JOIN items
SELECT p.city, count(*), count(DISTINCT o.item), sum(o.qty), sum(o.qty * o.price) FROM people p JOIN orders o ON o.person = p.id GROUP BY p.city
SELECT p.id, p.name, count(o.oid), COALESCE(sum(o.price), 0) FROM people p LEFT JOIN orders o ON o.person = p.id GROUP BY p.id, p.name
SELECT p.city, max(o.price), min(o.at) FROM people p LEFT JOIN orders o ON o.person = p.id GROUP BY p.city
SELECT i.kind, p.city, count(*), sum(o.qty) FROM orders o JOIN items i ON i.item = o.item JOIN people p ON p.id = o.person GROUP BY i.kind, p.city
SELECT i.kind, sum(o.qty * i.weight), count(DISTINCT o.person) FROM orders o JOIN items i USING (item) GROUP BY i.kind
SELECT id, (SELECT count(*) FROM orders o WHERE o.person = p.id) FROM people p
SELECT id, (SELECT sum(qty) FROM orders o WHERE o.person = p.id AND o.price > p.age) FROM people p
SELECT id, (SELECT max(b) FROM log WHERE a = p.id OR b = p.age) FROM people p
SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person = p.id)
SELECT id FROM people p WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.person = p.id AND o.qty > 1)
SELECT id FROM people WHERE id IN (SELECT person FROM orders)
SELECT id FROM people WHERE id NOT IN (SELECT person FROM orders)
SELECT id FROM people WHERE id NOT IN (SELECT person FROM orders WHERE person IS NOT NULL)
SELECT id, age IN (SELECT a FROM log), age NOT IN (SELECT b FROM log) FROM people
SELECT id FROM people WHERE age > ALL (SELECT a FROM log)
SELECT id FROM people WHERE age >= ANY (SELECT b FROM log WHERE b < 10)
SELECT id FROM people p WHERE age > (SELECT avg(age) FROM people q WHERE q.city = p.city)
SELECT id FROM people p WHERE age = (SELECT max(age) FROM people)
SELECT id, CASE WHEN (SELECT count(*) FROM orders) > 0 THEN (SELECT sum(qty) / count(*) FROM orders) ELSE -1 END FROM people
SELECT id, CASE WHEN age < 0 THEN (SELECT sum(10 / (qty - qty)) FROM orders) ELSE age END FROM people
SELECT id, ARRAY(SELECT oid FROM orders o WHERE o.person = p.id ORDER BY oid) FROM people p
SELECT id FROM people WHERE id = ANY (ARRAY[1, 3, 5, NULL])
SELECT p.id, l.n FROM people p, LATERAL (SELECT count(*) AS n FROM log WHERE a = p.age) l
SELECT p.id, l.oid FROM people p LEFT JOIN LATERAL (SELECT oid FROM orders o WHERE o.person = p.id AND o.qty > p.age) l ON true
SELECT p.id, l.oid FROM people p, LATERAL (SELECT oid FROM orders o WHERE o.person = p.id ORDER BY price DESC NULLS LAST, oid LIMIT 1) l
SELECT id, u FROM people, unnest(ARRAY[id, age]) u
SELECT id, g FROM people, generate_series(1, age) g
SELECT a FROM log UNION SELECT b FROM log
SELECT a, note FROM log UNION ALL SELECT b, note FROM log
SELECT a FROM log INTERSECT SELECT b FROM log
SELECT a FROM log EXCEPT SELECT b FROM log
SELECT a FROM log EXCEPT ALL SELECT b FROM log
SELECT a FROM log INTERSECT ALL SELECT b FROM log
SELECT t.x, count(*) FROM (SELECT id AS x FROM people UNION ALL SELECT person FROM orders) t GROUP BY t.x
WITH c AS (SELECT person, sum(qty) AS q FROM orders GROUP BY person) SELECT x.person, y.q FROM c x JOIN c y ON x.q = y.q
WITH a AS (SELECT city, count(*) AS n FROM people GROUP BY city) SELECT p.id, a.n FROM people p LEFT JOIN a ON a.city = p.city
SELECT id, age FROM people ORDER BY age DESC NULLS LAST, id LIMIT 3
SELECT oid, price FROM orders ORDER BY price, oid LIMIT 4 OFFSET 2
SELECT DISTINCT ON (city) city, id FROM people ORDER BY city, id DESC
SELECT date_trunc('day', at), extract(hour FROM at), count(*) FROM orders GROUP BY 1, 2
SELECT oid, at + INTERVAL '90 minutes', at - TIMESTAMPTZ '2026-10-27 00:00+00' FROM orders
SELECT window_start, window_end, count(*), sum(qty) FROM TUMBLE(orders, at, INTERVAL '1 HOUR') AS w GROUP BY window_start, window_end
SELECT w.window_start, p.city, count(DISTINCT p.id) FROM TUMBLE(orders, at, INTERVAL '1 HOUR') AS w JOIN people p ON p.id = w.person GROUP BY w.window_start, p.city
SELECT person, sum(price) / NULLIF(count(price), 0), sum(qty)::float / NULLIF(count(*), 0) FROM orders GROUP BY person
SELECT oid, qty::text || '/' || price::text, price::int, qty::numeric(6,2), price::float FROM orders
SELECT 10 / qty FROM orders WHERE qty <> 0
SELECT item, 12 / sum(qty) FROM orders GROUP BY item HAVING sum(qty) > 0
SELECT oid, 10 / qty FROM orders
SELECT city, (SELECT name FROM people q WHERE q.city = p.city AND q.age = 30) FROM people p
SELECT sum(10 / age), count(*) FROM people
SELECT count(*) FROM people p JOIN orders o ON o.person = p.id WHERE p.age / o.qty > 0
";

/// The queries, and the tutorial's views.
pub fn cases() -> Vec<Case> {
    let tutorial = TUTORIAL.split(';').filter_map(|text| text.split_once(" AS\n")).map(|(_, select)| select.trim());
    tutorial.chain(QUERIES.lines().filter(|line| !line.is_empty())).map(Case::new).collect()
}
