//! The process's own memory, where unwrapped keys are: kept out of core dumps, away from other processes
//! of the same user, and out of swap where the system lets us.
//!
//! Nothing here protects against root, the kernel, or a machine that is put to sleep on disk.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit,
};

use crate::posture::Finding;

/// What is so now, as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Memory {
    /// Whether a crash may write a core dump, and processes of the same user may look in.
    pub(crate) dumpable: bool,
    /// The most bytes of a core dump; none means no bound.
    pub(crate) core_limit: Option<u64>,
    /// Whether all memory stays out of swap.
    pub(crate) locked: bool,
    /// Whether the machine swaps at all.
    pub(crate) machine_swaps: bool,
}

/// Does what the system permits. What it did not permit shows in [`look`]; nothing depends on it.
pub(crate) fn harden() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // With a bound on locked memory, locking what comes later would make allocations fail one day.
    if getrlimit(Resource::Memlock).current.is_none() {
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
}

/// Looks at what is so.
pub(crate) fn look() -> Memory {
    let dumpable = !matches!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap_or_default();
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    Memory {
        dumpable,
        core_limit: getrlimit(Resource::Core).current,
        locked: !locked.trim().starts_with('0') && !locked.trim().is_empty(),
        machine_swaps: swaps.lines().count() > 1,
    }
}

/// What is not as it should be.
pub(crate) fn findings() -> Vec<Finding> {
    let Memory { dumpable, core_limit, locked, machine_swaps } = look();
    let mut findings = Vec::new();
    if dumpable || core_limit != Some(0) {
        findings.push(Finding {
            what: "A crash can write keys to a core dump.".to_owned(),
            mend: "Set `LimitCORE=0` in the service's unit, or `kernel.core_pattern=|/bin/false`.".to_owned(),
        });
    }
    if machine_swaps && !locked {
        findings.push(Finding {
            what: "Memory with unwrapped keys can reach this machine's swap.".to_owned(),
            mend: "Set `LimitMEMLOCK=infinity` in the service's unit, or turn swap off or encrypt it."
                .to_owned(),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_hardening_no_core_dump_can_be_written() {
        harden();
        let memory = look();
        assert!(!memory.dumpable && memory.core_limit == Some(0), "{memory:?}");
        assert!(findings().iter().all(|finding| !finding.what.contains("core dump")));
    }
}
