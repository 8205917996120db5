//! Tiles and entry bundles in the published layout (C2SP tlog-tiles): 256 hashes or entries to a
//! file, paths in groups of three digits, a partial file named after its width.

use crate::merkle::{Hash, node_hash};

/// How many hashes a full tile has, and how many entries a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// The longest entry: its length stands in two bytes.
pub const MAX_ENTRY: usize = 65_535;

/// A bundle that cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry longer than 65,535 bytes.
    #[error("an entry is longer than 65,535 bytes")]
    TooLong,
    /// The file ends within an entry.
    #[error("the entry bundle is cut short")]
    CutShort,
}

/// The path of a tile of hashes: `tile/LEVEL/INDEX`, with `.p/WIDTH` when it is not full.
pub fn tile_path(level: u8, index: u64, width: u64) -> String {
    format!("tile/{level}/{}", index_path(index, width))
}

/// The path of an entry bundle: `tile/entries/INDEX`, with `.p/WIDTH` when it is not full.
pub fn entries_path(index: u64, width: u64) -> String {
    format!("tile/entries/{}", index_path(index, width))
}

fn index_path(index: u64, width: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_WIDTH { format!("{path}.p/{width}") } else { path }
}

/// Writes entries one after another, each after its length in two bytes, big-endian.
///
/// # Errors
/// When an entry is longer than 65,535 bytes.
pub fn encode_bundle<'e>(entries: impl IntoIterator<Item = &'e [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong)?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// Reads the entries of a bundle.
///
/// # Errors
/// When the file ends within an entry.
pub fn decode_bundle(mut bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk::<2>().ok_or(BundleError::CutShort)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, rest) = rest.split_at_checked(length).ok_or(BundleError::CutShort)?;
        entries.push(entry);
        bundle = rest;
    }
    Ok(entries)
}

/// A tile of hashes, ready to be written or compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) level: u8,
    pub(crate) index: u64,
    pub(crate) hashes: Vec<Hash>,
}

impl Tile {
    pub(crate) fn path(&self) -> String {
        tile_path(self.level, self.index, self.hashes.len() as u64)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.hashes.as_flattened().to_vec()
    }
}

/// Makes the tiles of a log out of its leaf hashes, in order, holding one unfinished tile per level.
#[derive(Debug, Default)]
pub(crate) struct Tiler {
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    done: u64,
    hashes: Vec<Hash>,
}

impl Tiler {
    /// Takes the next leaf hash, and hands out every tile that it fills.
    pub(crate) fn push(&mut self, leaf: Hash, mut full: impl FnMut(Tile)) {
        let mut carry = Some(leaf);
        let mut height = 0u8;
        while let Some(hash) = carry.take() {
            if self.levels.len() <= usize::from(height) {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(usize::from(height)) else { return };
            level.hashes.push(hash);
            if level.hashes.len() as u64 == TILE_WIDTH {
                let tile =
                    Tile { level: height, index: level.done, hashes: std::mem::take(&mut level.hashes) };
                level.done += 1;
                carry = Some(perfect_root(&tile.hashes));
                full(tile);
            }
            height = height.saturating_add(1);
        }
    }

    /// The tiles that are not full.
    pub(crate) fn partial(self) -> Vec<Tile> {
        self.levels
            .into_iter()
            .zip(0u8..)
            .filter(|(level, _)| !level.hashes.is_empty())
            .map(|(level, height)| Tile { level: height, index: level.done, hashes: level.hashes })
            .collect()
    }
}

/// The root of a perfect subtree, of which the number of hashes is a power of two.
fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).filter_map(|pair| Some(node_hash(pair.first()?, pair.get(1)?))).collect();
    }
    row.first().copied().unwrap_or(crate::merkle::EMPTY_ROOT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::tests::{leaves, naive_root};
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(1, 0, 256), "tile/1/000");
        assert_eq!(tile_path(0, 273, 112), "tile/0/273.p/112");
        assert_eq!(entries_path(1_000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn the_tiles_of_a_tree_of_70000_are_those_that_the_specification_counts() {
        // The example in the specification: 273 full tiles and one of 112 on level 0, one full tile
        // and one of 17 on level 1, one of 1 on level 2.
        let mut tiler = Tiler::default();
        let mut full = Vec::new();
        for leaf in leaves(70_000) {
            tiler.push(leaf, |tile| full.push((tile.level, tile.index)));
        }
        assert_eq!(full.iter().filter(|(level, _)| *level == 0).count(), 273);
        assert_eq!(full.iter().filter(|(level, _)| *level == 1).count(), 1);
        let partial: Vec<_> = tiler.partial().iter().map(Tile::path).collect();
        assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    }

    #[test]
    fn a_hash_on_level_one_is_the_root_of_its_256_leaves() {
        let leaves = leaves(600);
        let mut tiler = Tiler::default();
        leaves.iter().for_each(|leaf| tiler.push(*leaf, |_| ()));
        let partial = tiler.partial();
        let expected = [naive_root(&leaves[..256]), naive_root(&leaves[256..512])];
        assert_eq!(partial[1].hashes, expected);
    }

    #[test]
    fn a_bundle_that_is_cut_short_is_refused() {
        let bundle = encode_bundle([b"one".as_slice(), b""]).unwrap();
        assert_eq!(bundle, b"\0\x03one\0\0");
        assert_eq!(decode_bundle(&bundle[..4]), Err(BundleError::CutShort));
        assert_eq!(decode_bundle(&bundle[..6]), Err(BundleError::CutShort));
        assert_eq!(encode_bundle([vec![0; 65_536].as_slice()]), Err(BundleError::TooLong));
    }

    proptest! {
        #[test]
        fn bundles_survive_reading_and_writing(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40)) {
            let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
            prop_assert_eq!(decode_bundle(&bundle).unwrap(), entries);
        }

        #[test]
        fn no_bytes_make_the_bundle_reader_stumble(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(entries) = decode_bundle(&bytes) {
                prop_assert_eq!(encode_bundle(entries).unwrap(), bytes);
            }
        }
    }
}
