//! Visiting a bound query, subqueries included.

use crate::hir::{HirLeaf, HirQuery, HirRelation, HirScalar};
use headwater_expr::Expr;

/// Something that may change a bound query as it walks. The defaults walk on.
pub trait HirVisitorMut {
    /// Called for every relation, outermost first.
    fn relation(&mut self, relation: &mut HirRelation) {
        walk_relation_mut(self, relation);
    }

    /// Called for every scalar, outermost first.
    fn scalar(&mut self, scalar: &mut HirScalar) {
        walk_scalar_mut(self, scalar);
    }
}

/// Visits a whole query.
pub fn walk_query_mut<V: HirVisitorMut + ?Sized>(visitor: &mut V, query: &mut HirQuery) {
    visitor.relation(&mut query.relation);
    for scalar in query.limit.iter_mut().chain(&mut query.offset) {
        visitor.scalar(scalar);
    }
}

/// Visits what a relation is made of.
pub fn walk_relation_mut<V: HirVisitorMut + ?Sized>(visitor: &mut V, relation: &mut HirRelation) {
    match relation {
        HirRelation::Constant { .. } | HirRelation::Get { .. } | HirRelation::LocalGet { .. } => {}
        HirRelation::Let { value, body, .. } => {
            visitor.relation(value);
            visitor.relation(body);
        }
        HirRelation::Project { input, .. } | HirRelation::Distinct(input) => visitor.relation(input),
        HirRelation::Map { input, scalars } | HirRelation::Filter { input, predicates: scalars } => {
            visitor.relation(input);
            scalars.iter_mut().for_each(|scalar| visitor.scalar(scalar));
        }
        HirRelation::Join { left, right, on, .. } => {
            visitor.relation(left);
            visitor.relation(right);
            visitor.scalar(on);
        }
        HirRelation::Aggregate { input, aggregates, .. } => {
            visitor.relation(input);
            for aggregate in aggregates {
                aggregate.args.iter_mut().for_each(|arg| visitor.scalar(arg));
                aggregate.filter.iter_mut().for_each(|filter| visitor.scalar(filter));
                aggregate.order_by.iter_mut().for_each(|(key, _)| visitor.scalar(key));
            }
        }
        HirRelation::TopK { input, limit, offset, .. } => {
            visitor.relation(input);
            limit.iter_mut().chain(offset).for_each(|scalar| visitor.scalar(scalar));
        }
        HirRelation::Union(inputs) => inputs.iter_mut().for_each(|input| visitor.relation(input)),
        HirRelation::Except(left, right) => {
            visitor.relation(left);
            visitor.relation(right);
        }
        HirRelation::TableFunction { args, .. } => args.iter_mut().for_each(|arg| visitor.scalar(arg)),
    }
}

/// Visits what a scalar is made of, the relations of its subqueries included.
pub fn walk_scalar_mut<V: HirVisitorMut + ?Sized>(visitor: &mut V, scalar: &mut HirScalar) {
    match scalar {
        Expr::Leaf(HirLeaf::Exists(relation) | HirLeaf::ScalarSubquery(relation, _)) => visitor.relation(relation),
        Expr::Leaf(HirLeaf::ArraySubquery { relation, .. }) => visitor.relation(relation),
        Expr::Leaf(HirLeaf::AnySubquery { relation, predicate }) => {
            visitor.relation(relation);
            visitor.scalar(predicate);
        }
        other => other.children_mut().into_iter().for_each(|child| visitor.scalar(child)),
    }
}
