//! SAML from outside: a provider of our own, the checklist, the attacks.

mod attacks;
mod checklist;
mod costs;
mod encrypted;
mod idp;
mod messages;
mod profiles;
mod properties;
mod shapes;
mod statements;
mod wrapping;
