//! What is shared, and what is not: golden plans, each in the presence of what the views before it have brought.

use super::{Shared, reuse, share};
use crate::explain::mir_text;
use crate::mir::{JoinKind, Mir};
use crate::testing::{Tables, call, column, compare_golden, equal, fallible, get, int, operator, text};
use crate::typecheck;
use headwater_catalog::SharedRelation;
use headwater_expr::registry::resolve_function;
use headwater_expr::{AggregateFunction, Expr, Scalar};
use headwater_types::{DataType, RelationId, SessionSettings};
use std::sync::Arc;

const EVENTS: u32 = 1;
const CAMPAIGNS: u32 = 2;
const PLAIN: u32 = 4;
const USER: usize = 1;
const CAMPAIGN: usize = 2;
const KIND: usize = 3;

/// How a plan is made.
#[derive(Clone, Copy)]
enum As {
    View,
    Query,
}

struct Catalog {
    tables: Tables,
    next: u32,
    text: String,
}

impl Catalog {
    fn new() -> Self {
        Self { tables: Tables::marketing(), next: 100, text: String::new() }
    }

    /// Plans, notes what came of it, and keeps what is to be shared.
    fn plan(&mut self, title: &str, how: As, mut mir: Mir) -> Mir {
        typecheck::check(&mir).unwrap_or_else(|problem| panic!("{title}: {problem}"));
        let before = mir_text(&mir, &self.tables);
        let types = mir.types();
        let Shared { made, own, fired } = match how {
            As::View => share(&mut mir, &self.tables, Some(RelationId(self.next))),
            As::Query => reuse(&mut mir, &self.tables),
        }
        .expect("it can be planned");
        typecheck::check(&mir).unwrap_or_else(|problem| panic!("{title}: {problem}"));
        assert_eq!(mir.types(), types, "{title}");
        self.text += &format!("# {title}\n\nBefore:\n{before}\n");
        for plan in made {
            self.text += &format!("New: {}: {}\n\n", plan.id, plan.definition);
            self.next += 1;
            assert_eq!(plan.plan.nodes[plan.plan.root].types.len(), plan.columns.len(), "{title}");
            self.tables.1.push(Arc::new(SharedRelation {
                id: plan.id,
                grouping: plan.grouping,
                definition: plan.definition,
                columns: plan.columns,
                settings: SessionSettings::default(),
                plan: vec![],
            }));
        }
        if matches!(how, As::View) {
            self.tables.2.extend(own);
        }
        let after = if fired { mir_text(&mir, &self.tables) } else { "the same\n".to_owned() };
        self.text += &format!("After:\n{after}\n");
        mir
    }
}

fn count() -> crate::mir::MirAggregate {
    call(AggregateFunction::CountStar, None, false, DataType::Int8)
}

fn max(of: Scalar) -> crate::mir::MirAggregate {
    let data_type = of.data_type();
    call(AggregateFunction::Max, Some(of), false, data_type)
}

fn sum(of: Scalar) -> crate::mir::MirAggregate {
    call(AggregateFunction::Sum, Some(of), false, DataType::Int8)
}

/// Joined with campaigns by this column.
fn joined(groups: Mir, by: usize) -> Mir {
    let campaigns = get(CAMPAIGNS);
    let on = equal(column(&groups, by), Scalar::column(groups.arity(), DataType::Text));
    groups.join(campaigns, JoinKind::Inner, vec![on])
}

fn by_campaign(aggregates: Vec<crate::mir::MirAggregate>) -> Mir {
    get(EVENTS).aggregate(vec![CAMPAIGN], aggregates)
}

fn user() -> Scalar {
    Scalar::column(USER, DataType::Int4)
}

fn clicks() -> Mir {
    let events = get(EVENTS);
    let condition = equal(column(&events, KIND), text("click"));
    events.filter(vec![condition])
}

