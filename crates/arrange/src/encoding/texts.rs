//! Texts under construction, for decoders that know their bytes to be valid.

use arrow_array::StringArray;
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use headwater_types::Result;

/// Byte strings one after the other.
#[derive(Debug)]
pub(crate) struct Texts {
    data: Vec<u8>,
    /// One more than there are values. What does not fit 32 bits is found by [`Texts::finish`].
    offsets: Vec<i32>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { data: vec![], offsets: vec![0] }
    }
}

impl Texts {
    /// Makes room.
    pub(super) fn reserve(&mut self, values: usize, bytes: usize) {
        self.offsets.reserve(values);
        self.data.reserve(bytes);
    }

    /// Appends a value.
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.offsets.push(i32::try_from(self.data.len()).unwrap_or(i32::MAX));
    }

    /// One value; all are less than 2 GiB.
    pub(super) fn get(&self, value: usize) -> &[u8] {
        &self.data[self.offsets[value] as usize..self.offsets[value + 1] as usize]
    }

    /// All values one after the other.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.data
    }

    /// The values as a column, of which the NULLs are empty.
    ///
    /// # Errors
    ///
    /// 54000 beyond 2 GiB.
    pub(crate) fn finish(self, nulls: Option<NullBuffer>) -> Result<StringArray> {
        if i32::try_from(self.data.len()).is_err() {
            return Err(crate::gather::too_large());
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Ok(StringArray::new(offsets, Buffer::from_vec(self.data), nulls))
    }
}
