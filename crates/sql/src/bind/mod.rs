//! Binding: names to ids, types for everything, HIR out.
//!
//! ```text
//! statement ─▶ query ─▶ select ─▶ from          namespaces: what names mean
//!                 │        ├────▶ expr ─▶ call   scalars, functions, operators
//!                 │        └────▶ group          aggregates, grouping errors
//!                 └─▶ parts ─▶ HirQuery
//! dml, ddl, utility, show: the other statements
//! ```
//!
//! # Invariants
//!
//! 1. A literal without a type is [`DataType::Unknown`] until something wants a type; no relation's column is unknown.
//! 2. Positions of errors are byte offsets in the statement's text here; [`crate::bind`] makes them characters.
//! 3. Levels of columns count scopes outwards as `headwater_plan::hir` defines them.

mod call;
mod coerce;
mod columns;
mod copy;
mod ddl;
mod dml;
mod expr;
mod from;
mod group;
mod literal_insert;
mod names;
mod parameters;
mod parts;
mod query;
mod scope;
mod select;
mod show;
mod statement;
mod subquery;
mod types;

use crate::ast::Pos;
use crate::{BindContext, Bound, Statement};
use headwater_catalog::Catalog;
use headwater_types::{RelationId, Result, SessionSettings, SqlError, SqlState};
use parameters::Parameters;
use std::cell::{Cell, RefCell};

/// How deep views may be defined over views.
const VIEW_DEPTH_MAX: usize = 64;

/// Binds one statement.
pub(crate) struct Binder<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) settings: &'a SessionSettings,
    pub(crate) now_micros: i64,
    pub(crate) parameters: &'a RefCell<Parameters>,
    /// The next CTE's id: unique within the statement, views included.
    next_cte: &'a Cell<usize>,
    /// Whether a literal stands for a moment, so that binding gives something else later. Views included.
    reads_clock: &'a Cell<bool>,
    /// The relations that the statement itself names.
    named: RefCell<Vec<RelationId>>,
    view_depth: usize,
    depth: Cell<usize>,
    /// Whether this is the query of a materialized view to be made.
    materialized: Cell<bool>,
}

/// The statement with its names resolved; errors have byte positions.
pub(crate) fn bind(statement: &Statement, context: &BindContext<'_>) -> Result<Bound> {
    let parameters = RefCell::new(Parameters::new(context.parameter_types));
    let next_cte = Cell::new(0);
    let reads_clock = Cell::new(false);
    let binder = Binder {
        catalog: context.catalog,
        settings: context.settings,
        now_micros: context.now_micros,
        parameters: &parameters,
        next_cte: &next_cte,
        reads_clock: &reads_clock,
        named: RefCell::new(vec![]),
        view_depth: 0,
        depth: Cell::new(0),
        materialized: Cell::new(false),
    };
    let bound = binder.statement(statement)?;
    drop(binder);
    let parameter_types = parameters.into_inner().finish()?;
    Ok(Bound { statement: bound, parameter_types, reads_clock: reads_clock.get() })
}

impl<'a> Binder<'a> {
    /// One level deeper in an expression or query.
    fn deeper<T>(&self, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let depth = self.depth.get();
        // Views add to the depth of the query that uses them; each is bounded by the parser already.
        if depth > crate::parse::DEPTH_MAX * 3 {
            return Err(crate::parse::too_deep());
        }
        self.depth.set(depth + 1);
        let result = crate::parse::with_stack(run);
        self.depth.set(depth);
        result
    }

    /// A binder for a view's query: under the view's settings, with no parameters of its own.
    fn for_view<'b>(&'b self, settings: &'b SessionSettings) -> Result<Binder<'b>>
    where
        'a: 'b,
    {
        if self.view_depth >= VIEW_DEPTH_MAX {
            return Err(crate::parse::too_deep());
        }
        Ok(Binder {
            catalog: self.catalog,
            settings,
            now_micros: self.now_micros,
            parameters: self.parameters,
            next_cte: self.next_cte,
            reads_clock: self.reads_clock,
            named: RefCell::new(vec![]),
            view_depth: self.view_depth + 1,
            depth: Cell::new(self.depth.get()),
            // Positions in a view's query mean nothing to who names the view: planning checks it.
            materialized: Cell::new(false),
        })
    }

    fn cte_id(&self) -> usize {
        let id = self.next_cte.get();
        self.next_cte.set(id + 1);
        id
    }

    fn name_relation(&self, id: RelationId) {
        let mut named = self.named.borrow_mut();
        if !named.contains(&id) {
            named.push(id);
        }
    }

    /// The relations named so far, each once.
    fn named_relations(&self) -> Vec<RelationId> {
        self.named.borrow().clone()
    }
}

/// The error with its position, unless it has one.
pub(crate) fn at(error: SqlError, pos: Pos) -> SqlError {
    error.at(u32::try_from(pos).ok())
}

/// An error at a position.
pub(crate) fn error(state: SqlState, message: impl Into<String>, pos: Pos) -> SqlError {
    at(SqlError::new(state, message), pos)
}

/// 0A000 at a position.
pub(crate) fn unsupported(what: &str, pos: Pos) -> SqlError {
    at(SqlError::unsupported(what), pos)
}
