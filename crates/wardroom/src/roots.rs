//! The root key of a deployment, as its configuration names it. A root key of ours is made only where
//! nothing is sealed yet; one that stays with a service or an HSM is found, not made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::{Secret, World};
use outbound::{Metadata, Roots};
use vault::{
    AwsCredentials, AwsKmsSettings, AzureKeyVaultSettings, AzureWrapping, Credential, FileRoot,
    GoogleKmsSettings, KeyProvider, OpenBaoSettings, PassphraseRoot, Pkcs11Root, Pkcs11Settings,
    ProviderError, Service,
};

use crate::Failure;
use crate::config::roots::{AwsKms, AwsSource, AzureKeyVault, GcpKms, Openbao, Pkcs11, Provider, Reach};
use crate::config::{ConfigError, Keys, Reference};

/// The root key is gone, and what it seals is still here.
#[derive(Debug, thiserror::Error)]
#[error(
    "the root key `{}` is missing, but there is data that it seals; put the file back from where you keep its copy \
     (without it nothing can be read, by anybody)",
    .0.display()
)]
struct RootKeyMissing(PathBuf);

/// systemd did not hand a credential to this process.
#[derive(Debug, thiserror::Error)]
#[error(
    "`$CREDENTIALS_DIRECTORY` is not set: run as a systemd service with `LoadCredentialEncrypted={0}` (or \
     `LoadCredential={0}:/path`) in its unit"
)]
struct NoCredentials(String);

/// This is no container of AWS.
#[derive(Debug, thiserror::Error)]
#[error(
    "neither `$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` nor `$AWS_CONTAINER_CREDENTIALS_FULL_URI` is set: give the ECS \
     task or EKS pod a role, or take `credentials = \"container\"` out of `[keys.aws-kms]`"
)]
struct NoContainer;

/// Opens the root key. `fresh` says that nothing is sealed under it yet, so that a missing one may be
/// made.
pub(crate) fn provider(
    data: &Path,
    keys: &Keys,
    world: &World,
    fresh: bool,
) -> Result<Arc<dyn KeyProvider>, Failure> {
    // A provider is known by its name, which must not depend on where a command is run.
    let folder = std::path::absolute(data)?.join("keys");
    let world = world.clone();
    match keys.kind() {
        Provider::File => {
            let path = match &keys.root_file {
                Some(path) => std::path::absolute(path)?,
                None => folder.join("root.key"),
            };
            match (path.exists(), fresh) {
                (true, _) => Ok(Arc::new(FileRoot::open(path, world)?)),
                (false, true) => Ok(Arc::new(FileRoot::create(path, world)?)),
                (false, false) => Err(RootKeyMissing(path).into()),
            }
        }
        Provider::Passphrase => {
            let path = folder.join("passphrase.root");
            let passphrase = needed(&keys.passphrase)?.resolve()?;
            Ok(match path.exists() || !fresh {
                true => Arc::new(PassphraseRoot::open(path, &passphrase, world)?),
                false => Arc::new(PassphraseRoot::create(path, &passphrase, world)?),
            })
        }
        Provider::SystemdCredential => {
            let name = needed(&keys.credential)?;
            let folder =
                std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| NoCredentials(name.clone()))?;
            Ok(Arc::new(FileRoot::of_systemd(Path::new(&folder), name, world)?))
        }
        Provider::Pkcs11 => pkcs11(needed(&keys.pkcs11)?, world, fresh),
        Provider::Openbao => openbao(needed(&keys.openbao)?),
        Provider::AwsKms => aws(needed(&keys.aws_kms)?, world),
        Provider::GcpKms => google(needed(&keys.gcp_kms)?, world),
        Provider::AzureKeyVault => azure(needed(&keys.azure_key_vault)?, world),
    }
}

fn pkcs11(settings: &Pkcs11, world: World, fresh: bool) -> Result<Arc<dyn KeyProvider>, Failure> {
    let Pkcs11 { module, token, key, pin, create } = settings;
    let settings = || -> Result<Pkcs11Settings, ConfigError> {
        Ok(Pkcs11Settings {
            module: module.clone(),
            token: token.clone(),
            key: key.clone(),
            pin: pin.resolve()?,
        })
    };
    let opened = Pkcs11Root::open(settings()?, None, world.clone());
    Ok(Arc::new(match opened {
        Err(ProviderError::Unsafe { why }) if *create && fresh && why.contains("is not there") => {
            Pkcs11Root::create(settings()?, world)?
        }
        opened => opened?,
    }))
}

