//! Shapes: what two texts have in common, and that a shape and its literals are the statement.

use super::catalog;
use crate::lexer::{TokenKind, lex_statement};
use crate::{BindContext, BoundStatement, Shape, Statement, bind, parse_script};
use headwater_expr::Expr;
use headwater_plan::hir::{HirLeaf, HirQuery, HirScalar};
use headwater_plan::hir_visit::{HirVisitorMut, walk_query_mut, walk_scalar_mut};
use headwater_types::{DataType, Datum, SessionSettings};
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

const NOW_MICROS: i64 = 1_700_000_000_000_000;

fn key(text: &str) -> Option<Vec<u8>> {
    Shape::of(text).map(|shape| shape.key().to_vec())
}

fn literals(text: &str) -> Vec<&str> {
    let shape = Shape::of(text).unwrap_or_else(|| panic!("{text} has a shape"));
    shape.literal_texts(text)
}

#[test]
fn operands_of_comparisons_are_parameters() {
    let cases: [(&str, &[&str]); 12] = [
        ("SELECT * FROM et WHERE a = 5", &["5"]),
        ("select * from et where b = 'it''s' and a > -5;", &["'it''s'", "-5"]),
        ("SELECT * FROM et WHERE b <> E'a\\nb' OR a <= 5.5", &["E'a\\nb'", "5.5"]),
        ("SELECT * FROM et WHERE a IN (1, 2, -3) AND b BETWEEN 'a' AND 'b'", &["1", "2", "-3", "'a'", "'b'"]),
        ("UPDATE et SET a = 1, b = 'x' WHERE d = 7", &["1", "'x'", "7"]),
        ("DELETE FROM et WHERE (b) = 'x' RETURNING a", &["'x'"]),
        ("SELECT a FROM et WHERE 1 = 0 LIMIT 5", &[]),
        ("SELECT 'x', 5 FROM et GROUP BY 1 ORDER BY 2", &[]),
        ("SELECT a FROM et WHERE b = 'x'::text OR b = 'x' || 'y' OR a = 5 + 1", &[]),
        ("SELECT a FROM et WHERE b LIKE 'x%' AND f(a, 5) IS NULL", &[]),
        ("SELECT a FROM et WHERE a IN (1, a, 2)", &["1"]),
        ("SELECT a FROM et WHERE b = N'x' AND a - 5 = d", &["'x'"]),
    ];
    for (text, expected) in cases {
        assert_eq!(literals(text), expected, "{text}");
    }
}

#[test]
fn keys_tell_statements_apart() {
    let same = [
        ("SELECT a FROM et WHERE b = 'x'", "SELECT  a /* c */ FROM et\nWHERE b = 'another';"),
        ("SELECT a FROM et WHERE b = 'x'", "SELECT a FROM et WHERE b = E'x'"),
        ("SELECT a FROM et WHERE a = 1", "SELECT a FROM et WHERE a = -2147483648"),
    ];
    for (one, other) in same {
        assert_eq!(key(one), key(other), "{one} and {other}");
    }
    let different = [
        ("SELECT a FROM et WHERE a = 1", "SELECT a FROM et WHERE a = 2147483648"),
        ("SELECT a FROM et WHERE a = 1", "SELECT a FROM et WHERE a = 1.0"),
        ("SELECT a FROM et WHERE a = 1", "SELECT a FROM et WHERE a = '1'"),
        ("SELECT a FROM et LIMIT 1", "SELECT a FROM et LIMIT 2"),
        ("SELECT a FROM et WHERE a IN (1)", "SELECT a FROM et WHERE a IN (1, 2)"),
        ("SELECT \"a\" FROM et", "SELECT a FROM et"),
        ("SELECT a FROM et WHERE b = 'x' LIMIT 1", "SELECT a FROM et WHERE b = 'x' OFFSET 1"),
    ];
    for (one, other) in different {
        assert_ne!(key(one), key(other), "{one} and {other}");
    }
    for none in ["SELECT 1; SELECT 2", "SELECT $1", "SET a = 5", "SELECT 'a' 'b'", "SELECT 'open", "", "; ;"] {
        assert_eq!(key(none), None, "{none}");
    }
}

fn any_operand(random: &mut SmallRng) -> String {
    let number: i64 = random.random();
    let operands = [
        format!("'{}'", "o''k ".repeat(random.random_range(0..3))),
        format!("{}", number >> random.random_range(0..64)),
        format!("{}.5", number >> 40),
        format!("E'a\\\\{}'", number & 7),
        "$$it's$$".to_owned(),
        "x.\"Y\"".to_owned(),
        "count(*)".to_owned(),
        "NULL".to_owned(),
    ];
    operands.choose(random).expect("there are some").clone()
}

fn any_statement(random: &mut SmallRng) -> String {
    let mut text = ["SELECT a FROM et WHERE", "DELETE FROM et WHERE", "UPDATE et SET b ="]
        .choose(random)
        .expect("there are some")
        .to_string();
    for _ in 0..random.random_range(1..5) {
        let place =
            [" b = @ AND", " a IN (@, @) OR", " a BETWEEN @ AND @ AND", " @ < @ ,", " f(@) = @ THEN", " a = @::int,"];
        for part in place.choose(random).expect("there are some").split_inclusive('@') {
            let operand = any_operand(random);
            text += &part.replace('@', &operand);
        }
        text += [" ", "\n", "/* 'c' */", "-- 5\n"].choose(random).expect("there are some");
    }
    text + " TRUE"
}

