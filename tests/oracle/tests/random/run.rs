//! Runs a bound query over small tables: by the oracle, and by a plan.

use headwater_arrange::KeyedRelation;
use headwater_catalog::{Grouping, SharedRelation};
use headwater_compute::Interrupt;
use headwater_compute::local::{SourceInput, SourceProvider, execute};
use headwater_expr::EvalContext;
use headwater_plan::hir::HirQuery;
use headwater_plan::{ExplainStage, PlanInfo, PlanOptions, explain, plan_query};
use headwater_types::{Batch, DataType, Datum, RelationId, Result, SessionSettings};
use rand::Rng;
use rand::rngs::SmallRng;
use std::sync::Arc;

/// `t1(a key, b)`, `t2(a, b, c)`, `t3(a key, b text)`; ids from 1. And the shared relations that views have brought, and
/// the sizes that planning takes the tables for: rewrites that are for large tables only must be right for these too.
pub struct Tables(pub Vec<Vec<Vec<Datum>>>, pub Vec<Arc<SharedRelation>>, pub [u64; 3]);

/// The tables' columns.
pub fn types(table: u32) -> Vec<DataType> {
    match table {
        1 => vec![DataType::Int4, DataType::Int4],
        2 => vec![DataType::Int4; 3],
        _ => vec![DataType::Int4, DataType::Text],
    }
}

/// Whether the first column is the table's key.
pub fn is_keyed(table: u32) -> bool {
    table != 2
}

fn value(random: &mut SmallRng, data_type: &DataType) -> Datum {
    match data_type {
        _ if random.random_bool(0.2) => Datum::Null,
        DataType::Text => Datum::text(["a", "b", "c"][random.random_range(0..3)]),
        _ => Datum::Int4(random.random_range(0..4)),
    }
}

/// Fewer than `below` rows of a table, of distinct keys.
pub fn random_rows(random: &mut SmallRng, table: u32, below: i32) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for i in 0..random.random_range(0..below) {
        let mut row: Vec<Datum> = types(table).iter().map(|t| value(random, t)).collect();
        if is_keyed(table) {
            row[0] = Datum::Int4(i);
        }
        rows.push(row);
    }
    rows
}

impl Tables {
    pub fn random(random: &mut SmallRng) -> Self {
        let rows = (1..=3).map(|table| random_rows(random, table, 6)).collect();
        Self(rows, vec![], [(); 3].map(|()| [1, 1_000_000][random.random_range(0..2)]))
    }

    fn place(relation: RelationId) -> usize {
        usize::try_from(relation.0).expect("small") - 1
    }

    pub fn rows(&self, relation: RelationId) -> Vec<Vec<Datum>> {
        self.0[Self::place(relation)].clone()
    }
}

impl PlanInfo for Tables {
    fn name(&self, relation: RelationId) -> String {
        format!("t{relation}")
    }
    fn column_name(&self, relation: RelationId, column: usize) -> String {
        format!("t{relation}.{}", ["a", "b", "c"][column])
    }
    fn keys(&self, relation: RelationId) -> Vec<Vec<usize>> {
        if is_keyed(relation.0) { vec![vec![0]] } else { vec![] }
    }
    fn not_null(&self, relation: RelationId) -> Vec<usize> {
        if is_keyed(relation.0) { vec![0] } else { vec![] }
    }
    fn rows(&self, relation: RelationId) -> Option<u64> {
        Some(self.2[Self::place(relation)])
    }
    fn distinct(&self, relation: RelationId, _: &[usize]) -> Option<u64> {
        // Of some large tables it is known, and of no small one.
        (self.2[Self::place(relation)] > 1 && relation.0 > 1).then_some(10)
    }
    fn shared_over(&self, relation: RelationId) -> Vec<Arc<SharedRelation>> {
        self.1.iter().filter(|shared| shared.grouping.reads == relation).cloned().collect()
    }
    fn groupings_over(&self, _: RelationId) -> Vec<Grouping> {
        vec![]
    }
    fn shared_details(&self, _: RelationId) -> Option<String> {
        None
    }
}

impl SourceProvider for Tables {
    fn source(&self, relation: RelationId) -> Result<SourceInput> {
        let types = types(relation.0);
        let mut stored = KeyedRelation::new(types.clone(), is_keyed(relation.0).then(|| vec![0]));
        stored.apply(&[], &Batch::from_rows(&types, &self.rows(relation)))?;
        Ok(SourceInput::from(stored.snapshot()))
    }
}

fn with_context<T>(f: impl FnOnce(EvalContext<'_>) -> T) -> T {
    let settings = SessionSettings::default();
    f(EvalContext { settings: &settings, now_micros: 0, catalog: None })
}

fn texts(rows: impl IntoIterator<Item = Vec<Datum>>) -> Vec<String> {
    rows.into_iter().map(|row| format!("{row:?}")).collect()
}

/// The oracle's rows.
pub fn oracle(query: &HirQuery, tables: &Tables) -> Result<Vec<String>> {
    with_context(|eval| Ok(texts(headwater_oracle::interpret(query, &|id| tables.rows(id), &eval)?)))
}

/// The plan's rows.
pub fn planned(query: &HirQuery, tables: &Tables, options: &PlanOptions) -> Result<Vec<String>> {
    let (plan, finishing) = plan_query(query, tables, options)?;
    let types: Vec<DataType> = query.schema.iter().map(|field| field.data_type.clone()).collect();
    with_context(|eval| {
        let mut rows = Vec::new();
        for batch in execute(&plan, &finishing, tables, eval, &Interrupt::default())? {
            rows.extend(texts(batch?.to_rows(&types)));
        }
        Ok(rows)
    })
}

/// The plan as text.
pub fn explained(query: &HirQuery, tables: &Tables, options: &PlanOptions) -> String {
    [ExplainStage::Hir, ExplainStage::Mir, ExplainStage::Lir]
        .map(|stage| explain(query, tables, options, stage, false).unwrap_or_else(|error| error.message))
        .join("\n")
}
