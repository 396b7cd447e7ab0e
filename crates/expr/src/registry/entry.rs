//! How a family of functions writes its entries down: `function("lower", "text", "text", Kernel::Rows(lower))`.

use super::oids::Oids;
use super::{Function, Kernel, TypePattern, Volatility};

/// An entry as it is written in a family's file. Strict, immutable and infallible unless it says otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    name: &'static str,
    is_operator: bool,
    args: &'static str,
    result: &'static str,
    strict: bool,
    volatility: Volatility,
    fallible: bool,
    kernel: Kernel,
}

/// A function. `args` are PostgreSQL's internal type names, separated by commas; the last may start with `variadic `.
pub(crate) const fn function(name: &'static str, args: &'static str, result: &'static str, kernel: Kernel) -> Entry {
    Entry {
        name,
        is_operator: false,
        args,
        result,
        strict: true,
        volatility: Volatility::Immutable,
        fallible: false,
        kernel,
    }
}

/// An operator: `args` is `left,right`, or `,right` of a prefix operator.
pub(crate) const fn operator(name: &'static str, args: &'static str, result: &'static str, kernel: Kernel) -> Entry {
    Entry { is_operator: true, ..function(name, args, result, kernel) }
}

impl Entry {
    /// It sees NULL arguments.
    pub(crate) const fn lax(self) -> Self {
        Self { strict: false, ..self }
    }

    /// It can raise an error.
    pub(crate) const fn fallible(self) -> Self {
        Self { fallible: true, ..self }
    }

    /// It depends on settings, the catalog or the transaction's time.
    pub(crate) const fn stable(self) -> Self {
        Self { volatility: Volatility::Stable, ..self }
    }

    /// Each call counts.
    pub(crate) const fn volatile(self) -> Self {
        Self { volatility: Volatility::Volatile, ..self }
    }

    pub(super) fn build(self, oids: &Oids) -> Function {
        let prefix = self.is_operator && self.args.starts_with(',');
        let (list, variadic) = match self.args.rsplit_once("variadic ") {
            Some((before, last)) => (format!("{before}{last}"), true),
            None => (self.args.to_owned(), false),
        };
        let args: Vec<TypePattern> =
            list.split(',').map(str::trim).filter(|arg| !arg.is_empty()).map(TypePattern::parse).collect();
        let names: Vec<String> = args.iter().map(TypePattern::name).collect();
        let key = format!("{}({}{})", self.name, if prefix { "," } else { "" }, names.join(","));
        let signature = if variadic { key.replacen('(', "(variadic ", 1) } else { key.clone() };
        let (oid, proname, operator_oid) = oids.of(self.name, self.is_operator, &key);
        Function {
            signature,
            name: self.name,
            is_operator: self.is_operator,
            args,
            variadic,
            result: TypePattern::parse(self.result),
            strict: self.strict,
            volatility: self.volatility,
            fallible: self.fallible,
            oid,
            proname,
            operator_oid,
            kernel: self.kernel,
        }
    }
}
