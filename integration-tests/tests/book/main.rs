// SPDX-License-Identifier: Apache-2.0
//! What the book tells its readers to do, done: the quick starts word for word, and the move from another adapter.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod dockerfile;
mod page;
mod reader;
mod swap;

use std::fs;
use std::net::SocketAddr;

use integration_tests::app::free_port;
use integration_tests::binaries::repository;
use integration_tests::http;
use integration_tests::waiting;

use crate::dockerfile::{Image, carry_out};
use crate::reader::{Outcome, read, ready};

/// The pages whose commands are run.
const READ: [&str; 2] = ["quick-start-zip", "quick-start-image"];

#[test]
fn a_newcomers_path_for_a_zip_works_word_for_word() {
    let done = read(READ[0]);
    // What was packed is what Lambda unpacks.
    let package = std::fs::File::open(done.scratch.path().join("function.zip"));
    let package = zip::ZipArchive::new(package.expect("it was packed"));
    let unpacked = package
        .expect("it is a zip")
        .extract(done.scratch.path().join("task"));
    unpacked.expect("a zip can be unpacked");
    let local =
        "exec streamgate-local --port 0 --zip task --handler run.sh --opt streamgate/target/layer";
    let mut program = done.start(local, done.scratch.path());
    check(&ready(&mut program), &done.printed);
}

#[test]
fn a_newcomers_path_for_an_image_works_word_for_word() {
    let done = read(READ[1]);
    let image = image(&done, "Dockerfile", "entrypoint");
    assert_eq!(image.entrypoint, ["streamgate", "--"]);
    let adapter = image.root.join("usr/local/bin/streamgate");
    let words = image.command.join(" ");
    let local = format!(
        "exec streamgate-local --port 0 --adapter {} -- {words}",
        adapter.display()
    );
    let mut program = done.start(&local, &image.directory);
    check(&ready(&mut program), &done.printed);
    drop(program);

    // As `docker run` does it: without Lambda.
    let port = free_port();
    let alone = format!(
        "unset AWS_LAMBDA_RUNTIME_API; PORT={port} exec {} -- {words}",
        adapter.display()
    );
    let program = done.start(&alone, &image.directory);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    waiting::eventually("the app to listen", || {
        std::net::TcpStream::connect(address).ok()
    });
    check(&address.to_string(), &done.printed);
    drop(program);

    attached(&done);
}

fn attached(done: &Outcome) {
    let image = image(done, "Dockerfile.attached", "attached");
    assert!(image.entrypoint.is_empty());
    let local = format!(
        "exec streamgate-local --port 0 --image-attach --opt {} --env PORT={} -- {}",
        image.root.join("opt").display(),
        free_port(),
        image.command.join(" ")
    );
    let mut program = done.start(&local, &image.directory);
    check(&ready(&mut program), &done.printed);
}

/// The image of a Dockerfile of the page.
fn image(done: &Outcome, dockerfile: &str, name: &str) -> Image {
    let app = done.scratch.path().join("app");
    let text = fs::read_to_string(app.join(dockerfile)).unwrap();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => panic!("there is no layer for {other}"),
    };
    let streamgate = repository().join("target/images").join(architecture);
    carry_out(&text, &streamgate, &app, &done.scratch.path().join(name))
}

/// The layer is built here, from its first crate on if need be; what waits is bounded by itself. To be called before any
/// program is started.
fn take_your_time() {
    waiting::without_watchdog();
}

/// The response is that of the page, and comes in pieces.
fn check(address: &str, expected: &str) {
    let response = http::get(address.parse().unwrap(), "/");
    assert_eq!(response.status(), 200);
    assert_eq!(response.text(), expected);
    assert!(response.chunks.len() > 1, "{response:?}");
}

#[test]
fn every_command_of_the_book_is_run_or_says_why_not() {
    for entry in fs::read_dir(repository().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.extension() == Some("md".as_ref()) && !READ.contains(&name.as_str()) {
            let steps = page::steps(&fs::read_to_string(&path).unwrap());
            assert!(
                steps.is_empty(),
                "no test takes these steps of {name}: {steps:?}"
            );
        }
    }
}
