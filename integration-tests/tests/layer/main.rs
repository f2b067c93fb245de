// SPDX-License-Identifier: Apache-2.0
//! The layer as it is published: what is in it, that it can be made again, and that it runs on both architectures.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod archive;
mod arm64;
mod image;
mod papers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use archive::Member;
use integration_tests::binaries;
use integration_tests::process::run;

/// As Lambda calls them, and as images do.
const ARCHITECTURES: [(&str, &str); 2] = [("x86_64", "amd64"), ("arm64", "arm64")];

/// The folders that the packer has filled, once for all tests: what is published, and what images are made of.
struct Packed {
    out: PathBuf,
    images: PathBuf,
}

fn packed() -> &'static Packed {
    static PACKED: OnceLock<Packed> = OnceLock::new();
    PACKED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layer");
        let _ = fs::remove_dir_all(&folder);
        let packed = Packed {
            out: folder.join("dist"),
            images: folder.join("images"),
        };
        let mut command = packer(&binaries::repository(), &packed.out);
        command.arg("--images").arg(&packed.images);
        run(command.args(["x86_64", "arm64"]));
        packed
    })
}

/// The packer, for the checkout in this folder.
fn packer(checkout: &Path, out: &Path) -> Command {
    let mut packer = Command::new(binaries::streamgate_layer());
    packer
        .current_dir(checkout)
        // Cargo sets these for tests; they would choose another toolchain's flags for the build.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .arg("--out")
        .arg(out);
    packer
}

fn published(name: &str) -> Vec<u8> {
    fs::read(packed().out.join(name)).unwrap()
}

fn layer(architecture: &str) -> Vec<Member> {
    archive::members(&published(&format!("streamgate-layer-{architecture}.zip")))
}

#[test]
fn the_layer_holds_the_adapter_and_its_bootstrap_and_nothing_else() {
    for (architecture, machine) in [("x86_64", 62), ("arm64", 183)] {
        let [bootstrap, adapter] = layer(architecture).try_into().unwrap();
        assert_eq!(bootstrap.name, "bootstrap");
        assert_eq!(
            bootstrap.bytes,
            fs::read(binaries::repository().join("layer/bootstrap")).unwrap()
        );
        assert_eq!(adapter.name, "extensions/streamgate");
        for member in [&bootstrap, &adapter] {
            assert_eq!(member.mode, 0o100_755, "{}", member.name);
            // 1 January 1980, midnight.
            assert_eq!(member.date, [0, 0, 0x21, 0], "{}", member.name);
        }
        assert_eq!(adapter.bytes[..6], *b"\x7fELF\x02\x01");
        assert_eq!(adapter.bytes[18..20], [machine, 0], "the ELF's machine");
        let has_interpreter = binaries::elf_program_headers(&adapter.bytes).contains(&3);
        assert!(!has_interpreter, "{architecture} is static");
    }
}

#[test]
fn the_adapter_for_arm64_is_small() {
    let size = layer("arm64").pop().unwrap().bytes.len();
    assert!(size <= 2_500_000, "{size} bytes");
}

#[test]
fn the_same_sources_give_the_same_bytes_wherever_they_are() {
    // Two checkouts, two target folders, two folders for the results.
    let other = Path::new(env!("CARGO_TARGET_TMPDIR")).join("elsewhere");
    let (checkout, out) = (other.join("checkout"), other.join("dist"));
    let _ = fs::remove_dir_all(&checkout);
    copy_checkout(&checkout);
    run(packer(&checkout, &out)
        .env("CARGO_TARGET_DIR", other.join("target"))
        .arg("x86_64"));
    for kind in ["zip", "cdx.json", "licenses.txt"] {
        let name = format!("streamgate-layer-x86_64.{kind}");
        let again = fs::read(out.join(&name)).unwrap();
        assert!(again == published(&name), "{name} differs");
    }
}

/// Copies all sources with their times, by which Cargo knows what it has built before.
fn copy_checkout(to: &Path) {
    let root = binaries::repository();
    let files = run(Command::new("git").current_dir(&root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]));
    for file in files.split_terminator('\0') {
        let (from, to) = (root.join(file), to.join(file));
        // What is deleted and not committed is listed too.
        if from.is_file() {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&from, &to).unwrap();
            let modified = from.metadata().unwrap().modified().unwrap();
            let copy = fs::File::options().write(true).open(&to);
            copy.and_then(|copy| copy.set_modified(modified)).unwrap();
        }
    }
}
