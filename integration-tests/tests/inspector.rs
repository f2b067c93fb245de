// SPDX-License-Identifier: Apache-2.0
//! The inspector of the local Lambda: its page in a real browser, and what it hands out to others.

use std::net::SocketAddr;

use integration_tests::browser::{Browser, DESKTOP, NIGHT, PHONE, Screen, screenshots};
use integration_tests::gate::Gate;
use integration_tests::http::{self, Client, Request};
use integration_tests::local::Local;
use integration_tests::waiting::eventually;
use serde_json::{Value, json};

/// Where the inspector listens.
fn inspector_of(local: &Local) -> SocketAddr {
    let line = local.program().stdout_line("Inspector");
    let address = line.strip_prefix("Inspector   http://");
    let address = address.and_then(|rest| rest.strip_suffix('/')?.parse().ok());
    address.unwrap_or_else(|| panic!("the line of the inspector is {line:?}"))
}

fn opened(inspector: SocketAddr, screen: Screen) -> Browser {
    let browser = Browser::start(screen);
    browser.open(&format!("http://{inspector}/"));
    eventually("the feed", || {
        let state = browser.evaluate("return document.getElementById('connection').textContent");
        (state == "live").then_some(())
    });
    browser
}

/// The cells of each row, the newest first.
fn rows(browser: &Browser) -> Vec<Vec<String>> {
    let rows = browser.evaluate(
        "return [...document.querySelectorAll('#invocations tr')]
           .map((row) => [...row.cells].map((cell) => cell.textContent))",
    );
    serde_json::from_value(rows).expect("rows of cells")
}

/// Ticks of the newest invocation.
fn ticks(browser: &Browser) -> u64 {
    let count = browser.evaluate(
        "return document.querySelectorAll('#invocations tr:first-child .ticks i').length",
    );
    count.as_u64().expect("a number")
}

fn press(browser: &Browser, key: &str) {
    browser.evaluate(&format!(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))"
    ));
}

fn detail(browser: &Browser) -> String {
    let text = browser.evaluate(
        "const panel = document.getElementById('detail'); return panel.hidden ? '' : panel.innerText",
    );
    text.as_str().unwrap_or_default().to_owned()
}

/// Request ids, the oldest first.
fn request_ids(inspector: SocketAddr) -> Vec<String> {
    let archive = http::get(inspector, "/archive.har").json();
    let entries = archive["log"]["entries"].as_array().expect("entries");
    let id = |entry: &Value| entry["_requestId"].as_str().unwrap_or_default().to_owned();
    entries.iter().map(id).collect()
}

#[test]
fn a_stream_is_seen_while_it_grows() {
    let gate = Gate::bind();
    let (name, value) = gate.variable();
    let local = Local::builder().env(name, value).start();
    let browser = opened(inspector_of(&local), DESKTOP);
    let mut client = local.client();
    client.send(&Request::get("/gated?chunks=3"));
    let mut keeper = gate.accept();
    for number in 1..=3 {
        keeper.open();
        eventually("the chunk's tick", || {
            (ticks(&browser) == number).then_some(())
        });
        let newest = rows(&browser).swap_remove(0);
        assert!(newest[1].contains("/gated?chunks=3"), "{newest:?}");
        assert_eq!(newest[2], "200");
    }
    assert_eq!(client.head().status(), 200);
    assert_eq!(browser.console(), Vec::<Value>::new(), "the console");
}

#[test]
fn an_invocation_is_opened_compared_and_replayed_by_keyboard() {
    let local = Local::builder().start();
    let inspector = inspector_of(&local);
    let _ = local.get("/cookies?first");
    let _ = local.get("/cookies?second");
    let browser = opened(inspector, DESKTOP);
    eventually("both rows", || (rows(&browser).len() == 2).then_some(()));

    press(&browser, "ArrowDown");
    press(&browser, "Enter");
    eventually("the newest one's details", || {
        let text = detail(&browser);
        (text.contains("GET /cookies?second") && text.contains("rawPath")).then_some(())
    });
    press(&browser, "Escape");
    assert_eq!(detail(&browser), "");

    press(&browser, " ");
    press(&browser, "ArrowDown");
    press(&browser, " ");
    press(&browser, "c");
    eventually("both beside each other", || {
        let text = detail(&browser);
        (text.contains("Comparison")
            && text.contains("GET /cookies?first")
            && text.contains("GET /cookies?second"))
        .then_some(())
    });
    press(&browser, "Escape");
    press(&browser, "r");
    eventually("the first one again", || {
        let rows = rows(&browser);
        (rows.len() == 3 && rows[0][1].contains("?first") && rows[0][2] == "200").then_some(())
    });
    assert_eq!(browser.console(), Vec::<Value>::new(), "the console");
}

#[test]
fn the_start_of_an_environment_is_a_waterfall() {
    let local = Local::builder().start();
    let _ = local.get("/");
    let browser = opened(inspector_of(&local), DESKTOP);
    eventually("the lane", || {
        let lanes = browser.evaluate("return document.querySelectorAll('.lane').length");
        (lanes == 1).then_some(())
    });
    browser.evaluate("document.querySelector('.lane button').click()");
    let text = detail(&browser);
    for mark in [
        "streamgate registers",
        "app spawned",
        "app listens",
        "app ready",
        "first poll",
    ] {
        assert!(text.contains(mark), "{mark}: {text}");
    }
}

