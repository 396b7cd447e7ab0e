//! HIR → MIR: every subquery and lateral join becomes joins (Neumann & Kemper, *Unnesting Arbitrary Queries*, 2015).
//!
//! A relation is lowered *applied to* an outer relation: the result has, for each outer row, that row's columns and
//! then a row of the relation as evaluated for it.
//!
//! ```text
//!  apply(outer, R) = outer × lower(R)                        R uses no outer column
//!  apply(outer, Filter(R, p)) = Filter(apply(outer, R), p)   Map, Project, FlatMap alike
//!  apply(outer, Aggregate(R, g, a)) = Aggregate(apply(outer, R), outer ++ g, a), defaults from outer if g is empty
//!
//!  a subquery S in a scalar over input I, using I's columns K:
//!
//!            ⟕ K ≐ K                    ≐ is IS NOT DISTINCT FROM
//!           ╱      ╲
//!          I   apply(Distinct(π K (I)), S)
//! ```
//!
//! # Invariants
//!
//! 1. An outer relation that is used more than once is a `LocalGet`, and its rows are distinct.
//! 2. What is lowered is evaluated for no outer row for which the query would not evaluate it, so that it raises no
//!    error that the query would not: a subquery inside a CASE or COALESCE is applied to the rows that reach it.
//! 3. The depth of a query is bounded before anything else looks at it.

mod depth;
mod filter;
mod free;
mod join;
mod pull_up;
mod scalar;
mod subquery;

use crate::hir::{HirAggregate, HirLeaf, HirRelation, HirScalar};
use crate::mir::{JoinKind, Mir, MirAggregate};
use crate::scalars::{coalesce, null_safe_equal};
use crate::{PlanInfo, properties};
use free::{CteFree, Free};
use headwater_expr::{Aggregate, AggregateFunction, ColumnOrder, EvalContext, Expr, Scalar};
use headwater_types::{DataType, Datum, Result, SessionSettings, SqlError, SqlState};
use std::collections::{BTreeMap, HashMap};

pub use depth::QUERY_DEPTH_MAX;
pub(crate) use depth::with_stack;

/// Where enclosing scopes' columns are in the relation at hand, by `(scope, column)`.
type OuterColumns = BTreeMap<(usize, usize), usize>;

/// What a relation is applied to.
#[derive(Clone)]
struct Outer {
    relation: Mir,
    types: Vec<DataType>,
    columns: OuterColumns,
    /// Whether it is at most one row without columns: whether what is applied to it is wanted at all.
    gate: bool,
}

impl Outer {
    /// One row without columns: what a query without surroundings is applied to.
    fn unit() -> Self {
        Self { relation: Mir::unit(), types: vec![], columns: OuterColumns::new(), gate: false }
    }

    fn arity(&self) -> usize {
        self.types.len()
    }
}

/// Where a scalar's columns are in the relation it is evaluated over.
struct Scope {
    /// The number of scopes around the operator.
    depth: usize,
    outer: OuterColumns,
    /// The position of each column of level 0.
    own: Vec<usize>,
}

/// A common table expression in scope: bound to `id`, its outer columns first.
struct Cte {
    id: usize,
    outer: Vec<(usize, usize)>,
    types: Vec<DataType>,
}

/// Lowers one query.
pub(crate) struct Lowerer<'a> {
    info: &'a dyn PlanInfo,
    ctes: HashMap<usize, Cte>,
    cte_free: CteFree,
    next_id: usize,
    properties: properties::Bindings,
}

/// The relation as MIR.
///
/// # Errors
///
/// 0A000 for what is not supported, 2201W and 2201X for LIMIT and OFFSET.
pub(crate) fn lower(relation: &HirRelation, info: &dyn PlanInfo) -> Result<Mir> {
    let mut lowerer = Lowerer {
        info,
        ctes: HashMap::new(),
        cte_free: CteFree::new(),
        next_id: 0,
        properties: properties::Bindings::new(),
    };
    lowerer.relation(relation, Outer::unit(), 0)
}

