//! Which errors count, how NULL flows, and what is computed how often.

use crate::TableFunction;
use crate::registry::{resolve_function, resolve_operator};
use crate::{
    Cast, CastContext, EvalContext, Expr, Quantifier, Scalar, evaluate, evaluate_table_function, fold_constants,
    testing,
};
use headwater_types::{ArrayDatum, Batch, DataType, Datum, SessionSettings};
use std::sync::Arc;

fn int(value: i32) -> Scalar {
    Expr::Literal(Datum::Int4(value), DataType::Int4)
}

fn boolean(value: Option<bool>) -> Scalar {
    Expr::Literal(value.map_or(Datum::Null, Datum::Bool), DataType::Bool)
}

fn column(index: usize) -> Scalar {
    Scalar::column(index, DataType::Int4)
}

fn operator(symbol: &str, left: Scalar, right: Scalar) -> Scalar {
    let resolved = resolve_operator(symbol, Some(left.data_type()), right.data_type()).expect("an operator");
    Expr::Call { function: resolved.function, args: vec![left, right], data_type: resolved.data_type }
}

fn batch() -> Batch {
    let rows = [[Datum::Int4(1), Datum::Int4(0)], [Datum::Int4(6), Datum::Int4(2)], [Datum::Null, Datum::Int4(0)]];
    Batch::from_rows(&[DataType::Int4, DataType::Int4], &rows.map(Vec::from))
}

/// Each row's value, or its SQLSTATE.
fn values(expr: &Scalar) -> Vec<String> {
    let settings = SessionSettings::default();
    let context = testing::context(&settings);
    let text = Expr::Cast(Box::new(expr.clone()), Cast { to: DataType::Text, context: CastContext::Explicit });
    let result = evaluate(&text, &batch(), &context);
    (0..3_u32)
        .map(|row| match result.errors.iter().find(|(at, _)| *at == row) {
            Some((_, error)) => error.state.code().to_owned(),
            None => match Datum::from_array(&*result.array, &DataType::Text, usize::try_from(row).expect("small")) {
                Datum::Text(text) => text.as_ref().to_owned(),
                _ => "NULL".to_owned(),
            },
        })
        .collect()
}

fn quotient() -> Scalar {
    operator("/", column(0), column(1))
}

#[test]
fn an_error_is_its_rows_own() {
    assert_eq!(values(&quotient()), ["22012", "3", "NULL"]);
    assert_eq!(values(&operator("+", quotient(), int(1))), ["22012", "4", "NULL"]);
    assert_eq!(values(&Expr::IsNull(Box::new(quotient()))), ["22012", "false", "true"]);
}

#[test]
fn logic_drops_the_errors_it_does_not_need() {
    let is_three = operator("=", quotient(), int(3));
    let nonzero = operator("<>", column(1), int(0));
    assert_eq!(values(&Expr::And(vec![is_three.clone(), nonzero.clone()])), ["false", "true", "false"]);
    let zero = operator("=", column(1), int(0));
    assert_eq!(values(&Expr::Or(vec![is_three.clone(), zero])), ["true", "true", "true"]);
    assert_eq!(values(&Expr::And(vec![is_three.clone(), boolean(None)])), ["22012", "NULL", "NULL"]);
    assert_eq!(values(&Expr::Not(Box::new(is_three))), ["22012", "false", "NULL"]);
}

#[test]
fn three_valued_tables() {
    let all = [Some(true), Some(false), None];
    for a in all {
        for b in all {
            let show = |v: Option<bool>| v.map_or("NULL".to_owned(), |v| v.to_string());
            let and = match (a, b) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let or = match (a, b) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
            assert_eq!(values(&Expr::And(vec![boolean(a), boolean(b)]))[0], show(and), "{a:?} AND {b:?}");
            assert_eq!(values(&Expr::Or(vec![boolean(a), boolean(b)]))[0], show(or), "{a:?} OR {b:?}");
        }
    }
}

