//! The copy a person takes away: one JSON text, written while it is read from the store.

use axum::body::{Body, Bytes};
use conversations::{ConversationError, Export, Line, Piece};
use futures_util::stream;
use kernel::Timestamp;
use serde_json::{Value, json};
use store::messages::Speaker;

use super::facts;

/// The text as a body. When the store fails on the way the connection ends without the end of the text: it is
/// a broken file, never one that looks whole.
pub(super) fn body(export: Export, now: Timestamp) -> Body {
    let text = Text::new(now);
    Body::from_stream(stream::try_unfold((export, text), async |(mut export, mut text)| {
        if text.ended {
            return Ok::<_, ConversationError>(None);
        }
        let piece = export.next().await?;
        Ok(Some((Bytes::from(text.next(piece)), (export, text))))
    }))
}

/// How far the text is written.
struct Text {
    /// What stands before the next conversation.
    before: String,
    /// What stands before the next lines.
    comma: &'static str,
    /// What is open, closed.
    end: &'static str,
    ended: bool,
}

impl Text {
    fn new(now: Timestamp) -> Self {
        let before = format!("{{\"taken_at\":{},\"conversations\":[", Value::from(now.rfc3339()));
        Self { before, comma: "", end: "]}", ended: false }
    }

    /// The next part of the text; the last one for no piece.
    fn next(&mut self, piece: Option<Piece>) -> String {
        match piece {
            Some(Piece::Conversation(row)) => {
                let facts = facts(&row).to_string();
                let open = facts.strip_suffix('}').unwrap_or(&facts);
                let text = format!("{}{open},\"lines\":[", self.before);
                "]},".clone_into(&mut self.before);
                (self.comma, self.end) = ("", "]}]}");
                text
            }
            Some(Piece::Lines(lines)) => {
                let lines: Vec<_> = lines.iter().map(|said| line(said).to_string()).collect();
                format!("{}{}", std::mem::replace(&mut self.comma, ","), lines.join(","))
            }
            None => {
                self.ended = true;
                let nothing = self.end == "]}";
                format!("{}{}", if nothing { self.before.as_str() } else { "" }, self.end)
            }
        }
    }
}

fn line(line: &Line) -> Value {
    let said = match line {
        Line::Said(said) => said,
        Line::Refused { seq } => return json!({ "seq": seq, "unreadable": "refused" }),
        Line::Erased { seq } => return json!({ "seq": seq, "unreadable": "erased" }),
    };
    let role = match said.speaker {
        Speaker::Person => "user",
        Speaker::Bot | Speaker::House => "bot",
        Speaker::Agent => "agent",
    };
    json!({
        "seq": said.seq, "role": role, "text": said.text.as_str(), "citations": said.citations,
        "created_at": said.at.rfc3339(),
    })
}

#[cfg(test)]
mod tests {
    use kernel::{BotName, ConversationId, Id, SubjectId, TenantId};
    use store::conversations::{Conversation, ConversationState};

    use super::*;

    fn conversation() -> Option<Piece> {
        Some(Piece::Conversation(Conversation {
            tenant: TenantId::from_bytes([1; 16]),
            id: ConversationId::from_bytes([2; 16]),
            bot: BotName::new("desk").unwrap(),
            subject: SubjectId::from_bytes([3; 16]),
            state: ConversationState::Open,
            opened: Timestamp::from_millis(1),
            last: Timestamp::from_millis(2),
            last_seq: 4,
            locale: String::new(),
            release: None,
            assignee: None,
            head: [0; 32],
            erased: false,
        }))
    }

    #[test]
    fn the_text_is_json_whatever_there_is() {
        let now = Timestamp::from_millis(0);
        let mut text = Text::new(now);
        let nothing: Value = serde_json::from_str(&text.next(None)).unwrap();
        assert_eq!(nothing, json!({ "taken_at": now.rfc3339(), "conversations": [] }));
        assert!(text.ended);

        let mut text = Text::new(now);
        let lines =
            |from: u64| Some(Piece::Lines((from..from + 2).map(|seq| Line::Erased { seq }).collect()));
        let parts = [conversation(), lines(1), lines(3), conversation(), conversation(), lines(1), None];
        let whole: String = parts.into_iter().map(|part| text.next(part)).collect();
        let whole: Value = serde_json::from_str(&whole).unwrap();
        let of = |nth: usize| whole["conversations"][nth]["lines"].as_array().unwrap().len();
        assert_eq!([of(0), of(1), of(2)], [4, 0, 2]);
    }
}
