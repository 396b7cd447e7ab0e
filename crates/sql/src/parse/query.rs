//! Queries: WITH, SELECT, VALUES, set operations, FROM.

use super::Parser;
use crate::ast::{
    Alias, Cte, Distinct, Expr, ExprKind, FromItem, Ident, JoinCondition, JoinKind, Query, QueryBody, Select,
    SelectItem, SetOperator, With,
};
use crate::lexer::TokenKind;
use headwater_expr::keywords;
use headwater_types::{Result, SqlState};

const QUERY_STARTS: [&str; 4] = ["select", "values", "with", "table"];
const AFTER_QUERY: [&str; 8] = ["union", "intersect", "except", "order", "limit", "offset", "fetch", "for"];

impl Parser<'_> {
    /// Whether a query starts here.
    pub(super) fn is_query_start(&self) -> bool {
        QUERY_STARTS.iter().any(|word| self.is_word(word)) || (self.is(TokenKind::LeftParen) && self.is_query(0))
    }

    /// Whether the parenthesis `ahead` holds a query, rather than an expression or a join that may begin with one.
    pub(super) fn is_query(&self, mut ahead: usize) -> bool {
        loop {
            if self.token(ahead).kind != TokenKind::LeftParen {
                return false;
            }
            ahead += 1;
            if QUERY_STARTS.iter().any(|word| self.is_word_at(ahead, word)) {
                return true;
            }
            let Some(partner) = self.partners.get(self.at + ahead).copied().filter(|p| *p != 0) else { return false };
            let behind = usize::try_from(partner).expect("an index") + 1 - self.at;
            let ends = self.token(behind).kind == TokenKind::RightParen
                || AFTER_QUERY.iter().any(|word| self.is_word_at(behind, word));
            if !ends {
                return false;
            }
        }
    }

    /// `(query)`.
    pub(super) fn query_in_parens(&mut self) -> Result<Query> {
        self.parens(Self::query)
    }

    /// A query with everything that may stand around it.
    pub(super) fn query(&mut self) -> Result<Query> {
        self.nested(|p| {
            let with = p.with()?;
            p.query_after_with(with)
        })
    }

    /// `WITH …`, if it is there.
    pub(super) fn with(&mut self) -> Result<Option<With>> {
        if !self.accept("with") {
            return Ok(None);
        }
        let pos = self.pos();
        let recursive = self.accept("recursive").then_some(pos);
        let ctes = self.list(|p| {
            let name = p.ident()?;
            let columns = p.optional_ident_list()?;
            p.expect("as")?;
            if !p.accept("materialized") && p.is_word("not") {
                p.expect_all(&["not", "materialized"])?;
            }
            if p.is(TokenKind::LeftParen) && ["insert", "update", "delete", "merge"].iter().any(|w| p.is_word_at(1, w))
            {
                return Err(p.unsupported("a data-modifying statement in WITH", p.token(1).start));
            }
            let query = p.query_in_parens()?;
            if p.is_any(&["search", "cycle"]) {
                return Err(p.unsupported("SEARCH or CYCLE", p.pos()));
            }
            Ok(Cte { name, columns, query })
        })?;
        Ok(Some(With { recursive, ctes }))
    }

    pub(super) fn query_after_with(&mut self, with: Option<With>) -> Result<Query> {
        // A parenthesised query keeps its own clauses (it is `Nested`); what follows is of the whole.
        let mut query = self.set_operation(0)?;
        query.with = with;
        if self.is_word("order") {
            query.order_by = self.order_by()?;
        }
        self.limits(&mut query)?;
        Ok(query)
    }

    /// LIMIT, OFFSET, FETCH FIRST and FOR UPDATE, in any order.
    fn limits(&mut self, query: &mut Query) -> Result<()> {
        loop {
            let pos = self.pos();
            if query.limit.is_none() && self.accept("limit") {
                if !self.accept("all") {
                    query.limit = Some(self.expr()?);
                    if self.is(TokenKind::Comma) {
                        return Err(self
                            .error(SqlState::SyntaxError, "LIMIT #,# syntax is not supported", pos)
                            .with_hint("Use separate LIMIT and OFFSET clauses."));
                    }
                }
            } else if query.offset.is_none() && self.accept("offset") {
                query.offset = Some(self.expr()?);
                if !self.accept("row") {
                    self.accept("rows");
                }
            } else if query.limit.is_none() && self.accept("fetch") {
                self.fetch_first(query)?;
            } else if self.is_word("for") {
                self.lock(query)?;
            } else {
                return Ok(());
            }
        }
    }

    fn fetch_first(&mut self, query: &mut Query) -> Result<()> {
        if !self.accept("first") {
            self.expect("next")?;
        }
        let pos = self.pos();
        query.limit = Some(if self.is_any(&["row", "rows"]) {
            Expr { kind: ExprKind::Number("1".to_owned()), pos, start: pos }
        } else {
            self.expr()?
        });
        if !self.accept("row") {
            self.expect("rows")?;
        }
        if !self.accept("only") {
            let ties = self.pos();
            self.expect_all(&["with", "ties"])?;
            query.with_ties = Some(ties);
        }
        Ok(())
    }

    fn lock(&mut self, query: &mut Query) -> Result<()> {
        let pos = self.expect("for")?;
        if self.accept_all(&["read", "only"]) {
            return Ok(());
        }
        if self.accept("no") {
            self.expect_all(&["key", "update"])?;
        } else if self.accept("key") {
            self.expect("share")?;
        } else if !self.accept("share") {
            self.expect("update")?;
        }
        if self.accept("of") {
            self.list(Self::qualified)?;
        }
        if !self.accept("nowait") {
            self.accept_all(&["skip", "locked"]);
        }
        query.lock = Some(pos);
        Ok(())
    }

    /// UNION and EXCEPT bind at level 0, INTERSECT at level 1.
    fn set_operation(&mut self, level: u8) -> Result<Query> {
        let mut left = if level == 0 { self.set_operation(1)? } else { self.simple_query()? };
        let mut chain = self.depth;
        loop {
            let op = match level {
                0 if self.accept("union") => SetOperator::Union,
                0 if self.accept("except") => SetOperator::Except,
                1 if self.accept("intersect") => SetOperator::Intersect,
                _ => return Ok(left),
            };
            chain += 1;
            if chain > super::DEPTH_MAX {
                return Err(super::too_deep());
            }
            let all = self.accept("all");
            if !all {
                self.accept("distinct");
            }
            let right = if level == 0 { self.set_operation(1)? } else { self.simple_query()? };
            let pos = left.pos;
            left = plain(QueryBody::Set { op, all, left: Box::new(left), right: Box::new(right) }, pos);
        }
    }

    fn simple_query(&mut self) -> Result<Query> {
        let pos = self.pos();
        if self.is(TokenKind::LeftParen) {
            let inner = self.query_in_parens()?;
            return Ok(plain(QueryBody::Nested(Box::new(inner)), pos));
        }
        if self.is_word("values") {
            let rows = self.values()?;
            return Ok(plain(QueryBody::Values(rows), pos));
        }
        if self.accept("table") {
            self.accept("only");
            let name = self.qualified()?;
            let star = Expr { kind: ExprKind::Star(vec![]), pos, start: pos };
            let select = Select {
                distinct: None,
                items: vec![SelectItem { expr: star, alias: None }],
                into: None,
                from: vec![FromItem::Table { name, alias: None }],
                filter: None,
                group_by: None,
                having: None,
                window: None,
            };
            return Ok(plain(QueryBody::Select(Box::new(select)), pos));
        }
        let select = self.select()?;
        Ok(plain(QueryBody::Select(Box::new(select)), pos))
    }

    /// `VALUES (…), …`.
    pub(super) fn values(&mut self) -> Result<Vec<Vec<Expr>>> {
        self.expect("values")?;
        self.list(|p| p.parens(|p| p.list(Self::expr)))
    }

    fn select(&mut self) -> Result<Select> {
        self.expect("select")?;
        let distinct = if self.accept("distinct") {
            Some(if self.accept("on") { Distinct::On(self.parens(|p| p.list(Self::expr))?) } else { Distinct::Rows })
        } else {
            self.accept("all");
            None
        };
        let items = self.select_items()?;
        let into = if self.accept("into") {
            let pos = self.pos();
            if self.is_any(&["temp", "temporary", "local", "global"]) {
                return Err(self.unsupported("a temporary table", pos));
            }
            self.accept("unlogged");
            self.accept("table");
            Some(self.qualified()?)
        } else {
            None
        };
        let from = if self.accept("from") { self.list(Self::joined_items)? } else { vec![] };
        let filter = if self.accept("where") { Some(self.expr()?) } else { None };
        let group_by = if self.accept("group") {
            self.expect("by")?;
            Some(self.group_by()?)
        } else {
            None
        };
        let having = if self.accept("having") { Some(self.expr()?) } else { None };
        let mut window = None;
        if self.is_word("window") {
            window = Some(self.pos());
            self.advance();
            self.list(|p| {
                p.ident()?;
                p.expect("as")?;
                p.window_definition()
            })?;
        }
        if self.is_word("emit") {
            return Err(self.unsupported("EMIT ON WINDOW CLOSE", self.pos()));
        }
        Ok(Select { distinct, items, into, from, filter, group_by, having, window })
    }

    fn group_by(&mut self) -> Result<Vec<Expr>> {
        if !self.accept("all") {
            self.accept("distinct");
        }
        let mut items = Vec::new();
        loop {
            let pos = self.pos();
            let sets = (self.is_word("grouping") && self.is_word_at(1, "sets"))
                || (self.is_any(&["rollup", "cube"]) && self.token(1).kind == TokenKind::LeftParen);
            if sets {
                return Err(self.unsupported("GROUPING SETS, ROLLUP or CUBE", pos));
            }
            if self.is(TokenKind::LeftParen) && self.token(1).kind == TokenKind::RightParen {
                self.advance();
                self.advance();
            } else {
                items.push(self.expr()?);
            }
            if !self.take(TokenKind::Comma) {
                return Ok(items);
            }
        }
    }

    /// A select list, which may be empty; RETURNING's too.
    pub(super) fn select_items(&mut self) -> Result<Vec<SelectItem>> {
        let ends = [
            "from",
            "where",
            "group",
            "having",
            "union",
            "intersect",
            "except",
            "order",
            "limit",
            "offset",
            "into",
            "fetch",
            "for",
        ];
        if matches!(self.peek().kind, TokenKind::End | TokenKind::Semicolon | TokenKind::RightParen)
            || self.is_any(&ends)
        {
            return Ok(vec![]);
        }
        self.list(|p| {
            let pos = p.pos();
            if p.take_operator("*") {
                return Ok(SelectItem { expr: Expr { kind: ExprKind::Star(vec![]), pos, start: pos }, alias: None });
            }
            let expr = p.expr()?;
            let alias = if p.accept("as") { Some(p.label()?) } else { p.bare_label() };
            Ok(SelectItem { expr, alias })
        })
    }

    fn bare_label(&mut self) -> Option<Ident> {
        if self.is_emit_clause() {
            return None;
        }
        let token = self.peek();
        let allowed = match token.kind {
            TokenKind::QuotedWord => true,
            TokenKind::Word => keywords::is_bare_label(&self.text_of(token).to_ascii_lowercase()),
            _ => false,
        };
        allowed.then(|| {
            self.advance();
            self.fold(token)
        })
    }

    /// One item of FROM with its joins.
    pub(super) fn joined_items(&mut self) -> Result<FromItem> {
        self.nested(|p| {
            let mut left = p.single_item()?;
            let mut chain = p.depth;
            while let Some((kind, natural, cross)) = p.join_start()? {
                chain += 1;
                if chain > super::DEPTH_MAX {
                    return Err(super::too_deep());
                }
                let pos = p.pos();
                let mut right = p.single_item()?;
                // `a JOIN b JOIN c ON … ON …`: the inner join first.
                if !natural && !cross {
                    while !p.is_any(&["on", "using"]) {
                        let Some((inner, inner_natural, inner_cross)) = p.join_start()? else {
                            return Err(p.unexpected());
                        };
                        chain += 1;
                        if chain > super::DEPTH_MAX {
                            return Err(super::too_deep());
                        }
                        let inner_right = p.single_item()?;
                        right = p.join(right, inner_right, inner, inner_natural, inner_cross, pos)?;
                    }
                }
                left = p.join(left, right, kind, natural, cross, pos)?;
            }
            Ok(left)
        })
    }

    fn join(
        &mut self,
        left: FromItem,
        right: FromItem,
        kind: JoinKind,
        natural: bool,
        cross: bool,
        pos: usize,
    ) -> Result<FromItem> {
        let condition = if cross {
            JoinCondition::Cross
        } else if natural {
            JoinCondition::Natural
        } else if self.accept("using") {
            let columns = self.ident_list()?;
            let alias = if self.accept("as") { Some(self.ident()?) } else { None };
            JoinCondition::Using(columns, alias)
        } else {
            self.expect("on")?;
            JoinCondition::On(self.expr()?)
        };
        Ok(FromItem::Join { left: Box::new(left), right: Box::new(right), kind, condition, alias: None, pos })
    }

    /// Takes `LEFT OUTER JOIN` and its kin: (kind, NATURAL, CROSS).
    fn join_start(&mut self) -> Result<Option<(JoinKind, bool, bool)>> {
        if self.is_word("asof") && self.is_any_at(1, &["join", "left"]) {
            return Err(self.unsupported("ASOF JOIN", self.pos()));
        }
        if self.accept("cross") {
            self.expect("join")?;
            return Ok(Some((JoinKind::Inner, false, true)));
        }
        let natural = self.accept("natural");
        let kind = if self.accept("inner") {
            JoinKind::Inner
        } else if self.is_any(&["left", "right", "full"]) {
            let kind = if self.is_word("left") {
                JoinKind::Left
            } else if self.is_word("right") {
                JoinKind::Right
            } else {
                JoinKind::Full
            };
            self.advance();
            self.accept("outer");
            kind
        } else if natural || self.is_word("join") {
            JoinKind::Inner
        } else {
            return Ok(None);
        };
        self.expect("join")?;
        Ok(Some((kind, natural, false)))
    }

    fn is_any_at(&self, ahead: usize, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is_word_at(ahead, keyword))
    }

    fn single_item(&mut self) -> Result<FromItem> {
        let pos = self.pos();
        let lateral = self.accept("lateral");
        if self.is(TokenKind::LeftParen) {
            if self.is_query(0) {
                let query = Box::new(self.query_in_parens()?);
                let alias = self.alias()?;
                return Ok(FromItem::Subquery { query, lateral, alias });
            }
            if lateral {
                self.advance();
                return Err(self.unexpected());
            }
            let item = self.parens(Self::joined_items)?;
            let alias = self.alias()?;
            return Ok(match (item, alias) {
                (item, None) => item,
                (FromItem::Join { left, right, kind, condition, pos, .. }, alias) => {
                    FromItem::Join { left, right, kind, condition, alias, pos }
                }
                (_, Some(_)) => return Err(self.unexpected()),
            });
        }
        if self.is_word("rows") && self.is_word_at(1, "from") {
            return Err(self.unsupported("ROWS FROM", pos));
        }
        self.accept("only");
        if self.starts_call() || lateral {
            return self.function_item();
        }
        let name = self.qualified()?;
        self.take_operator("*");
        if self.is_word("for") && self.is_word_at(1, "system_time") {
            return Err(self.unsupported("FOR SYSTEM_TIME AS OF", self.pos()));
        }
        let alias = self.alias()?;
        if self.is_word("tablesample") {
            let pos = self.pos();
            self.advance();
            self.qualified()?;
            self.skip_parens()?;
            if self.accept("repeatable") {
                self.skip_parens()?;
            }
            return Ok(FromItem::Unsupported("TABLESAMPLE", pos));
        }
        Ok(FromItem::Table { name, alias })
    }

    /// Whether the next tokens are a function's name and a parenthesis.
    fn starts_call(&self) -> bool {
        let mut ahead = 1;
        while self.token(ahead).kind == TokenKind::Dot {
            ahead += 2;
        }
        let word = matches!(self.peek().kind, TokenKind::Word | TokenKind::QuotedWord);
        let value =
            self.is_any(&["current_date", "current_timestamp", "current_user", "session_user", "current_schema"]);
        word && (self.token(ahead).kind == TokenKind::LeftParen || value)
    }

    fn function_item(&mut self) -> Result<FromItem> {
        let pos = self.pos();
        let call = Box::new(self.expr()?);
        if !matches!(call.kind, ExprKind::Function(_) | ExprKind::Value(_)) {
            return Err(self.error(SqlState::SyntaxError, "syntax error in FROM: a function call is needed", pos));
        }
        let ordinality = self.accept_all(&["with", "ordinality"]);
        if self.is_word("as") && self.token(1).kind == TokenKind::LeftParen {
            return Ok(FromItem::Unsupported("a column definition list", self.token(1).start));
        }
        let as_word = self.accept("as");
        let mut alias = None;
        if as_word || self.is_bare_alias() {
            let name = self.ident()?;
            let mut columns = Vec::new();
            if self.is(TokenKind::LeftParen) {
                let list_pos = self.pos();
                self.advance();
                loop {
                    columns.push(self.ident()?);
                    if !matches!(self.peek().kind, TokenKind::Comma | TokenKind::RightParen) {
                        return Err(self.unsupported("a column definition list", list_pos));
                    }
                    if !self.take(TokenKind::Comma) {
                        break;
                    }
                }
                self.require(TokenKind::RightParen)?;
            }
            alias = Some(Alias { name, columns });
        }
        Ok(FromItem::Function { call, ordinality, alias })
    }

    fn alias(&mut self) -> Result<Option<Alias>> {
        if !self.accept("as") && !self.is_bare_alias() {
            return Ok(None);
        }
        let name = self.ident()?;
        let columns = self.optional_ident_list()?;
        Ok(Some(Alias { name, columns }))
    }

    fn is_bare_alias(&self) -> bool {
        self.is_ident() && !self.is_emit_clause()
    }

    /// RisingWave's clause begins with a word that could be an alias.
    fn is_emit_clause(&self) -> bool {
        self.are_words(&["emit", "on", "window", "close"])
    }
}

fn plain(body: QueryBody, pos: usize) -> Query {
    Query { with: None, body, order_by: vec![], limit: None, offset: None, with_ties: None, lock: None, pos }
}
