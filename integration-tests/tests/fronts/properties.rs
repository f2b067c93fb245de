// SPDX-License-Identifier: Apache-2.0
//! Generated requests and answers: client, front, adapter, app and back keeps what each front can keep.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use integration_tests::event::Event;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::fronts::{ClientRequest, Encoding, FRONTS, Front, Received};
use crate::stage::Stage;

const CASES: u32 = 150;

fn method() -> impl Strategy<Value = String> {
    let known = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "M-SEARCH",
        "x!#$%&'*+.^_`|~9",
    ];
    select(known.to_vec()).prop_map(str::to_owned)
}

fn percent(character: char, upper: bool) -> String {
    let mut text = String::new();
    for byte in character.to_string().bytes() {
        let _ = if upper {
            write!(text, "%{byte:02X}")
        } else {
            write!(text, "%{byte:02x}")
        };
    }
    text
}

/// A character of a path or a parameter as a client writes it, escaped where it has to be and where it need not.
fn piece(literal: &'static str) -> impl Strategy<Value = String> {
    let characters: Vec<char> = literal.chars().collect();
    prop_oneof![
        6 => select(characters).prop_map(String::from),
        1 => any::<char>().prop_map(|character| percent(character, true)),
        1 => any::<char>().prop_map(|character| percent(character, false)),
        1 => select(vec!["%2F", "%2f", "%3F", "%23", "%25", "%00", "%0D%0A", "%2B", "%26", "%3D"]).prop_map(str::to_owned),
    ]
}

const UNRESERVED: &str = "abcXYZ019-._~";

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => vec(piece("abcXYZ019-._~!$&'()*+,;=:@"), 0..8).prop_map(|pieces| pieces.concat()),
        1 => select(vec!["", ".", "..", "...", "a;b=c"]).prop_map(str::to_owned),
    ]
}

fn path() -> impl Strategy<Value = String> {
    vec(segment(), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn query() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        select(vec!["a", "b", "tag", "q[]"]).prop_map(str::to_owned),
        vec(piece(UNRESERVED), 1..5).prop_map(|pieces| pieces.concat()),
    ];
    let value = vec(piece("abcXYZ019-._~!$'()*+,;:@/?"), 0..8).prop_map(|pieces| pieces.concat());
    vec((name, value), 0..6)
}

/// A header value as it may stand on a line: no blanks around it, no control characters.
fn value() -> impl Strategy<Value = String> {
    let character = prop_oneof![8 => (0x20_u8..0x7f).prop_map(char::from), 1 => select(vec!['\t', '\u{e9}', '\u{4f60}', '\u{1f600}'])];
    vec(character, 0..12)
        .prop_map(|characters| characters.into_iter().collect::<String>().trim().to_owned())
}

fn headers(prefix: &'static str) -> impl Strategy<Value = Vec<(String, String)>> {
    let name = select(vec!["one", "two", "three-3", "four_4", "5"])
        .prop_map(move |name| format!("{prefix}{name}"));
    vec((name, value()), 0..8)
}

fn cookies() -> impl Strategy<Value = Vec<String>> {
    vec("[a-z]{1,4}=[a-zA-Z0-9!#-+./:<-@^-~-]{0,8}", 0..4)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        vec(any::<u8>(), 0..600),
        any::<String>().prop_map(String::into_bytes),
        any::<String>().prop_map(|text| [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        any::<String>().prop_map(|text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ]
}

fn request() -> impl Strategy<Value = ClientRequest> {
    let encoding = select(vec![Encoding::Text, Encoding::Base64]);
    (
        method(),
        path(),
        query(),
        headers("x-p-"),
        cookies(),
        body(),
        encoding,
    )
        .prop_map(
            |(method, path, query, headers, cookies, body, encoding)| ClientRequest {
                method,
                path,
                query,
                headers,
                cookies,
                body,
                encoding,
            },
        )
}

/// What the app answers.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    cookies: Vec<String>,
    body: Vec<u8>,
    chunked: bool,
}

fn answer() -> impl Strategy<Value = Answer> {
    let status = select(vec![
        200, 201, 204, 206, 226, 301, 302, 304, 400, 401, 404, 418, 429, 500, 503, 599,
    ]);
    let pieces = (status, headers("x-r-"), cookies(), body(), any::<bool>());
    pieces.prop_map(|(status, headers, cookies, body, chunked)| Answer {
        status,
        headers,
        cookies,
        body,
        chunked,
    })
}

impl Answer {
    fn has_body(&self, method: &str) -> bool {
        method != "HEAD" && !matches!(self.status, 204 | 304)
    }

    fn encode(&self, method: &str) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} As Generated\r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        for cookie in &self.cookies {
            let _ = write!(head, "set-cookie: {cookie}\r\n");
        }
        if !self.has_body(method) {
            return format!("{head}\r\n").into_bytes();
        }
        let size = self.body.len();
        if !self.chunked {
            return [
                format!("{head}content-length: {size}\r\n\r\n").as_bytes(),
                &self.body,
            ]
            .concat();
        }
        let mut bytes = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
        for chunk in self.body.chunks(100) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }

    fn as_received(&self, method: &str) -> Received {
        let mut headers = BTreeMap::<String, Vec<&str>>::new();
        for (name, value) in &self.headers {
            headers.entry(name.clone()).or_default().push(value);
        }
        Received {
            status: self.status.into(),
            headers: headers
                .into_iter()
                .map(|(name, values)| (name, values.join(", ")))
                .collect(),
            cookies: self.cookies.clone(),
            body: if self.has_body(method) {
                self.body.clone()
            } else {
                Vec::new()
            },
        }
    }
}

