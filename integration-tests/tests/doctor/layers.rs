// SPDX-License-Identifier: Apache-2.0
//! Layers: where the adapter lies in them, and whether it can be started.

use integration_tests::adapter;

use crate::{Question, Zip, about, about_bytes, healthy, program, replaced};

const BOOTSTRAP: &str = "#!/bin/sh\nexec \"${0%/*}/extensions/streamgate\" stub \"$@\"\n";

/// A layer as it has to be, with another program in the adapter's place.
pub(crate) fn layer() -> Zip {
    Zip::new()
        .file("bootstrap", 0o755, BOOTSTRAP)
        .file("extensions/streamgate", 0o755, program())
}

#[test]
fn a_layer_without_the_adapter_is_an_error() {
    let other = Zip::new().file("extensions/other", 0o755, "#!/bin/sh\n");
    about(healthy())
        .layer(other)
        .ask()
        .only("error", "no-adapter");
    about(healthy()).layer(layer()).ask().nothing();
}

#[test]
fn a_layer_that_is_nested_a_folder_too_deep_is_an_error() {
    let nested = Zip::new().file("opt/bootstrap", 0o755, BOOTSTRAP).file(
        "opt/extensions/streamgate",
        0o755,
        program(),
    );
    let said = about(healthy()).layer(nested).ask();
    let finding = said.only("error", "layer-nested");
    assert!(finding["mend"].as_str().unwrap().contains("cd opt &&"));
}

#[test]
fn a_layer_without_its_bootstrap_is_an_error() {
    let without = Zip::new().file("extensions/streamgate", 0o755, program());
    about(healthy())
        .layer(without)
        .ask()
        .only("error", "layer-bootstrap");
}

#[test]
fn what_a_layer_starts_has_to_be_executable_and_of_the_architecture() {
    let other = replaced(&program(), &program()[18..20], &[183, 0]);
    for (bootstrap, mode, adapter, id) in [
        (BOOTSTRAP, 0o644, program(), "not-executable"),
        ("#!/bin/sh\r\ntrue\r\n", 0o755, program(), "crlf"),
        (BOOTSTRAP, 0o755, other, "architecture"),
    ] {
        let layer = Zip::new().file("bootstrap", 0o755, bootstrap).file(
            "extensions/streamgate",
            mode,
            adapter,
        );
        about(healthy()).layer(layer).ask().only("error", id);
    }
}

#[test]
fn a_layer_may_be_looked_at_alone() {
    let mut question = about_bytes(&layer().bytes());
    question.handler = None;
    question.ask().nothing();
    let nested = Zip::new().file("opt/extensions/streamgate", 0o755, program());
    let mut question = about(nested);
    question.handler = None;
    question.ask().only("error", "layer-nested");
    let mut question = Question::new();
    question.handler = None;
    question.layer(layer()).ask().nothing();
}

#[test]
fn extensions_in_the_functions_package_are_a_warning() {
    let package = healthy().file("extensions/streamgate", 0o755, program());
    about(package)
        .ask()
        .only("warning", "extensions-in-package");
}

#[test]
fn the_layer_as_it_is_built_is_healthy() {
    let opt = tempfile::tempdir().unwrap();
    adapter::install(opt.path());
    about(healthy())
        .option("--layer")
        .option(opt.path().to_str().unwrap())
        .ask()
        .nothing();
}

#[test]
fn more_layers_than_a_function_takes_are_an_error() {
    let mut question = about(healthy());
    for _ in 0..6 {
        // The same file each time: their number is what counts.
        question = question.layer(layer());
    }
    question.ask().only("error", "too-many-layers");
}
