// SPDX-License-Identifier: Apache-2.0
//! The inspector: a web page that shows live what the local Lambda does.
//!
//! It is one more reader of the journal. [`book`] puts entries together; the page gets all that is known when it begins
//! to listen (`feed`, server-sent events) and then each change. The page is three files in this binary, and asks for
//! nothing from elsewhere.

mod archive;
mod book;
mod environment;
mod invocation;
mod replay;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::invoke::Invoker;
use crate::journal::{Entry, Journal};
use crate::server::Handler;
use crate::settings::{FrontKind, InvokeMode};
use book::{Book, Message};

/// Changes that a page may be behind; one that is further behind is sent everything anew.
const BEHIND: usize = 4096;

/// Nothing from elsewhere, and no script but its own. The page sets widths, so styles may stand in attributes.
const POLICY: &str = "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:";

const PAGE: &str = include_str!("inspector/page/index.html");
const STYLE: &str = include_str!("inspector/page/style.css");
const SCRIPT: &str = include_str!("inspector/page/script.js");

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What it knows, and who listens.
#[derive(Debug)]
pub(crate) struct Inspector {
    book: Mutex<Book>,
    feed: broadcast::Sender<Arc<str>>,
}

/// What it says of the function as a whole.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) function_name: String,
    pub(crate) front: &'static str,
    pub(crate) url: String,
}

/// The inspector as web pages see it.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    pub(crate) inspector: Arc<Inspector>,
    pub(crate) about: About,
    pub(crate) invoker: Invoker,
    pub(crate) kind: FrontKind,
    pub(crate) mode: InvokeMode,
    pub(crate) journal: Journal,
    /// A page that listens must not hold up the end.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Inspector {
    pub(crate) fn new() -> Arc<Self> {
        let (feed, _) = broadcast::channel(BEHIND);
        Arc::new(Self {
            book: Mutex::default(),
            feed,
        })
    }

    /// This journal, which it reads along from now on.
    pub(crate) fn reads(self: &Arc<Self>, journal: &Journal) -> Journal {
        let inspector = Arc::clone(self);
        journal
            .clone()
            .told_to(move |environment, entry| inspector.take(environment, entry))
    }

    fn take(&self, environment: u32, entry: &Entry) {
        let mut book = self.book();
        for message in book.take(environment, now(), entry) {
            // Nobody may be listening.
            let _ = self.feed.send(event(&message));
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A panic elsewhere leaves the book readable.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970, as the page counts.
fn now() -> f64 {
    milliseconds(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A server-sent event. JSON has no line breaks.
fn event(message: &Message) -> Arc<str> {
    format!("event: {}\ndata: {}\n\n", message.name, message.data).into()
}

impl Handler for Pages {
    type Body = Body;

    async fn handle(self, _: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        let mut response = if is_from_here(request.headers()) {
            self.answer(&request)
        } else {
            text(StatusCode::FORBIDDEN, "this page is for this machine alone")
        };
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl Pages {
    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        match (request.method(), path.as_slice()) {
            (&Method::GET, [""]) => typed("text/html; charset=utf-8", PAGE),
            (&Method::GET, ["style.css"]) => typed("text/css; charset=utf-8", STYLE),
            (&Method::GET, ["script.js"]) => typed("text/javascript; charset=utf-8", SCRIPT),
            (&Method::GET, ["feed"]) => self.feed(),
            (&Method::GET, ["archive.har"]) => {
                let archive = archive::har(self.inspector.book().invocations());
                typed("application/json", archive.to_string())
            }
            (&Method::GET, ["invocations", id]) => match self.inspector.book().invocation(id) {
                Some(one) => typed("application/json", one.details().to_string()),
                None => not_found(),
            },
            (&Method::GET, ["invocations", id, "event.json"]) => {
                match self.inspector.book().invocation(id) {
                    Some(one) => typed("application/json", one.event.clone()),
                    None => not_found(),
                }
            }
            (&Method::POST, ["invocations", id, "replay"]) => self.replay(id),
            _ => not_found(),
        }
    }

    fn replay(&self, id: &str) -> Response<Body> {
        let book = self.inspector.book();
        let Some(again) = book.invocation(id).map(replay::Again::of) else {
            return not_found();
        };
        tokio::spawn(again.invoke(
            self.invoker.clone(),
            self.kind,
            self.mode,
            self.journal.clone(),
        ));
        text(StatusCode::ACCEPTED, "sent")
    }

    /// All that is known, and from then on each change.
    fn feed(&self) -> Response<Body> {
        let book = self.inspector.book();
        let about = Message {
            name: "about",
            data: json!({
                "name": self.about.function_name,
                "front": self.about.front,
                "url": self.about.url,
            }),
        };
        let known: String = std::iter::once(about)
            .chain(book.all())
            .map(|message| event(&message).to_string())
            .collect();
        // Under the lock, so that nothing is missing and nothing comes twice.
        let changes = self.inspector.feed.subscribe();
        drop(book);
        let later = stream::unfold(
            (changes, self.stop.clone()),
            |(mut changes, mut stop)| async {
                let change = tokio::select! {
                    change = changes.recv() => change,
                    _ = stop.wait_for(|stop| *stop) => Err(RecvError::Closed),
                };
                // A page that is too far behind connects again, and gets everything.
                let change = change.ok()?;
                Some((Bytes::copy_from_slice(change.as_bytes()), (changes, stop)))
            },
        );
        let events = stream::once(async move { Bytes::from(known) }).chain(later);
        let frames = events.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
        let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
        set_type(response.headers_mut(), "text/event-stream");
        response
    }
}

/// Whether a request came to this machine by one of its own names, and from no other site: a page from elsewhere must not
/// read what functions are sent, nor send it again.
fn is_from_here(headers: &HeaderMap) -> bool {
    let value = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = value(header::HOST).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    let is_own_name = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok();
    let origin = value(header::ORIGIN);
    is_own_name && origin.is_none_or(|origin| origin.strip_prefix("http://") == Some(host))
}

fn typed(content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    set_type(response.headers_mut(), content_type);
    response
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = typed("text/plain; charset=utf-8", text);
    *response.status_mut() = status;
    response
}

fn not_found() -> Response<Body> {
    text(
        StatusCode::NOT_FOUND,
        "there is no such thing, or no longer",
    )
}

fn set_type(headers: &mut HeaderMap, content_type: &'static str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
}

#[cfg(test)]
mod tests;
