// SPDX-License-Identifier: Apache-2.0
//! What differs where several invocations are open at once, as on Lambda Managed Instances.
//!
//! Polls wait in a pool and invocations are known by their ids, so neither says anything about the other (source:
//! RIE-LMI `invoke/invoke_router.go`, `invoke/running_invoke.go`).

use uuid::Uuid;

use super::{Refusal, RuntimeCall, RuntimeState, State};

/// Timed-out invocations whose late answers are still told from unknown ones.
const REMEMBERED: usize = 1024;

impl State {
    /// Whether several invocations may be open at once.
    pub(crate) fn is_managed(&self) -> bool {
        self.concurrency > 1
    }

    pub(super) fn managed_next(&mut self) -> Result<(), Refusal> {
        if self.runtime == RuntimeState::InitError {
            return Err(Refusal::Transition {
                state: self.runtime,
                call: RuntimeCall::Next,
            });
        }
        if self.polls >= self.concurrency {
            return Err(Refusal::TooManyPolls(self.polls));
        }
        self.runtime = RuntimeState::Ready;
        self.polls += 1;
        Ok(())
    }

    /// The time of an invocation is up, but its code goes on: its answer will be late
    /// (source: AWS page "Understanding the Lambda Managed Instances execution environment").
    pub(super) fn remember_late(&mut self, request_id: Uuid) {
        self.timed_out.push_back(request_id);
        self.timed_out
            .drain(..self.timed_out.len().saturating_sub(REMEMBERED));
    }

    /// Whether an answer to this request id comes after the time of its invocation.
    pub(crate) fn is_late(&self, request_id: &str) -> bool {
        let late = |known: &Uuid| known.to_string() == request_id;
        self.timed_out.iter().any(late)
    }

    pub(super) fn not_open(&self, request_id: &str) -> Refusal {
        if self.is_late(request_id) {
            Refusal::Late(request_id.to_owned())
        } else {
            Refusal::RequestId(request_id.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::invocation::InvocationError;
    use crate::state::tests::begin;
    use crate::state::{EventKind, RegisterError};

    fn polled(times: usize) -> State {
        let mut state = State::new(2);
        for _ in 0..times {
            state.next().unwrap();
        }
        state
    }

    #[test]
    fn as_many_polls_wait_as_invocations_may_be_open() {
        let mut state = polled(1);
        assert!(state.init_done());
        state.next().unwrap();
        assert_eq!(state.next(), Err(Refusal::TooManyPolls(2)));
        state.poll_over().unwrap();
        state.next().unwrap();
    }

    #[test]
    fn each_event_is_handed_out_once_and_answered_by_its_id() {
        let mut state = polled(2);
        let (_first, first) = begin(&mut state);
        let (_second, second) = begin(&mut state);
        let handed_out =
            |state: &mut State| state.deliver().map(|open| open.request_id.to_string());
        assert_eq!(handed_out(&mut state), Some(first.clone()));
        assert_eq!(handed_out(&mut state), Some(second.clone()));
        assert_eq!(handed_out(&mut state), None);

        let accepted = state.accept(RuntimeCall::Response, &second, None).unwrap();
        assert_eq!(accepted.sequence, 2);
        state.sent(2).unwrap();
        assert!(state.invocation_done(2) && !state.invocation_done(1));
        assert_eq!(
            state.accept(RuntimeCall::Error, &second, None).unwrap_err(),
            Refusal::Answered(second)
        );
        assert_eq!(
            state
                .accept(RuntimeCall::Response, &first, Some("another"))
                .unwrap_err(),
            Refusal::Stale("another".into())
        );
        state.accept(RuntimeCall::Error, &first, None).unwrap();
    }

    #[test]
    fn an_answer_after_the_time_is_late_and_an_invented_one_unknown() {
        let mut state = polled(1);
        let (_answer, id) = begin(&mut state);
        state.deliver().unwrap();
        state.abort(1, &InvocationError::TimedOut(Duration::ZERO));
        let refused = |state: &mut State, id: &str| {
            state.accept(RuntimeCall::Response, id, None).unwrap_err()
        };
        assert_eq!(refused(&mut state, &id), Refusal::Late(id.clone()));
        state.end_invocation(1);
        assert_eq!(refused(&mut state, &id), Refusal::Late(id));
        assert_eq!(
            refused(&mut state, "none"),
            Refusal::RequestId("none".into())
        );
    }

    #[test]
    fn extensions_hear_of_the_end_only() {
        let mut state = State::new(2);
        state.expect_extension("outer");
        assert_eq!(
            state.register("outer", vec![EventKind::Invoke]),
            Err(RegisterError::ManagedEvent("outer".into()))
        );
        state.register("outer", vec![EventKind::Shutdown]).unwrap();
        assert_eq!(
            state.register("inner", vec![EventKind::Invoke]),
            Err(RegisterError::ManagedEvent("inner".into()))
        );
        state.register("inner", vec![]).unwrap();
    }
}
