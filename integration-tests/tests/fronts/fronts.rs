// SPDX-License-Identifier: Apache-2.0
//! What each front makes of a client's request, and of a reply: this folder's own reading of AWS's documents, which
//! shares nothing with the adapter's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration_tests::fake_lambda::Exchange;
use serde_json::{Map, Value, json};

use crate::samples::sample;

/// A front and, where it has several, the form of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Url,
    HttpApi,
    HttpApiV1,
    Rest,
    Alb,
    AlbMulti,
    LatticeV1,
    LatticeV2,
}

pub(crate) const FRONTS: [Front; 8] = [
    Front::Url,
    Front::HttpApi,
    Front::HttpApiV1,
    Front::Rest,
    Front::Alb,
    Front::AlbMulti,
    Front::LatticeV1,
    Front::LatticeV2,
];

/// How a front writes the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As text, where it is some.
    Text,
    Base64,
}

/// What a client sends.
#[derive(Clone, Debug)]
pub(crate) struct ClientRequest {
    pub(crate) method: String,
    /// Still escaped.
    pub(crate) path: String,
    /// Names and values, still escaped, in order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) cookies: Vec<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) encoding: Encoding,
}

impl ClientRequest {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            cookies: Vec::new(),
            body: Vec::new(),
            encoding: Encoding::Text,
        }
    }

    pub(crate) fn raw_query(&self) -> String {
        let pairs = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("&")
    }

    fn raw_target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.raw_query())
        }
    }
}

impl ClientRequest {
    /// The parameters by name, decoded or as they were sent.
    fn parameters(&self, decodes: bool) -> Lists {
        let part = |text: &String| {
            if decodes {
                decoded(text, true)
            } else {
                text.clone()
            }
        };
        let mut lists = Lists::new();
        for (name, value) in &self.query {
            lists.entry(part(name)).or_default().push(part(value));
        }
        lists
    }
}

type Lists = BTreeMap<String, Vec<String>>;