impl Lowerer<'_> {
    fn fresh_id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }

    fn is_correlated(&self, relation: &HirRelation, depth: usize) -> bool {
        depth > 0 && !free::of_relation(relation, depth, depth, &self.cte_free).is_empty()
    }

    /// Whether the relation has to be applied to `outer`, rather than be joined with it: it uses its columns, or may fail
    /// where nobody asks.
    fn needs(&self, relation: &HirRelation, outer: &Outer, depth: usize) -> bool {
        self.is_correlated(relation, depth) || outer.gate && subquery::may_fail(relation)
    }

    /// `relation`, at `depth`, applied to `outer`. If `outer` may have duplicate rows, `relation` must be
    /// [linear](Self::is_linear).
    fn relation(&mut self, relation: &HirRelation, outer: Outer, depth: usize) -> Result<Mir> {
        if !outer.relation.is_unit() && !self.needs(relation, &outer, depth) {
            let lowered = self.relation(relation, Outer::unit(), depth)?;
            return Ok(outer.relation.join(lowered, JoinKind::Inner, vec![]));
        }
        let m = outer.arity();
        let with_outer = |columns: &[usize]| (0..m).chain(columns.iter().map(|c| c + m)).collect::<Vec<_>>();
        match relation {
            HirRelation::Constant { rows, types } => {
                let rows = rows.iter().map(|row| (row.clone(), 1)).collect();
                Ok(outer.relation.join(Mir::Constant { rows, types: types.clone() }, JoinKind::Inner, vec![]))
            }
            HirRelation::Get { relation, types } => {
                let get = Mir::Get { relation: *relation, types: types.clone() };
                Ok(outer.relation.join(get, JoinKind::Inner, vec![]))
            }
            HirRelation::Let { id, value, body } => self.cte(*id, value, body, outer, depth),
            HirRelation::LocalGet { id, .. } => self.cte_use(*id, outer),
            HirRelation::Project { input, columns } => {
                let columns = with_outer(columns);
                Ok(self.relation(input, outer, depth)?.project(columns))
            }
            HirRelation::Map { input, scalars } => {
                let columns = outer.columns.clone();
                let input = self.relation(input, outer, depth)?;
                self.map(input, m, columns, scalars, depth)
            }
            HirRelation::Filter { input, predicates } => {
                let columns = outer.columns.clone();
                let input = self.relation(input, outer, depth)?;
                let scope = Scope { depth, outer: columns, own: (m..input.arity()).collect() };
                self.filter(input, predicates.clone(), &scope)
            }
            HirRelation::Join { left, right, on, kind, lateral: false } => {
                self.join(left, right, on, *kind, outer, depth)
            }
            HirRelation::Join { left, right, on, kind, lateral: true } => {
                self.lateral_join(left, right, on, *kind, outer, depth)
            }
            HirRelation::Aggregate { input, group_key, aggregates } => {
                self.aggregate(input, &with_outer(group_key), group_key.is_empty(), aggregates, outer, depth)
            }
            HirRelation::Distinct(input) => Ok(self.relation(input, outer, depth)?.distinct()),
            HirRelation::TopK { input, group_key, order_by, limit, offset } => {
                let group_key = with_outer(group_key);
                let input = Box::new(self.relation(input, outer, depth)?);
                let (limit, offset) = row_range(limit.as_deref(), offset.as_deref())?;
                Ok(Mir::TopK { input, group_key, order_by: shifted(order_by, m), limit, offset })
            }
            HirRelation::Union(inputs) => {
                let inputs = inputs
                    .iter()
                    .map(|input| self.relation(input, outer.clone(), depth))
                    .collect::<Result<Vec<_>>>()?;
                let types =
                    inputs.first().map(Mir::types).ok_or_else(|| SqlError::internal("a union without inputs"))?;
                Ok(Mir::Union { inputs, types })
            }
            HirRelation::Except(left, right) => {
                let left = self.relation(left, outer.clone(), depth)?;
                let right = self.relation(right, outer, depth)?;
                let types = left.types();
                let inputs = vec![left, Mir::Negate { input: Box::new(right) }];
                Ok(Mir::Threshold { input: Box::new(Mir::Union { inputs, types }) })
            }
            HirRelation::TableFunction { function, args, types, ordinality } => {
                let scope = Scope { depth, outer: outer.columns, own: vec![] };
                let mut input = outer.relation;
                let args =
                    args.iter().map(|arg| self.scalar(arg, &mut input, &scope, &[])).collect::<Result<Vec<_>>>()?;
                let arity = input.arity();
                let own = arity..arity + types.len() + usize::from(*ordinality);
                let flat_map = Mir::FlatMap {
                    input: Box::new(input),
                    function: *function,
                    args,
                    types: types.clone(),
                    ordinality: *ordinality,
                };
                Ok(flat_map.project((0..m).chain(own).collect()))
            }
        }
    }

    /// `input` with these scalars appended.
    fn map(
        &mut self,
        mut input: Mir,
        m: usize,
        outer: OuterColumns,
        scalars: &[HirScalar],
        depth: usize,
    ) -> Result<Mir> {
        let arity = input.arity();
        let scope = Scope { depth, outer, own: (m..arity).collect() };
        let scalars = scalars.iter().map(|s| self.scalar(s, &mut input, &scope, &[])).collect::<Result<Vec<_>>>()?;
        let extended = input.arity();
        let mapped = extended..extended + scalars.len();
        Ok(input.map(scalars).project((0..arity).chain(mapped).collect()))
    }

    fn aggregate(
        &mut self,
        input: &HirRelation,
        group_key: &[usize],
        global: bool,
        aggregates: &[HirAggregate],
        outer: Outer,
        depth: usize,
    ) -> Result<Mir> {
        let m = outer.arity();
        let columns = outer.columns.clone();
        let keys = (global && (m > 0 || outer.gate)).then(|| outer.clone());
        let mut input = self.relation(input, outer, depth)?;
        let scope = Scope { depth, outer: columns, own: (m..input.arity()).collect() };
        let lowered = aggregates
            .iter()
            .map(|aggregate| self.aggregate_call(aggregate, &mut input, &scope))
            .collect::<Result<Vec<_>>>()?;
        let result = input.aggregate(group_key.to_vec(), lowered);
        let Some(keys) = keys else { return Ok(result) };
        // A group without rows still gives a row: nothing is NULL, but counts are 0.
        let on = (0..m).map(|c| null_safe_equal(c, m + c, &keys.types[c])).collect();
        let joined = keys.relation.join(result, JoinKind::Left, on);
        let defaults = aggregates
            .iter()
            .enumerate()
            .map(|(i, aggregate)| {
                let column = Scalar::column(m + m + i, aggregate.data_type.clone());
                match aggregate.function {
                    AggregateFunction::CountStar | AggregateFunction::Count => {
                        coalesce(column, Expr::Literal(Datum::Int8(0), DataType::Int8))
                    }
                    _ => column,
                }
            })
            .collect::<Vec<_>>();
        let first = m + m + aggregates.len();
        let columns = (0..m).chain(first..first + defaults.len()).collect();
        Ok(joined.map(defaults).project(columns))
    }

    fn aggregate_call(&mut self, aggregate: &HirAggregate, input: &mut Mir, scope: &Scope) -> Result<MirAggregate> {
        Ok(Aggregate {
            function: aggregate.function,
            args: aggregate.args.iter().map(|arg| self.scalar(arg, input, scope, &[])).collect::<Result<_>>()?,
            distinct: aggregate.distinct,
            filter: aggregate.filter.as_ref().map(|f| self.scalar(f, input, scope, &[])).transpose()?,
            order_by: aggregate
                .order_by
                .iter()
                .map(|(key, order)| Ok((self.scalar(key, input, scope, &[])?, *order)))
                .collect::<Result<_>>()?,
            data_type: aggregate.data_type.clone(),
        })
    }

    /// WITH: the value is applied to the keys of its surroundings, once, and joined to them where it is used.
    fn cte(
        &mut self,
        hir_id: usize,
        value: &HirRelation,
        body: &HirRelation,
        outer: Outer,
        depth: usize,
    ) -> Result<Mir> {
        let free = free::of_relation(value, depth, depth, &self.cte_free);
        let applied = !free.is_empty() || self.needs(value, &outer, depth);
        let value_outer = if applied { outer.clone() } else { Outer::unit() };
        let (columns, types) = (value_outer.columns.clone(), value_outer.types.clone());
        let value = self.relation(value, value_outer, depth)?;
        let id = self.bind(&value);
        let mut outer_columns = vec![(usize::MAX, 0); types.len()];
        for (&column, &position) in &columns {
            outer_columns[position] = column;
        }
        // A CTE needs from outside all that it is joined on; and that is keys already, told apart as need be.
        let needed: Free = columns.keys().map(|&column| (column, false)).collect();
        self.cte_free.insert(hir_id, needed);
        self.ctes.insert(hir_id, Cte { id, outer: outer_columns, types: value.types() });
        let body = self.relation(body, outer, depth)?;
        Ok(Mir::Let { id, value: Box::new(value), body: Box::new(body) })
    }

    fn cte_use(&self, hir_id: usize, outer: Outer) -> Result<Mir> {
        let cte = self.ctes.get(&hir_id).ok_or_else(|| SqlError::internal("a CTE is used outside its query"))?;
        let get = Mir::LocalGet { id: cte.id, types: cte.types.clone() };
        let (m, n) = (outer.arity(), cte.outer.len());
        let on = cte
            .outer
            .iter()
            .enumerate()
            .map(|(i, column)| {
                let position = outer.columns.get(column).ok_or_else(|| missing(*column))?;
                Ok(null_safe_equal(*position, m + i, &cte.types[i]))
            })
            .collect::<Result<Vec<_>>>()?;
        let columns = (0..m).chain(m + n..m + cte.types.len()).collect();
        Ok(outer.relation.join(get, JoinKind::Inner, on).project(columns))
    }

    /// A new id for a `Let` of this value, whose properties are noted.
    fn bind(&mut self, value: &Mir) -> usize {
        let id = self.fresh_id();
        let known = properties::of(value, self.info, &mut self.properties);
        self.properties.insert(id, known);
        id
    }
}

