// SPDX-License-Identifier: Apache-2.0

use super::*;

const STATES: [RuntimeState; 10] = [
    RuntimeState::Started,
    RuntimeState::InitError,
    RuntimeState::RestoreReady,
    RuntimeState::Restoring,
    RuntimeState::RestoreError,
    RuntimeState::Ready,
    RuntimeState::Running,
    RuntimeState::InvocationResponse,
    RuntimeState::InvocationErrorResponse,
    RuntimeState::ResponseSent,
];

/// Lets a runtime poll and an invocation begin.
fn running() -> (State, oneshot::Receiver<Answer>, String) {
    let mut state = State::new(1);
    state.next().unwrap();
    let (answer, id) = begin(&mut state);
    assert!(state.deliver().is_some());
    (state, answer, id)
}

pub(super) fn begin(state: &mut State) -> (oneshot::Receiver<Answer>, String) {
    let (reply_to, answer) = oneshot::channel();
    let request_id = Uuid::new_v4();
    let invocation = Invocation {
        request_id,
        attempt_id: Uuid::new_v4(),
        trace_id: String::new(),
        event: Bytes::new(),
        mode: InvokeMode::ResponseStream,
        reply_to,
        context: CallerContext::default(),
        log: None,
        guard: None,
    };
    state.begin(invocation, 0);
    (answer, request_id.to_string())
}

#[test]
fn every_call_of_the_runtime_is_refused_unless_listed() {
    use RuntimeCall as C;
    use RuntimeState as S;
    let listed = [
        (S::Started, C::Next, S::Ready),
        (S::Started, C::InitError, S::InitError),
        (S::Started, C::RestoreNext, S::RestoreReady),
        (S::RestoreReady, C::Restored, S::Restoring),
        (S::Restoring, C::RestoreError, S::RestoreError),
        (S::Restoring, C::Next, S::Ready),
        (S::Ready, C::Next, S::Ready),
        (S::Ready, C::Delivered, S::Running),
        (S::Running, C::Next, S::Running),
        (S::Running, C::Delivered, S::Running),
        (S::Running, C::Response, S::InvocationResponse),
        (S::Running, C::Error, S::InvocationErrorResponse),
        (S::InvocationResponse, C::Sent, S::ResponseSent),
        (S::InvocationErrorResponse, C::Sent, S::ResponseSent),
        (S::ResponseSent, C::Next, S::Ready),
    ];
    for state in STATES {
        for call in [
            C::Next,
            C::Delivered,
            C::Response,
            C::Error,
            C::Sent,
            C::InitError,
            C::RestoreNext,
            C::Restored,
            C::RestoreError,
        ] {
            let expected = listed
                .iter()
                .find(|(from, by, _)| (*from, *by) == (state, call))
                .map(|(_, _, to)| *to);
            assert_eq!(state.after(call), expected, "{state:?} {call:?}");
        }
    }
}

#[test]
fn a_second_poll_gets_the_same_event_until_it_is_answered() {
    let (mut state, _answer, id) = running();
    state.next().unwrap();
    assert_eq!(state.deliver().unwrap().request_id.to_string(), id);
    let accepted = state.accept(RuntimeCall::Response, &id, None).unwrap();
    state.sent(accepted.sequence).unwrap();
    assert!(!state.invocation_done(1));
    state.next().unwrap();
    assert!(state.deliver().is_none());
    assert!(state.invocation_done(1));
}

#[test]
fn an_answer_has_to_name_the_open_invocation_and_its_attempt() {
    let (mut state, _answer, id) = running();
    let refused = |state: &mut State, id: &str, echo| {
        state.accept(RuntimeCall::Response, id, echo).unwrap_err()
    };
    assert_eq!(
        refused(&mut state, "other", None),
        Refusal::RequestId("other".into())
    );
    assert_eq!(
        refused(&mut state, &id, Some("stale")),
        Refusal::Stale("stale".into())
    );
    state.accept(RuntimeCall::Response, &id, None).unwrap();
    assert!(matches!(
        refused(&mut state, &id, None),
        Refusal::Transition { .. }
    ));
    assert!(matches!(
        state.accept(RuntimeCall::Error, &id, None),
        Err(Refusal::Transition { .. })
    ));
}

#[test]
fn an_invocation_lasts_until_its_extensions_poll_again() {
    let mut state = State::new(1);
    state.expect_extension("telemetry");
    let id = state
        .register("telemetry", vec![EventKind::Invoke])
        .unwrap();
    state.next().unwrap();
    assert!(!state.init_done());
    state.extension_next(id).unwrap();
    assert!(state.init_done());

    let (_answer, request) = begin(&mut state);
    assert!(state.deliver().is_some());
    assert!(matches!(
        state.deliver_to(id),
        Some(ExtensionEvent::Invoke(_))
    ));
    assert!(state.deliver_to(id).is_none());
    let accepted = state.accept(RuntimeCall::Response, &request, None).unwrap();
    state.sent(accepted.sequence).unwrap();
    state.next().unwrap();
    assert!(!state.invocation_done(1));
    state.extension_next(id).unwrap();
    assert!(state.invocation_done(1));
}

