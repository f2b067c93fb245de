// SPDX-License-Identifier: Apache-2.0
//! Which processes belong to an environment, however they were started.
//!
//! An app may fork, begin process groups and sessions of its own, let its children be orphaned and clear their
//! variables. A process belongs to the environment if its parent, its process group or its session does, if it has the
//! environment's address among its variables, or if it belonged to it before. Finds nothing where there is no `/proc`.

use std::collections::HashSet;
use std::fs;

use rustix::process::{Pid, getpid};

const PROC: &str = "/proc";

/// A process id and when it began, in clock ticks: together they are never used again.
pub(super) type Identity = (Pid, u64);

/// One process as `/proc/PID/stat` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) pid: Pid,
    state: char,
    parent: i32,
    group: i32,
    session: i32,
    began: u64,
    /// Resident in memory.
    pub(super) pages: u64,
}

impl Seen {
    /// The second field is the program's name in parentheses, which may itself have spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (pid, rest) = stat.split_once(" (")?;
        let (_, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |index: usize| fields.get(index)?.parse().ok();
        Some(Self {
            pid: Pid::from_raw(pid.parse().ok()?)?,
            state: fields.first()?.chars().next()?,
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            began: fields.get(19)?.parse().ok()?,
            pages: fields.get(21)?.parse().unwrap_or(0),
        })
    }

    /// The program's name, as far as the kernel keeps it.
    pub(super) fn name(&self) -> String {
        fs::read_to_string(format!("{PROC}/{}/comm", self.pid))
            .map_or_else(|_| String::new(), |name| name.trim_end().to_owned())
    }

    pub(super) fn identity(&self) -> Identity {
        (self.pid, self.began)
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Cannot take a signal until what it waits for has happened, such as the `exec` of a child by `vfork`.
    pub(super) fn is_uninterruptible(&self) -> bool {
        self.state == 'D'
    }

    pub(super) fn is_child_of(&self, other: &Self) -> bool {
        self.parent == other.pid.as_raw_pid()
    }

    /// Ended, but not waited for.
    fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Every process of the system; none where there is no `/proc`.
pub(super) fn all() -> Vec<Seen> {
    let Ok(entries) = fs::read_dir(PROC) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .iter()
                .all(u8::is_ascii_digit)
        })
        // A process that ended meanwhile is none of anybody.
        .filter_map(|entry| Seen::parse(&fs::read_to_string(entry.path().join("stat")).ok()?))
        .collect()
}

/// By what the processes of an environment are known.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    /// The processes that the emulator started.
    pub(super) started: &'a [Pid],
    /// Those that were found before.
    pub(super) known: &'a HashSet<Identity>,
    /// `NAME=VALUE` among the variables of each process that has not cleared them.
    pub(super) variable: &'a [u8],
    /// Where every orphan among this process's children belongs to this environment: the children that others
    /// started, and that do not.
    pub(super) strangers: Option<&'a HashSet<Pid>>,
}

/// The living processes that belong to the environment.
pub(super) fn members(marks: &Marks<'_>) -> Vec<Seen> {
    members_of(all(), marks, |pid| {
        variable(pid, marks.variable).is_some_and(|found| found == marks.variable)
    })
}

/// The living processes among these that belong to the environment.
pub(super) fn members_of(
    mut others: Vec<Seen>,
    marks: &Marks<'_>,
    has_variable: impl Fn(Pid) -> bool,
) -> Vec<Seen> {
    let own = getpid();
    others.retain(|seen| seen.pid != own && !seen.is_zombie());
    select(others, marks, own, has_variable)
}

fn select(
    mut others: Vec<Seen>,
    marks: &Marks<'_>,
    own: Pid,
    has_variable: impl Fn(Pid) -> bool,
) -> Vec<Seen> {
    // Those started count even when they have ended, as their groups may live on.
    let mut ids: HashSet<i32> = marks.started.iter().map(|pid| pid.as_raw_pid()).collect();
    let mut members = Vec::new();
    let mut join = |found: Vec<Seen>, ids: &mut HashSet<i32>| {
        let any = !found.is_empty();
        ids.extend(found.iter().map(|seen| seen.pid.as_raw_pid()));
        members.extend(found);
        any
    };
    // Whoever joins may bring others with it.
    loop {
        let belongs = |seen: &mut Seen| {
            ids.contains(&seen.pid.as_raw_pid())
                || [seen.parent, seen.group, seen.session]
                    .iter()
                    .any(|id| ids.contains(id))
                || marks.known.contains(&seen.identity())
                || (seen.parent == own.as_raw_pid()
                    && marks
                        .strangers
                        .is_some_and(|strangers| !strangers.contains(&seen.pid)))
        };
        let found: Vec<Seen> = others.extract_if(.., belongs).collect();
        if join(found, &mut ids) {
            continue;
        }
        let found: Vec<Seen> = others
            .extract_if(.., |seen| has_variable(seen.pid))
            .collect();
        if !join(found, &mut ids) {
            return members;
        }
    }
}

