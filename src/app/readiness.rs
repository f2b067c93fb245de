// SPDX-License-Identifier: Apache-2.0
//! Waits until the app answers. Knocked at every 2.5 ms in the first second, when most apps come up, and seldom later; a
//! refused connection costs some microseconds.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use tokio::time::{Instant, sleep, timeout};

use super::AppClient;
use super::process::Group;
use crate::settings::{Protocol, Readiness};
use crate::transport::{RequestBody, ResponseBody};

/// How long one check may take. An app that has accepted may still be starting; asking it again is cheap.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// No check and pause together take longer, unless the environment was frozen meanwhile.
const LONGEST_ROUND: Duration = Duration::from_millis(2_500);
/// How often the log tells why the app is not ready.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How often an app that does not listen is knocked at before time and news are looked at.
const KNOCKS: u32 = 10;
/// A body of the check that is worth reading to its end, so that the connection can be kept for the first request.
const SMALL_BODY: u64 = 64 * 1024;
const SMALL_BODY_TIMEOUT: Duration = Duration::from_millis(10);

const USER_AGENT: HeaderValue = HeaderValue::from_static("streamgate-readiness");

/// What one check found.
#[derive(Debug)]
pub(crate) enum Finding {
    NotListening(String),
    NoAnswer,
    Unhealthy(StatusCode),
    NotHttp(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListening(error) => write!(f, "cannot connect ({error})"),
            Self::NoAnswer => write!(
                f,
                "connected, but no answer within {} s",
                CHECK_TIMEOUT.as_secs()
            ),
            Self::Unhealthy(status) => write!(f, "answered with status {status}"),
            Self::NotHttp(error) => write!(f, "connected, but the answer cannot be read ({error})"),
        }
    }
}

/// The app did not become ready in time.
#[derive(Debug, thiserror::Error)]
#[error("app is not ready at {address} after {} ms: {diagnosis}", waited.as_millis())]
pub(crate) struct NotReady {
    address: String,
    waited: Duration,
    diagnosis: Diagnosis,
}

/// What the last check found and, where nobody listened for it, where the app listens instead.
#[derive(Debug)]
struct Diagnosis {
    last: Finding,
    instead: Option<Vec<SocketAddr>>,
}

impl Diagnosis {
    fn new(last: Finding, launched: Option<Group>) -> Self {
        let nobody_listens = matches!(last, Finding::NotListening(_));
        let instead = launched.filter(|_| nobody_listens).map(Group::listens_on);
        Self { last, instead }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.last)?;
        match self.instead.as_deref() {
            None => Ok(()),
            Some([]) => f.write_str("; the app listens on no port"),
            Some(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                write!(f, "; the app listens on {}", addresses.join(" and "))
            }
        }
    }
}

/// Waits until the app is ready, for at most the time that is set; tells when it was first found listening. Time in
/// which the environment was frozen does not count.
pub(crate) async fn until_ready(
    app: AppClient,
    check: &Readiness,
    launched: Option<Group>,
) -> Result<Instant, NotReady> {
    let mut listens_since = None;
    let mut waited = Duration::ZERO;
    let mut last = Instant::now();
    let mut report_at = last + REPORT_INTERVAL;
    loop {
        let asked_at = Instant::now();
        let found = ask(&app, check).await;
        if !matches!(found, Err(Finding::NotListening(_))) {
            listens_since.get_or_insert(asked_at);
        }
        let Err(finding) = found else {
            return Ok(listens_since.unwrap_or(asked_at));
        };
        let nobody_listens = matches!(finding, Finding::NotListening(_));
        let now = Instant::now();
        waited += (now - last).min(LONGEST_ROUND);
        last = now;
        if waited >= check.timeout {
            return Err(NotReady {
                address: app.authority().to_string(),
                waited,
                diagnosis: Diagnosis::new(finding, launched),
            });
        }
        if now >= report_at {
            report_at = now + REPORT_INTERVAL;
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            let diagnosis = Diagnosis::new(finding, launched);
            tracing::info!(app.address = %app.authority(), waited_ms, "app is not ready yet: {diagnosis}");
        }
        let pause = interval(waited);
        if nobody_listens {
            app.knock(pause, KNOCKS * pause).await;
        } else {
            sleep(pause).await;
        }
    }
}

/// Asks once whether a running app is well.
pub(crate) async fn probe(
    app: AppClient,
    check: &Readiness,
    launched: Option<Group>,
) -> Result<Instant, NotReady> {
    let began_at = Instant::now();
    match ask(&app, check).await {
        Ok(()) => Ok(began_at),
        Err(finding) => Err(NotReady {
            address: app.authority().to_string(),
            waited: began_at.elapsed(),
            diagnosis: Diagnosis::new(finding, launched),
        }),
    }
}

/// The pause before the next check.
fn interval(waited: Duration) -> Duration {
    if waited < Duration::from_secs(1) {
        Duration::from_micros(2_500)
    } else {
        (waited / 100).clamp(Duration::from_millis(10), Duration::from_millis(50))
    }
}

async fn ask(app: &AppClient, check: &Readiness) -> Result<(), Finding> {
    match timeout(CHECK_TIMEOUT, ask_once(app, check)).await {
        Ok(result) => result,
        Err(_) => Err(Finding::NoAnswer),
    }
}

async fn ask_once(app: &AppClient, check: &Readiness) -> Result<(), Finding> {
    if check.protocol == Protocol::Tcp {
        let connected = app.authority().connect().await;
        return connected
            .map(drop)
            .map_err(|error| Finding::NotListening(error.to_string()));
    }
    let mut request = Request::new(RequestBody::from(bytes::Bytes::new()));
    *request.uri_mut() = check
        .path
        .parse()
        .expect("the path was checked when it was set");
    request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
    let sent = app.send(request).await;
    let response = sent.map_err(|error| match error.connecting() {
        Some(source) => Finding::NotListening(source.to_string()),
        None => Finding::NotHttp(crate::logging::chain(&error)),
    })?;
    let status = response.status();
    read_if_small(response.into_body()).await;
    if check.healthy.contains(status.as_u16()) {
        Ok(())
    } else {
        Err(Finding::Unhealthy(status))
    }
}

async fn read_if_small(body: ResponseBody) {
    if body.size_hint().lower() <= SMALL_BODY {
        let small = usize::try_from(SMALL_BODY).unwrap_or(usize::MAX);
        let _ = timeout(SMALL_BODY_TIMEOUT, Limited::new(body, small).collect()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_come_often_in_the_first_second_and_never_more_than_50_ms_apart() {
        let at = |millis| interval(Duration::from_millis(millis));
        assert_eq!(at(0), Duration::from_micros(2_500));
        assert_eq!(at(999), Duration::from_micros(2_500));
        assert_eq!(at(1_000), Duration::from_millis(10));
        assert_eq!(at(30_000), Duration::from_millis(50));
    }
}
