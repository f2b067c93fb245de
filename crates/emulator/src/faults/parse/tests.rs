// SPDX-License-Identifier: Apache-2.0

use super::*;

fn act(text: &str) -> Act {
    let script: FaultScript = format!("next 1 {text}").parse().unwrap();
    script.rules[0].act.clone()
}

#[test]
fn every_fault_is_read() {
    let millis = Duration::from_millis;
    let instead = |instead, timing| (Duration::ZERO, What::Instead(instead, timing));
    let answer = |change| (Duration::ZERO, What::Answer(change));
    let deadline = HeaderName::from_static("lambda-runtime-deadline-ms");
    for (text, expected) in [
        (
            "delay 200ms",
            (millis(200), What::Answer(Change::Late(Duration::ZERO))),
        ),
        ("delay 1.5s taken", answer(Change::Late(millis(1500)))),
        ("stall", instead(Instead::Stall, Timing::Untaken)),
        ("close early", instead(Instead::Close, Timing::Early)),
        ("reset taken", instead(Instead::Reset, Timing::Taken)),
        (
            "delay 1s reset early",
            (millis(1000), What::Instead(Instead::Reset, Timing::Early)),
        ),
        (
            "reset-after 0",
            instead(Instead::ResetAfter(0), Timing::Untaken),
        ),
        (
            "reset-after 70000 taken",
            instead(Instead::ResetAfter(70_000), Timing::Taken),
        ),
        (
            "status 413",
            instead(
                Instead::Status(StatusCode::PAYLOAD_TOO_LARGE),
                Timing::Untaken,
            ),
        ),
        ("malformed", instead(Instead::Malformed, Timing::Untaken)),
        ("split", answer(Change::Split(1))),
        ("split 7", answer(Change::Split(7))),
        ("half", answer(Change::Half)),
        (
            "missing-header Lambda-Runtime-Deadline-Ms",
            answer(Change::Without(deadline.clone())),
        ),
        (
            "header lambda-runtime-deadline-ms soon",
            answer(Change::With(deadline, HeaderValue::from_static("soon"))),
        ),
    ] {
        let act = act(text);
        assert_eq!((act.delay, act.what), expected, "{text}");
        assert_eq!(act.text, text);
    }
}

#[test]
fn a_response_that_is_too_large_is_refused_as_the_service_does_it() {
    let what = |text: &str| {
        text.parse::<FaultScript>().unwrap().rules[0]
            .act
            .what
            .clone()
    };
    assert_eq!(
        what("response 1 status 413"),
        What::Answer(Change::SizeRefused)
    );
    let code = Instead::Status(StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        what("response 1 status 413 taken"),
        What::Instead(code, Timing::Taken)
    );
}

#[test]
fn calls_numbers_and_comments_are_read() {
    let script = "# nothing\n\nregister 1 stall # why\n  next * half\nresponse 2-5 close\nerror 3- close\r\n";
    let script: FaultScript = script.parse().unwrap();
    let rules: Vec<_> = script
        .rules
        .iter()
        .map(|rule| (rule.call, rule.first, rule.last))
        .collect();
    assert_eq!(
        rules,
        [
            (Call::Register, 1, 1),
            (Call::Next, 1, u64::MAX),
            (Call::Response, 2, 5),
            (Call::Error, 3, u64::MAX),
        ]
    );
    assert_eq!("".parse(), Ok(FaultScript::default()));
}

#[test]
fn what_cannot_be_read_is_named_with_what_is_accepted() {
    for (script, error) in [
        (
            "\npoll 1 stall",
            "line 2: \"poll\" is not known here, expected register, extension-next,",
        ),
        (
            "next",
            "line 1 ends where more is needed: expected a number from 1",
        ),
        (
            "next 0 stall",
            "line 1: \"0\" is not known here, expected a number",
        ),
        ("next 5-2 stall", "\"5-2\""),
        ("next -2 stall", "\"-2\""),
        ("next one stall", "\"one\""),
        (
            "next 1",
            "line 1 ends where more is needed: expected delay, stall,",
        ),
        ("next 1 # stall", "line 1 ends"),
        (
            "next 1 resett",
            "\"resett\" is not known here, expected delay, stall,",
        ),
        (
            "next 1 taken",
            "\"taken\" is not known here, expected delay,",
        ),
        (
            "next 1 delay",
            "ends where more is needed: expected a duration",
        ),
        (
            "next 1 delay 5",
            "\"5\" is not known here, expected a duration",
        ),
        ("next 1 delay -5s", "\"-5s\""),
        ("next 1 delay nans", "\"nans\""),
        ("next 1 delay 901s", "\"901s\""),
        ("next 1 delay 1s delay 1s", "\"delay\""),
        (
            "next 1 reset late",
            "\"late\" is not known here, expected early, taken, or nothing",
        ),
        (
            "next 1 reset taken taken",
            "\"taken\" is not known here, expected nothing",
        ),
        (
            "next 1 reset-after early",
            "\"early\" is not known here, expected a number of bytes",
        ),
        ("next 1 reset-after 5 early", "expected taken, or nothing"),
        ("next 1 split 0", "\"0\""),
        (
            "next 1 half taken",
            "\"taken\" is not known here, expected nothing",
        ),
        (
            "next 1 status 199",
            "\"199\" is not known here, expected a status from 200 to 599",
        ),
        ("next 1 status 600", "\"600\""),
        ("next 1 status", "ends"),
        (
            "next 1 missing-header a:b",
            "\"a:b\" is not known here, expected the name",
        ),
        ("next 1 header x", "expected the value of a header"),
    ] {
        let got = script.parse::<FaultScript>().unwrap_err().to_string();
        assert!(got.contains(error), "{script}: {got}");
    }
}
