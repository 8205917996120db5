//! What can be wrong with the set-up of a connection. Messages of a provider are judged elsewhere: see
//! [`Refusal`](super::Refusal).

/// A connection, a certificate, a key or a metadata file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamlError {
    /// Neither DER nor PEM of an X.509 certificate.
    #[error("the certificate cannot be read")]
    Certificate,
    /// A key outside the closed list.
    #[error("the certificate's key is neither RSA of 2048 to 8192 bits nor EC P-256 or P-384")]
    KeyKind,
    /// Trusting nobody, or a heap.
    #[error("a connection pins one to four certificates")]
    PinnedCount,
    /// Our own key does not fit.
    #[error("the private key cannot be read or does not belong to its certificate")]
    OwnKey,
    /// An endpoint is no absolute address, or not under TLS.
    #[error("`{0}` is not an https address (http is accepted for loopback only)")]
    Address(String),
    /// An entity id is empty, too long or has white space.
    #[error("an entity id has 1 to 1024 characters and no white space")]
    EntityId,
    /// A number of the settings is out of its range.
    #[error("`{0}` is out of range")]
    Range(&'static str),
    /// The connection asks to sign, and there is no key to sign with.
    #[error("this connection signs its requests, and no signing key was given")]
    NoSigningKey,
    /// The provider has no endpoint for this.
    #[error("the provider has no endpoint for single logout")]
    NoLogoutEndpoint,
    /// The metadata is not XML as we admit it.
    #[error("the metadata cannot be read: {0}")]
    Metadata(super::Refusal),
    /// The metadata describes no identity provider, or not the one asked for.
    #[error("the metadata holds no such identity provider")]
    NoProvider,
    /// The metadata holds several providers, and none was named.
    #[error("the metadata holds {0} identity providers: name the one you mean")]
    SeveralProviders(usize),
    /// The metadata says that it is no longer valid.
    #[error("the metadata has expired")]
    MetadataExpired,
    /// The provider offers no binding that we speak.
    #[error("the provider offers single sign-on neither by redirect nor by POST")]
    NoSignOn,
}
