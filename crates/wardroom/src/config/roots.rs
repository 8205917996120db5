//! Which root key, and what each kind of provider needs to reach it. Secrets stand by reference only.

use std::path::PathBuf;

use outbound::{Origin, Target};
use serde::{Deserialize, Serialize};

use super::{ConfigError, Keys, Reference};

/// The kinds of providers of a root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Provider {
    /// A file of 32 bytes.
    File,
    /// A passphrase.
    Passphrase,
    /// A credential that systemd hands to the service.
    SystemdCredential,
    /// A key in an HSM.
    Pkcs11,
    /// A Transit key of OpenBao or HashiCorp Vault.
    Openbao,
    /// A key of AWS KMS.
    AwsKms,
    /// A key of Google Cloud KMS.
    GcpKms,
    /// A key of Azure Key Vault or Managed HSM.
    AzureKeyVault,
}

/// A key in an HSM, through the vendor's PKCS#11 module.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pkcs11 {
    /// The vendor's module, an absolute path.
    pub(crate) module: PathBuf,
    /// The token's label.
    pub(crate) token: String,
    /// The key's label.
    pub(crate) key: String,
    /// The user's PIN.
    pub(crate) pin: Reference,
    /// Whether to make the key inside the token on the first start, if it is not there.
    #[serde(default)]
    pub(crate) create: bool,
}

/// How a service in the network is reached, besides its address.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reach {
    /// Whether it stands in the operator's own network, so that its name may lead to a private address.
    pub(crate) internal: bool,
    /// A PEM file with the authority of its certificate; unset: the authorities that the web trusts.
    pub(crate) ca: Option<PathBuf>,
}

/// A Transit key of OpenBao or HashiCorp Vault.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Openbao {
    /// The server, for example `https://bao.example.org:8200`.
    pub(crate) address: String,
    /// Where the engine is mounted.
    #[serde(default = "transit")]
    pub(crate) mount: String,
    /// The key's name.
    pub(crate) key: String,
    /// The namespace, when the server has them.
    pub(crate) namespace: Option<String>,
    /// The token. A file is read for each use, so an agent may renew it.
    pub(crate) token: Reference,
    /// How it is reached.
    #[serde(default)]
    pub(crate) network: Reach,
}

fn transit() -> String {
    "transit".to_owned()
}

/// Where credentials for AWS come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AwsSource {
    /// From the configuration.
    #[default]
    Keys,
    /// From the role of this EC2 instance.
    Instance,
    /// From the role of this ECS task or EKS pod.
    Container,
}

/// A key of AWS KMS.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AwsKms {
    /// The region, for example `eu-west-1`.
    pub(crate) region: String,
    /// The key's id, ARN or alias.
    pub(crate) key: String,
    /// Where the credentials come from; unset: from the keys below.
    #[serde(default)]
    pub(crate) credentials: AwsSource,
    /// The id of the access key.
    pub(crate) access_key_id: Option<String>,
    /// The secret access key.
    pub(crate) secret_access_key: Option<Reference>,
    /// The session token of temporary credentials.
    pub(crate) session_token: Option<Reference>,
    /// Another endpoint than the region's public one, for example that of a VPC.
    pub(crate) endpoint: Option<String>,
    /// How it is reached.
    #[serde(default)]
    pub(crate) network: Reach,
}

/// A key of Google Cloud KMS.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GcpKms {
    /// The key's full name: `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
    pub(crate) key: String,
    /// The service account's key, the JSON that Google gives.
    pub(crate) service_account: Reference,
    /// Another endpoint than the public one.
    pub(crate) endpoint: Option<String>,
    /// How it is reached.
    #[serde(default)]
    pub(crate) network: Reach,
}

