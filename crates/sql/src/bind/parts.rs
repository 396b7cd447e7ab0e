//! A query before its columns are computed: so that what uses it can still give types to its untyped literals.

use super::{Binder, error};
use crate::ast::Pos;
use headwater_expr::{ColumnOrder, Expr};
use headwater_plan::hir::{HirLeaf, HirQuery, HirRelation, HirScalar};
use headwater_types::{DataType, Datum, Field, RelationId, Result, SqlState};

/// A column of a query's answer.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// Over the columns of [`Parts::relation`].
    pub(crate) scalar: HirScalar,
    pub(crate) name: String,
    pub(crate) pos: Pos,
    pub(crate) origin: Option<(RelationId, i16)>,
}

/// What a sort key sorts by.
#[derive(Debug, Clone)]
pub(crate) enum SortTarget {
    Output(usize),
    Scalar(HirScalar),
}

/// A sort key.
#[derive(Debug, Clone)]
pub(crate) struct SortKey {
    pub(crate) target: SortTarget,
    /// Its direction; the column is not set yet.
    pub(crate) order: ColumnOrder,
    pub(crate) pos: Pos,
}

/// DISTINCT.
#[derive(Debug, Clone)]
pub(crate) enum Unique {
    No,
    Rows,
    On(Vec<HirScalar>),
}

/// A query in parts.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) relation: HirRelation,
    /// Columns of `relation`.
    pub(crate) width: usize,
    pub(crate) outputs: Vec<Output>,
    pub(crate) order: Vec<SortKey>,
    pub(crate) unique: Unique,
    pub(crate) limit: Option<HirScalar>,
    pub(crate) offset: Option<HirScalar>,
    /// The query's own CTEs, in order.
    pub(crate) ctes: Vec<(usize, HirRelation)>,
}

impl Parts {
    /// A relation whose columns are the answer's.
    pub(crate) fn of_relation(relation: HirRelation, outputs: Vec<Output>) -> Self {
        Self {
            relation,
            width: outputs.len(),
            outputs,
            order: vec![],
            unique: Unique::No,
            limit: None,
            offset: None,
            ctes: vec![],
        }
    }

    /// The outputs' types.
    pub(crate) fn types(&self) -> Vec<DataType> {
        self.outputs.iter().map(|output| output.scalar.data_type()).collect()
    }
}

/// Scalars placed behind a relation's columns.
struct Placement {
    width: usize,
    scalars: Vec<HirScalar>,
}

impl Placement {
    fn place(&mut self, scalar: HirScalar) -> usize {
        if let Expr::Leaf(HirLeaf::Column { level: 0, index, .. }) = scalar {
            return index;
        }
        if let Some(known) = self.scalars.iter().position(|s| *s == scalar) {
            return self.width + known;
        }
        self.scalars.push(scalar);
        self.width + self.scalars.len() - 1
    }
}

impl Binder<'_> {
    /// Puts a query together. Outputs without a type become text.
    ///
    /// # Errors
    ///
    /// 42P10 for an ORDER BY that DISTINCT does not allow.
    pub(crate) fn finish(&self, parts: Parts) -> Result<HirQuery> {
        let mut placement = Placement { width: parts.width, scalars: vec![] };
        let mut schema = Vec::with_capacity(parts.outputs.len());
        let mut origins = Vec::with_capacity(parts.outputs.len());
        let mut projection = Vec::with_capacity(parts.outputs.len());
        for output in parts.outputs {
            let scalar = self.typed(output.scalar, output.pos)?;
            schema.push(Field::new(output.name, scalar.data_type()));
            origins.push(output.origin);
            projection.push(placement.place(scalar));
        }
        let mut order_by = Vec::with_capacity(parts.order.len());
        for key in &parts.order {
            let column = match &key.target {
                SortTarget::Output(index) => projection[*index],
                SortTarget::Scalar(scalar) => placement.place(self.typed(scalar.clone(), key.pos)?),
            };
            order_by.push(ColumnOrder { column, ..key.order });
        }
        let mut group_key = Vec::new();
        if let Unique::On(scalars) = &parts.unique {
            for scalar in scalars {
                let ordinal = placement.place(scalar.clone());
                if !group_key.contains(&ordinal) {
                    group_key.push(ordinal);
                }
            }
        }
        let mut relation = parts.relation;
        if !placement.scalars.is_empty() {
            relation = HirRelation::Map { input: Box::new(relation), scalars: placement.scalars };
        }
        match parts.unique {
            Unique::No => {}
            Unique::Rows => {
                for (key, source) in order_by.iter_mut().zip(&parts.order) {
                    key.column = projection.iter().position(|p| *p == key.column).ok_or_else(|| {
                        error(
                            SqlState::InvalidColumnReference,
                            "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                            source.pos,
                        )
                    })?;
                }
                let width = projection.len();
                relation = HirRelation::Project { input: Box::new(relation), columns: projection };
                relation = HirRelation::Distinct(Box::new(relation));
                projection = (0..width).collect();
            }
            Unique::On(_) => {
                let prefix = order_by.iter().take(group_key.len());
                if let Some((_, source)) = prefix.zip(&parts.order).find(|(key, _)| !group_key.contains(&key.column)) {
                    return Err(error(
                        SqlState::InvalidColumnReference,
                        "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                        source.pos,
                    ));
                }
                let one = Expr::Literal(Datum::Int8(1), DataType::Int8);
                relation = HirRelation::TopK {
                    input: Box::new(relation),
                    group_key,
                    order_by: order_by.clone(),
                    limit: Some(Box::new(one)),
                    offset: None,
                };
            }
        }
        for (id, value) in parts.ctes.into_iter().rev() {
            relation = HirRelation::Let { id, value: Box::new(value), body: Box::new(relation) };
        }
        Ok(HirQuery { relation, order_by, limit: parts.limit, offset: parts.offset, projection, schema, origins })
    }
}

/// A query as a relation of the presented columns: its order matters only where it is cut.
pub(crate) fn into_relation(query: HirQuery) -> HirRelation {
    let mut relation = query.relation;
    if query.limit.is_some() || query.offset.is_some() {
        relation = HirRelation::TopK {
            input: Box::new(relation),
            group_key: vec![],
            order_by: query.order_by,
            limit: query.limit.map(Box::new),
            offset: query.offset.map(Box::new),
        };
    }
    HirRelation::Project { input: Box::new(relation), columns: query.projection }
}
