//! The hash table from lattice coordinates to vertex numbers.

use crate::simplex::Key;

/// Open addressing with linear probing; vertices are numbered from 1 in the order of their first
/// appearance, and 0 means "no such vertex". Deterministic: no random hash state.
pub(crate) struct VertexTable<const WORDS: usize> {
    /// Key of vertex v at v − 1.
    keys: Vec<Key<WORDS>>,
    /// Vertex number, or 0 for a free slot. The length is a power of two, at most half of it used.
    slots: Vec<u32>,
    shift: u32,
}

impl<const WORDS: usize> VertexTable<WORDS> {
    pub(crate) fn with_capacity(vertices: usize) -> Self {
        let bits = (2 * vertices).next_power_of_two().trailing_zeros().max(4);
        Self {
            keys: Vec::with_capacity(vertices),
            slots: vec![0; 1 << bits],
            shift: 64 - bits,
        }
    }

    /// Number of vertices.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Keys in the order of the vertex numbers, from vertex 1.
    pub(crate) fn keys(&self) -> &[Key<WORDS>] {
        &self.keys
    }

    /// The keys alone.
    pub(crate) fn into_keys(self) -> Vec<Key<WORDS>> {
        self.keys
    }

    /// The vertex with this key, or 0.
    #[inline]
    pub(crate) fn find(&self, key: &Key<WORDS>) -> u32 {
        let mut slot = self.home(key);
        loop {
            let vertex = self.slots[slot];
            if vertex == 0 || self.keys[vertex as usize - 1] == *key {
                return vertex;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// The vertex with this key, made if there is none.
    #[inline]
    pub(crate) fn insert(&mut self, key: &Key<WORDS>) -> u32 {
        let mut slot = self.home(key);
        loop {
            let vertex = self.slots[slot];
            if vertex == 0 {
                break;
            }
            if self.keys[vertex as usize - 1] == *key {
                return vertex;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.keys.push(*key);
        let vertex = self.keys.len() as u32;
        self.slots[slot] = vertex;
        if 2 * self.keys.len() > self.slots.len() {
            self.grow();
        }
        vertex
    }

    #[cold]
    fn grow(&mut self) {
        self.slots = vec![0; 2 * self.slots.len()];
        self.shift -= 1;
        for vertex in 1..=self.keys.len() {
            let mut slot = self.home(&self.keys[vertex - 1]);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (self.slots.len() - 1);
            }
            self.slots[slot] = vertex as u32;
        }
    }

    #[inline]
    fn home(&self, key: &Key<WORDS>) -> usize {
        let hash = key.iter().fold(0u64, |hash, word| {
            (hash.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        ((hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_while_it_grows() {
        let mut table = VertexTable::<2>::with_capacity(1);
        for round in 0..2 {
            for k in 0..1000u64 {
                let vertex = table.insert(&[k * k, k]);
                assert_eq!(u64::from(vertex), k + 1, "round {round}");
            }
        }
        assert_eq!(table.len(), 1000);
        assert_eq!(table.find(&[9, 3]), 4);
        assert_eq!(table.find(&[9, 4]), 0);
    }
}
