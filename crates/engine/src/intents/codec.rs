//! Reading and writing the bytes of a model. Numbers are variable-length (LEB128) or little-endian.
//! The reader takes nothing on trust: every length is held against the bytes that are left.

/// Bytes that are not a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The first bytes are not those of a model, or of another version.
    #[error("not an intent model of a version this program reads")]
    Format,
    /// The bytes end early, go on too long, or say what cannot be.
    #[error("the intent model is damaged")]
    Damaged,
}

/// Builds the bytes.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn number(&mut self, mut number: u32) {
        while number >= 0x80 {
            self.0.push((number & 0x7F) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(super) fn real(&mut self, real: f32) {
        self.bytes(&real.to_le_bytes());
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Takes the bytes apart.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], ModelError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ModelError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, ModelError> {
        let (byte, rest) = self.0.split_first().ok_or(ModelError::Damaged)?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(super) fn number(&mut self) -> Result<u32, ModelError> {
        let mut number = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return u32::try_from(number).map_err(|_| ModelError::Damaged);
            }
        }
        Err(ModelError::Damaged)
    }

    /// A number that counts things of at least `size` bytes each, all of which follow.
    pub(super) fn count(&mut self, size: usize) -> Result<usize, ModelError> {
        let count = usize::try_from(self.number()?).map_err(|_| ModelError::Damaged)?;
        if count.checked_mul(size).is_some_and(|bytes| bytes <= self.left()) {
            Ok(count)
        } else {
            Err(ModelError::Damaged)
        }
    }

    /// A finite real number.
    pub(super) fn real(&mut self) -> Result<f32, ModelError> {
        let (bytes, rest) = self.0.split_first_chunk::<4>().ok_or(ModelError::Damaged)?;
        self.0 = rest;
        let real = f32::from_le_bytes(*bytes);
        if real.is_finite() { Ok(real) } else { Err(ModelError::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_survives_its_encoding(number: u32) {
            let mut writer = Writer::default();
            writer.number(number);
            let bytes = writer.done();
            prop_assert_eq!(Reader::new(&bytes).number(), Ok(number));
        }
    }

    #[test]
    fn a_count_larger_than_what_follows_is_refused() {
        let mut writer = Writer::default();
        writer.number(3);
        writer.bytes(&[0; 5]);
        let bytes = writer.done();
        assert_eq!(Reader::new(&bytes).count(1), Ok(3));
        assert_eq!(Reader::new(&bytes).count(2), Err(ModelError::Damaged));
    }
}
