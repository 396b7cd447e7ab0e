//! Random queries: joins, filters, subqueries, groups, unions over the tables of the corpus, as SQL text.

use rand::Rng;
use rand::rngs::SmallRng;

/// What a column or expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Numeric,
    Text,
    Bool,
}

const TABLES: [(&str, &[(&str, Kind)]); 4] = [
    (
        "people",
        &[
            ("id", Kind::Int),
            ("age", Kind::Int),
            ("name", Kind::Text),
            ("city", Kind::Text),
            ("score", Kind::Numeric),
            ("active", Kind::Bool),
        ],
    ),
    (
        "orders",
        &[
            ("oid", Kind::Int),
            ("person", Kind::Int),
            ("item", Kind::Text),
            ("qty", Kind::Int),
            ("price", Kind::Numeric),
        ],
    ),
    ("items", &[("item", Kind::Text), ("kind", Kind::Text)]),
    ("log", &[("a", Kind::Int), ("b", Kind::Int), ("note", Kind::Text)]),
];

/// A column in scope, as `alias.name`.
type Column = (String, Kind);

/// Subqueries inside subqueries.
const DEPTH_MAX: usize = 2;

pub struct Generator<'a> {
    rng: &'a mut SmallRng,
    aliases: usize,
    depth: usize,
}

impl<'a> Generator<'a> {
    pub fn new(rng: &'a mut SmallRng) -> Self {
        Self { rng, aliases: 0, depth: 0 }
    }

