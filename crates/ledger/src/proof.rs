//! Inclusion and consistency proofs (RFC 9162 section 2.1.3 and 2.1.4; the hashes are those of
//! RFC 6962). Proofs are made from the leaf hashes and checked with the roots alone.

use crate::merkle::{EMPTY_ROOT, Hash, node_hash};

/// The largest power of two smaller than `n`, for `n` of 2 or more.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// The root of the tree of these leaf hashes (RFC 6962 section 2.1, `MTH`).
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        _ => match leaves.split_at_checked(split(leaves.len())) {
            Some((left, right)) => node_hash(&root(left), &root(right)),
            None => EMPTY_ROOT,
        },
    }
}

/// The proof that the leaf at `index` is in the tree of these leaf hashes; `None` when there is no
/// such leaf.
pub fn inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at_checked(k)?;
    let (mut path, sibling) = if index < k {
        (inclusion(left, index)?, root(right))
    } else {
        (inclusion(right, index - k)?, root(left))
    };
    path.push(sibling);
    Some(path)
}

/// The proof that the tree of the first `old` of these leaf hashes is a prefix of the whole tree;
/// `None` when there are not so many. It is empty for a prefix of none or of all.
pub fn consistency(leaves: &[Hash], old: usize) -> Option<Vec<Hash>> {
    if old > leaves.len() {
        return None;
    }
    if old == 0 { Some(Vec::new()) } else { subproof(leaves, old, true) }
}

fn subproof(leaves: &[Hash], old: usize, whole: bool) -> Option<Vec<Hash>> {
    if old == leaves.len() {
        return Some(if whole { Vec::new() } else { vec![root(leaves)] });
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at_checked(k)?;
    let (mut path, sibling) = if old <= k {
        (subproof(left, old, whole)?, root(right))
    } else {
        (subproof(right, old - k, false)?, root(left))
    };
    path.push(sibling);
    Some(path)
}

/// Whether `proof` shows that `leaf` stands at `index` in the tree of `size` leaves with that root
/// (RFC 9162 section 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `old` leaves with root `old_root` is a prefix of the tree of
/// `new` leaves with root `new_root` (RFC 9162 section 2.1.4.2; the tree of no leaves is a prefix of
/// every tree).
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == EMPTY_ROOT;
    }
    // A prefix that is a perfect subtree is itself the first node of the proof.
    let (first, rest) = if old.is_power_of_two() {
        (*old_root, proof)
    } else {
        match proof.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return false,
        }
    };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::tests::{ct_leaves, leaves};
    use proptest::prelude::*;

    fn hexes(proof: &[Hash]) -> Vec<String> {
        proof.iter().map(hex::encode).collect()
    }

    #[test]
    fn the_proofs_of_the_certificate_transparency_test_tree_are_known() {
        let leaves = ct_leaves();
        assert_eq!(
            hexes(&inclusion(&leaves, 0).unwrap()),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
        assert_eq!(
            hexes(&inclusion(&leaves[..5], 1).unwrap()),
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ]
        );
        assert_eq!(
            hexes(&consistency(&leaves, 6).unwrap()),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert_eq!(
            hexes(&consistency(&leaves[..5], 2).unwrap()),
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ]
        );
    }

    #[test]
    fn every_leaf_of_every_tree_up_to_40_is_proved_and_no_other_place_is() {
        let leaves = leaves(40);
        for size in 1..=leaves.len() {
            let tree = &leaves[..size];
            let top = root(tree);
            for index in 0..size {
                let proof = inclusion(tree, index).unwrap();
                for claimed in 0..size {
                    let holds = verify_inclusion(&tree[index], claimed as u64, size as u64, &proof, &top);
                    assert_eq!(holds, claimed == index, "leaf {index} of {size} as {claimed}");
                }
            }
            assert_eq!(inclusion(tree, size), None);
        }
    }

    #[test]
    fn every_prefix_of_every_tree_up_to_40_is_proved() {
        let leaves = leaves(40);
        for new in 0..=leaves.len() {
            for old in 0..=new {
                let proof = consistency(&leaves[..new], old).unwrap();
                let (old_root, new_root) = (root(&leaves[..old]), root(&leaves[..new]));
                let check = |old_root: &Hash, new_root: &Hash, proof: &[Hash]| {
                    verify_consistency(old as u64, old_root, new as u64, new_root, proof)
                };
                assert!(check(&old_root, &new_root, &proof), "{old} of {new}");
                assert!(!check(&[9; 32], &new_root, &proof), "{old} of {new}");
                assert!(old == 0 || !check(&old_root, &[9; 32], &proof), "{old} of {new}");
                assert!(!check(&old_root, &new_root, &[proof.as_slice(), &[[9; 32]]].concat()));
            }
        }
        assert_eq!(consistency(&leaves, 41), None);
    }

    proptest! {
        #[test]
        fn a_changed_proof_proves_nothing(size in 2usize..200, index in any::<prop::sample::Index>(),
                                          at in any::<prop::sample::Index>(), bit in 0usize..256) {
            let leaves = leaves(size as u64);
            let index = index.index(size);
            let mut proof = inclusion(&leaves, index).unwrap();
            let at = at.index(proof.len());
            proof[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root(&leaves)));
        }
    }
}
