//! The engine as `core` uses it.

use std::sync::Arc;

use engine::turn::{Engine, Limits};
use kernel::{Id, ReleaseId};
use wire::turn::{EngineError, EngineService, TurnEvent, TurnRequest};

use crate::bank::{release, request};

fn id(byte: u8) -> ReleaseId {
    ReleaseId::from_bytes([byte; 16])
}

#[tokio::test]
async fn a_reply_comes_in_pieces_that_together_are_the_reply() {
    let engine = Engine::default();
    let loaded = engine.load(id(7), Arc::new(release())).await.unwrap();
    assert_eq!(loaded.passages, 4);
    assert!(loaded.index_bytes > 0);
    let mut stream = engine.turn(request("when are you open?", None)).await.unwrap();
    let (mut text, mut pieces) = (String::new(), 0);
    while let Some(event) = stream.next().await {
        match event {
            TurnEvent::Delta(piece) => {
                text.push_str(&piece);
                pieces += 1;
            }
            TurnEvent::Reply(reply) => {
                assert_eq!(reply.text.as_str(), text);
                assert!(pieces > 1);
                return;
            }
            TurnEvent::Failed(error) => panic!("{error}"),
        }
    }
    panic!("the stream ended without a reply");
}

#[tokio::test]
async fn the_release_asked_for_longest_ago_makes_room() {
    let engine = Engine::new(Limits { releases: 2, ..Limits::default() });
    let release = Arc::new(release());
    let turn = |byte: u8| engine.turn(TurnRequest { release: id(byte), ..request("hello", None) });
    engine.load(id(1), Arc::clone(&release)).await.unwrap();
    engine.load(id(2), Arc::clone(&release)).await.unwrap();
    turn(1).await.unwrap().reply().await.unwrap();
    engine.load(id(3), release).await.unwrap();
    assert!(matches!(turn(2).await, Err(EngineError::NotLoaded(gone)) if gone == id(2)));
    assert!(turn(1).await.is_ok());
    assert!(turn(3).await.is_ok());
}

#[tokio::test]
async fn a_reader_that_goes_away_does_not_hold_the_engine() {
    let engine = Engine::new(Limits { turns: 1, ..Limits::default() });
    engine.load(id(7), Arc::new(release())).await.unwrap();
    for _ in 0..10 {
        drop(engine.turn(request("hello", None)).await.unwrap());
    }
    assert!(engine.turn(request("hello", None)).await.unwrap().reply().await.is_ok());
}

#[tokio::test]
async fn a_failed_turn_ends_its_stream_with_the_reason() {
    let engine = Engine::default();
    engine.load(id(7), Arc::new(release())).await.unwrap();
    let state = wire::turn::TurnState(b"garbage".to_vec());
    let reply = engine.turn(request("hello", Some(state))).await.unwrap().reply().await;
    assert!(matches!(reply, Err(EngineError::State)));
}