#[test]
fn an_extension_that_was_not_told_yet_is_not_done() {
    let mut state = State::new(1);
    let id = state.register("inner", vec![EventKind::Invoke]).unwrap();
    state.extension_next(id).unwrap();
    state.next().unwrap();
    let (_answer, request) = begin(&mut state);
    state.deliver().unwrap();
    let accepted = state.accept(RuntimeCall::Response, &request, None).unwrap();
    state.sent(accepted.sequence).unwrap();
    state.next().unwrap();
    assert!(!state.invocation_done(1));
}

#[test]
fn registration_follows_the_rules_for_each_kind() {
    let mut state = State::new(1);
    state.expect_extension("outer");
    let both = || vec![EventKind::Invoke, EventKind::Shutdown];
    state.register("outer", both()).unwrap();
    assert!(matches!(
        state.register("outer", both()),
        Err(RegisterError::State { .. })
    ));
    assert_eq!(
        state.register("inner", both()),
        Err(RegisterError::InternalShutdown("inner".into()))
    );
    state.register("inner", vec![]).unwrap();
    assert_eq!(
        state.register("inner", vec![]),
        Err(RegisterError::Taken("inner".into()))
    );
    for number in state.registered().count()..10 {
        state.register(&number.to_string(), vec![]).unwrap();
    }
    assert_eq!(
        state.register("eleventh", vec![]),
        Err(RegisterError::TooMany)
    );
    state.close_registration();
    assert_eq!(state.register("late", vec![]), Err(RegisterError::Closed));
    assert!(state.takes_shutdown("outer") && !state.takes_shutdown("inner"));
}

#[test]
fn shutdown_reaches_only_who_subscribed() {
    let mut state = State::new(1);
    state.expect_extension("takes");
    state.expect_extension("leaves");
    let takes = state.register("takes", vec![EventKind::Shutdown]).unwrap();
    let leaves = state.register("leaves", vec![EventKind::Invoke]).unwrap();
    state.extension_next(takes).unwrap();
    state.extension_next(leaves).unwrap();
    state.shutdown = Some(Shutdown {
        reason: "spindown",
        deadline_ms: 1,
    });
    assert!(matches!(
        state.deliver_to(takes),
        Some(ExtensionEvent::Shutdown(_))
    ));
    assert!(state.deliver_to(leaves).is_none());
}

#[test]
fn an_abandoned_invocation_keeps_its_first_reason() {
    let (mut state, _answer, id) = running();
    let accepted = state.accept(RuntimeCall::Response, &id, None).unwrap();
    assert_eq!(state.abort_reason(accepted.sequence), None);
    assert!(state.abort(1, &InvocationError::Truncated).is_none());
    assert!(
        state
            .abort(1, &InvocationError::sandbox_failure("later"))
            .is_none()
    );
    assert_eq!(
        state.abort_reason(accepted.sequence),
        Some(InvocationError::Truncated)
    );
    assert!(state.abort_reason(accepted.sequence + 1).is_some());
}

#[test]
fn the_first_fault_stays_and_a_reported_init_error_explains_an_exit() {
    let mut state = State::new(1);
    let exit = |status: &str| Fault::RuntimeExit {
        status: status.into(),
    };
    let reported = ReportedError {
        error_type: "Runtime.NoApp".into(),
        message: "no app".into(),
        payload: Bytes::new(),
    };
    state.runtime_init_error(reported.clone()).unwrap();
    assert_eq!(state.fault(), None);
    state.fail(exit("1"));
    state.fail(exit("2"));
    assert_eq!(state.fault(), Some(Fault::RuntimeInitError(reported)));

    let mut stopping = State::new(1);
    stopping.stop();
    stopping.fail(exit("0"));
    assert_eq!(stopping.fault(), None);
}

#[test]
fn a_runtime_may_wait_for_the_restore_or_take_no_notice_of_it() {
    let mut hooked = State::new(1);
    hooked.restore_next().unwrap();
    assert!(hooked.init_done() && !hooked.is_idle() && !hooked.is_restored());
    assert!(hooked.restore_next().is_err() && hooked.next().is_err());
    hooked.restore();
    assert!(hooked.is_restored() && hooked.is_restoring() && !hooked.is_ready());
    hooked.next().unwrap();
    assert!(hooked.is_idle());

    let mut plain = State::new(1);
    plain.next().unwrap();
    plain.restore();
    assert!(plain.is_restored() && plain.is_idle());
}

#[test]
fn a_restore_error_is_a_fault_and_only_one_of_a_restore() {
    let reported = ReportedError {
        error_type: "Runtime.AfterRestoreError".into(),
        message: "no database".into(),
        payload: Bytes::new(),
    };
    let mut state = State::new(1);
    assert!(state.restore_error(reported.clone()).is_err());
    state.restore_next().unwrap();
    state.restore();
    state.restore_error(reported.clone()).unwrap();
    assert_eq!(state.fault(), Some(Fault::RestoreError(reported)));
}
