// SPDX-License-Identifier: Apache-2.0
//! What is published beside the zips: checksums, bills of materials, licence notices.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use integration_tests::binaries::{repository, tool};
use integration_tests::process::run;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{ARCHITECTURES, layer, packed, published};

/// What is linked and is no crate.
const NOT_CARGOS: [&str; 6] = [
    "compiler_builtins",
    "core",
    "libunwind",
    "musl",
    "std",
    "zstd 1.5.7",
];

#[test]
fn the_checksums_are_those_of_all_files() {
    run(Command::new("sha256sum").current_dir(&packed().out).args([
        "--check",
        "--strict",
        "SHA256SUMS",
    ]));
    let sums = String::from_utf8(published("SHA256SUMS")).unwrap();
    let named: BTreeSet<_> = sums.lines().map(|line| line[66..].to_owned()).collect();
    let there: BTreeSet<_> = std::fs::read_dir(&packed().out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "SHA256SUMS")
        .collect();
    assert_eq!(named, there);
    assert_eq!(there.len(), 6);
}

#[test]
fn the_bill_of_materials_names_all_that_is_linked() {
    for (architecture, _) in ARCHITECTURES {
        let name = format!("streamgate-layer-{architecture}.cdx.json");
        let bill: Value = serde_json::from_slice(&published(&name)).unwrap();
        let components = bill["components"].as_array().unwrap();
        let named: BTreeSet<_> = components
            .iter()
            .map(|part| {
                let text = |key: &str| part[key].as_str().unwrap();
                assert!(!part["licenses"][0]["expression"].is_null(), "{part}");
                format!("{} {}", text("name"), text("version"))
            })
            .collect();
        assert_are_in(&parts(architecture), &named);

        let adapter = layer(architecture).pop().unwrap();
        let digest = Sha256::digest(&adapter.bytes);
        let digest = digest.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        let subject = &bill["metadata"]["component"];
        assert_eq!(subject["name"], "streamgate");
        assert_eq!(subject["hashes"][0]["content"], digest);
        // The schema of the format itself.
        let check = "import sys; from cyclonedx.schema import SchemaVersion; \
            from cyclonedx.validation.json import JsonStrictValidator as Strict; \
            flaw = Strict(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()); \
            sys.exit(flaw and str(flaw))";
        run(Command::new(tool(env!("CARGO_TARGET_TMPDIR"), "python"))
            .args(["-c", check])
            .arg(packed().out.join(name)));
    }
}

#[test]
fn the_notices_have_a_licence_for_all_that_is_linked() {
    for (architecture, _) in ARCHITECTURES {
        let name = format!("streamgate-layer-{architecture}.licenses.txt");
        let notices = String::from_utf8(published(&name)).unwrap();
        // Each text stands below a line of its own that names whom it is for.
        let rule = "-".repeat(80);
        let sections: Vec<&str> = notices.split(&format!("\n{rule}\n")).collect();
        let (owners, texts): (Vec<_>, Vec<_>) = sections[1..]
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .unzip();
        assert!(texts.iter().all(|text| text.trim().len() > 100), "{name}");
        let owned = owners
            .iter()
            .flat_map(|owners| owners.split(", "))
            .map(str::to_owned)
            .collect();
        assert_are_in(&parts(architecture), &owned);
    }
}

fn assert_are_in(parts: &BTreeSet<String>, named: &BTreeSet<String>) {
    for part in parts {
        let is_named = named.iter().any(|name| {
            name == part || (!part.contains(' ') && name.starts_with(&format!("{part} ")))
        });
        assert!(is_named, "{part} is not in {named:?}");
    }
}

/// Name and version of each crate that Cargo, asked in another way, links; and what is no crate.
fn parts(architecture: &str) -> BTreeSet<String> {
    let machine = architecture.replace("arm64", "aarch64");
    let tree = run(Command::new("cargo").current_dir(repository()).args([
        "tree",
        "--locked",
        "--package=streamgate",
        "--edges=normal,no-proc-macro",
        "--prefix=none",
        "--format={p}",
        &format!("--target={machine}-unknown-linux-musl"),
    ]));
    let crates = tree.lines().map(|line| {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        format!("{name} {}", version.trim_start_matches('v'))
    });
    let mut parts: BTreeSet<String> = crates
        .filter(|name| !name.starts_with("streamgate "))
        .collect();
    assert!(parts.len() > 30, "{tree}");
    parts.extend(NOT_CARGOS.map(str::to_owned));
    parts
}
