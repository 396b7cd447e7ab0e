//! Statement dispatch, transactions, settings, cursors, prepared statements, SHOW.

use super::Parser;
use crate::ast::{Name, OptionItem, ShowObjects, Statement};
use crate::bound::{Discard, Fetch, FetchDirection, Isolation, RelationKind, TransactionModes};
use crate::lexer::TokenKind;
use headwater_types::Result;

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> Result<Statement> {
        let token = self.peek();
        match token.kind {
            TokenKind::End | TokenKind::Semicolon => return Ok(Statement::Empty),
            TokenKind::LeftParen => return Ok(Statement::Query(Box::new(self.query()?))),
            TokenKind::Word => {}
            _ => return Err(self.unexpected()),
        }
        let word = self.text_of(token).to_ascii_lowercase();
        let pos = token.start;
        match word.as_str() {
            "select" | "values" | "table" => Ok(Statement::Query(Box::new(self.query()?))),
            "with" => {
                let with = self.with()?;
                if self.is_word("insert") {
                    self.insert(with)
                } else if self.is_word("update") {
                    self.update(with)
                } else if self.is_word("delete") {
                    self.delete(with)
                } else {
                    Ok(Statement::Query(Box::new(self.query_after_with(with)?)))
                }
            }
            "insert" => self.insert(None),
            "update" => self.update(None),
            "delete" => self.delete(None),
            "copy" => self.copy(),
            "truncate" => self.truncate(),
            "create" => self.create(),
            "drop" => self.drop(),
            "alter" => self.alter(),
            "refresh" => self.refresh(),
            "comment" => self.comment(),
            "explain" => self.explain(),
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
                self.transaction(&word)
            }
            "set" => self.set(),
            "show" => self.show(),
            "describe" | "desc" => {
                self.advance();
                self.accept("table");
                Ok(Statement::ShowObjects(ShowObjects::Columns(self.qualified()?)))
            }
            "reset" => self.reset(),
            "discard" => self.discard(),
            "flush" => {
                self.advance();
                Ok(Statement::Flush)
            }
            "wait" => {
                self.advance();
                Ok(Statement::Wait)
            }
            "prepare" | "execute" | "deallocate" => self.prepared(&word),
            "declare" | "fetch" | "move" | "close" => self.cursor(&word),
            "listen" | "unlisten" | "notify" => self.channel(&word),
            "vacuum" | "analyze" | "analyse" | "checkpoint" => self.maintenance(),
            "grant" | "revoke" | "lock" | "merge" | "call" | "do" | "cluster" | "reindex" | "import" | "load"
            | "security" | "reassign" | "recover" | "cancel" | "kill" | "use" => {
                self.skip_statement();
                Ok(Statement::Unsupported { what: word.to_uppercase(), pos })
            }
            _ => Err(self.unexpected()),
        }
    }

    fn explain(&mut self) -> Result<Statement> {
        let pos = self.expect("explain")?;
        let mut options = Vec::new();
        if self.is(TokenKind::LeftParen) && !self.is_query(0) {
            options = self.option_list()?;
        } else {
            for word in ["analyze", "analyse", "verbose"] {
                if self.is_word(word) {
                    options.push(OptionItem { name: self.label()?, value: None });
                }
            }
        }
        let explainable = [
            "select", "values", "table", "with", "insert", "update", "delete", "create", "declare", "refresh",
            "execute",
        ];
        if !self.is_any(&explainable) && !self.is(TokenKind::LeftParen) {
            return Err(self.unexpected());
        }
        let statement = Box::new(self.nested(Self::statement)?);
        Ok(Statement::Explain { options, statement, pos })
    }

    fn transaction(&mut self, word: &str) -> Result<Statement> {
        self.advance();
        match word {
            "begin" => {
                if !self.accept("work") {
                    self.accept("transaction");
                }
                Ok(Statement::Begin(self.transaction_modes()?))
            }
            "start" => {
                self.expect("transaction")?;
                Ok(Statement::Begin(self.transaction_modes()?))
            }
            "commit" | "end" => {
                if self.is_word("prepared") {
                    return Err(self.unsupported("COMMIT PREPARED", self.pos()));
                }
                Ok(Statement::Commit { chain: self.chain()? })
            }
            "savepoint" => Ok(Statement::Savepoint(self.ident()?.name)),
            "release" => {
                self.accept("savepoint");
                Ok(Statement::Release(self.ident()?.name))
            }
            _ => {
                if self.is_word("prepared") {
                    return Err(self.unsupported("ROLLBACK PREPARED", self.pos()));
                }
                if !self.accept("work") {
                    self.accept("transaction");
                }
                if word == "rollback" && self.accept("to") {
                    self.accept("savepoint");
                    return Ok(Statement::RollbackTo(self.ident()?.name));
                }
                Ok(Statement::Rollback { chain: self.and_chain()? })
            }
        }
    }

    fn chain(&mut self) -> Result<bool> {
        if !self.accept("work") {
            self.accept("transaction");
        }
        self.and_chain()
    }

    fn and_chain(&mut self) -> Result<bool> {
        if !self.accept("and") {
            return Ok(false);
        }
        let chain = !self.accept("no");
        self.expect("chain")?;
        Ok(chain)
    }

    fn transaction_modes(&mut self) -> Result<TransactionModes> {
        let mut modes = TransactionModes::default();
        loop {
            if self.accept_all(&["isolation", "level"]) {
                modes.isolation = Some(self.isolation()?);
            } else if self.accept_all(&["read", "only"]) {
                modes.read_only = Some(true);
            } else if self.accept_all(&["read", "write"]) {
                modes.read_only = Some(false);
            } else if self.accept("deferrable") {
                modes.deferrable = Some(true);
            } else if self.accept_all(&["not", "deferrable"]) {
                modes.deferrable = Some(false);
            } else {
                return Ok(modes);
            }
            self.take(TokenKind::Comma);
        }
    }

    fn isolation(&mut self) -> Result<Isolation> {
        if self.accept("serializable") {
            return Ok(Isolation::Serializable);
        }
        if self.accept("repeatable") {
            self.expect("read")?;
            return Ok(Isolation::RepeatableRead);
        }
        self.expect("read")?;
        if self.accept("committed") {
            return Ok(Isolation::ReadCommitted);
        }
        self.expect("uncommitted")?;
        Ok(Isolation::ReadUncommitted)
    }

    fn set(&mut self) -> Result<Statement> {
        self.expect("set")?;
        let pos = self.pos();
        let is_name = matches!(self.token(1).kind, TokenKind::Operator) || self.is_word_at(1, "to");
        let local = !is_name && self.accept("local");
        let session = !is_name && !local && self.accept("session");
        if session && self.accept_all(&["characteristics", "as", "transaction"]) {
            return Ok(Statement::SetTransaction { modes: self.some_modes()?, session: true });
        }
        if !session && self.is_word("transaction") && self.is_any_mode(1) {
            self.advance();
            if self.is_word("snapshot") {
                return Err(self.unsupported("SET TRANSACTION SNAPSHOT", self.pos()));
            }
            return Ok(Statement::SetTransaction { modes: self.some_modes()?, session: false });
        }
        let variable = |name: &str, value| Ok(Statement::SetVariable { name: name.to_owned(), value, local });
        if self.accept_all(&["time", "zone"]) {
            let value = if self.accept("local") || self.accept("default") {
                None
            } else if self.accept("interval") {
                // An offset: `INTERVAL '-08:00' HOUR TO MINUTE`.
                let offset = self.string()?.to_string();
                if self.accept("hour") && self.accept("to") {
                    self.expect("minute")?;
                }
                Some(vec![offset])
            } else {
                Some(vec![self.option_text()?])
            };
            return variable("timezone", value);
        }
        if self.is_word("names") && !is_name {
            self.advance();
            let value =
                if self.accept("default") || !self.is_string() { None } else { Some(vec![self.option_text()?]) };
            return variable("client_encoding", value);
        }
        if self.is_word("schema") && !is_name {
            self.advance();
            let value = vec![self.option_text()?];
            return variable("search_path", Some(value));
        }
        if self.is_any(&["role", "authorization"]) && !is_name {
            let name = if self.accept("authorization") {
                "session_authorization"
            } else {
                self.advance();
                "role"
            };
            let value =
                if self.accept("default") || self.accept("none") { None } else { Some(vec![self.option_text()?]) };
            return variable(name, value);
        }
        if self.is_word("constraints") {
            self.skip_statement();
            return Ok(Statement::Unsupported { what: "SET CONSTRAINTS".to_owned(), pos });
        }
        let name = self.setting_name()?;
        if !self.take_operator("=") {
            self.expect("to")?;
        }
        let value = if self.accept("default") { None } else { Some(self.list(Self::setting_value)?) };
        variable(&name, value)
    }

    fn is_any_mode(&self, ahead: usize) -> bool {
        ["isolation", "read", "deferrable", "not", "snapshot"].iter().any(|word| self.is_word_at(ahead, word))
    }

    fn some_modes(&mut self) -> Result<TransactionModes> {
        let modes = self.transaction_modes()?;
        if modes == TransactionModes::default() { Err(self.unexpected()) } else { Ok(modes) }
    }

    /// A setting's name, in lower case; custom ones have a point.
    fn setting_name(&mut self) -> Result<String> {
        let mut name = self.ident_if(headwater_expr::keywords::is_column_name)?.name;
        while self.take(TokenKind::Dot) {
            name = format!("{name}.{}", self.label()?.name);
        }
        Ok(name.to_lowercase())
    }

    /// A value as SET takes it: a word keeps its case folded, `on` and `true` are words too.
    fn setting_value(&mut self) -> Result<String> {
        self.take_operator("+");
        self.option_text()
    }

    fn show(&mut self) -> Result<Statement> {
        self.expect("show")?;
        if self.accept("all") {
            return Ok(Statement::ShowAll);
        }
        if self.accept_all(&["time", "zone"]) {
            return Ok(Statement::ShowVariable("timezone".to_owned()));
        }
        if self.accept_all(&["transaction", "isolation", "level"]) {
            return Ok(Statement::ShowVariable("transaction_isolation".to_owned()));
        }
        if self.accept_all(&["session", "authorization"]) {
            return Ok(Statement::ShowVariable("session_authorization".to_owned()));
        }
        if self.is_word("create") {
            self.advance();
            let kind = self.relation_kind().ok_or_else(|| self.unexpected())?;
            return Ok(Statement::ShowObjects(ShowObjects::Create(kind, self.qualified()?)));
        }
        if self.accept_all(&["columns", "from"]) {
            return Ok(Statement::ShowObjects(ShowObjects::Columns(self.qualified()?)));
        }
        if self.accept_all(&["indexes", "from"]) {
            return Ok(Statement::ShowObjects(ShowObjects::Indexes(self.qualified()?)));
        }
        const LISTS: [(&[&str], &str); 16] = [
            (&["tables"], "tables"),
            (&["views"], "views"),
            (&["materialized", "views"], "materialized views"),
            (&["indexes"], "indexes"),
            (&["schemas"], "schemas"),
            (&["databases"], "databases"),
            (&["sources"], "sources"),
            (&["sinks"], "sinks"),
            (&["subscriptions"], "subscriptions"),
            (&["connections"], "connections"),
            (&["secrets"], "secrets"),
            (&["functions"], "functions"),
            (&["users"], "users"),
            (&["internal", "tables"], "internal tables"),
            (&["jobs"], "jobs"),
            (&["cursors"], "cursors"),
        ];
        for (words, what) in LISTS {
            if self.accept_all(words) {
                let schema = if self.accept("from") || self.accept("in") { Some(self.ident()?) } else { None };
                let like = if self.accept("like") { Some(self.string()?) } else { None };
                return Ok(Statement::ShowObjects(ShowObjects::List { what, schema, like }));
            }
        }
        if self.is_any(&["processlist", "cluster", "parameters"]) {
            let pos = self.pos();
            let what = format!("SHOW {}", self.text_of(self.peek()).to_uppercase());
            self.skip_statement();
            return Ok(Statement::Unsupported { what, pos });
        }
        Ok(Statement::ShowVariable(self.setting_name()?))
    }

    fn reset(&mut self) -> Result<Statement> {
        self.expect("reset")?;
        if self.accept("all") {
            return Ok(Statement::ResetAll);
        }
        if self.accept_all(&["time", "zone"]) {
            return Ok(Statement::Reset("timezone".to_owned()));
        }
        if self.accept_all(&["session", "authorization"]) {
            return Ok(Statement::Reset("session_authorization".to_owned()));
        }
        if self.accept_all(&["transaction", "isolation", "level"]) {
            return Ok(Statement::Reset("transaction_isolation".to_owned()));
        }
        Ok(Statement::Reset(self.setting_name()?))
    }

    fn discard(&mut self) -> Result<Statement> {
        self.expect("discard")?;
        for (word, what) in [
            ("all", Discard::All),
            ("plans", Discard::Plans),
            ("sequences", Discard::Sequences),
            ("temp", Discard::Temporary),
            ("temporary", Discard::Temporary),
        ] {
            if self.accept(word) {
                return Ok(Statement::Discard(what));
            }
        }
        Err(self.unexpected())
    }

    fn prepared(&mut self, word: &str) -> Result<Statement> {
        self.advance();
        match word {
            "prepare" => {
                if self.is_word("transaction") && self.token(1).kind == TokenKind::String {
                    return Err(self.unsupported("PREPARE TRANSACTION", self.pos()));
                }
                let name = self.ident()?.name;
                let types =
                    if self.is(TokenKind::LeftParen) { self.parens(|p| p.list(Self::type_name))? } else { vec![] };
                self.expect("as")?;
                let start = self.pos();
                if !self.is_any(&["select", "values", "table", "with", "insert", "update", "delete"])
                    && !self.is(TokenKind::LeftParen)
                {
                    return Err(self.unexpected());
                }
                let inner = self.nested(Self::statement)?;
                let statement = Box::new(crate::Statement::of(inner, self.slice(0, self.last_end()), start));
                Ok(Statement::Prepare { name, types, statement })
            }
            "execute" => {
                let name = self.ident()?.name;
                let args = if self.is(TokenKind::LeftParen) { self.parens(|p| p.list(Self::expr))? } else { vec![] };
                Ok(Statement::Execute { name, args })
            }
            _ => {
                self.accept("prepare");
                Ok(Statement::Deallocate(if self.accept("all") { None } else { Some(self.ident()?.name) }))
            }
        }
    }

    fn cursor(&mut self, word: &str) -> Result<Statement> {
        self.advance();
        match word {
            "declare" => self.declare(),
            "close" => Ok(Statement::Close(if self.accept("all") { None } else { Some(self.ident()?.name) })),
            _ => {
                let direction = self.fetch_direction()?;
                if !self.accept("from") {
                    self.accept("in");
                }
                let name = self.ident()?.name;
                Ok(Statement::Fetch(Fetch { name, direction, is_move: word == "move" }))
            }
        }
    }

    fn declare(&mut self) -> Result<Statement> {
        let name = self.ident()?.name;
        let (mut binary, mut scroll) = (false, None);
        loop {
            if self.accept("binary") {
                binary = true;
            } else if self.accept("scroll") {
                scroll = Some(true);
            } else if self.accept_all(&["no", "scroll"]) {
                scroll = Some(false);
            } else if !self.accept("insensitive") && !self.accept("asensitive") {
                break;
            }
        }
        if self.is_word("subscription") {
            return Err(self.unsupported("SUBSCRIPTION CURSOR", self.pos()));
        }
        self.expect("cursor")?;
        let hold = self.accept_all(&["with", "hold"]);
        if !hold {
            self.accept_all(&["without", "hold"]);
        }
        self.expect("for")?;
        if !self.is_query_start() {
            return Err(self.unexpected());
        }
        let query = Box::new(self.query()?);
        Ok(Statement::Declare { name, query, hold, scroll, binary })
    }

    fn fetch_direction(&mut self) -> Result<FetchDirection> {
        let is_count = |p: &Self| p.is(TokenKind::Integer) || p.is_operator("-") || p.is_operator("+");
        if is_count(self) {
            return Ok(FetchDirection::Relative(self.integer()?));
        }
        // A cursor may be called by one of these words; then nothing but its name follows.
        let alone = matches!(self.token(1).kind, TokenKind::End | TokenKind::Semicolon);
        if alone {
            return Ok(FetchDirection::Relative(1));
        }
        for (word, direction) in [
            ("next", FetchDirection::Relative(1)),
            ("prior", FetchDirection::Relative(-1)),
            ("first", FetchDirection::Absolute(1)),
            ("last", FetchDirection::Absolute(-1)),
            ("all", FetchDirection::All),
        ] {
            if self.accept(word) {
                return Ok(direction);
            }
        }
        if self.accept("absolute") {
            return Ok(FetchDirection::Absolute(self.integer()?));
        }
        if self.accept("relative") {
            return Ok(FetchDirection::RowAt(self.integer()?));
        }
        for (word, sign, all) in [("forward", 1, FetchDirection::All), ("backward", -1, FetchDirection::BackwardAll)] {
            if self.accept(word) {
                if self.accept("all") {
                    return Ok(all);
                }
                let count = if is_count(self) { self.integer()? } else { 1 };
                return Ok(FetchDirection::Relative(count.saturating_mul(sign)));
            }
        }
        Ok(FetchDirection::Relative(1))
    }

    fn channel(&mut self, word: &str) -> Result<Statement> {
        let start = self.pos();
        self.advance();
        match word {
            "listen" => {
                self.ident()?;
                Ok(Statement::Unsupported { what: "LISTEN".to_owned(), pos: start })
            }
            "unlisten" => {
                Ok(Statement::Unlisten(if self.take_operator("*") { None } else { Some(self.ident()?.name) }))
            }
            _ => {
                let channel = self.ident()?.name;
                let payload = if self.take(TokenKind::Comma) { self.string()?.to_string() } else { String::new() };
                Ok(Statement::Notify { channel, payload })
            }
        }
    }

    /// VACUUM, ANALYZE, CHECKPOINT: there is nothing to do, but the tables must exist.
    fn maintenance(&mut self) -> Result<Statement> {
        self.advance();
        if self.is(TokenKind::LeftParen) {
            self.option_list()?;
        }
        while self.is_any(&["full", "freeze", "verbose", "analyze", "analyse"]) {
            self.advance();
        }
        let mut relations: Vec<Name> = Vec::new();
        if self.is_ident() {
            relations = self.list(|p| {
                let name = p.qualified()?;
                p.optional_ident_list()?;
                Ok(name)
            })?;
        }
        Ok(Statement::NoOperation { relations })
    }
}

impl RelationKind {
    /// As SQL writes it: `MATERIALIZED VIEW`.
    pub(crate) fn keyword(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::MaterializedView => "MATERIALIZED VIEW",
            Self::Index => "INDEX",
        }
    }
}
