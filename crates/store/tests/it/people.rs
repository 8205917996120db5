//! A tenant with keys, a visitor who chats and staff of each role, for the tests of the tables.

use std::sync::{Arc, OnceLock};

use guard::action::{OpenConversation, PostMessage};
use guard::{
    Action, Actor, Circumstances, Grant, Guard, Permit, Resource, Role, ServiceName, Staff, Visitor,
};
use kernel::{
    BotName, ConversationId, Id, MessageId, MessageText, Reason, SubjectId, TenantId, UserId, World,
};
use store::messages::{NewMessage, Next, Speaker};
use store::{StoreError, Tx, conversations, keys, messages, tenants};
use vault::{CachePolicy, DataKey, FileRoot, Keyring, Purpose};

use crate::house::House;

pub(crate) fn guard() -> &'static Guard {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    GUARD.get_or_init(|| Guard::embedded().unwrap())
}

pub(crate) fn bot() -> BotName {
    BotName::new("front-desk").unwrap()
}

/// A tenant with its first key.
pub(crate) struct Tenancy {
    pub(crate) world: World,
    pub(crate) tenant: TenantId,
    pub(crate) keyring: Arc<Keyring>,
    _room: tempfile::TempDir,
}

/// A conversation with its key, and the visitor who holds it.
#[derive(Clone)]
pub(crate) struct Chat {
    pub(crate) id: ConversationId,
    pub(crate) subject: SubjectId,
    pub(crate) key: Arc<DataKey>,
    pub(crate) actor: Actor,
    pub(crate) resource: Resource,
}

impl Tenancy {
    pub(crate) async fn new(house: &House) -> Self {
        let world = house.world.clone();
        let room = tempfile::tempdir().unwrap();
        let root = FileRoot::create(room.path().join("root.key"), world.clone()).unwrap();
        let keyring = Arc::new(Keyring::new(Arc::new(root), world.clone(), CachePolicy::default()));
        let tenant: TenantId = world.id();
        let first = keyring.new_tenant_key(tenant, 1).unwrap();
        let now = world.now();
        house
            .db
            .write(move |tx| {
                tenants::create(tx, tenant, now)?;
                keys::add_tenant_key(tx, &first, "file", now)
            })
            .await
            .unwrap();
        Self { world, tenant, keyring, _room: room }
    }

    /// A key that seals the tenant's rows of one purpose.
    pub(crate) async fn key(&self, house: &House, purpose: Purpose) -> Arc<DataKey> {
        let (keyring, tenant, now) = (self.keyring.clone(), self.tenant, self.world.now());
        house
            .db
            .write(move |tx| {
                let top = keys::active_tenant_key(tx, tenant)?.unwrap();
                let generation = keys::next_generation(tx, tenant, purpose, keys::house_of(tenant))?;
                let key =
                    keyring.new_data_key(&top, None, purpose, generation).map_err(StoreError::refuse)?;
                keys::add_data_key(tx, &key, keys::house_of(tenant), now)?;
                let chain = keys::newest(tx, tenant, purpose, keys::house_of(tenant))?.unwrap();
                keyring.data_key(&chain.link()).map_err(StoreError::refuse)
            })
            .await
            .unwrap()
    }

    /// Opens a conversation as a stranger at the door does: subject, keys and row in one transaction.
    pub(crate) async fn chat(&self, house: &House) -> Chat {
        self.try_chat(house, self.world.id()).await.unwrap()
    }

    pub(crate) async fn try_chat(&self, house: &House, subject: SubjectId) -> Result<Chat, StoreError> {
        let (tenant, world, keyring) = (self.tenant, self.world.clone(), self.keyring.clone());
        let id: ConversationId = world.id();
        let door = Resource::Bot { tenant, bot: bot() };
        let permit = self.permit::<OpenConversation>(&Actor::Anonymous { tenant }, &door);
        let now = world.now();
        let key = house
            .db
            .write(move |tx| {
                let top = keys::active_tenant_key(tx, tenant)?.unwrap();
                let above = match keys::subject_key(tx, tenant, subject)? {
                    Some(known) => known,
                    None => {
                        let new = keyring.new_subject_key(&top, subject).map_err(StoreError::refuse)?;
                        keys::add_subject_key(tx, &new, now)?;
                        new
                    }
                };
                let data = keyring
                    .new_data_key(&top, Some(&above), Purpose::Conversation, 1)
                    .map_err(StoreError::refuse)?;
                keys::add_data_key(tx, &data, id.to_bytes(), now)?;
                let new = conversations::NewConversation {
                    id,
                    subject,
                    now,
                    locale: "en".to_owned(),
                    release: None,
                    context: None,
                };
                conversations::open(tx, &permit, &new)?;
                let chain = keys::newest(tx, tenant, Purpose::Conversation, id.to_bytes())?.unwrap();
                keyring.data_key(&chain.link()).map_err(StoreError::refuse)
            })
            .await?;
        let resource = Resource::Conversation {
            tenant,
            bot: bot(),
            conversation: id,
            subject,
            assignee: None,
            waiting: false,
        };
        let actor = Actor::Visitor(Visitor { tenant, subject, conversation: id });
        Ok(Chat { id, subject, key, actor, resource })
    }

    pub(crate) fn permit<A: Action>(&self, actor: &Actor, resource: &Resource) -> Permit<A> {
        let reason = Reason::new("a test looks").unwrap();
        let circumstances = Circumstances::at(self.world.now()).because(reason);
        guard().permit(actor, resource, &circumstances).unwrap()
    }

    pub(crate) fn staff(&self, role: Role) -> Actor {
        self.staff_of(role, self.world.id())
    }

    pub(crate) fn staff_of(&self, role: Role, user: UserId) -> Actor {
        Actor::Staff(Staff {
            user,
            tenant: self.tenant,
            grants: vec![Grant::everywhere(role)],
            assurance: 2,
            authenticated_at: self.world.now(),
            session: self.world.id(),
        })
    }

    pub(crate) fn operator(&self) -> Actor {
        Actor::Service { name: ServiceName::Operator, tenant: self.tenant }
    }

    pub(crate) fn whole(&self) -> Resource {
        Resource::Tenant(self.tenant)
    }

    pub(crate) fn account(&self, user: UserId) -> Resource {
        Resource::Account { tenant: self.tenant, user }
    }

    pub(crate) fn says(&self, chat: &Chat) -> Permit<PostMessage> {
        self.permit(&chat.actor, &chat.resource)
    }
}

/// What a room does to store a message, in one job.
pub(crate) fn say(
    tx: &mut Tx<'_>,
    permit: &Permit<PostMessage>,
    key: &DataKey,
    id: MessageId,
    text: &MessageText,
    now: kernel::Timestamp,
) -> Result<u64, StoreError> {
    match messages::next(tx, permit, id, Speaker::Person, now)? {
        Next::Already { seq } => Ok(seq),
        Next::Fresh(slot) => {
            let record = key.seal(&slot.place(), text).map_err(StoreError::refuse)?;
            let new = NewMessage { record, citations: None, key_gen: key.generation(), author: None };
            messages::append(tx, slot, new)
        }
    }
}

impl Tenancy {
    pub(crate) async fn say(&self, house: &House, chat: &Chat, text: &str) -> Result<u64, StoreError> {
        let (permit, key, id, now) = (self.says(chat), chat.key.clone(), self.world.id(), self.world.now());
        let text = MessageText::new(text).unwrap();
        house.db.write(move |tx| say(tx, &permit, &key, id, &text, now)).await
    }
}
