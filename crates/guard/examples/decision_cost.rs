//! What a decision costs: microseconds for a visitor's message and for a member of staff opening a
//! transcript, permit included. Run with `cargo run --release -p wardroom-guard --example decision_cost`.
#![expect(clippy::disallowed_methods, reason = "it measures")]
#![expect(clippy::print_stdout, reason = "it reports")]

use std::hint::black_box;
use std::time::Instant;

use guard::action::{Action, PostMessage, ReadTranscript, UpdateBot};
use guard::{Actor, Circumstances, Grant, Guard, Resource, Role, Staff, Visitor};
use kernel::{BotName, Reason, World};

/// The cost in a quiet moment: the median batch of the fastest tenth, so that other work on the machine
/// counts little and one lucky batch does not count at all.
fn measure<A: Action>(guard: &Guard, actor: &Actor, resource: &Resource, moment: &Circumstances) -> f64 {
    const BATCH: u32 = 50;
    let mut batches: Vec<f64> = (0..600)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..BATCH {
                let _ = black_box(guard.permit::<A>(black_box(actor), black_box(resource), moment));
            }
            start.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH)
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    batches.get(batches.len() / 20).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let world = World::real();
    let start = Instant::now();
    let guard = Guard::embedded()?;
    println!("load                {:8.1} ms", start.elapsed().as_secs_f64() * 1e3);

    let visitor = Visitor { tenant: world.id(), subject: world.id(), conversation: world.id() };
    let chat = Resource::Conversation {
        tenant: visitor.tenant,
        bot: BotName::new("front-desk")?,
        conversation: visitor.conversation,
        subject: visitor.subject,
        assignee: None,
        waiting: false,
    };
    let moment = Circumstances::at(world.now()).because(Reason::new("measuring")?);
    let staff = |role| {
        Actor::Staff(Staff {
            user: world.id(),
            tenant: visitor.tenant,
            grants: vec![Grant::everywhere(role)],
            assurance: 3,
            authenticated_at: world.now(),
            session: world.id(),
        })
    };
    let visitor = Actor::Visitor(visitor);
    let bot = Resource::Bot { tenant: visitor.tenant(), bot: BotName::new("front-desk")? };
    let message = measure::<PostMessage>(&guard, &visitor, &chat, &moment);
    let read = measure::<ReadTranscript>(&guard, &staff(Role::SupportManager), &chat, &moment);
    let update = measure::<UpdateBot>(&guard, &staff(Role::BotDeveloper), &bot, &moment);
    let refused = measure::<ReadTranscript>(&guard, &staff(Role::BotDeveloper), &chat, &moment);
    println!("chat.send           {message:8.2} us");
    println!("transcript.read     {read:8.2} us");
    println!("bot.update          {update:8.2} us");
    println!("transcript.read, no {refused:8.2} us");
    println!(
        r#"{{"name":"decision_cost","figures":{{"visitor_us":{message:.2},"staff_us":{read:.2},"refused_us":{refused:.2}}}}}"#
    );
    Ok(())
}
