//! The body of a backup: rows as bytes, in chunks, sealed. It streams both ways; what is held in memory
//! is one chunk and one row.
//!
//! ```text
//! 0x01 | name | number of columns 2 | their names     a table begins
//! 0x02 | a value for every column                     a row
//! 0x03 | number of rows 8                             the table ends
//! 0x04 | number of tables 8                           the body ends
//! value: 0x00 | 0x01 integer 8 | 0x02 text | 0x03 bytes       text, bytes and names: length 4, then itself
//! ```

use std::io::{Read, Write};
use std::path::PathBuf;

use aws_lc_rs::digest::{Context, SHA256};
use store::Value;
use vault::{CHUNK, CHUNK_OVERHEAD, StreamOpener, StreamSealer};

use crate::BackupError;

/// The longest value that is read: a sealed record has 1 MiB at most, and a little around it.
const MOST: u32 = 4 << 20;

/// One thing that the body says.
#[derive(Debug, PartialEq)]
pub(crate) enum Item {
    /// A table begins.
    Table { name: String, columns: Vec<String> },
    /// A row of it.
    Row(Vec<Value<'static>>),
    /// It ends.
    TableEnd { rows: u64 },
    /// Everything ends.
    End { tables: u64 },
}

/// Writes a body.
pub(crate) struct Writer<W> {
    to: W,
    path: PathBuf,
    sealer: StreamSealer,
    chunk: Vec<u8>,
    digest: Context,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Continues a file of which `head` is already written.
    pub(crate) fn new(to: W, path: PathBuf, sealer: StreamSealer, head: &[&[u8]]) -> Self {
        let (mut digest, mut bytes) = (Context::new(&SHA256), 0);
        for part in head {
            digest.update(part);
            bytes += part.len() as u64;
        }
        Self { to, path, sealer, chunk: Vec::with_capacity(CHUNK + CHUNK_OVERHEAD), digest, bytes }
    }

    pub(crate) fn table<'n>(
        &mut self,
        name: &str,
        columns: impl ExactSizeIterator<Item = &'n str>,
    ) -> Result<(), BackupError> {
        self.put(&[1])?;
        self.sized(name.as_bytes())?;
        self.put(&u16::try_from(columns.len()).unwrap_or(u16::MAX).to_be_bytes())?;
        for column in columns {
            self.sized(column.as_bytes())?;
        }
        Ok(())
    }

