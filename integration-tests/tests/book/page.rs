// SPDX-License-Identifier: Apache-2.0
//! A page of the book as the steps that a reader takes.

use std::path::Path;

/// One step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A file to be written.
    Write { path: String, text: String },
    /// Commands, and what they print if the page says so.
    Run {
        commands: String,
        prints: Option<String>,
    },
    /// Commands, the last of which goes on until Ctrl-C.
    Serve { commands: String },
}

/// Stands before commands that no test can run, and says why.
const NOT_RUN: &str = "<!-- not run: ";

/// The steps of a page. Every block of `sh` is one, unless the page says why not; a block of another language is a file
/// if the line before it says ``Put this into `PATH`:`` in its end; `text` behind commands is what they print.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    let mut before = "";
    let mut is_behind_commands = false;
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                before = line;
                is_behind_commands = false;
            }
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let text = block.join("\n") + "\n";
        if language == "sh" {
            if before.starts_with(NOT_RUN) {
                is_behind_commands = false;
            } else {
                steps.push(of_commands(text));
                is_behind_commands = true;
            }
        } else if let Some(path) = file_named_by(before) {
            let path = path.to_owned();
            steps.push(Step::Write { path, text });
        } else if language == "text"
            && is_behind_commands
            && let Some(Step::Run { prints, .. }) = steps.last_mut()
        {
            *prints = Some(text);
        }
        before = "";
    }
    steps
}

fn of_commands(commands: String) -> Step {
    let last = commands.lines().last().unwrap_or_default();
    if last.starts_with("streamgate-local ") {
        Step::Serve { commands }
    } else {
        Step::Run {
            commands,
            prints: None,
        }
    }
}

/// `app/server.js` of "Put this into `app/server.js`:".
fn file_named_by(line: &str) -> Option<&str> {
    let (_, rest) = line.rsplit_once("ut this into `")?;
    let path = rest.strip_suffix("`:")?;
    assert!(Path::new(path).is_relative(), "{path}");
    Some(path)
}

#[test]
fn a_page_is_taken_apart_into_its_steps() {
    let page = "Put this into `a/b.js`:\n\n```js\nx\n```\n\nRun:\n\n```sh\ncd a\nnode b.js\n```\n\n```text\n1\n```\n\
                Then:\n\n```sh\nstreamgate-local --zip a\n```\n\n<!-- not run: why -->\n```sh\naws\n```\n\n```text\n2\n```\n";
    let expected = [
        Step::Write {
            path: "a/b.js".to_owned(),
            text: "x\n".to_owned(),
        },
        Step::Run {
            commands: "cd a\nnode b.js\n".to_owned(),
            prints: Some("1\n".to_owned()),
        },
        Step::Serve {
            commands: "streamgate-local --zip a\n".to_owned(),
        },
    ];
    assert_eq!(steps(page), expected);
}