fn openbao(settings: &Openbao) -> Result<Arc<dyn KeyProvider>, Failure> {
    let Openbao { address, mount, key, namespace, token, network } = settings;
    Ok(Arc::new(vault::OpenBao::open(OpenBaoSettings {
        service: service(network, network.target("keys.openbao.address", address)?)?,
        mount: mount.clone(),
        key: key.clone(),
        namespace: namespace.clone(),
        token: credential(token)?,
    })?))
}

/// What ECS and EKS tell a container by its environment.
fn container() -> Result<AwsCredentials, Failure> {
    let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (service, path) =
        match (told("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), told("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
            (Some(path), _) => (Metadata::of_container()?, path),
            (None, Some(url)) => Metadata::of_url(&url)?,
            (None, None) => return Err(NoContainer.into()),
        };
    let file = told("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|file| Credential::File(file.into()));
    let given = || told("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|text| Credential::Given(Secret::new(text)));
    Ok(AwsCredentials::Container { service, path, authorization: file.or_else(given) })
}

fn aws(settings: &AwsKms, world: World) -> Result<Arc<dyn KeyProvider>, Failure> {
    let settings = AwsKmsSettings {
        service: service(&settings.network, settings.target()?)?,
        region: settings.region.clone(),
        key: settings.key.clone(),
        credentials: match settings.credentials {
            AwsSource::Keys => AwsCredentials::Keys {
                access_key_id: needed(&settings.access_key_id)?.clone(),
                secret_access_key: credential(needed(&settings.secret_access_key)?)?,
                session_token: settings.session_token.as_ref().map(credential).transpose()?,
            },
            AwsSource::Instance => AwsCredentials::Instance(Metadata::of_instance()?),
            AwsSource::Container => container()?,
        },
    };
    Ok(Arc::new(vault::AwsKms::open(settings, world)?))
}

fn google(settings: &GcpKms, world: World) -> Result<Arc<dyn KeyProvider>, Failure> {
    let settings = GoogleKmsSettings {
        service: service(&settings.network, settings.target()?)?,
        key: settings.key.clone(),
        service_account: credential(&settings.service_account)?,
    };
    Ok(Arc::new(vault::GoogleKms::open(settings, world)?))
}

fn azure(settings: &AzureKeyVault, world: World) -> Result<Arc<dyn KeyProvider>, Failure> {
    let [target, login] = settings.targets()?;
    let (scope, wrapping) = match settings.managed_hsm {
        false => ("https://vault.azure.net/.default", AzureWrapping::RsaOaep256),
        true => ("https://managedhsm.azure.net/.default", AzureWrapping::A256Kw),
    };
    let settings = AzureKeyVaultSettings {
        service: service(&settings.network, target)?,
        login,
        scope: scope.to_owned(),
        directory: settings.directory.clone(),
        client_id: settings.client_id.clone(),
        client_secret: credential(&settings.client_secret)?,
        key: settings.key.clone(),
        wrapping,
    };
    Ok(Arc::new(vault::AzureKeyVault::open(settings, world)?))
}

fn service(network: &Reach, target: outbound::Target) -> Result<Service, Failure> {
    let service = Service::at(target);
    Ok(match &network.ca {
        Some(path) => Service { roots: Roots::from_file(path)?, ..service },
        None => service,
    })
}

/// A file is read for each use, so that it can be renewed; an environment is read once.
fn credential(reference: &Reference) -> Result<Credential, ConfigError> {
    Ok(match reference {
        Reference::Env(_) => Credential::Given(reference.resolve()?),
        Reference::File(path) => Credential::File(path.clone()),
    })
}

/// What the configuration's check has seen to already.
fn needed<T>(setting: &Option<T>) -> Result<&T, ConfigError> {
    setting
        .as_ref()
        .ok_or(ConfigError::Value { key: "keys", message: "lacks the provider's settings".to_owned() })
}
