//! The answer to one message, as a plain function: the same release and the same request make the
//! same reply.

use jiff::civil::Date;
use kernel::{MessageText, Timestamp};
use wire::release::{Flow, Response};
use wire::turn::{Act, Basis, Citation, EngineError, Reply, TurnRequest};

use super::loaded::LoadedRelease;
use super::printable;
use crate::flows::{self, Context, Heard, Memory, Said};
use crate::intents::Prediction;
use crate::text::{key, words};

/// How likely an intent must be to interrupt a form, at least; and when the message is no question.
const INTERRUPTS: f32 = 0.7;
const INTERRUPTS_BLUNTLY: f32 = 0.85;

/// An intent less likely than this gives way to a passage that is at least so sure, when the message
/// is a question.
const GIVES_WAY: f32 = 0.75;

/// A message with more words than this is not taken for a wish to speak to a person while a form
/// asks for free text: it is more likely the text.
const SHORT: usize = 8;

/// What the bot is going to say.
#[derive(Debug)]
struct Answer {
    text: String,
    citations: Vec<Citation>,
    memory: Option<Memory>,
    act: Option<Act>,
    basis: Basis,
}

/// Answers one message. It blocks for the milliseconds that the work takes: call it off the async
/// runtime.
///
/// # Errors
/// [`EngineError::State`] when the state handed in is not of this release; [`EngineError::Release`]
/// when the bot has nothing to say at all.
pub fn answer(loaded: &LoadedRelease, request: &TurnRequest) -> Result<Reply, EngineError> {
    let turn = Turn { loaded, today: date_of(request.now), text: request.text.as_str() };
    let memory = match &request.state {
        Some(state) => Some(Memory::decode(state, &loaded.release.flows)?),
        None => None,
    };
    let answer = match memory {
        Some(Memory::Flow(open)) => match loaded.flow(open.flow()) {
            Some(flow) => turn.within(flow, flows::hear(flow, open, turn.text, turn.context())),
            None => return Err(EngineError::State),
        },
        Some(Memory::Offer) => turn.to_offer(),
        None => turn.fresh(),
    };
    turn.reply(answer)
}

/// The calendar date of a moment, in UTC: where the person is, is not known.
fn date_of(now: Timestamp) -> Date {
    let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.to_zoned(jiff::tz::TimeZone::UTC).date()
}

struct Turn<'t> {
    loaded: &'t LoadedRelease,
    today: Date,
    text: &'t str,
}

