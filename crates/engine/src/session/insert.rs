//! INSERT: its rows, its conflicts, its RETURNING.

use super::rows::{check_rows, complete_rows, first_of_each_key, is_plain, plain_scalar, project, with_row_ids};
use super::sources::overlay;
use super::{Execution, RowStream, Session};
use crate::change::{InsertMode, KeyedRows, NetChange, TableOp};
use crate::table::TableShape;
use crate::visible::State;
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use headwater_catalog::OnConflict as TableDefault;
use headwater_expr::{EvalContext, Scalar};
use headwater_plan::hir::{HirQuery, HirRelation, HirScalar};
use headwater_sql::{Insert, InsertSource, OnConflict, Returning};
use headwater_types::{Batch, DataType, Datum, Equality, Field, KeyEncoder, RelationId, Result, SqlError, SqlState};
use std::collections::HashMap;

/// Operations of a block on one table up to which an INSERT is checked for existing keys at once, which looks at all of
/// them. COMMIT checks in any case.
const EARLY_CHECK_OPERATIONS_MAX: usize = 100;

/// What an INSERT does to rows whose key exists, once the table's default is known.
pub(super) enum Action {
    Overwrite,
    Error,
    Ignore,
    UpdateIfNotNull,
    Update { assignments: Vec<(usize, Scalar)>, filter: Option<Scalar> },
}

impl Session {
    pub(super) fn insert(&mut self, insert: Insert, parameters: &[Datum]) -> Result<Execution> {
        let shape = self.table_shape(insert.table)?;
        let rows = self.source_rows(&shape, insert.hidden_key, insert.source, parameters)?;
        let rows = match insert.hidden_key {
            Some(hidden) => {
                let first = self.shared.row_ids(rows.rows);
                with_row_ids(rows, hidden, first)
            }
            None => rows,
        };
        self.evaluate_with(|context| check_rows(&shape, &insert.checks, &rows, context))?;
        let action = self.conflict_action(&shape, insert.on_conflict, parameters)?;
        let affected = self.insert_rows(&shape, rows, action)?;
        let count = affected.rows;
        self.answer("INSERT 0", count, insert.returning, &affected)
    }

    /// Buffers new rows; returns those that were inserted or updated, as they are now.
    fn insert_rows(&mut self, shape: &TableShape, rows: Batch, action: Action) -> Result<Batch> {
        if rows.is_empty() {
            return Ok(rows);
        }
        let mode = match action {
            Action::Overwrite => InsertMode::Overwrite,
            Action::Error => InsertMode::Unique,
            other => return self.insert_on_conflict(shape, rows, &other),
        };
        self.write(shape, TableOp::Insert { rows: rows.clone(), mode })?;
        let operations = self.transaction().writes(shape.id).len();
        if mode == InsertMode::Unique && self.is_in_block() && operations <= EARLY_CHECK_OPERATIONS_MAX {
            // Tell now what COMMIT would tell.
            let state = self.state()?;
            overlay(shape, self.transaction().writes(shape.id), &state)?;
        }
        Ok(rows)
    }

    /// DO NOTHING and DO UPDATE: what exists is looked up here, and validated at commit.
    pub(super) fn insert_on_conflict(&mut self, shape: &TableShape, rows: Batch, action: &Action) -> Result<Batch> {
        let rows = if matches!(action, Action::UpdateIfNotNull) { merge_keys(shape, rows) } else { rows };
        let state = self.state()?;
        let existing = ExistingRows::find(shape, self.transaction().writes(shape.id), &state, &rows)?;
        let is_first = match first_of_each_key(shape, &rows) {
            Some(first) => {
                (0..rows.rows).map(|i| u32::try_from(i).is_ok_and(|i| first.binary_search(&i).is_ok())).collect()
            }
            None => vec![true; rows.rows],
        };
        let pick = |wanted: &dyn Fn(usize) -> bool| -> Vec<u32> {
            (0u32..).zip(0..rows.rows).filter(|&(_, i)| wanted(i)).map(|(i, _)| i).collect()
        };
        let new = rows.take(&pick(&|i| is_first[i] && existing.place[i].is_none()));
        let mut affected = vec![new.clone()];
        if !new.is_empty() {
            self.write(shape, TableOp::Insert { rows: new, mode: InsertMode::Unseen })?;
        }
        if matches!(action, Action::Ignore) {
            return Ok(affected.remove(0));
        }
        let repeated = matches!(action, Action::Update { .. }) && is_first.contains(&false);
        if repeated {
            return Err(SqlError::new(
                SqlState::CardinalityViolation,
                "ON CONFLICT DO UPDATE command cannot affect row a second time",
            )
            .with_hint(
                "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
            ));
        }
        let conflicting = pick(&|i| existing.place[i].is_some());
        let excluded = rows.take(&conflicting);
        let places: Vec<u32> = conflicting
            .iter()
            .map(|&i| existing.place[i as usize].expect("only conflicting rows were picked"))
            .collect();
        let old = existing.rows.take(&places);
        let (old, new) = self.updated_rows(shape, old, excluded, action)?;
        if !new.is_empty() {
            self.evaluate_with(|context| check_rows(shape, &[], &new, context))?;
            affected.push(new.clone());
            self.write(shape, TableOp::Update { old, new })?;
        }
        Ok(Batch::concat(&affected))
    }

