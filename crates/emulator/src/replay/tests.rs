// SPDX-License-Identifier: Apache-2.0
//! What recordings are read as, and how outcomes are told.

use std::error::Error;
use std::time::Duration;

use http::header::{self, HeaderMap};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::outcome::{Answered, Outcome, Played, Sum};
use super::recording::{Action, Item, Skip, parse};

/// The items of an archive with this entry alone.
fn entry(request: &Value, status: i64) -> Vec<Item> {
    let entry = json!({ "request": request, "response": { "status": status } });
    let archive = json!({ "log": { "version": "1.2", "entries": [entry] } });
    parse(archive.to_string().as_bytes()).unwrap()
}

fn request(members: &Value) -> Item {
    let mut request = json!({ "method": "GET", "url": "http://h/", "headers": [] });
    for (name, value) in members.as_object().unwrap() {
        request[name] = value.clone();
    }
    entry(&request, 200).remove(0)
}

fn headers_of(item: &Item) -> &HeaderMap {
    match &item.action {
        Action::Send(request) => request.headers(),
        other => panic!("{other:?}"),
    }
}

/// The whole of what is sent, which is in memory already.
fn body_of(item: Item) -> Vec<u8> {
    let Action::Send(request) = item.action else {
        panic!("{item:?}");
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let body = runtime.block_on(request.into_body().collect()).unwrap();
    body.to_bytes().into()
}

fn skip_of(item: Item) -> Skip {
    match item.action {
        Action::Skip(skip) => skip,
        other => panic!("{other:?}"),
    }
}

fn headers(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

#[test]
fn what_cannot_be_played_is_named_with_its_place() {
    let entries = |entries: &str| format!(r#"{{"log":{{"entries":[{entries}]}}}}"#);
    let good = r#"{"request":{"method":"GET","url":"http://h/"}}"#;
    for (text, words) in [
        (String::new(), "there is nothing in it"),
        (" \n\t\u{feff}".into(), "line 2 column 2"),
        ("\u{feff}\n".into(), "there is nothing in it"),
        (
            "GET / HTTP/1.1".into(),
            "it is no JSON: expected value at line 1 column 1",
        ),
        (
            "{}\n{}\n{\"a\":".into(),
            "EOF while parsing a value at line 3 column 5",
        ),
        ("{}\n{]".into(), "line 2 column 2"),
        (r#"{"log":{}}"#.into(), "log.entries is missing"),
        (
            r#"{"log":{"entries":[]}}"#.into(),
            "there is nothing to play",
        ),
        (
            r#"{"log":{"entries":3}}"#.into(),
            "expected a sequence at line 1 column 19",
        ),
        (entries(good) + "{}", "trailing characters at line 1"),
        (
            entries(&format!("{good},{{}}")),
            "entry 2: request is missing",
        ),
        (
            entries(r#"{"request":{"url":"http://h/"}}"#),
            "entry 1: request.method is missing",
        ),
        (
            entries(r#"{"request":{"method":"GET"}}"#),
            "entry 1: request.url is missing",
        ),
        (
            entries(r#"{"request":{"method":"G T","url":"http://h/"}}"#),
            "entry 1: request.method \"G T\" is no method",
        ),
        (
            entries(r#"{"request":{"method":"GET","url":"/path"}}"#),
            "entry 1: request.url \"/path\" is not absolute",
        ),
        (
            entries(r#"{"request":{"method":"GET","url":"http:/h"}}"#),
            "entry 1: request.url \"http:/h\" is no URL of HTTP",
        ),
        (
            entries(r#"{"request":{"method":"GET","url":"http://h/a b"}}"#),
            "request.url \"http://h/a b\" is no URL of HTTP",
        ),
        (
            entries("{\"request\":{\"method\":\"GET\",\n\"url\":7}}"),
            "invalid type: integer `7`, expected a string at line 2 column 7",
        ),
        (
            entries(r#"{"request":{"method":"GET","url":"http://h/","headers":[{"name":"a"}]}}"#),
            "missing field `value` at line 1 column",
        ),
        (
            entries(
                r#"{"request":{"method":"GET","url":"http://h/","headers":[{"name":"a b","value":""}]}}"#,
            ),
            "entry 1: header name \"a b\"",
        ),
        (
            entries(
                r#"{"request":{"method":"GET","url":"http://h/","headers":[{"name":"a","value":"x\ny"}]}}"#,
            ),
            "entry 1: value of header a cannot be sent",
        ),
        (
            entries(
                r#"{"request":{"method":"GET","url":"http://h/","headers":[{"name":":authority","value":"x\ny"}]}}"#,
            ),
            "entry 1: value of header host cannot be sent",
        ),
    ] {
        let error = parse(text.as_bytes()).unwrap_err();
        let mut line = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        assert!(line.contains(words), "{text}: {line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn documents_of_json_are_events_byte_for_byte() {
    for (text, events) in [
        ("{\"a\": 1.0}", vec!["{\"a\": 1.0}"]),
        ("\u{feff}{}\n{}\n", vec!["{}", "{}"]),
        (
            "{\"a\":\n 1}\r\n\r\n[2]{}",
            vec!["{\"a\":\n 1}", "[2]", "{}"],
        ),
        ("3", vec!["3"]),
        // Not an archive.
        (r#"{"log":"a line"}"#, vec![r#"{"log":"a line"}"#]),
        (r#"[{"entries":[]}]"#, vec![r#"[{"entries":[]}]"#]),
    ] {
        let items = parse(text.as_bytes()).unwrap();
        let found: Vec<_> = items
            .iter()
            .map(|item| match &item.action {
                Action::Invoke(event) => std::str::from_utf8(event).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, events);
    }
    // Nobody has to be able to build it, but the function.
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(parse(deep.as_bytes()).unwrap().len(), 1);
}

#[test]
fn the_target_is_the_urls_and_the_host_the_recorded_one() {
    for (url, target, host) in [
        ("http://h:1/a%20b/?c=d&c#e", "/a%20b/?c=d&c", "h:1"),
        ("HTTPS://h", "/", "h"),
        ("https://h?a=/b", "/?a=/b", "h"),
        ("http://user:password@h/", "/", "h"),
        // From a client that sent no host.
        ("http:///a", "/a", ""),
    ] {
        let item = request(&json!({ "url": url }));
        assert_eq!(item.name, format!("GET {target}"), "{url}");
        assert_eq!(headers_of(&item)["host"], host, "{url}");
    }
    let http2 = headers(&[(":authority", "app.example"), (":path", "/")]);
    assert_eq!(
        headers_of(&request(&json!({ "headers": http2 })))["host"],
        "app.example"
    );
    let http1 = headers(&[("Host", "other.example")]);
    assert_eq!(
        headers_of(&request(&json!({ "headers": http1 })))["host"],
        "other.example"
    );
}

#[test]
fn headers_of_the_connection_and_of_http2_are_not_sent() {
    let recorded = headers(&[
        (":method", "POST"),
        (":scheme", "https"),
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic eA=="),
        ("TE", "trailers"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Expect", "100-continue"),
        ("Content-Length", "0"),
        ("Accept", "a/b"),
        ("accept", "c/d"),
        ("Cookie", "a=1; b=2"),
        ("X-Name", "gr\u{fc}n"),
    ]);
    let item = request(&json!({ "headers": recorded }));
    let sent = headers_of(&item);
    let mut names: Vec<_> = sent.keys().map(header::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["accept", "content-length", "cookie", "host", "x-name"]
    );
    let accepted: Vec<_> = sent.get_all("accept").iter().collect();
    assert_eq!(accepted, ["a/b", "c/d"]);
    assert_eq!(sent["x-name"].as_bytes(), "gr\u{fc}n".as_bytes());
}

#[test]
fn a_body_is_sent_whole_or_not_at_all() {
    let post = |post_data: Value, length: &str, size: i64| {
        let mut members = json!({ "method": "POST", "postData": post_data, "bodySize": size });
        if !length.is_empty() {
            members["headers"] = headers(&[("content-length", length)]);
        }
        request(&members)
    };
    for (post_data, length, size, body) in [
        (json!({ "text": "a=b" }), "3", 3, &b"a=b"[..]),
        (
            json!({ "text": "a=b", "params": [{ "name": "a" }] }),
            "",
            -1,
            b"a=b",
        ),
        (
            json!({ "text": "gr\u{fc}n" }),
            "5",
            4,
            "gr\u{fc}n".as_bytes(),
        ),
        (
            json!({ "text": "AP8=", "_encoding": "base64" }),
            "2",
            2,
            b"\x00\xff",
        ),
        (
            json!({ "text": "AP8=", "encoding": "base64" }),
            "",
            2,
            b"\x00\xff",
        ),
        (json!({ "text": "" }), "0", 0, b""),
        (json!({ "mimeType": "text/plain" }), "", -1, b""),
        (Value::Null, "", 0, b""),
    ] {
        let item = post(post_data.clone(), length, size);
        assert_eq!(body_of(item), body, "{post_data}");
    }
    for (post_data, length, size, words) in [
        (Value::Null, "12", -1, "its body was not kept"),
        (Value::Null, "", 12, "its body was not kept"),
        (json!({ "text": "" }), "12", 0, "its body was not kept"),
        (
            json!({ "text": "a\u{fffd}" }),
            "2",
            4,
            "its body had 2 bytes, and 4 were kept",
        ),
        (
            json!({ "params": [{ "name": "a", "value": "b" }] }),
            "3",
            3,
            "of its body there are only parameters",
        ),
        (
            json!({ "text": "@", "_encoding": "base64" }),
            "1",
            1,
            "its body is no base64: ",
        ),
        (
            json!({ "text": "x", "encoding": "gzip" }),
            "1",
            1,
            "its body has the encoding \"gzip\"",
        ),
    ] {
        let Skip::Body(reason) = skip_of(post(post_data.clone(), length, size)) else {
            panic!("{post_data}");
        };
        assert!(reason.starts_with(words), "{post_data}: {reason}");
    }
}

#[test]
fn what_was_no_request_for_the_function_is_skipped() {
    for (method, url, name) in [
        ("GET", "data:image/png;base64,AAAA", "GET data:"),
        ("GET", "wss://h/socket", "GET wss:"),
        ("CONNECT", "https://h:443/", "CONNECT https:"),
    ] {
        let item = request(&json!({ "method": method, "url": url }));
        assert_eq!(item.name, name);
        assert!(matches!(skip_of(item), Skip::NotForFunction(_)), "{url}");
    }
}

#[test]
fn calls_of_the_invoke_apis_are_events_and_dry_runs_are_nothing() {
    let call = |status: u16| {
        let archive = json!({ "log": { "entries": [{
            "request": {
                "method": "POST",
                "url": "http://h/2015-03-31/functions/local/invocations",
                "headers": [{ "name": "content-length", "value": "99" }],
                "postData": { "text": "{\"a\":1}" },
            },
            "response": { "status": status },
            "_front": "Invoke API",
        }] } });
        parse(archive.to_string().as_bytes()).unwrap().remove(0)
    };
    let item = call(200);
    assert_eq!(item.recorded, None);
    assert!(matches!(item.action, Action::Invoke(event) if event == "{\"a\":1}"));
    assert!(matches!(skip_of(call(204)), Skip::NotForFunction(_)));
}

#[test]
fn only_an_answers_status_was_recorded() {
    let get = json!({ "method": "GET", "url": "http://h/" });
    for (status, recorded) in [(404, Some(404)), (0, None), (-1, None), (70_000, None)] {
        assert_eq!(entry(&get, status)[0].recorded, recorded, "{status}");
    }
    let archive = br#"{"log":{"entries":[{"request":{"method":"GET","url":"http://h/"}}]}}"#;
    assert_eq!(parse(archive).unwrap()[0].recorded, None);
}

fn answered(status: Option<u16>, recorded: Option<u16>, broken: Option<&str>) -> Played {
    Played {
        name: "GET /\u{1b}".to_owned(),
        recorded,
        outcome: Outcome::Answered(Answered {
            status,
            first_byte: Some(Duration::from_micros(3_240)),
            total: Duration::from_millis(12),
            bytes: 42,
            broken: broken.map(str::to_owned),
        }),
    }
}

fn other(outcome: Outcome) -> Played {
    Played {
        name: "event 1".to_owned(),
        recorded: Some(200),
        outcome,
    }
}

#[test]
fn each_outcome_is_an_aligned_line() {
    let failed = other(Outcome::Failed {
        reason: "Runtime.ExitError".to_owned(),
        total: Duration::from_mins(1),
    });
    let skipped = other(Outcome::Skipped(Skip::Body("its body was not kept".into())));
    for (played, line) in [
        (
            answered(Some(200), Some(200), None),
            "200      first byte      3.2 ms  total     12.0 ms         42 bytes  GET /\\u{1b}",
        ),
        (
            answered(Some(200), Some(500), Some("cut\n")),
            "200      first byte      3.2 ms  total     12.0 ms         42 bytes  GET /\\u{1b}  (broke off: cut\\n)  (recorded 500)",
        ),
        (
            answered(None, None, None),
            "ok       first byte      3.2 ms  total     12.0 ms         42 bytes  GET /\\u{1b}",
        ),
        (
            failed,
            "failed   first byte           -  total  60000.0 ms          - bytes  event 1  (Runtime.ExitError)",
        ),
        (
            skipped,
            "skipped  first byte           -  total           -          - bytes  event 1  (its body was not kept)",
        ),
    ] {
        assert_eq!(played.to_string(), line);
    }
}

#[test]
fn the_last_line_sums_up() {
    let skip = |skip| other(Outcome::Skipped(skip));
    let socket = || skip(Skip::NotForFunction(String::new()));
    let failed = || {
        other(Outcome::Failed {
            reason: String::new(),
            total: Duration::ZERO,
        })
    };
    let same = || answered(Some(200), Some(200), None);
    for (played, line, good) in [
        (vec![same(), same()], "2 replayed, 0 differ", true),
        (vec![answered(None, None, None)], "1 replayed", true),
        (
            vec![same(), answered(Some(500), Some(200), None)],
            "2 replayed, 1 differs",
            false,
        ),
        (
            vec![answered(Some(200), Some(200), Some(""))],
            "1 replayed, 0 differ, 1 failed",
            false,
        ),
        (vec![failed()], "1 replayed, 1 failed", false),
        (
            vec![same(), socket()],
            "1 replayed, 0 differ, 1 skipped",
            true,
        ),
        (
            vec![same(), skip(Skip::Body(String::new()))],
            "1 replayed, 0 differ, 1 skipped",
            false,
        ),
        (vec![socket()], "0 replayed, 1 skipped", false),
    ] {
        let mut sum = Sum::default();
        for played in &played {
            sum.add(played);
        }
        assert_eq!(
            (sum.to_string().as_str(), sum.is_as_recorded()),
            (line, good)
        );
    }
}
