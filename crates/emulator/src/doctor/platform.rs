// SPDX-License-Identifier: Apache-2.0
//! What Lambda's runtimes are made of, as far as a package depends on it. Sources are in `docs/doctor.md`.

use std::str::FromStr;

/// Amazon Linux, on which a runtime is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Al2,
    Al2023,
}

impl System {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Al2 => "Amazon Linux 2",
            Self::Al2023 => "Amazon Linux 2023",
        }
    }

    /// The version of its C library (source: AWS page "Improved toolchain: gcc, binutils, and glibc").
    pub(super) fn glibc(self) -> (u32, u32) {
        match self {
            Self::Al2 => (2, 26),
            Self::Al2023 => (2, 34),
        }
    }
}

/// The language of a managed runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Node,
    Python,
    Java,
    Dotnet,
    Ruby,
}

/// What a program's name tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interpreter {
    /// Of the runtimes of this language.
    Of(Language),
    /// Of no runtime.
    Foreign,
}

const INTERPRETERS: &[(&str, Interpreter)] = &[
    ("node", Interpreter::Of(Language::Node)),
    ("python3", Interpreter::Of(Language::Python)),
    ("python", Interpreter::Of(Language::Python)),
    ("java", Interpreter::Of(Language::Java)),
    ("dotnet", Interpreter::Of(Language::Dotnet)),
    ("ruby", Interpreter::Of(Language::Ruby)),
    ("bun", Interpreter::Foreign),
    ("deno", Interpreter::Foreign),
    ("php", Interpreter::Foreign),
];

/// Where a managed runtime has its language.
const LANGUAGE_FOLDER: &str = "/var/lang/bin/";
const SYSTEM_FOLDERS: [&str; 2] = ["/bin/", "/usr/bin/"];

/// Programs of the packages that both systems have (bash, coreutils, grep, sed, gawk), of those that start scripts.
const SYSTEM_PROGRAMS: &[&str] = &["sh", "bash", "env", "awk", "gawk", "sed"];

/// What a runtime has to say to a program's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is there.
    There,
    /// It is known to be somewhere else or not at all.
    Missing,
    Unknown,
}

/// A runtime of Lambda's for zip functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Runtime {
    pub(super) name: &'static str,
    /// `None`: an OS-only runtime.
    pub(super) language: Option<Language>,
    pub(super) system: System,
}

/// (source: AWS page "Lambda runtimes"; deprecated ones of Amazon Linux 2 are among them)
const RUNTIMES: &[(&str, Option<Language>, System)] = &[
    ("provided.al2023", None, System::Al2023),
    ("provided.al2", None, System::Al2),
    ("nodejs24.x", Some(Language::Node), System::Al2023),
    ("nodejs22.x", Some(Language::Node), System::Al2023),
    ("nodejs20.x", Some(Language::Node), System::Al2023),
    ("nodejs18.x", Some(Language::Node), System::Al2),
    ("nodejs16.x", Some(Language::Node), System::Al2),
    ("python3.14", Some(Language::Python), System::Al2023),
    ("python3.13", Some(Language::Python), System::Al2023),
    ("python3.12", Some(Language::Python), System::Al2023),
    ("python3.11", Some(Language::Python), System::Al2),
    ("python3.10", Some(Language::Python), System::Al2),
    ("python3.9", Some(Language::Python), System::Al2),
    ("python3.8", Some(Language::Python), System::Al2),
    ("java25", Some(Language::Java), System::Al2023),
    ("java21", Some(Language::Java), System::Al2023),
    ("java17", Some(Language::Java), System::Al2),
    ("java11", Some(Language::Java), System::Al2),
    ("java8.al2", Some(Language::Java), System::Al2),
    ("dotnet10", Some(Language::Dotnet), System::Al2023),
    ("dotnet8", Some(Language::Dotnet), System::Al2023),
    ("dotnet6", Some(Language::Dotnet), System::Al2),
    ("ruby3.4", Some(Language::Ruby), System::Al2023),
    ("ruby3.3", Some(Language::Ruby), System::Al2023),
    ("ruby3.2", Some(Language::Ruby), System::Al2),
];

impl FromStr for Runtime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = RUNTIMES.iter().find(|(name, ..)| *name == text);
        let Some(&(name, language, system)) = known else {
            let names: Vec<_> = RUNTIMES.iter().map(|(name, ..)| *name).collect();
            return Err(format!("expected one of {}", names.join(", ")));
        };
        Ok(Self {
            name,
            language,
            system,
        })
    }
}

