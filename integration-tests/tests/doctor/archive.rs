// SPDX-License-Identifier: Apache-2.0
//! Archives that are broken, hostile, too large, or made in a way that Linux takes otherwise.

use std::fs::File;
use std::io::Write as _;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{Question, SCRIPT, Zip, about, about_bytes, healthy, replaced};

#[test]
fn a_zip_that_is_cut_or_damaged_is_an_error() {
    let zip = healthy().bytes();
    let said = about_bytes(&zip[..zip.len() / 2]).ask();
    said.only("error", "corrupt-zip");
    // One byte in the middle of the program, which the checksum tells.
    let mut damaged = zip.clone();
    damaged[zip.len() / 2] ^= 0x55;
    let said = about_bytes(&damaged).ask();
    let finding = said.only("error", "corrupt-entry");
    assert!(finding["what"].as_str().unwrap().contains("server"));
}

#[test]
fn no_damage_to_a_zip_makes_it_panic() {
    let zip = Zip::new()
        .file("run.sh", 0o755, SCRIPT)
        .link("a", "run.sh")
        .bytes();
    for at in 0..zip.len() {
        // Sparse: each is a process.
        if at % 7 == 0 {
            let mut damaged = zip.clone();
            damaged[at] ^= 0xff;
            let said = about_bytes(&damaged).ask();
            assert!(
                matches!(said.code, Some(0 | 1)),
                "byte {at}: {:?}",
                said.code
            );
        }
    }
}

#[test]
fn an_empty_zip_has_no_handler() {
    about(Zip::new()).ask().only("error", "handler-missing");
}

#[test]
fn an_encrypted_entry_is_an_error() {
    // The flag in both headers is what unpackers go by.
    let mut zip = healthy().file("secret.txt", 0o644, "x").bytes();
    for mark in [b"PK\x03\x04", b"PK\x01\x02"] {
        let at = zip.windows(4).rposition(|part| part == mark).unwrap();
        let flags = if mark == b"PK\x03\x04" { 6 } else { 8 };
        zip[at + flags] |= 1;
    }
    let said = about_bytes(&zip).ask();
    let finding = said.only("error", "encrypted");
    assert_eq!(finding["what"], "secret.txt is encrypted");
}

#[test]
fn an_unusual_compression_is_a_warning() {
    // Its number for bzip2, in both headers.
    let mut zip = healthy().file("data.txt", 0o644, "x").bytes();
    for (mark, method) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        let at = zip.windows(4).rposition(|part| part == mark).unwrap();
        zip[at + method] = 12;
    }
    about_bytes(&zip).ask().only("warning", "compression");
}

#[test]
fn a_name_that_is_there_twice_is_a_warning() {
    let zip = healthy().file("serve.", 0o755, "#!/bin/sh\n").bytes();
    let zip = replaced(&zip, b"serve.", b"server");
    let at = zip.windows(6).rposition(|part| part == b"serve.").unwrap();
    let mut zip = zip;
    zip[at..at + 6].copy_from_slice(b"server");
    let said = about_bytes(&zip).ask();
    let finding = said.only("warning", "duplicate");
    assert_eq!(finding["what"], "twice in the archive: server");
}

#[test]
fn names_that_linux_takes_otherwise_are_errors() {
    for (name, id) in [
        (r"lib\x.js", "backslash"),
        ("../x.js", "bad-name"),
        ("a/../../x.js", "bad-name"),
        ("/etc/x.js", "bad-name"),
    ] {
        let said = about(healthy().file(name, 0o644, "x")).ask();
        said.only("error", id);
    }
    // The handler is found all the same, so that this is the only finding.
    let package = Zip::new().file(r"bin\run.sh", 0o755, SCRIPT);
    about(package)
        .handler("bin/run.sh")
        .ask()
        .only("error", "backslash");
}

#[test]
fn what_is_wrong_with_many_files_alike_is_one_finding() {
    let mut package = healthy();
    for number in 0..20 {
        package = package.file(&format!(r"lib\{number}.js"), 0o644, "x");
    }
    let said = about(package).ask();
    let finding = said.only("error", "backslash");
    let what = finding["what"].as_str().unwrap();
    assert!(what.ends_with("(and 19 more like it)"), "{what}");
}