/// A key of Azure Key Vault or Managed HSM.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AzureKeyVault {
    /// The vault, for example `https://bank.vault.azure.net`.
    pub(crate) vault: String,
    /// The key's name.
    pub(crate) key: String,
    /// The directory (tenant) id.
    pub(crate) directory: String,
    /// The application's (client) id.
    pub(crate) client_id: String,
    /// The application's secret.
    pub(crate) client_secret: Reference,
    /// Whether the vault is a Managed HSM with a symmetric key (A256KW) instead of an RSA key.
    #[serde(default)]
    pub(crate) managed_hsm: bool,
    /// Where tokens are given; unset: `https://login.microsoftonline.com`.
    pub(crate) login: Option<String>,
    /// How both are reached.
    #[serde(default)]
    pub(crate) network: Reach,
}

impl Reach {
    /// A target at this address.
    pub(crate) fn target(&self, key: &'static str, address: &str) -> Result<Target, ConfigError> {
        let origin: Origin = address.parse().map_err(|error: outbound::OutboundError| {
            ConfigError::Value { key, message: error.to_string() }
        })?;
        Ok(if self.internal { Target::internal(origin) } else { Target::public(origin) })
    }
}

impl AwsKms {
    pub(crate) fn target(&self) -> Result<Target, ConfigError> {
        let public = format!("https://kms.{}.amazonaws.com", self.region);
        self.network.target("keys.aws-kms.endpoint", self.endpoint.as_ref().unwrap_or(&public))
    }

    /// An access key stands there when it is meant, and only then.
    fn check(&self) -> Result<(), ConfigError> {
        let given = [self.access_key_id.is_some(), self.secret_access_key.is_some()];
        let message = match self.credentials {
            AwsSource::Keys if given == [true, true] => return Ok(()),
            AwsSource::Keys => {
                "needs `access_key_id` and `secret_access_key`, or `credentials = \"instance\"` or `\"container\"`"
            }
            _ if given == [false, false] && self.session_token.is_none() => return Ok(()),
            _ => "has an access key beside `credentials`; take one of them out",
        };
        Err(ConfigError::Value { key: "keys.aws-kms", message: message.to_owned() })
    }
}

impl GcpKms {
    pub(crate) fn target(&self) -> Result<Target, ConfigError> {
        let endpoint = self.endpoint.as_deref().unwrap_or("https://cloudkms.googleapis.com");
        self.network.target("keys.gcp-kms.endpoint", endpoint)
    }
}

impl AzureKeyVault {
    pub(crate) fn targets(&self) -> Result<[Target; 2], ConfigError> {
        let login = self.login.as_deref().unwrap_or("https://login.microsoftonline.com");
        Ok([
            self.network.target("keys.azure-key-vault.vault", &self.vault)?,
            self.network.target("keys.azure-key-vault.login", login)?,
        ])
    }
}

impl Keys {
    /// The kind of provider in force: the one named; else a passphrase, if there is one; else a file.
    pub(crate) fn kind(&self) -> Provider {
        let implied = if self.passphrase.is_some() { Provider::Passphrase } else { Provider::File };
        self.provider.unwrap_or(implied)
    }

