//! The embedded bot engine: it recognises what a person wants ([`intents`]), finds and quotes what a
//! bot knows ([`knowledge`]), leads through forms, and puts the three together into one turn
//! ([`turn`]). It needs no model server and no network, writes nothing to disk, and remembers nothing
//! between turns but what it hands out as [`wire::turn::TurnState`].

mod flows;
pub mod intents;
pub mod knowledge;
mod phrases;
mod text;
pub mod turn;
