// SPDX-License-Identifier: Apache-2.0
//! What a call asks for: its path, its query and its headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, Method};

use super::refusal::Refusal;
use crate::event::percent_decoded;
use crate::invocation::CallerContext;
use crate::settings::ACCOUNT_ID;

/// The function that is here.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) region: String,
    pub(super) arn: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Invoke,
    Stream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogType {
    None,
    Tail,
}

/// A call without its event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) operation: Operation,
    pub(super) invocation_type: InvocationType,
    pub(super) log_type: LogType,
    pub(super) context: CallerContext,
}

const LATEST: &str = "$LATEST";

/// Largest client context, in base64 (source: AWS API reference "Invoke").
const CLIENT_CONTEXT_LIMIT: usize = 3583;

impl Target {
    /// Reads path, query and headers.
    ///
    /// # Errors
    /// The service's error for what is wrong with them.
    pub(super) fn read(function: &Function, head: &Parts) -> Result<Self, Refusal> {
        let path = head.uri.path();
        let (operation, name) = operation(path).ok_or_else(|| Refusal::Operation {
            method: head.method.to_string(),
            path: path.to_owned(),
        })?;
        if head.method != Method::POST {
            return Err(Refusal::Operation {
                method: head.method.to_string(),
                path: path.to_owned(),
            });
        }
        let name = percent_decoded(name);
        let in_name = function.qualifier_of(&name)?;
        let in_query = qualifier_of_query(head.uri.query().unwrap_or_default())?;
        let qualifier = match (in_name, in_query) {
            (Some(name), Some(query)) if name != query => return Err(Refusal::TwoQualifiers),
            (name, query) => name.or(query),
        };
        let headers = &head.headers;
        let types: &[_] = match operation {
            Operation::Invoke => &[
                ("RequestResponse", InvocationType::RequestResponse),
                ("Event", InvocationType::Event),
                ("DryRun", InvocationType::DryRun),
            ],
            Operation::Stream => &[
                ("RequestResponse", InvocationType::RequestResponse),
                ("DryRun", InvocationType::DryRun),
            ],
        };
        Ok(Self {
            operation,
            invocation_type: choice(headers, "x-amz-invocation-type", "invocationType", types)?,
            log_type: choice(
                headers,
                "x-amz-log-type",
                "logType",
                &[("None", LogType::None), ("Tail", LogType::Tail)],
            )?,
            context: CallerContext {
                qualifier,
                client_context: client_context(headers)?,
                tenant_id: text(headers, "x-amz-tenant-id").map(str::to_owned),
            },
        })
    }

    /// There is one version; a number is taken for another name of it.
    pub(super) fn executed_version(&self) -> String {
        let qualifier = self.context.qualifier.as_deref();
        qualifier
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .unwrap_or(LATEST)
            .to_owned()
    }
}

fn operation(path: &str) -> Option<(Operation, &str)> {
    for (operation, prefix, suffix) in [
        (Operation::Invoke, "/2015-03-31/functions/", "/invocations"),
        (
            Operation::Stream,
            "/2021-11-15/functions/",
            "/response-streaming-invocations",
        ),
    ] {
        let name = path
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix(suffix));
        if let Some(name) = name.filter(|name| !name.is_empty() && !name.contains('/')) {
            return Some((operation, name));
        }
    }
    None
}

impl Function {
    /// Reads `NAME`, `ACCOUNT:function:NAME` or the ARN, each with or without `:QUALIFIER`.
    fn qualifier_of(&self, given: &str) -> Result<Option<String>, Refusal> {
        let invalid = || {
            Refusal::Constraint {
            member: "functionName",
            value: given.to_owned(),
            expected: "satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?".to_owned(),
        }
        };
        let words: Vec<&str> = given.split(':').collect();
        let (region, account, rest) = match words.as_slice() {
            [
                "arn",
                partition,
                "lambda",
                region,
                account,
                "function",
                rest @ ..,
            ] if partition.starts_with("aws") => (Some(*region), Some(*account), rest),
            [account, "function", rest @ ..] => (None, Some(*account), rest),
            rest => (None, None, rest),
        };
        let (name, qualifier) = match rest {
            [name] => (*name, None),
            [name, qualifier] => (*name, Some(*qualifier)),
            _ => return Err(invalid()),
        };
        let is_word = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        if !is_word(name)
            || !qualifier.is_none_or(|text| text == LATEST || is_word(text))
            || !account.is_none_or(is_account)
        {
            return Err(invalid());
        }
        if let Some(region) = region.filter(|region| *region != self.region) {
            return Err(Refusal::OtherRegion {
                given: region.to_owned(),
                own: self.region.clone(),
            });
        }
        if name != self.name || account.is_some_and(|account| account != ACCOUNT_ID) {
            return Err(Refusal::NoFunction {
                arn: self.arn_of(account.unwrap_or(ACCOUNT_ID), name, qualifier),
                own: self.arn.clone(),
            });
        }
        Ok(qualifier.map(str::to_owned))
    }

    fn arn_of(&self, account: &str, name: &str, qualifier: Option<&str>) -> String {
        let mut arn = format!("arn:aws:lambda:{}:{account}:function:{name}", self.region);
        if let Some(qualifier) = qualifier {
            arn.push(':');
            arn.push_str(qualifier);
        }
        arn
    }
}

