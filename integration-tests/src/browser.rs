// SPDX-License-Identifier: Apache-2.0
//! Chromium without a window, driven through W3C `WebDriver`, which is JSON over HTTP.
//!
//! Only the few commands that the tests need. Debian's `chromium` and `chromium-driver` are expected on `PATH`; the
//! setup script installs them.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::{Client, Request};
use crate::process::{Mark, Program};

/// What keeps Chromium quiet and to itself: it runs as root, without a GPU and without the wide network.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
];

/// What the page is shown on.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Width in CSS pixels.
    pub width: u32,
    /// Height in CSS pixels.
    pub height: u32,
    /// Whether the user has asked for dark colours.
    pub dark: bool,
}

/// A window on a desk.
pub const DESKTOP: Screen = Screen {
    width: 1280,
    height: 900,
    dark: false,
};

/// The narrowest phone that pages are made for.
pub const PHONE: Screen = Screen {
    width: 375,
    height: 812,
    dark: false,
};

/// A window on a desk at night.
pub const NIGHT: Screen = Screen {
    dark: true,
    ..DESKTOP
};

/// Where the pictures go, for people to look at: below Cargo's target folder.
///
/// `tests_folder` is Cargo's own for tests (`CARGO_TARGET_TMPDIR`).
#[must_use]
pub fn screenshots(tests_folder: &str) -> PathBuf {
    let folder = Path::new(tests_folder).with_file_name("screenshots");
    fs::create_dir_all(&folder).expect("a folder for the pictures can be made");
    folder
}

/// A running browser with one page.
#[derive(Debug)]
pub struct Browser {
    driver: Program,
    address: SocketAddr,
    session: String,
    /// The browser's own files.
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser with an empty profile.
    pub fn start(screen: Screen) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let driver = Program::start(command, &Mark::unique());
        let line = driver.stdout_line("started successfully on port");
        let digits = line.trim_end_matches('.').rsplit(' ').next();
        let port = digits.and_then(|digits| digits.parse().ok());
        let port = port.unwrap_or_else(|| panic!("no port in the line {line:?}"));
        let profile = tempfile::tempdir().expect("a temporary directory can be made");
        let mut browser = Self {
            driver,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            session: String::new(),
            profile,
        };
        browser.session = browser.new_session();
        browser.show_on(screen);
        browser
    }

    fn new_session(&self) -> String {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let mut flags = FLAGS.to_vec();
        flags.push(&profile);
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let request = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let answer = self.post("/session", &request);
        let session = answer["sessionId"].as_str();
        session
            .unwrap_or_else(|| panic!("no session id in {answer}"))
            .to_owned()
    }

    fn show_on(&self, screen: Screen) {
        let metrics = json!({
            "width": screen.width,
            "height": screen.height,
            "deviceScaleFactor": 1,
            "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if screen.dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.command("/url", &json!({ "url": url }));
    }

    /// Runs the body of a function in the page and returns what it returns.
    pub fn evaluate(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What the page and the browser have written to the console since the last call.
    pub fn console(&self) -> Vec<Value> {
        let answer = self.command("/se/log", &json!({ "type": "browser" }));
        answer.as_array().cloned().unwrap_or_default()
    }

    /// Leaves a picture of the whole page, however long it is.
    pub fn screenshot(&self, file: &Path) {
        let picture = self.devtools(
            "Page.captureScreenshot",
            &json!({ "format": "png", "captureBeyondViewport": true }),
        );
        let text = picture["data"].as_str().unwrap_or_default();
        let bytes = STANDARD.decode(text).expect("a picture comes as base64");
        fs::write(file, bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// A command of Chromium's own protocol, for what `WebDriver` does not have.
    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("/goog/cdp/execute", &body)
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.post(&format!("/session/{}{path}", self.session), body)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let request = Request::post(path, "application/json", body.to_string());
        let response = Client::connect(self.address).exchange(&request);
        let mut answer = response.json();
        assert_eq!(
            response.status(),
            200,
            "POST {path}: {answer}; {}",
            self.driver.transcript()
        );
        answer["value"].take()
    }
}

impl Drop for Browser {
    /// Lets the driver end the browser; whatever is left then is killed by its mark.
    fn drop(&mut self) {
        // By hand: the client of the tests panics where it is surprised, and this may run while a test fails.
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let session = &self.session;
            let _ = write!(
                stream,
                "DELETE /session/{session} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
                self.address
            );
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            // The answer comes when the browser has ended; the driver keeps the connection open after it.
            let _ = stream.read(&mut [0; 1024]);
        }
    }
}
