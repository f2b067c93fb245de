// SPDX-License-Identifier: Apache-2.0
//! The Terraform module, as far as it can be checked without Terraform: `validate` needs AWS's provider, which no package
//! registry has. So its files are parsed, and looked at: names that are used are declared, and resources have the
//! attributes that the provider's schema knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use integration_tests::binaries::repository;
use integration_tests::process::run;
use serde_json::{Map, Value};

use crate::{files, tool};

const MODULE: &str = "deploy/terraform";
const EXAMPLE: &str = "deploy/terraform/example";

/// What Terraform itself understands on every resource.
const META: [&str; 5] = ["count", "depends_on", "dynamic", "for_each", "lifecycle"];

/// The blocks of all files of a folder, by kind.
fn module(folder: &str) -> Map<String, Value> {
    let mut blocks = Map::new();
    for file in files(folder, "tf") {
        let json = run(Command::new(tool("hcl2json")).arg(repository().join(file)));
        let parsed: Map<String, Value> = serde_json::from_str(&json).unwrap();
        for (kind, block) in parsed {
            merge(blocks.entry(kind).or_insert(Value::Null), block);
        }
    }
    blocks
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into @ Value::Null, from) => *into = from,
        (into, from) => panic!("{into} and {from} do not go together"),
    }
}

fn names(blocks: &Map<String, Value>, kind: &str) -> BTreeSet<String> {
    let block = blocks.get(kind).and_then(Value::as_object);
    block.into_iter().flat_map(Map::keys).cloned().collect()
}

/// Each resource as its kind, its name and what it says.
fn resources(blocks: &Map<String, Value>) -> Vec<(&str, &str, &Value)> {
    let kinds = blocks["resource"].as_object().unwrap();
    kinds
        .iter()
        .flat_map(|(kind, named)| {
            let named = named.as_object().unwrap().iter();
            named.map(|(name, body)| (kind.as_str(), name.as_str(), &body[0]))
        })
        .collect()
}

fn resource<'a>(blocks: &'a Map<String, Value>, kind: &str, name: &str) -> &'a Value {
    &blocks["resource"][kind][name][0]
}