impl<'t> Turn<'t> {
    fn context(&self) -> Context<'t> {
        let manifest = &self.loaded.release.manifest;
        Context {
            today: self.today,
            phrases: self.loaded.phrases,
            handoff: manifest.handoff.enabled,
            fallback: &manifest.fallback,
        }
    }

    /// A message while a form is open.
    fn within(&self, flow: &Flow, heard: Heard) -> Answer {
        let (otherwise, again, aside) = match heard {
            Heard::Step(said) => return Self::form(flow, said),
            Heard::Perhaps { step, again } => {
                let aside =
                    if self.is_question() { self.aside(flow, true) } else { self.wish_for_a_person() };
                (step, again, aside)
            }
            Heard::Miss { retry, again } => (retry, again, self.aside(flow, self.is_question())),
        };
        match aside {
            // Who asks for a person gets one; the form is left behind.
            Some(aside) if aside.act.is_some() => aside,
            Some(aside) => Answer {
                text: format!("{}\n\n{}", aside.text, again.text),
                memory: again.open.map(Memory::Flow),
                ..aside
            },
            None => Self::form(flow, otherwise),
        }
    }

    fn form(flow: &Flow, said: Said) -> Answer {
        let slot = said.slot();
        Answer {
            text: said.text,
            citations: Vec::new(),
            memory: said.open.map(Memory::Flow),
            act: said.act,
            basis: Basis::Flow { flow: flow.name.clone(), slot },
        }
    }

    /// An answer to something that was said in the middle of a form, if it is clear what was meant.
    fn aside(&self, flow: &Flow, question: bool) -> Option<Answer> {
        if let Some(answer) = self.asks_for_a_person() {
            return Some(answer);
        }
        let enough = if question { INTERRUPTS } else { INTERRUPTS_BLUNTLY };
        let prediction = self.wanted().filter(|wanted| wanted.probability >= enough);
        let intent = prediction.and_then(|wanted| Some((wanted, self.loaded.intent(wanted.label)?)));
        match intent.map(|(wanted, intent)| (wanted, &intent.response)) {
            Some((wanted, Response::Answer { text })) => return Some(Self::plain(text, Self::basis(wanted))),
            Some((wanted, Response::Handoff)) => return self.hand_over(Self::basis(wanted)),
            Some((wanted, Response::Flow { flow: other })) if *other != flow.name => {
                let text = self.loaded.phrases.first_finish.replace("{title}", &flow.title);
                return Some(Self::plain(&text, Self::basis(wanted)));
            }
            Some((_, Response::Knowledge)) => return self.known(),
            Some((_, Response::Flow { .. })) | None => {}
        }
        if question { self.known() } else { None }
    }

    /// Whether a short message, while a form asks for free text, is a wish to speak to a person.
    fn wish_for_a_person(&self) -> Option<Answer> {
        if let Some(answer) = self.asks_for_a_person() {
            return Some(answer);
        }
        let wanted = self.wanted().filter(|wanted| wanted.probability >= INTERRUPTS_BLUNTLY)?;
        let handoff = matches!(self.loaded.intent(wanted.label)?.response, Response::Handoff);
        let short = words(&key(self.text)).count() <= SHORT;
        if handoff && short { self.hand_over(Self::basis(wanted)) } else { None }
    }

    /// The answer to "would you like to speak to a person?".
    fn to_offer(&self) -> Answer {
        let said = key(self.text);
        let phrases = self.loaded.phrases;
        if phrases.yes.contains(&said.as_str())
            && let Some(answer) = self.hand_over(Basis::Fallback)
        {
            return answer;
        }
        if phrases.no.contains(&said.as_str()) {
            return Self::plain(phrases.offer_declined, Basis::Fallback);
        }
        self.fresh()
    }

    /// A message with nothing open.
    fn fresh(&self) -> Answer {
        if let Some(answer) = self.asks_for_a_person() {
            return answer;
        }
        if let Some(wanted) = self.wanted()
            && let Some(intent) = self.loaded.intent(wanted.label)
        {
            if wanted.probability < GIVES_WAY
                && self.is_question()
                && let Some((sure, known)) = self.found()
                && sure >= GIVES_WAY
            {
                return known;
            }
            let basis = Self::basis(wanted);
            let answer = match &intent.response {
                Response::Answer { text } => Some(Self::plain(text, basis)),
                Response::Flow { flow } => {
                    self.loaded.flow(flow).map(|flow| Self::form(flow, flows::start(flow, self.context())))
                }
                Response::Handoff => self.hand_over(basis),
                Response::Knowledge => None,
            };
            if let Some(answer) = answer {
                return answer;
            }
        }
        self.known().unwrap_or_else(|| self.fallback())
    }

    /// What the person wants, when it is sure enough for this bot.
    fn wanted(&self) -> Option<Prediction<'t>> {
        let wanted = self.loaded.model.as_ref()?.predict(self.text)?;
        let enough = self.loaded.release.manifest.confidence.intent;
        (wanted.in_scope && wanted.probability >= enough).then_some(wanted)
    }

    /// What the bot knows about it, when it is sure enough for this bot.
    fn known(&self) -> Option<Answer> {
        let (sure, answer) = self.found()?;
        (sure >= self.loaded.release.manifest.confidence.knowledge).then_some(answer)
    }

    /// The best passage, and how sure it is.
    fn found(&self) -> Option<(f32, Answer)> {
        // The index lives in memory; a failure of it is answered like not knowing.
        let found = self.loaded.knowledge.ask(self.text, 1).ok()?.into_iter().next()?;
        let passage = found.passage;
        let answer = Answer {
            text: found.quote,
            citations: vec![Citation { title: passage.title.clone(), url: passage.url.clone() }],
            memory: None,
            act: None,
            basis: Basis::Knowledge { url: passage.url.clone(), coverage: found.confidence },
        };
        Some((found.confidence, answer))
    }

    fn asks_for_a_person(&self) -> Option<Answer> {
        let asked = self.loaded.phrases.person.contains(&key(self.text).as_str());
        if asked { self.hand_over(Basis::Fallback) } else { None }
    }

    /// Hands over, where this bot does that at all.
    fn hand_over(&self, basis: Basis) -> Option<Answer> {
        let handoff = &self.loaded.release.manifest.handoff;
        handoff.enabled.then(|| Answer { act: Some(Act::Handoff), ..Self::plain(&handoff.message, basis) })
    }

    fn fallback(&self) -> Answer {
        let manifest = &self.loaded.release.manifest;
        let mut answer = Self::plain(&manifest.fallback, Basis::Fallback);
        if manifest.handoff.enabled {
            answer.text = format!("{}\n\n{}", answer.text, self.loaded.phrases.offer_person);
            answer.memory = Some(Memory::Offer);
        }
        answer
    }

    /// Whether the message reads like a question.
    fn is_question(&self) -> bool {
        let said = key(self.text);
        let first = words(&said).next().unwrap_or_default();
        self.text.trim_end().ends_with(['?', '？', '؟']) || self.loaded.phrases.asks.contains(&first)
    }

    fn plain(text: &str, basis: Basis) -> Answer {
        Answer { text: text.to_owned(), citations: Vec::new(), memory: None, act: None, basis }
    }

    fn basis(wanted: Prediction<'_>) -> Basis {
        Basis::Intent { name: wanted.label.to_owned(), probability: wanted.probability }
    }

    /// Brings an answer into the bounds of a reply.
    fn reply(&self, answer: Answer) -> Result<Reply, EngineError> {
        let fallback = &self.loaded.release.manifest.fallback;
        let text = [&answer.text, fallback]
            .into_iter()
            .find_map(|text| MessageText::new(&printable(text, MessageText::MAX)).ok())
            .ok_or_else(|| EngineError::Release("the bot has no fallback text".to_owned()))?;
        let state = answer.memory.map(|memory| memory.encode()).transpose()?;
        Ok(Reply { text, citations: answer.citations, state, act: answer.act, basis: answer.basis })
    }
}
