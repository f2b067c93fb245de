// SPDX-License-Identifier: Apache-2.0
//! Layers: whether the adapter is where Lambda looks for extensions, and all of it fits.

use super::finding::{Finding, listed};
use super::function::{EXTENSION, Function};
use super::package::{Kind, Package};
use super::program;

/// (source: AWS page "Lambda quotas")
const MOST_LAYERS: usize = 5;
const MOST_UNPACKED: u64 = 250 * 1024 * 1024;
/// By the API; by way of S3 it may be larger.
const MOST_PACKED: u64 = 50 * 1024 * 1024;

/// Whether a package that the user has named is a layer with the adapter, be it packed wrongly.
pub(super) fn is_one(package: &Package) -> bool {
    adapter(package).is_some()
}

/// Where the adapter lies, at its place or with folders before it.
fn adapter(package: &Package) -> Option<&str> {
    let wrapped = format!("/{EXTENSION}");
    let mut names = package.entries.keys().map(String::as_str);
    names.find(|name| *name == EXTENSION || name.ends_with(&wrapped))
}

/// Says what is wrong with the layers, and with all sizes.
pub(super) fn check(function: &Function) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layer in &function.layers {
        findings.extend(check_one(function, layer));
    }
    let has_adapter = |layer: &Package| adapter(layer).is_some();
    if !function.layers.is_empty() && !function.layers.iter().any(has_adapter) {
        let names: Vec<_> = function
            .layers
            .iter()
            .map(|layer| layer.label.clone())
            .collect();
        findings.push(
            Finding::error("no-adapter", names[0].clone())
                .what(format!("no {EXTENSION} in {}", listed(&names)))
                .why("Lambda starts what lies in /opt/extensions, and nobody else answers its events")
                .mend("give the layer that `make layer` lays out, and attach it to the function"),
        );
    }
    if function.layers.len() > MOST_LAYERS {
        findings.push(
            Finding::error("too-many-layers", "--layer")
                .what(format!("{} layers", function.layers.len()))
                .why(format!("a function has at most {MOST_LAYERS}"))
                .mend("put two of them into one"),
        );
    }
    if let Some(package) = &function.package
        && package
            .entries
            .keys()
            .any(|name| name.starts_with("extensions/"))
    {
        findings.push(
            Finding::warning("extensions-in-package", package.place("extensions"))
                .what("the function's package has a folder extensions")
                .why("it is unpacked to /var/task/extensions, and Lambda starts what is in /opt/extensions alone")
                .mend("make it a layer; its --layer is looked at here too"),
        );
    }
    findings.extend(check_sizes(function));
    findings
}

fn check_one(function: &Function, layer: &Package) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(path) = adapter(layer).filter(|path| *path != EXTENSION) {
        let folder = &path[..path.len() - EXTENSION.len() - 1];
        findings.push(
            Finding::error("layer-nested", layer.place(path))
                .what(format!("the adapter is at {path}, a folder too deep"))
                .why(format!("a layer is unpacked into /opt, so it comes to /opt/{path} and not to /opt/{EXTENSION}"))
                .mend(format!("pack the contents of {folder} and not the folder: `cd {folder} && zip -r ../layer.zip .`")),
        );
    }
    let starts = layer.entries.iter().filter(|(path, entry)| {
        let in_extensions = path
            .strip_prefix("extensions/")
            .is_some_and(|name| !name.contains('/'));
        in_extensions && !matches!(entry.kind, Kind::Folder)
    });
    for (path, _) in starts {
        findings.extend(program::check(function, layer, path, "the extension"));
    }
    if layer.file("bootstrap").is_some() {
        findings.extend(program::check(
            function,
            layer,
            "bootstrap",
            "the layer's bootstrap",
        ));
    } else if layer.has(EXTENSION) {
        findings.push(
            Finding::error("layer-bootstrap", layer.place("bootstrap"))
                .what("the layer has the adapter and no bootstrap")
                .why("/opt/bootstrap is what Lambda starts as the runtime process; it makes the adapter launch the app")
                .mend("pack the layer that `make layer` lays out as it is"),
        );
    }
    findings
}

fn check_sizes(function: &Function) -> Vec<Finding> {
    let mut findings = Vec::new();
    let packages = || function.package.iter().chain(&function.layers);
    let unpacked = packages().fold(0_u64, |sum, package| sum.saturating_add(package.unpacked));
    if unpacked > MOST_UNPACKED {
        let labels: Vec<_> = packages().map(|package| package.label.clone()).collect();
        findings.push(
            Finding::error("unpacked-size", listed(&labels))
                .what(format!("{unpacked} bytes unpacked, layers included"))
                .why(format!("Lambda takes at most {MOST_UNPACKED} (250 MB)"))
                .mend("leave out what the app does not need at run time, or deploy it as an image (10 GB)"),
        );
    }
    for package in packages() {
        if let Some(packed) = package.packed.filter(|packed| *packed > MOST_PACKED) {
            findings.push(
                Finding::warning("packed-size", package.label.clone())
                    .what(format!("the zip has {packed} bytes"))
                    .why(format!(
                        "an upload by the API takes at most {MOST_PACKED} (50 MB)"
                    ))
                    .mend("upload it to S3 and name bucket and key, as SAM, CDK and Terraform can"),
            );
        }
    }
    findings
}
