//! What an operator may say about the firewall: the section `[waf]` of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use waf::{Exclusion, Policy, Rules, Source};

use crate::EdgeError;
use crate::admission::Door;

/// The word for the rules that ship with Wardroom.
const BUILT_IN: &str = "builtin";

/// What the firewall does with a request that its rules refuse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FirewallMode {
    /// Refuses it.
    #[default]
    Block,
    /// Lets it pass and writes down that it would have been refused.
    Observe,
    /// Does not look.
    Off,
}

/// The firewall's settings. The default protects without a download.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FirewallConfig {
    /// What it does.
    pub mode: FirewallMode,
    /// Paranoia level, 1 to 4: the higher, the more is found, and the more that is harmless.
    pub paranoia: u8,
    /// Where rules come from, in this order: `builtin`, files, and folders as the OWASP Core Rule Set
    /// comes.
    pub rules: Vec<String>,
    /// Whether answers are inspected too: for errors that tell too much, and for secrets.
    pub answers: bool,
    /// Rules that do not hold here.
    pub exclusions: Vec<FirewallExclusion>,
    /// What is different for some routes or bots. The first that fits a request counts.
    pub routes: Vec<FirewallRoute>,
}

/// What is different for some requests; what is unset is as in the section `[waf]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FirewallRoute {
    /// Only requests of this door.
    pub door: Option<Door>,
    /// Only requests of this path: what stands in braces stands for one segment, and `*` at the end for
    /// whatever follows.
    pub path: Option<String>,
    /// Only requests of conversations with this bot, as far as the edge knows: from the first request
    /// with a token that the core has accepted, and for opening a conversation.
    pub bot: Option<String>,
    /// What the firewall does.
    pub mode: Option<FirewallMode>,
    /// Paranoia level.
    pub paranoia: Option<u8>,
    /// Whether answers are inspected.
    pub answers: Option<bool>,
    /// Further files and folders of rules, read before the general ones.
    pub rules: Vec<String>,
    /// Further rules that do not hold.
    pub exclusions: Vec<FirewallExclusion>,
}

/// Rules that do not hold, wholly or for one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FirewallExclusion {
    /// By their ids.
    pub ids: Vec<u32>,
    /// By a tag of theirs.
    pub tag: Option<String>,
    /// Only this target of them, for example `ARGS:note`; unset: the whole rules.
    pub target: Option<String>,
}

impl Default for FirewallConfig {
    fn default() -> Self {
        Self {
            mode: FirewallMode::Block,
            paranoia: 1,
            rules: vec![BUILT_IN.to_owned()],
            exclusions: Vec::new(),
            answers: true,
            routes: Vec::new(),
        }
    }
}

impl FirewallConfig {
    /// Refuses settings that make no sense, without reading rules.
    ///
    /// # Errors
    /// Names the setting.
    pub fn check(&self) -> Result<(), EdgeError> {
        self.policy()?;
        for route in &self.routes {
            route.check()?;
            self.under(route).policy()?;
        }
        Ok(())
    }

    /// The settings as they are for one route.
    pub(super) fn under(&self, route: &FirewallRoute) -> Self {
        Self {
            mode: route.mode.unwrap_or(self.mode),
            paranoia: route.paranoia.unwrap_or(self.paranoia),
            rules: [&*route.rules, &*self.rules].concat(),
            exclusions: [&*self.exclusions, &*route.exclusions].concat(),
            answers: route.answers.unwrap_or(self.answers),
            routes: Vec::new(),
        }
    }

    /// Reads and compiles the rules.
    ///
    /// # Errors
    /// Names the file, the line, what is wrong and the mend.
    pub(super) fn load(&self) -> Result<Rules, EdgeError> {
        let sources: Vec<Source> = self.rules.iter().map(|name| source(name)).collect();
        Ok(Rules::load(&sources)?)
    }

    /// The policy of a route about which nothing more is declared.
    pub(super) fn policy(&self) -> Result<Policy, EdgeError> {
        let refuse = |limit, why| Err(EdgeError::Limit { limit, why });
        if !(1..=4).contains(&self.paranoia) {
            return refuse("waf.paranoia", "must be 1 to 4");
        }
        if self.rules.is_empty() {
            return refuse("waf.rules", "names no rules; `mode = \"off\"` switches the firewall off");
        }
        let mut policy = match self.mode {
            FirewallMode::Observe => Policy::observe(self.paranoia),
            FirewallMode::Block | FirewallMode::Off => Policy::block(self.paranoia),
        };
        for wish in &self.exclusions {
            if wish.ids.is_empty() && wish.tag.is_none() {
                return refuse("waf.exclusions", "must name rules, by `ids` or by `tag`");
            }
            let ids = wish.ids.iter().map(|id| Exclusion::ids(*id..=*id));
            for exclusion in ids.chain(wish.tag.iter().map(Exclusion::tag)) {
                policy.exclusions.push(match &wish.target {
                    Some(target) => exclusion.of_target(target)?,
                    None => exclusion,
                });
            }
        }
        Ok(policy)
    }
}

impl FirewallRoute {
    fn check(&self) -> Result<(), EdgeError> {
        let refuse = |why| Err(EdgeError::Limit { limit: "waf.routes", why });
        if self.door.is_none() && self.path.is_none() && self.bot.is_none() {
            return refuse("must name a `door`, a `path` or a `bot`");
        }
        match &self.path {
            Some(path) if !path.starts_with('/') => refuse("has a `path` that does not begin with a slash"),
            Some(path) if path.strip_suffix('*').unwrap_or(path).contains('*') => {
                refuse("has a `path` with `*` before its end")
            }
            _ => Ok(()),
        }
    }
}

fn source(name: &str) -> Source {
    let path = PathBuf::from(name);
    match name {
        BUILT_IN => Source::BuiltIn,
        _ if path.is_file() => Source::File(path),
        _ => Source::Folder(path),
    }
}
