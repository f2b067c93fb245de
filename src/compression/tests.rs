// SPDX-License-Identifier: Apache-2.0
//! What a response says of itself, and that its bytes come back.

use std::io::Read as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Response;

use super::*;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::body::Broken;
use crate::body::scripted::{Step, scripted};

const ALL: [Coding; 3] = [Coding::Zstd, Coding::Gzip, Coding::Brotli];

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn request(method: Method, pairs: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.headers_mut() = headers(pairs);
    request
}

/// The whole body that these encoded bytes begin, as far as they go.
fn decoded(coding: Coding, bytes: &[u8]) -> String {
    let mut text = Vec::new();
    let mut block = [0; 512];
    let mut reader: Box<dyn std::io::Read> = match coding {
        Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
        Coding::Brotli => Box::new(brotli::Decompressor::new(bytes, 512)),
    };
    // What breaks off is an error behind its last byte.
    while let Ok(count @ 1..) = reader.read(&mut block) {
        text.extend_from_slice(&block[..count]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn vary_is_said_once_and_whether_or_not_the_client_asked() {
    for (method, accepts, had, has, coding) in [
        (
            Method::GET,
            "gzip",
            vec![],
            vec!["Accept-Encoding"],
            Some(Coding::Gzip),
        ),
        (Method::GET, "", vec![], vec!["Accept-Encoding"], None),
        (Method::HEAD, "gzip", vec![], vec!["Accept-Encoding"], None),
        (
            Method::POST,
            "br",
            vec!["origin"],
            vec!["origin", "Accept-Encoding"],
            Some(Coding::Brotli),
        ),
        (
            Method::GET,
            "gzip",
            vec!["Origin, ACCEPT-encoding"],
            vec!["Origin, ACCEPT-encoding"],
            Some(Coding::Gzip),
        ),
        (
            Method::GET,
            "gzip",
            vec!["a", "*"],
            vec!["a", "*"],
            Some(Coding::Gzip),
        ),
    ] {
        let client = Client::of(&request(method, &[("accept-encoding", accepts)]));
        let mut of_app = headers(&[("content-type", "text/plain")]);
        for line in had {
            of_app.append(header::VARY, HeaderValue::from_static(line));
        }
        assert_eq!(
            client.settle(Compression::On, StatusCode::OK, &mut of_app),
            coding
        );
        assert_eq!(of_app.get_all(header::VARY).iter().collect::<Vec<_>>(), has);
    }
}

#[test]
fn a_client_may_forbid_it() {
    let asked = [
        ("accept-encoding", "gzip"),
        ("cache-control", "no-transform"),
    ];
    let client = Client::of(&request(Method::GET, &asked));
    let mut of_app = headers(&[("content-type", "text/plain")]);
    assert_eq!(
        client.settle(Compression::On, StatusCode::OK, &mut of_app),
        None
    );
    assert!(of_app.contains_key(header::VARY));
}

#[test]
fn what_may_not_change_is_not_touched() {
    let client = Client::of(&request(Method::GET, &[("accept-encoding", "gzip")]));
    for more in [
        ("cache-control", "no-transform"),
        ("content-encoding", "br"),
        ("content-range", "bytes 0-1/2"),
        ("content-type", "image/png"),
    ] {
        let mut of_app = headers(&[("content-type", "text/plain"), ("etag", "\"v1\"")]);
        of_app.insert(more.0, HeaderValue::from_static(more.1));
        let before = of_app.clone();
        assert_eq!(
            client.settle(Compression::On, StatusCode::OK, &mut of_app),
            None
        );
        assert_eq!(of_app, before);
    }
}

#[test]
fn a_compressed_response_says_so_and_no_more_than_is_true() {
    for (tag, weak) in [("\"v1\"", "W/\"v1\""), ("W/\"v1\"", "W/\"v1\"")] {
        let mut response = Response::new(());
        *response.headers_mut() = headers(&[
            ("content-length", "5000"),
            ("accept-ranges", "bytes"),
            ("etag", tag),
        ]);
        announce(Coding::Brotli, response.headers_mut());
        let expected = headers(&[("etag", weak), ("content-encoding", "br")]);
        assert_eq!(response.headers(), &expected);
    }
}

/// Polls a body to its end: each frame, and what a client can read when it has come.
fn played(coding: Coding, steps: &[Step]) -> Vec<String> {
    played_body(coding, scripted(steps.iter().copied()))
}

fn played_body<B>(coding: Coding, body: B) -> Vec<String>
where
    B: http_body::Body<Data = Bytes, Error = Broken> + Unpin,
{
    let mut body = pin!(Compressed::new(body, Encoder::new(coding).unwrap()));
    let mut context = Context::from_waker(Waker::noop());
    let (mut seen, mut sent, mut known) = (Vec::new(), Vec::new(), 0);
    loop {
        let next = match body.as_mut().poll_frame(&mut context) {
            Poll::Pending => "pending".to_owned(),
            Poll::Ready(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else {
                    seen.push("trailers".to_owned());
                    continue;
                };
                assert!(!data.is_empty());
                sent.extend_from_slice(&data);
                let text = decoded(coding, &sent);
                let more = text[known..].to_owned();
                known = text.len();
                more
            }
            Poll::Ready(Some(Err(error))) => format!("error: {}", crate::logging::chain(&error)),
            Poll::Ready(None) => return seen,
        };
        seen.push(next);
    }
}

#[test]
fn each_frame_can_be_read_when_it_comes() {
    for coding in ALL {
        let steps = [
            Step::Data("one "),
            Step::Pending,
            Step::Data(""),
            Step::Data("two "),
        ];
        // The last frame is the end of the coding.
        let frames = ["one ", "pending", "two ", ""];
        assert_eq!(played(coding, &steps), frames, "{coding:?}");
    }
}

#[test]
fn a_body_whose_end_is_known_is_one_frame() {
    for coding in ALL {
        let whole = http_body_util::Full::new(Bytes::from_static(b"one and all"))
            .map_err(|never| match never {});
        assert_eq!(played_body(coding, whole), ["one and all"], "{coding:?}");
    }
}

#[test]
fn trailers_follow_the_end_of_the_coding() {
    for coding in ALL {
        let steps = [Step::Data("one "), Step::Trailers];
        assert_eq!(
            played(coding, &steps),
            ["one ", "", "trailers"],
            "{coding:?}"
        );
    }
}

#[test]
fn a_body_that_breaks_off_gets_no_end() {
    for coding in ALL {
        let steps = [Step::Data("one "), Step::Error];
        assert_eq!(
            played(coding, &steps),
            ["one ", "error: the app broke off its response: scripted"],
            "{coding:?}"
        );
    }
}

#[test]
fn an_empty_body_stays_empty_if_that_is_known_at_once_and_else_has_its_coding() {
    for coding in ALL {
        assert!(played(coding, &[]).is_empty(), "{coding:?}");
        assert_eq!(
            played(coding, &[Step::Pending]),
            ["pending", ""],
            "{coding:?}"
        );
    }
}

#[test]
fn many_frames_come_back_as_they_were() {
    let texts: Vec<String> = (0..500)
        .map(|n| format!("{n}:{}", "x".repeat(n % 97)))
        .collect();
    for coding in ALL {
        let mut encoder = Encoder::new(coding).unwrap();
        let mut bytes = Vec::new();
        for text in &texts {
            encoder.write(text.as_bytes()).unwrap();
            encoder.flush().unwrap();
            bytes.append(&mut encoder.take());
        }
        bytes.extend_from_slice(&encoder.finish().unwrap());
        assert!(decoded(coding, &bytes) == texts.concat(), "{coding:?}");
    }
}
