// SPDX-License-Identifier: Apache-2.0
//! How the app is started: handler, command, wrapper, bootstrap, and whether the kernel would.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::{Question, SCRIPT, Zip, about, healthy, replaced};

#[test]
fn a_handler_that_is_not_there_is_an_error() {
    let said = about(healthy()).handler("start.sh").ask();
    let finding = said.only("error", "handler-missing");
    assert_eq!(finding["mend"], "the files at the root are: run.sh, server");
    let said = about(healthy()).handler("Run.sh").ask();
    let finding = said.only("error", "handler-missing");
    assert_eq!(
        finding["mend"],
        "it is called run.sh: letter case counts on Linux"
    );
    // The setting of a function that was not made for an adapter.
    let said = about(healthy())
        .managed("nodejs22.x")
        .handler("index.handler")
        .ask();
    said.only("error", "handler-missing");
}

#[test]
fn a_folder_that_was_packed_in_the_place_of_its_contents_is_an_error() {
    let package =
        Zip::new()
            .file("app/run.sh", 0o755, SCRIPT)
            .file("app/server", 0o755, "#!/bin/sh\n");
    let said = about(package).ask();
    let finding = said.only("error", "folder-packed");
    assert!(finding["mend"].as_str().unwrap().contains("cd app &&"));
    let package = Zip::new()
        .file("app/run.sh", 0o755, SCRIPT)
        .file("server", 0o755, "#!/bin/sh\n");
    let said = about(package).ask();
    let finding = said.only("error", "handler-missing");
    assert!(finding["mend"].as_str().unwrap().contains("app/run.sh"));
}

#[test]
fn a_handler_without_its_exec_bit_is_an_error() {
    let said = about(Zip::new().file("run.sh", 0o644, SCRIPT)).ask();
    said.only("error", "not-executable");
}

#[test]
fn a_zip_made_on_windows_has_no_exec_bits() {
    // The system that an entry was made on, in each header of the directory, and with it the meaning of its attributes.
    let mut zip = Zip::new().file("run.sh", 0o755, SCRIPT).bytes();
    let header = zip
        .windows(4)
        .position(|mark| mark == b"PK\x01\x02")
        .unwrap();
    zip[header + 5] = 0;
    zip[header + 38..header + 42].copy_from_slice(&[0x20, 0, 0, 0]);
    let said = crate::about_bytes(&zip).ask();
    assert_eq!(
        said.ids(),
        [("error", "not-executable"), ("warning", "no-modes")]
    );
    let why = said.one("error", "not-executable")["why"].as_str().unwrap();
    assert!(why.contains("Windows"), "{why}");
}

#[test]
fn files_for_their_owner_alone_are_told() {
    let said = about(Zip::new().file("run.sh", 0o700, SCRIPT)).ask();
    assert_eq!(
        said.ids(),
        [("error", "not-for-all-users"), ("warning", "not-readable")]
    );
    let said = about(healthy().file("data.json", 0o600, "{}")).ask();
    let finding = said.only("warning", "not-readable");
    assert!(finding["what"].as_str().unwrap().ends_with(": data.json"));
}

#[test]
fn lines_that_end_with_crlf_are_an_error_in_the_handler() {
    for script in ["#!/bin/sh\r\necho here\r\n", "#!/bin/sh\necho here\r\n"] {
        let said = about(Zip::new().file("run.sh", 0o755, script)).ask();
        said.only("error", "crlf");
    }
    // Node takes them for spaces; behind the first line they do no harm.
    let script = "#!/usr/bin/env node\nserve()\r\n";
    let package = Zip::new().file("index.js", 0o755, script);
    about(package)
        .handler("index.js")
        .managed("nodejs22.x")
        .ask()
        .nothing();
}

#[test]
fn lines_that_end_with_crlf_are_a_warning_in_other_scripts() {
    let package = healthy().file("bin/migrate", 0o755, "#!/bin/sh\r\ntrue\r\n");
    let said = about(package).ask();
    let finding = said.only("warning", "crlf");
    assert!(finding["where"].as_str().unwrap().ends_with("bin/migrate"));
    // What nobody starts may have them.
    about(healthy().file("lib/cli.js", 0o644, "#!/usr/bin/env node\r\n"))
        .ask()
        .nothing();
}

#[test]
fn a_script_that_names_no_interpreter_is_an_error() {
    let said = about(Zip::new().file("run.sh", 0o755, "exec ./server\n")).ask();
    said.only("error", "no-shebang");
    let said = about(Zip::new().file("run.sh", 0o755, "\u{feff}#!/bin/sh\n")).ask();
    said.only("error", "byte-order-mark");
}

#[test]
fn an_interpreter_that_the_runtime_does_not_have_is_an_error() {
    for (runtime, line, severity) in [
        ("provided.al2023", "#!/usr/bin/env node", "error"),
        ("provided.al2023", "#!/var/lang/bin/node", "error"),
        ("nodejs22.x", "#!/usr/local/bin/node", "error"),
        (
            "nodejs22.x",
            "#!/usr/bin/env -S node --enable-source-maps",
            "",
        ),
        ("nodejs22.x", "#!/usr/bin/env python3", "warning"),
        ("nodejs22.x", "#!/var/lang/bin/node", ""),
        ("nodejs22.x", "#!node", "error"),
        ("nodejs22.x", "#!/usr/bin/env php", "error"),
        ("python3.13", "#!/usr/bin/env python3", ""),
        ("python3.13", "#!/usr/bin/env python3.12", "warning"),
        ("python3.13", "#!/home/me/venv/bin/python3", "error"),
        ("python3.13", "#!/usr/bin/perl", "warning"),
        ("java21", "#!/bin/bash -eu", ""),
        ("java21", "#!/var/task/jre/bin/java", "error"),
    ] {
        let package = Zip::new().file("run.sh", 0o755, format!("{line}\nserve\n"));
        let question = about(package);
        let question = if runtime.starts_with("provided") {
            question.runtime(runtime)
        } else {
            question.managed(runtime)
        };
        let said = question.ask();
        if severity.is_empty() {
            said.nothing();
        } else {
            said.only(severity, "interpreter");
        }
    }
}