#[test]
fn case_computes_only_what_counts() {
    let nonzero = operator("<>", column(1), int(0));
    let guarded = Expr::Case { branches: vec![(nonzero, quotient())], otherwise: Box::new(int(-1)) };
    assert_eq!(values(&guarded), ["-1", "3", "-1"]);
    let without_else = Expr::Case {
        branches: vec![(operator("=", column(0), int(6)), column(1))],
        otherwise: Box::new(Expr::Literal(Datum::Null, DataType::Int4)),
    };
    assert_eq!(values(&without_else), ["NULL", "2", "NULL"]);
    let failing_condition = Expr::Case {
        branches: vec![(operator("=", quotient(), int(3)), int(10)), (boolean(Some(true)), int(20))],
        otherwise: Box::new(int(30)),
    };
    assert_eq!(values(&failing_condition), ["22012", "10", "20"]);
    let numeric =
        |expr| Expr::Cast(Box::new(expr), Cast { to: DataType::Numeric(None), context: CastContext::Implicit });
    let sum_argument = Expr::Case {
        branches: vec![(operator("=", column(1), int(0)), numeric(column(0)))],
        otherwise: Box::new(numeric(int(0))),
    };
    assert_eq!(values(&sum_argument), ["1", "0", "NULL"]);
    let three_ways = Expr::Case {
        branches: vec![(operator("=", column(0), int(1)), column(1)), (operator("=", column(0), int(6)), column(0))],
        otherwise: Box::new(int(9)),
    };
    assert_eq!(values(&three_ways), ["0", "6", "9"]);
}

#[test]
fn coalesce_stops_at_the_first_value() {
    assert_eq!(values(&Expr::Coalesce(vec![column(0), quotient()])), ["1", "6", "NULL"]);
    assert_eq!(values(&Expr::Coalesce(vec![quotient(), int(7)])), ["22012", "3", "7"]);
    assert_eq!(values(&Expr::Coalesce(vec![column(0), int(7), quotient()])), ["1", "6", "7"]);
}

#[test]
fn null_is_not_distinct_from_null() {
    let null = || Expr::Literal(Datum::Null, DataType::Int4);
    assert_eq!(values(&Expr::IsNotDistinct(Box::new(column(0)), Box::new(null()))), ["false", "false", "true"]);
    assert_eq!(values(&Expr::IsNotDistinct(Box::new(column(0)), Box::new(int(6)))), ["false", "true", "false"]);
}

fn array(values: &[Option<i32>]) -> Scalar {
    let values = values.iter().map(|v| v.map_or(Datum::Null, Datum::Int4)).collect();
    let value = Datum::Array(Arc::new(ArrayDatum { element: DataType::Int4, values }));
    Expr::Literal(value, DataType::Array(Box::new(DataType::Int4)))
}

fn quantified(symbol: &str, array: Scalar, quantifier: Quantifier) -> Scalar {
    let function = resolve_operator(symbol, Some(DataType::Int4), DataType::Int4).expect("an operator").function;
    Expr::Quantified { function, left: Box::new(column(0)), array: Box::new(array), quantifier }
}

#[test]
fn any_and_all_over_constants_and_columns() {
    let any = |array| values(&quantified("=", array, Quantifier::Any));
    assert_eq!(any(array(&[Some(6), Some(7)])), ["false", "true", "NULL"]);
    assert_eq!(any(array(&[Some(6), None])), ["NULL", "true", "NULL"]);
    assert_eq!(any(array(&[])), ["false", "false", "false"]);
    let long: Vec<Option<i32>> = (5..50).map(Some).collect();
    assert_eq!(any(array(&long)), ["false", "true", "NULL"]);
    let all = |array| values(&quantified("<", array, Quantifier::All));
    assert_eq!(all(array(&[Some(6), Some(7)])), ["true", "false", "NULL"]);
    assert_eq!(all(array(&[])), ["true", "true", "true"]);
    let per_row = Expr::Array(vec![column(1), operator("+", column(0), int(0))], DataType::Int4);
    assert_eq!(any(per_row), ["true", "true", "NULL"]);
}

