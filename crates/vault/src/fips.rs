//! Whether the cryptographic library is the FIPS module.

/// This build's library is not the FIPS module, or did not come up as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this build is not in FIPS mode; build it with `--features fips`")]
pub struct NotFips;

/// Whether the cryptographic library is the FIPS module of AWS-LC and its self-tests have passed.
///
/// It says that the module is in use. It does not say that the module's version has a certificate, which
/// is looked up at NIST, nor that this program around it was ever validated.
///
/// # Errors
/// When it is another build of the library.
pub fn fips_status() -> Result<(), NotFips> {
    aws_lc_rs::try_fips_mode().map_err(|_| NotFips)
}

/// Whether this build refuses what FIPS 140 does not approve.
pub(crate) const REFUSES: bool = cfg!(feature = "fips");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_that_of_the_build() {
        assert_eq!(fips_status().is_ok(), REFUSES);
    }
}
