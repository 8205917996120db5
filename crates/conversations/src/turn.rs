//! The bot's turn: remember, ask the engine, show the pieces, seal and store the reply. Turns of one
//! conversation are taken one after the other, in the order of the messages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use guard::Permit;
use guard::action::PostMessage;
use kernel::{ConversationId, MessageText, Note, ReleaseId, TicketId};
use ledger::catalogue::{HandoffRequested, ReplySent, TicketOpened};
use store::conversations::{self as rows, ConversationState, Flow};
use store::messages::{self, Message, NewMessage, Next, Speaker};
use store::tickets::{self, NewTicket};
use store::{Addition, StoreError, Via};
use tokio_util::task::TaskTracker;
use vault::{DataKey, VaultError};
use wire::release::Release;
use wire::turn::{Act, EngineError, Reply, Said, TurnEvent, TurnRequest, TurnState};

use crate::live::Signal;
use crate::{ConversationError, Conversations};

/// Messages of one conversation that may wait for an answer.
const WAITING: usize = 8;
/// Messages before the question that the engine is shown.
const HISTORY: u32 = 10;

/// Which conversations have turns waiting or running.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns {
    queues: Arc<Mutex<HashMap<ConversationId, Queue>>>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: usize,
    /// Handed out in the order in which it was asked for.
    floor: Arc<tokio::sync::Mutex<()>>,
}

/// A place in a conversation's queue. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    conversation: ConversationId,
    floor: Arc<tokio::sync::Mutex<()>>,
}

impl Turns {
    /// A place in the queue; `None` when too many wait already.
    pub(crate) fn reserve(&self, conversation: ConversationId) -> Option<Turn> {
        let mut queues = self.queues();
        let queue = queues.entry(conversation).or_default();
        if queue.waiting >= WAITING {
            return None;
        }
        queue.waiting += 1;
        Some(Turn { turns: self.clone(), conversation, floor: Arc::clone(&queue.floor) })
    }

    /// Whether nothing waits and nothing runs.
    pub(crate) fn idle(&self, conversation: ConversationId) -> bool {
        !self.queues().contains_key(&conversation)
    }

    pub(crate) async fn settle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<ConversationId, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queues = self.turns.queues();
        if let Some(queue) = queues.get_mut(&self.conversation) {
            queue.waiting -= 1;
            if queue.waiting == 0 {
                queues.remove(&self.conversation);
            }
        }
    }
}

/// What a turn needs to know.
struct Memory {
    release: ReleaseId,
    compiled: Arc<Release>,
    request: TurnRequest,
    key: Arc<DataKey>,
    /// Whether a flow state is stored, to be removed when the reply has none.
    had_flow: bool,
}

