// SPDX-License-Identifier: Apache-2.0
//! Paths and parameters as each front writes them, and the request line that they come to: the odd ones by name.

use serde_json::{Value, json};

use crate::fronts::Front;
use crate::samples::sample;
use crate::stage::Stage;

/// A front, its path, its parameters, the target.
type Case = (Front, &'static str, Value, &'static str);

fn event(front: Front, path: &str, query: &Value) -> Value {
    let mut event = sample(front.sample());
    let (path_field, query_field) = match front {
        Front::Url | Front::HttpApi => ("rawPath", "rawQueryString"),
        Front::Rest | Front::HttpApiV1 => {
            event["queryStringParameters"] = Value::Null;
            ("path", "multiValueQueryStringParameters")
        }
        Front::AlbMulti => ("path", "multiValueQueryStringParameters"),
        Front::LatticeV1 => ("raw_path", "query_string_parameters"),
        Front::Alb | Front::LatticeV2 => ("path", "queryStringParameters"),
    };
    event[path_field] = json!(path);
    event[query_field] = query.clone();
    event
}

fn hold(cases: &[Case]) {
    let stage = Stage::start();
    for (front, path, query, wanted) in cases {
        let seen = stage.seen_of(&event(*front, path, query));
        assert_eq!(
            seen.head.target(),
            *wanted,
            "{front:?} of {path:?} and {query}"
        );
        assert_eq!(
            seen.head.header("x-injected"),
            None,
            "{front:?} of {path:?} and {query}"
        );
    }
}

#[test]
fn what_a_front_leaves_as_sent_passes_byte_for_byte() {
    let odd = "/a/./b/../c/..//%2F%2f/\\back/{x}|^~'\"";
    hold(&[
        (
            Front::Url,
            odd,
            json!("a='b'&&=&?&%zz=%&a=1&a=1"),
            "/a/./b/../c/..//%2F%2f/\\back/{x}|^~'\"?a='b'&&=&?&%zz=%&a=1&a=1",
        ),
        (
            Front::HttpApi,
            "/x",
            json!("a='b'&&=&?&%zz=%&a=1&a=1"),
            "/x?a='b'&&=&?&%zz=%&a=1&a=1",
        ),
        (Front::Rest, odd, Value::Null, odd),
        (Front::Alb, odd, json!({}), odd),
        (Front::AlbMulti, odd, json!({}), odd),
        (
            Front::LatticeV1,
            "/x//../%2F?a='b'&&=&?&%zz=%",
            json!({ "a": "x" }),
            "/x//../%2F?a='b'&&=&?&%zz=%",
        ),
        (
            Front::LatticeV2,
            "/x//../%2F?a='b'&&=&?&%zz=%",
            json!({ "a": ["x"] }),
            "/x//../%2F?a='b'&&=&?&%zz=%",
        ),
    ]);
}

#[test]
fn what_a_front_decoded_is_escaped_again() {
    hold(&[
        (
            Front::HttpApi,
            "/a b/100%/what?#/\u{e9}\u{4f60}[x]",
            json!(""),
            "/a%20b/100%25/what%3F%23/%C3%A9%E4%BD%A0%5Bx%5D",
        ),
        (Front::HttpApi, "/%20", json!(""), "/%2520"),
        (
            Front::HttpApi,
            "/~!$&'()*+,;=:@-._",
            json!(""),
            "/~!$&'()*+,;=:@-._",
        ),
        (
            Front::HttpApiV1,
            "/a b",
            json!({ "q": ["a b", "+&=#%/?"] }),
            "/a%20b?q=a%20b&q=%2B%26%3D%23%25%2F%3F",
        ),
        (
            Front::Rest,
            "/a%20b",
            json!({ "k k": ["\u{e9}"], "\u{1f600}": [""] }),
            "/a%20b?k%20k=%C3%A9&%F0%9F%98%80=",
        ),
    ]);
}

#[test]
fn what_may_not_stand_on_a_request_line_is_escaped_once_and_starts_no_header() {
    let path = "/a b\t\r\nx-injected: 1\0\u{7f}\u{e9}%20";
    let wanted = "/a%20b%09%0D%0Ax-injected:%201%00%7F%C3%A9%20";
    let target =
        |query: &str| -> &'static str { Box::leak(format!("{wanted}{query}").into_boxed_str()) };
    let bad = " \r\nx-injected: 1\0\u{e9}";
    let escaped = "%20%0D%0Ax-injected:%201%00%C3%A9";
    let again = "%20%0D%0Ax-injected%3A%201%00%C3%A9";
    hold(&[
        (
            Front::Url,
            path,
            json!(format!("a={bad}")),
            target(&format!("?a={escaped}")),
        ),
        (
            Front::Rest,
            path,
            json!({ "a": [bad] }),
            target(&format!("?a={again}")),
        ),
        (
            Front::Alb,
            path,
            json!({ "a": bad }),
            target(&format!("?a={escaped}")),
        ),
        (
            Front::AlbMulti,
            path,
            json!({ bad: ["1"] }),
            target(&format!("?{escaped}=1")),
        ),
        (Front::LatticeV1, path, json!({}), wanted),
        (
            Front::LatticeV2,
            path,
            json!({ "a": [bad] }),
            target(&format!("?a={escaped}")),
        ),
    ]);
}

#[test]
fn parameters_that_a_load_balancer_leaves_as_sent_are_not_escaped_again() {
    let sent = json!({ "a+b": "c+d%2Be%20f=g'", "next": "https%3A%2F%2Fx" });
    let lists = json!({ "a+b": ["c+d%2Be%20f=g'", "", "x"], "next": ["https://x/?y"] });
    hold(&[
        (
            Front::Alb,
            "/",
            sent,
            "/?a+b=c+d%2Be%20f=g'&next=https%3A%2F%2Fx",
        ),
        (
            Front::AlbMulti,
            "/",
            lists,
            "/?a+b=c+d%2Be%20f=g'&a+b=&a+b=x&next=https://x/?y",
        ),
    ]);
}

#[test]
fn a_lattice_path_without_a_query_takes_the_parameters() {
    hold(&[
        (
            Front::LatticeV1,
            "/x",
            json!({ "a": "b%2Bc" }),
            "/x?a=b%2Bc",
        ),
        (
            Front::LatticeV2,
            "/x",
            json!({ "a": ["b%2Bc", "d+e"] }),
            "/x?a=b%2Bc&a=d+e",
        ),
    ]);
}

#[test]
fn an_empty_path_is_the_root_and_an_empty_query_is_none() {
    hold(&[
        (Front::Url, "", json!(""), "/"),
        (Front::HttpApi, "", json!("a"), "/?a"),
        (Front::Rest, "/x", json!({}), "/x"),
        (Front::Alb, "/x", Value::Null, "/x"),
        (Front::LatticeV1, "/x", Value::Null, "/x"),
    ]);
}
