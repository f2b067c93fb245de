// SPDX-License-Identifier: Apache-2.0
//! `PocketBase`, a database with an HTTP API in one program: JSON, files, and events as they happen.

use std::fs;

use integration_tests::coding::decoded;
use integration_tests::http::{Client, Next, Request, Response};
use integration_tests::pattern::Pattern;
use serde_json::{Value, json};

use crate::application::{Application, MANAGED_INSTANCE, Plan, WAYS, Way};
use crate::forms::{self, Upload};
use crate::picture;
use crate::visitor::Visitor;

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "Bernoulli numbers, 1843";
const RECORDS: &str = "/api/collections/notes/records";

/// More than a buffered answer may have.
const LARGE: usize = 9_000_000;

#[test]
#[ignore = "needs PocketBase: make apps"]
fn records_of_pocketbase_are_made_found_changed_and_deleted() {
    for way in WAYS {
        let plan = plan(way).env("STREAMGATE_STREAM_MAX_DURATION", "2s");
        let public = plan.state().join("public");
        fs::create_dir(&public).expect("a folder can be made");
        fs::write(public.join("large.bin"), Pattern::bytes(LARGE)).expect("a file can be written");
        let mut app = plan.start("/api/health");
        let mut owner = Owner::log_in(&mut app);
        owner.make_collection(&mut app);
        records(&mut app, &owner);
        picture_of_a_record(&mut app, &owner);
        files(&mut app);
        if way.streams {
            a_stream_ends_at_its_limit(&mut app);
        }
        app.stop();
    }
}

/// A stream and the requests that feed it have to meet in one environment.
#[test]
#[ignore = "needs PocketBase: make apps"]
fn events_of_pocketbase_come_as_they_happen_on_a_managed_instance() {
    let mut app = plan(MANAGED_INSTANCE).start("/api/health");
    let mut owner = Owner::log_in(&mut app);
    owner.make_collection(&mut app);

    let mut stream = Client::connect(app.address());
    stream.send(&Request::get("/api/realtime"));
    let head = stream.head();
    app.equal("the stream opens", head.status(), 200);
    let kind = head.header("content-type").unwrap_or_default().to_owned();
    app.contains("it has events", &kind, "text/event-stream");
    let mut come = String::new();
    let hello = event(&mut stream, &mut come);
    app.equal("the first is at once", hello.0.as_str(), "PB_CONNECT");
    let ask = json!({"clientId": hello.1["clientId"], "subscriptions": ["notes/*"]});
    let subscribed = owner.ask(Request::post(
        "/api/realtime",
        "application/json",
        ask.to_string(),
    ));
    app.equal(
        "a second request says what it is to tell",
        subscribed.status(),
        204,
    );
    for title in ["Note A", "Note B – Δ", "Note C"] {
        let made = owner.ask(Request::post(
            RECORDS,
            "application/json",
            json!({"title": title}).to_string(),
        ));
        app.equal("a record is made", made.status(), 200);
        let told = event(&mut stream, &mut come);
        app.equal("and told of", told.0.as_str(), "notes/*");
        app.equal("with what it is", &told.1["record"]["title"], &json!(title));
    }
    drop(stream);
    app.stop();
}

/// Waits for the next event: its name and what it carries.
fn event(stream: &mut Client, come: &mut String) -> (String, Value) {
    while !come.contains("\n\n") {
        come.push_str(&String::from_utf8_lossy(&stream.data()));
    }
    let (event, rest) = come.split_once("\n\n").expect("there is one");
    let line = |name: &str| {
        let mut lines = event.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in the event {event:?}"))
    };
    let data = serde_json::from_str(line("data")).expect("an event has JSON");
    let found = (line("event").to_owned(), data);
    *come = rest.to_owned();
    found
}

fn plan(way: Way) -> Plan {
    Plan::new("pocketbase", way)
        .env("POCKETBASE_EMAIL", EMAIL)
        .env("POCKETBASE_PASSWORD", PASSWORD)
}

/// Who may do everything.
struct Owner {
    address: std::net::SocketAddr,
    token: String,
}

impl Owner {
    fn log_in(app: &mut Application) -> Self {
        let mut stranger = Visitor::new(app.address());
        let credentials = |password| json!({"identity": EMAIL, "password": password}).to_string();
        let place = "/api/collections/_superusers/auth-with-password";
        let mut ask = |password| {
            stranger.send(Request::post(
                place,
                "application/json",
                credentials(password),
            ))
        };
        app.equal("a wrong password is refused", ask("wrong").status(), 400);
        let right = ask(PASSWORD);
        app.equal("the right one is taken", right.status(), 200);
        Self {
            address: app.address(),
            token: text(&right.json()["token"]),
        }
    }

    fn ask(&self, request: Request) -> Response {
        Visitor::new(self.address).send(request.header("authorization", &self.token))
    }

    fn make_collection(&mut self, app: &mut Application) {
        let collection = json!({
            "name": "notes", "type": "base", "listRule": "", "viewRule": "",
            "fields": [
                {"name": "title", "type": "text", "required": true},
                {"name": "picture", "type": "file", "maxSelect": 1, "maxSize": 6_000_000, "thumbs": ["100x0"]},
            ],
        });
        let request = Request::post(
            "/api/collections",
            "application/json",
            collection.to_string(),
        );
        let refused = Visitor::new(self.address).send(request.clone());
        app.check(
            "a stranger makes no collection",
            matches!(refused.status(), 401 | 403),
        );
        app.equal("its owner does", self.ask(request).status(), 200);
    }
}

