//! A file system of its own for a test: small, or one that can only be read.

#![expect(clippy::expect_used, reason = "a suite that cannot run must say so loudly, never skip")]

use std::path::Path;
use std::process::Command;

/// A tmpfs, gone with this value. Only root may mount one.
#[derive(Debug)]
pub struct Disk(tempfile::TempDir);

impl Disk {
    /// Mounts one with these options, for example `size=6m`. `None` without the right to mount.
    ///
    /// # Panics
    /// When there is no temporary folder, or when root cannot mount either.
    pub fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        assert!(mounted || !rooted(), "root can mount a tmpfs");
        mounted.then_some(Self(folder))
    }

    /// Free bytes.
    ///
    /// # Panics
    /// When `df` does not tell.
    pub fn available(&self) -> u64 {
        let told = Command::new("df").args(["-B1", "--output=avail"]).arg(self.path()).output();
        let told = String::from_utf8(told.expect("df runs").stdout).expect("digits");
        told.lines().nth(1).and_then(|line| line.trim().parse().ok()).expect("a number of bytes")
    }

    /// From now on it can only be read.
    ///
    /// # Panics
    /// When somebody still writes to it.
    pub fn seal(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "it can be mounted anew");
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn rooted() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