#[test]
fn links_that_lead_nowhere_on_lambda_are_told() {
    for (target, expected) in [
        ("server", None),
        ("./bin/../server", None),
        ("/tmp/cache", None),
        ("/var/task/server", None),
        ("../shared/server", Some(("error", "link-outside"))),
        ("/usr/local/bin/server", Some(("warning", "link-absolute"))),
        ("serve", Some(("warning", "link-dangling"))),
    ] {
        let said = about(healthy().link("link", target)).ask();
        match expected {
            Some((severity, id)) => {
                said.only(severity, id);
            }
            None => said.nothing(),
        }
    }
    // Links that go round in a ring end.
    let package = Zip::new().link("run.sh", "a").link("a", "run.sh");
    about(package).ask().only("error", "handler-missing");
}

#[test]
fn a_package_that_is_too_large_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.zip");
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let deflated = options.compression_method(CompressionMethod::Deflated);
    zip.start_file("run.sh", deflated).unwrap();
    zip.write_all(SCRIPT).unwrap();
    zip.start_file("zeros", deflated).unwrap();
    let block = vec![0; 1024 * 1024];
    for _ in 0..251 {
        zip.write_all(&block).unwrap();
    }
    zip.finish().unwrap();
    let said = Question::new().package(&path).ask();
    said.only("error", "unpacked-size");
}

#[test]
fn a_zip_that_the_api_does_not_take_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.zip");
    let stored = SimpleFileOptions::default()
        .unix_permissions(0o755)
        .compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    zip.start_file("run.sh", stored).unwrap();
    zip.write_all(SCRIPT).unwrap();
    zip.start_file("zeros", stored).unwrap();
    zip.write_all(&vec![0; 51 * 1024 * 1024]).unwrap();
    zip.finish().unwrap();
    Question::new()
        .package(&path)
        .ask()
        .only("warning", "packed-size");
}

#[test]
fn a_bomb_is_told_without_being_unpacked() {
    // One entry that says that it has 4 GB, and would go on for as long as it is read.
    let mut zip = healthy()
        .file("bomb", 0o644, vec![0; 4 * 1024 * 1024])
        .bytes();
    let at = zip
        .windows(4)
        .rposition(|part| part == b"PK\x01\x02")
        .unwrap();
    zip[at + 24..at + 28].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
    let question = about_bytes(&zip);
    let said = question.ask();
    assert_eq!(
        said.ids(),
        [("error", "unpacked-size"), ("note", "not-all-read")]
    );

    // One that has more than it says.
    let mut zip = healthy()
        .file("bomb", 0o644, vec![0; 4 * 1024 * 1024])
        .bytes();
    let at = zip
        .windows(4)
        .rposition(|part| part == b"PK\x01\x02")
        .unwrap();
    zip[at + 24..at + 28].copy_from_slice(&10_u32.to_le_bytes());
    about_bytes(&zip).ask().only("error", "corrupt-entry");
}

#[test]
fn more_files_than_are_looked_at_are_told() {
    let mut package = healthy();
    let stored = SimpleFileOptions::default()
        .unix_permissions(0o644)
        .compression_method(CompressionMethod::Stored);
    for number in 0..100_000 {
        package.0.start_file(number.to_string(), stored).unwrap();
    }
    about(package).ask().only("warning", "too-many-files");
}

#[test]
fn a_directory_without_end_is_not_read_to_its_end() {
    // The most entries that a plain zip can have, with names of 300 letters each: 22 MB of directory for no file.
    const ENTRIES: u16 = 0xfff0;
    let mut entry = b"PK\x01\x02".to_vec();
    entry.resize(46, 0);
    entry[28..30].copy_from_slice(&300_u16.to_le_bytes());
    let mut zip = Vec::new();
    for number in 0..ENTRIES {
        zip.extend_from_slice(&entry);
        zip.extend_from_slice(format!("{number:0300}").as_bytes());
    }
    let size = u32::try_from(zip.len()).unwrap();
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    zip.extend_from_slice(&ENTRIES.to_le_bytes());
    zip.extend_from_slice(&ENTRIES.to_le_bytes());
    zip.extend_from_slice(&size.to_le_bytes());
    zip.extend_from_slice(&[0; 6]);
    about_bytes(&zip).ask().only("error", "too-large");
}
