// SPDX-License-Identifier: Apache-2.0
//! The demo page in a real browser, through the function URL of the local Lambda and the adapter.

use std::collections::BTreeSet;
use std::fs;

use integration_tests::binaries;
use integration_tests::browser::{Browser, DESKTOP, NIGHT, PHONE, Screen, screenshots};
use integration_tests::local::Local;
use integration_tests::waiting::eventually;
use serde_json::Value;

/// How many different lengths of the streamed text must be seen while it grows, of about sixty that there are. A look
/// takes a few milliseconds, so a stream that arrives in lumps shows one or two.
const GROWTH: usize = 20;

#[test]
fn the_page_shows_each_token_as_it_comes_and_the_buffered_text_at_once() {
    let (_local, browser) = demo_on(DESKTOP);
    let mut lengths = BTreeSet::new();
    let streaming = eventually("the end of the streamed text", || {
        let look = look(&browser);
        assert_eq!(look.buffered, "", "the buffered text has to wait");
        lengths.insert(look.streamed.len());
        (look.done > 0).then_some(look)
    });
    assert!(
        lengths.len() >= GROWTH,
        "the text had these lengths only: {lengths:?}"
    );

    let mut parts = BTreeSet::new();
    let end = eventually("the buffered text", || {
        let look = look(&browser);
        parts.insert(look.buffered.clone());
        (look.state == "done").then_some(look)
    });
    assert_eq!(end.streamed, streaming.streamed);
    assert_eq!(end.buffered, end.streamed);
    assert!(end.streamed.starts_with("You are watching"), "{end:?}");
    assert!(
        parts
            .iter()
            .all(|part| part.is_empty() || *part == end.buffered),
        "the buffered text came in parts: {parts:?}"
    );
    let [streamed, buffered] = ["streamed", "buffered"].map(|pane| first_word(&browser, pane));
    assert!(
        streamed * 4.0 < buffered,
        "the first word after {streamed} s and {buffered} s"
    );
    browser.screenshot(&screenshots(env!("CARGO_TARGET_TMPDIR")).join("demo-done.png"));
    assert_eq!(browser.console(), Vec::<Value>::new(), "the console");
}

#[test]
fn the_page_can_be_looked_at_on_a_desktop_on_a_phone_and_at_night() {
    for (screen, name) in [(DESKTOP, "demo"), (PHONE, "demo-375"), (NIGHT, "demo-dark")] {
        let (_local, browser) = demo_on(screen);
        eventually("half of the text", || {
            (look(&browser).streamed.len() > 180).then_some(())
        });
        let file = screenshots(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        browser.screenshot(&file);
        assert!(fs::read(&file).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG")));
        let width = browser.evaluate("return document.documentElement.scrollWidth");
        assert_eq!(width, screen.width, "{name}: it scrolls sideways");
        assert_eq!(
            browser.console(),
            Vec::<Value>::new(),
            "{name}: the console"
        );
    }
}

#[test]
fn the_page_runs_again_at_a_click() {
    let (_local, browser) = demo_on(PHONE);
    let ran = |browser: &Browser| (look(browser).state == "done").then_some(());
    eventually("the first run", || ran(&browser));
    browser.evaluate("document.getElementById('run').click()");
    let again = look(&browser);
    assert_eq!(
        (again.state.as_str(), again.buffered.as_str()),
        ("running", "")
    );
    eventually("the second run", || ran(&browser));
    assert_eq!(browser.console(), Vec::<Value>::new(), "the console");
}

fn demo_on(screen: Screen) -> (Local, Browser) {
    let program = binaries::demo().display().to_string();
    let local = Local::builder().command(&[&program]).start();
    let browser = Browser::start(screen);
    browser.open(&format!("http://{}/", local.address()));
    (local, browser)
}

/// What the page shows at one moment.
#[derive(Debug)]
struct Look {
    state: String,
    streamed: String,
    buffered: String,
    /// How many of the two answers are complete.
    done: u64,
}

fn look(browser: &Browser) -> Look {
    // In one call, so that nothing changes between the looks at two places.
    let seen = browser.evaluate(
        "const text = (id) => document.getElementById(id).textContent;
         return {
           state: document.documentElement.dataset.state,
           streamed: text('streamed-text'),
           buffered: text('buffered-text'),
           done: document.querySelectorAll('.pane[aria-busy=false]').length,
           verdict: text('verdict'),
         };",
    );
    let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
    let state = text("state");
    assert_ne!(state, "failed", "the page says {}", seen["verdict"]);
    Look {
        state,
        streamed: text("streamed"),
        buffered: text("buffered"),
        done: seen["done"].as_u64().unwrap_or_default(),
    }
}

/// The first clock of a pane, in seconds.
fn first_word(browser: &Browser, pane: &str) -> f64 {
    let script = format!("return parseFloat(document.querySelector('#{pane} dd').textContent)");
    let seconds = browser.evaluate(&script);
    seconds
        .as_f64()
        .unwrap_or_else(|| panic!("the clock of {pane} shows {seconds}"))
}
