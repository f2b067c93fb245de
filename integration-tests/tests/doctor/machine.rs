// SPDX-License-Identifier: Apache-2.0
//! Machine code: architecture, loader, C library, other systems. Real files of this machine, with single bytes changed.

use crate::{Question, Zip, about, healthy, program, replaced};

const LOADER: &[u8] = b"/lib64/ld-linux-x86-64.so.2\0";

/// The same program as one for arm64, as far as its headers go.
fn for_arm64() -> Vec<u8> {
    let mut bytes = replaced(&program(), LOADER, b"/lib/ld-linux-aarch64.so.1\0\0");
    assert_eq!(bytes[18..20], [62, 0]);
    bytes[18] = 183;
    bytes
}

#[test]
fn native_modules_of_the_other_architecture_are_an_error() {
    for name in [
        "node_modules/x/build/x.node",
        "lib/libx.so",
        "lib/libx.so.1.2",
    ] {
        let package = || healthy().file(name, 0o644, for_arm64());
        let said = about(package()).ask();
        let finding = said.only("error", "architecture");
        assert!(finding["where"].as_str().unwrap().ends_with(name));
    }
    let arm64 = |question: Question| question.option("--architecture").option("arm64");
    let fits = Zip::new().file("server", 0o755, for_arm64());
    arm64(about(fits).handler("server")).ask().nothing();
    let said = arm64(about(healthy())).ask();
    let finding = said.only("error", "architecture");
    assert!(finding["where"].as_str().unwrap().ends_with("server"));
}

#[test]
fn other_programs_of_the_other_architecture_are_a_warning() {
    let package = healthy().file("tools/x", 0o755, for_arm64());
    about(package).ask().only("warning", "architecture");
}

#[test]
fn builds_for_several_platforms_are_no_finding_if_one_of_them_fits() {
    let other = for_arm64();
    let mac = [b"\xcf\xfa\xed\xfe".as_slice(), &[0; 60]].concat();
    let foreign = || {
        healthy()
            .file("node_modules/@x/y-linux-arm64/y.node", 0o644, &other)
            .file("node_modules/@x/y-darwin-arm64/y.node", 0o644, &mac)
    };
    let fits = foreign().file("node_modules/@x/y-linux-x64/y.node", 0o644, program());
    about(fits).ask().nothing();
    let said = about(foreign()).ask();
    assert_eq!(said.ids().len(), 1, "{:#}", said.report);
}

#[test]
fn modules_for_other_systems_are_an_error() {
    for (system, head) in [
        ("macOS", b"\xcf\xfa\xed\xfe".as_slice()),
        ("Windows", b"MZ\x90\0"),
    ] {
        let bytes = [head, &[0; 60]].concat();
        let said = about(healthy().file("a/x.node", 0o644, &bytes)).ask();
        let finding = said.only("error", "not-linux");
        assert!(finding["what"].as_str().unwrap().ends_with(system));
        // As a handler too.
        let package = Zip::new().file("server", 0o755, &bytes);
        about(package)
            .handler("server")
            .ask()
            .only("error", "not-linux");
    }
}

#[test]
fn a_newer_glibc_than_the_runtimes_is_an_error() {
    let package = |bytes| Zip::new().file("server", 0o755, bytes);
    let newer = replaced(&program(), b"\0GLIBC_2.34\0", b"\0GLIBC_2.39\0");
    let said = about(package(newer)).handler("server").ask();
    let finding = said.only("error", "glibc");
    assert_eq!(finding["what"], "the handler needs glibc 2.39");
    assert!(
        finding["why"]
            .as_str()
            .unwrap()
            .contains("Amazon Linux 2023 has glibc 2.34")
    );
    // What runs on the newer system does not on the older one.
    let question = |runtime| {
        about(package(program()))
            .handler("server")
            .runtime(runtime)
            .ask()
    };
    question("provided.al2023").nothing();
    question("provided.al2").only("error", "glibc");
}

#[test]
fn a_loader_that_the_runtime_does_not_have_is_an_error() {
    for (loader, id) in [
        (b"/lib/ld-musl-x86_64.so.1\0\0\0\0", "musl"),
        (b"/nix/store/ld-linux-x86-64.\0", "loader"),
    ] {
        let package = Zip::new().file("server", 0o755, replaced(&program(), LOADER, loader));
        about(package).handler("server").ask().only("error", id);
    }
}

#[test]
fn a_program_whose_headers_lead_nowhere_is_an_error() {
    let mut bytes = program();
    // Where its program headers begin.
    bytes[32..40].copy_from_slice(&0xffff_ffff_u64.to_le_bytes());
    let package = Zip::new().file("server", 0o755, &bytes);
    about(package)
        .handler("server")
        .ask()
        .only("error", "broken-program");
    let module = healthy().file("a/x.node", 0o644, &bytes);
    about(module).ask().only("error", "broken-program");
}

#[test]
fn machine_code_that_does_not_hold_together_is_no_panic() {
    let program = program();
    // Cut anywhere in the headers, and each byte of them changed.
    let mut package = healthy();
    for end in (4..64).chain([100, 1000, program.len() - 1]) {
        package = package.file(&format!("cut/{end}.so"), 0o644, &program[..end]);
    }
    for at in 4..64 {
        let mut bytes = program.clone();
        bytes[at] ^= 0xff;
        package = package.file(&format!("changed/{at}.so"), 0o644, bytes);
    }
    let said = about(package).ask();
    assert!(matches!(said.code, Some(0 | 1)), "{:?}", said.code);
}
