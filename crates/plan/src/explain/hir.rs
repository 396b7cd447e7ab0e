//! HIR as text. A column of an enclosing scope shows its level: `^1#2`.

use super::scalar::{aggregate, direction, scalar};
use super::{Lines, list};
use crate::PlanInfo;
use crate::hir::{HirLeaf, HirQuery, HirRelation, HirScalar};

/// The query as text.
pub(super) fn explain(query: &HirQuery, info: &dyn PlanInfo) -> String {
    let mut lines = Lines::new();
    let projection = list(&query.projection, |c| format!("#{c}"));
    let mut finish = format!("Finish  (columns: {projection}");
    if !query.order_by.is_empty() {
        finish += &format!("; order: {}", list(&query.order_by, |o| direction(&format!("#{}", o.column), o)));
    }
    for (name, count) in [("limit", &query.limit), ("offset", &query.offset)] {
        if let Some(count) = count {
            finish += &format!("; {name}: {}", Hir::quiet(count));
        }
    }
    lines.operator(0, &(finish + ")"));
    Hir { info }.relation(&query.relation, 1, &mut lines);
    lines.text
}

struct Hir<'a> {
    info: &'a dyn PlanInfo,
}

impl Hir<'_> {
    fn quiet(s: &HirScalar) -> String {
        scalar(s, &|leaf: &HirLeaf| match leaf {
            HirLeaf::Column { level: 0, index, .. } => format!("#{index}"),
            HirLeaf::Column { level, index, .. } => format!("^{level}#{index}"),
            HirLeaf::Parameter { index, .. } => format!("${}", index + 1),
            HirLeaf::Exists(_) => "EXISTS (subquery)".to_owned(),
            HirLeaf::ScalarSubquery(..) => "(subquery)".to_owned(),
            HirLeaf::ArraySubquery { .. } => "ARRAY(subquery)".to_owned(),
            HirLeaf::AnySubquery { predicate, .. } => format!("ANY (subquery: {})", Self::quiet(predicate)),
        })
    }

    fn relation(&self, relation: &HirRelation, depth: usize, lines: &mut Lines) {
        let line = match relation {
            HirRelation::Constant { rows, types } => {
                format!("Constant  ({} rows, {} columns)", rows.len(), types.len())
            }
            HirRelation::Get { relation, .. } => format!("Get {}", self.info.name(*relation)),
            HirRelation::Let { id, .. } => format!("Let l{id}"),
            HirRelation::LocalGet { id, .. } => format!("Get l{id}"),
            HirRelation::Project { columns, .. } => format!("Project  ({})", list(columns, |c| format!("#{c}"))),
            HirRelation::Map { scalars, .. } => format!("Map  ({})", list(scalars, Self::quiet)),
            HirRelation::Filter { predicates, .. } => format!("Filter  ({})", list(predicates, Self::quiet)),
            HirRelation::Join { on, kind, lateral, .. } => {
                format!("{kind:?}Join{}  ({})", if *lateral { " lateral" } else { "" }, Self::quiet(on))
            }
            HirRelation::Aggregate { group_key, aggregates, .. } => {
                let calls =
                    list(aggregates, |a| aggregate(a, &|leaf: &HirLeaf| Self::quiet(&HirScalar::Leaf(leaf.clone()))));
                format!("Aggregate  (key: {}; {calls})", list(group_key, |c| format!("#{c}")))
            }
            HirRelation::Distinct(_) => "Distinct".to_owned(),
            HirRelation::TopK { group_key, order_by, limit, offset, .. } => {
                let order = list(order_by, |o| direction(&format!("#{}", o.column), o));
                let count = |c: &Option<Box<HirScalar>>| c.as_ref().map_or("none".to_owned(), |c| Self::quiet(c));
                let key = list(group_key, |c| format!("#{c}"));
                format!("TopK  (key: {key}; order: {order}; limit: {}; offset: {})", count(limit), count(offset))
            }
            HirRelation::Union(_) => "Union".to_owned(),
            HirRelation::Except(..) => "Except".to_owned(),
            HirRelation::TableFunction { function, args, .. } => {
                format!("TableFunction {function:?}({})", list(args, Self::quiet))
            }
        };
        lines.operator(depth, &line);
        relation.for_each_scalar(&mut |s| {
            s.for_each_leaf(&mut |leaf| {
                let inner = match leaf {
                    HirLeaf::Column { .. } | HirLeaf::Parameter { .. } => return,
                    HirLeaf::Exists(inner) | HirLeaf::ScalarSubquery(inner, _) => inner,
                    HirLeaf::ArraySubquery { relation: inner, .. } | HirLeaf::AnySubquery { relation: inner, .. } => {
                        inner
                    }
                };
                lines.detail(depth, "subquery:");
                self.relation(inner, depth + 1, lines);
            });
        });
        relation.children().into_iter().for_each(|child| self.relation(child, depth + 1, lines));
    }
}