    /// Each setting stands beside the provider that it is for, and each provider has its settings.
    pub(super) fn check_root(&self) -> Result<(), ConfigError> {
        let kind = self.kind();
        let settings: [(&'static str, Provider, bool, bool); 8] = [
            ("root_file", Provider::File, self.root_file.is_some(), false),
            ("passphrase", Provider::Passphrase, self.passphrase.is_some(), true),
            ("credential", Provider::SystemdCredential, self.credential.is_some(), true),
            ("pkcs11", Provider::Pkcs11, self.pkcs11.is_some(), true),
            ("openbao", Provider::Openbao, self.openbao.is_some(), true),
            ("aws-kms", Provider::AwsKms, self.aws_kms.is_some(), true),
            ("gcp-kms", Provider::GcpKms, self.gcp_kms.is_some(), true),
            ("azure-key-vault", Provider::AzureKeyVault, self.azure_key_vault.is_some(), true),
        ];
        for (name, of, there, needed) in settings {
            let message = match (of == kind, there) {
                (true, false) if needed => format!("the provider needs `{name}` in `[keys]`"),
                (false, true) => format!(
                    "`{name}` is there, but it is not for the provider in use; name the provider with \
                     `provider = \"..\"`, or take `{name}` out"
                ),
                _ => continue,
            };
            return Err(ConfigError::Value { key: "keys", message });
        }
        if let Some(openbao) = &self.openbao {
            openbao.network.target("keys.openbao.address", &openbao.address)?;
        }
        if let Some(aws) = &self.aws_kms {
            aws.target()?;
            aws.check()?;
        }
        self.gcp_kms.as_ref().map(GcpKms::target).transpose()?;
        self.azure_key_vault.as_ref().map(AzureKeyVault::targets).transpose()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Keys, String> {
        Config::parse(text, Path::new("wardroom.toml"))
            .map(|config| config.keys)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_the_root_key_is_a_file_and_a_passphrase_is_a_word() {
        assert_eq!(parse("").unwrap().kind(), Provider::File);
        assert_eq!(parse("[keys]\nroot_file = \"/safe/root.key\"\n").unwrap().kind(), Provider::File);
        let passphrase = "[keys]\npassphrase = { env = \"PASSPHRASE\" }\n";
        assert_eq!(parse(passphrase).unwrap().kind(), Provider::Passphrase);
    }

    #[test]
    fn every_provider_of_the_operations_pages_is_read() {
        let mut kinds = Vec::new();
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/root-keys");
        for page in std::fs::read_dir(pages).unwrap() {
            let text = std::fs::read_to_string(page.unwrap().path()).unwrap();
            for example in text.split("```toml\n").skip(1) {
                let example = example.split("```").next().unwrap();
                kinds.push(parse(example).unwrap_or_else(|error| panic!("{error} in:\n{example}")).kind());
            }
        }
        for kind in [
            Provider::File,
            Provider::Passphrase,
            Provider::SystemdCredential,
            Provider::Pkcs11,
            Provider::Openbao,
            Provider::AwsKms,
            Provider::GcpKms,
            Provider::AzureKeyVault,
        ] {
            assert!(kinds.contains(&kind), "{kind:?} has no example");
        }
    }

    #[test]
    fn settings_that_do_not_fit_the_provider_are_refused_with_the_mend() {
        let bao = "address = \"https://bao:8200\"\nkey = \"wardroom\"\ntoken = { env = \"T\" }\n";
        for (text, says) in [
            ("[keys]\nprovider = \"openbao\"\n".to_owned(), "needs `openbao`"),
            ("[keys]\nprovider = \"passphrase\"\n".to_owned(), "needs `passphrase`"),
            ("[keys]\nprovider = \"systemd-credential\"\n".to_owned(), "needs `credential`"),
            (format!("[keys.openbao]\n{bao}"), "`provider = \"..\"`"),
            ("[keys]\nprovider = \"aws\"\n".to_owned(), "unknown variant"),
            ("[keys]\nroot_file = \"a\"\npassphrase = { env = \"P\" }\n".to_owned(), "`root_file` is there"),
            (
                format!("[keys]\nprovider = \"openbao\"\n[keys.openbao]\n{}", bao.replace("https", "http")),
                "https://",
            ),
            (format!("[keys]\nprovider = \"openbao\"\n[keys.openbao]\n{bao}tokn = 1\n"), "`tokn`"),
            (
                "[keys]\nprovider = \"aws-kms\"\n[keys.aws-kms]\nregion = \"r\"\nkey = \"k\"\n".to_owned(),
                "`access_key_id`",
            ),
            (
                "[keys]\nprovider = \"aws-kms\"\n[keys.aws-kms]\nregion = \"r\"\nkey = \"k\"\n\
                 credentials = \"instance\"\naccess_key_id = \"A\"\n"
                    .to_owned(),
                "beside `credentials`",
            ),
            (
                format!(
                    "[keys]\nprovider = \"openbao\"\n[keys.openbao]\n{}",
                    bao.replace("{ env = \"T\" }", "\"s3\"")
                ),
                "wardroom.toml:",
            ),
        ] {
            let refused = parse(&text).unwrap_err();
            assert!(refused.contains(says), "{text}\n{refused}");
        }
    }
}