/// The shape's key with its literals in their places is the statement, token by token.
#[test]
fn shape_and_literals_are_the_statement() {
    for seed in 0..3000 {
        let text = any_statement(&mut SmallRng::seed_from_u64(seed));
        let Some(shape) = Shape::of(&text) else { continue };
        let mut literals = shape.literal_texts(&text).into_iter();
        let parts = shape.key().split(|byte| *byte == 0);
        let restored: Vec<String> = parts
            .map(|part| match part {
                [1..=4] => literals.next().expect("a literal for each place").replace(' ', ""),
                part => String::from_utf8(part.to_vec()).expect("tokens are text").replace(' ', ""),
            })
            .collect();
        assert_eq!(literals.next(), None, "seed {seed}: {text}");
        let (tokens, _) = lex_statement(&text, 0);
        let tokens = tokens.iter().filter(|token| token.kind != TokenKind::Semicolon);
        let expected: String = tokens.map(|token| text[token.start..token.end].replace(' ', "")).collect();
        assert_eq!(restored.concat(), expected, "seed {seed}: {text}");
    }
}

struct Put<'a>(&'a [Datum]);

impl HirVisitorMut for Put<'_> {
    fn scalar(&mut self, scalar: &mut HirScalar) {
        if let Expr::Leaf(HirLeaf::Parameter { index, data_type }) = scalar {
            *scalar = Expr::Literal(self.0[*index].clone(), data_type.clone());
        }
        walk_scalar_mut(self, scalar);
    }
}

fn query(statement: &Statement, types: &[Option<DataType>]) -> Option<(HirQuery, Vec<DataType>)> {
    let (catalog, settings) = (catalog(), SessionSettings::default());
    let context =
        BindContext { catalog: &catalog, settings: &settings, parameter_types: types, now_micros: NOW_MICROS };
    let bound = bind(statement, &context).ok()?;
    let query = match bound.statement {
        BoundStatement::Query(query) => query,
        BoundStatement::Update(update) => update.query,
        BoundStatement::Delete(delete) => delete.query,
        _ => return None,
    };
    Some((query, bound.parameter_types))
}

#[test]
fn a_shape_with_its_values_binds_as_the_statement() {
    let statements = [
        "SELECT * FROM et WHERE a = 5 AND b = 'x'",
        "SELECT * FROM et WHERE a = '5' OR n > 4.25 OR n = 7 OR d <> 3000000000",
        "SELECT a, count(*) FROM et WHERE b IN ('x', 'y') AND a IN (1, 2) GROUP BY a HAVING count(*) > 1 LIMIT 3",
        "SELECT CASE WHEN a = 5 THEN 'x' ELSE b END FROM et WHERE n BETWEEN 1 AND 2.5",
        "SELECT a FROM et x WHERE EXISTS (SELECT FROM et y WHERE y.b = 'x' AND y.a = x.a)",
        "UPDATE et SET d = 7, b = 'x' WHERE a = 5",
        "DELETE FROM et WHERE a >= -5 AND b < 'y'",
    ];
    for text in statements {
        let shape = Shape::of(text).unwrap_or_else(|| panic!("{text} has a shape"));
        let statement = parse_script(text).expect("it parses").remove(0).with_shape(shape);
        let (generic, types) = statement.generic().expect("it parses").expect("it has a shape");
        let (mut bound, types) = query(&generic, &types).unwrap_or_else(|| panic!("{text} binds with parameters"));
        let values = statement
            .literal_values(&types, &SessionSettings::default(), NOW_MICROS)
            .unwrap_or_else(|| panic!("the literals of {text} are values"));
        walk_query_mut(&mut Put(&values), &mut bound);
        assert_eq!(Some(bound), query(&statement, &[]).map(|(query, _)| query), "{text}");
    }
}

#[test]
fn what_is_no_value_is_left_to_the_statement_itself() {
    for text in ["SELECT * FROM et WHERE a = 'x'", "SELECT * FROM et WHERE n = '1e'"] {
        let shape = Shape::of(text).expect("it has a shape");
        let statement = Statement::of_shape(text, shape, parse_script(text).expect("it parses")[0].seen());
        let (generic, types) = statement.generic().expect("it parses").expect("it has a shape");
        let (_, types) = query(&generic, &types).expect("it binds with parameters");
        assert_eq!(statement.literal_values(&types, &SessionSettings::default(), NOW_MICROS), None, "{text}");
        assert_eq!(query(&statement, &[]), None, "{text} is an error");
    }
}

#[test]
fn moments_are_told() {
    let (catalog, settings) = (catalog(), SessionSettings::default());
    let reads_clock = |text: &str| {
        let context =
            BindContext { catalog: &catalog, settings: &settings, parameter_types: &[], now_micros: NOW_MICROS };
        bind(&parse_script(text).expect("it parses")[0], &context).expect("it binds").reads_clock
    };
    assert!(reads_clock("SELECT 'Today'::date"));
    assert!(reads_clock("SELECT timestamp 'now' - interval '1 day'"));
    assert!(!reads_clock("SELECT '2020-01-01'::date, 'now', now()"));
}