    /// DO UPDATE's rows before and after, where its WHERE holds.
    fn updated_rows(&self, shape: &TableShape, old: Batch, excluded: Batch, action: &Action) -> Result<(Batch, Batch)> {
        let mut both = old.columns.clone();
        both.extend(excluded.columns.iter().cloned());
        let mut both = Batch::new(both, old.rows);
        if let Action::Update { filter: Some(filter), .. } = action {
            let passes = self.evaluate_with(|context| project(std::slice::from_ref(filter), &both, context))?;
            let passes = passes.columns[0].as_boolean();
            let passes: BooleanArray = (0..both.rows).map(|i| Some(passes.is_valid(i) && passes.value(i))).collect();
            both = both.filter(&passes);
        }
        let arity = shape.types.len();
        let old = both.project(&(0..arity).collect::<Vec<_>>());
        let mut new = old.clone();
        match action {
            Action::Update { assignments, .. } => {
                let scalars: Vec<Scalar> = assignments.iter().map(|(_, scalar)| scalar.clone()).collect();
                let values = self.evaluate_with(|context| project(&scalars, &both, context))?;
                for ((column, _), value) in assignments.iter().zip(values.columns) {
                    new.columns[*column] = value;
                }
            }
            _ => {
                let rows: Vec<Vec<Datum>> = (0..both.rows)
                    .map(|row| {
                        let types: Vec<DataType> = shape.types.iter().chain(&shape.types).cloned().collect();
                        let values = both.row(row, &types);
                        (0..arity)
                            .map(|c| {
                                if values[arity + c].is_null() { values[c].clone() } else { values[arity + c].clone() }
                            })
                            .collect()
                    })
                    .collect();
                new = Batch::from_rows(&shape.types, &rows);
            }
        }
        Ok((old, new))
    }

    fn conflict_action(&self, shape: &TableShape, clause: OnConflict, parameters: &[Datum]) -> Result<Action> {
        let check_target = |target: &[usize]| {
            let mut target = target.to_vec();
            let mut key = shape.key.clone();
            target.sort_unstable();
            key.sort_unstable();
            if target == key {
                return Ok(());
            }
            Err(SqlError::new(
                SqlState::InvalidColumnReference,
                "there is no unique or exclusion constraint matching the ON CONFLICT specification",
            ))
        };
        Ok(match clause {
            OnConflict::TableDefault => self.default_action(shape.id)?,
            OnConflict::DoNothing { target } => {
                target.as_deref().map_or(Ok(()), check_target)?;
                Action::Ignore
            }
            OnConflict::DoUpdate { target, assignments, filter } => {
                check_target(&target)?;
                let plain = |mut scalar: HirScalar| {
                    super::query::set_scalar_parameters(&mut scalar, parameters);
                    plain_scalar(scalar, "ON CONFLICT DO UPDATE")
                };
                Action::Update {
                    assignments: assignments.into_iter().map(|(c, s)| Ok((c, plain(s)?))).collect::<Result<_>>()?,
                    filter: filter.map(plain).transpose()?,
                }
            }
        })
    }

    /// What the table does where the statement does not say.
    pub(super) fn default_action(&self, table: RelationId) -> Result<Action> {
        let state = self.shared.visible.current();
        let catalog = self.catalog(&state);
        let table = catalog.table(table).ok_or_else(|| super::dml::table_is_gone(table))?;
        Ok(match table.on_conflict {
            TableDefault::Overwrite => Action::Overwrite,
            TableDefault::Error => Action::Error,
            TableDefault::DoNothing => Action::Ignore,
            TableDefault::DoUpdateIfNotNull => Action::UpdateIfNotNull,
        })
    }

    fn source_rows(
        &mut self,
        shape: &TableShape,
        hidden_key: Option<usize>,
        source: InsertSource,
        parameters: &[Datum],
    ) -> Result<Batch> {
        match source {
            InsertSource::Batch { columns, rows, defaults } => {
                let defaults = self.default_values(defaults, parameters)?;
                Ok(complete_rows(shape, &columns, rows, &defaults, hidden_key))
            }
            InsertSource::Values(mut rows) => {
                for scalar in rows.iter_mut().flatten() {
                    super::query::set_scalar_parameters(scalar, parameters);
                }
                if rows.iter().flatten().all(is_plain) { self.constant_rows(rows) } else { self.value_rows(rows) }
            }
            InsertSource::Query(mut query) => {
                super::query::set_parameters(&mut query, parameters);
                self.query_rows(query)
            }
        }
    }

