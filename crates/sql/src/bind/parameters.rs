//! `$n`: their types, given by the client or inferred from their first use.

use headwater_types::{DataType, Result, SqlError, SqlState};

/// The parameters of a statement.
#[derive(Debug)]
pub(crate) struct Parameters {
    types: Vec<Option<DataType>>,
    /// Uses that have no type yet, per parameter.
    untyped: Vec<usize>,
}

impl Parameters {
    pub(crate) fn new(given: &[Option<DataType>]) -> Self {
        let types: Vec<_> = given.iter().map(|t| t.clone().filter(|t| *t != DataType::Unknown)).collect();
        Self { untyped: vec![0; types.len()], types }
    }

    /// The type of a use of parameter `index`: unknown if nothing has decided it yet.
    pub(crate) fn reference(&mut self, index: usize) -> DataType {
        if index >= self.types.len() {
            self.types.resize(index + 1, None);
            self.untyped.resize(index + 1, 0);
        }
        if let Some(data_type) = &self.types[index] {
            return data_type.clone();
        }
        self.untyped[index] += 1;
        DataType::Unknown
    }

    /// Any parameter, where there must be none.
    pub(crate) fn any(&self) -> Option<usize> {
        self.types.len().checked_sub(1)
    }

    /// Decides the type of an untyped use.
    ///
    /// # Errors
    ///
    /// 42P08 if another use decided otherwise.
    pub(crate) fn decide(&mut self, index: usize, data_type: &DataType) -> Result<()> {
        self.untyped[index] = self.untyped[index].saturating_sub(1);
        match &self.types[index] {
            None => {
                self.types[index] = Some(data_type.clone());
                Ok(())
            }
            Some(decided) if decided == data_type => Ok(()),
            Some(decided) => Err(SqlError::new(
                SqlState::AmbiguousParameter,
                format!("inconsistent types deduced for parameter ${}", index + 1),
            )
            .with_detail(format!("{} versus {}", decided.sql_name(), data_type.sql_name()))),
        }
    }

    /// All types.
    ///
    /// # Errors
    ///
    /// 42P18 for a parameter without a type; 42P08 for one that some use gave none.
    pub(crate) fn finish(self) -> Result<Vec<DataType>> {
        let untyped = self.untyped;
        self.types
            .into_iter()
            .enumerate()
            .map(|(index, data_type)| {
                let undetermined =
                    |state| SqlError::new(state, format!("could not determine data type of parameter ${}", index + 1));
                match data_type {
                    Some(_) if untyped[index] > 0 => Err(undetermined(SqlState::AmbiguousParameter)),
                    Some(data_type) => Ok(data_type),
                    None => Err(undetermined(SqlState::IndeterminateDatatype)),
                }
            })
            .collect()
    }
}
