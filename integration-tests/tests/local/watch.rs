// SPDX-License-Identifier: Apache-2.0
//! `--watch`: files change, and the next request is answered by the app as it is now.

use std::fs;

use integration_tests::binaries;
use integration_tests::gate::Gate;
use integration_tests::http::{Next, Request};
use integration_tests::local::{Builder, Local};
use integration_tests::waiting::eventually;
use tempfile::TempDir;

/// A folder with the app's start script in it.
struct Folder(TempDir);

impl Folder {
    fn new(script: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary directory can be made"));
        folder.script(script);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("a file can be written");
    }

    fn script(&self, script: &str) {
        self.write("app.sh", script);
    }

    fn path(&self) -> &str {
        self.0.path().to_str().expect("temporary names are text")
    }

    fn watched(&self) -> Builder {
        let script = format!("{}/app.sh", self.path());
        Local::builder()
            .option("--watch")
            .option(self.path())
            .command(&["sh", &script])
    }
}

/// The misbehaving app, which tells its version.
fn version(version: &str) -> String {
    let app = binaries::misbehave();
    format!("VERSION={version} exec {}\n", app.display())
}

fn answered_by(local: &Local) -> String {
    let process = local.get("/process").json();
    process["env"]["VERSION"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

fn count(local: &Local, start: &str) -> usize {
    let log = local.program().stderr();
    log.iter().filter(|line| line.starts_with(start)).count()
}

#[test]
fn a_change_restarts_the_environment_with_the_code_as_it_is_now() {
    let folder = Folder::new(&version("one"));
    let local = folder.watched().start();
    let _ = local.program().stdout_line("Watching    1 files");
    assert_eq!(answered_by(&local), "one");
    folder.script(&version("second"));
    let line = local.program().stderr_line("RESTART ");
    assert_eq!(line, format!("RESTART Changed: {}/app.sh", folder.path()));
    assert_eq!(answered_by(&local), "second");
    assert_eq!(count(&local, "SHUTDOWN Reason: spindown"), 1);
    assert_eq!(count(&local, "INIT_START"), 2);
    assert!(!local.program().transcript().contains("SIGKILL"));
}

#[test]
fn a_request_that_waits_for_a_broken_app_is_answered_by_the_mended_one() {
    let folder = Folder::new("exec sleep 1000\n");
    let local = folder.watched().start();
    let _ = local.program().stderr_line("INIT_START");
    let mut client = local.client();
    client.send(&Request::get("/process"));
    folder.script(&version("mended"));
    assert_eq!(client.response().json()["env"]["VERSION"], "mended");
    assert_eq!(count(&local, "START RequestId"), 1);
}

#[test]
fn an_app_that_ends_at_once_is_started_again_when_it_is_mended() {
    let folder = Folder::new("exit 3\n");
    let local = folder.watched().start();
    let _ = local.program().stderr_line("Runtime.AppStartFailed");
    folder.script(&version("mended"));
    let _ = local.program().stderr_line("RESTART ");
    assert_eq!(answered_by(&local), "mended");
}

#[test]
fn what_is_open_is_cut_and_several_environments_become_one() {
    let folder = Folder::new(&version("one"));
    let gate = Gate::bind();
    let (key, value) = gate.variable();
    let local = folder.watched().environments(3).env(key, value).start();
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = local.client();
        client.send(&Request::get("/gated?chunks=2"));
        let keeper = gate.accept();
        assert_eq!(client.head().status(), 200);
        open.push((client, keeper));
    }
    assert_eq!(count(&local, "INIT_START"), 3);
    folder.script(&version("second"));
    for (client, _keeper) in &mut open {
        let end = client.step();
        assert!(matches!(end, Next::Cut(_)), "{end:?}");
    }
    assert_eq!(answered_by(&local), "second");
    assert_eq!(count(&local, "INIT_START"), 4);
}

#[test]
fn what_git_ignores_restarts_nothing() {
    let folder = Folder::new(&version("one"));
    folder.write(".gitignore", "*.log\n");
    let local = folder.watched().start();
    assert_eq!(answered_by(&local), "one");
    folder.write("app.log", "a line\n");
    folder.write("page.html", "a page\n");
    let line = local.program().stderr_line("RESTART ");
    assert_eq!(line, format!("RESTART Added: {}/page.html", folder.path()));
    folder.write("app.log", "a line, and another\n");
    folder.write("page.html", "a page, and more\n");
    let line = local.program().stderr_line("RESTART Changed");
    assert_eq!(
        line,
        format!("RESTART Changed: {}/page.html", folder.path())
    );
}

#[test]
fn changes_while_it_restarts_are_not_lost() {
    let folder = Folder::new(&version("one"));
    let local = folder.watched().start();
    assert_eq!(answered_by(&local), "one");
    for round in 0..5 {
        folder.script(&version(&"x".repeat(round + 4)));
        eventually("a restart", || {
            (count(&local, "RESTART") > round).then_some(())
        });
    }
    assert_eq!(answered_by(&local), "xxxxxxxx");
}