fn qualifier_of_query(query: &str) -> Result<Option<String>, Refusal> {
    let given = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("Qualifier="));
    let Some(given) = given.map(percent_decoded).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let valid = given == LATEST
        || given
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if valid {
        Ok(Some(given))
    } else {
        Err(Refusal::Constraint {
            member: "qualifier",
            value: given,
            expected: "satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)".to_owned(),
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .filter(|text| !text.is_empty())
}

/// The first of the choices where the header is absent.
fn choice<T: Copy>(
    headers: &HeaderMap,
    header: &str,
    member: &'static str,
    choices: &[(&str, T)],
) -> Result<T, Refusal> {
    let names = || {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    };
    let given = match headers.get(header) {
        None => choices.first(),
        Some(value) => choices.iter().find(|(name, _)| value == name),
    };
    given.map(|(_, choice)| *choice).ok_or_else(|| {
        let value = headers.get(header).map(http::HeaderValue::as_bytes);
        Refusal::Constraint {
            member,
            value: String::from_utf8_lossy(value.unwrap_or_default()).into_owned(),
            expected: format!("satisfy enum value set: [{}]", names()),
        }
    })
}

fn client_context(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(given) = text(headers, "x-amz-client-context") else {
        return Ok(None);
    };
    if given.len() > CLIENT_CONTEXT_LIMIT {
        return Err(Refusal::ClientContext);
    }
    let decoded = STANDARD
        .decode(given)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| serde_json::from_str::<serde_json::Value>(text).is_ok());
    decoded.map(Some).ok_or(Refusal::ClientContext)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn function() -> Function {
        Function {
            name: "app".to_owned(),
            region: "eu-west-1".to_owned(),
            arn: "arn:aws:lambda:eu-west-1:123456789012:function:app".to_owned(),
        }
    }

    fn read(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Target, Refusal> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Target::read(&function(), &head)
    }

    fn invoke(name: &str) -> Result<Option<String>, &'static str> {
        read(
            "POST",
            &format!("/2015-03-31/functions/{name}/invocations"),
            &[],
        )
        .map(|target| target.context.qualifier)
        .map_err(|refusal| refusal.error_type())
    }

    #[test]
    fn a_function_is_named_in_every_way_that_sdks_do() {
        for (name, expected) in [
            ("app", Ok(None)),
            ("app:live", Ok(Some("live"))),
            ("app:$LATEST", Ok(Some("$LATEST"))),
            ("app%3A7?Qualifier=7", Ok(Some("7"))),
            ("123456789012:function:app", Ok(None)),
            (
                "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aapp%3Alive",
                Ok(Some("live")),
            ),
            ("other", Err("ResourceNotFoundException")),
            (
                "000000000000:function:app",
                Err("ResourceNotFoundException"),
            ),
            (
                "arn:aws:lambda:us-east-1:123456789012:function:app",
                Err("ResourceNotFoundException"),
            ),
            ("app%20x", Err("ValidationException")),
            ("app:a:b", Err("ValidationException")),
            ("12:function:app", Err("ValidationException")),
            ("app:", Err("ValidationException")),
            ("app%2Finvocations", Err("ValidationException")),
        ] {
            let (name, query) = name.split_once('?').unwrap_or((name, ""));
            let got = if query.is_empty() {
                invoke(name)
            } else {
                read(
                    "POST",
                    &format!("/2015-03-31/functions/{name}/invocations?{query}"),
                    &[],
                )
                .map(|target| target.context.qualifier)
                .map_err(|refusal| refusal.error_type())
            };
            assert_eq!(got, expected.map(|text| text.map(str::to_owned)), "{name}");
        }
    }

    #[test]
    fn what_a_call_asks_for_is_read_or_named() {
        const INVOKE: &str = "/2015-03-31/functions/app/invocations";
        const STREAM: &str = "/2021-11-15/functions/app/response-streaming-invocations";
        let plain = read("POST", INVOKE, &[]).unwrap();
        assert_eq!(plain.operation, Operation::Invoke);
        assert_eq!(plain.invocation_type, InvocationType::RequestResponse);
        assert_eq!(plain.log_type, LogType::None);
        assert_eq!(plain.executed_version(), "$LATEST");
        let event = read("POST", INVOKE, &[("x-amz-invocation-type", "Event")]).unwrap();
        assert_eq!(event.invocation_type, InvocationType::Event);
        let streamed = read("POST", STREAM, &[("x-amz-log-type", "Tail")]).unwrap();
        assert_eq!(
            (streamed.operation, streamed.log_type),
            (Operation::Stream, LogType::Tail)
        );
        let context = [("x-amz-client-context", "eyJjdXN0b20iOnsiYSI6MX19")];
        let with_context = read("POST", INVOKE, &context).unwrap();
        assert_eq!(
            with_context.context.client_context.as_deref(),
            Some(r#"{"custom":{"a":1}}"#)
        );
        let numbered = format!("{INVOKE}?Qualifier=12");
        assert_eq!(
            read("POST", &numbered, &[]).unwrap().executed_version(),
            "12"
        );
        for (method, target, headers, expected) in [
            ("GET", INVOKE, None, "UnknownOperationException"),
            (
                "POST",
                "/2015-03-31/functions",
                None,
                "UnknownOperationException",
            ),
            (
                "POST",
                INVOKE,
                Some(("x-amz-invocation-type", "Later")),
                "ValidationException",
            ),
            (
                "POST",
                STREAM,
                Some(("x-amz-invocation-type", "Event")),
                "ValidationException",
            ),
            (
                "POST",
                INVOKE,
                Some(("x-amz-log-type", "All")),
                "ValidationException",
            ),
            (
                "POST",
                INVOKE,
                Some(("x-amz-client-context", "not base64")),
                "InvalidRequestContentException",
            ),
            (
                "POST",
                "/2015-03-31/functions/app:a/invocations?Qualifier=b",
                None,
                "InvalidParameterValueException",
            ),
        ] {
            let headers: Vec<_> = headers.into_iter().collect();
            let refusal = read(method, target, &headers).unwrap_err();
            assert_eq!(refusal.error_type(), expected, "{target} {headers:?}");
        }
    }
}
