//! The facts of one question in Cedar's words: three entities (who, what is done, what about) and the
//! moment. No entity of the store is loaded beyond these; everything a policy may weigh is on them. For
//! people who chat the facts are flat, without the scopes and groups above them (`Asker::is_flat`).

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};
use kernel::{BotName, TenantId};

use crate::grants::Duty;
use crate::policy::{Asker, GuardError};
use crate::{Act, Actor, Circumstances, Grant, Resource, Role, Scope};

/// The facts of one question, ready to be weighed.
pub(crate) struct Facts {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

/// The facts could not be put together. It is treated as a refusal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault;

/// Names that are parsed once, and each action with the groups that it lies in.
#[derive(Debug)]
pub(crate) struct Words {
    scope: EntityTypeName,
    user: EntityTypeName,
    api_key: EntityTypeName,
    visitor: EntityTypeName,
    anonymous: EntityTypeName,
    service: EntityTypeName,
    resources: HashMap<&'static str, EntityTypeName>,
    actions: HashMap<Act, (EntityUid, Entity)>,
    groups: Entities,
}

type Attributes = HashMap<String, RestrictedExpression>;

impl Words {
    pub(crate) fn new(schema: &Schema) -> Result<Self, GuardError> {
        let name = |text: &str| {
            text.parse::<EntityTypeName>().map_err(|e| GuardError::Schema(format!("`{text}`: {e}")))
        };
        let action = name("Action")?;
        let known = schema.action_entities().map_err(|e| GuardError::Schema(e.to_string()))?;
        let mut actions = HashMap::new();
        for act in Act::ALL {
            let uid = EntityUid::from_type_name_and_id(action.clone(), EntityId::new(act.name()));
            // Without its groups an action would fall silently out of every `action in ..` policy.
            let entity = known.get(&uid).cloned();
            let entity = entity.ok_or_else(|| GuardError::Schema(format!("no action `{act}`")))?;
            actions.insert(*act, (uid, entity));
        }
        let mut resources = HashMap::new();
        for kind in Act::ALL.iter().flat_map(|act| act.resources()) {
            resources.insert(kind.name(), name(kind.name())?);
        }
        Ok(Self {
            scope: name("Scope")?,
            user: name("User")?,
            api_key: name("ApiKey")?,
            visitor: name("Visitor")?,
            anonymous: name("Anonymous")?,
            service: name("Service")?,
            resources,
            actions,
            groups: known,
        })
    }

    /// Whether an action lies in a group of the schema.
    pub(crate) fn lies_in(&self, act: Act, group: &str) -> bool {
        self.actions.get(&act).is_some_and(|(uid, _)| {
            let group = EntityUid::from_type_name_and_id(uid.type_name().clone(), EntityId::new(group));
            self.groups.is_ancestor_of(&group, uid)
        })
    }

    /// Puts the facts together.
    pub(crate) fn facts(
        &self,
        act: Act,
        actor: &Actor,
        resource: &Resource,
        circumstances: &Circumstances,
    ) -> Result<Facts, Fault> {
        let (action, action_entity) = self.actions.get(&act).ok_or(Fault)?;
        let flat = Asker::of(actor).is_flat();
        let principal = self.principal(act, actor)?;
        let thing = self.thing(resource, flat)?;
        let context = moment(actor, circumstances)?;
        let request = Request::new(principal.uid(), action.clone(), thing.uid(), context, None);
        let grouped = (!flat).then(|| action_entity.clone());
        let entities = Entities::from_entities([principal, thing].into_iter().chain(grouped), None);
        Ok(Facts { request: request.map_err(|_| Fault)?, entities: entities.map_err(|_| Fault)? })
    }

    fn principal(&self, act: Act, actor: &Actor) -> Result<Entity, Fault> {
        let mut attributes = self.belonging(actor.tenant());
        let uid = match actor {
            Actor::Anonymous { .. } => uid(&self.anonymous, "anonymous"),
            Actor::Service { name, .. } => uid(&self.service, name.name()),
            Actor::Directory { .. } => uid(&self.service, "directory"),
            Actor::Visitor(visitor) => {
                let conversation = self.resource("Conversation", &visitor.conversation.to_string())?;
                attributes.insert("conversation".to_owned(), reference(conversation));
                uid(&self.visitor, &visitor.subject.to_string())
            }
            Actor::ApiKey(program) => {
                let acts =
                    program.acts.iter().map(|act| RestrictedExpression::new_string(act.name().to_owned()));
                attributes.insert("acts".to_owned(), RestrictedExpression::new_set(acts));
                attributes.insert("scope".to_owned(), self.scope(program.tenant, &program.scope));
                uid(&self.api_key, &program.key.to_string())
            }
            Actor::Staff(staff) => {
                let assurance = RestrictedExpression::new_long(i64::from(staff.assurance));
                attributes.insert("assurance".to_owned(), assurance);
                attributes.insert("grants".to_owned(), self.grants(staff.tenant, &staff.grants)?);
                attributes.insert("custom".to_owned(), self.custom(act, staff.tenant, &staff.grants)?);
                uid(&self.user, &staff.user.to_string())
            }
        };
        Entity::new(uid, attributes, HashSet::new()).map_err(|_| Fault)
    }

