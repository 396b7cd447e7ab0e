//! One-shot execution: laziness, finishing, lookups, overlays, interrupts.

use crate::Interrupt;
use crate::local::{SourceInput, SourceProvider, execute};
use crate::testing::{EVENTS, Given, PlanBuilder, Tables, answer, call, event_types, int8, plans, run, sorted, whole};
use headwater_dataflow::spec::{Finishing, Mfp};
use headwater_expr::{ColumnOrder, EvalContext, Expr, Scalar};
use headwater_plan::lir::{Operator, Plan};
use headwater_types::{Batch, DataType, Datum, DeltaBatch, RelationId, Result, SessionSettings, SqlError, SqlState};

fn event(id: i32) -> Vec<Datum> {
    vec![Datum::Int4(id), Datum::Int4(id % 3), Datum::Int8(i64::from(id))]
}

fn tables(rows: i32) -> Tables {
    let mut tables = Tables::new();
    tables.change(EVENTS, &(0..rows).map(event).collect::<Vec<_>>(), &[]);
    tables
}

fn everything() -> Plan {
    let mut b = PlanBuilder::new();
    b.events();
    b.plan()
}

fn filtered(predicate: Scalar) -> Plan {
    let mut b = PlanBuilder::new();
    let mfp = Mfp { predicates: vec![(0, predicate)], ..Mfp::identity(3) };
    b.add(Operator::Source { relation: EVENTS, mfp }, &[], event_types());
    b.plan()
}

#[test]
fn a_long_scan_is_read_as_far_as_it_is_asked() {
    let tables = tables(50_000);
    let settings = SessionSettings::default();
    let eval = EvalContext { settings: &settings, now_micros: 0, catalog: None };
    let given = Given::tables(&tables);
    // The last row fails; whoever does not get there does not notice.
    let mut b = PlanBuilder::new();
    let events = b.events();
    let minuend = Scalar::column(2, DataType::Int8);
    let difference = call("-(int8,int8)", vec![minuend, int8(49_999)], DataType::Int8);
    let mfp = Mfp { expressions: vec![difference], projection: vec![0, 1, 3], ..Mfp::identity(3) };
    let mapped = b.add(Operator::Mfp(mfp), &[events], event_types());
    b.quotient(mapped, 2);
    let plan = b.plan();
    let mut result = execute(&plan, &whole(4), &given, eval, &Interrupt::new()).expect("nothing is read yet");
    assert!(result.next().expect("a first batch").expect("sound so far").rows > 0);
    let finishing = Finishing { limit: Some(20_000), offset: 5, ..whole(4) };
    assert_eq!(run(&plan, &finishing, &given).expect("not that far").len(), 20_000);
    let error = run(&plan, &whole(4), &given).expect_err("the last row fails");
    assert_eq!(error.state, SqlState::DivisionByZero);
}

#[test]
fn finishing_orders_skips_limits_and_projects() {
    let given = Given::tables(&tables(100));
    let order_by = vec![
        ColumnOrder { column: 1, descending: true, nulls_first: true },
        ColumnOrder { column: 0, descending: false, nulls_first: false },
    ];
    let finishing = Finishing { order_by, limit: Some(3), offset: 2, projection: vec![2, 1] };
    let rows = run(&everything(), &finishing, &given).expect("sound");
    let expected: Vec<Vec<Datum>> = [8, 11, 14].map(|id| vec![Datum::Int8(id), Datum::Int4(2)]).to_vec();
    assert_eq!(rows, expected);
    let none = Finishing { limit: Some(0), ..whole(3) };
    assert!(run(&everything(), &none, &given).expect("sound").is_empty());
    let beyond = Finishing { offset: 99, ..whole(3) };
    assert_eq!(run(&everything(), &beyond, &given).expect("sound").len(), 1);
}

#[test]
fn a_key_is_looked_up_whatever_form_the_filter_has() {
    let given = Given::tables(&tables(20_000));
    let id = Scalar::column(0, DataType::Int4);
    let int4 = |value| Expr::literal(Datum::Int4(value), DataType::Int4);
    let equal = |a, b| call("=(int4,int4)", vec![a, b], DataType::Bool);
    let odd = call("=(int8,int8)", vec![Scalar::column(2, DataType::Int8), int8(777)], DataType::Bool);
    let cases = [
        (equal(id.clone(), int4(777)), 1),
        (call("=(int4,int8)", vec![id.clone(), int8(777)], DataType::Bool), 1),
        (call("=(int4,int8)", vec![id.clone(), int8(1 << 40)], DataType::Bool), 0),
        (call("=(int8,int4)", vec![Scalar::column(2, DataType::Int8), int4(777)], DataType::Bool), 1),
        (equal(int4(777), id.clone()), 1),
        (equal(id.clone(), int4(-1)), 0),
        (equal(id.clone(), Expr::literal(Datum::Null, DataType::Int4)), 0),
        (Expr::And(vec![equal(id.clone(), int4(777)), odd.clone()]), 1),
        (Expr::And(vec![equal(id.clone(), int4(778)), odd.clone()]), 0),
        (Expr::And(vec![equal(id.clone(), int4(777)), equal(id.clone(), int4(778))]), 0),
        (Expr::Or(vec![equal(id.clone(), int4(777)), equal(id.clone(), int4(778))]), 2),
        (odd, 1),
    ];
    for (place, (predicate, rows)) in cases.into_iter().enumerate() {
        let found = run(&filtered(predicate), &whole(3), &given).expect("sound");
        assert_eq!(found.len(), rows, "case {place}");
    }
}

