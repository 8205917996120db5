//! Opening a conversation: a person, keys of their own, the bot's greeting.

use guard::action::{OpenConversation, PostMessage};
use guard::{Actor, Circumstances, Permit, Visitor};
use kernel::{MessageId, MessageText, Secret, SessionId, SubjectId};
use ledger::catalogue::ConversationOpened;
use store::messages::{self, NewMessage, Next, Speaker};
use store::{StoreError, Via, conversations};
use vault::Purpose;

use crate::live::Signal;
use crate::token::Holder;
use crate::{ConversationError, Conversations, token};

/// What the person's page tells.
#[derive(Debug, Default)]
pub struct Opening {
    /// The language of the page, a BCP 47 tag.
    pub locale: Option<String>,
    /// Who it is, when somebody has vouched for them; otherwise somebody new.
    pub subject: Option<SubjectId>,
    /// The session in which they are signed in, if they are: the token ends with it.
    pub session: Option<SessionId>,
    /// What the page knows about the person, as JSON text; sealed, shown to staff only.
    pub context: Option<Vec<u8>>,
}

/// A conversation that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The person and the conversation.
    pub visitor: Visitor,
    /// What opens it from now on.
    pub token: Secret<String>,
}

impl Conversations {
    /// Opens a conversation with the permit's bot. When this returns, it is stored, with the bot's
    /// greeting as its first message.
    ///
    /// # Errors
    /// When no such bot is live, or the store or the keys fail.
    pub async fn open(
        &self,
        permit: Permit<OpenConversation>,
        opening: Opening,
        via: &Via,
    ) -> Result<Opened, ConversationError> {
        let inner = &self.0;
        let (tenant, world) = (permit.tenant(), &inner.world);
        let Some(bot) = permit.resource().bot().cloned() else {
            return Err(StoreError::Missing { what: "bot" }.into());
        };
        let live = inner.bots.live(tenant, bot.clone()).await?;
        let (release, compiled) = live.ok_or_else(|| ConversationError::NoSuchBot(bot.clone()))?;

        let visitor = Visitor {
            tenant,
            subject: opening.subject.unwrap_or_else(|| world.id()),
            conversation: world.id(),
        };
        let (subject, conversation, now) = (visitor.subject, visitor.conversation, world.now());
        let key = inner.keys.conversation_key(tenant, subject, conversation).await?;
        let scribe = inner.keys.scribe(tenant).await?;
        let event = ConversationOpened {
            conversation,
            subject: scribe.pseudonym(subject)?,
            bot: bot.clone(),
            release: Some(release),
        };
        let entry = scribe.write(&event, &Actor::Visitor(visitor), via)?;
        let context = match &opening.context {
            Some(context) => Some((
                key.seal(&conversations::context_place(tenant, conversation), context)?,
                key.generation(),
            )),
            None => None,
        };
        let new = conversations::NewConversation {
            id: conversation,
            subject,
            now,
            locale: opening.locale.unwrap_or_default(),
            release: Some(release),
            context,
        };
        let greeting = MessageText::new(&compiled.manifest.greeting).ok();
        let (guard, greeting_id): (_, MessageId) = (inner.guard.clone(), world.id());
        inner
            .db
            .write(move |tx| {
                conversations::open(tx, &permit, &new)?;
                if let Some(greeting) = &greeting {
                    let facts = conversations::facts(tx, tenant, conversation)?;
                    let resource = facts.ok_or(StoreError::Missing { what: "conversation" })?.resource();
                    let speak = guard
                        .permit::<PostMessage>(&visitor.into(), &resource, &Circumstances::at(now))
                        .map_err(StoreError::refuse)?;
                    if let Next::Fresh(slot) = messages::next(tx, &speak, greeting_id, Speaker::Bot, now)? {
                        let record = key.seal(&slot.place(), greeting).map_err(StoreError::refuse)?;
                        let key_gen = key.generation();
                        messages::append(
                            tx,
                            slot,
                            NewMessage { record, citations: None, key_gen, author: None },
                        )?;
                    }
                }
                entry.append(tx)
            })
            .await?;
        inner.live.signal(conversation, Signal::Changed);
        let token = self.token(&Holder { visitor, session: opening.session }).await?;
        Ok(Opened { visitor, token })
    }

    /// A new token for somebody whose old one, or whose session, was checked.
    ///
    /// # Errors
    /// When the keys fail.
    pub async fn token(&self, holder: &Holder) -> Result<Secret<String>, ConversationError> {
        let key = self.0.keys.tenant_data_key(holder.visitor.tenant, Purpose::Secrets).await?;
        Ok(token::mint(&key, holder, self.0.world.now())?)
    }

    /// Checks a token at the door of a tenant. Whether the session that it names still holds is not known
    /// here.
    ///
    /// # Errors
    /// The outer error when the keys fail, the inner one when the token is false or expired.
    pub async fn holder(
        &self,
        tenant: kernel::TenantId,
        presented: &str,
    ) -> Result<Result<Holder, token::TokenRefused>, ConversationError> {
        let (keys, now) = (&self.0.keys, self.0.world.now());
        let key = keys.tenant_data_key(tenant, Purpose::Secrets).await?;
        let checked = token::check(&key, tenant, presented, now);
        // A token lives for half an hour and a key for months: one that is not of this generation can
        // only be of the one before it.
        match (checked, key.generation().checked_sub(1)) {
            (Err(_), Some(before)) if before > 0 => {
                let key = keys.tenant_data_key_at(tenant, Purpose::Secrets, before).await?;
                Ok(token::check(&key, tenant, presented, now))
            }
            (checked, _) => Ok(checked),
        }
    }
}
