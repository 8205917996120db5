//! What an operator may say about the firewall: the section `[waf]` of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use waf::{Exclusion, Policy, Rules, Source};

use crate::EdgeError;

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
    /// Rules that do not hold here.
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
        }
    }
}

impl FirewallConfig {
    /// Refuses settings that make no sense, without reading rules.
    ///
    /// # Errors
    /// Names the setting.
    pub fn check(&self) -> Result<(), EdgeError> {
        self.policy().map(|_| ())
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

fn source(name: &str) -> Source {
    let path = PathBuf::from(name);
    match name {
        BUILT_IN => Source::BuiltIn,
        _ if path.is_file() => Source::File(path),
        _ => Source::Folder(path),
    }
}