    pub(crate) fn row(&mut self, values: &[Value<'static>]) -> Result<(), BackupError> {
        self.put(&[2])?;
        for value in values {
            match value {
                Value::Null => self.put(&[0])?,
                Value::Int(number) => {
                    self.put(&[1])?;
                    self.put(&number.to_be_bytes())?;
                }
                Value::Text(text) => {
                    self.put(&[2])?;
                    self.sized(text.as_bytes())?;
                }
                Value::Blob(bytes) => {
                    self.put(&[3])?;
                    self.sized(bytes)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn table_end(&mut self, rows: u64) -> Result<(), BackupError> {
        self.put(&[3])?;
        self.put(&rows.to_be_bytes())
    }

    /// Ends the body and gives the writer back, with the SHA-256 and the size of the whole file.
    pub(crate) fn finish(mut self, tables: u64) -> Result<(W, [u8; 32], u64), BackupError> {
        self.put(&[4])?;
        self.put(&tables.to_be_bytes())?;
        self.flush(true)?;
        let mut sum = [0; 32];
        sum.copy_from_slice(self.digest.finish().as_ref());
        Ok((self.to, sum, self.bytes))
    }

    fn sized(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if length > MOST {
            return Err(BackupError::Malformed { why: "a value is too long" });
        }
        self.put(&length.to_be_bytes())?;
        self.put(bytes)
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        while !bytes.is_empty() {
            // A full chunk is sealed when more comes, so that the last one is never empty by chance.
            if self.chunk.len() == CHUNK {
                self.flush(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn flush(&mut self, last: bool) -> Result<(), BackupError> {
        self.sealer.seal(&mut self.chunk, last)?;
        self.digest.update(&self.chunk);
        self.bytes += self.chunk.len() as u64;
        self.to.write_all(&self.chunk).map_err(BackupError::file("write", &self.path))?;
        self.chunk.clear();
        Ok(())
    }
}

/// Reads a body. Nothing comes out of a chunk that does not open; but what came before a broken chunk
/// has been given already, so act on it only after [`Item::End`].
pub(crate) struct Reader<R> {
    from: R,
    path: PathBuf,
    opener: StreamOpener,
    chunk: Vec<u8>,
    at: usize,
    /// The next chunk, still sealed; empty when there is none.
    ahead: Vec<u8>,
    columns: usize,
    ended: bool,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(from: R, path: PathBuf, opener: StreamOpener) -> Result<Self, BackupError> {
        let (chunk, ahead) = (Vec::new(), Vec::new());
        let mut reader = Self { from, path, opener, chunk, at: 0, ahead, columns: 0, ended: false };
        reader.read_ahead()?;
        Ok(reader)
    }

    /// The next item. After [`Item::End`] there is nothing.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, BackupError> {
        if self.ended {
            return Ok(None);
        }
        let malformed = |why| Err(BackupError::Malformed { why });
        Ok(Some(match self.array::<1>()? {
            [1] => {
                let name = self.text()?;
                self.columns = usize::from(u16::from_be_bytes(self.array()?));
                let columns = (0..self.columns).map(|_| self.text()).collect::<Result<_, _>>()?;
                Item::Table { name, columns }
            }
            [2] => Item::Row((0..self.columns).map(|_| self.value()).collect::<Result<_, _>>()?),
            [3] => Item::TableEnd { rows: u64::from_be_bytes(self.array()?) },
            [4] => {
                let tables = u64::from_be_bytes(self.array()?);
                self.ended = true;
                if self.at != self.chunk.len() || !self.ahead.is_empty() {
                    return malformed("something follows its end");
                }
                Item::End { tables }
            }
            _ => return malformed("an item is of no known kind"),
        }))
    }

    fn value(&mut self) -> Result<Value<'static>, BackupError> {
        Ok(match self.array::<1>()? {
            [0] => Value::Null,
            [1] => Value::Int(i64::from_be_bytes(self.array()?)),
            [2] => Value::Text(self.text()?.into()),
            [3] => Value::Blob(self.sized()?.into()),
            _ => return Err(BackupError::Malformed { why: "a value is of no known kind" }),
        })
    }

    fn text(&mut self) -> Result<String, BackupError> {
        String::from_utf8(self.sized()?).map_err(|_| BackupError::Malformed { why: "a text is not UTF-8" })
    }

    fn sized(&mut self) -> Result<Vec<u8>, BackupError> {
        let length = u32::from_be_bytes(self.array()?);
        if length > MOST {
            return Err(BackupError::Malformed { why: "a value is too long" });
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, mut to: &mut [u8]) -> Result<(), BackupError> {
        while !to.is_empty() {
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                self.open_next()?;
                continue;
            }
            let now = rest.len().min(to.len());
            let (head, tail) = to.split_at_mut(now);
            head.copy_from_slice(rest.get(..now).unwrap_or_default());
            (self.at, to) = (self.at + now, tail);
        }
        Ok(())
    }

    fn open_next(&mut self) -> Result<(), BackupError> {
        if self.ahead.is_empty() {
            return Err(BackupError::Malformed { why: "it ends in the middle" });
        }
        std::mem::swap(&mut self.chunk, &mut self.ahead);
        self.at = 0;
        self.read_ahead()?;
        self.opener.open(&mut self.chunk, self.ahead.is_empty()).map_err(BackupError::Damaged)
    }

    fn read_ahead(&mut self) -> Result<(), BackupError> {
        self.ahead.clear();
        let most = (CHUNK + CHUNK_OVERHEAD) as u64;
        let mut from = (&mut self.from).take(most);
        from.read_to_end(&mut self.ahead).map_err(BackupError::file("read", &self.path))?;
        Ok(())
    }
}
