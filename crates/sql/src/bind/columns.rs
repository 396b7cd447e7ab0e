//! Visiting the columns of bound scalars and relations, with the number of scopes between.

use headwater_expr::Expr;
use headwater_plan::hir::{HirLeaf, HirRelation, HirScalar};
use headwater_plan::hir_visit::{HirVisitorMut, walk_relation_mut, walk_scalar_mut};

/// Calls `visit` for every column leaf with the depth it is at: a leaf of level `depth` is a column of the scalar's or
/// relation's own surroundings.
struct ColumnVisitor<F> {
    depth: usize,
    visit: F,
}

impl<F: FnMut(&mut HirScalar, usize)> HirVisitorMut for ColumnVisitor<F> {
    fn relation(&mut self, relation: &mut HirRelation) {
        if let HirRelation::Join { left, right, on, lateral: true, .. } = relation {
            self.relation(left);
            self.depth += 1;
            self.relation(right);
            self.depth -= 1;
            self.scalar(on);
        } else {
            walk_relation_mut(self, relation);
        }
    }

    fn scalar(&mut self, scalar: &mut HirScalar) {
        match scalar {
            Expr::Leaf(HirLeaf::Column { .. }) => (self.visit)(scalar, self.depth),
            Expr::Leaf(
                HirLeaf::Exists(_)
                | HirLeaf::ScalarSubquery(..)
                | HirLeaf::ArraySubquery { .. }
                | HirLeaf::AnySubquery { .. },
            ) => {
                self.depth += 1;
                walk_scalar_mut(self, scalar);
                self.depth -= 1;
            }
            _ => walk_scalar_mut(self, scalar),
        }
    }
}

/// Visits the columns of a scalar: those of its own input have level = depth.
pub(crate) fn visit_scalar(scalar: &mut HirScalar, visit: impl FnMut(&mut HirScalar, usize)) {
    ColumnVisitor { depth: 0, visit }.scalar(scalar);
}

/// Visits the columns of a relation: those of the query around it have level = depth, as depth starts from 1.
pub(crate) fn visit_relation(relation: &mut HirRelation, visit: impl FnMut(&mut HirScalar, usize)) {
    ColumnVisitor { depth: 1, visit }.relation(relation);
}

/// The scalar as seen from one scope further in.
pub(crate) fn shift_in(mut scalar: HirScalar) -> HirScalar {
    visit_scalar(&mut scalar, |leaf, depth| {
        if let Expr::Leaf(HirLeaf::Column { level, .. }) = leaf
            && *level >= depth
        {
            *level += 1;
        }
    });
    scalar
}

/// Whether a relation uses a column of the scope right around it.
pub(crate) fn is_correlated(relation: &mut HirRelation) -> bool {
    let mut correlated = false;
    visit_relation(relation, |leaf, depth| {
        if let Expr::Leaf(HirLeaf::Column { level, .. }) = leaf {
            correlated |= *level == depth;
        }
    });
    correlated
}

/// Takes out the scope right around a relation that uses no column of it.
pub(crate) fn shift_out(relation: &mut HirRelation) {
    visit_relation(relation, |leaf, depth| {
        if let Expr::Leaf(HirLeaf::Column { level, .. }) = leaf
            && *level > depth
        {
            *level -= 1;
        }
    });
}

/// Whether a scalar has columns of its own input, and whether it has columns of outer scopes.
pub(crate) fn scopes_used(scalar: &HirScalar) -> (bool, bool) {
    let (mut own, mut outer) = (false, false);
    visit_scalar(&mut scalar.clone(), |leaf, depth| {
        if let Expr::Leaf(HirLeaf::Column { level, .. }) = leaf {
            own |= *level == depth;
            outer |= *level > depth;
        }
    });
    (own, outer)
}

/// Whether a scalar has a subquery.
pub(crate) fn has_subquery(scalar: &HirScalar) -> bool {
    let mut found = false;
    scalar.for_each_leaf(&mut |leaf| {
        found |= !matches!(leaf, HirLeaf::Column { .. } | HirLeaf::Parameter { .. });
    });
    found
}