fn missing((scope, index): (usize, usize)) -> SqlError {
    SqlError::internal(format!("column {index} of scope {scope} is not at hand"))
}

fn shifted(order_by: &[ColumnOrder], by: usize) -> Vec<ColumnOrder> {
    order_by.iter().map(|order| ColumnOrder { column: order.column + by, ..*order }).collect()
}

/// LIMIT and OFFSET as numbers.
///
/// # Errors
///
/// 2201W or 2201X if negative, 0A000 if not constant.
pub(crate) fn row_range(limit: Option<&HirScalar>, offset: Option<&HirScalar>) -> Result<(Option<u64>, u64)> {
    let limit = limit.map(|l| row_count(l, "LIMIT", SqlState::InvalidRowCountInLimitClause)).transpose()?.flatten();
    let offset =
        offset.map(|o| row_count(o, "OFFSET", SqlState::InvalidRowCountInResultOffsetClause)).transpose()?.flatten();
    Ok((limit, offset.unwrap_or(0)))
}

fn row_count(scalar: &HirScalar, clause: &str, state: SqlState) -> Result<Option<u64>> {
    let scalar = scalar.clone().try_map_leaves(&mut |_: HirLeaf| -> Result<Scalar> {
        Err(SqlError::unsupported(format!("{clause} that is not a constant")))
    })?;
    let settings = SessionSettings::default();
    let context = EvalContext { settings: &settings, now_micros: 0, catalog: None };
    let rows = match headwater_expr::evaluate_constant(&scalar, &context)? {
        Datum::Null => return Ok(None),
        Datum::Int8(rows) => rows,
        Datum::Int4(rows) => i64::from(rows),
        Datum::Int2(rows) => i64::from(rows),
        _ => return Err(SqlError::internal(format!("{clause} is not an int8"))),
    };
    match u64::try_from(rows) {
        Ok(rows) => Ok(Some(rows)),
        Err(_) => Err(SqlError::new(state, format!("{clause} must not be negative"))),
    }
}