#[test]
fn equal_parts_are_shared() {
    let mut catalog = Catalog::new();
    let groups = || by_campaign(vec![count(), max(user())]);
    catalog.plan("an aggregate that is joined is made a relation", As::View, joined(groups(), 0));
    catalog.plan("the next view reads it", As::View, joined(groups(), 0));
    catalog.plan("also where its groups are the result", As::View, groups());
    catalog.plan("a query reads it", As::Query, groups());
    // The same columns by another way: other ordinals, the aggregates in another order and repeated.
    let narrow = get(EVENTS).project(vec![USER, CAMPAIGN]);
    let argument = Scalar::column(0, DataType::Int4);
    let same = narrow.aggregate(vec![1, 1], vec![max(argument.clone()), count(), max(argument)]);
    catalog.plan("in whatever order the columns are", As::View, joined(same, 1));
    catalog.plan("what it has more may not fail", As::View, joined(by_campaign(vec![count()]), 0));
    let filtered = |first: Scalar, second: Scalar| {
        joined(get(EVENTS).filter(vec![first]).filter(vec![second]).aggregate(vec![CAMPAIGN], vec![count()]), 0)
    };
    let few = || operator("<", user(), int(5));
    let known = || Expr::Not(Box::new(Expr::IsNull(Box::new(Scalar::column(CAMPAIGN, DataType::Text)))));
    catalog.plan("with conditions", As::View, filtered(few(), known()));
    catalog.plan("in whatever order they are", As::View, filtered(known(), few()));
    let sums = || by_campaign(vec![count(), sum(user())]);
    catalog.plan("an aggregate that may fail", As::View, joined(sums(), 0));
    catalog.plan("with all that it has", As::View, joined(sums(), 0));
    let outer = joined(groups(), 0);
    let Mir::Join { left, right, on, .. } = outer else { panic!("a join") };
    catalog.plan("below an outer join", As::View, left.join(*right, JoinKind::Left, on));
    let doubled = operator("+", user(), int(1));
    let mapped = get(EVENTS).map(vec![doubled]);
    let over = |mir: Mir| joined(mir.aggregate(vec![CAMPAIGN, 4], vec![count()]), 0);
    catalog.plan("groups of an expression", As::View, over(mapped.clone()));
    let condition = operator("<", column(&mapped, 4), int(9));
    catalog.plan("a condition over it", As::View, over(mapped.filter(vec![condition.clone()])));
    let inlined = operator("<", operator("+", user(), int(1)), int(9));
    let other = get(EVENTS).filter(vec![inlined]).map(vec![operator("+", user(), int(1))]);
    catalog.plan("the same condition below it", As::View, over(other));
    compare_golden("share", &catalog.text);
}

#[test]
fn a_query_may_ask_for_some_groups() {
    let mut catalog = Catalog::new();
    let mapped = || get(EVENTS).map(vec![operator("+", user(), int(1))]);
    let groups = |mir: Mir| mir.aggregate(vec![CAMPAIGN, 4], vec![count()]);
    catalog.plan("a view brings all", As::View, joined(groups(mapped()), 0));
    let of = |mir: Mir, conditions: Vec<Scalar>| groups(mir.filter(conditions));
    let campaign = || equal(Scalar::column(CAMPAIGN, DataType::Text), text("c"));
    catalog.plan("of one campaign", As::Query, of(mapped(), vec![campaign()]));
    let ranged = operator("<", column(&mapped(), 4), int(9));
    catalog.plan("of an expression", As::Query, of(mapped(), vec![campaign(), ranged]));
    catalog.plan("a view does not", As::View, of(mapped(), vec![campaign()]));
    let other = equal(Scalar::column(KIND, DataType::Text), text("click"));
    catalog.plan("some rows of each group", As::Query, of(mapped(), vec![campaign(), other]));
    catalog.plan("by a part of a group column", As::Query, of(mapped(), vec![operator("<", user(), int(9))]));
    let fails = fallible(&mapped(), 4);
    catalog.plan("what may fail", As::Query, of(mapped(), vec![fails]));
    compare_golden("share_groups", &catalog.text);
}

#[test]
fn what_two_views_compute_by_themselves_is_shared() {
    let mut catalog = Catalog::new();
    catalog.plan("the first", As::View, by_campaign(vec![count()]));
    catalog.plan("a query makes nothing of it", As::Query, by_campaign(vec![count()]));
    catalog.plan("other aggregates", As::View, by_campaign(vec![max(user())]));
    catalog.plan("those of the first, and one that may fail", As::View, by_campaign(vec![count(), sum(user())]));
    catalog.plan("those of the first, and one that may not", As::View, by_campaign(vec![count(), max(user())]));
    compare_golden("share_own", &catalog.text);
}

