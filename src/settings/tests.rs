// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeSet;

use super::*;

fn settings(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    variables
        .iter()
        .copied()
        .collect::<Environment>()
        .settings()
}

#[test]
fn nothing_set_gives_the_defaults() {
    let settings = settings(&[]).unwrap();
    assert_eq!((settings.port, settings.host.as_str()), (None, "127.0.0.1"));
    assert_eq!(settings.invoke_mode, InvokeMode::Auto);
    assert!(settings.warnings.is_empty());
}

#[test]
fn our_own_name_goes_before_its_aliases() {
    let both = settings(&[
        ("PORT", "1"),
        ("AWS_LWA_PORT", "2"),
        ("STREAMGATE_PORT", "3"),
    ])
    .unwrap();
    assert_eq!(both.port, Some(3));
    assert_eq!(
        settings(&[("PORT", "1"), ("AWS_LWA_PORT", "2")])
            .unwrap()
            .port,
        Some(2)
    );
    for empty in ["", " \t"] {
        let set = settings(&[("PORT", "1"), ("STREAMGATE_PORT", empty)]).unwrap();
        assert_eq!(set.port, Some(1));
    }
    let blank = settings(&[("STREAMGATE_HOST", " "), ("STREAMGATE_COMMAND", " ")]).unwrap();
    assert_eq!((blank.host.as_str(), blank.command), ("127.0.0.1", None));
}

#[test]
fn an_alias_may_be_written_in_another_way() {
    let settings = settings(&[("AWS_LWA_READINESS_CHECK_MIN_UNHEALTHY_STATUS", "300")]).unwrap();
    assert!(settings.readiness.healthy.contains(299));
    assert!(!settings.readiness.healthy.contains(300));
}

#[test]
fn web_adapters_readiness_timeout_may_be_none() {
    let timeout = |value: &str| {
        let set = settings(&[("AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS", value)]);
        set.unwrap().readiness.timeout
    };
    assert_eq!(timeout("2.5"), Duration::from_millis(2_500));
    for unbounded in ["0", "-1"] {
        assert_eq!(timeout(unbounded), Duration::from_mins(15));
    }
}

#[test]
fn every_bad_value_is_named_at_once_with_what_is_accepted() {
    let error = settings(&[
        ("AWS_LWA_PORT", "http"),
        ("STREAMGATE_INVOKE_MODE", "streaming"),
    ])
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "AWS_LWA_PORT=`http` is not valid: expected a port number from 1 to 65535; \
         STREAMGATE_INVOKE_MODE=`streaming` is not valid: expected auto, response_stream or buffered"
    );
}

#[test]
fn what_is_told_of_a_variable_is_one_line() {
    let error = settings(&[("STREAMGATE_PORT", "80\n80\u{1b}")]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(r"STREAMGATE_PORT=`80\n80\u{1b}` is not"),
        "{error}"
    );
    let odd = settings(&[("STREAMGATE_\r\nXYZZY", "1")]).unwrap();
    assert_eq!(
        odd.warnings,
        [r"unknown setting STREAMGATE_\r\nXYZZY has no effect"]
    );
}

#[test]
fn a_check_tells_errors_and_warnings_together() {
    let environment: Environment = [
        ("STREAMGATE_PORT", "http"),
        ("AWS_LWA_PORT", "8080"),
        ("STREAMGATE_HOST", "localhost"),
        ("AWS_LWA_HOST", "localhost"),
        ("STREAMGATE_XYZZY", "1"),
    ]
    .into_iter()
    .collect();
    let check = environment.check();
    assert_eq!(
        check.errors,
        ["STREAMGATE_PORT=`http` is not valid: expected a port number from 1 to 65535"]
    );
    assert_eq!(
        check.warnings,
        [
            "unknown setting STREAMGATE_XYZZY has no effect",
            "AWS_LWA_PORT has no effect: STREAMGATE_PORT is the same setting, and goes first"
        ]
    );
}

#[test]
fn an_unknown_name_is_a_warning_with_the_nearest_known_one() {
    let settings = settings(&[
        ("STREAMGATE_READYNESS_PATH", "/"),
        ("STREAMGATE_XYZZY", "1"),
    ])
    .unwrap();
    assert_eq!(
        settings.warnings,
        [
            "unknown setting STREAMGATE_READYNESS_PATH has no effect; did you mean STREAMGATE_READINESS_PATH?",
            "unknown setting STREAMGATE_XYZZY has no effect",
        ]
    );
}

