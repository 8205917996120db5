//! The Merkle tree of RFC 6962 section 2 (the same as RFC 9162 section 2.1), SHA-256: how leaves and
//! nodes are hashed, and the [`Frontier`], which is all one must keep to append.

use aws_lc_rs::digest::{SHA256, digest};

/// A SHA-256 hash in the tree.
pub type Hash = [u8; 32];

/// The root of the tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

pub(crate) fn sha256(data: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, data).as_ref());
    hash
}

/// The hash of a leaf: SHA-256(0x00 || data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut input = Vec::with_capacity(data.len() + 1);
    input.push(0);
    input.extend_from_slice(data);
    sha256(&input)
}

/// The hash of an inner node: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    let (_, halves) = input.split_at_mut(1);
    let (l, r) = halves.split_at_mut(32);
    l.copy_from_slice(left);
    r.copy_from_slice(right);
    sha256(&input)
}

/// The right edge of a tree: its size, and the root of each perfect subtree it is made of, the
/// largest (leftmost) first. It is enough to append a leaf and to know the root, and never has more
/// than 64 hashes.
///
/// It does not hold the leaves: a proof needs the leaf hashes ([`crate::proof`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    edge: Vec<Hash>,
}

/// Bytes that are not a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a frontier: the number of hashes does not fit the size")]
pub struct FrontierError;

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves the tree has; also the index that the next leaf gets.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf, given by its hash ([`leaf_hash`]), and returns its index. On average this
    /// computes one node hash, and never more than 64.
    pub fn append(&mut self, leaf: Hash) -> u64 {
        let index = self.size;
        let mut right = leaf;
        // Each one bit at the low end of the size is a perfect subtree that the new leaf completes.
        for _ in 0..index.trailing_ones() {
            let Some(left) = self.edge.pop() else { break };
            right = node_hash(&left, &right);
        }
        self.edge.push(right);
        self.size = index.saturating_add(1);
        index
    }

    /// The root of the tree (RFC 6962 section 2.1, `MTH`).
    pub fn root(&self) -> Hash {
        let mut subtrees = self.edge.iter().rev();
        let Some(smallest) = subtrees.next() else { return EMPTY_ROOT };
        subtrees.fold(*smallest, |right, left| node_hash(left, &right))
    }

    /// The stored form: the size as 8 bytes big-endian, then the hashes, at most 2,056 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.edge.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        self.edge.iter().for_each(|hash| bytes.extend_from_slice(hash));
        bytes
    }

    /// Reads the stored form. It promises the right shape only: whether the hashes are those of the
    /// log's leaves is what [`crate::verify`] finds out.
    ///
    /// # Errors
    /// When there are not as many hashes as the size has one bits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierError> {
        let (size, hashes) = bytes.split_first_chunk::<8>().ok_or(FrontierError)?;
        let size = u64::from_be_bytes(*size);
        let (edge, rest) = hashes.as_chunks::<32>();
        let count = usize::try_from(size.count_ones()).map_err(|_| FrontierError)?;
        if edge.len() != count || !rest.is_empty() {
            return Err(FrontierError);
        }
        Ok(Self { size, edge: edge.to_vec() })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The definition of RFC 6962 section 2.1, word for word, as the yardstick.
    pub(crate) fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_ROOT,
            [one] => *one,
            _ => {
                let mut k = 1;
                while k * 2 < leaves.len() {
                    k *= 2;
                }
                node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
            }
        }
    }

    pub(crate) fn leaves(n: u64) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    /// The eight leaves used by the test suites of the Certificate Transparency implementations.
    pub(crate) fn ct_leaves() -> Vec<Hash> {
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
            .iter()
            .map(|data| leaf_hash(&hex::decode(data).unwrap()))
            .collect()
    }

    #[test]
    fn the_roots_of_the_certificate_transparency_test_tree_are_known() {
        let known = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::new();
        assert_eq!(hex::encode(frontier.root()), known[0]);
        for (leaf, root) in ct_leaves().into_iter().zip(&known[1..]) {
            frontier.append(leaf);
            assert_eq!(hex::encode(frontier.root()), *root, "{} leaves", frontier.size());
        }
    }

    #[test]
    fn the_frontier_agrees_with_the_definition_for_0_to_300_leaves() {
        let leaves = leaves(300);
        let mut frontier = Frontier::new();
        for n in 0..=leaves.len() {
            assert_eq!(frontier.root(), naive_root(&leaves[..n]), "{n} leaves");
            let stored = frontier.to_bytes();
            assert_eq!(Frontier::from_bytes(&stored).unwrap(), frontier);
            assert!(stored.len() <= 8 + 64 * 32);
            if let Some(leaf) = leaves.get(n) {
                assert_eq!(frontier.append(*leaf), n as u64);
            }
        }
    }

    #[test]
    fn bytes_with_the_wrong_number_of_hashes_are_not_a_frontier() {
        let mut frontier = Frontier::new();
        leaves(7).into_iter().for_each(|leaf| {
            frontier.append(leaf);
        });
        let bytes = frontier.to_bytes();
        assert_eq!(Frontier::from_bytes(&bytes[..bytes.len() - 1]), Err(FrontierError));
        assert_eq!(Frontier::from_bytes(&bytes[..bytes.len() - 32]), Err(FrontierError));
        assert_eq!(Frontier::from_bytes(&[bytes.as_slice(), &[0; 32]].concat()), Err(FrontierError));
        assert_eq!(Frontier::from_bytes(&[]), Err(FrontierError));
    }
}
