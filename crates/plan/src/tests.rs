//! Decorrelation, limits and refusals.

use crate::hir::{HirLeaf, HirQuery, HirRelation, HirScalar, JoinKind};
use crate::lir::{Operator, Plan};
use crate::rewrite::{self, Purpose};
use crate::testing::{Tables, call, equal, int, operator};
use crate::{PlanOptions, QUERY_DEPTH_MAX, RewriteOptions, explain, plan_query, plan_view, query_relation};
use headwater_expr::registry::resolve_function;
use headwater_expr::{AggregateFunction, Cast, CastContext, Expr};
use headwater_types::{DataType, Datum, Field, RelationId, SqlState};

fn get(id: u32) -> HirRelation {
    let types = Tables::marketing().table(RelationId(id)).columns.iter().map(|(_, t)| t.clone()).collect();
    HirRelation::Get { relation: RelationId(id), types }
}

fn column(level: usize, index: usize, data_type: DataType) -> HirScalar {
    Expr::Leaf(HirLeaf::Column { level, index, data_type })
}

fn text_column(level: usize, index: usize) -> HirScalar {
    column(level, index, DataType::Text)
}

fn int_column(level: usize, index: usize) -> HirScalar {
    column(level, index, DataType::Int4)
}

fn filter(input: HirRelation, predicates: Vec<HirScalar>) -> HirRelation {
    HirRelation::Filter { input: Box::new(input), predicates }
}

fn map(input: HirRelation, scalars: Vec<HirScalar>) -> HirRelation {
    HirRelation::Map { input: Box::new(input), scalars }
}

fn exists(relation: HirRelation) -> HirScalar {
    Expr::Leaf(HirLeaf::Exists(Box::new(relation)))
}

fn any(relation: HirRelation, predicate: HirScalar) -> HirScalar {
    Expr::Leaf(HirLeaf::AnySubquery { relation: Box::new(relation), predicate: Box::new(predicate) })
}

fn unit() -> HirRelation {
    HirRelation::Constant { rows: vec![vec![]], types: vec![] }
}

/// All columns of a relation, as a query.
fn query(relation: HirRelation) -> HirQuery {
    let arity = relation.arity();
    let schema = (0..arity).map(|_| Field::new("column", DataType::Unknown)).collect();
    let projection: Vec<usize> = (0..arity).collect();
    let origins = vec![None; arity];
    HirQuery { relation, order_by: vec![], limit: None, offset: None, projection, schema, origins }
}

/// The plan after the rewrites, as text.
fn planned(relation: HirRelation) -> String {
    let tables = Tables::marketing();
    let (mir, _) = query_relation(&query(relation), &tables).expect("is supported");
    let (mir, _) = rewrite::optimize(mir, &tables, RewriteOptions::all(), Purpose::View).expect("well-formed");
    explain::mir_text(&mir, &tables)
}

fn plan(relation: HirRelation) -> headwater_types::Result<Plan> {
    plan_query(&query(relation), &Tables::marketing(), &PlanOptions::default()).map(|(plan, _)| plan)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).collect()
}

#[test]
fn an_exists_is_a_semi_join() {
    let correlated = filter(get(2), vec![equal(text_column(0, 0), text_column(1, 2))]);
    let query = query(filter(get(1), vec![exists(correlated)]));
    let (mir, _) = query_relation(&query, &Tables::marketing()).expect("is supported");
    let options = RewriteOptions { semi_join: false, ..RewriteOptions::all() };
    let (mir, _) = rewrite::optimize(mir, &Tables::marketing(), options, Purpose::View).expect("well-formed");
    assert_eq!(
        lines(&explain::mir_text(&mir, &Tables::marketing())),
        ["SemiJoin  ((#4 = #2))", "  ->  Get events", "  ->  Project  (#0)", "        ->  Get campaigns"]
    );
}