#[test]
fn a_function_moved_from_web_adapter_keeps_its_mode() {
    let mode = |variables: &[(&str, &str)]| settings(variables).unwrap().invoke_mode;
    assert_eq!(mode(&[("AWS_LWA_PORT", "3000")]), InvokeMode::Buffered);
    assert_eq!(
        mode(&[("AWS_LWA_INVOKE_MODE", "RESPONSE_STREAM")]),
        InvokeMode::ResponseStream
    );
    assert_eq!(
        mode(&[("AWS_LWA_PORT", "3000"), ("STREAMGATE_INVOKE_MODE", "auto")]),
        InvokeMode::Auto
    );
    assert_eq!(
        mode(&[("PORT", "3000"), ("HOST", "0.0.0.0")]),
        InvokeMode::Auto
    );
}

#[test]
fn one_of_web_adapters_names_without_a_prefix_keeps_its_mode_too_and_that_is_told() {
    let bare: BTreeSet<_> = VARS
        .iter()
        .flat_map(|var| var.aliases)
        .filter(|alias| alias.is_bare)
        .map(|alias| alias.name)
        .collect();
    assert_eq!(bare, VALUES.map(|(name, _)| name).into());
    for (name, value) in VALUES {
        let moved = settings(&[(name, value)]).unwrap();
        assert_eq!(moved.invoke_mode, InvokeMode::Buffered, "{name}");
        let [warning] = &moved.warnings[..] else {
            panic!("{:?}", moved.warnings);
        };
        assert!(
            warning.starts_with(&format!("{name} is taken for"))
                && warning.ends_with("set STREAMGATE_INVOKE_MODE"),
            "{warning}"
        );

        let own = settings(&[(name, value), ("STREAMGATE_INVOKE_MODE", "auto")]).unwrap();
        assert_eq!(
            (own.invoke_mode, &own.warnings[..]),
            (InvokeMode::Auto, &[][..])
        );
        let both = settings(&[(name, value), ("AWS_LWA_PORT", "3000")]).unwrap();
        assert_eq!(
            (both.invoke_mode, &both.warnings[..]),
            (InvokeMode::Buffered, &[][..])
        );
    }
}

#[test]
fn a_variable_of_the_apps_own_that_is_named_as_in_web_adapter_is_a_warning() {
    for (name, value, kept) in [
        ("ASYNC_INIT", "later", "auto"),
        ("READINESS_CHECK_PATH", "healthz", "/"),
        ("READINESS_CHECK_PORT", "admin", "the app's port"),
        ("READINESS_CHECK_PROTOCOL", "grpc", "http"),
        ("REMOVE_BASE_PATH", "true", "none"),
    ] {
        let settings = settings(&[(name, value)]).unwrap();
        let [warning] = &settings.warnings[..] else {
            panic!("{:?}", settings.warnings);
        };
        assert!(
            warning.starts_with(&format!("{name}=`{value}` is not valid: expected "))
                && warning.ends_with(&format!("counts as not set: {kept}")),
            "{warning}"
        );
        assert_eq!(settings.invoke_mode, InvokeMode::Auto, "{name}");
        assert_eq!(settings.async_init, AsyncInit::Auto);
        let readiness = &settings.readiness;
        assert_eq!((readiness.path.as_str(), readiness.port), ("/", None));
        assert_eq!(readiness.protocol, Protocol::Http);
        assert_eq!(settings.base_path, None);
    }
    for strict in ["AWS_LWA_ASYNC_INIT", "STREAMGATE_ASYNC_INIT"] {
        assert!(settings(&[(strict, "later")]).is_err(), "{strict}");
    }
    let unread = settings(&[("ASYNC_INIT", "later"), ("STREAMGATE_ASYNC_INIT", "true")]).unwrap();
    assert!(unread.warnings.is_empty(), "{:?}", unread.warnings);
}

const VALUES: [(&str, &str); 5] = [
    ("ASYNC_INIT", "true"),
    ("READINESS_CHECK_PATH", "/up"),
    ("READINESS_CHECK_PORT", "81"),
    ("READINESS_CHECK_PROTOCOL", "tcp"),
    ("REMOVE_BASE_PATH", "/api"),
];

#[test]
fn web_adapters_names_without_a_prefix_are_understood() {
    let settings = settings(&VALUES).unwrap();
    let readiness = &settings.readiness;
    assert_eq!((readiness.path.as_str(), readiness.port), ("/up", Some(81)));
    assert_eq!(readiness.protocol, Protocol::Tcp);
    assert_eq!(settings.async_init, AsyncInit::Always);
    assert_eq!(settings.base_path.as_deref(), Some("/api"));
}
