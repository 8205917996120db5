//! A small bank's bot, hand-made, in conversation with the engine.

mod bank;
mod conversations;
mod hostile;
mod service;
mod small_bots;
