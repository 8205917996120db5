//! Where an address is, as far as files in MaxMind's format (DB format 2.0) say: its country, and the
//! network (autonomous system) that announces it. The operator brings the files; Wardroom fetches none.
//! What they say is an estimate, so it decides who may come in and how often, and nothing else.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use arc_swap::ArcSwap;
use kernel::Timestamp;
use maxminddb::{Reader, path};
use serde::{Deserialize, Serialize};

use crate::EdgeError;

/// The most that a file may have. The largest that are sold have half of it.
const FILE_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// A country, as two capital letters (ISO 3166-1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// Where an address is. What no file knows is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) country: Option<Country>,
    /// The number of its autonomous system.
    pub(crate) asn: Option<u32>,
}

/// A file that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it calls itself, for example `GeoLite2-ASN`.
    pub kind: String,
    /// When it was made.
    pub made: Timestamp,
}

/// What tells one state of a file from another.
type Stamp = (u64, u64, u64, i64, i64);

struct Open {
    path: PathBuf,
    stamp: Stamp,
    reader: Reader<Vec<u8>>,
}

/// The files. They are read whole, and again when they change.
#[derive(Default)]
pub(crate) struct Places(ArcSwap<Vec<Open>>);

impl Places {
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, EdgeError> {
        let open = paths.iter().map(|path| Open::read(path)).collect::<Result<_, _>>()?;
        Ok(Self(ArcSwap::from_pointee(open)))
    }

    /// Reads what has changed. What cannot be read leaves the old in place.
    pub(crate) fn refresh(&self) {
        let now = self.0.load_full();
        let changed = |open: &Open| stamp(&open.path).is_ok_and(|stamp| stamp != open.stamp);
        if !now.iter().any(changed) {
            return;
        }
        let paths: Vec<_> = now.iter().map(|open| open.path.clone()).collect();
        match Self::open(&paths) {
            Ok(read) => {
                self.0.store(read.0.into_inner());
                tracing::info!("files about places were read again");
            }
            Err(error) => tracing::error!(%error, "a file about places was not taken; the old one holds"),
        }
    }

    pub(crate) fn find(&self, address: IpAddr) -> Place {
        let mut place = Place::default();
        for open in self.0.load().iter() {
            let Ok(found) = open.reader.lookup(address.to_canonical()) else { continue };
            let country = || {
                let of = |path: &[maxminddb::PathElement<'_>]| found.decode_path::<&str>(path).ok().flatten();
                let code = of(&path!["country", "iso_code"])
                    .or_else(|| of(&path!["registered_country", "iso_code"]));
                code.and_then(Country::read)
            };
            let asn = || {
                let of = |path: &[maxminddb::PathElement<'_>]| found.decode_path::<u32>(path).ok().flatten();
                let asn = of(&path!["autonomous_system_number"]);
                asn.or_else(|| of(&path!["traits", "autonomous_system_number"]))
            };
            place.country = place.country.or_else(country);
            place.asn = place.asn.or_else(asn);
        }
        place
    }

    /// What is asked.
    pub(crate) fn files(&self) -> Vec<PlaceFile> {
        let files = self.0.load();
        let files = files.iter().map(|open| PlaceFile {
            path: open.path.clone(),
            kind: open.reader.metadata().database_type.clone(),
            made: Timestamp::from_millis(open.reader.metadata().build_epoch.saturating_mul(1000)),
        });
        files.collect()
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Places").field(&self.files()).finish()
    }
}

impl Open {
    fn read(path: &Path) -> Result<Self, EdgeError> {
        let file = |source| EdgeError::File { act: "read", path: path.to_owned(), source };
        let content =
            || EdgeError::Content { path: path.to_owned(), expected: "database in MaxMind's format" };
        let stamp = stamp(path).map_err(file)?;
        if stamp.2 > FILE_MAX {
            return Err(content());
        }
        let bytes = fs::read(path).map_err(file)?;
        let reader = Reader::from_source(bytes).map_err(|_| content())?;
        Ok(Self { path: path.to_owned(), stamp, reader })
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

impl Country {
    /// Two letters, as a file or an operator writes them.
    pub(crate) fn read(text: &str) -> Option<Self> {
        match *text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Some(Self([a, b])),
            _ => None,
        }
    }

    /// The two letters as a number.
    pub(crate) fn number(self) -> u16 {
        u16::from_be_bytes(self.0)
    }
}

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::read(&text).ok_or("a country is two capital letters, for example `SE` (ISO 3166-1)")
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.to_string()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.0;
        write!(f, "{}{}", char::from(a), char::from(b))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.country, self.asn) {
            (Some(country), Some(asn)) => write!(f, "{country}, AS{asn}"),
            (Some(country), None) => write!(f, "{country}"),
            (None, Some(asn)) => write!(f, "AS{asn}"),
            (None, None) => Ok(()),
        }
    }
}
