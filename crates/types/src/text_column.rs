//! Texts of a column in either of their two physical forms.
//!
//! ```text
//!  plain       Utf8                              what builders, decoders and operators make
//!  dictionary  UInt16 keys ─▶ Utf8 values        what encoded segments of a stored relation give, to those who ask
//! ```
//!
//! The values of a dictionary are not NULL; NULLs are in the keys. Values need not differ, nor all be used.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_array::{Array, ArrayRef, StringArray, UInt16Array};
use arrow_schema::DataType as ArrowType;

/// A column of texts.
#[derive(Debug, Clone, Copy)]
pub enum TextColumn<'a> {
    /// A text per row.
    Plain(&'a StringArray),
    /// A number per row, into distinct texts.
    Dictionary {
        /// Per row, with the NULLs.
        keys: &'a UInt16Array,
        /// The texts.
        values: &'a StringArray,
    },
}

impl<'a> TextColumn<'a> {
    /// The column as texts.
    ///
    /// # Panics
    ///
    /// If it is not one of texts.
    #[must_use]
    pub fn of(column: &'a dyn Array) -> Self {
        match column.data_type() {
            ArrowType::Dictionary(..) => {
                let dictionary = column.as_dictionary::<UInt16Type>();
                Self::Dictionary { keys: dictionary.keys(), values: dictionary.values().as_string() }
            }
            _ => Self::Plain(column.as_string()),
        }
    }

    /// One row's text; of a NULL, something.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[must_use]
    pub fn value(&self, row: usize) -> &'a str {
        match self {
            Self::Plain(texts) => texts.value(row),
            Self::Dictionary { values, .. } if values.is_empty() => "",
            Self::Dictionary { keys, values } => values.value(usize::from(keys.value(row)).min(values.len() - 1)),
        }
    }
}

/// Whether a column is a dictionary.
#[must_use]
pub fn is_dictionary(column: &dyn Array) -> bool {
    matches!(column.data_type(), ArrowType::Dictionary(..))
}

/// The column as its type's own Arrow array: a dictionary's values in the place of its keys.
#[must_use]
pub fn flat_column(column: &ArrayRef) -> ArrayRef {
    if !is_dictionary(column) {
        return ArrayRef::clone(column);
    }
    let dictionary = column.as_dictionary::<UInt16Type>();
    arrow_select::take::take(dictionary.values(), dictionary.keys(), None)
        .expect("keys name values, and a batch's texts fit a column")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataType, Equality, RowEquality, hash_keys};
    use arrow_array::DictionaryArray;
    use std::sync::Arc;

    #[test]
    fn a_dictionary_is_the_same_as_its_texts() {
        let values: ArrayRef = Arc::new(StringArray::from(vec!["a", "bc", "a ", "not used", ""]));
        let keys = UInt16Array::from(vec![Some(1), None, Some(0), Some(2), Some(4), Some(1)]);
        let dictionary: ArrayRef = Arc::new(DictionaryArray::<UInt16Type>::new(keys, values));
        for column in [dictionary.slice(0, 6), dictionary.slice(1, 4)] {
            let flat = [flat_column(&column)];
            let rows = column.len();
            let column = [column];
            for data_type in [DataType::Text, DataType::Char(None)] {
                let types = [data_type];
                for equality in [Equality::Sql, Equality::Identity] {
                    let hash = |columns: &[ArrayRef]| hash_keys(columns, &types, rows, equality);
                    assert_eq!(hash(&column), hash(&flat));
                    let mixed = RowEquality::new(&column, &flat, &types, equality);
                    let plain = RowEquality::new(&flat, &flat, &types, equality);
                    for (a, b) in (0..rows).flat_map(|a| (0..rows).map(move |b| (a, b))) {
                        assert_eq!(mixed.equal(a, b), plain.equal(a, b), "{a} {b}");
                    }
                }
            }
            let texts = TextColumn::of(&column[0]);
            for row in (0..rows).filter(|&row| column[0].is_valid(row)) {
                assert_eq!(texts.value(row), flat[0].as_string::<i32>().value(row));
            }
        }
    }
}
