//! Joins, lateral ones too.

use super::scalar::has_subquery;
use super::{Lowerer, Outer, OuterColumns, Scope, free};
use crate::hir::{self, HirLeaf, HirRelation, HirScalar};
use crate::mir::{JoinKind, Mir};
use crate::scalars::{coalesce, flatten_and, null_safe_equal};
use headwater_expr::{Leaf, Scalar};
use headwater_types::{Result, SqlError};

impl Lowerer<'_> {
    /// A join whose sides do not see each other, applied to `outer`.
    pub(super) fn join(
        &mut self,
        left: &HirRelation,
        right: &HirRelation,
        on: &HirScalar,
        kind: hir::JoinKind,
        outer: Outer,
        depth: usize,
    ) -> Result<Mir> {
        match kind {
            hir::JoinKind::Inner => self.inner_join(left, right, on, outer, depth),
            hir::JoinKind::Left => self.left_join(left, right, on, outer, depth, false),
            hir::JoinKind::Right => {
                let (m, l, r) = (outer.arity(), left.arity(), right.arity());
                let joined = self.left_join(right, left, on, outer, depth, true)?;
                Ok(joined.project((0..m).chain(m + r..m + r + l).chain(m..m + r).collect()))
            }
            hir::JoinKind::Full => self.full_join(left, right, on, outer, depth),
        }
    }

    /// Only the sides that need it are applied to the outer relation.
    fn inner_join(
        &mut self,
        left: &HirRelation,
        right: &HirRelation,
        on: &HirScalar,
        outer: Outer,
        depth: usize,
    ) -> Result<Mir> {
        let (m, l, r) = (outer.arity(), left.arity(), right.arity());
        let (in_left, in_right) = (self.needs(left, &outer, depth), self.needs(right, &outer, depth));
        let columns = outer.columns.clone();
        let joined = match (in_left, in_right) {
            (true, true) => {
                let types = outer.types.clone();
                let left = self.relation(left, outer.clone(), depth)?;
                let right = self.relation(right, outer, depth)?;
                let on = (0..m).map(|c| null_safe_equal(c, m + l + c, &types[c])).collect();
                let both = (0..m + l).chain(m + l + m..m + l + m + r).collect();
                left.join(right, JoinKind::Inner, on).project(both)
            }
            (false, true) => {
                let right = self.relation(right, outer, depth)?;
                let left = self.relation(left, Outer::unit(), depth)?;
                let both = (0..m).chain(m + r..m + r + l).chain(m..m + r).collect();
                right.join(left, JoinKind::Inner, vec![]).project(both)
            }
            (_, false) => {
                let left = self.relation(left, outer, depth)?;
                let right = self.relation(right, Outer::unit(), depth)?;
                left.join(right, JoinKind::Inner, vec![])
            }
        };
        let scope = Scope { depth, outer: columns, own: (m..m + l + r).collect() };
        self.filter(joined, vec![on.clone()], &scope)
    }

    /// A left join; a right join is one with its sides `exchanged` but for the condition.
    fn left_join(
        &mut self,
        left: &HirRelation,
        right: &HirRelation,
        on: &HirScalar,
        outer: Outer,
        depth: usize,
        exchanged: bool,
    ) -> Result<Mir> {
        let (m, l, r) = (outer.arity(), left.arity(), right.arity());
        let apply_right = self.needs(right, &outer, depth);
        let types = outer.types.clone();
        let columns = outer.columns.clone();
        // Outer columns come first on the right too, if it is applied to them.
        let n = if apply_right { m } else { 0 };
        let right = self.relation(right, if apply_right { outer.clone() } else { Outer::unit() }, depth)?;
        let left = self.relation(left, outer, depth)?;
        let mut sides = Sides { left, right, m, n, l, r, columns, depth, exchanged };
        let mut conditions: Vec<Scalar> = Vec::new();
        let on = self.condition(on, &mut sides)?;
        let (wide, right_wide) = (sides.left.arity(), sides.right.arity());
        conditions.extend((0..n).map(|c| null_safe_equal(c, wide + c, &types[c])));
        conditions.extend(on);
        let joined = sides.left.join(sides.right, JoinKind::Left, conditions);
        debug_assert_eq!(joined.arity(), wide + right_wide);
        Ok(joined.project((0..m + l).chain(wide + n..wide + n + r).collect()))
    }

    /// Both sides are applied to the outer relation if either needs it.
    fn full_join(
        &mut self,
        left: &HirRelation,
        right: &HirRelation,
        on: &HirScalar,
        outer: Outer,
        depth: usize,
    ) -> Result<Mir> {
        let (m, l, r) = (outer.arity(), left.arity(), right.arity());
        let types = outer.types.clone();
        let columns = outer.columns.clone();
        let left = self.relation(left, outer.clone(), depth)?;
        let right = self.relation(right, outer, depth)?;
        let mut sides = Sides { left, right, m, n: m, l, r, columns, depth, exchanged: false };
        let on = self.condition(on, &mut sides)?;
        let wide = sides.left.arity();
        let mut conditions: Vec<Scalar> = (0..m).map(|c| null_safe_equal(c, wide + c, &types[c])).collect();
        conditions.extend(on);
        let joined = sides.left.join(sides.right, JoinKind::Full, conditions);
        let width = joined.arity();
        let either =
            |c: usize| coalesce(Scalar::column(c, types[c].clone()), Scalar::column(wide + c, types[c].clone()));
        let columns = (width..width + m).chain(m..m + l).chain(wide + m..wide + m + r).collect();
        Ok(joined.map((0..m).map(either).collect()).project(columns))
    }

    /// The conjuncts of an outer join's condition over both sides. A subquery in it is computed on the side whose
    /// columns it uses.
    fn condition(&mut self, on: &HirScalar, sides: &mut Sides) -> Result<Vec<Scalar>> {
        let (l, r) = (sides.l, sides.r);
        let mut subqueries: Vec<(bool, HirScalar)> = Vec::new();
        let depth = sides.depth;
        let ctes = &self.cte_free;
        let places = |index: usize| sides.place(index);
        let on = on.clone().try_map_leaves(&mut |leaf: HirLeaf| -> Result<HirScalar> {
            if matches!(leaf, HirLeaf::Column { .. } | HirLeaf::Parameter { .. }) {
                return Ok(HirScalar::Leaf(leaf));
            }
            let data_type = leaf.data_type();
            let scalar = HirScalar::Leaf(leaf);
            let used = free::of_scalar(&scalar, depth, depth + 1, ctes);
            let all = |left: bool| used.keys().all(|&(at, c)| at < depth || places(c).0 == left);
            let on_left = all(true);
            let on_right = all(false) && used.keys().all(|&(at, _)| at == depth);
            if !on_left && !on_right {
                return Err(SqlError::unsupported("a subquery over both sides of an outer join in its condition"));
            }
            let index = l + r + subqueries.len();
            subqueries.push((on_left, scalar));
            Ok(HirScalar::Leaf(HirLeaf::Column { level: 0, index, data_type }))
        })?;
        // (on the left, position there) of each subquery's value.
        let mut values = Vec::with_capacity(subqueries.len());
        for (on_left, scalar) in subqueries {
            // The other side's columns are not used: their positions do not matter.
            let own = sides.own(0);
            let input = if on_left { &mut sides.left } else { &mut sides.right };
            let scope = Scope { depth, outer: sides.columns.clone(), own };
            let value = self.scalar(&scalar, input, &scope, &[])?;
            let arity = input.arity();
            let mapped = input.take().map(vec![value]);
            *input = mapped;
            values.push((on_left, arity));
        }
        let wide = sides.left.arity();
        let own = sides
            .own(wide)
            .into_iter()
            .chain(values.into_iter().map(|(on_left, position)| if on_left { position } else { wide + position }))
            .collect();
        let scope = Scope { depth, outer: sides.columns.clone(), own };
        let mut nothing = Mir::unit();
        let lowered = self.scalar(&on, &mut nothing, &scope, &[])?;
        let mut conjuncts = Vec::new();
        flatten_and(lowered, &mut conjuncts);
        Ok(conjuncts)
    }

    /// A join whose right side sees the left's row, applied to `outer`.
    pub(super) fn lateral_join(
        &mut self,
        left: &HirRelation,
        right: &HirRelation,
        on: &HirScalar,
        kind: hir::JoinKind,
        outer: Outer,
        depth: usize,
    ) -> Result<Mir> {
        let (m, l, r) = (outer.arity(), left.arity(), right.arity());
        let mut columns = outer.columns.clone();
        let left = self.relation(left, outer, depth)?;
        let own = |columns: &OuterColumns| Scope { depth, outer: columns.clone(), own: (m..m + l + r).collect() };
        let scope = own(&columns);
        if kind == hir::JoinKind::Inner && self.is_linear(right, depth + 1) {
            let types = left.types();
            columns.extend((0..l).map(|c| ((depth, c), m + c)));
            let joined = self.relation(right, Outer { relation: left, types, columns, gate: false }, depth + 1)?;
            return self.filter(joined, vec![on.clone()], &scope);
        }
        let join_kind = match kind {
            hir::JoinKind::Inner => JoinKind::Inner,
            hir::JoinKind::Left => JoinKind::Left,
            hir::JoinKind::Right | hir::JoinKind::Full => {
                return Err(SqlError::internal("a lateral join is inner or left"));
            }
        };
        let left_scope = Scope { depth, outer: columns, own: (m..m + l).collect() };
        let free = self.free_of(right, &left_scope);
        let applied = self.apply_to(left, &free, &left_scope, &[])?;
        let k = applied.columns.len();
        let rows = self.relation(right, applied.outer.clone(), depth + 1)?;
        let wide = applied.input.arity();
        let mut conditions = applied.on(wide);
        let both: Vec<usize> = (0..m + l).chain(wide + k..wide + k + r).collect();
        if join_kind == JoinKind::Inner {
            let joined = applied.input.clone().join(rows, join_kind, conditions).project(both);
            let joined = applied.bind(joined);
            return self.filter(joined, vec![on.clone()], &scope);
        }
        if has_subquery(on) {
            return Err(SqlError::unsupported("a subquery in the condition of a lateral left join"));
        }
        let shifted = Scope { own: (m..m + l).chain(wide + k..wide + k + r).collect(), ..scope };
        flatten_and(self.scalar(on, &mut Mir::unit(), &shifted, &[])?, &mut conditions);
        let joined = applied.input.clone().join(rows, join_kind, conditions).project(both);
        Ok(applied.bind(joined))
    }

    /// Whether the relation may be applied to rows that are not distinct, and takes them once: it works row by row.
    fn is_linear(&self, relation: &HirRelation, depth: usize) -> bool {
        if !self.is_correlated(relation, depth) {
            return true;
        }
        match relation {
            HirRelation::Project { input, .. } | HirRelation::Map { input, .. } | HirRelation::Filter { input, .. } => {
                self.is_linear(input, depth)
            }
            HirRelation::TableFunction { .. } => true,
            HirRelation::Join { left, right, kind: hir::JoinKind::Inner, lateral: false, .. } => {
                let both = self.is_correlated(left, depth) && self.is_correlated(right, depth);
                !both && self.is_linear(left, depth) && self.is_linear(right, depth)
            }
            HirRelation::Join { left, kind: hir::JoinKind::Inner, lateral: true, .. } => self.is_linear(left, depth),
            HirRelation::Constant { .. }
            | HirRelation::Get { .. }
            | HirRelation::Let { .. }
            | HirRelation::LocalGet { .. }
            | HirRelation::Join { .. }
            | HirRelation::Aggregate { .. }
            | HirRelation::Distinct(_)
            | HirRelation::TopK { .. }
            | HirRelation::Union(_)
            | HirRelation::Except(..) => false,
        }
    }
}

/// The sides of an outer join: `m` outer columns and `l` own ones on the left, `n` and `r` on the right. The condition
/// sees left's own columns first, or right's if `exchanged`.
struct Sides {
    left: Mir,
    right: Mir,
    m: usize,
    n: usize,
    l: usize,
    r: usize,
    columns: OuterColumns,
    depth: usize,
    exchanged: bool,
}

impl Sides {
    /// The side and the ordinal there of a column of the condition: whether it is left, and which.
    fn place(&self, index: usize) -> (bool, usize) {
        let first = if self.exchanged { self.r } else { self.l };
        if index < first { (!self.exchanged, index) } else { (self.exchanged, index - first) }
    }

    /// The positions of the condition's columns in a row that starts with the left side and goes on, after `wide`
    /// columns, with the right.
    fn own(&self, wide: usize) -> Vec<usize> {
        let position = |i| match self.place(i) {
            (true, column) => self.m + column,
            (false, column) => wide + self.n + column,
        };
        (0..self.l + self.r).map(position).collect()
    }
}