fn records(app: &mut Application, owner: &Owner) {
    let make = |title: &str| {
        let fields = json!({"title": title}).to_string();
        owner.ask(Request::post(RECORDS, "application/json", fields))
    };
    let record = make("Note G & the rest – Δ/機関 100%");
    app.equal("a record is made", record.status(), 200);
    app.equal("another too", make("Note A").status(), 200);
    app.equal("one without its title is not", make("").status(), 400);
    let place = format!("{RECORDS}/{}", text(&record.json()["id"]));

    let mut reader = Visitor::new(app.address());
    let query = forms::escaped("title = 'Note G & the rest – Δ/機関 100%'");
    let found = reader.get(&format!("{RECORDS}?filter={query}"));
    app.equal("it is searched for", found.status(), 200);
    app.equal("and found", &found.json()["totalItems"], &json!(1));
    let changed = owner.ask(
        Request::new("PATCH", &place)
            .header("content-type", "application/json")
            .body(json!({"title": "Note G"}).to_string()),
    );
    app.equal("it is changed", changed.status(), 200);
    app.equal(
        "everybody sees it",
        &reader.get(&place).json()["title"],
        &json!("Note G"),
    );
    let gone = owner.ask(Request::new("DELETE", &place));
    app.equal(
        "it is deleted",
        (gone.status(), gone.body().len()),
        (204, 0),
    );
    app.equal("and is no more", reader.get(&place).status(), 404);
    let preflight = reader.send(
        Request::new("OPTIONS", RECORDS)
            .header("origin", "https://elsewhere.example")
            .header("access-control-request-method", "PATCH"),
    );
    app.equal("another site's page may ask", preflight.status(), 204);
    let methods = preflight.head.header("access-control-allow-methods");
    app.contains("by which methods", methods.unwrap_or_default(), "PATCH");
}

fn picture_of_a_record(app: &mut Application, owner: &Owner) {
    let bytes = picture::png(picture::side_within(app.way().room));
    let (content_type, body) = forms::multipart(
        &[("title", "The Engine")],
        Upload {
            field: "picture",
            name: "engine.png",
            content_type: "image/png",
            bytes: &bytes,
        },
    );
    let made = owner.ask(Request::post(RECORDS, &content_type, body));
    app.equal("a picture is uploaded", made.status(), 200);
    let made = made.json();
    let place = format!(
        "/api/files/notes/{}/{}",
        text(&made["id"]),
        text(&made["picture"])
    );
    let mut reader = Visitor::new(app.address());
    let whole = reader.get(&place);
    app.equal("it is seen", whole.status(), 200);
    app.check("byte for byte", whole.body() == bytes);
    let date = whole
        .head
        .header("last-modified")
        .unwrap_or_default()
        .to_owned();
    let again = reader.send(Request::get(&place).header("if-modified-since", &date));
    app.equal(
        "a copy is not sent again",
        (again.status(), again.body().len()),
        (304, 0),
    );
    let small = reader.get(&format!("{place}?thumb=100x0"));
    app.check(
        "a smaller one is made of it",
        small.status() == 200
            && small.body().starts_with(b"\x89PNG")
            && small.body().len() < 100_000,
    );
}

fn files(app: &mut Application) {
    let mut reader = Visitor::new(app.address());
    let expected = Pattern::bytes(LARGE);
    let whole = reader.get("/large.bin");
    if app.way().streams {
        app.check(
            "nine megabytes are streamed",
            whole.status() == 200 && whole.body() == expected,
        );
    } else {
        app.equal("nine megabytes are too many", whole.status(), 502);
    }
    let part = reader.send(Request::get("/large.bin").header("range", "bytes=8500000-8999999"));
    app.equal("a part of them is sent", part.status(), 206);
    app.check("the right one", part.body() == expected[8_500_000..]);
    let beyond = reader.send(Request::get("/large.bin").header("range", "bytes=9000000-"));
    app.equal("what is beyond the end is refused", beyond.status(), 416);
    let head = reader.send(Request::new("HEAD", "/large.bin"));
    app.equal(
        "their head is sent",
        (head.status(), head.body().len()),
        (200, 0),
    );

    let plain = reader.get("/_/");
    app.equal("the dashboard is there", plain.status(), 200);
    let small = reader.send(Request::get("/_/").header("accept-encoding", "gzip"));
    app.equal(
        "compressed by PocketBase itself",
        small.head.header("content-encoding"),
        Some("gzip"),
    );
    let unpacked = decoded("gzip", &small.body());
    app.check("it is the same page", unpacked == plain.body());
    let bare = reader.get("/_");
    app.check(
        "its address without the slash redirects",
        matches!(bare.status(), 301..=308),
    );
    let place = reader.location("/_", &bare);
    app.equal("on this site", place.as_str(), "/_/");
}

/// Where an environment takes one request at a time nobody can feed a stream: it is bounded, and costs no more.
fn a_stream_ends_at_its_limit(app: &mut Application) {
    let mut stream = Client::connect(app.address());
    stream.send(&Request::get("/api/realtime"));
    app.equal("a stream opens", stream.head().status(), 200);
    let hello = event(&mut stream, &mut String::new());
    app.equal("its first event is there", hello.0.as_str(), "PB_CONNECT");
    app.check(
        "it ends at its limit",
        matches!(stream.step(), Next::Complete(_)),
    );
    let late = json!({"clientId": hello.1["clientId"], "subscriptions": ["notes/*"]});
    let late = Request::post("/api/realtime", "application/json", late.to_string());
    let late = Visitor::new(app.address()).send(late);
    app.equal("it can no longer be told what to tell", late.status(), 404);
    let next = Visitor::new(app.address()).get("/api/health");
    app.equal("and the next request is served", next.status(), 200);
}

fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}
