//! Statements: which binder each goes to.

use super::copy::flag;
use super::dml::Verb;
use super::expr::{Clause, Context};
use super::scope::Env;
use super::{Binder, error, unsupported};
use crate::ast::{self, OptionItem, OptionValue, Pos, Statement as Ast};
use crate::bound::{BoundStatement, DeclareCursor, Explain, ExplainStage, Prepare};
use crate::{BindContext, Statement};
use headwater_types::{DataType, Result, SqlState};

impl Binder<'_> {
    pub(crate) fn statement(&self, statement: &Statement) -> Result<BoundStatement> {
        match statement.ast()? {
            Ast::LiteralInsert(insert) => match self.literal_insert(insert, statement.source())? {
                Some(bound) => Ok(bound),
                None => self.ast(&statement.parse_general()?),
            },
            other => self.ast(other),
        }
    }

    fn ast(&self, statement: &Ast) -> Result<BoundStatement> {
        Ok(match statement {
            Ast::Empty => BoundStatement::Empty,
            Ast::Query(query) => return self.top_query(query),
            Ast::Insert(insert) => return self.insert(insert),
            Ast::LiteralInsert(_) => {
                return Err(headwater_types::SqlError::internal("a literal INSERT inside another statement"));
            }
            Ast::Update(update) => return self.update(update),
            Ast::Delete(delete) => return self.delete(delete),
            Ast::Copy(copy) => return self.copy(copy),
            Ast::Explain { options, statement, pos } => return self.explain(options, statement, *pos),
            Ast::CreateTable(create) => return self.create_table(create),
            Ast::CreateTableAs(create) => return self.create_table_as(create),
            Ast::CreateView(create) => return self.create_view(create),
            Ast::CreateIndex { name, table, columns, unique, if_not_exists } => {
                return self.create_index(name.as_ref(), table, columns, *unique, *if_not_exists);
            }
            Ast::CreateSchema { name, if_not_exists } => {
                BoundStatement::CreateSchema { name: name.name.clone(), if_not_exists: *if_not_exists }
            }
            Ast::Drop { kind, names, if_exists, cascade } => {
                return self.drop_relations(*kind, names, *if_exists, *cascade);
            }
            Ast::DropSchema { names, if_exists, cascade } => return self.drop_schemas(names, *if_exists, *cascade),
            Ast::Rename { kind, name, to, if_exists } => return self.rename(*kind, name, to, *if_exists),
            Ast::Refresh(name) => return self.refresh(name),
            Ast::Truncate(names) => {
                let tables = names.iter().map(|name| {
                    let table = self.target(name, Verb::Truncate).map_err(super::coerce::without_position)?;
                    Ok(table.id)
                });
                BoundStatement::Truncate { tables: tables.collect::<Result<_>>()? }
            }
            Ast::Comment { object, text } => return self.comment(object, text.as_deref()),
            Ast::Begin(modes) => BoundStatement::Begin(*modes),
            Ast::Commit { chain } => BoundStatement::Commit { chain: *chain },
            Ast::Rollback { chain } => BoundStatement::Rollback { chain: *chain },
            Ast::Savepoint(name) => BoundStatement::Savepoint(name.clone()),
            Ast::Release(name) => BoundStatement::Release(name.clone()),
            Ast::RollbackTo(name) => BoundStatement::RollbackTo(name.clone()),
            Ast::SetTransaction { modes, session } => {
                BoundStatement::SetTransaction { modes: *modes, session: *session }
            }
            Ast::SetVariable { name, value, local } => {
                BoundStatement::SetVariable { name: name.clone(), value: value.clone(), local: *local }
            }
            Ast::ShowVariable(name) => BoundStatement::ShowVariable(name.clone()),
            Ast::ShowAll => BoundStatement::ShowAll,
            Ast::ShowObjects(show) => return self.show_objects(show),
            Ast::Reset(name) => BoundStatement::Reset(name.clone()),
            Ast::ResetAll => BoundStatement::ResetAll,
            Ast::Discard(what) => BoundStatement::Discard(*what),
            Ast::Flush => BoundStatement::Flush,
            Ast::Wait => BoundStatement::Wait,
            Ast::Prepare { name, types, statement } => return self.prepare(name, types, statement),
            Ast::Execute { name, args } => {
                let context = Context::new(None, &None, Clause::Execute);
                let args = args.iter().map(|arg| self.expr(arg, context)).collect::<Result<_>>()?;
                BoundStatement::Execute { name: name.clone(), args }
            }
            Ast::Deallocate(name) => BoundStatement::Deallocate(name.clone()),
            Ast::Declare { name, query, hold, scroll, binary } => BoundStatement::DeclareCursor(DeclareCursor {
                name: name.clone(),
                query: self.query(query, &Env::default())?,
                hold: *hold,
                scroll: *scroll,
                binary: *binary,
            }),
            Ast::Fetch(fetch) => BoundStatement::Fetch(fetch.clone()),
            Ast::Close(name) => BoundStatement::CloseCursor(name.clone()),
            Ast::Unlisten(channel) => BoundStatement::Unlisten(channel.clone()),
            Ast::Notify { channel, payload } => {
                BoundStatement::Notify { channel: channel.clone(), payload: payload.clone() }
            }
            Ast::NoOperation { relations } => {
                for name in relations {
                    self.relation(name).map_err(super::coerce::without_position)?;
                }
                BoundStatement::NoOperation { notices: vec![] }
            }
            Ast::Unsupported { what, pos } => return Err(unsupported(what, *pos)),
        })
    }

    /// A query as a statement; SELECT INTO makes a table.
    fn top_query(&self, query: &ast::Query) -> Result<BoundStatement> {
        if !crate::statement::selects_into(query) {
            return Ok(BoundStatement::Query(self.query(query, &Env::default())?));
        }
        let mut query = query.clone();
        let Some(name) = take_into(&mut query) else {
            return Err(error(SqlState::SyntaxError, "SELECT ... INTO is not allowed here", query.pos));
        };
        self.create_table_as(&ast::CreateTableAs {
            name,
            columns: vec![],
            if_not_exists: false,
            query,
            with_data: true,
        })
    }

    fn explain(&self, options: &[OptionItem], statement: &Ast, pos: Pos) -> Result<BoundStatement> {
        let mut explain = (ExplainStage::Readable, false, false);
        for option in options {
            let name = option.name.name.as_str();
            match name {
                "analyze" | "analyse" => explain.1 = flag(option)?,
                "hir" if flag(option)? => explain.0 = ExplainStage::Hir,
                "mir" if flag(option)? => explain.0 = ExplainStage::Mir,
                "lir" if flag(option)? => explain.0 = ExplainStage::Lir,
                "format" => match &option.value {
                    Some(OptionValue::Text(text, _)) if text.eq_ignore_ascii_case("text") => {}
                    Some(OptionValue::Text(text, _)) if text.eq_ignore_ascii_case("json") => explain.2 = true,
                    Some(OptionValue::Text(text, pos)) if matches!(text.as_str(), "xml" | "yaml") => {
                        return Err(unsupported("this format of EXPLAIN", *pos));
                    }
                    _ => {
                        return Err(error(
                            SqlState::InvalidParameterValue,
                            "unrecognized value for EXPLAIN option \"format\"",
                            option.name.pos,
                        ));
                    }
                },
                // They choose what PostgreSQL prints; we print the same always.
                "verbose" | "costs" | "settings" | "buffers" | "wal" | "timing" | "summary" | "trace" | "logical"
                | "physical" | "hir" | "mir" | "lir" => {
                    flag(option)?;
                }
                _ => {
                    return Err(error(
                        SqlState::SyntaxError,
                        format!("unrecognized EXPLAIN option \"{name}\""),
                        option.name.pos,
                    ));
                }
            }
        }
        let (stage, analyze, json) = explain;
        let bound = self.ast(statement)?;
        if !matches!(
            bound,
            BoundStatement::Query(_)
                | BoundStatement::Insert(_)
                | BoundStatement::Update(_)
                | BoundStatement::Delete(_)
                | BoundStatement::CreateTableAs { .. }
                | BoundStatement::CreateView(_)
                | BoundStatement::CreateMaterializedView(_)
                | BoundStatement::DeclareCursor(_)
        ) {
            return Err(unsupported("EXPLAIN of this statement", pos));
        }
        Ok(BoundStatement::Explain(Explain { stage, analyze, json, statement: Box::new(bound) }))
    }

    fn prepare(&self, name: &str, types: &[ast::TypeName], statement: &Statement) -> Result<BoundStatement> {
        let types = types
            .iter()
            .map(|name| Ok(Some(self.data_type(name)?).filter(|t| *t != DataType::Unknown)))
            .collect::<Result<Vec<_>>>()?;
        let context = BindContext {
            catalog: self.catalog,
            settings: self.settings,
            parameter_types: &types,
            now_micros: self.now_micros,
        };
        let bound = super::bind(statement, &context)?;
        Ok(BoundStatement::Prepare(Prepare {
            name: name.to_owned(),
            statement: Box::new(statement.clone()),
            parameter_types: bound.parameter_types,
        }))
    }
}

/// Takes the table out of SELECT INTO.
fn take_into(query: &mut ast::Query) -> Option<ast::Name> {
    match &mut query.body {
        ast::QueryBody::Select(select) => select.into.take(),
        ast::QueryBody::Nested(query) => take_into(query),
        ast::QueryBody::Set { left, .. } => take_into(left),
        ast::QueryBody::Values(_) => None,
    }
}
