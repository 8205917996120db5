//! Tenants do not reach each other, whatever the role, the action or the kind of thing.

use super::*;
use guard::Act;

#[test]
fn no_actor_of_one_tenant_reaches_anything_of_another() {
    let house = House::new();
    let other = House { tenant: house.world.id(), ..House::new() };
    let mut actors: Vec<Actor> = Role::ALL.iter().map(|role| house.staff(&[*role]).into()).collect();
    actors.push(Actor::Anonymous { tenant: house.tenant });
    actors.push(house.visitor().into());
    let service = |name: &ServiceName| Actor::Service { name: *name, tenant: house.tenant };
    actors.extend(ServiceName::ALL.iter().map(service));

    for actor in &actors {
        // Every fact but the tenant is in the actor's favour.
        let me = actor.staff().map_or_else(|| house.world.id(), |staff| staff.user);
        let things = [
            other.whole(),
            other.bot("front-desk"),
            other.release(None),
            Resource::Conversation {
                tenant: other.tenant,
                bot: BotName::new("front-desk").unwrap(),
                conversation: house.conversation,
                subject: house.subject,
                assignee: Some(me),
                waiting: true,
            },
            Resource::Account { tenant: other.tenant, user: me },
            Resource::Person { tenant: other.tenant, subject: house.subject, held: false },
            Resource::Hold { tenant: other.tenant, hold: house.world.id(), author: Some(house.world.id()) },
        ];
        for thing in &things {
            for act in Act::ALL.iter().filter(|act| act.resources().contains(&thing.kind())) {
                let denied = GUARD.decide(*act, actor, thing, &because()).unwrap_err();
                assert_eq!(denied.rule(), "guard.tenant", "{act} by {actor:?}");
                assert!(!denied.visible(), "{act} by {actor:?} tells that it exists");
            }
        }
    }
}
