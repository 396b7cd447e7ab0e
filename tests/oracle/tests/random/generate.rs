//! Random bound queries: well-typed, with subqueries and lateral joins at any depth.

use crate::run;
use headwater_expr::registry::resolve_operator;
use headwater_expr::{Aggregate, AggregateFunction, ColumnOrder, Expr, TableFunction};
use headwater_plan::hir::{HirAggregate, HirLeaf, HirQuery, HirRelation, HirScalar, JoinKind};
use headwater_types::{DataType, Datum, Field, RelationId};
use rand::Rng;
use rand::rngs::SmallRng;

/// The columns of each enclosing scope, outermost first; the last is an operator's own input.
type Scopes = Vec<Vec<DataType>>;

pub struct Generator<'r> {
    random: &'r mut SmallRng,
    /// Common table expressions in scope, with the number of scopes around each.
    ctes: Vec<(usize, Vec<DataType>)>,
    next_id: usize,
    /// What is left to spend on relations.
    budget: usize,
}

impl<'r> Generator<'r> {
    pub fn new(random: &'r mut SmallRng) -> Self {
        Self { random, ctes: vec![], next_id: 0, budget: 14 }
    }

    pub fn query(&mut self) -> HirQuery {
        let (relation, types) = self.relation(3, &vec![]);
        let (order_by, limit, offset) = if self.chance(0.3) {
            let order_by = self.order(types.len());
            (order_by, Some(self.count(5)), self.chance(0.3).then(|| self.count(2)))
        } else {
            (vec![], None, None)
        };
        let schema = types.iter().map(|t| Field::new("column", t.clone())).collect();
        let projection: Vec<usize> = (0..types.len()).collect();
        let origins = vec![None; types.len()];
        HirQuery { relation, order_by, limit, offset, projection, schema, origins }
    }

    fn chance(&mut self, p: f64) -> bool {
        self.random.random_bool(p)
    }

    fn below(&mut self, n: usize) -> usize {
        self.random.random_range(0..n)
    }

    fn count(&mut self, below: i64) -> HirScalar {
        Expr::Literal(Datum::Int8(self.random.random_range(0..below)), DataType::Int8)
    }

    fn order(&mut self, arity: usize) -> Vec<ColumnOrder> {
        if arity == 0 {
            return vec![];
        }
        (0..1 + self.below(2))
            .map(|_| ColumnOrder {
                column: self.below(arity),
                descending: self.random.random(),
                nulls_first: self.random.random(),
            })
            .collect()
    }

    fn get(&mut self) -> (HirRelation, Vec<DataType>) {
        if !self.ctes.is_empty() && self.chance(0.4) {
            let pick = self.below(self.ctes.len());
            let (id, types) = self.ctes[pick].clone();
            return (HirRelation::LocalGet { id, types: types.clone() }, types);
        }
        let table = self.random.random_range(1..=3);
        let types = run::types(table);
        (HirRelation::Get { relation: RelationId(table), types: types.clone() }, types)
    }

