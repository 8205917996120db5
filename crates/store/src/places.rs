//! The numbers of tables and sealed columns. They are part of what every seal authenticates (see
//! [`vault::Place`]), so a number never changes meaning and is never used again.

use kernel::{Id, TenantId};
use vault::{Column, Place, Table};

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident = $table:literal . $column:literal;)*) => {
        /// A sealed column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SealedColumn {
            $($(#[$doc])* $name,)*
        }

        impl SealedColumn {
            /// Every sealed column.
            pub const ALL: &'static [SealedColumn] = &[$(Self::$name),*];

            /// Its table's number and its own.
            pub const fn numbers(self) -> (u16, u16) {
                match self { $(Self::$name => ($table, $column),)* }
            }
        }
    };
}

places! {
    /// `messages.record`
    MessageRecord = 1 . 1;
    /// `messages.citations`
    MessageCitations = 1 . 2;
    /// `conversations.context`
    ConversationContext = 2 . 1;
    /// `conversations.flow_state`
    ConversationFlow = 2 . 2;
    /// `tickets.title`
    TicketTitle = 3 . 1;
    /// `tickets.body`
    TicketBody = 3 . 2;
    /// `tickets.contact`
    TicketContact = 3 . 3;
    /// `release_parts.record`
    ReleasePart = 4 . 1;
    /// `users.email`
    UserEmail = 5 . 1;
    /// `users.name`
    UserName = 5 . 2;
    /// `passwords.phc`
    Password = 6 . 1;
    /// `totp.seed`
    TotpSeed = 7 . 1;
    /// `passkeys.public`
    PasskeyPublic = 8 . 1;
    /// `passkeys.name`
    PasskeyName = 8 . 2;
    /// `grants.reason`
    GrantReason = 9 . 1;
    /// `invites.email`
    InviteEmail = 10 . 1;
    /// `ceremonies.state`
    CeremonyState = 11 . 1;
    /// `settings.value`
    SettingValue = 12 . 1;
    /// `ledger_leaves.detail`
    LedgerDetail = 13 . 1;
    /// `connections.settings`
    ConnectionSettings = 30 . 1;
    /// `connections.secret`
    ConnectionSecret = 30 . 2;
    /// `connection_domains.domain`
    ConnectionDomain = 31 . 1;
    /// `identities.subject`
    IdentitySubject = 32 . 1;
    /// `session_origins.hint`
    SessionHint = 33 . 1;
    /// `person_sessions.hint`
    PersonHint = 34 . 1;
    /// `directory_entries.record`
    DirectoryRecord = 40 . 1;
    /// `access_requests.reason`
    AccessReason = 51 . 1;
    /// `break_glass_uses.finding`
    GlassFinding = 52 . 1;
    /// `api_keys.name`
    ApiKeyName = 50 . 1;
    /// `api_keys.sources`
    ApiKeySources = 50 . 2;
    /// `policy_versions.files`
    PolicyFiles = 60 . 1;
    /// `policy_versions.reason`
    PolicyReason = 60 . 2;
    /// `legal_holds.reason`
    HoldReason = 70 . 1;
    /// `legal_holds.lift_reason`
    HoldLiftReason = 70 . 2;
    /// `notices.particulars`
    NoticeParticulars = 80 . 1;
}

impl SealedColumn {
    /// The place of this column in one row. A row that has more to it than an id (a sequence number,
    /// a role) names that as well, in its own table's function.
    pub fn of(self, tenant: TenantId, row: impl Id) -> Place {
        self.at(tenant, row.to_bytes())
    }

    /// The same for a row whose key is 16 bytes of another kind.
    pub fn at(self, tenant: TenantId, row: [u8; 16]) -> Place {
        let (table, column) = self.numbers();
        Place::new(tenant, Table::new(table), row, Column::new(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_columns_share_their_numbers() {
        let mut numbers: Vec<_> = SealedColumn::ALL.iter().map(|column| column.numbers()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), SealedColumn::ALL.len());
    }
}