impl Conversations {
    /// Lets the bot answer message `seq`, in the background.
    pub(crate) fn answer(&self, turn: Turn, permit: Arc<Permit<PostMessage>>, seq: u64) {
        let here = self.clone();
        let tasks = self.0.turns.tasks.clone();
        tasks.spawn(async move {
            let floor = Arc::clone(&turn.floor);
            let _floor = floor.lock().await;
            if let Err(error) = here.take_turn(&permit, seq).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(conversation = %turn.conversation, seq, %error, cause, "a turn failed");
                here.0.live.signal(turn.conversation, Signal::Failed);
            }
        });
    }

    async fn take_turn(&self, permit: &Arc<Permit<PostMessage>>, seq: u64) -> Result<(), ConversationError> {
        let (conversation, _) = self.whose(permit)?;
        let Some(mut memory) = self.remember(permit, seq).await? else { return Ok(()) };
        self.0.live.signal(conversation, Signal::Typing);
        let reply = match self.ask(&memory, conversation, seq).await {
            // A new release may have no such flow any more: begin anew instead of failing for good.
            Err(EngineError::State) => {
                memory.request.state = None;
                self.ask(&memory, conversation, seq).await?
            }
            other => other?,
        };
        self.store_reply(permit, memory, reply).await?;
        self.0.live.signal(conversation, Signal::Changed);
        Ok(())
    }

    /// Reads what the engine needs. `None` when the bot has nothing to say here any more.
    async fn remember(
        &self,
        permit: &Arc<Permit<PostMessage>>,
        seq: u64,
    ) -> Result<Option<Memory>, ConversationError> {
        let inner = &self.0;
        let (conversation, subject) = self.whose(permit)?;
        let tenant = permit.tenant();
        let inside = Arc::clone(permit);
        let (row, flow, mut last) = inner
            .db
            .read(move |tx| {
                let after = seq.saturating_sub(u64::from(HISTORY) + 1);
                Ok((
                    rows::get(tx, &inside)?,
                    rows::flow(tx, &inside)?,
                    messages::list(tx, &inside, after, HISTORY + 1)?,
                ))
            })
            .await?;
        if row.state != ConversationState::Open || row.erased {
            return Ok(None);
        }
        last.retain(|message| message.seq <= seq);
        let key = inner.keys.conversation_key(tenant, subject, conversation).await?;
        let mut said = Vec::new();
        for message in &last {
            let key = inner.keys.conversation_key_at(tenant, subject, conversation, message.key_gen).await?;
            match open(&key, message) {
                Ok(line) => said.push(line),
                // An altered line is told to whoever reads it; the bot goes on without it.
                Err(_) if message.seq != seq => {
                    tracing::warn!(%conversation, seq = message.seq, "a stored message is left out of a turn");
                }
                Err(error) => return Err(error.into()),
            }
        }
        let Some(question) = said.pop() else { return Ok(None) };
        let state = match flow {
            Some(flow) => {
                let key = inner.keys.conversation_key_at(tenant, subject, conversation, flow.key_gen).await?;
                let place = rows::flow_place(tenant, conversation, flow.seq);
                Some(TurnState(key.open(&place, &flow.sealed)?))
            }
            None => None,
        };
        let found = match row.release {
            Some(release) => inner.bots.release(tenant, release).await?,
            None => None,
        };
        let found = match found {
            Some(found) => Some(found),
            None => inner.bots.live(tenant, row.bot.clone()).await?,
        };
        let (release, compiled) = found.ok_or(ConversationError::NoSuchBot(row.bot))?;
        let locale = (!row.locale.is_empty()).then_some(row.locale);
        let (text, now) = (question.text, inner.world.now());
        let had_flow = state.is_some();
        let request = TurnRequest { release, locale, history: said, text, state, now };
        Ok(Some(Memory { release, compiled, request, key, had_flow }))
    }

    /// Asks the engine and shows the pieces as they come.
    async fn ask(
        &self,
        memory: &Memory,
        conversation: ConversationId,
        seq: u64,
    ) -> Result<Reply, EngineError> {
        let engine = &self.0.engine;
        let mut stream = match engine.turn(memory.request.clone()).await {
            Err(EngineError::NotLoaded(_)) => {
                engine.load(memory.release, Arc::clone(&memory.compiled)).await?;
                engine.turn(memory.request.clone()).await?
            }
            other => other?,
        };
        while let Some(event) = stream.next().await {
            match event {
                TurnEvent::Delta(text) => {
                    self.0.live.signal(conversation, Signal::Delta { seq: seq + 1, text: text.into() });
                }
                TurnEvent::Reply(reply) => return Ok(reply),
                TurnEvent::Failed(error) => return Err(error),
            }
        }
        Err(EngineError::Unavailable)
    }

    /// Seals and stores the reply, what the engine wants to remember and what is to be done, with an
    /// event for each, in one transaction.
    async fn store_reply(
        &self,
        permit: &Arc<Permit<PostMessage>>,
        memory: Memory,
        reply: Reply,
    ) -> Result<(), ConversationError> {
        let inner = &self.0;
        let (tenant, now) = (permit.tenant(), inner.world.now());
        let (conversation, _) = self.whose(permit)?;
        let scribe = inner.keys.scribe(tenant).await?;
        let (id, ticket): (_, TicketId) = (inner.world.id(), inner.world.id());
        let (actor, via) = (inner.core(tenant), Via::default());
        let (permit, release, key) = (Arc::clone(permit), memory.release, memory.key);
        let had_flow = memory.had_flow;
        // A reply and nothing else takes the short way, if nobody said anything meanwhile.
        if reply.state.is_none() && reply.act.is_none() && !had_flow {
            let inside = Arc::clone(&permit);
            let slot = match inner.tips.take(conversation) {
                Some(tip) => Some(tip.next(permit.as_ref(), id, Speaker::Bot, now)?),
                None => {
                    let found = inner.db.read(move |tx| messages::next(tx, &inside, id, Speaker::Bot, now));
                    match found.await? {
                        // Somebody of the staff may have taken the conversation while the bot was thinking.
                        Next::Fresh(slot) => {
                            Some(slot).filter(|slot| slot.state() == ConversationState::Open)
                        }
                        Next::Already { .. } => None,
                    }
                }
            };
            let Some(slot) = slot else { return Ok(()) };
            let record = key.seal(&slot.place(), &reply.text)?;
            let citations = match reply.citations.as_slice() {
                [] => None,
                some => Some(seal_citations(&key, &slot, some)?),
            };
            let sent = ReplySent {
                conversation,
                message: id,
                seq: slot.seq(),
                sealed_bytes: record.as_bytes().len() as u64,
                release: Some(release),
                citations: reply.citations.len() as u64,
            };
            let event = scribe.write(&sent, &actor, &via)?;
            let sealed = NewMessage { record, citations, key_gen: key.generation(), author: None };
            let addition = Addition::new().message(slot, sealed).event(event);
            let tip = addition.tip();
            match inner.db.add(addition).await {
                Ok(()) => {
                    inner.tips.put(conversation, tip);
                    return Ok(());
                }
                Err(StoreError::Moved) => {}
                Err(error) => return Err(error.into()),
            }
        }
        inner.tips.take(conversation);
        inner
            .db
            .write(move |tx| {
                let Next::Fresh(slot) = messages::next(tx, &permit, id, Speaker::Bot, now)? else {
                    return Ok(());
                };
                // Somebody of the staff took the conversation while the bot was thinking.
                if slot.state() != ConversationState::Open {
                    return Ok(());
                }
                let record = key.seal(&slot.place(), &reply.text).map_err(StoreError::refuse)?;
                let citations = match reply.citations.as_slice() {
                    [] => None,
                    some => Some(seal_citations(&key, &slot, some).map_err(StoreError::refuse)?),
                };
                let mut entries = vec![scribe.write(
                    &ReplySent {
                        conversation,
                        message: id,
                        seq: slot.seq(),
                        sealed_bytes: record.as_bytes().len() as u64,
                        release: Some(release),
                        citations: reply.citations.len() as u64,
                    },
                    &actor,
                    &via,
                )];
                let key_gen = key.generation();
                let seq =
                    messages::append(tx, slot, NewMessage { record, citations, key_gen, author: None })?;
                match &reply.state {
                    Some(TurnState(state)) => {
                        let place = rows::flow_place(tenant, conversation, seq);
                        let sealed = key.seal(&place, state).map_err(StoreError::refuse)?;
                        rows::set_flow(tx, &permit, Some(&Flow { sealed, key_gen, seq }))?;
                    }
                    None if had_flow => rows::set_flow(tx, &permit, None)?,
                    None => {}
                }
                match &reply.act {
                    None => {}
                    Some(Act::Handoff) => {
                        rows::set_state(tx, &permit, ConversationState::Handoff, now)?;
                        entries.push(scribe.write(
                            &HandoffRequested { conversation, by: "bot" },
                            &actor,
                            &via,
                        ));
                    }
                    Some(Act::Ticket { title, body, contact }) => {
                        let contact = contact.as_ref().and_then(|contact| Note::new(contact.as_str()).ok());
                        let new = || -> Result<NewTicket, VaultError> {
                            let contact = match &contact {
                                Some(contact) => {
                                    Some(key.seal(&tickets::contact_place(tenant, ticket), contact)?)
                                }
                                None => None,
                            };
                            let title = key.seal(&tickets::title_place(tenant, ticket), title)?;
                            let body = key.seal(&tickets::body_place(tenant, ticket), body)?;
                            Ok(NewTicket { id: ticket, now, key_gen, title, body, contact })
                        };
                        tickets::open(tx, &permit, &new().map_err(StoreError::refuse)?)?;
                        let event = TicketOpened { ticket, conversation: Some(conversation) };
                        entries.push(scribe.write(&event, &actor, &via));
                    }
                }
                for entry in entries {
                    entry.map_err(StoreError::refuse)?.append(tx)?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }
}

fn seal_citations(
    key: &DataKey,
    slot: &messages::Slot,
    citations: &[wire::turn::Citation],
) -> Result<vault::Sealed<Vec<u8>>, VaultError> {
    // A list of titles and addresses always has a JSON form.
    let json = serde_json::to_vec(citations).unwrap_or_default();
    key.seal(&slot.citations_place(), &json)
}

fn open(key: &DataKey, message: &Message) -> Result<Said, VaultError> {
    let text: MessageText = key.open(&message.place(), &message.record)?;
    Ok(Said { by_person: message.speaker == Speaker::Person, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::World;

    #[test]
    fn a_queue_has_eight_places_and_takes_no_memory_when_empty() {
        let (turns, id) = (Turns::default(), World::real().id());
        let places: Vec<_> = std::iter::from_fn(|| turns.reserve(id)).collect();
        assert_eq!(places.len(), WAITING);
        assert!(!turns.idle(id));
        drop(places);
        assert!(turns.idle(id));
    }
}