#[test]
fn an_interpreter_of_a_layer_is_looked_for_in_the_layers() {
    let package = || Zip::new().file("run.sh", 0o755, "#!/opt/bin/php\n");
    about(package()).ask().nothing();
    let layer = crate::layers::layer();
    let said = about(package()).layer(layer).ask();
    said.only("warning", "interpreter");
    let layer = crate::layers::layer().file("bin/php", 0o755, "");
    about(package()).layer(layer).ask().nothing();
}

#[test]
fn a_command_line_is_looked_at_as_far_as_it_names_files() {
    for (line, runtime, severity, id) in [
        ("node index.js", "nodejs22.x", "", ""),
        ("node main.js", "nodejs22.x", "error", "command-missing"),
        ("node index.js", "python3.13", "warning", "command-unknown"),
        ("exec ./server --fast", "nodejs22.x", "", ""),
        ("./serve", "nodejs22.x", "error", "command-missing"),
        ("bin/serve --fast", "nodejs22.x", "error", "command-missing"),
        (
            "MODE=fast server --fast",
            "nodejs22.x",
            "error",
            "command-unknown",
        ),
        (
            "uvicorn main:app",
            "python3.13",
            "warning",
            "command-unknown",
        ),
        ("cd app && node main.js", "nodejs22.x", "", ""),
    ] {
        let question = || about(healthy().file("index.js", 0o644, "")).managed(runtime);
        let by_command = question().env(&format!("STREAMGATE_COMMAND={line}")).ask();
        let by_handler = question().handler(line).ask();
        if id.is_empty() {
            by_command.nothing();
        } else {
            by_command.only(severity, id);
        }
        let refused = line.contains(' ');
        by_handler.only(
            "error",
            if refused {
                "handler-refused"
            } else {
                "handler-missing"
            },
        );
    }
}

#[test]
fn the_command_goes_before_the_handler() {
    let question = about(healthy())
        .handler("index.handler")
        .env("STREAMGATE_COMMAND=./server");
    question.ask().nothing();
}

#[test]
fn a_managed_runtime_without_the_wrapper_is_an_error() {
    let said = about(healthy()).runtime("nodejs22.x").ask();
    said.only("error", "wrapper");
    let said = about(healthy())
        .runtime("nodejs22.x")
        .env("AWS_LAMBDA_EXEC_WRAPPER=/opt/otel-handler")
        .ask();
    let finding = said.only("warning", "wrapper");
    assert!(
        finding["mend"]
            .as_str()
            .unwrap()
            .contains("STREAMGATE_WRAPPER_NEXT=/opt/otel-handler")
    );
}

#[test]
fn a_wrapper_of_an_os_only_runtime_is_a_warning() {
    let said = about(healthy())
        .env("AWS_LAMBDA_EXEC_WRAPPER=/opt/bootstrap")
        .ask();
    said.only("warning", "wrapper");
}

#[test]
fn a_bootstrap_of_the_package_shadows_the_layers() {
    let package = || healthy().file("bootstrap", 0o755, SCRIPT);
    about(package()).ask().only("error", "bootstrap-shadowed");
    about(package()).managed("python3.13").ask().nothing();
}

#[test]
fn a_folder_is_looked_at_like_its_zip() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("run.sh");
    fs::write(&script, SCRIPT).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
    let question = || Question::new().package(folder.path());
    question().ask().only("error", "not-executable");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    question().ask().nothing();
}

#[test]
fn a_handler_behind_a_link_is_looked_at_where_it_is() {
    let package = Zip::new()
        .link("run.sh", "bin/start")
        .file("bin/start", 0o644, SCRIPT);
    let said = about(package).ask();
    let finding = said.only("error", "not-executable");
    assert!(finding["where"].as_str().unwrap().ends_with("bin/start"));
}

#[test]
fn a_handler_that_is_a_program_is_looked_at_as_one() {
    let program = crate::program();
    about(Zip::new().file("server", 0o755, &program))
        .handler("server")
        .ask()
        .nothing();
    let other = replaced(&program, &program[18..20], &[183, 0]);
    assert_eq!(other[18], 183);
    let package = Zip::new().file("server", 0o755, other);
    about(package)
        .handler("server")
        .ask()
        .only("error", "architecture");
}

#[test]
fn what_a_start_script_starts_is_looked_at() {
    let script = |line: &str| Zip::new().file("run.sh", 0o755, format!("#!/bin/sh\n{line}\n"));
    let said = about(script("exec ./server").file("server", 0o644, crate::program())).ask();
    let finding = said.only("error", "not-executable");
    assert!(finding["what"].as_str().unwrap().contains("run.sh"));
    about(script("./server --fast"))
        .ask()
        .only("warning", "command-missing");
    let said = about(script("exec node index.js")).ask();
    said.only("warning", "command-unknown");
    for line in [
        "exec node index.js\n# node is a layer's\nPATH=/opt/node/bin:$PATH",
        "cd app\nexec ./server",
        "exec \"./$PROGRAM\"",
        "exec uvicorn main:app",
    ] {
        about(script(line)).ask().nothing();
    }
    about(script("exec node index.js"))
        .managed("nodejs22.x")
        .ask()
        .nothing();
}
