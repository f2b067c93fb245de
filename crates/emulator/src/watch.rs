// SPDX-License-Identifier: Apache-2.0
//! `--watch`: which files there are, and which of them changed.
//!
//! It looks at the files again and again rather than be told by the system: that works on every file system, mounted
//! folders of containers and virtual machines included, and has no limit on how many folders there may be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ignore::WalkBuilder;

/// Between two looks; more where a look takes long.
const INTERVAL: Duration = Duration::from_millis(200);
/// As many times as long as a look takes is waited until the next.
const PAUSE_FACTOR: u32 = 20;
/// What goes on being written puts the news off, but not for longer than this.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);
/// Folders of what was installed or made. Hidden ones, such as `.git` and `.venv`, are left out anyway.
const LEFT_OUT: &[&str] = &["node_modules", "__pycache__"];

/// A path that cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("--watch {} cannot be read", .path.display())]
pub(crate) struct WatchError {
    path: PathBuf,
    source: std::io::Error,
}

/// What tells a file from its earlier self: when it was written, if the file system knows, and its length.
type Stamp = (Option<SystemTime>, u64);

type Files = BTreeMap<PathBuf, Stamp>;

/// Files as they were at the last look.
#[derive(Debug)]
pub(crate) struct Watch {
    paths: Arc<[PathBuf]>,
    files: Files,
    pause: Duration,
}

impl Watch {
    /// Looks for the first time at these files and at the files in these folders. Left out are hidden ones, what a
    /// `.gitignore` in the folders or the user's own one names, and [`LEFT_OUT`].
    pub(crate) fn new(paths: Vec<PathBuf>) -> Result<Self, WatchError> {
        for path in &paths {
            path.metadata().map_err(|source| WatchError {
                path: path.clone(),
                source,
            })?;
        }
        let files = look(&paths);
        Ok(Self {
            paths: paths.into(),
            files,
            pause: INTERVAL,
        })
    }

    /// How many files there are.
    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// Resolves when files have changed and two looks found the same; says which, on one line.
    ///
    /// # Cancel safety
    /// After a drop the next call tells of the same change.
    pub(crate) async fn changed(&mut self) -> String {
        loop {
            let mut files = self.look_again().await;
            if files == self.files {
                continue;
            }
            let since = Instant::now();
            loop {
                let later = self.look_again().await;
                let is_settled = later == files || since.elapsed() > SETTLE_LIMIT;
                files = later;
                if is_settled {
                    break;
                }
            }
            let before = std::mem::replace(&mut self.files, files);
            // A file that came and went in between is no change.
            if let Some(change) = describe(&before, &self.files) {
                return change;
            }
        }
    }

    async fn look_again(&mut self) -> Files {
        tokio::time::sleep(self.pause).await;
        let paths = Arc::clone(&self.paths);
        let began = Instant::now();
        let files = tokio::task::spawn_blocking(move || look(&paths)).await;
        self.pause = INTERVAL.max(began.elapsed() * PAUSE_FACTOR);
        // A look that came to nothing has seen no change.
        files.unwrap_or_else(|_| self.files.clone())
    }
}

fn look(paths: &[PathBuf]) -> Files {
    let Some((first, rest)) = paths.split_first() else {
        return Files::new();
    };
    let mut walk = WalkBuilder::new(first);
    for path in rest {
        walk.add(path);
    }
    walk.parents(false)
        .require_git(false)
        .filter_entry(|entry| entry.depth() == 0 || !is_left_out(entry.path()));
    // What cannot be read cannot be told to have changed.
    walk.build()
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let metadata = entry.path().metadata().ok()?;
            let stamp = (metadata.modified().ok(), metadata.len());
            metadata.is_file().then(|| (entry.into_path(), stamp))
        })
        .collect()
}

fn is_left_out(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| LEFT_OUT.iter().any(|left_out| name == *left_out))
}