#[test]
fn a_transaction_sees_its_own_writes() {
    let tables = tables(10);
    let snapshot = tables.snapshot(EVENTS);
    let found: Vec<u32> = [3, 4].map(|id| snapshot.lookup(&[Datum::Int4(id)]).expect("small").expect("there")).to_vec();
    let written = [(event(3), -1), (event(4), -1), (event(40), 1), (event(41), 1)];
    let by_rows = DeltaBatch::from_rows(&event_types(), &written);
    let mut by_ids = by_rows.clone();
    by_ids.row_ids = Some([&found[..], &[0, 0]].concat());
    let expected = sorted([0, 1, 2, 5, 6, 7, 8, 9, 40, 41].map(event).to_vec());
    let looked_up = call(
        "=(int4,int4)",
        vec![Scalar::column(0, DataType::Int4), Expr::literal(Datum::Int4(3), DataType::Int4)],
        DataType::Bool,
    );
    for overlay in [by_rows, by_ids] {
        let mut given = Given::tables(&tables);
        let input = SourceInput::Stored { parts: vec![snapshot.clone()], overlay: Some(overlay) };
        given.0.insert(EVENTS, input);
        assert_eq!(answer(&everything(), &given), Ok(expected.clone()));
        assert_eq!(answer(&filtered(looked_up.clone()), &given), Ok(vec![]));
        for (name, plan) in plans() {
            // The same as if it were committed.
            let mut committed = Given::tables(&tables);
            committed.0.insert(EVENTS, SourceInput::Rows(Batch::from_rows(&event_types(), &expected)));
            assert_eq!(answer(&plan, &given), answer(&plan, &committed), "{name}");
        }
    }
}

#[test]
fn an_interrupt_stops_a_query_before_and_while_it_runs() {
    let given = Given::tables(&tables(50_000));
    let settings = SessionSettings::default();
    let eval = EvalContext { settings: &settings, now_micros: 0, catalog: None };
    let (plan, interrupt) = (everything(), Interrupt::new());
    let mut result = execute(&plan, &whole(3), &given, eval, &interrupt).expect("nothing stops it yet");
    assert!(result.next().expect("a batch").is_ok());
    interrupt.raise();
    let error = result.next().expect("an end").expect_err("interrupted");
    assert_eq!(error.state, SqlState::QueryCanceled);
    assert!(result.next().is_none(), "nothing comes after an error");
    let error = execute(&plan, &whole(3), &given, eval, &interrupt).expect_err("interrupted");
    assert_eq!(error.message, "canceling statement due to user request");
    interrupt.clear();
    assert!(execute(&plan, &whole(3), &given, eval, &interrupt).is_ok());
}

/// A view that cannot be read.
struct Broken;

impl SourceProvider for Broken {
    fn source(&self, _: RelationId) -> Result<SourceInput> {
        Err(SqlError::new(SqlState::DivisionByZero, "division by zero"))
    }
}

#[test]
fn a_sources_error_is_raised() {
    let settings = SessionSettings::default();
    let eval = EvalContext { settings: &settings, now_micros: 0, catalog: None };
    let error = execute(&everything(), &whole(3), &Broken, eval, &Interrupt::new()).expect_err("it cannot be read");
    assert_eq!(error.state, SqlState::DivisionByZero);
}

#[test]
fn a_node_with_two_readers_runs_once() {
    let given = Given::tables(&tables(9));
    let mut b = PlanBuilder::new();
    let events = b.events();
    let counts = b.count(events, &[1], None);
    b.same(Operator::Union, &[counts, counts]);
    assert_eq!(answer(&b.plan(), &given).map(|rows| rows.len()), Ok(6));
}

/// A reduce large enough for several threads, over a table that the transaction has changed, against its rows brought
/// together without a table.
#[test]
fn a_large_reduce_gives_what_one_thread_gives() {
    let tables = tables(300_000);
    let mut b = PlanBuilder::new();
    let events = b.events();
    let minus = call("-(int8,int8)", vec![Scalar::column(2, DataType::Int8), int8(7)], DataType::Int8);
    let mfp = Mfp { expressions: vec![minus], projection: vec![0, 1, 3], ..Mfp::identity(3) };
    let mapped = b.add(Operator::Mfp(mfp), &[events], event_types());
    b.count(mapped, &[1], Some(2));
    let plan = b.plan();
    let rows: Vec<Vec<Datum>> = (10..300_000).chain([400_000]).map(event).collect();
    let deleted: Vec<u32> = (0..10).collect();
    let gone: Vec<_> = (0..10).map(|id| (event(id), -1)).chain([(event(400_000), 1)]).collect();
    let overlay =
        DeltaBatch { row_ids: Some([deleted, vec![0]].concat()), ..DeltaBatch::from_rows(&event_types(), &gone) };
    let mut given = Given::tables(&tables);
    let parts = vec![tables.snapshot(EVENTS)];
    given.0.insert(EVENTS, SourceInput::Stored { parts, overlay: Some(overlay) });
    let mut whole = Given::tables(&tables);
    whole.0.insert(EVENTS, SourceInput::Rows(Batch::from_rows(&event_types(), &rows)));
    assert_eq!(answer(&plan, &given), answer(&plan, &whole));
    // Rows that are only counted need not be read, unless the transaction has changed some.
    let mut b = PlanBuilder::new();
    let events = b.events();
    b.count(events, &[], None);
    let count = b.plan();
    assert_eq!(answer(&count, &Given::tables(&tables)), Ok(vec![vec![Datum::Int8(300_000)]]));
    assert_eq!(answer(&count, &given), Ok(vec![vec![Datum::Int8(299_991)]]));
}