impl Runtime {
    /// Whether a program of this name is found by a shell, or by `env`.
    pub(super) fn program(&self, name: &str) -> Presence {
        if SYSTEM_PROGRAMS.contains(&name) || self.has_language_program(name) {
            Presence::There
        } else if self.lacks(name) {
            Presence::Missing
        } else {
            Presence::Unknown
        }
    }

    /// Whether there is a program at this absolute path, which is neither the function's nor a layer's.
    pub(super) fn path(&self, path: &str) -> Presence {
        let in_system = SYSTEM_FOLDERS
            .iter()
            .find_map(|folder| path.strip_prefix(folder));
        match (in_system, path.strip_prefix(LANGUAGE_FOLDER)) {
            (Some(name), _) if SYSTEM_PROGRAMS.contains(&name) => Presence::There,
            (None, Some(name)) if self.has_language_program(name) => Presence::There,
            (Some(name), _) if self.lacks(name) => Presence::Missing,
            (None, Some(_)) if self.language.is_none() => Presence::Missing,
            // Neither image has anything of these.
            (None, None) => Presence::Missing,
            (Some(_), _) | (None, Some(_)) => Presence::Unknown,
        }
    }

    /// Whether it is an interpreter that is not there for sure: an OS-only runtime has no language.
    fn lacks(&self, name: &str) -> bool {
        match interpreter(name) {
            Some(Interpreter::Foreign) => true,
            Some(Interpreter::Of(_)) => self.language.is_none(),
            None => false,
        }
    }

    fn has_language_program(&self, name: &str) -> bool {
        let Some(Interpreter::Of(language)) = interpreter(name) else {
            return false;
        };
        let has_number = name.starts_with("python3.");
        self.language == Some(language) && (!has_number || name == self.name)
    }

    /// How its interpreter is found in a script, where it has one.
    pub(super) fn own_interpreter(&self) -> Option<&'static str> {
        let language = Interpreter::Of(self.language?);
        let mut all = INTERPRETERS.iter();
        all.find(|(_, of)| *of == language).map(|(name, _)| *name)
    }
}

fn interpreter(name: &str) -> Option<Interpreter> {
    let known = INTERPRETERS.iter().find(|(known, _)| *known == name);
    known.map(|(_, of)| *of).or_else(|| {
        let number = name.strip_prefix("python3.")?;
        number.parse::<u8>().ok()?;
        Some(Interpreter::Of(Language::Python))
    })
}

/// An instruction set of Lambda's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    X86_64,
    Arm64,
}

impl Architecture {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// The loader of the C library (source: the ABI supplements for both; glibc's `sysdeps`).
    pub(super) fn loaders(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &["/lib64/ld-linux-x86-64.so.2"],
            Self::Arm64 => &["/lib/ld-linux-aarch64.so.1"],
        }
    }
}

impl FromStr for Architecture {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "x86_64" => Ok(Self::X86_64),
            "arm64" => Ok(Self::Arm64),
            _ => Err("expected x86_64 or arm64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_has_its_own_language_and_no_other() {
        let node: Runtime = "nodejs22.x".parse().unwrap();
        let python: Runtime = "python3.13".parse().unwrap();
        let os_only: Runtime = "provided.al2023".parse().unwrap();
        for (runtime, name, expected) in [
            (&node, "node", Presence::There),
            (&node, "python3", Presence::Unknown),
            (&python, "python3.13", Presence::There),
            (&python, "python3.12", Presence::Unknown),
            (&os_only, "node", Presence::Missing),
            (&os_only, "sh", Presence::There),
            (&os_only, "serve", Presence::Unknown),
        ] {
            assert_eq!(
                runtime.program(name),
                expected,
                "{name} in {}",
                runtime.name
            );
        }
        for (runtime, path, expected) in [
            (&node, "/usr/bin/env", Presence::There),
            (&node, "/usr/bin/node", Presence::Unknown),
            (&node, "/usr/local/bin/node", Presence::Missing),
            (&node, "/var/lang/bin/node", Presence::There),
            (&os_only, "/var/lang/bin/node", Presence::Missing),
            (&os_only, "/usr/bin/perl", Presence::Unknown),
        ] {
            assert_eq!(runtime.path(path), expected, "{path} in {}", runtime.name);
        }
    }
}
