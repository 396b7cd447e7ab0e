//! The functions and operators: one entry each, from which binding, evaluation and `pg_proc` follow.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A function of the registry. Compared, hashed and serialised by its unique signature, e.g. `date_trunc(text,timestamptz)`.
#[derive(Debug, Clone, Copy)]
pub struct FunctionRef(pub &'static Function);

/// One registry entry.
#[derive(Debug)]
pub struct Function {
    /// The unique signature, e.g. `int4pl(int4,int4)`.
    pub signature: &'static str,
    /// The SQL name, or the operator's symbol (`+`), by which it is found.
    pub name: &'static str,
}

impl PartialEq for FunctionRef {
    fn eq(&self, other: &Self) -> bool {
        self.0.signature == other.0.signature
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
        serializer.serialize_str(self.0.signature)
    }
}
impl<'de> Deserialize<'de> for FunctionRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let signature = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("no function {signature}")))
    }
}