    /// A relation inside `scopes`.
    fn relation(&mut self, depth: usize, scopes: &Scopes) -> (HirRelation, Vec<DataType>) {
        if depth == 0 || self.budget == 0 {
            return self.get();
        }
        self.budget -= 1;
        match self.below(16) {
            0 => self.get(),
            1 | 2 => {
                let (input, types) = self.relation(depth - 1, scopes);
                let scalars: Vec<_> = (0..1 + self.below(2))
                    .map(|_| {
                        let data_type = if self.chance(0.8) { DataType::Int4 } else { DataType::Bool };
                        self.scalar(&data_type, 3, scopes, &types)
                    })
                    .collect();
                let all = types.into_iter().chain(scalars.iter().map(HirScalar::data_type)).collect();
                (HirRelation::Map { input: Box::new(input), scalars }, all)
            }
            3..=6 => {
                let (input, types) = self.relation(depth - 1, scopes);
                let predicates =
                    (0..1 + self.below(2)).map(|_| self.scalar(&DataType::Bool, 3, scopes, &types)).collect();
                (HirRelation::Filter { input: Box::new(input), predicates }, types)
            }
            7 | 8 => self.join(depth, scopes),
            9 => self.lateral(depth, scopes),
            10 | 11 => self.aggregate(depth, scopes),
            12 => {
                let (input, types) = self.relation(depth - 1, scopes);
                if self.chance(0.5) {
                    return (HirRelation::Distinct(Box::new(input)), types);
                }
                let group_key =
                    if types.is_empty() || self.chance(0.5) { vec![] } else { vec![self.below(types.len())] };
                let top_k = HirRelation::TopK {
                    input: Box::new(input),
                    group_key,
                    order_by: self.order(types.len()),
                    limit: Some(Box::new(self.count(4))),
                    offset: self.chance(0.3).then(|| Box::new(self.count(2))),
                };
                (top_k, types)
            }
            13 => {
                let (left, types) = self.two_ints(depth - 1, scopes);
                let (right, _) = self.two_ints(depth - 1, scopes);
                let both = if self.chance(0.6) {
                    HirRelation::Union(vec![left, right])
                } else {
                    HirRelation::Except(Box::new(left), Box::new(right))
                };
                (both, types)
            }
            14 => {
                let (value, types) = self.relation(depth - 1, scopes);
                self.next_id += 1;
                let id = self.next_id;
                self.ctes.push((id, types));
                let (body, types) = self.relation(depth - 1, scopes);
                self.ctes.retain(|(known, _)| *known != id);
                (HirRelation::Let { id, value: Box::new(value), body: Box::new(body) }, types)
            }
            _ => {
                let (input, types) = self.relation(depth - 1, scopes);
                if types.is_empty() {
                    return (input, types);
                }
                let columns: Vec<usize> = (0..1 + self.below(3)).map(|_| self.below(types.len())).collect();
                let kept = columns.iter().map(|&c| types[c].clone()).collect();
                (HirRelation::Project { input: Box::new(input), columns }, kept)
            }
        }
    }

    /// A relation of two int4 columns.
    fn two_ints(&mut self, depth: usize, scopes: &Scopes) -> (HirRelation, Vec<DataType>) {
        let (input, types) = self.relation(depth, scopes);
        let arity = types.len();
        let scalars = (0..2).map(|_| self.scalar(&DataType::Int4, 1, scopes, &types)).collect();
        let mapped = HirRelation::Map { input: Box::new(input), scalars };
        let columns = vec![arity, arity + 1];
        (HirRelation::Project { input: Box::new(mapped), columns }, vec![DataType::Int4; 2])
    }

    fn join(&mut self, depth: usize, scopes: &Scopes) -> (HirRelation, Vec<DataType>) {
        let (left, mut types) = self.relation(depth - 1, scopes);
        let (right, more) = self.relation(depth - 1, scopes);
        types.extend(more);
        let kind = [JoinKind::Inner, JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full][self.below(5)];
        let on = if kind == JoinKind::Inner {
            self.scalar(&DataType::Bool, 2, scopes, &types)
        } else {
            self.plain(&DataType::Bool, 2, scopes, &types)
        };
        let join =
            HirRelation::Join { left: Box::new(left), right: Box::new(right), on: Box::new(on), kind, lateral: false };
        (join, types)
    }

    fn lateral(&mut self, depth: usize, scopes: &Scopes) -> (HirRelation, Vec<DataType>) {
        let (left, mut types) = self.relation(depth - 1, scopes);
        let mut inner = scopes.clone();
        inner.push(types.clone());
        let (right, more) = if self.chance(0.3) {
            let stop = self.plain(&DataType::Int4, 1, &inner, &[]);
            let function = HirRelation::TableFunction {
                function: TableFunction::GenerateSeries,
                args: vec![Expr::Literal(Datum::Int4(1), DataType::Int4), stop],
                types: vec![DataType::Int4],
                ordinality: false,
            };
            (function, vec![DataType::Int4])
        } else {
            self.relation(depth - 1, &inner)
        };
        types.extend(more);
        let kind = if self.chance(0.6) { JoinKind::Inner } else { JoinKind::Left };
        let on = self.plain(&DataType::Bool, 1, scopes, &types);
        let join =
            HirRelation::Join { left: Box::new(left), right: Box::new(right), on: Box::new(on), kind, lateral: true };
        (join, types)
    }