    /// For each role the set of scopes in which it is held, empty ones too.
    fn grants(&self, tenant: TenantId, grants: &[Grant]) -> Result<RestrictedExpression, Fault> {
        let scopes_of = |role: Role| {
            let held = grants.iter().filter(move |grant| grant.role == role);
            held.map(|grant| self.scope(tenant, &grant.scope))
        };
        let fields = Role::ALL
            .iter()
            .map(|role| (role.name().to_owned(), RestrictedExpression::new_set(scopes_of(*role))));
        RestrictedExpression::new_record(fields).map_err(|_| Fault)
    }

    /// What roles made of actions add up to: where they give this very action, and the duties that come
    /// with all that they give.
    fn custom(&self, act: Act, tenant: TenantId, grants: &[Grant]) -> Result<RestrictedExpression, Fault> {
        let held = || {
            grants.iter().filter_map(|grant| match grant.role {
                Role::Custom(role) => Some((role, &grant.scope)),
                _ => None,
            })
        };
        let here = held().filter(|(role, _)| role.gives(act)).map(|(_, scope)| self.scope(tenant, scope));
        let mut fields = vec![("here".to_owned(), RestrictedExpression::new_set(here))];
        for duty in Duty::ALL {
            let holds = held().any(|(role, _)| role.duties().any(|one| one == *duty));
            fields.push((duty.name().to_owned(), RestrictedExpression::new_bool(holds)));
        }
        RestrictedExpression::new_record(fields).map_err(|_| Fault)
    }

    fn scope(&self, tenant: TenantId, scope: &Scope) -> RestrictedExpression {
        match scope {
            Scope::Tenant => reference(self.tenant_scope(tenant)),
            Scope::Bot(bot) => reference(self.bot_scope(tenant, bot)),
        }
    }

    fn thing(&self, resource: &Resource, flat: bool) -> Result<Entity, Fault> {
        let tenant = resource.tenant();
        let mut attributes = self.belonging(tenant);
        // The scopes above it are named one by one, so that they need no entities of their own.
        let mut scopes = HashSet::new();
        if !flat {
            scopes.insert(self.tenant_scope(tenant));
            scopes.extend(resource.bot().map(|bot| self.bot_scope(tenant, bot)));
        }
        let id = match resource {
            Resource::Tenant(tenant) => tenant.to_string(),
            Resource::Bot { bot, .. } => format!("{tenant}/{bot}"),
            Resource::Release { release, author, .. } => {
                if let Some(author) = author {
                    let author = reference(uid(&self.user, &author.to_string()));
                    attributes.insert("author".to_owned(), author);
                }
                release.to_string()
            }
            Resource::Conversation { conversation, subject, assignee, waiting, .. } => {
                let subject = reference(uid(&self.visitor, &subject.to_string()));
                attributes.insert("subject".to_owned(), subject);
                if let Some(assignee) = assignee {
                    let assignee = reference(uid(&self.user, &assignee.to_string()));
                    attributes.insert("assignee".to_owned(), assignee);
                }
                attributes.insert("waiting".to_owned(), RestrictedExpression::new_bool(*waiting));
                conversation.to_string()
            }
            Resource::Person { subject, held, .. } => {
                let visitor = reference(uid(&self.visitor, &subject.to_string()));
                attributes.insert("visitor".to_owned(), visitor);
                attributes.insert("held".to_owned(), RestrictedExpression::new_bool(*held));
                subject.to_string()
            }
            Resource::Hold { hold, author, .. } => {
                if let Some(author) = author {
                    let author = reference(uid(&self.user, &author.to_string()));
                    attributes.insert("author".to_owned(), author);
                }
                hold.to_string()
            }
            Resource::Account { user, .. } => {
                attributes.insert("user".to_owned(), reference(uid(&self.user, &user.to_string())));
                user.to_string()
            }
        };
        let uid = self.resource(resource.kind().name(), &id)?;
        Entity::new(uid, attributes, scopes).map_err(|_| Fault)
    }

    fn belonging(&self, tenant: TenantId) -> Attributes {
        HashMap::from([("tenant".to_owned(), reference(self.tenant_scope(tenant)))])
    }

    fn tenant_scope(&self, tenant: TenantId) -> EntityUid {
        uid(&self.scope, &tenant.to_string())
    }

    fn bot_scope(&self, tenant: TenantId, bot: &BotName) -> EntityUid {
        uid(&self.scope, &format!("{tenant}/{bot}"))
    }

    fn resource(&self, kind: &str, id: &str) -> Result<EntityUid, Fault> {
        self.resources.get(kind).map(|name| uid(name, id)).ok_or(Fault)
    }
}

fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

fn reference(uid: EntityUid) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(uid)
}

fn moment(actor: &Actor, circumstances: &Circumstances) -> Result<Context, Fault> {
    let age = match actor {
        Actor::Anonymous { .. } | Actor::Visitor(_) => return Ok(Context::empty()),
        Actor::Staff(staff) => circumstances.now.since(staff.authenticated_at).as_secs(),
        Actor::ApiKey(_) | Actor::Service { .. } | Actor::Directory { .. } => 0,
    };
    let age = RestrictedExpression::new_long(i64::try_from(age).unwrap_or(i64::MAX));
    let purpose = RestrictedExpression::new_bool(circumstances.reason.is_some());
    Context::from_pairs([("sign_in_age".to_owned(), age), ("purpose".to_owned(), purpose)]).map_err(|_| Fault)
}
