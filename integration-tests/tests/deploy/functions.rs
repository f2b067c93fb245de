// SPDX-License-Identifier: Apache-2.0
//! Functions of the templates: layer, wrapper, command, URL, role.

use serde_json::{Value, json};

use crate::template::{Stack, all, template};

const LAYER: &str = "arn:aws:lambda:eu-west-1:123456789012:layer:streamgate-arm64:7";
const IMAGE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1";

/// A zip for `function.yaml`.
const ZIP: [(&str, &str); 3] = [
    ("LayerArn", LAYER),
    ("CodeBucket", "bucket"),
    ("CodeKey", "app.zip"),
];

/// Each template with a zip function, with these parameters beside those of the zip.
fn zips(more: &[(&str, &str)]) -> Vec<(&'static str, Stack)> {
    let templates = [
        ("deploy/cloudformation/function.yaml", &ZIP[..]),
        ("deploy/sam/zip.yaml", &ZIP[..1]),
        ("deploy/sam/rest-api.yaml", &ZIP[..1]),
        ("deploy/sam/http-api.yaml", &ZIP[..1]),
    ];
    templates
        .map(|(path, zip)| (path, template(path).with(&[zip, more].concat())))
        .into()
}

/// Each template with an image function.
fn images(more: &[(&str, &str)]) -> Vec<(&'static str, Stack)> {
    let templates = [
        (
            "deploy/cloudformation/function.yaml",
            &[("ImageUri", IMAGE)][..],
        ),
        ("deploy/sam/image.yaml", &[]),
    ];
    templates
        .map(|(path, image)| (path, template(path).with(&[image, more].concat())))
        .into()
}

fn function(stack: &Stack) -> Value {
    stack.the("AWS::Lambda::Function")
}

#[test]
fn zips_on_managed_runtimes_have_layer_and_wrapper() {
    for runtime in ["nodejs24.x", "python3.13", "java21"] {
        for (path, stack) in zips(&[("Runtime", runtime), ("Command", "node server.js")]) {
            let function = function(&stack);
            assert_eq!(function["Runtime"], runtime, "{path}");
            assert_eq!(function["Layers"], json!([LAYER]), "{path}");
            let variables = &function["Environment"]["Variables"];
            assert_eq!(
                variables["AWS_LAMBDA_EXEC_WRAPPER"], "/opt/bootstrap",
                "{path}"
            );
            assert_eq!(variables["STREAMGATE_COMMAND"], "node server.js", "{path}");
        }
    }
}

#[test]
fn zips_on_the_os_only_runtime_have_the_layer_and_no_wrapper() {
    for (path, stack) in zips(&[("Runtime", "provided.al2023")]) {
        let function = function(&stack);
        assert_eq!(function["Layers"], json!([LAYER]), "{path}");
        let variables = &function["Environment"]["Variables"];
        assert!(variables["AWS_LAMBDA_EXEC_WRAPPER"].is_null(), "{path}");
        assert_eq!(variables["STREAMGATE_COMMAND"], "./run.sh", "{path}");
    }
}

#[test]
fn images_have_neither_layer_nor_wrapper_nor_command() {
    for (path, stack) in images(&[]) {
        let function = function(&stack);
        assert_eq!(function["PackageType"], "Image", "{path}");
        assert_eq!(function["Code"]["ImageUri"], IMAGE, "{path}");
        for absent in ["Layers", "Runtime", "Handler"] {
            assert!(function[absent].is_null(), "{path}: {absent}");
        }
        let variables = &function["Environment"]["Variables"];
        for absent in ["AWS_LAMBDA_EXEC_WRAPPER", "STREAMGATE_COMMAND"] {
            assert!(variables[absent].is_null(), "{path}: {absent}");
        }
    }
}

#[test]
fn architecture_memory_and_timeout_reach_the_function() {
    for architecture in ["arm64", "x86_64"] {
        let more = [
            ("Architecture", architecture),
            ("MemorySize", "1769"),
            ("Timeout", "17"),
        ];
        for (path, stack) in zips(&more).into_iter().chain(images(&more)) {
            let function = function(&stack);
            assert_eq!(function["Architectures"], json!([architecture]), "{path}");
            assert_eq!(function["MemorySize"], "1769", "{path}");
            assert_eq!(function["Timeout"], "17", "{path}");
        }
    }
}

