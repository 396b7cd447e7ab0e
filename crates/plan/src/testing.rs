//! Small relations and scalars for this crate's tests.

use crate::mir::Mir;
use crate::rewrite::{self, Purpose};
use crate::{PlanInfo, RewriteOptions, explain, typecheck};
use headwater_catalog::{Grouping, SharedRelation};
use headwater_expr::registry::resolve_operator;
use headwater_expr::{Aggregate, AggregateFunction, Expr, Leaf, Scalar};
use headwater_types::{DataType, Datum, RelationId};
use std::sync::Arc;

/// A stored relation.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<(&'static str, DataType)>,
    pub(crate) keys: Vec<Vec<usize>>,
    pub(crate) not_null: Vec<usize>,
    pub(crate) rows: Option<u64>,
}

/// Stored relations, whose ids count from 1, shared ones, and what views compute by themselves.
pub(crate) struct Tables(pub(crate) Vec<Table>, pub(crate) Vec<Arc<SharedRelation>>, pub(crate) Vec<Grouping>);

impl Tables {
    /// `events(event_id, user_id, campaign_id, event_type)`, `campaigns(campaign_id, campaign_name, campaign_type)`,
    /// `variants(variant_id, campaign_id, variant_name)`, the first column of each its key; `plain(a, b)` without one.
    pub(crate) fn marketing() -> Self {
        let table = |name, columns: &[(&'static str, DataType)], keyed: bool| Table {
            name,
            columns: columns.to_vec(),
            keys: if keyed { vec![vec![0]] } else { vec![] },
            not_null: if keyed { vec![0] } else { vec![] },
            rows: None,
        };
        let text = DataType::Text;
        Self(
            vec![
                table(
                    "events",
                    &[
                        ("event_id", text.clone()),
                        ("user_id", DataType::Int4),
                        ("campaign_id", text.clone()),
                        ("event_type", text.clone()),
                    ],
                    true,
                ),
                table(
                    "campaigns",
                    &[("campaign_id", text.clone()), ("campaign_name", text.clone()), ("campaign_type", text.clone())],
                    true,
                ),
                table(
                    "variants",
                    &[("variant_id", text.clone()), ("campaign_id", text.clone()), ("variant_name", text)],
                    true,
                ),
                table("plain", &[("a", DataType::Int4), ("b", DataType::Int4)], false),
            ],
            vec![],
            vec![],
        )
    }

    pub(crate) fn table(&self, relation: RelationId) -> &Table {
        &self.0[usize::try_from(relation.0).expect("small") - 1]
    }
}

impl PlanInfo for Tables {
    fn name(&self, relation: RelationId) -> String {
        let shared = self.1.iter().find(|shared| shared.id == relation);
        shared.map_or_else(|| self.table(relation).name.to_owned(), |shared| format!("shared relation {}", shared.id))
    }
    fn column_name(&self, relation: RelationId, column: usize) -> String {
        self.table(relation).columns[column].0.to_owned()
    }
    fn keys(&self, relation: RelationId) -> Vec<Vec<usize>> {
        self.table(relation).keys.clone()
    }
    fn not_null(&self, relation: RelationId) -> Vec<usize> {
        self.table(relation).not_null.clone()
    }
    fn rows(&self, relation: RelationId) -> Option<u64> {
        self.table(relation).rows
    }
    fn distinct(&self, relation: RelationId, columns: &[usize]) -> Option<u64> {
        // Users are many; of the others' columns nothing is known together with them.
        let table = self.table(relation);
        match columns.iter().map(|&c| table.columns[c].0).collect::<Vec<_>>()[..] {
            ["campaign_id", "event_type"] => Some(300),
            ["user_id", "campaign_id"] => Some(500_000),
            ["campaign_type"] => Some(2),
            _ => None,
        }
    }
    fn shared_over(&self, relation: RelationId) -> Vec<Arc<SharedRelation>> {
        self.1.iter().filter(|shared| shared.grouping.reads == relation).cloned().collect()
    }
    fn groupings_over(&self, relation: RelationId) -> Vec<Grouping> {
        self.2.iter().filter(|grouping| grouping.reads == relation).cloned().collect()
    }
    fn shared_details(&self, _: RelationId) -> Option<String> {
        None
    }
}

/// A relation of [`Tables::marketing`].
pub(crate) fn get(id: u32) -> Mir {
    let tables = Tables::marketing();
    let types = tables.table(RelationId(id)).columns.iter().map(|(_, t)| t.clone()).collect();
    Mir::Get { relation: RelationId(id), types }
}

/// A column of a relation.
pub(crate) fn column(mir: &Mir, index: usize) -> Scalar {
    Scalar::column(index, mir.types()[index].clone())
}

/// `left symbol right`, resolved as the binder would.
pub(crate) fn operator<L: Leaf>(symbol: &str, left: Expr<L>, right: Expr<L>) -> Expr<L> {
    let resolved = resolve_operator(symbol, Some(left.data_type()), right.data_type()).expect("the operator exists");
    Expr::Call { function: resolved.function, args: vec![left, right], data_type: resolved.data_type }
}

pub(crate) fn equal<L: Leaf>(left: Expr<L>, right: Expr<L>) -> Expr<L> {
    operator("=", left, right)
}

pub(crate) fn text<L>(value: &str) -> Expr<L> {
    Expr::Literal(Datum::Text(value.into()), DataType::Text)
}

pub(crate) fn int<L>(value: i32) -> Expr<L> {
    Expr::Literal(Datum::Int4(value), DataType::Int4)
}

/// An aggregate call of one argument.
pub(crate) fn call<L>(
    function: AggregateFunction,
    arg: Option<Expr<L>>,
    distinct: bool,
    data_type: DataType,
) -> Aggregate<L> {
    Aggregate { function, args: arg.into_iter().collect(), distinct, filter: None, order_by: vec![], data_type }
}

/// Compares plans before and after rewrites with the golden file of this name; `UPDATE_GOLDEN=1` writes it.
pub(crate) fn golden(name: &str, rewrites: RewriteOptions, cases: Vec<(&str, Mir)>) {
    golden_of(name, &Tables::marketing(), rewrites, Purpose::View, cases);
}

/// [`golden`] of plans for this purpose.
pub(crate) fn golden_of(
    name: &str,
    tables: &Tables,
    rewrites: RewriteOptions,
    purpose: Purpose,
    cases: Vec<(&str, Mir)>,
) {
    let mut text = String::new();
    for (title, before) in cases {
        typecheck::check(&before).unwrap_or_else(|problem| panic!("{title}: {problem}"));
        let shown = explain::mir_text(&before, tables);
        let (after, fired) = rewrite::optimize(before, tables, rewrites, purpose).expect("well-formed");
        let after = explain::mir_text(&after, tables);
        text += &format!("# {title}\n\nBefore:\n{shown}\nAfter ({}):\n{after}\n", fired.join(", "));
    }
    compare_golden(name, &text);
}

/// Compares a text with the golden file of this name; `UPDATE_GOLDEN=1` writes it.
pub(crate) fn compare_golden(name: &str, text: &str) {
    let path = format!("{}/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{path} differs; UPDATE_GOLDEN=1 writes it");
}

/// A fallible condition on an int4 column: `1 / column = 1`.
pub(crate) fn fallible(input: &Mir, index: usize) -> Scalar {
    equal(operator("/", int(1), column(input, index)), int(1))
}