/// The first file that is not what it was, and how many more; `None` if there is none.
fn describe(before: &Files, after: &Files) -> Option<String> {
    let gone = before
        .keys()
        .filter(|path| !after.contains_key(*path))
        .map(|path| ("Removed", path));
    let others = after
        .iter()
        .filter_map(|(path, stamp)| match before.get(path) {
            None => Some(("Added", path)),
            Some(old) if old != stamp => Some(("Changed", path)),
            Some(_) => None,
        });
    // What was written says more than what came or went with it.
    let mut differences: Vec<_> = gone.chain(others).collect();
    differences.sort_by_key(|(what, _)| *what != "Changed");
    let (what, path) = differences.first()?;
    let path = path.strip_prefix(".").unwrap_or(path).to_string_lossy();
    let more = match differences.len() - 1 {
        0 => String::new(),
        more => format!("\tMore: {more}"),
    };
    Some(format!("{what}: {}{more}", path.escape_debug()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            write(&folder, file, "first");
        }
        folder
    }

    fn write(folder: &TempDir, file: &str, text: &str) {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn watch(folder: &TempDir) -> Watch {
        Watch::new(vec![folder.path().to_owned()]).unwrap()
    }

    fn change(watch: &Watch) -> Option<String> {
        describe(&watch.files, &look(&watch.paths))
    }

    fn line(what: &str, folder: &TempDir, file: &str) -> String {
        format!("{what}: {}", folder.path().join(file).display())
    }

    #[test]
    fn files_that_are_written_come_or_go_are_told() {
        let folder = folder(&["server.js", "views/page.html"]);
        let watch = watch(&folder);
        assert_eq!(watch.count(), 2);
        assert_eq!(change(&watch), None);
        write(&folder, "views/page.html", "second, and longer");
        assert_eq!(
            change(&watch),
            Some(line("Changed", &folder, "views/page.html"))
        );
        write(&folder, "views/page.html", "first");
        let page = folder.path().join("views/page.html");
        let stamp = watch.files[&page].0.unwrap();
        fs::File::options()
            .append(true)
            .open(&page)
            .unwrap()
            .set_modified(stamp)
            .unwrap();
        assert_eq!(change(&watch), None);
        write(&folder, "new/route.js", "first");
        assert_eq!(change(&watch), Some(line("Added", &folder, "new/route.js")));
        fs::remove_dir_all(folder.path().join("new")).unwrap();
        fs::remove_file(folder.path().join("server.js")).unwrap();
        assert_eq!(change(&watch), Some(line("Removed", &folder, "server.js")));
        write(&folder, "views/page.html", "second, and longer");
        let both = format!("{}\tMore: 1", line("Changed", &folder, "views/page.html"));
        assert_eq!(change(&watch), Some(both));
    }

    #[test]
    fn a_file_that_is_replaced_as_editors_do_has_changed() {
        let folder = folder(&["server.js"]);
        let path = folder.path().join("server.js");
        let watch = Watch::new(vec![path.clone()]).unwrap();
        write(&folder, ".server.js.swp", "second, and longer");
        assert_eq!(change(&watch), None);
        fs::rename(folder.path().join(".server.js.swp"), &path).unwrap();
        assert_eq!(change(&watch), Some(line("Changed", &folder, "server.js")));
    }

    #[test]
    fn what_is_made_or_installed_is_left_out() {
        let folder = folder(&[
            "server.js",
            ".gitignore",
            ".git/index",
            "node_modules/a/index.js",
        ]);
        write(&folder, ".gitignore", "*.log\nbuild/\n");
        let watch = watch(&folder);
        assert_eq!(watch.count(), 1);
        for file in [
            "app.log",
            "build/app.js",
            "lib/__pycache__/a.pyc",
            ".venv/a",
            "node_modules/b/index.js",
        ] {
            write(&folder, file, "second");
        }
        assert_eq!(change(&watch), None);
        let inside = Watch::new(vec![folder.path().join("node_modules")]).unwrap();
        assert_eq!(
            inside.count(),
            2,
            "a folder that is named is no folder that is left out"
        );
    }

    #[test]
    fn a_path_that_is_not_there_is_named() {
        let error = Watch::new(vec!["/nowhere/at/all".into()]).unwrap_err();
        assert_eq!(error.to_string(), "--watch /nowhere/at/all cannot be read");
    }

    #[tokio::test]
    async fn a_change_is_told_once() {
        let folder = folder(&["server.js"]);
        let mut watch = watch(&folder);
        write(&folder, "server.js", "second, and longer");
        assert_eq!(watch.changed().await, line("Changed", &folder, "server.js"));
        write(&folder, "other.js", "first");
        assert_eq!(watch.changed().await, line("Added", &folder, "other.js"));
    }
}
