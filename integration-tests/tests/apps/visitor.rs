// SPDX-License-Identifier: Apache-2.0
//! A visitor with a browser's habits: cookies are kept and sent back, redirects are followed where they point.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use integration_tests::http::{self, End, Request, Response};

use crate::forms;

/// A browser's window.
#[derive(Debug)]
pub(crate) struct Visitor {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// One without any cookie.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cookies: BTreeMap::new(),
        }
    }

    /// A page, redirects not followed.
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.send(Request::get(target))
    }

    /// A page, with all redirects on the way followed.
    pub(crate) fn open(&mut self, target: &str) -> Response {
        let mut response = self.get(target);
        let mut place = target.to_owned();
        for _ in 0..5 {
            if !matches!(response.status(), 301..=303) {
                return response;
            }
            place = self.location(&place, &response);
            response = self.get(&place);
        }
        panic!("{target} redirects for ever, now to {place}");
    }

    /// A form as a browser sends it where there is no file in it, redirects not followed.
    pub(crate) fn submit(&mut self, target: &str, fields: &[(&str, &str)]) -> Response {
        let body = forms::urlencoded(fields);
        self.send(Request::post(
            target,
            "application/x-www-form-urlencoded",
            body,
        ))
    }

    /// Any request, redirects not followed.
    pub(crate) fn send(&mut self, request: Request) -> Response {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = if cookies.is_empty() {
            request
        } else {
            request.header("cookie", &cookies.join("; "))
        };
        let response = http::exchange(self.address, &request);
        assert_eq!(
            response.end,
            End::Complete,
            "the answer breaks off: {:?}",
            response.head
        );
        for line in response.head.all("set-cookie") {
            let pair = line.split(';').next().unwrap_or_default();
            let (name, value) = pair
                .split_once('=')
                .unwrap_or_else(|| panic!("{line:?} sets no cookie"));
            let is_over = value.is_empty() || value == "deleted" || value == "+";
            if is_over || line.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// Whether there is a cookie whose name begins like this.
    pub(crate) fn has_cookie(&self, start: &str) -> bool {
        self.cookies.keys().any(|name| name.starts_with(start))
    }

    /// The target to which an answer to `from` redirects. It has to be on this very site, under the name that the
    /// visitor has asked for, and secure, as the function URL says that it is.
    pub(crate) fn location(&self, from: &str, response: &Response) -> String {
        let location = response
            .head
            .header("location")
            .unwrap_or_else(|| panic!("no Location in {:?}", response.head));
        self.target(from, location)
    }

    /// The target of a link in the answer to `from`; as strict as [`Visitor::location`].
    pub(crate) fn target(&self, from: &str, link: &str) -> String {
        let site = format!("https://{}", self.address);
        if let Some(target) = link.strip_prefix(&site) {
            assert!(target.starts_with('/'), "{link} is on another site");
            return target.to_owned();
        }
        assert!(!link.contains("://"), "{link} is not on {site}");
        if link.starts_with('/') {
            return link.to_owned();
        }
        let path = from.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{link}")
    }
}