#[test]
fn a_not_in_of_what_is_never_null_is_one_anti_join() {
    let not_in = |x: HirScalar, y: usize, of: u32| {
        planned(filter(get(1), vec![Expr::Not(Box::new(any(get(of), equal(x, text_column(0, y)))))]))
    };
    let text = not_in(text_column(1, 0), 0, 2);
    assert_eq!(text.matches("AntiJoin").count(), 1, "{text}");
    // campaign_id of an event may be NULL: then it is kept only if there are no campaigns.
    let text = not_in(text_column(1, 2), 0, 2);
    assert_eq!(text.matches("AntiJoin").count(), 2, "{text}");
    // As may the variants' campaign_id: then nothing is kept.
    let text = not_in(text_column(1, 2), 1, 3);
    assert_eq!(text.matches("AntiJoin").count(), 3, "{text}");
    assert!(text.contains("(#1 IS NULL)") || text.contains("(#0 IS NULL)"), "{text}");
}

#[test]
fn a_subquery_that_a_case_does_not_reach_is_not_applied() {
    // CASE WHEN a = 0 THEN 0 ELSE (SELECT 1 / a) END
    let division = map(unit(), vec![operator("/", int(1), int_column(1, 0))]);
    let subquery = Expr::Leaf(HirLeaf::ScalarSubquery(Box::new(division), DataType::Int4));
    let case = Expr::Case { branches: vec![(equal(int_column(0, 0), int(0)), int(0))], otherwise: Box::new(subquery) };
    let text = planned(map(get(4), vec![case]));
    let guard = text.find("CASE WHEN (#0 = 0) THEN false ELSE true END").expect("the keys are filtered");
    let division = text.find("(1 / #0)").expect("the division");
    assert!(division < guard, "the division is above the filter:\n{text}");
}

#[test]
fn an_uncorrelated_subquery_is_computed_once() {
    let max = call(AggregateFunction::Max, Some(int_column(0, 0)), false, DataType::Int4);
    let max = HirRelation::Aggregate { input: Box::new(get(4)), group_key: vec![], aggregates: vec![max] };
    let subquery = Expr::Leaf(HirLeaf::ScalarSubquery(Box::new(max), DataType::Int4));
    let text = planned(map(get(4), vec![subquery]));
    assert_eq!(
        lines(&text),
        [
            "CrossJoin",
            "  ->  Get plain",
            "  ->  Aggregate  (key: ; max(#0))",
            "        ->  Project  (#0)",
            "              ->  Get plain"
        ]
    );
}

#[test]
fn a_lateral_function_is_a_flat_map() {
    let series = HirRelation::TableFunction {
        function: headwater_expr::TableFunction::GenerateSeries,
        args: vec![int(1), int_column(1, 0)],
        types: vec![DataType::Int4],
        ordinality: false,
    };
    let join = HirRelation::Join {
        left: Box::new(get(4)),
        right: Box::new(series),
        on: Box::new(crate::scalars::bool_literal(true)),
        kind: JoinKind::Inner,
        lateral: true,
    };
    let text = planned(join);
    assert_eq!(lines(&text), ["FlatMap  GenerateSeries(1, #0)", "  ->  Get plain"]);
}

#[test]
fn a_select_of_constants_is_a_constant() {
    let plan = plan(map(unit(), vec![int(1)])).expect("is supported");
    assert_eq!(plan.nodes.len(), 1);
    assert_eq!(plan.nodes[0].operator, Operator::Constant(vec![(vec![Datum::Int4(1)], 1)]));
    assert_eq!(plan.key, Some(vec![]));
}

#[test]
fn depth_is_bounded() {
    let mut scalar: HirScalar = int(1);
    for _ in 0..QUERY_DEPTH_MAX - 10 {
        scalar = operator("+", scalar, int_column(0, 0));
    }
    assert!(plan(map(get(4), vec![scalar.clone()])).is_ok());
    for _ in 0..20 {
        scalar = operator("+", scalar, int(1));
    }
    let error = plan(map(get(4), vec![scalar])).expect_err("is too deep");
    assert_eq!(error.state, SqlState::StatementTooComplex);

    let mut relation = get(4);
    for _ in 0..QUERY_DEPTH_MAX / 2 - 10 {
        relation = filter(get(4), vec![exists(filter(relation, vec![equal(int_column(0, 0), int_column(1, 0))]))]);
        if relation_depth(&relation) > 100 {
            break;
        }
    }
    assert!(plan(relation).is_ok());
    let mut relation = get(4);
    for _ in 0..QUERY_DEPTH_MAX {
        relation = HirRelation::Distinct(Box::new(relation));
    }
    assert_eq!(plan(relation).expect_err("is too deep").state, SqlState::StatementTooComplex);
}