    pub fn query(&mut self) -> String {
        match self.rng.random_range(0..10) {
            0 => {
                let kinds = [Kind::Int, Kind::Text];
                let operator = self.pick(&["UNION ALL", "UNION", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]);
                format!("{} {operator} {}", self.plain(Some(&kinds)), self.plain(Some(&kinds)))
            }
            1..=4 => self.grouped(),
            _ => self.plain(None),
        }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())]
    }

    /// A table with a new alias, and its columns.
    fn table(&mut self) -> (String, Vec<Column>) {
        let (name, columns) = self.pick(&TABLES);
        let alias = format!("t{}", self.aliases);
        self.aliases += 1;
        let columns = columns.iter().map(|(column, kind)| (format!("{alias}.{column}"), *kind)).collect();
        (format!("{name} {alias}"), columns)
    }

    /// One to three tables, joined.
    fn from(&mut self) -> (String, Vec<Column>) {
        let (mut sql, mut columns) = self.table();
        for _ in 0..self.pick(&[0, 1, 1, 2]) {
            let (table, others) = self.table();
            let join = self.pick(&["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            let pairs: Vec<(String, String)> = columns
                .iter()
                .flat_map(|(a, kind)| {
                    others.iter().filter(move |(_, other)| other == kind).map(move |(b, _)| (a.clone(), b.clone()))
                })
                .collect();
            let (a, b) = &pairs[self.rng.random_range(0..pairs.len())];
            columns.extend(others);
            // PostgreSQL's full join takes equalities only.
            let residual = if join != "FULL JOIN" && self.rng.random_ratio(1, 4) {
                format!(" AND {}", self.comparison(&columns))
            } else {
                String::new()
            };
            sql = format!("{sql} {join} {table} ON {a} = {b}{residual}");
        }
        (sql, columns)
    }

    fn column(&mut self, columns: &[Column], kind: Kind) -> String {
        let fitting: Vec<&String> = columns.iter().filter(|(_, other)| *other == kind).map(|(name, _)| name).collect();
        if fitting.is_empty() { self.literal(kind) } else { fitting[self.rng.random_range(0..fitting.len())].clone() }
    }

    fn literal(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Int => self.pick(&["0", "1", "2", "3", "30"]),
            Kind::Numeric => self.pick(&["0.5", "1.50", "7.00", "12.25"]),
            Kind::Text => self.pick(&["'Oslo'", "'pen'", "'x'", "''", "'Ann'"]),
            Kind::Bool => self.pick(&["true", "false"]),
        }
        .to_owned()
    }

    fn value(&mut self, columns: &[Column], kind: Kind) -> String {
        match self.rng.random_range(0..10) {
            0 => self.literal(kind),
            1 => {
                let (condition, yes, no) =
                    (self.condition(columns), self.column(columns, kind), self.column(columns, kind));
                format!("CASE WHEN {condition} THEN {yes} ELSE {no} END")
            }
            2 => format!("COALESCE({}, {})", self.column(columns, kind), self.literal(kind)),
            3 if matches!(kind, Kind::Int | Kind::Numeric) => {
                let operator = self.pick(&["+", "-"]);
                format!("({} {operator} {})", self.column(columns, kind), self.column(columns, kind))
            }
            4 if kind == Kind::Int && self.depth < DEPTH_MAX => self.scalar_subquery(columns),
            5 => format!("NULLIF({}, {})", self.column(columns, kind), self.literal(kind)),
            _ => self.column(columns, kind),
        }
    }

    /// An aggregate over a table, perhaps correlated: at most one row, always.
    fn scalar_subquery(&mut self, outer: &[Column]) -> String {
        self.depth += 1;
        let (table, columns) = self.table();
        let argument = self.column(&columns, Kind::Int);
        let aggregate = self.pick(&["count", "max", "min", "sum"]);
        let filter = self.correlation(outer, &columns);
        self.depth -= 1;
        format!("(SELECT {aggregate}({argument})::int FROM {table} WHERE {filter})")
    }

    /// A condition between a scope and an inner one.
    fn correlation(&mut self, outer: &[Column], inner: &[Column]) -> String {
        let kind = self.pick(&[Kind::Int, Kind::Text]);
        let (a, b) = (self.column(inner, kind), self.column(outer, kind));
        match self.rng.random_range(0..4) {
            0 => self.comparison(inner),
            1 => format!("{a} = {b} AND {}", self.comparison(inner)),
            2 => format!("{a} <= {b}"),
            _ => format!("{a} = {b}"),
        }
    }

    fn comparison(&mut self, columns: &[Column]) -> String {
        let kind = self.pick(&[Kind::Int, Kind::Int, Kind::Numeric, Kind::Text]);
        let operator = self.pick(&["=", "<>", "<", ">", "<=", ">=", "IS DISTINCT FROM"]);
        let right = if self.rng.random_bool(0.6) { self.literal(kind) } else { self.column(columns, kind) };
        format!("{} {operator} {right}", self.column(columns, kind))
    }

    fn condition(&mut self, columns: &[Column]) -> String {
        match self.rng.random_range(0..13) {
            0 => format!("({} AND {})", self.condition(columns), self.comparison(columns)),
            1 => format!("({} OR {})", self.condition(columns), self.comparison(columns)),
            2 => format!("NOT ({})", self.condition(columns)),
            3 => {
                let kind = self.pick(&[Kind::Int, Kind::Text]);
                format!("{} IS {}NULL", self.column(columns, kind), self.pick(&["", "NOT "]))
            }
            4 => format!("{} IN (1, 3, {})", self.column(columns, Kind::Int), self.pick(&["5", "NULL"])),
            5 => self.column(columns, Kind::Bool),
            6 if self.depth < DEPTH_MAX => {
                self.depth += 1;
                let (table, inner) = self.table();
                let sql = format!(
                    "{}EXISTS (SELECT 1 FROM {table} WHERE {})",
                    self.pick(&["", "NOT "]),
                    self.correlation(columns, &inner)
                );
                self.depth -= 1;
                sql
            }
            7 if self.depth < DEPTH_MAX => {
                self.depth += 1;
                let kind = self.pick(&[Kind::Int, Kind::Text]);
                let left = self.column(columns, kind);
                let (table, inner) = self.table();
                let (value, filter) = (self.column(&inner, kind), self.correlation(columns, &inner));
                let sql = format!("{left} {}IN (SELECT {value} FROM {table} WHERE {filter})", self.pick(&["", "NOT "]));
                self.depth -= 1;
                sql
            }
            8 => format!("{} BETWEEN 1 AND 3", self.column(columns, Kind::Int)),
            _ => self.comparison(columns),
        }
    }

    fn filter(&mut self, columns: &[Column]) -> String {
        if self.rng.random_bool(0.6) { format!(" WHERE {}", self.condition(columns)) } else { String::new() }
    }

    /// A query without groups; of these kinds of columns, or of any.
    fn plain(&mut self, kinds: Option<&[Kind]>) -> String {
        let (from, columns) = self.from();
        let any = [Kind::Int, Kind::Numeric, Kind::Text, Kind::Bool];
        let kinds: Vec<Kind> = match kinds {
            Some(kinds) => kinds.to_vec(),
            None => (0..self.rng.random_range(1..4)).map(|_| self.pick(&any)).collect(),
        };
        let values: Vec<String> = kinds.iter().map(|kind| self.value(&columns, *kind)).collect();
        let distinct = if self.rng.random_ratio(1, 5) { "DISTINCT " } else { "" };
        format!("SELECT {distinct}{} FROM {from}{}", values.join(", "), self.filter(&columns))
    }

    fn aggregate(&mut self, columns: &[Column]) -> String {
        let kind = self.pick(&[Kind::Int, Kind::Int, Kind::Numeric]);
        let call = match self.rng.random_range(0..8) {
            0 => "count(*)".to_owned(),
            1 => {
                let kind = self.pick(&[Kind::Int, Kind::Text]);
                format!("count(DISTINCT {})", self.value(columns, kind))
            }
            2 => format!("min({})", self.column(columns, Kind::Text)),
            3 => format!("max({})", self.value(columns, kind)),
            4 => format!("avg({})", self.column(columns, Kind::Int)),
            5 => format!("{}(DISTINCT {})", self.pick(&["sum", "sum", "avg"]), self.value(columns, kind)),
            6 => format!("count({})", self.column(columns, Kind::Bool)),
            _ => format!("sum({})", self.value(columns, kind)),
        };
        if self.rng.random_ratio(1, 4) { format!("{call} FILTER (WHERE {})", self.comparison(columns)) } else { call }
    }

    fn grouped(&mut self) -> String {
        let (from, columns) = self.from();
        let key = |generator: &mut Self| {
            let kind = generator.pick(&[Kind::Int, Kind::Text]);
            columns.iter().rfind(|(_, other)| *other == kind).map(|(name, _)| name.clone())
        };
        let keys: Vec<String> = (0..self.rng.random_range(0..3)).filter_map(|_| key(self)).collect();
        let aggregates = (0..self.rng.random_range(1..4)).map(|_| self.aggregate(&columns));
        let aggregates: Vec<String> = aggregates.collect();
        let values: Vec<String> = keys.iter().cloned().chain(aggregates).collect();
        let filter = self.filter(&columns);
        let group = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
        let having = if self.rng.random_ratio(1, 4) { " HAVING count(*) > 1" } else { "" };
        format!("SELECT {} FROM {from}{filter}{group}{having}", values.join(", "))
    }
}
