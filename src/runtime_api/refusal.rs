// SPDX-License-Identifier: Apache-2.0
//! What Lambda means by refusing a call. Pure.
//!
//! Source: AWS, "Using the Lambda runtime API for custom runtimes"; the error types behind a status are those of AWS's
//! Runtime Interface Emulator (`rapi/handler`, `rapi/rendering`); 410: aws-lambda-rust-runtime, pull request 1159.

use http::StatusCode;

/// Stands behind the status in a message, where there is something to say of it.
pub(super) fn meaning(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => " (lambda knows no open invocation of this id, or could not read what was posted)",
        403 => " (lambda does not expect this call: it has been answered already)",
        410 => " (the invocation is no longer open: its time was up, or it is tried anew)",
        413 => " (it is over lambda's limit, and the invocation has failed)",
        500.. => " (lambda says that this environment cannot recover)",
        _ => "",
    }
}

/// Whether a call that is repeated may have arrived before, by what the repetition is refused with.
pub(super) fn says_it_is_answered(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 403 | 410)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime_api::RuntimeApiError;

    #[test]
    fn a_refusal_says_what_lambda_means_by_it_and_what_lambda_said() {
        for (call, status, part) in [
            ("response", 400, "no open invocation"),
            ("response", 403, "answered already"),
            ("response", 410, "no longer open"),
            ("error", 410, "no longer open"),
            ("response", 413, "over lambda's limit"),
            ("next", 403, "does not expect this call"),
            ("next", 500, "cannot recover"),
            ("response", 500, "cannot recover"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let message = "its own text".to_owned();
            let text = RuntimeApiError::Refused {
                call,
                status,
                message,
            }
            .to_string();
            assert!(text.starts_with("runtime API refused"), "{text}");
            assert!(text.contains(part), "{call} {status}: {text}");
            assert!(text.ends_with(": its own text"), "{text}");
        }
        assert_eq!(meaning(StatusCode::IM_A_TEAPOT), "");
    }

    #[test]
    fn a_repeated_reply_that_is_too_large_has_not_arrived_before() {
        assert!(says_it_is_answered(StatusCode::BAD_REQUEST));
        assert!(says_it_is_answered(StatusCode::GONE));
        assert!(!says_it_is_answered(StatusCode::PAYLOAD_TOO_LARGE));
    }
}