    fn aggregate(&mut self, depth: usize, scopes: &Scopes) -> (HirRelation, Vec<DataType>) {
        let (input, types) = self.relation(depth - 1, scopes);
        let group_key: Vec<usize> =
            if types.is_empty() { vec![] } else { (0..self.below(3)).map(|_| self.below(types.len())).collect() };
        let aggregates: Vec<HirAggregate> = (0..self.below(3)).map(|_| self.call(scopes, &types)).collect();
        let all =
            group_key.iter().map(|&c| types[c].clone()).chain(aggregates.iter().map(|a| a.data_type.clone())).collect();
        (HirRelation::Aggregate { input: Box::new(input), group_key, aggregates }, all)
    }

    fn call(&mut self, scopes: &Scopes, own: &[DataType]) -> HirAggregate {
        let (function, data_type) = [
            (AggregateFunction::CountStar, DataType::Int8),
            (AggregateFunction::Count, DataType::Int8),
            (AggregateFunction::Sum, DataType::Int8),
            (AggregateFunction::Min, DataType::Int4),
            (AggregateFunction::Max, DataType::Int4),
        ][self.below(5)]
        .clone();
        let args = match function {
            AggregateFunction::CountStar => vec![],
            _ if self.chance(0.4) => {
                let condition = self.plain(&DataType::Bool, 1, scopes, own);
                let result = self.column(&DataType::Int4, scopes, own);
                let otherwise = Box::new(Expr::Literal(Datum::Null, DataType::Int4));
                vec![Expr::Case { branches: vec![(condition, result)], otherwise }]
            }
            _ => vec![self.scalar(&DataType::Int4, 1, scopes, own)],
        };
        let filter = self.chance(0.2).then(|| self.plain(&DataType::Bool, 1, scopes, own));
        let distinct = !args.is_empty() && self.chance(0.4);
        Aggregate { function, args, distinct, filter, order_by: vec![], data_type }
    }

    /// A scalar without subqueries.
    fn plain(&mut self, data_type: &DataType, depth: usize, scopes: &Scopes, own: &[DataType]) -> HirScalar {
        let budget = std::mem::take(&mut self.budget);
        let scalar = self.scalar(data_type, depth, scopes, own);
        self.budget = budget;
        scalar
    }

    /// A column of this type, of the input or of an enclosing scope; a literal if there is none.
    fn column(&mut self, data_type: &DataType, scopes: &Scopes, own: &[DataType]) -> HirScalar {
        let outer = scopes.iter().rev().enumerate().map(|(i, types)| (i + 1, types.as_slice()));
        let candidates: Vec<(usize, usize)> = [(0, own)]
            .into_iter()
            .chain(outer)
            .flat_map(|(level, types)| {
                let found = types.iter().enumerate().filter(|(_, t)| *t == data_type);
                found.map(move |(index, _)| (level, index)).collect::<Vec<_>>()
            })
            .collect();
        let inner = candidates.iter().filter(|(level, _)| *level == 0).count();
        if candidates.is_empty() {
            return self.literal(data_type);
        }
        let pick = if inner > 0 && self.chance(0.6) { self.below(inner) } else { self.below(candidates.len()) };
        let (level, index) = candidates[pick];
        Expr::Leaf(HirLeaf::Column { level, index, data_type: data_type.clone() })
    }

    fn literal(&mut self, data_type: &DataType) -> HirScalar {
        let value = match data_type {
            _ if self.chance(0.1) => Datum::Null,
            DataType::Bool => Datum::Bool(self.random.random()),
            DataType::Int8 => Datum::Int8(self.random.random_range(0..4)),
            DataType::Text => Datum::text("b"),
            _ => Datum::Int4(self.random.random_range(0..4)),
        };
        Expr::Literal(value, data_type.clone())
    }

    fn scalar(&mut self, data_type: &DataType, depth: usize, scopes: &Scopes, own: &[DataType]) -> HirScalar {
        match data_type {
            DataType::Bool => self.condition(depth, scopes, own),
            _ => self.int(depth, scopes, own),
        }
    }

    fn int(&mut self, depth: usize, scopes: &Scopes, own: &[DataType]) -> HirScalar {
        let int = DataType::Int4;
        if depth == 0 {
            return if self.chance(0.8) { self.column(&int, scopes, own) } else { self.literal(&int) };
        }
        match self.below(12) {
            0 => self.literal(&int),
            1 => self.operator("+", depth, scopes, own),
            2 if self.chance(0.2) => self.operator("/", depth, scopes, own),
            3 => {
                let condition = self.condition(depth - 1, scopes, own);
                let result = self.int(depth - 1, scopes, own);
                let otherwise = Box::new(self.int(depth - 1, scopes, own));
                Expr::Case { branches: vec![(condition, result)], otherwise }
            }
            4 => Expr::Coalesce(vec![self.int(depth - 1, scopes, own), self.int(depth - 1, scopes, own)]),
            5 | 6 if self.budget > 0 => self.scalar_subquery(scopes, own),
            _ => self.column(&int, scopes, own),
        }
    }

