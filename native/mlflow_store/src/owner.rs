//! Who holds a claim or a lease, and whether that process is still alive.
//!
//! A lease alone would keep the work of a process that was killed waiting until it runs out. An
//! owner's name therefore says which operating-system process it is, so that one that is gone can
//! be told at once. Where that cannot be told (another container's process table, a system without
//! `/proc`), the lease decides.

use std::fs;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A name that no other call, process or machine start gives: the process, when it started, its
/// process namespace, and a number of its own.
pub fn unique() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let pid = process::id();
    let started = start_of(pid).unwrap_or_default();
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!(
        "{pid}/{started}/{}/{:x}-{call}",
        namespace().unwrap_or_default(),
        now.as_micros()
    )
}

/// Whether the process behind this name has certainly ended.
pub fn is_gone(owner: &str) -> bool {
    process_of(owner).is_some_and(|(pid, started)| start_of(pid).is_none_or(|now| now != started))
}

/// The process id and start of an owner that shares this process's view of process ids.
fn process_of(owner: &str) -> Option<(u32, u64)> {
    let mut parts = owner.split('/');
    let pid = parts.next()?.parse().ok()?;
    let started = parts.next()?.parse().ok().filter(|started| *started > 0)?;
    let namespace = namespace()?;
    (parts.next()? == namespace).then_some((pid, started))
}

/// When a process started, in clock ticks since the machine did.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may hold anything, so fields count from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    // A zombie is dead already: it only waits for its parent to notice.
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    (state != "Z").then_some(started)
}

fn namespace() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn names_are_unique_and_alive_while_their_process_is() {
        let (one, two) = (unique(), unique());
        assert_ne!(one, two);
        assert!(!is_gone(&one));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_ended_is_gone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let owner = format!(
            "{}/{}/{}/x",
            child.id(),
            start_of(child.id()).unwrap(),
            namespace().unwrap()
        );
        assert!(!is_gone(&owner));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&owner));
    }

    #[test]
    fn what_cannot_be_told_is_left_to_the_lease() {
        assert!(!is_gone("somebody"));
        assert!(!is_gone("1/0/pid:[1]/x"));
        assert!(!is_gone("4194304/77/pid:[not ours]/x"));
    }
}