/// Sends one case through one front and compares both ways.
fn check(
    stage: &Stage,
    front: Front,
    request: &ClientRequest,
    answer: &Answer,
) -> Result<(), TestCaseError> {
    stage.app.answer(answer.encode(&request.method));
    let event = front.event(request);
    let (reply, seen) = stage.invoke(Event::json(&event));
    prop_assert_eq!(seen.len(), 1, "{:?}: {:?}", front, reply);
    let seen = &seen[0];
    prop_assert_eq!(seen.head.method(), &request.method, "{:?}", front);
    prop_assert_eq!(seen.head.target(), front.target(request), "{:?}", front);
    let mut sent = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in &request.headers {
        sent.entry(name.clone()).or_default().push(value.clone());
    }
    let mut came = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in seen
        .head
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-p-"))
    {
        came.entry(name.clone()).or_default().push(value.clone());
    }
    let wanted: BTreeMap<_, _> = sent
        .into_iter()
        .map(|(name, values)| (name, front.values(&values)))
        .collect();
    // A list that a front joined may end in a blank, which no line can have around its value.
    let trimmed = |map: BTreeMap<String, Vec<String>>| -> BTreeMap<String, Vec<String>> {
        let trim =
            |values: Vec<String>| values.iter().map(|value| value.trim().to_owned()).collect();
        map.into_iter()
            .map(|(name, values)| (name, trim(values)))
            .collect()
    };
    prop_assert_eq!(came, trimmed(wanted), "{:?}", front);
    let cookies = if request.cookies.is_empty() {
        Vec::new()
    } else {
        vec![request.cookies.join("; ")]
    };
    prop_assert_eq!(seen.head.all("cookie"), cookies, "{:?}", front);
    prop_assert!(
        seen.body == request.body,
        "{:?}: the body came as {:?}",
        front,
        seen.body
    );

    let mut received = front.received(&reply);
    if let Some(length) = received.headers.remove("content-length") {
        prop_assert_eq!(length, "0", "{:?}", front);
        prop_assert!(received.body.is_empty(), "{:?}", front);
    }
    let mut wanted = answer.as_received(&request.method);
    for headers in [&mut received.headers, &mut wanted.headers] {
        for value in headers.values_mut() {
            *value = value.trim().to_owned();
        }
    }
    // A map has no order, so letter cases give none to cookies.
    received.cookies.sort();
    wanted.cookies.sort();
    prop_assert_eq!(received, wanted, "{:?}", front);
    Ok(())
}

fn hold_for(fronts: &[Front], variables: &[(&str, &str)]) {
    let stage = Stage::with(variables);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let held = runner.run(&(request(), answer()), |(request, answer)| {
        fronts
            .iter()
            .try_for_each(|&front| check(&stage, front, &request, &answer))
    });
    held.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn any_request_and_any_answer_pass_a_streamed_function_url() {
    hold_for(&[Front::Url], &[]);
}

#[test]
fn any_request_and_any_answer_pass_an_http_api() {
    hold_for(&[Front::HttpApi, Front::HttpApiV1], &[]);
}

#[test]
fn any_request_and_any_answer_pass_a_rest_api() {
    hold_for(&[Front::Rest], &[]);
}

#[test]
fn any_request_and_any_answer_pass_a_load_balancer() {
    hold_for(&[Front::Alb, Front::AlbMulti], &[]);
}

#[test]
fn any_request_and_any_answer_pass_a_lattice_service() {
    hold_for(&[Front::LatticeV1, Front::LatticeV2], &[]);
}

#[test]
fn any_request_and_any_answer_pass_every_front_where_replies_are_streamed() {
    hold_for(&FRONTS, &[("STREAMGATE_INVOKE_MODE", "response_stream")]);
}

#[test]
fn any_request_and_any_answer_pass_every_front_where_replies_are_buffered() {
    hold_for(&FRONTS, &[("STREAMGATE_INVOKE_MODE", "buffered")]);
}
