//! Where every sealed column's records live and which key opens them: the one list that checking needs.
//! Messages are not in it; they are checked along their chains.

use kernel::{ConversationId, EventId, ReleaseId, TenantId, TicketId, Timestamp, UserId};
use store::dump::Table;
use store::{FromValue, Value};
use store::{
    access_requests, api_keys, audit, bots, connections, conversations, credentials, directory, holds,
    identities, notices, policies, settings, tickets, users,
};
use vault::{Place, Purpose};

use crate::BackupError;

/// A row, read by the names of its columns.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) table: &'static Table,
    pub(crate) values: &'a [Value<'static>],
}

impl View<'_> {
    pub(crate) fn raw(&self, column: &str) -> Option<&Value<'static>> {
        let at = self.table.columns().iter().position(|known| known.name == column)?;
        self.values.get(at)
    }

    /// A column's value, or nothing when it is another kind.
    pub(crate) fn get<T: FromValue>(&self, column: &str) -> Option<T> {
        T::from_value(self.raw(column)?.clone())
    }

    /// The row's name in a report: its id, or what it has of one.
    pub(crate) fn name(&self) -> String {
        let texts: Vec<String> = self
            .table
            .key_columns()
            .filter(|column| column.name != "tenant")
            .filter_map(|column| self.raw(&column.name))
            .map(|value| match value {
                Value::Null => "nothing".to_owned(),
                Value::Int(number) => number.to_string(),
                Value::Text(text) => text.to_string(),
                Value::Blob(bytes) => hex::encode(bytes),
            })
            .collect();
        if texts.is_empty() { "its only row".to_owned() } else { texts.join("/") }
    }
}

/// Which data key seals a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyOf {
    /// The key of a conversation, of this generation.
    Conversation(ConversationId, u32),
    /// The tenant's key of one of these purposes, of this generation.
    Tenant(&'static [Purpose], u32),
    /// The key of a release's parts, whose generation stands with the release.
    Release(ReleaseId),
}

/// Where a record lives, and its key.
pub(crate) type Home = (Place, KeyOf);

/// The tables whose sealed columns are checked along their chains.
pub(crate) const CHAINED: &str = "messages";

