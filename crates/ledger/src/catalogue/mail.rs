//! Letters to members of staff, and how the relay is that takes them.

use kernel::{NoticeId, UserId};

use super::{by_name, by_uid, events};
use crate::jcs::Json;
use crate::words::Pseudonym;

events! {
    /// The relay took over a letter that tells somebody what changed on their account.
    "MAIL-1001I" "letter.sent" LetterSent: AccountChange 99, Info, Success, Security {
        /// The notice.
        notice: NoticeId,
        /// Who is told.
        user: UserId,
        /// Of what, as notices name it.
        kind: &'static str,
    }
    shape |e| { "user": by_uid(e.user) };

    /// A letter that tells somebody what changed on their account will not be sent: it was refused for good,
    /// or tried for a day in vain. The notice stays on the console until it is acknowledged.
    "MAIL-1002W" "letter.given_up" LetterGivenUp: AccountChange 99, Warning, Failure, Security {
        /// The notice.
        notice: NoticeId,
        /// Who is not told.
        user: UserId,
        /// Of what, as notices name it.
        kind: &'static str,
        /// How often it was tried.
        tries: u64,
        /// The relay's reply code to the last try; absent when it gave none.
        code: Option<u64>,
    }
    shape |e| { "user": by_uid(e.user) };

    /// No letter has left for a quarter of an hour, because the relay cannot be reached, is not to be trusted,
    /// or does not let us in. Written once, until letters leave again.
    "MAIL-1003W" "mail.failing" MailFailing: ApplicationLifecycle 99, Warning, Failure, Security {
        /// Why: `unreachable`, `untrusted`, `unencrypted`, `refused` or `garbled`.
        why: &'static str,
        /// The relay's reply code; absent when it gave none.
        code: Option<u64>,
    }
    shape |_e| { "app": by_name("wardroom-mail") };

    /// Letters leave again.
    "MAIL-1004I" "mail.restored" MailRestored: ApplicationLifecycle 99, Info, Success, Security {
        /// How many seconds none did.
        seconds: u64,
    }
    shape |_e| { "app": by_name("wardroom-mail") };

    /// The relay took over a letter with the link of an invitation.
    "MAIL-1005I" "invitation.sent" InvitationSent: Api 99, Info, Success, Accountability {
        /// To which address.
        to: Pseudonym,
    }
    shape |e| { "resources": Json::List(vec![by_uid(e.to)]) };
}
