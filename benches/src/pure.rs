// SPDX-License-Identifier: Apache-2.0
//! The pure part of a request, without a socket: what is computed for each one.

use std::hint::black_box;

use bytes::Bytes;
use http::{HeaderValue, Response};
use streamgate::event::decode;
use streamgate::front::Front;
use streamgate::reply::{Prelude, buffered};

use crate::event;
use crate::origin::{SMALL, binary};

/// A computation, by the name that the baseline has for it.
#[derive(Debug)]
pub struct Computation {
    /// Its name.
    pub name: &'static str,
    run: fn(&Input),
}

/// All that is counted.
pub const COMPUTATIONS: &[Computation] = &[
    Computation {
        name: "event_to_request",
        run: |input| drop(black_box(decode(black_box(&input.event)))),
    },
    Computation {
        name: "upload_to_request",
        run: |input| drop(black_box(decode(black_box(&input.upload)))),
    },
    Computation {
        name: "head_to_prelude",
        run: |input| {
            let prelude = Prelude::new(input.response.clone().into_parts().0);
            drop(black_box(prelude.map(|prelude| prelude.finish(false))));
        },
    },
    Computation {
        name: "response_to_document",
        run: |input| {
            let response = input.response.clone();
            drop(black_box(buffered(Front::FunctionUrl, response)));
        },
    },
];

/// What the computations are given.
struct Input {
    event: Bytes,
    upload: Bytes,
    response: Response<Bytes>,
}

fn response() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(SMALL));
    for (name, value) in [
        ("content-type", "application/json"),
        ("content-length", "76"),
        ("cache-control", "private, max-age=0"),
        ("set-cookie", "session=0b6a1f0e5c3d4b2a; Path=/; HttpOnly"),
        ("vary", "accept-encoding"),
        ("date", "Fri, 10 Jul 2026 08:00:00 GMT"),
    ] {
        response
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    response
}

/// Runs a computation so many times; whether there is one of that name.
#[must_use]
pub fn run(name: &str, count: u32) -> bool {
    let Some(computation) = COMPUTATIONS
        .iter()
        .find(|computation| computation.name == name)
    else {
        return false;
    };
    let input = Input {
        event: event::get("/items/blue%20pen").into(),
        upload: event::post("/upload", &binary(64 * 1024)).into(),
        response: response(),
    };
    for _ in 0..count {
        (computation.run)(&input);
    }
    true
}
