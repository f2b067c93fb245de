// SPDX-License-Identifier: Apache-2.0
//! The other fronts of the templates, and the role of releases.

use serde_json::{Value, json};

use crate::template::{Stack, all, template};

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:app";

fn front(name: &str, more: &[(&str, &str)]) -> Stack {
    let path = format!("deploy/cloudformation/{name}.yaml");
    template(&path).with(&[&[("FunctionArn", FUNCTION)], more].concat())
}

#[test]
fn rest_apis_stream() {
    let stack = front("rest-api", &[]);
    let methods = stack.resources("AWS::ApiGateway::Method");
    assert_eq!(methods.len(), 2, "the root and all below it");
    for (name, method) in methods {
        let integration = &method["Integration"];
        assert_eq!(method["HttpMethod"], "ANY", "{name}");
        assert_eq!(method["AuthorizationType"], "AWS_IAM", "{name}");
        assert_eq!(integration["Type"], "AWS_PROXY", "{name}");
        assert_eq!(integration["ResponseTransferMode"], "STREAM", "{name}");
        assert_is_streaming_call(&integration["Uri"], "${FunctionArn}");
        let deployment = stack.resource("Deployment1");
        let needed = deployment["DependsOn"].as_array().unwrap();
        assert!(needed.contains(&name.as_str().into()), "{name} is deployed");
    }
    let resource = stack.the("AWS::ApiGateway::Resource");
    assert_eq!(resource["PathPart"], "{proxy+}");
    assert_eq!(
        stack.the("AWS::ApiGateway::RestApi")["BinaryMediaTypes"],
        json!(["*/*"])
    );
}

#[test]
fn rest_apis_of_sam_stream_and_tell_the_adapter_so() {
    let stack = template("deploy/sam/rest-api.yaml").with(&[]);
    let api = stack.the("AWS::ApiGateway::RestApi");
    let paths = api["Body"]["paths"].as_object().unwrap();
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["/", "/{proxy+}"]);
    for (path, methods) in paths {
        let method = &methods["x-amazon-apigateway-any-method"];
        let integration = &method["x-amazon-apigateway-integration"];
        assert_eq!(integration["responseTransferMode"], "STREAM", "{path}");
        assert_eq!(method["security"], json!([{"AWS_IAM": []}]), "{path}");
        // The API's own right to call, and not its caller's.
        assert!(integration["credentials"].is_null(), "{path}");
        assert_is_streaming_call(&integration["uri"], "${Function.Arn}");
    }
    let function = stack.the("AWS::Lambda::Function");
    let mode = &function["Environment"]["Variables"]["STREAMGATE_INVOKE_MODE"];
    assert_eq!(mode, "response_stream");
}

fn assert_is_streaming_call(uri: &Value, function: &str) {
    let uri = uri["Fn::Sub"].as_str().unwrap();
    let end =
        format!(":lambda:path/2021-11-15/functions/{function}/response-streaming-invocations");
    assert!(uri.ends_with(&end), "{uri}");
}

#[test]
fn http_apis_take_every_route_with_payload_2() {
    let stack = front("http-api", &[]);
    let integration = stack.the("AWS::ApiGatewayV2::Integration");
    assert_eq!(integration["PayloadFormatVersion"], "2.0");
    assert_eq!(integration["IntegrationUri"], FUNCTION);
    let route = stack.the("AWS::ApiGatewayV2::Route");
    assert_eq!(route["RouteKey"], "$default");
    assert_eq!(route["AuthorizationType"], "AWS_IAM");

    let stack = template("deploy/sam/http-api.yaml").with(&[]);
    let paths = stack.the("AWS::ApiGatewayV2::Api")["Body"]["paths"].clone();
    let route = &paths["$default"]["x-amazon-apigateway-any-method"];
    let integration = &route["x-amazon-apigateway-integration"];
    assert_eq!(integration["payloadFormatVersion"], "2.0");
    assert_eq!(route["security"], json!([{"AWS_IAM": []}]));
    assert_eq!(paths.as_object().unwrap().len(), 1);
}

#[test]
fn apis_are_open_if_a_parameter_says_so() {
    let rest = front("rest-api", &[("AuthorizationType", "NONE")]);
    for (name, method) in rest.resources("AWS::ApiGateway::Method") {
        assert_eq!(method["AuthorizationType"], "NONE", "{name}");
    }
    let http = front("http-api", &[("AuthorizationType", "NONE")]);
    assert_eq!(
        http.the("AWS::ApiGatewayV2::Route")["AuthorizationType"],
        "NONE"
    );
}

#[test]
fn load_balancers_speak_tls_and_keep_repeated_headers() {
    let stack = front("alb", &[("Name", "app"), ("AllowedCidr", "10.0.0.0/8")]);
    let listener = stack.the("AWS::ElasticLoadBalancingV2::Listener");
    assert_eq!(listener["Protocol"], "HTTPS");
    let group = stack.the("AWS::ElasticLoadBalancingV2::TargetGroup");
    assert_eq!(group["TargetType"], "lambda");
    assert_eq!(group["Targets"], json!([{"Id": FUNCTION}]));
    let multi_value = json!({"Key": "lambda.multi_value_headers.enabled", "Value": "true"});
    let attributes = group["TargetGroupAttributes"].as_array().unwrap();
    assert!(attributes.contains(&multi_value));
    // Else the group may come before it, and then it is refused.
    assert_eq!(stack.resource("TargetGroup")["DependsOn"], "Permission");
    let clients = &stack.the("AWS::EC2::SecurityGroup")["SecurityGroupIngress"];
    assert_eq!(clients[0]["CidrIp"], "10.0.0.0/8");
}

#[test]
fn a_service_may_invoke_the_function_for_one_front_alone() {
    let mut permissions = 0;
    for (path, template) in all() {
        let stack = template.with(&[]);
        for (name, permission) in stack.resources("AWS::Lambda::Permission") {
            permissions += 1;
            let source = permission["SourceArn"]["Fn::Sub"].clone();
            // SAM's has its variables in a list.
            let source = source.get(0).unwrap_or(&source).as_str().unwrap();
            let of_this_front = ["${Api}/", "${__ApiId__}/", "targetgroup/${Name}/"];
            assert!(
                of_this_front.iter().any(|part| source.contains(part)),
                "{path}: {name}"
            );
            assert_eq!(
                permission["Action"], "lambda:InvokeFunction",
                "{path}: {name}"
            );
        }
    }
    assert_eq!(permissions, 6, "an API of SAM's has one for each path");
}

#[test]
fn the_role_of_releases_publishes_layers_for_one_repository_alone() {
    let given = [("Repository", "someone/streamgate")];
    let stack = template("deploy/cloudformation/release-role.yaml").with(&given);
    let role = stack.the("AWS::IAM::Role");
    let trust = &role["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(trust.as_array().unwrap().len(), 1);
    assert_eq!(
        trust[0]["Condition"]["StringEquals"],
        json!({
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {"Fn::Sub": "repo:${Repository}:environment:release"},
        })
    );
    let statements = &role["Policies"][0]["PolicyDocument"]["Statement"];
    let statements = statements.as_array().unwrap();
    let actions: Vec<_> = statements.iter().map(|one| &one["Action"]).collect();
    assert_eq!(
        actions,
        [
            "lambda:PublishLayerVersion",
            "lambda:AddLayerVersionPermission"
        ]
    );
    for resource in statements
        .iter()
        .flat_map(|one| one["Resource"].as_array().unwrap())
    {
        let arn = resource["Fn::Sub"].as_str().unwrap();
        assert!(arn.contains(":layer:streamgate-"), "{arn}");
    }
}
