//! A bot's secrets: credentials that its connectors and webhooks need. They are never in the bot's
//! folder, which goes into version control; here each is sealed under the tenant's key for secrets,
//! at a place that names the bot and the secret.
//!
//! Nobody reads a secret back: it can be set, listed by name and removed. Only the code that uses it
//! opens it.

use guard::Permit;
use guard::action::{ReadBots, UpdateBot};
use kernel::{BotName, Secret};
use ledger::catalogue::BotSecretChanged;
use store::{StoreError, Via, settings};
use vault::Purpose;

use crate::shelf::{Shelf, ShelfError};

/// The longest secret, in bytes.
pub const MAX_SECRET: usize = 16 * 1024;

/// The name of a secret: like an environment variable's, so that flows can name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(String);

/// Why something is no name of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret's name has 1 to 64 capital letters, digits and underscores, and begins with a letter")]
pub struct SecretNameError;

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, SecretNameError> {
        let plain = text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
        if plain && begins && text.len() <= 64 { Ok(Self(text.to_owned())) } else { Err(SecretNameError) }
    }
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Shelf {
    /// Keeps a secret of the permit's bot, in place of the one it had under that name.
    ///
    /// # Errors
    /// [`ShelfError::Secret`] when it is empty or longer than [`MAX_SECRET`]; when the store or the keys
    /// fail.
    pub async fn set_secret(
        &self,
        permit: Permit<UpdateBot>,
        name: &SecretName,
        value: &Secret<String>,
        via: &Via,
    ) -> Result<(), ShelfError> {
        if value.expose().is_empty() || value.expose().len() > MAX_SECRET {
            return Err(ShelfError::Secret);
        }
        let (tenant, bot, world) = (permit.tenant(), bot_of(&permit)?, self.world());
        let key = self.keys().tenant_data_key(tenant, Purpose::Secrets).await?;
        let setting = setting(&bot, name);
        let sealed =
            key.seal(&settings::value_place(tenant, &setting), &value.expose().as_bytes().to_vec())?;
        let event = BotSecretChanged { bot, secret: ledger::Token::lossy(name.as_str()), change: "set" };
        let entry = self.keys().scribe(tenant).await?.write(&event, permit.actor(), via)?;
        let (generation, now) = (key.generation(), world.now());
        self.db()
            .write(move |tx| {
                settings::set(tx, tenant, &setting, &sealed, generation, now)?;
                entry.append(tx)
            })
            .await?;
        Ok(())
    }

    /// Forgets a secret of the permit's bot.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it has none of that name; when the store or the keys fail.
    pub async fn remove_secret(
        &self,
        permit: Permit<UpdateBot>,
        name: &SecretName,
        via: &Via,
    ) -> Result<(), ShelfError> {
        let (tenant, bot) = (permit.tenant(), bot_of(&permit)?);
        let setting = setting(&bot, name);
        let event = BotSecretChanged { bot, secret: ledger::Token::lossy(name.as_str()), change: "removed" };
        let entry = self.keys().scribe(tenant).await?.write(&event, permit.actor(), via)?;
        self.db()
            .write(move |tx| {
                if settings::get(tx, tenant, &setting)?.is_none() {
                    return Err(StoreError::Missing { what: "secret" });
                }
                settings::remove(tx, tenant, &setting)?;
                entry.append(tx)
            })
            .await?;
        Ok(())
    }

    /// The names of the secrets that the permit's bot has.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn secrets(&self, permit: Permit<ReadBots>) -> Result<Vec<SecretName>, ShelfError> {
        let (tenant, bot) = (permit.tenant(), bot_of(&permit)?);
        let prefix = format!("bot.{bot}.secret.");
        let names = self.db().read(move |tx| settings::names(tx, tenant)).await?;
        Ok(names.iter().filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).collect())
    }

    /// Opens a secret for the code that needs it.
    ///
    /// # Errors
    /// When the store or the keys fail, or the record was altered.
    pub async fn secret(
        &self,
        bot: &BotName,
        name: &SecretName,
    ) -> Result<Option<Secret<String>>, ShelfError> {
        let (tenant, setting) = (self.tenant(), setting(bot, name));
        let place = settings::value_place(tenant, &setting);
        let Some((sealed, generation)) =
            self.db().read(move |tx| settings::get(tx, tenant, &setting)).await?
        else {
            return Ok(None);
        };
        let key = self.keys().tenant_data_key_at(tenant, Purpose::Secrets, generation).await?;
        let bytes = key.open(&place, &sealed)?;
        Ok(Some(Secret::new(String::from_utf8(bytes).map_err(|_| ShelfError::Secret)?)))
    }
}

fn setting(bot: &BotName, name: &SecretName) -> String {
    format!("bot.{bot}.secret.{name}")
}

fn bot_of<A: guard::Action>(permit: &Permit<A>) -> Result<BotName, ShelfError> {
    Ok(permit.bot().ok_or(StoreError::Missing { what: "bot" })?.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_like_that_of_an_environment_variable() {
        for good in ["A", "CRM_TOKEN", "KEY2"] {
            assert_eq!(good.parse::<SecretName>().unwrap().as_str(), good);
        }
        for bad in ["", "2KEY", "_A", "crm", "A-B", "A.B", &"A".repeat(65)] {
            assert_eq!(bad.parse::<SecretName>(), Err(SecretNameError), "{bad}");
        }
    }
}
