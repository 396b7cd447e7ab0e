//! The functions and operators: one entry each, from which binding, evaluation and `pg_proc` follow.
//!
//! ```text
//! functions/*.rs ──entries()──▶ FUNCTIONS ──▶ lookup_functions(name), lookup_operators(symbol)
//!                                   │              │
//!                                   │              └──▶ resolve_function, resolve_operator, … (overload rules)
//!                                   └──▶ FunctionRef: compared, hashed and serialised by signature
//! ```
//!
//! # Invariants
//!
//! 1. Signatures are unique, and a signature never changes its meaning: plans in the log are read back by it.
//! 2. Entries are built once, lazily; references to them live as long as the process.

mod coercion;
mod entry;
mod oids;
mod pattern;
mod resolve;
mod table;

pub use coercion::{
    TypeCategory, can_cast, category, common_type, common_type_in, is_binary_coercible, is_cast_fallible, is_preferred,
};
pub(crate) use entry::{Entry, function, operator};
pub use pattern::TypePattern;
pub use resolve::{Resolved, ResolvedAggregate, has_aggregate, resolve_aggregate, resolve_function, resolve_operator};
pub use table::{ResolvedTableFunction, resolve_table_function};

use crate::context::EvalContext;
use crate::eval::{Evaluated, Operand};
use headwater_types::{DataType, Datum, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a function may depend on besides its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Volatility {
    /// Nothing.
    Immutable,
    /// What does not change within a statement: settings, the catalog, `now()`.
    Stable,
    /// Anything; each call counts.
    Volatile,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Comparison {
    /// Whether operands in this order satisfy the comparison.
    #[must_use]
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::Ne => ordering.is_ne(),
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }
}

/// A numeric operator, on two operands of any two number types (its result's type says in which it computes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

/// What a call is told besides its arguments.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Settings, clock, catalog.
    pub context: &'a EvalContext<'a>,
    /// The arguments' types.
    pub arg_types: &'a [DataType],
    /// The result's type.
    pub data_type: &'a DataType,
}

/// A function of one row of arguments. A strict function never sees NULL.
pub type RowFunction = fn(&[Datum], &Call<'_>) -> Result<Datum>;

/// A function of columns of arguments; it handles NULLs itself.
pub type BatchFunction = fn(&[Operand], usize, &Call<'_>) -> Evaluated;

/// How a function is computed.
#[derive(Clone, Copy)]
pub enum Kernel {
    /// A row at a time.
    Rows(RowFunction),
    /// A batch at a time.
    Batch(BatchFunction),
    /// A comparison, a batch at a time in typed loops.
    Compare(Comparison),
    /// Numeric arithmetic, a batch at a time in typed loops.
    Arithmetic(Arithmetic),
    /// [`crate::CatalogLookup::call`] with the function's name.
    Catalog,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rows(_) => "Rows",
            Self::Batch(_) => "Batch",
            Self::Compare(_) => "Compare",
            Self::Arithmetic(_) => "Arithmetic",
            Self::Catalog => "Catalog",
        })
    }
}

/// A function of the registry. Compared, hashed and serialised by its unique signature, e.g. `date_trunc(text,timestamptz)`.
#[derive(Debug, Clone, Copy)]
pub struct FunctionRef(pub &'static Function);

/// One registry entry.
#[derive(Debug)]
pub struct Function {
    /// The unique signature, e.g. `+(int4,int4)`, `-(,int4)` (prefix), `lower(text)`, `concat(variadic any)`.
    pub signature: String,
    /// The SQL name, or the operator's symbol (`+`), by which it is found.
    pub name: &'static str,
    /// Whether `name` is an operator's symbol.
    pub is_operator: bool,
    /// What it takes.
    pub args: Vec<TypePattern>,
    /// Whether the last of `args` may be given any number of times, but at least once.
    pub variadic: bool,
    /// What it returns.
    pub result: TypePattern,
    /// Whether a NULL argument makes the result NULL without a call.
    pub strict: bool,
    /// What the result depends on.
    pub volatility: Volatility,
    /// Whether it can raise an error.
    pub fallible: bool,
    /// PostgreSQL's `pg_proc.oid` of this function; 0 where PostgreSQL has none.
    pub oid: u32,
    /// PostgreSQL's `pg_proc.proname`: of an operator, its underlying function's name.
    pub proname: String,
    /// PostgreSQL's `pg_operator.oid`; 0 for a function.
    pub operator_oid: u32,
    /// How it is computed.
    pub kernel: Kernel,
}

impl Function {
    /// Whether the result is NULL only if an argument is: comparisons and arithmetic.
    #[must_use]
    pub fn never_null(&self) -> bool {
        self.strict && matches!(self.kernel, Kernel::Compare(_) | Kernel::Arithmetic(_))
    }
}

impl PartialEq for FunctionRef {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
impl Eq for FunctionRef {}
impl std::hash::Hash for FunctionRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.signature.hash(state);
    }
}
impl Serialize for FunctionRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.signature)
    }
}
impl<'de> Deserialize<'de> for FunctionRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let signature = String::deserialize(deserializer)?;
        function_by_signature(&signature).ok_or_else(|| serde::de::Error::custom(format!("no function {signature}")))
    }
}

type Index = HashMap<&'static str, Vec<&'static Function>>;

static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let oids = oids::Oids::load();
    crate::functions::entries().into_iter().map(|entry| entry.build(&oids)).collect()
});

static BY_SIGNATURE: LazyLock<HashMap<&'static str, &'static Function>> =
    LazyLock::new(|| FUNCTIONS.iter().map(|f| (f.signature.as_str(), f)).collect());

static BY_NAME: LazyLock<Index> = LazyLock::new(|| index(false));

static BY_SYMBOL: LazyLock<Index> = LazyLock::new(|| index(true));

fn index(operators: bool) -> Index {
    let mut index = Index::new();
    for function in FUNCTIONS.iter().filter(|f| f.is_operator == operators) {
        index.entry(function.name).or_default().push(function);
    }
    index
}

/// Every function and operator, in the registry's order.
#[must_use]
pub fn all_functions() -> &'static [Function] {
    &FUNCTIONS
}

/// The functions of this (lower-case) name.
#[must_use]
pub fn lookup_functions(name: &str) -> &'static [&'static Function] {
    BY_NAME.get(name).map_or(&[], Vec::as_slice)
}

/// The operators of this symbol, prefix ones too.
#[must_use]
pub fn lookup_operators(symbol: &str) -> &'static [&'static Function] {
    BY_SYMBOL.get(symbol).map_or(&[], Vec::as_slice)
}

/// The function or operator of this signature.
#[must_use]
pub fn function_by_signature(signature: &str) -> Option<FunctionRef> {
    BY_SIGNATURE.get(signature).map(|f| FunctionRef(f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_oid_is_used() {
        let keys: std::collections::HashSet<String> =
            all_functions().iter().map(|f| f.signature.replacen("variadic ", "", 1)).collect();
        for line in include_str!("oids.tsv").lines() {
            let key = line.split('\t').next().expect("a key");
            assert!(keys.contains(key), "{key} is no function of the registry");
        }
    }

    #[test]
    fn signatures_are_unique() {
        let mut seen = std::collections::HashSet::new();
        for function in all_functions() {
            assert!(seen.insert(&function.signature), "{} is there twice", function.signature);
        }
    }
}