fn lists<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Lists {
    let mut lists = Lists::new();
    for (name, value) in pairs {
        lists
            .entry(name.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    lists
}

fn each(lists: &Lists, one: impl Fn(&[String]) -> Value) -> Value {
    let map = lists
        .iter()
        .map(|(name, values)| (name.clone(), one(values)));
    Value::Object(map.collect::<Map<_, _>>())
}

fn last(values: &[String]) -> Value {
    json!(values.last())
}

/// What a path or a parameter's part says.
pub(crate) fn decoded(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let digits = std::str::from_utf8(&tail[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &tail[2..];
            }
            b'+' if plus_is_space => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Escapes every byte but letters, digits, `-._~` and those given.
pub(crate) fn escaped(text: &str, also_plain: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || also_plain.as_bytes().contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// RFC 3986, section 3.3: what a path segment may have beside letters, digits and `-._~`; and the slash.
const PCHAR_AND_SLASH: &str = "!$&'()*+,;=:@/";

impl Front {
    /// The event that this front makes of a request. What is not the request's own comes from the front's sample.
    pub(crate) fn event(self, request: &ClientRequest) -> Value {
        let headers = lists(
            request
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let mut with_cookie = headers.clone();
        if !request.cookies.is_empty() {
            with_cookie.insert("cookie".to_owned(), vec![request.cookies.join("; ")]);
        }
        let parts = |decodes: bool| request.parameters(decodes);
        let mut event = sample(self.sample());
        match self {
            Self::Url | Self::HttpApi => {
                let is_url = self == Self::Url;
                let path = decoded(&request.path, false);
                event["rawPath"] = json!(if is_url { &request.path } else { &path });
                event["rawQueryString"] = json!(request.raw_query());
                event["queryStringParameters"] =
                    each(&parts(true), |values| json!(values.join(",")));
                event["headers"] = each(if is_url { &with_cookie } else { &headers }, |values| {
                    json!(values.join(","))
                });
                event["cookies"] = json!(request.cookies);
                event["requestContext"]["http"]["method"] = json!(request.method);
                event["requestContext"]["http"]["path"] = json!(path);
            }
            Self::Rest | Self::HttpApiV1 => {
                let path = decoded(&request.path, false);
                event["path"] = json!(if self == Self::Rest {
                    &request.path
                } else {
                    &path
                });
                event["httpMethod"] = json!(request.method);
                event["headers"] = each(&with_cookie, last);
                event["multiValueHeaders"] = each(&with_cookie, |values| json!(values));
                let parameters = parts(true);
                if parameters.is_empty() {
                    event["queryStringParameters"] = Value::Null;
                    event["multiValueQueryStringParameters"] = Value::Null;
                } else {
                    event["queryStringParameters"] = each(&parameters, last);
                    event["multiValueQueryStringParameters"] =
                        each(&parameters, |values| json!(values));
                }
            }
            Self::Alb | Self::AlbMulti => {
                event["path"] = json!(request.path);
                event["httpMethod"] = json!(request.method);
                if self == Self::Alb {
                    event["headers"] = each(&with_cookie, last);
                    event["queryStringParameters"] = each(&parts(false), last);
                } else {
                    event["multiValueHeaders"] = each(&with_cookie, |values| json!(values));
                    event["multiValueQueryStringParameters"] =
                        each(&parts(false), |values| json!(values));
                }
            }
            Self::LatticeV1 => {
                event["raw_path"] = json!(request.raw_target());
                event["method"] = json!(request.method);
                event["headers"] = each(&with_cookie, |values| json!(values.join(", ")));
                event["query_string_parameters"] = each(&parts(false), last);
            }
            Self::LatticeV2 => {
                event["path"] = json!(request.raw_target());
                event["method"] = json!(request.method);
                event["headers"] = each(&with_cookie, |values| json!(values));
                event["queryStringParameters"] = each(&parts(false), |values| json!(values));
            }
        }
        let flag = if self == Self::LatticeV1 {
            "is_base64_encoded"
        } else {
            "isBase64Encoded"
        };
        let text = std::str::from_utf8(&request.body).ok();
        let text = text.filter(|_| request.encoding == Encoding::Text);
        event[flag] = json!(text.is_none());
        event["body"] =
            text.map_or_else(|| json!(BASE64.encode(&request.body)), |text| json!(text));
        event
    }

    pub(crate) fn sample(self) -> &'static str {
        match self {
            Self::Url => "function-url-get",
            Self::HttpApi => "http-api-v2-get",
            Self::HttpApiV1 => "http-api-v1-payload",
            Self::Rest => "rest-v1-get-multivalue",
            Self::Alb => "alb-single-value",
            Self::AlbMulti => "alb-multi-value",
            Self::LatticeV1 => "vpc-lattice-v1",
            Self::LatticeV2 => "vpc-lattice-v2",
        }
    }

    /// The target that the app has to see: what the client sent, as far as the event still has it.
    pub(crate) fn target(self, request: &ClientRequest) -> String {
        let path = match self {
            // The front has decoded it.
            Self::HttpApi | Self::HttpApiV1 => {
                escaped(&decoded(&request.path, false), PCHAR_AND_SLASH)
            }
            _ => request.path.clone(),
        };
        let again = |text: &String| escaped(&decoded(text, true), "");
        let query = match self {
            Self::Url | Self::HttpApi | Self::LatticeV1 | Self::LatticeV2 => request.query.clone(),
            // The order of different names is lost; here, the event has them sorted as they were decoded.
            Self::Rest | Self::HttpApiV1 => {
                let mut pairs = request.query.clone();
                pairs.sort_by_key(|(name, _)| decoded(name, true));
                pairs
                    .iter()
                    .map(|(name, value)| (again(name), again(value)))
                    .collect()
            }
            Self::AlbMulti => {
                let mut pairs = request.query.clone();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                pairs
            }
            // The last value of each name is all there is.
            Self::Alb => request
                .query
                .iter()
                .cloned()
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect(),
        };
        ClientRequest {
            path,
            query,
            ..request.clone()
        }
        .raw_target()
    }

    /// The header lines of this name that the app has to see.
    pub(crate) fn values(self, values: &[String]) -> Vec<String> {
        match self {
            Self::Url | Self::HttpApi => vec![values.join(",")],
            Self::LatticeV1 => vec![values.join(", ")],
            Self::Alb => values.last().cloned().into_iter().collect(),
            Self::Rest | Self::HttpApiV1 | Self::AlbMulti | Self::LatticeV2 => values.to_vec(),
        }
    }

    /// What the client gets of a reply, as this front's documents say.
    pub(crate) fn received(self, reply: &Exchange) -> Received {
        if reply.head.header("lambda-runtime-function-response-mode") == Some("streaming") {
            assert!(
                matches!(self, Self::Url | Self::Rest),
                "{self:?} cannot stream"
            );
            let streamed = reply.streamed();
            return Received::of_maps(&streamed.prelude, streamed.payload);
        }
        let object = reply.json();
        let text = object["body"].as_str().unwrap();
        let body = if object["isBase64Encoded"].as_bool().unwrap() {
            BASE64.decode(text).unwrap()
        } else {
            text.as_bytes().to_vec()
        };
        let keys: Vec<&str> = object
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let own: &[&str] = match self {
            Self::Url | Self::HttpApi => &["cookies", "headers"],
            Self::HttpApiV1 | Self::Rest => &["multiValueHeaders"],
            Self::AlbMulti => &["multiValueHeaders", "statusDescription"],
            Self::Alb => &["headers", "statusDescription"],
            Self::LatticeV1 | Self::LatticeV2 => &["headers"],
        };
        for key in keys {
            let known =
                ["statusCode", "isBase64Encoded", "body"].contains(&key) || own.contains(&key);
            assert!(known, "{self:?} does not take {key}");
        }
        match self {
            Self::Url | Self::HttpApi => Received::of_maps(&object, body),
            Self::Rest | Self::HttpApiV1 | Self::AlbMulti => Received::of_lists(&object, body),
            Self::Alb | Self::LatticeV1 | Self::LatticeV2 => {
                Received::of_letter_cases(&object, body)
            }
        }
    }
}

/// A response as the client gets it: repeats of a header joined, cookies apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) status: u64,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) cookies: Vec<String>,
    pub(crate) body: Vec<u8>,
}

fn string(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no string"))
        .to_owned()
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("{value} is no list"))
        .iter()
        .map(string)
        .collect()
}

impl Received {
    fn of_maps(object: &Value, body: Vec<u8>) -> Self {
        let headers = object["headers"].as_object().unwrap();
        let cookies = object.get("cookies").map(strings).unwrap_or_default();
        Self {
            status: object["statusCode"].as_u64().unwrap(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), string(value)))
                .collect(),
            cookies,
            body,
        }
    }

    fn of_lists(object: &Value, body: Vec<u8>) -> Self {
        let mut headers = BTreeMap::new();
        let mut cookies = Vec::new();
        for (name, values) in object["multiValueHeaders"].as_object().unwrap() {
            if name == "set-cookie" {
                cookies = strings(values);
            } else {
                headers.insert(name.clone(), strings(values).join(", "));
            }
        }
        Self {
            status: object["statusCode"].as_u64().unwrap(),
            headers,
            cookies,
            body,
        }
    }

    /// The names of a map differ, and to the client they are the same but for their letter case.
    fn of_letter_cases(object: &Value, body: Vec<u8>) -> Self {
        let mut received = Self::of_maps(object, body);
        let is_cookie = |name: &String| name.eq_ignore_ascii_case("set-cookie");
        received.cookies = received
            .headers
            .iter()
            .filter(|(name, _)| is_cookie(name))
            .map(|(_, value)| value.clone())
            .collect();
        received.headers.retain(|name, _| !is_cookie(name));
        received
    }
}
