//! A compiled bot. `bots` makes a [`Release`] out of a bot folder; `engine` runs it. It is complete:
//! nothing of the folder is needed after it was made, and the same folder makes the same bytes.

use kernel::BotName;
use serde::{Deserialize, Serialize};

/// The first bytes of an encoded release; the digit is the version of the encoding.
const MAGIC: &[u8; 4] = b"WRR1";

/// A compiled bot.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Who the bot is and what it may do.
    pub manifest: Manifest,
    /// What the bot knows, cut into passages.
    pub passages: Vec<Passage>,
    /// What people may want, with what the bot does about it.
    pub intents: Vec<Intent>,
    /// The forms that the bot can lead a person through.
    pub flows: Vec<Flow>,
    /// The trained intent classifier, in the engine's own encoding; empty when there are no intents.
    #[serde(skip)]
    pub model: Vec<u8>,
}

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Release")
            .field("bot", &self.manifest.name)
            .field("passages", &self.passages.len())
            .field("intents", &self.intents.len())
            .field("flows", &self.flows.len())
            .field("model_bytes", &self.model.len())
            .finish()
    }
}

/// Who the bot is and what it may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name in addresses and commands.
    pub name: BotName,
    /// The name that people see.
    pub title: String,
    /// One sentence on what it helps with.
    pub description: String,
    /// The language it speaks, a BCP 47 tag such as `en`.
    pub language: String,
    /// What it says first.
    pub greeting: String,
    /// What it says when it does not know.
    pub fallback: String,
    /// Questions offered to start with.
    pub suggestions: Vec<String>,
    /// How people reach a person.
    pub handoff: Handoff,
    /// When an answer from knowledge, or an intent, is sure enough to be given.
    pub confidence: Confidence,
    /// Web origins whose pages may embed the widget. Empty: only Wardroom's own page.
    pub allowed_origins: Vec<String>,
    /// Who may chat.
    #[serde(default)]
    pub people: People,
    /// Days after which closed conversations are erased; `None` keeps them until somebody says so.
    pub retention_days: Option<u32>,
}

/// Who may chat with a bot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum People {
    /// Anybody who opens the page.
    #[default]
    Anybody,
    /// Whom the embedding site vouches for by a signed token.
    SiteToken,
    /// Who signs in through their own identity provider.
    Sso {
        /// The name of the connection that vouches; any that is for people who chat when none is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<String>,
    },
}

/// How people reach a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handoff {
    /// Whether the bot offers it at all.
    pub enabled: bool,
    /// What the bot says when it hands over.
    pub message: String,
}

/// Thresholds in the open interval 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confidence {
    /// The least calibrated probability at which an intent is taken.
    pub intent: f32,
    /// The least share of the question that a passage must cover to be quoted.
    pub knowledge: f32,
}

/// A part of a knowledge document under one heading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// The document's title.
    pub title: String,
    /// The headings above the passage, outermost first, without the title.
    pub headings: Vec<String>,
    /// Where a person can read it: an absolute `https` address, or a path on Wardroom's own origin.
    pub url: String,
    /// The text, with its paragraphs apart by blank lines.
    pub text: String,
}

/// Something that people may want.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Its name; the classifier's label.
    pub name: String,
    /// What the bot does about it.
    pub response: Response,
}

/// What the bot does about an intent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Response {
    /// It says this.
    Answer {
        /// What it says.
        text: String,
    },
    /// It starts the flow of this name.
    Flow {
        /// The flow's name.
        flow: String,
    },
    /// It hands the conversation to a person.
    Handoff,
    /// It looks in its knowledge, as if there were no intent.
    Knowledge,
}

/// A form: slots are asked one by one, confirmed, and end in an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// What it is about, as shown to people: `report a lost card`.
    pub title: String,
    /// What the bot says before the first question.
    pub intro: Option<String>,
    /// What is asked, in order.
    pub slots: Vec<Slot>,
    /// The question that asks for a yes before the action; `{slot}` stands for a slot's value.
    pub confirm: Option<String>,
    /// What happens at the end.
    pub outcome: Outcome,
    /// What the bot says when the person gives up.
    pub cancelled: String,
}