    /// VALUES of constants: evaluated column by column over as many empty rows.
    fn constant_rows(&self, rows: Vec<Vec<HirScalar>>) -> Result<Batch> {
        let types: Vec<DataType> = rows.first().map_or(vec![], |row| row.iter().map(|s| s.data_type()).collect());
        self.evaluate_with(|context: &EvalContext<'_>| {
            let rows: Vec<Vec<Datum>> = rows
                .into_iter()
                .map(|row| {
                    row.into_iter()
                        .map(|scalar| headwater_expr::evaluate_constant(&plain_scalar(scalar, "VALUES")?, context))
                        .collect()
                })
                .collect::<Result<_>>()?;
            Ok(Batch::from_rows(&types, &rows))
        })
    }

    /// VALUES with subqueries: a query.
    fn value_rows(&mut self, rows: Vec<Vec<HirScalar>>) -> Result<Batch> {
        let schema: Vec<Field> = rows[0].iter().map(|scalar| Field::new("column", scalar.data_type())).collect();
        let one_row = || Box::new(HirRelation::Constant { rows: vec![vec![]], types: vec![] });
        let rows = rows.into_iter().map(|scalars| HirRelation::Map { input: one_row(), scalars }).collect();
        let arity = schema.len();
        self.query_rows(HirQuery {
            relation: HirRelation::Union(rows),
            order_by: vec![],
            limit: None,
            offset: None,
            projection: (0..arity).collect(),
            origins: vec![None; arity],
            schema,
        })
    }

    /// The answer of an INSERT, UPDATE or DELETE: its count, or RETURNING over `rows`.
    pub(super) fn answer(
        &self,
        tag: &'static str,
        count: usize,
        returning: Option<Returning>,
        rows: &Batch,
    ) -> Result<Execution> {
        let Some(returning) = returning else { return Ok(Execution::Command { tag: format!("{tag} {count}") }) };
        let scalars: Vec<Scalar> =
            returning.scalars.into_iter().map(|s| plain_scalar(s, "RETURNING")).collect::<Result<_>>()?;
        let batch = self.evaluate_with(|context| project(&scalars, rows, context))?;
        let mut stream = RowStream::of_batches(&returning.schema, vec![batch]);
        stream.set_origins(&returning.origins);
        stream.set_tag(&format!("{tag} {count}"));
        Ok(Execution::Rows(stream))
    }

    fn is_in_block(&self) -> bool {
        self.transaction_status() == super::TransactionStatus::InTransaction
    }
}

/// One row per key: of each column, the last value of the key's rows that is not NULL.
fn merge_keys(shape: &TableShape, rows: Batch) -> Batch {
    let Some(first) = first_of_each_key(shape, &rows) else { return rows };
    let keys = rows.project(&shape.key).columns;
    let encoded = KeyEncoder::new(&shape.key_types, Equality::Sql).encode(&keys, rows.rows);
    let places: HashMap<&[u8], usize> = first.iter().map(|&i| encoded.row(i as usize)).zip(0..).collect();
    let columns = rows.columns.iter().map(|column| {
        let mut chosen = first.clone();
        for (number, i) in (0u32..).zip(0..rows.rows) {
            if column.is_valid(i) {
                chosen[places[encoded.row(i)]] = number;
            }
        }
        Batch::new(vec![column.clone()], rows.rows).take(&chosen).columns.remove(0)
    });
    Batch::new(columns.collect(), first.len())
}

/// The rows that have the keys of some others, as the transaction sees them.
struct ExistingRows {
    /// Per row asked for: its counterpart's place in `rows`.
    place: Vec<Option<u32>>,
    rows: Batch,
}

impl ExistingRows {
    fn find(shape: &TableShape, ops: &[TableOp], state: &State, wanted: &Batch) -> Result<Self> {
        let NetChange { mut deleted, inserted } = overlay(shape, ops, state)?;
        deleted.sort_unstable();
        let encoder = KeyEncoder::new(&shape.key_types, Equality::Sql);
        let own = encoder.encode(&inserted.project(&shape.key).columns, inserted.rows);
        let own: HashMap<Vec<u8>, u32> =
            (0u32..).zip(0..inserted.rows).map(|(p, i)| (own.row(i).to_vec(), p)).collect();
        let keys = wanted.project(&shape.key).columns;
        let encoded = encoder.encode(&keys, wanted.rows);
        let snapshot = state.relations.get(&shape.id).and_then(|state| state.parts.first());
        let stored = match snapshot {
            Some(snapshot) => {
                let hashes = headwater_types::hash_keys(&keys, &shape.key_types, wanted.rows, Equality::Sql);
                snapshot.find_rows(&keys, &hashes)?
            }
            None => vec![None; wanted.rows],
        };
        let mut ids = vec![];
        let mut next = u32::try_from(inserted.rows).expect("a batch has fewer than 2^32 rows");
        let place = (0..wanted.rows)
            .map(|i| {
                if let Some(&place) = own.get(encoded.row(i)) {
                    return Some(place);
                }
                let id = stored[i].filter(|id| deleted.binary_search(id).is_err())?;
                ids.push(id);
                next += 1;
                Some(next - 1)
            })
            .collect();
        let rows = match snapshot {
            Some(snapshot) if !ids.is_empty() => Batch::concat(&[inserted, snapshot.gather_rows(&ids)?]),
            _ => inserted,
        };
        Ok(Self { place, rows })
    }
}
