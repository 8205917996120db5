//! What another process stores, told by the streams of this one: two houses over one SQLite file, each with a
//! handle of its own, as a command beside a server has.

use conversations::{Opened, Opening, Signal, Watch};
use guard::action::{OpenConversation, PostMessage};
use guard::{Action, Actor, Circumstances, Permit, Resource};
use kernel::{BotName, MessageText};
use store::Via;

use super::*;

fn leave<A: Action>(house: &House, actor: &Actor, on: &Resource) -> Permit<A> {
    house.base.guard.permit(actor, on, &Circumstances::at(house.base.world.now())).unwrap()
}

async fn open(house: &House, bot: &BotName) -> Opened {
    let tenant = house.base.tenant;
    let door = Resource::Bot { tenant, bot: bot.clone() };
    let permit = leave::<OpenConversation>(house, &Actor::Anonymous { tenant }, &door);
    house.conversations.open(permit, Opening::default(), &Via::default()).await.unwrap()
}

async fn say(house: &House, bot: &BotName, chat: &Opened) -> u64 {
    let visitor = chat.visitor;
    let on = Resource::Conversation {
        tenant: visitor.tenant,
        bot: bot.clone(),
        conversation: visitor.conversation,
        subject: visitor.subject,
        assignee: None,
        waiting: false,
    };
    let permit = leave::<PostMessage>(house, &Actor::Visitor(visitor), &on);
    let text = MessageText::new("What is Wardroom?").unwrap();
    let accepted = house.conversations.send(permit, text, None, &Via::default()).await.unwrap();
    house.conversations.settle().await;
    accepted.seq
}

/// Waits until the watch is told of a message that is at least this one.
async fn hear(watch: &mut Watch, wanted: u64) {
    let heard = async {
        loop {
            if let Signal::Stored { seq } = watch.next().await
                && seq >= wanted
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), heard).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_woken_for_what_another_process_stores_and_for_no_other_conversation() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, config) = (DataDir::hold(&temp.path().join("data")).unwrap(), Config::default());
    dir.folder("keys").unwrap();
    let house = async || {
        let base = Foundation::open(dir.path(), &config, true).await.unwrap();
        let house = House::on(base).await.unwrap();
        make_default(&house, &config.bots.default).await.unwrap();
        house
    };
    let (here, there) = (house().await, house().await);
    let bot = config.bots.default.clone();
    let (ours, theirs) = (open(&there, &bot).await, open(&there, &bot).await);
    let live = here.conversations.live();
    let mut changes = live.changes();
    let (mut watch, mut other) =
        (live.watch(ours.visitor.conversation), live.watch(theirs.visitor.conversation));
    let following = tokio::spawn(here.conversations.clone().keep_following(here.base.tenant));
    // Each stream looks for itself once, whatever happened before it was followed.
    for watch in [&mut watch, &mut other] {
        let first = tokio::time::timeout(Duration::from_secs(30), watch.next()).await.unwrap();
        assert!(matches!(first, Signal::Changed));
    }
    changes.mark_unchanged();
    for _ in 0..3 {
        let seq = say(&there, &bot, &ours).await;
        hear(&mut watch, seq + 1).await;
    }
    assert!(changes.has_changed().unwrap(), "the desk's list is told too");
    let silent = tokio::time::timeout(Duration::from_millis(50), other.next()).await;
    assert!(silent.is_err(), "{silent:?}");

    // Nobody listens, then somebody does again: nothing that was said between is missed.
    drop((watch, other, changes));
    tokio::time::sleep(Duration::from_secs(3)).await;
    say(&there, &bot, &theirs).await;
    let mut again = live.watch(theirs.visitor.conversation);
    let woken = tokio::time::timeout(Duration::from_secs(30), again.next()).await.unwrap();
    assert!(matches!(woken, Signal::Changed), "{woken:?}");
    let seq = say(&there, &bot, &theirs).await;
    hear(&mut again, seq).await;
    following.abort();
}