    fn scalar_subquery(&mut self, scopes: &Scopes, own: &[DataType]) -> HirScalar {
        let mut inner = scopes.clone();
        inner.push(own.to_vec());
        let (input, types) = self.relation(1, &inner);
        let value = self.int(1, &inner, &types);
        let relation = if self.chance(0.6) {
            let function = if self.chance(0.5) { AggregateFunction::Max } else { AggregateFunction::Min };
            let call = Aggregate {
                function,
                args: vec![value],
                distinct: false,
                filter: None,
                order_by: vec![],
                data_type: DataType::Int4,
            };
            HirRelation::Aggregate { input: Box::new(input), group_key: vec![], aggregates: vec![call] }
        } else {
            let arity = types.len();
            let mapped = HirRelation::Map { input: Box::new(input), scalars: vec![value] };
            let projected = HirRelation::Project { input: Box::new(mapped), columns: vec![arity] };
            HirRelation::TopK {
                input: Box::new(projected),
                group_key: vec![],
                order_by: self.order(1),
                limit: Some(Box::new(Expr::Literal(Datum::Int8(1), DataType::Int8))),
                offset: None,
            }
        };
        Expr::Leaf(HirLeaf::ScalarSubquery(Box::new(relation), DataType::Int4))
    }

    fn operator(&mut self, symbol: &str, depth: usize, scopes: &Scopes, own: &[DataType]) -> HirScalar {
        let left = self.int(depth - 1, scopes, own);
        let right = self.int(depth - 1, scopes, own);
        binary(symbol, left, right)
    }

    fn condition(&mut self, depth: usize, scopes: &Scopes, own: &[DataType]) -> HirScalar {
        let depth = depth.max(1);
        match self.below(14) {
            0 => {
                let operands = (0..2).map(|_| self.condition(depth - 1, scopes, own)).collect();
                if self.chance(0.5) { Expr::And(operands) } else { Expr::Or(operands) }
            }
            1 => Expr::Not(Box::new(self.condition(depth - 1, scopes, own))),
            2 => Expr::IsNull(Box::new(self.int(depth - 1, scopes, own))),
            3 => {
                let (left, right) = (self.int(depth - 1, scopes, own), self.int(depth - 1, scopes, own));
                Expr::IsNotDistinct(Box::new(left), Box::new(right))
            }
            4 | 5 if self.budget > 0 => {
                let mut inner = scopes.clone();
                inner.push(own.to_vec());
                let (relation, _) = self.relation(2, &inner);
                self.negated(Expr::Leaf(HirLeaf::Exists(Box::new(relation))))
            }
            6 | 7 if self.budget > 0 => {
                let mut inner = scopes.clone();
                inner.push(own.to_vec());
                let (relation, types) = self.relation(2, &inner);
                let left = self.column(&DataType::Int4, &inner, &[]);
                let right = self.column(&DataType::Int4, &vec![], &types);
                let symbol = if self.chance(0.7) { "=" } else { "<" };
                let predicate = Box::new(binary(symbol, left, right));
                self.negated(Expr::Leaf(HirLeaf::AnySubquery { relation: Box::new(relation), predicate }))
            }
            8 => {
                let symbol = ["<", "<>"][self.below(2)];
                self.operator(symbol, depth, scopes, own)
            }
            _ => self.operator("=", depth, scopes, own),
        }
    }

    fn negated(&mut self, scalar: HirScalar) -> HirScalar {
        if self.chance(0.4) { Expr::Not(Box::new(scalar)) } else { scalar }
    }
}

fn binary(symbol: &str, left: HirScalar, right: HirScalar) -> HirScalar {
    let resolved = resolve_operator(symbol, Some(left.data_type()), right.data_type()).expect("an int4 operator");
    Expr::Call { function: resolved.function, args: vec![left, right], data_type: resolved.data_type }
}
