//! Sets of column ordinals.

/// A set of column ordinals: a bit per column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct ColumnSet(Vec<u64>);

impl ColumnSet {
    /// No column.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The columns `range`.
    pub(crate) fn range(range: std::ops::Range<usize>) -> Self {
        range.collect()
    }

    /// Adds a column; tells whether it is new.
    pub(crate) fn insert(&mut self, column: usize) -> bool {
        let (word, bit) = (column / 64, 1u64 << (column % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// Takes a column out.
    pub(crate) fn remove(&mut self, column: usize) {
        if let Some(word) = self.0.get_mut(column / 64) {
            *word &= !(1u64 << (column % 64));
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// Whether the column is a member.
    pub(crate) fn contains(&self, column: usize) -> bool {
        self.0.get(column / 64).is_some_and(|word| word & (1u64 << (column % 64)) != 0)
    }

    /// Whether there is no member.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The number of members.
    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    /// The members, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(i, &word)| (0..64).filter(move |bit| word & (1u64 << bit) != 0).map(move |bit| i * 64 + bit))
    }

    /// Whether every member is in `other`.
    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().enumerate().all(|(i, &word)| word & !other.0.get(i).copied().unwrap_or(0) == 0)
    }

    /// Whether some member is in `other`.
    pub(crate) fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// Adds every member of `other`; tells whether any is new.
    pub(crate) fn union_with(&mut self, other: &Self) -> bool {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        let mut new = false;
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            new |= b & !*a != 0;
            *a |= b;
        }
        new
    }

    /// The members of both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|&c| other.contains(c)).collect()
    }

    /// The members in `range`, counted from its start.
    pub(crate) fn slice(&self, range: std::ops::Range<usize>) -> Self {
        self.iter().filter(|c| range.contains(c)).map(|c| c - range.start).collect()
    }

    /// Every member moved up.
    pub(crate) fn shifted(&self, by: usize) -> Self {
        self.iter().map(|c| c + by).collect()
    }

    /// Every member by its new ordinal; `None` if one has none.
    pub(crate) fn try_map(&self, mut map: impl FnMut(usize) -> Option<usize>) -> Option<Self> {
        self.iter().map(&mut map).collect()
    }
}

impl FromIterator<usize> for ColumnSet {
    fn from_iter<I: IntoIterator<Item = usize>>(columns: I) -> Self {
        let mut set = Self::new();
        for column in columns {
            set.insert(column);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_behave() {
        let mut a: ColumnSet = [1, 70, 3].into_iter().collect();
        let b = ColumnSet::range(0..4);
        assert!(!a.is_subset(&b) && a.intersects(&b));
        assert_eq!(a.iter().collect::<Vec<_>>(), [1, 3, 70]);
        a.remove(70);
        assert!(a.is_subset(&b));
        assert_eq!(a, [1, 3].into_iter().collect());
        assert_eq!(a.shifted(2).slice(3..9), [0, 2].into_iter().collect());
        assert!(a.union_with(&b) && !a.union_with(&b));
    }
}