#[test]
fn function_urls_stream_and_are_open_only_if_they_are_meant_to_be() {
    let with_url = |auth| {
        let more = [("UrlAuthType", auth)];
        let zip = template("deploy/sam/zip.yaml").with(&more);
        let function =
            template("deploy/cloudformation/function.yaml").with(&[&ZIP[..], &more].concat());
        let mut stacks = images(&more);
        stacks.push(("deploy/sam/zip.yaml", zip));
        stacks.push(("deploy/cloudformation/function.yaml", function));
        stacks
    };
    for (path, stack) in with_url("AWS_IAM") {
        let url = stack.the("AWS::Lambda::Url");
        assert_eq!(url["InvokeMode"], "RESPONSE_STREAM", "{path}");
        assert_eq!(url["AuthType"], "AWS_IAM", "{path}");
        assert!(
            stack.resources("AWS::Lambda::Permission").is_empty(),
            "{path}"
        );
    }
    for (path, stack) in with_url("NONE") {
        let url = stack.the("AWS::Lambda::Url");
        assert_eq!(url["InvokeMode"], "RESPONSE_STREAM", "{path}");
        assert_eq!(url["AuthType"], "NONE", "{path}");
        let function = json!({"Fn::GetAtt": ["Function", "Arn"]});
        let permissions: Vec<_> = stack
            .resources("AWS::Lambda::Permission")
            .into_values()
            .collect();
        let expected = [
            json!({
                "FunctionName": function, "Principal": "*",
                "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": true,
            }),
            json!({
                "FunctionName": function, "Principal": "*",
                "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE",
            }),
        ];
        assert_eq!(permissions, expected, "{path}");
    }
    let none = template("deploy/cloudformation/function.yaml").with(&[("UrlAuthType", "off")]);
    assert!(none.resources("AWS::Lambda::Url").is_empty());
}

#[test]
fn urls_are_closed_unless_a_parameter_opens_them() {
    for path in [
        "deploy/cloudformation/function.yaml",
        "deploy/sam/zip.yaml",
        "deploy/sam/image.yaml",
    ] {
        let url = template(path).with(&[]).the("AWS::Lambda::Url");
        assert_eq!(url["AuthType"], "AWS_IAM", "{path}");
    }
}

#[test]
fn a_function_is_a_zip_or_an_image_and_never_half_of_one() {
    let allowed = |given: &[(&str, &str)]| {
        template("deploy/cloudformation/function.yaml")
            .with(given)
            .is_allowed()
    };
    assert!(allowed(&ZIP));
    assert!(allowed(&[("ImageUri", IMAGE)]));
    assert!(!allowed(&[]));
    for left_out in 0..ZIP.len() {
        let mut half = ZIP.to_vec();
        half.remove(left_out);
        assert!(!allowed(&half), "{half:?}");
    }
}

#[test]
fn roles_of_functions_may_write_to_their_own_log_group_and_nothing_else() {
    let mut functions = 0;
    for (path, template) in all() {
        let stack = template.with(&[]);
        if stack.resources("AWS::Lambda::Function").is_empty() {
            continue;
        }
        functions += 1;
        let function = function(&stack);
        assert_eq!(
            function["Role"],
            json!({"Fn::GetAtt": ["Role", "Arn"]}),
            "{path}"
        );
        assert_eq!(
            function["LoggingConfig"],
            json!({"LogGroup": {"Ref": "LogGroup"}}),
            "{path}"
        );
        let role = stack.the("AWS::IAM::Role");
        assert_eq!(
            role["Policies"],
            json!([{
                "PolicyName": "logs",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Effect": "Allow",
                        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                        "Resource": {"Fn::GetAtt": ["LogGroup", "Arn"]},
                    }],
                },
            }]),
            "{path}"
        );
        assert!(role["ManagedPolicyArns"].is_null(), "{path}");
        assert!(stack.resources("AWS::IAM::Policy").is_empty(), "{path}");
        let principal = &role["AssumeRolePolicyDocument"]["Statement"];
        assert_eq!(principal.as_array().unwrap().len(), 1, "{path}");
        assert_eq!(
            principal[0]["Principal"],
            json!({"Service": "lambda.amazonaws.com"}),
            "{path}"
        );
    }
    assert_eq!(functions, 5);
}