/// The first of a process's variables, as `NAME=VALUE`, that begins so.
pub(super) fn variable(pid: Pid, start: &[u8]) -> Option<Vec<u8>> {
    let environ = fs::read(format!("{PROC}/{pid}/environ")).ok()?;
    environ
        .split(|byte| *byte == 0)
        .find(|one| one.starts_with(start))
        .map(<[u8]>::to_vec)
}

/// The children of this process that have ended and wait to be waited for, and those that have not.
pub(super) fn children() -> (Vec<Seen>, Vec<Seen>) {
    let own = getpid().as_raw_pid();
    all()
        .into_iter()
        .filter(|seen| seen.parent == own)
        .partition(Seen::is_zombie)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    fn seen(pid: i32, parent: i32, group: i32, session: i32) -> Seen {
        Seen {
            pid: Pid::from_raw(pid).unwrap(),
            state: 'S',
            parent,
            group,
            session,
            began: 7,
            pages: 0,
        }
    }

    fn selected(others: &[Seen], known: &[i32], adopts: bool, variable: &[i32]) -> Vec<i32> {
        let known = known.iter().map(|pid| (Pid::from_raw(*pid).unwrap(), 7));
        let strangers = HashSet::from([Pid::from_raw(61).unwrap()]);
        let marks = Marks {
            started: &[Pid::from_raw(100).unwrap()],
            known: &known.collect(),
            variable: b"",
            strangers: adopts.then_some(&strangers),
        };
        let own = Pid::from_raw(50).unwrap();
        let members = select(others.to_vec(), &marks, own, |pid| {
            variable.contains(&pid.as_raw_pid())
        });
        let mut pids: Vec<i32> = members.iter().map(|seen| seen.pid.as_raw_pid()).collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn a_process_is_read_whatever_its_program_is_called() {
        let rest = "S 4 5 6 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 777 0 42 9";
        for name in ["sh", "a) S 9 9 9 (b", "two words", ""] {
            let parsed = Seen::parse(&format!("123 ({name}) {rest}\n"));
            let expected = Seen {
                began: 777,
                pages: 42,
                ..seen(123, 4, 5, 6)
            };
            assert_eq!(parsed, Some(expected), "{name}");
        }
        for broken in ["", "123", "123 (sh) S 4 5", "x (sh) S 4 5 6 0"] {
            assert_eq!(Seen::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn children_groups_and_sessions_belong_and_bring_their_own() {
        let others = [
            seen(104, 103, 103, 103),
            seen(103, 102, 103, 103),
            seen(102, 100, 100, 9),
            // Orphans: of the group of 100, which has ended, and of the session of 103.
            seen(105, 1, 100, 9),
            seen(106, 1, 106, 103),
            // Others: in the emulator's session and group, and a child of it.
            seen(60, 1, 40, 9),
            seen(61, 50, 40, 9),
        ];
        assert_eq!(
            selected(&others, &[], false, &[]),
            [102, 103, 104, 105, 106]
        );
    }

    #[test]
    fn an_orphan_of_its_own_session_is_known_by_its_variable_its_past_or_its_new_parent() {
        // The last was started by another environment.
        let others = [
            seen(200, 50, 200, 200),
            seen(201, 200, 201, 201),
            seen(61, 50, 61, 9),
        ];
        assert_eq!(selected(&others, &[], false, &[]), [0; 0]);
        assert_eq!(selected(&others, &[], false, &[200]), [200, 201]);
        assert_eq!(selected(&others, &[200], false, &[]), [200, 201]);
        assert_eq!(selected(&others, &[], true, &[]), [200, 201]);
    }

    #[test]
    fn real_processes_are_found_through_forks_groups_and_variables() {
        // The inner shell is in a group of its own; the sleeper is orphaned, in another session, but has the variable.
        let script = "sh -c 'echo $$; (setsid sleep 1000 & echo $!); read x'";
        let mut root = Command::new("sh")
            .args(["-c", script])
            .env("CENSUS_TEST", "this one")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(root.stdout.take().unwrap()));
        let mut pid = || Pid::from_raw(lines.next().unwrap().unwrap().parse().unwrap()).unwrap();
        let (shell, sleeper) = (pid(), pid());
        let started = [Pid::from_child(&root)];
        let marks = Marks {
            started: &started,
            known: &HashSet::new(),
            variable: b"CENSUS_TEST=this one",
            strangers: None,
        };
        let found = members(&marks);
        for expected in [started[0], shell, sleeper] {
            assert!(
                found.iter().any(|seen| seen.pid == expected),
                "{expected:?} {found:?}"
            );
        }
        assert!(found.iter().all(|seen| seen.pid != getpid()));
        for seen in found {
            let _ = rustix::process::kill_process(seen.pid, rustix::process::Signal::KILL);
        }
        root.wait().unwrap();
    }
}