fn relation_depth(relation: &HirRelation) -> usize {
    let mut depth = 0;
    relation.for_each_scalar(&mut |s| {
        s.for_each_leaf(&mut |leaf| {
            if let HirLeaf::Exists(inner) = leaf {
                depth = depth.max(relation_depth(inner));
            }
        });
    });
    1 + relation.children().into_iter().map(relation_depth).max().unwrap_or(0).max(depth)
}

#[test]
fn wide_queries_are_fine() {
    let rows = (0..5000).map(|i| map(unit(), vec![int(i)])).collect();
    let constant = plan(HirRelation::Union(rows)).expect("is supported");
    assert_eq!(constant.nodes.len(), 1);
    let conjuncts = (0..5000).map(|i| operator("<>", int_column(0, 0), int(i))).collect();
    assert!(plan(filter(get(4), vec![Expr::And(conjuncts)])).is_ok());
}

#[test]
fn a_view_may_not_read_the_clock() {
    let now = resolve_function("now", &[]).expect("it exists");
    let now: HirScalar = Expr::Call { function: now.function, args: vec![], data_type: now.data_type };
    let query = query(map(get(4), vec![now]));
    let error = plan_view(&query, &Tables::marketing(), &PlanOptions::default()).expect_err("is refused");
    assert_eq!(error.state, SqlState::FeatureNotSupported);
    assert!(error.message.contains("now()"), "{}", error.message);
    assert!(plan_query(&query, &Tables::marketing(), &PlanOptions::default()).is_ok());
}

#[test]
fn limits_are_checked() {
    let limited = |limit: HirScalar| {
        let query = HirQuery { limit: Some(limit), ..query(get(4)) };
        plan_query(&query, &Tables::marketing(), &PlanOptions::default()).map(|(_, finishing)| finishing.limit)
    };
    let int8 = |value: i64| Expr::Literal(Datum::Int8(value), DataType::Int8);
    assert_eq!(limited(int8(3)).expect("fine"), Some(3));
    assert_eq!(limited(Expr::Literal(Datum::Null, DataType::Int8)).expect("fine"), None);
    let error = limited(int8(-1)).expect_err("is negative");
    assert_eq!((error.state, &*error.message), (SqlState::InvalidRowCountInLimitClause, "LIMIT must not be negative"));
    assert_eq!(limited(int_column(0, 0)).expect_err("varies").state, SqlState::FeatureNotSupported);
}

#[test]
fn equal_parts_of_a_plan_are_one_node() {
    let grouped = || HirRelation::Aggregate { input: Box::new(get(4)), group_key: vec![0], aggregates: vec![] };
    let plan = plan(HirRelation::Union(vec![grouped(), grouped()])).expect("is supported");
    let reduces = plan.nodes.iter().filter(|node| matches!(node.operator, Operator::Reduce(_))).count();
    assert_eq!(reduces, 1);
}

#[test]
fn equal_numbers_that_are_not_identical_are_told_apart() {
    // (SELECT x::text) for x in 1.0, 1.00; but a comparison does not mind.
    let numeric = || column(1, 0, DataType::Numeric(None));
    let numbers = || HirRelation::Constant { rows: vec![], types: vec![DataType::Numeric(None), DataType::Int4] };
    let tables = Tables::marketing();
    let lowered = |inner: HirRelation, data_type: DataType| {
        let leaf = HirLeaf::ScalarSubquery(Box::new(inner), data_type);
        let (mir, _) = query_relation(&query(map(numbers(), vec![Expr::Leaf(leaf)])), &tables).expect("is supported");
        explain::mir_text(&mir, &tables)
    };
    let text = Cast { to: DataType::Text, context: CastContext::Explicit };
    let shown = lowered(map(unit(), vec![Expr::Cast(Box::new(numeric()), text)]), DataType::Text);
    assert_eq!(shown.matches("IS NOT DISTINCT FROM").count(), 2, "{shown}");
    let shown = lowered(map(unit(), vec![equal(numeric(), numeric())]), DataType::Bool);
    assert_eq!(shown.matches("IS NOT DISTINCT FROM").count(), 1, "{shown}");
}