/// The home of one sealed column of a row. `None` when the column is not known here, which a test
/// does not let pass.
pub(crate) fn home(view: &View<'_>, column: &str) -> Option<Result<Home, BackupError>> {
    let rule: fn(&View<'_>, TenantId) -> Option<Home> = match (view.table.name(), column) {
        ("conversations", "context") => |row, tenant| {
            let id = row.get("id")?;
            let place = conversations::context_place(tenant, id);
            Some((place, KeyOf::Conversation(id, row.get("context_gen")?)))
        },
        ("conversations", "flow_state") => |row, tenant| {
            let id = row.get("id")?;
            let place = conversations::flow_place(tenant, id, row.get("flow_seq")?);
            Some((place, KeyOf::Conversation(id, row.get("flow_gen")?)))
        },
        ("tickets", "title") => |row, tenant| ticket(row, tenant, tickets::title_place),
        ("tickets", "body") => |row, tenant| ticket(row, tenant, tickets::body_place),
        ("tickets", "contact") => |row, tenant| ticket(row, tenant, tickets::contact_place),
        ("release_parts", "record") => |row, tenant| {
            let release = row.get("release")?;
            Some((bots::part_place(tenant, release, row.get("part")?), KeyOf::Release(release)))
        },
        ("users", "email") => |row, tenant| identity(row, users::email_place(tenant, row.get("id")?)),
        ("users", "name") => |row, tenant| identity(row, users::name_place(tenant, row.get("id")?)),
        ("passwords", "phc") => |row, tenant| {
            let place = credentials::password_place(tenant, row.get("user_id")?, row.get("changed_ms")?);
            identity(row, place)
        },
        ("totp", "seed") => |row, tenant| identity(row, credentials::totp_place(tenant, row.get("user_id")?)),
        ("passkeys", "public") => |row, tenant| {
            identity(row, credentials::passkey_place(tenant, row.get("user_id")?, row.get("credential")?))
        },
        ("passkeys", "name") => |row, tenant| {
            identity(
                row,
                credentials::passkey_name_place(tenant, row.get("user_id")?, row.get("credential")?),
            )
        },
        ("grants", "reason") => |row, tenant| {
            let (user, granted): (UserId, Timestamp) = (row.get("user_id")?, row.get("granted_ms")?);
            identity(row, users::reason_place(tenant, user, granted))
        },
        ("invites", "email") => |row, tenant| identity(row, users::invite_place(tenant, row.get("id")?)),
        ("settings", "value") => |row, tenant| {
            let name: String = row.get("name")?;
            let purposes = &[Purpose::Secrets, Purpose::Settings];
            Some((settings::value_place(tenant, &name), KeyOf::Tenant(purposes, row.get("key_gen")?)))
        },
        ("connections", "settings") => |row, tenant| {
            let place = connections::settings_place(tenant, row.get("id")?);
            Some((place, KeyOf::Tenant(&[Purpose::Settings], row.get("key_gen")?)))
        },
        ("connections", "secret") => |row, tenant| {
            let place = connections::secret_place(tenant, row.get("id")?);
            Some((place, KeyOf::Tenant(&[Purpose::Secrets], row.get("secret_gen")?)))
        },
        ("connection_domains", "domain") => |row, tenant| {
            let place = connections::domain_place(tenant, row.get("domain_blind")?);
            Some((place, KeyOf::Tenant(STAFF, row.get("key_gen")?)))
        },
        ("identities", "subject") => |row, tenant| {
            let place = identities::subject_place(tenant, row.get("subject_blind")?);
            Some((place, KeyOf::Tenant(STAFF, row.get("key_gen")?)))
        },
        ("policy_versions", "files") => |row, tenant| {
            let place = policies::files_place(tenant, row.get("id")?);
            Some((place, KeyOf::Tenant(&[Purpose::Settings], row.get("key_gen")?)))
        },
        ("policy_versions", "reason") => |row, tenant| {
            let place = policies::reason_place(tenant, row.get("id")?);
            Some((place, KeyOf::Tenant(&[Purpose::Settings], row.get("key_gen")?)))
        },
        ("access_requests", "reason") => {
            |row, tenant| identity(row, access_requests::reason_place(tenant, row.get("id")?))
        }
        ("break_glass_uses", "finding") => {
            |row, tenant| identity(row, access_requests::finding_place(tenant, row.get("session")?))
        }
        ("legal_holds", "reason") => |row, tenant| identity(row, holds::reason_place(tenant, row.get("id")?)),
        ("legal_holds", "lift_reason") => |row, tenant| {
            let key = KeyOf::Tenant(&[Purpose::Identity], row.get("lift_gen")?);
            Some((holds::lift_place(tenant, row.get("id")?), key))
        },
        ("notices", "particulars") => {
            |row, tenant| identity(row, notices::particulars_place(tenant, row.get("id")?))
        }
        ("api_keys", "name") => |row, tenant| identity(row, api_keys::name_place(tenant, row.get("id")?)),
        ("api_keys", "sources") => {
            |row, tenant| identity(row, api_keys::sources_place(tenant, row.get("id")?))
        }
        ("directory_entries", "record") => {
            |row, tenant| identity(row, directory::record_place(tenant, row.get("id")?))
        }
        ("ledger_leaves", "detail") => |row, tenant| {
            let event: EventId = row.get("event")?;
            let key = KeyOf::Tenant(&[Purpose::Ledger], row.get("detail_gen")?);
            Some((audit::detail_place(tenant, event), key))
        },
        _ => return None,
    };
    let home = view.get("tenant").and_then(|tenant| rule(view, tenant));
    Some(home.ok_or(BackupError::Malformed { why: "a row lacks what its seal names" }))
}

/// The purposes of keys that seal what is known of staff and of where they sign in.
const STAFF: &[Purpose] = &[Purpose::Identity, Purpose::Settings, Purpose::Secrets];

fn identity(row: &View<'_>, place: Place) -> Option<Home> {
    Some((place, KeyOf::Tenant(&[Purpose::Identity], row.get("key_gen")?)))
}

fn ticket(row: &View<'_>, tenant: TenantId, place: fn(TenantId, TicketId) -> Place) -> Option<Home> {
    let key = KeyOf::Conversation(row.get("conversation")?, row.get("key_gen")?);
    Some((place(tenant, row.get("id")?), key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::dump;

    #[test]
    fn every_sealed_column_has_a_home() {
        let mut missing = Vec::new();
        for table in dump::tables(dump::schema()) {
            for column in table.columns().iter().filter(|column| column.class == "sealed") {
                let values = vec![Value::Null; table.columns().len()];
                let view = View { table, values: &values };
                if table.name() != CHAINED && home(&view, &column.name).is_none() {
                    missing.push(format!("{}.{}", table.name(), column.name));
                }
            }
        }
        assert!(
            missing.is_empty(),
            "say in this file where these live and which key opens them: {missing:?}"
        );
    }
}