#[test]
fn arrays_are_built_and_subscripted() {
    let per_row = Expr::Array(vec![column(1), column(0)], DataType::Int4);
    assert_eq!(values(&per_row), ["{0,1}", "{2,6}", "{0,NULL}"]);
    let at = |index| values(&Expr::Subscript(Box::new(per_row.clone()), Box::new(index)));
    assert_eq!(at(int(2)), ["1", "6", "NULL"]);
    assert_eq!(at(int(0)), ["NULL", "NULL", "NULL"]);
    assert_eq!(at(operator("+", column(1), int(1))), ["0", "NULL", "0"]);
}

#[test]
fn vectors_count_from_zero() {
    let values_of = vec![Datum::Int2(4), Datum::Int2(5)];
    let vector = Datum::Array(Arc::new(ArrayDatum { element: DataType::Int2, values: values_of }));
    let vector = Expr::Literal(vector, DataType::Int2Vector);
    assert_eq!(values(&Expr::Subscript(Box::new(vector), Box::new(int(0))))[0], "4");
    let resolved =
        crate::registry::resolve_table_function("generate_subscripts", &[DataType::Int2Vector, DataType::Int4]);
    let resolved = resolved.expect("a table function").expect("with these arguments");
    assert_eq!(resolved.function, TableFunction::GenerateVectorSubscripts);
}

#[test]
fn constants_fold_and_errors_stay() {
    let settings = SessionSettings::default();
    let context = testing::context(&settings);
    let fold = |expr| fold_constants(expr, &context);
    assert_eq!(fold(operator("+", int(1), int(2))), int(3));
    let failing = operator("/", int(1), int(0));
    assert_eq!(fold(failing.clone()), failing);
    assert_eq!(
        fold(Expr::And(vec![boolean(Some(true)), operator("=", column(0), int(1))])),
        operator("=", column(0), int(1))
    );
    assert_eq!(fold(Expr::And(vec![boolean(Some(false)), operator("=", failing, int(1))])), boolean(Some(false)));
    let now = resolve_function("now", &[]).expect("now()");
    let now = Expr::Call { function: now.function, args: vec![], data_type: now.data_type };
    assert_eq!(fold(now.clone()), now);
    assert!(matches!(crate::fold_stable(now, &context), Expr::Literal(Datum::Timestamp(testing::NOW_MICROS), _)));
}

fn rows_of(function: TableFunction, args: &[Datum], data_type: DataType) -> Result<usize, String> {
    let settings = SessionSettings::default();
    let context: EvalContext<'_> = testing::context(&settings);
    evaluate_table_function(function, args, &[data_type], &context).map(|b| b.rows).map_err(|e| e.message)
}

#[test]
fn series_end_at_the_range_of_their_type() {
    let series = |args: &[Datum], t| rows_of(TableFunction::GenerateSeries, args, t);
    assert_eq!(series(&[Datum::Int4(1), Datum::Int4(3)], DataType::Int4), Ok(3));
    assert_eq!(series(&[Datum::Int4(i32::MAX - 1), Datum::Int4(i32::MAX)], DataType::Int4), Ok(2));
    assert_eq!(series(&[Datum::Int4(3), Datum::Int4(1), Datum::Int4(-1)], DataType::Int4), Ok(3));
    assert_eq!(series(&[Datum::Int4(3), Datum::Int4(1)], DataType::Int4), Ok(0));
    assert_eq!(series(&[Datum::Null, Datum::Int4(1)], DataType::Int4), Ok(0));
    assert_eq!(
        series(&[Datum::Int4(1), Datum::Int4(2), Datum::Int4(0)], DataType::Int4),
        Err("step size cannot equal zero".to_owned())
    );
}

#[test]
fn windows_start_at_whole_hours() {
    let resolved = resolve_function("tumble_start", &[DataType::Timestamptz, DataType::Interval]).expect("a function");
    let settings = SessionSettings::default();
    let context = testing::context(&settings);
    let hour = headwater_types::Interval { months: 0, days: 0, micros: 3_600_000_000 };
    let args = vec![Scalar::column(0, DataType::Timestamptz), Expr::Literal(Datum::Interval(hour), DataType::Interval)];
    let call = Expr::Call { function: resolved.function, args, data_type: resolved.data_type };
    let moments =
        [Datum::Timestamp(testing::NOW_MICROS), Datum::Null, Datum::Timestamp(-1), Datum::Timestamp(i64::MAX)];
    let batch = Batch::from_rows(&[DataType::Timestamptz], &moments.map(|m| vec![m]));
    let result = evaluate(&call, &batch, &context);
    let starts: Vec<Datum> = (0..4).map(|row| Datum::from_array(&*result.array, &DataType::Timestamptz, row)).collect();
    let expected = [
        Datum::Timestamp(1_704_164_400_000_000),
        Datum::Null,
        Datum::Timestamp(-3_600_000_000),
        Datum::Timestamp(i64::MAX),
    ];
    assert_eq!(starts, expected);
}

