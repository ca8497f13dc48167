//! The hash table from lattice coordinates to vertex numbers.
#![allow(clippy::needless_range_loop)] // One index for all arrays.

use crate::simplex::Key;

/// Open addressing with linear probing; vertices are numbered from 1 in the order of their first
/// appearance, and 0 means "no such vertex". Deterministic: no random hash state.
pub(crate) struct VertexTable<const WORDS: usize> {
    /// Key of vertex v at v; at 0 one that belongs to none.
    keys: Vec<Key<WORDS>>,
    /// Vertex number, or 0 for a free slot. The length is a power of two, at most half of it used.
    slots: Vec<u32>,
    shift: u32,
}

impl<const WORDS: usize> VertexTable<WORDS> {
    pub(crate) fn with_capacity(vertices: usize) -> Self {
        let bits = (2 * vertices).next_power_of_two().trailing_zeros().max(4);
        let mut keys = Vec::with_capacity(vertices + 1);
        keys.push([u64::MAX; WORDS]);
        Self {
            keys,
            slots: vec![0; 1 << bits],
            shift: 64 - bits,
        }
    }

    /// Number of vertices.
    pub(crate) fn len(&self) -> usize {
        self.keys.len() - 1
    }

    /// Keys in the order of the vertex numbers, from vertex 1.
    pub(crate) fn keys(&self) -> &[Key<WORDS>] {
        &self.keys[1..]
    }

    /// The keys alone.
    pub(crate) fn into_keys(mut self) -> Vec<Key<WORDS>> {
        // The order of the others stays.
        self.keys.remove(0);
        self.keys
    }

    /// The vertices with these keys, 0 for none. Many at a time, since one waits for memory.
    #[inline(always)]
    pub(crate) fn find<const N: usize>(&self, keys: &[Key<WORDS>; N]) -> [u32; N] {
        let (mut homes, mut vertices, mut found) = ([0; N], [0; N], [false; N]);
        for at in 0..N {
            homes[at] = self.home(&keys[at]);
        }
        for at in 0..N {
            vertices[at] = self.slots[homes[at]];
        }
        for at in 0..N {
            found[at] = vertices[at] == 0 || self.keys[vertices[at] as usize] == keys[at];
        }
        for at in 0..N {
            if !found[at] {
                vertices[at] = self.find_after(&keys[at], homes[at]);
            }
        }
        vertices
    }

    fn find_after(&self, key: &Key<WORDS>, mut slot: usize) -> u32 {
        loop {
            slot = (slot + 1) & (self.slots.len() - 1);
            let vertex = self.slots[slot];
            if vertex == 0 || self.keys[vertex as usize] == *key {
                return vertex;
            }
        }
    }

    /// The vertex with this key, made if there is none.
    #[inline(always)]
    pub(crate) fn insert(&mut self, key: &Key<WORDS>) -> u32 {
        let mut slot = self.home(key);
        loop {
            let vertex = self.slots[slot];
            if vertex == 0 {
                break;
            }
            if self.keys[vertex as usize] == *key {
                return vertex;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        let vertex = self.keys.len() as u32;
        self.keys.push(*key);
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
        for vertex in 1..self.keys.len() {
            let mut slot = self.home(&self.keys[vertex]);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (self.slots.len() - 1);
            }
            self.slots[slot] = vertex as u32;
        }
    }

    #[inline(always)]
    fn home(&self, key: &Key<WORDS>) -> usize {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let (first, rest) = key.split_first().unwrap_or((&0, &[]));
        let hash = rest.iter().fold(*first, |hash, word| {
            hash.wrapping_mul(SPREAD).rotate_left(29) ^ word
        });
        ((hash ^ (hash >> 29)).wrapping_mul(SPREAD) >> self.shift) as usize
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
        assert_eq!(table.find(&[[9, 3], [9, 4], [0, 0]]), [4, 0, 1]);
    }
}
