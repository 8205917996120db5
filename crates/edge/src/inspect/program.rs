//! Rules and policies as they hold at one moment: a layer for all requests, and one for each route or bot
//! about which the configuration says something else.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use waf::{Exclusion, Inspector, Policy, Rules};

use super::config::{FirewallConfig, FirewallMode, FirewallRoute};
use super::fields;
use crate::EdgeError;
use crate::admission::Door;

/// The built-in rule for bodies that could not be read.
const UNREADABLE: u32 = 100_020;
/// The built-in rule for bodies whose parts are not cleanly divided.
const UNDIVIDED: u32 = 100_021;

/// All of it, swapped whole.
#[derive(Debug)]
pub(super) struct Program {
    general: Layer,
    /// In the order of the configuration; the first that fits counts.
    special: Vec<(FirewallRoute, Layer)>,
}

/// The inspectors of one set of settings; none when the firewall is off there.
#[derive(Debug)]
struct Layer(Option<Inspectors>);

#[derive(Debug)]
struct Inspectors {
    /// By door, for routes that declare nothing.
    plain: [Pair; 2],
    /// As [`fields::DECLARED`].
    declared: Vec<Pair>,
    answers: bool,
}

/// The inspectors of one route. Both are made when rules are loaded: a request only chooses.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) strict: Arc<Inspector>,
    /// The same, but a body that could not be read to its end is no reason to refuse.
    pub(super) forgiving: Arc<Inspector>,
}

/// Whoever inspects a request, and whether its answer too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'p> {
    pub(super) inspectors: &'p Pair,
    pub(super) answers: bool,
}

/// A request as far as layers are told apart by it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) door: Door,
    pub(super) path: &'a str,
    /// Whether it is of a conversation with the bot of this name.
    pub(super) is_of: &'a dyn Fn(&str) -> bool,
}

impl Program {
    /// Reads and compiles; the same row of rules once.
    pub(super) fn load(config: &FirewallConfig) -> Result<Self, EdgeError> {
        config.check()?;
        let mut known = HashMap::new();
        let general = Layer::load(config, &mut known)?;
        let special: Result<_, EdgeError> = config
            .routes
            .iter()
            .map(|route| Ok((route.clone(), Layer::load(&config.under(route), &mut known)?)))
            .collect();
        Ok(Self { general, special: special? })
    }