#[test]
fn what_differs_is_not_shared() {
    let mut catalog = Catalog::new();
    catalog.plan("the groups are the result: not worth storing twice", As::View, by_campaign(vec![count()]));
    // What it computes by itself is not told to the others.
    catalog.tables.2.clear();
    catalog.plan("a query makes nothing", As::Query, joined(by_campaign(vec![count()]), 0));
    catalog.plan("there is one to read", As::View, joined(by_campaign(vec![count(), sum(user())]), 0));
    catalog.plan("a view does not read what may fail in its place", As::View, by_campaign(vec![count()]));
    catalog.plan("a query does: it is told of none in error", As::Query, by_campaign(vec![count()]));
    catalog.plan("an aggregate that it has not", As::Query, by_campaign(vec![max(user())]));
    catalog.plan("other rows", As::Query, clicks().aggregate(vec![CAMPAIGN], vec![count()]));
    catalog.plan("other groups", As::Query, get(EVENTS).aggregate(vec![CAMPAIGN, KIND], vec![count()]));
    let distinct = call(AggregateFunction::Count, Some(user()), true, DataType::Int8);
    catalog.plan("DISTINCT", As::Query, by_campaign(vec![distinct]));
    let filtered = crate::mir::MirAggregate { filter: Some(equal(user(), int(1))), ..count() };
    catalog.plan("FILTER", As::Query, by_campaign(vec![filtered]));
    let plain = get(PLAIN);
    let division = fallible(&plain, 0);
    let both = plain.clone().join(plain, JoinKind::Inner, vec![]);
    catalog.plan("the input is a join", As::View, joined_plain(both.aggregate(vec![0], vec![count()])));
    let nested = get(PLAIN).aggregate(vec![0, 1], vec![]).aggregate(vec![0], vec![count()]);
    catalog.plan("an aggregate of an aggregate", As::View, joined_plain(nested));
    catalog.plan(
        "groups that may fail",
        As::View,
        joined_plain(get(PLAIN).map(vec![division]).aggregate(vec![2], vec![])),
    );
    compare_golden("share_negative", &catalog.text);
}

fn joined_plain(groups: Mir) -> Mir {
    groups.join(get(PLAIN), JoinKind::Inner, vec![])
}

#[test]
fn what_depends_on_settings_says_so() {
    let lower = resolve_function("lower", &[DataType::Text]).expect("it exists");
    let lower = |arg| Expr::Call { function: lower.function, args: vec![arg], data_type: lower.data_type.clone() };
    let cast = |to| {
        let cast = headwater_expr::Cast { to, context: headwater_expr::CastContext::Explicit };
        Expr::Cast(Box::new(Scalar::column(KIND, DataType::Text)), cast)
    };
    let made = |scalar: Scalar| {
        let mut mir = joined(get(EVENTS).map(vec![scalar]).aggregate(vec![CAMPAIGN, 4], vec![]), 0);
        let shared = share(&mut mir, &Tables::marketing(), Some(RelationId(100))).expect("it can be planned");
        shared.made[0].grouping.uses_settings
    };
    assert!(!made(lower(Scalar::column(KIND, DataType::Text))));
    assert!(!made(cast(DataType::Int4)));
    assert!(made(cast(DataType::Timestamptz)), "by the time zone");
}

#[test]
fn a_tower_of_maps_is_left_alone() {
    let mut mir = get(PLAIN);
    for level in 0..40 {
        let last = column(&mir, if level == 0 { 0 } else { mir.arity() - 1 });
        mir = mir.map(vec![operator("+", last.clone(), last)]);
    }
    let key = mir.arity() - 1;
    let mut mir = joined_plain(mir.aggregate(vec![key], vec![]));
    let shared = share(&mut mir, &Tables::marketing(), Some(RelationId(100))).expect("it can be planned");
    assert!(shared.made.is_empty() && !shared.fired);
}