/// One question of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Its name, as used in `{name}`.
    pub name: String,
    /// The question.
    pub ask: String,
    /// What is said when the answer does not fit; followed by the question again.
    pub retry: Option<String>,
    /// What fits.
    pub kind: SlotKind,
    /// Whether `skip` is an answer.
    pub optional: bool,
}

/// What answers a slot takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum SlotKind {
    /// Any text.
    Text {
        /// The most characters.
        max: u32,
    },
    /// An e-mail address.
    Email,
    /// A telephone number, kept in E.164 where it has a country code.
    Phone,
    /// A calendar date, kept as `YYYY-MM-DD`.
    Date {
        /// Whether a date before today fits.
        past: bool,
        /// Whether a date after today fits.
        future: bool,
    },
    /// A number.
    Number {
        /// The least that fits.
        min: Option<f64>,
        /// The most that fits.
        max: Option<f64>,
        /// Whether only whole numbers fit.
        integer: bool,
    },
    /// One of a list.
    Choice {
        /// The list.
        options: Vec<Choice>,
    },
}

/// One of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What is kept.
    pub value: String,
    /// What people see.
    pub label: String,
    /// Other words for it.
    pub synonyms: Vec<String>,
}

/// How a flow ends. `{slot}` stands for a slot's value in every text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The bot says this.
    Answer {
        /// What it says.
        text: String,
    },
    /// A ticket is opened for staff, and the bot says this.
    Ticket {
        /// The ticket's title.
        title: String,
        /// The ticket's text.
        body: String,
        /// The slot that holds the address for the answer.
        contact: Option<String>,
        /// What the bot says.
        text: String,
    },
    /// The conversation goes to a person, and the bot says this.
    Handoff {
        /// What it says.
        text: String,
    },
}

/// Bytes that are not a release of a version this program knows.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The first bytes are not those of a release, or of another version.
    #[error("not a bot release of a version this program reads")]
    Format,
    /// The description inside does not parse.
    #[error("the bot release is damaged")]
    Damaged(#[source] serde_json::Error),
}

impl Release {
    /// Encodes the release: magic, length of the description (u64, big-endian), description as JSON,
    /// model.
    ///
    /// # Errors
    /// When a number in it is not finite.
    pub fn encode(&self) -> Result<Vec<u8>, ReleaseError> {
        let json = serde_json::to_vec(self).map_err(ReleaseError::Damaged)?;
        let mut bytes = Vec::with_capacity(12 + json.len() + self.model.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(json.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&json);
        bytes.extend_from_slice(&self.model);
        Ok(bytes)
    }

    /// Decodes what [`Release::encode`] made.
    ///
    /// # Errors
    /// When the bytes are of another version, cut short, or damaged. It does not check a signature
    /// or a digest: whoever stored the bytes does.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReleaseError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ReleaseError::Format)?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or(ReleaseError::Format)?;
        let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| ReleaseError::Format)?;
        let (json, model) = rest.split_at_checked(length).ok_or(ReleaseError::Format)?;
        let mut release: Release = serde_json::from_slice(json).map_err(ReleaseError::Damaged)?;
        release.model = model.to_vec();
        Ok(release)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn release() -> Release {
        Release {
            manifest: Manifest {
                name: BotName::new("front-desk").unwrap(),
                title: "Front desk".into(),
                description: "Knows the house.".into(),
                language: "en".into(),
                greeting: "Hello.".into(),
                fallback: "I do not know that.".into(),
                suggestions: vec![],
                handoff: Handoff { enabled: true, message: "A person will join.".into() },
                confidence: Confidence { intent: 0.5, knowledge: 0.5 },
                allowed_origins: vec![],
                people: People::Anybody,
                retention_days: Some(90),
            },
            passages: vec![],
            intents: vec![],
            flows: vec![],
            model: vec![1, 2, 3],
        }
    }

    #[test]
    fn a_release_survives_its_encoding() {
        let release = release();
        assert_eq!(Release::decode(&release.encode().unwrap()).unwrap(), release);
    }

    #[test]
    fn a_release_of_another_version_is_refused() {
        let mut bytes = release().encode().unwrap();
        bytes[3] = b'9';
        assert!(matches!(Release::decode(&bytes), Err(ReleaseError::Format)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), magic: bool) {
            if magic {
                bytes.splice(0..0, *MAGIC);
            }
            let _ = Release::decode(&bytes);
        }
    }
}
