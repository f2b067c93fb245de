// SPDX-License-Identifier: Apache-2.0

use super::*;

fn settings(arguments: &str) -> Result<Settings, String> {
    let words = std::iter::once("streamgate-local").chain(arguments.split_whitespace());
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    cli.into_settings().map_err(|error| error.to_string())
}

#[test]
fn each_shape_has_its_command_line() {
    let command = || vec!["node".into(), "server.js".into()];
    let zip = |runtime| Shape::Zip {
        directory: "app".into(),
        handler: "run.sh".into(),
        runtime,
    };
    for (arguments, shape) in [
        (
            "-- node server.js",
            Shape::Entrypoint { command: command() },
        ),
        (
            "--adapter target/function",
            Shape::Entrypoint {
                command: Vec::new(),
            },
        ),
        (
            "--image-attach --port 0 -- node server.js",
            Shape::ImageAttach { command: command() },
        ),
        ("--zip app --handler run.sh", zip(ZipRuntime::Managed)),
        (
            "--zip app --handler run.sh --os-only",
            zip(ZipRuntime::OsOnly),
        ),
    ] {
        assert_eq!(settings(arguments).unwrap().shape, shape, "{arguments}");
    }
}

#[test]
fn what_does_not_parse_is_named() {
    for (arguments, words) in [
        ("", "no command given"),
        ("--image-attach", "no command given"),
        ("--image-attach --adapter a", "no command given"),
        ("--json --event - -- x", "--event"),
        (
            "--env-file /nowhere -- x",
            "--env-file /nowhere cannot be read",
        ),
        ("--retry-interval never -- x", "never"),
        ("--port 70000 -- x", "70000"),
        ("--timeout soon -- x", "soon"),
        ("--timeout 0 -- x", "'0'"),
        ("--timeout nan -- x", "nan"),
        ("--invoke-mode STREAM -- x", "STREAM"),
        ("--env NOVALUE -- x", "NOVALUE"),
        ("--memory 12 -- x", "12"),
        ("--concurrency 0 -- x", "from 1 to 1024"),
        ("--concurrency many -- x", "'many'"),
        ("--max-environments 0 -- x", "from 1 to 1000"),
        ("--at-limit queue -- x", "\"queue\" is not throttle or wait"),
        ("--bandwidth fast -- x", "\"fast\" is not real or off"),
        ("--provisioned -1 -- x", "-1"),
        ("--idle-timeout never -- x", "'never'"),
        ("--cold-start-delay -2 -- x", "-2"),
        ("--zip app", "--handler"),
        ("--os-only -- x", "--zip"),
        ("--image-attach --opt o --adapter a -- x", "--adapter a"),
        ("--frobnicate -- x", "--frobnicate"),
        ("--front cloudfront -- x", "cloudfront"),
        ("--front alb --invoke-mode BUFFERED -- x", "--front alb"),
        ("--rest-binary image/png -- x", "--front is url"),
        ("--event - --front alb -- x", "--front"),
        ("--event - --port 1 -- x", "--port"),
        ("--replay - --event - -- x", "--event"),
        ("--replay - --json -- x", "--json"),
        ("--replay - --port 1 -- x", "--port"),
    ] {
        let error = settings(arguments).unwrap_err();
        assert!(error.contains(words), "{arguments}: {error}");
    }
}

#[test]
fn a_front_end_is_chosen_with_its_options() {
    let default = settings("-- x").unwrap();
    assert_eq!(
        (default.front, default.invoke_mode, default.port),
        (FrontKind::FunctionUrl, InvokeMode::ResponseStream, 9000)
    );
    assert_eq!(default.rest_binary, ["*/*"]);
    let rest = settings("--front rest --rest-binary image/png,image/gif -- x").unwrap();
    assert_eq!(rest.front, FrontKind::Rest);
    assert_eq!(rest.rest_binary, ["image/png", "image/gif"]);
    let none = settings("--front rest-stream --rest-binary none -- x").unwrap();
    assert_eq!(none.rest_binary, [""; 0]);
    assert_eq!(settings("--event - -- x").unwrap().port, 0);
    let replay = settings("--replay - --front alb -- x").unwrap();
    assert_eq!((replay.front, replay.port), (FrontKind::Alb, 0));
}

#[test]
fn a_timeout_may_be_a_fraction() {
    assert_eq!(
        settings("--timeout 0.5 -- x").unwrap().timeout,
        Duration::from_millis(500)
    );
}

#[test]
fn what_is_watched_is_what_the_function_is_made_of() {
    for (arguments, watched) in [
        ("-- node server.js", None),
        ("--watch -- node server.js", Some(vec!["."])),
        (
            "--watch src --watch views -- node server.js",
            Some(vec!["src", "views"]),
        ),
        ("--watch --zip app --handler run.sh", Some(vec!["app"])),
        (
            "--watch --adapter target/function",
            Some(vec!["target/function"]),
        ),
        (
            "--watch --adapter target/adapter -- node server.js",
            Some(vec![".", "target/adapter"]),
        ),
    ] {
        let words = std::iter::once("streamgate-local").chain(arguments.split_whitespace());
        let cli = Cli::try_parse_from(words).unwrap();
        let watched = watched.map(|paths| paths.into_iter().map(PathBuf::from).collect());
        assert_eq!(cli.watched(), watched, "{arguments}");
    }
}