#[test]
fn too_long_a_column_is_an_error_not_a_crash() {
    const ROWS: usize = 8192;
    let settings = SessionSettings::default();
    let context = testing::context(&settings);
    let text = |value: &str| Expr::Literal(Datum::text(value), DataType::Text);
    let repeat = resolve_function("repeat", &[DataType::Text, DataType::Int4]).expect("a function");
    let args = vec![text("x"), int(300_000)];
    let long = Expr::Call { function: repeat.function, args, data_type: repeat.data_type };
    let numbers: Vec<Vec<Datum>> = (0..8192).map(|i| vec![Datum::Int4(i)]).collect();
    let batch = Batch::from_rows(&[DataType::Int4], &numbers);
    let failed = |expr: &Scalar| evaluate(expr, &batch, &context).errors;
    assert_eq!(failed(&long).len(), ROWS);
    let is_six = operator("=", column(0), int(6));
    let chosen = Expr::Case { branches: vec![(is_six, long)], otherwise: Box::new(text("y")) };
    let errors = failed(&chosen);
    assert_eq!(errors.iter().map(|(row, e)| (*row, e.state.code())).collect::<Vec<_>>(), [(6, "54000")]);
}

/// A dictionary's values, some not used and one that cannot be cast, give what the plain texts give.
#[test]
fn a_dictionary_gives_what_its_texts_give() {
    use arrow_array::types::UInt16Type;
    use arrow_array::{Array, ArrayRef, DictionaryArray, StringArray, UInt16Array};
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1", "x", "20", "not used"]));
    let keys = UInt16Array::from(vec![Some(0), Some(2), None, Some(1), Some(0), None, Some(2), Some(2), Some(0)]);
    let other: ArrayRef = Arc::new(arrow_array::Int32Array::from((0..9).collect::<Vec<_>>()));
    let dictionary: ArrayRef = Arc::new(DictionaryArray::<UInt16Type>::new(keys, texts));
    let text = || Scalar::column(1, DataType::Text);
    let literal = |text: &str| Scalar::literal(Datum::text(text), DataType::Text);
    let number = Cast { to: DataType::Int4, context: CastContext::Explicit };
    let as_number = Expr::Cast(Box::new(text()), number);
    let is_null = Expr::IsNull(Box::new(text()));
    let expressions = [
        text(),
        operator("=", text(), literal("20")),
        operator("=", literal("x"), text()),
        operator("~~", text(), literal("%0")),
        is_null.clone(),
        as_number.clone(),
        operator("+", as_number, Scalar::column(0, DataType::Int4)),
        Expr::Coalesce(vec![text(), literal("none")]),
        Expr::Case { branches: vec![(is_null, literal("none"))], otherwise: Box::new(text()) },
        Expr::Or(vec![operator("=", text(), literal("1")), operator("=", text(), literal("x"))]),
    ];
    let settings = SessionSettings::default();
    let context = testing::context(&settings);
    for column in [dictionary.clone(), dictionary.slice(1, 8), dictionary.slice(3, 1)] {
        let rows = column.len();
        let plain = Batch::new(vec![other.slice(0, rows), headwater_types::flat_column(&column)], rows);
        let coded = Batch::new(vec![other.slice(0, rows), column], rows);
        for expr in &expressions {
            let (wanted, given) = (evaluate(expr, &plain, &context), evaluate(expr, &coded, &context));
            assert_eq!(given.array.to_data(), wanted.array.to_data(), "{expr:?}");
            assert_eq!(given.errors, wanted.errors, "{expr:?}");
        }
    }
}