#[test]
fn the_inspector_can_be_looked_at_on_a_desktop_on_a_phone_and_at_night() {
    let local = Local::builder().option("--freeze").start();
    let inspector = inspector_of(&local);
    for target in [
        "/",
        "/cookies",
        "/a/path/that/is/so/long/that/it/has/to/be/cut/somewhere?and=a&query=too",
    ] {
        let _ = local.get(target);
    }
    for (screen, name) in [
        (DESKTOP, "inspector"),
        (PHONE, "inspector-375"),
        (NIGHT, "inspector-dark"),
    ] {
        let browser = opened(inspector, screen);
        eventually("the rows", || (rows(&browser).len() == 3).then_some(()));
        browser.evaluate("document.querySelector('#invocations tr').click()");
        eventually("the details", || {
            detail(&browser).contains("rawPath").then_some(())
        });
        browser.screenshot(&screenshots(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png")));
        let width = browser.evaluate("return document.documentElement.scrollWidth");
        assert!(
            width
                .as_u64()
                .is_some_and(|width| width <= u64::from(screen.width)),
            "{name}: {width} wide, it scrolls sideways"
        );
        assert_eq!(
            browser.console(),
            Vec::<Value>::new(),
            "{name}: the console"
        );
    }
}

#[test]
fn what_a_function_says_is_never_markup() {
    let local = Local::builder().start();
    let markup = "<img src=x onerror=document.title='broken'>";
    let _ = local.exchange(&Request::get("/").header("x-markup", markup));
    let browser = opened(inspector_of(&local), DESKTOP);
    eventually("the row", || (rows(&browser).len() == 1).then_some(()));
    browser.evaluate("document.querySelector('#invocations tr').click()");
    eventually("the details", || {
        detail(&browser).contains(markup).then_some(())
    });
    assert_eq!(browser.evaluate("return document.images.length"), 0);
    assert_eq!(
        browser.evaluate("return document.title"),
        "Streamgate inspector"
    );
}

#[test]
fn events_and_archives_are_handed_out() {
    let local = Local::builder().start();
    let inspector = inspector_of(&local);
    let _ = local.get("/cookies?a=1&b");
    let [id] = request_ids(inspector).try_into().expect("one invocation");
    let event = http::get(inspector, format!("/invocations/{id}/event.json")).json();
    assert_eq!(
        (&event["version"], &event["rawPath"]),
        (&json!("2.0"), &json!("/cookies"))
    );
    let details = http::get(inspector, format!("/invocations/{id}")).json();
    assert!(
        details["prelude"]
            .as_str()
            .is_some_and(|prelude| prelude.contains("\"statusCode\":200")),
        "{details}"
    );

    let archive = http::get(inspector, "/archive.har").json();
    let entry = &archive["log"]["entries"][0];
    assert_eq!(archive["log"]["version"], "1.2");
    assert_eq!(entry["request"]["method"], "GET");
    assert_eq!(
        entry["request"]["queryString"],
        json!([{ "name": "a", "value": "1" }, { "name": "b", "value": "" }])
    );
    assert_eq!(entry["response"]["status"], 200);
    assert_eq!(entry["response"]["content"]["text"], "three cookies");
}

#[test]
fn only_this_machines_own_pages_may_read_and_replay() {
    let local = Local::builder().start();
    let inspector = inspector_of(&local);
    let _ = local.get("/");
    let [id] = request_ids(inspector).try_into().expect("one invocation");
    let status = |request: Request| Client::connect(inspector).exchange(&request).status();
    let replay = format!("/invocations/{id}/replay");
    // A name that an attacker lets point here, and a page from elsewhere.
    let mut rebound = Client::connect(inspector);
    rebound.send_raw(b"GET /archive.har HTTP/1.1\r\nhost: rebound.example\r\n\r\n");
    assert_eq!(rebound.response().status(), 403);
    let foreign =
        Request::post(&replay, "text/plain", "").header("origin", "http://elsewhere.example");
    assert_eq!(status(foreign), 403);
    assert_eq!(status(Request::get(&replay)), 404);
    let own =
        Request::post(&replay, "text/plain", "").header("origin", &format!("http://{inspector}"));
    assert_eq!(status(own), 202);
    eventually("the replay", || {
        (request_ids(inspector).len() == 2).then_some(())
    });
    assert_eq!(status(Request::get("/invocations/none/event.json")), 404);
}

#[test]
fn there_may_be_no_inspector_and_a_port_that_is_taken_is_named() {
    let local = Local::builder().option("--no-inspector").start();
    let _ = local.get("/");
    assert!(
        local
            .program()
            .stdout()
            .iter()
            .all(|line| !line.starts_with("Inspector"))
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (mut program, _) = Local::builder()
        .option("--inspector-port")
        .option(&port)
        .spawn();
    let line = program.stderr_line("cannot listen");
    assert!(line.contains("inspector") && line.contains(&port), "{line}");
    assert_eq!(program.wait().code(), Some(1));
}