/// The dotted names in all texts of a value, such as `var.name`.
fn mentioned(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|value| mentioned(value, found)),
        Value::Array(items) => items.iter().for_each(|value| mentioned(value, found)),
        Value::String(text) => {
            let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            for word in text.split(|c| !of_a_name(c)) {
                let mut parts = word.split('.');
                if let (Some(scope), Some(name)) = (parts.next(), parts.next()) {
                    found.insert((scope.to_owned(), name.to_owned()));
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_file_is_formatted() {
    for file in [MODULE, EXAMPLE]
        .iter()
        .flat_map(|folder| files(folder, "tf"))
    {
        run(Command::new(tool("hclfmt"))
            .current_dir(repository())
            .args(["-require-no-change", &file]));
    }
}

#[test]
fn what_is_used_is_declared_and_what_is_declared_is_used() {
    for folder in [MODULE, EXAMPLE] {
        let blocks = module(folder);
        let mut used = BTreeSet::new();
        blocks
            .values()
            .for_each(|block| mentioned(block, &mut used));
        let used = |scope: &str| -> BTreeSet<String> {
            let of_scope = used.iter().filter(|(of, _)| of == scope);
            of_scope.map(|(_, name)| name.clone()).collect()
        };
        assert_eq!(used("var"), names(&blocks, "variable"), "{folder}");
        assert_eq!(used("module"), names(&blocks, "module"), "{folder}");
        let locals = blocks
            .get("locals")
            .map(|locals| locals[0].as_object().unwrap());
        let locals: BTreeSet<_> = locals.into_iter().flat_map(Map::keys).cloned().collect();
        assert_eq!(used("local"), locals, "{folder}");
        for kind in names(&blocks, "resource") {
            let of_kind = blocks["resource"][&kind].as_object().unwrap();
            let unknown: Vec<_> = used(&kind)
                .into_iter()
                .filter(|name| !of_kind.contains_key(name))
                .collect();
            assert!(unknown.is_empty(), "{folder}: {kind} {unknown:?}");
        }
    }
}

#[test]
fn resources_have_the_attributes_that_the_provider_knows() {
    let blocks = module(MODULE);
    let resources = resources(&blocks);
    assert!(resources.len() > 5, "{resources:?}");
    for (kind, name, body) in resources {
        let known = attributes(kind);
        assert!(known.contains("id"), "{kind}: {known:?}");
        let dynamic = body["dynamic"].as_object().into_iter().flat_map(Map::keys);
        let said = body.as_object().unwrap().keys().chain(dynamic);
        for attribute in said.filter(|key| !META.contains(&key.as_str())) {
            assert!(
                known.contains(attribute),
                "{kind}.{name} has no {attribute}"
            );
        }
    }
}

/// What a resource has, as the package tells that is made from the provider's schema.
fn attributes(kind: &str) -> BTreeSet<String> {
    let folder = kind.strip_prefix("aws_").unwrap().replace('_', "-");
    let source = tool("terraform-aws").join(folder).join("index.js");
    let source = fs::read_to_string(source).unwrap();
    let (_, behind) = source.split_once("synthesizeAttributes() {").unwrap();
    let (list, _) = behind.split_once("};").unwrap();
    let lines = list.lines().filter_map(|line| line.split_once(": "));
    lines.map(|(name, _)| name.trim().to_owned()).collect()
}

#[test]
fn the_module_streams_and_is_closed_unless_it_is_opened() {
    let blocks = module(MODULE);
    let url = resource(&blocks, "aws_lambda_function_url", "this");
    assert_eq!(url["invoke_mode"], "RESPONSE_STREAM");
    assert_eq!(url["authorization_type"], "${var.url_auth_type}");
    assert_eq!(blocks["variable"]["url_auth_type"][0]["default"], "AWS_IAM");

    let expected = BTreeMap::from([
        (
            "public_url",
            (
                "lambda:InvokeFunctionUrl",
                "function_url_auth_type",
                Value::from("NONE"),
            ),
        ),
        (
            "public_invoke",
            (
                "lambda:InvokeFunction",
                "invoked_via_function_url",
                Value::from(true),
            ),
        ),
    ]);
    for (name, (action, condition, value)) in expected {
        let permission = resource(&blocks, "aws_lambda_permission", name);
        assert_eq!(permission["count"], "${local.is_public ? 1 : 0}");
        assert_eq!(permission["action"], action);
        assert_eq!(permission[condition], value);
    }
}

#[test]
fn the_modules_function_has_layer_wrapper_and_architecture() {
    let blocks = module(MODULE);
    let function = resource(&blocks, "aws_lambda_function", "this");
    assert_eq!(function["architectures"][0], "${var.architecture}");
    assert_eq!(
        function["layers"],
        "${local.is_image ? null : [var.layer_arn]}"
    );
    let locals = &blocks["locals"][0];
    assert_eq!(
        locals["has_wrapper"],
        r#"${!local.is_image && var.runtime != "provided.al2023"}"#
    );
    assert_eq!(
        locals["wrapper"],
        r#"${local.has_wrapper ? { AWS_LAMBDA_EXEC_WRAPPER = "/opt/bootstrap" } : {}}"#
    );
}

#[test]
fn the_modules_role_may_write_to_its_own_log_group_and_nothing_else() {
    let blocks = module(MODULE);
    let policy = resource(&blocks, "aws_iam_role_policy", "logs");
    let policy = policy["policy"].as_str().unwrap();
    assert!(
        policy.contains(r#"Action = ["logs:CreateLogStream", "logs:PutLogEvents"]"#),
        "{policy}"
    );
    assert!(
        policy.contains(r#"Resource = "${aws_cloudwatch_log_group.this.arn}:*""#),
        "{policy}"
    );
    assert_eq!(policy.matches("Action").count(), 1, "{policy}");
    let kinds = names(&blocks, "resource");
    let of_roles: Vec<_> = kinds
        .iter()
        .filter(|kind| kind.starts_with("aws_iam"))
        .collect();
    assert_eq!(of_roles, ["aws_iam_role", "aws_iam_role_policy"]);
}

#[test]
fn the_example_says_what_the_module_asks_for() {
    let variables = module(MODULE)["variable"].clone();
    let example = module(EXAMPLE);
    let call = &example["module"]["app"][0];
    assert_eq!(call["source"], "../");
    for name in call.as_object().unwrap().keys() {
        assert!(
            name == "source" || !variables[name].is_null(),
            "the module has no {name}"
        );
    }
    for (name, variable) in variables.as_object().unwrap() {
        let has_default = variable[0].as_object().unwrap().contains_key("default");
        assert!(
            has_default || !call[name].is_null(),
            "the module needs {name}"
        );
    }
}
