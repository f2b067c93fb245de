// SPDX-License-Identifier: Apache-2.0
//! Files: the adapter, the directory that plays `/opt`, and the extensions in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Program, SandboxError};

/// File name of the adapter if the user names none.
const ADAPTER: &str = "streamgate";

pub(super) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

pub(super) fn executable(what: &'static str, path: &Path) -> Result<PathBuf, SandboxError> {
    let not_executable = || SandboxError::NotExecutable {
        what,
        path: path.to_owned(),
    };
    if !is_executable(path) {
        return Err(not_executable());
    }
    // Absolute, as extensions and zip functions do not run in the current directory; a link keeps its own name.
    std::path::absolute(path).map_err(|_| not_executable())
}

pub(super) fn directory(what: &'static str, path: &Path) -> Result<PathBuf, SandboxError> {
    let not_a_directory = || SandboxError::NotADirectory {
        what,
        path: path.to_owned(),
    };
    if !path.is_dir() {
        return Err(not_a_directory());
    }
    std::path::absolute(path).map_err(|_| not_a_directory())
}

pub(super) fn program(what: &'static str, path: &Path) -> Result<Program, SandboxError> {
    let path = executable(what, path)?;
    Ok(Program {
        name: file_name(&path),
        path,
    })
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The adapter: as given, else beside this program, else on `PATH`.
///
/// # Errors
///
/// It is in none of these places, or is no executable file.
pub fn find_adapter(given: Option<&Path>) -> Result<PathBuf, SandboxError> {
    if let Some(path) = given {
        return executable("--adapter", path);
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join(ADAPTER)));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .iter()
        .cloned()
        .chain(std::env::split_paths(&on_path).map(|directory| directory.join(ADAPTER)))
        .find(|path| is_executable(path))
        .ok_or_else(|| SandboxError::NoAdapter {
            tried: match &beside {
                Some(path) => format!("{} and {ADAPTER} on PATH", path.display()),
                None => format!("{ADAPTER} on PATH"),
            },
        })
}

/// The extensions that Lambda would start: every file, but no directory, in `extensions`
/// (source: RIE `internal/lambda/agents/agent.go`).
pub(super) fn extensions_in(opt: &Path) -> Result<Vec<Program>, SandboxError> {
    let unusable = |source| SandboxError::Opt {
        path: opt.to_owned(),
        source,
    };
    let entries = match fs::read_dir(opt.join("extensions")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unusable(error)),
    };
    let mut programs = Vec::new();
    for entry in entries {
        let path = entry.map_err(unusable)?.path();
        if !path.is_dir() {
            programs.push(program("extension", &path)?);
        }
    }
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(programs)
}

/// Lays out what the adapter's layer puts into `/opt`. The extension keeps the file name of the adapter, as it would
/// in a layer, because it has to register under that name.
pub(super) fn lay_out(adapter: &Path) -> Result<TempDir, SandboxError> {
    let unusable = |source| SandboxError::Opt {
        path: std::env::temp_dir(),
        source,
    };
    let opt = tempfile::Builder::new()
        .prefix("streamgate-opt-")
        .tempdir()
        .map_err(unusable)?;
    let name = file_name(adapter);
    let extensions = opt.path().join("extensions");
    fs::create_dir(&extensions).map_err(unusable)?;
    symlink(adapter, extensions.join(&name)).map_err(unusable)?;
    let bootstrap = opt.path().join("bootstrap");
    let script = format!("#!/bin/sh\nexec \"${{0%/*}}/extensions/{name}\" stub \"$@\"\n");
    fs::write(&bootstrap, script).map_err(unusable)?;
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).map_err(unusable)?;
    Ok(opt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_laid_out_opt_holds_the_adapter_under_its_own_name() {
        let opt = lay_out(Path::new("/bin/sh")).unwrap();
        let extensions = extensions_in(opt.path()).unwrap();
        assert_eq!(extensions.len(), 1);
        assert_eq!(extensions[0].name, "sh");
        assert!(is_executable(&opt.path().join("bootstrap")));
    }

    #[test]
    fn an_opt_without_extensions_starts_none() {
        let opt = tempfile::tempdir().unwrap();
        assert_eq!(extensions_in(opt.path()).unwrap(), Vec::new());
    }

    #[test]
    fn a_directory_in_extensions_is_passed_over_and_a_plain_file_is_named() {
        let opt = tempfile::tempdir().unwrap();
        fs::create_dir_all(opt.path().join("extensions/lib")).unwrap();
        assert_eq!(extensions_in(opt.path()).unwrap(), Vec::new());
        fs::write(opt.path().join("extensions/notes.txt"), "x").unwrap();
        let error = extensions_in(opt.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("extensions/notes.txt is not an executable file"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_adapter_is_named() {
        let error = find_adapter(Some(Path::new("/nowhere/adapter")))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "--adapter /nowhere/adapter is not an executable file"
        );
    }
}