    /// Who inspects a request, if anybody does.
    pub(super) fn choose(&self, asked: Asked<'_>) -> Option<Chosen<'_>> {
        let fits = |route: &FirewallRoute| {
            route.door.is_none_or(|door| door == asked.door)
                && route.path.as_ref().is_none_or(|path| fields::fits(path, asked.path))
                && route.bot.as_ref().is_none_or(|bot| (asked.is_of)(bot))
        };
        let layer = self.special.iter().find(|(route, _)| fits(route)).map(|(_, layer)| layer);
        let Inspectors { plain: [public, staff], declared, answers } =
            layer.unwrap_or(&self.general).0.as_ref()?;
        let mut declared = fields::DECLARED.iter().zip(declared);
        let found =
            declared.find(|(fields, _)| fields.is_for(asked.door, asked.path)).map(|(_, found)| found);
        let inspectors = found.unwrap_or(match asked.door {
            Door::Public => public,
            Door::Staff => staff,
        });
        Some(Chosen { inspectors, answers: *answers })
    }
}

impl Pair {
    fn new(rules: &Rules, mut policy: Policy) -> Self {
        let mut lenient = policy.clone();
        // Rules that say nothing of bodies which they did not see whole say nothing of what is in them.
        policy.refuse_unread = !rules.judge_bodies();
        lenient.exclusions.push(Exclusion::ids(UNREADABLE..=UNDIVIDED));
        Self { strict: Arc::new(rules.under(policy)), forgiving: Arc::new(rules.under(lenient)) }
    }
}

impl Layer {
    fn load(config: &FirewallConfig, known: &mut HashMap<Vec<String>, Rules>) -> Result<Self, EdgeError> {
        let base = config.policy()?;
        if config.mode == FirewallMode::Off {
            return Ok(Self(None));
        }
        let rules = match known.get(&config.rules) {
            Some(rules) => rules.clone(),
            None => {
                let rules = config.load()?;
                known.insert(config.rules.clone(), rules.clone());
                rules
            }
        };
        let plain = Door::ALL.map(|door| Pair::new(&rules, fields::plain(door, &base)));
        let declared: Result<Vec<_>, EdgeError> =
            fields::DECLARED.iter().map(|fields| Ok(Pair::new(&rules, fields.policy(&base)?))).collect();
        let answers = config.answers && rules.inspect_responses();
        Ok(Self(Some(Inspectors { plain, declared: declared?, answers })))
    }
}

/// The bot that a request to open a conversation names in its body. A body that could be read in two ways
/// names none.
pub(super) fn bot_of_opening(path: &str, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Wish {
        bot: String,
    }
    if path != "/chat/v1/conversations" {
        return None;
    }
    serde_json::from_slice::<Wish>(body).ok().map(|wish| wish.bot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(program: &Program, door: Door, path: &str, bot: &str) -> Option<(u8, waf::Mode, bool)> {
        let asked = Asked { door, path, is_of: &|name| name == bot };
        let found = program.choose(asked)?;
        let policy = found.inspectors.strict.policy();
        Some((policy.paranoia, policy.mode, found.answers))
    }

    #[test]
    fn the_first_route_that_fits_counts_and_what_it_leaves_unset_is_general() {
        let route = FirewallRoute::default;
        let config = FirewallConfig {
            routes: vec![
                FirewallRoute { path: Some("/off/*".to_owned()), mode: Some(FirewallMode::Off), ..route() },
                FirewallRoute { bot: Some("desk".to_owned()), paranoia: Some(3), ..route() },
                FirewallRoute {
                    door: Some(Door::Staff),
                    mode: Some(FirewallMode::Observe),
                    answers: Some(false),
                    ..route()
                },
            ],
            ..FirewallConfig::default()
        };
        let program = Program::load(&config).unwrap();
        use waf::Mode::{Block, Observe};
        assert_eq!(chosen(&program, Door::Public, "/", ""), Some((1, Block, true)));
        assert_eq!(chosen(&program, Door::Public, "/off/x", "desk"), None);
        assert_eq!(chosen(&program, Door::Public, "/x", "desk"), Some((3, Block, true)));
        assert_eq!(chosen(&program, Door::Staff, "/x", "desk"), Some((3, Block, true)));
        assert_eq!(chosen(&program, Door::Staff, "/x", "else"), Some((1, Observe, false)));
    }

    #[test]
    fn settings_that_make_no_sense_name_themselves() {
        let refused = |route: FirewallRoute| {
            let config = FirewallConfig { routes: vec![route], ..FirewallConfig::default() };
            config.check().unwrap_err().to_string()
        };
        let route = FirewallRoute::default;
        assert!(refused(route()).contains("waf.routes"));
        assert!(refused(FirewallRoute { path: Some("docs".to_owned()), ..route() }).contains("slash"));
        assert!(refused(FirewallRoute { path: Some("/a*b".to_owned()), ..route() }).contains('*'));
        let level = FirewallRoute { path: Some("/".to_owned()), paranoia: Some(9), ..route() };
        assert!(refused(level).contains("waf.paranoia"));
    }

    #[test]
    fn an_opening_names_its_bot_once_or_not_at_all() {
        let of = |body: &str| bot_of_opening("/chat/v1/conversations", body.as_bytes());
        assert_eq!(of(r#"{"bot": "desk", "x": 1}"#).as_deref(), Some("desk"));
        assert_eq!(of(r#"{"bot": "desk", "bot": "other"}"#), None);
        assert_eq!(of("bot=desk"), None);
        assert_eq!(bot_of_opening("/chat/v1/conversations/x/messages", br#"{"bot": "desk"}"#), None);
    }
}
