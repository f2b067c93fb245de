// SPDX-License-Identifier: Apache-2.0
//! Environment variables of the runtime process and of extensions, as Lambda sets them.
//!
//! The variables that the emulator inherits stand for the function's own, so that `PATH`, `HOME` and a language's
//! virtual environment work as in the shell; those given explicitly win over them, and the reserved ones over all
//! (source: AWS page "Working with Lambda environment variables").

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::Initialization;
use crate::settings::{Settings, Shape, ZipRuntime};

/// The customer's variable that names a wrapper for the runtime process.
pub(super) const EXEC_WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// Set by Lambda where the shape has it, and by nobody else.
const RESERVED: [&str; 15] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_EXEC_WRAPPER",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_TIMEOUT",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Withheld from extensions (source: AWS page "Using the Lambda Extensions API to create extensions";
/// the last: RIE-LMI `rapidcore/env/environment.go`).
const WITHHELD: [&str; 11] = [
    "_HANDLER",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "AWS_LAMBDA_MAX_CONCURRENCY",
];

/// Placeholders, so that SDKs do not go looking for credentials.
pub(super) const CREDENTIALS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY", "AKIALOCALLOCALLOCAL0"),
    ("AWS_ACCESS_KEY_ID", "AKIALOCALLOCALLOCAL0"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("AWS_SESSION_TOKEN", "local"),
];

/// What differs from environment to environment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a> {
    pub(super) number: u32,
    /// Host and port of the Runtime API.
    pub(super) api: &'a str,
    pub(super) initialization: Initialization,
    /// Where its app is to listen, instead of where the settings say.
    pub(super) port: Option<u16>,
}

/// The runtime process's variables.
pub(super) fn of_runtime(
    settings: &Settings,
    own: &Own<'_>,
    opt: Option<&Path>,
) -> BTreeMap<OsString, OsString> {
    let mut variables: BTreeMap<OsString, OsString> = settings
        .inherited
        .iter()
        .filter(|(name, _)| !RESERVED.iter().any(|reserved| name == reserved))
        .cloned()
        .collect();
    variables.extend(
        settings
            .variables
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    );

    let zip = matches!(settings.shape, Shape::Zip { .. });
    add_defaults(&mut variables, zip);
    let name = &settings.function_name;
    let mut set = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
        variables.insert(name.into(), value.as_ref().to_owned());
    };
    set("AWS_REGION", &settings.region);
    set("AWS_DEFAULT_REGION", &settings.region);
    set("AWS_LAMBDA_FUNCTION_NAME", name);
    set("AWS_LAMBDA_FUNCTION_VERSION", &"$LATEST");
    set(
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        &settings.memory_mb.to_string(),
    );
    if settings.concurrency.get() > 1 {
        set(
            "AWS_LAMBDA_MAX_CONCURRENCY",
            &settings.concurrency.to_string(),
        );
    }
    let initialization = initialization_type(settings, own.initialization);
    set("AWS_LAMBDA_INITIALIZATION_TYPE", &initialization);
    if !settings.snapstart {
        set("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}"));
        set(
            "AWS_LAMBDA_LOG_STREAM_NAME",
            &format!("local/[$LATEST]{}", own.number),
        );
    }
    set("AWS_LAMBDA_RUNTIME_API", &own.api);
    if let Some(port) = own.port {
        set("PORT", &port.to_string());
    }
    match &settings.shape {
        Shape::Entrypoint { .. } | Shape::ImageAttach { .. } => {
            set("AWS_EXECUTION_ENV", &"AWS_Lambda_Image");
        }
        Shape::Zip {
            directory,
            handler,
            runtime,
        } => {
            set("_HANDLER", handler);
            set(
                "LAMBDA_TASK_ROOT",
                &std::path::absolute(directory).unwrap_or_else(|_| directory.clone()),
            );
            set("LAMBDA_RUNTIME_DIR", &"/var/runtime");
            if *runtime == ZipRuntime::Managed {
                // Node.js has no SnapStart.
                let name = if settings.snapstart {
                    "AWS_Lambda_python3.13"
                } else {
                    "AWS_Lambda_nodejs22.x"
                };
                set("AWS_EXECUTION_ENV", &name);
                let wrapper = opt.unwrap_or(Path::new("/opt")).join("bootstrap");
                variables
                    .entry(EXEC_WRAPPER.into())
                    .or_insert_with(|| wrapper.into());
            }
        }
    }
    variables
}

/// What Lambda sets where the function does not; `zip` functions get more than images.
fn add_defaults(variables: &mut BTreeMap<OsString, OsString>, zip: bool) {
    let own_credentials = [
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    if !own_credentials
        .iter()
        .any(|name| variables.contains_key(&OsString::from(name)))
    {
        variables.extend(
            CREDENTIALS
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
    }
    let defaults = [
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        ("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000"),
    ];
    // A zip function gets these from Lambda, an image brings its own.
    let zip_defaults = [
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
    ];
    for (name, value) in defaults.iter().chain(zip_defaults.iter().filter(|_| zip)) {
        variables.entry(name.into()).or_insert_with(|| value.into());
    }
}

/// `AWS_LAMBDA_INITIALIZATION_TYPE`.
pub(super) fn initialization_type(
    settings: &Settings,
    initialization: Initialization,
) -> &'static str {
    if settings.concurrency.get() > 1 {
        "lambda-managed-instances"
    } else if settings.snapstart {
        "snap-start"
    } else if initialization == Initialization::Provisioned {
        "provisioned-concurrency"
    } else {
        "on-demand"
    }
}

/// Takes a variable out, if it is there and text.
pub(super) fn take(variables: &mut BTreeMap<OsString, OsString>, name: &str) -> Option<String> {
    variables.remove(&OsString::from(name))?.into_string().ok()
}

/// An extension's variables: the runtime's without what Lambda withholds, and without the customer's that start with
/// `_` (source: RIE-LMI `rapidcore/env/environment.go`).
pub(super) fn of_extension(runtime: &BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
    let withheld = |name: &OsString| {
        WITHHELD.iter().any(|withheld| name == withheld) || name.to_string_lossy().starts_with('_')
    };
    runtime
        .iter()
        .filter(|(name, _)| !withheld(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(runtime: ZipRuntime) -> Settings {
        let shape = Shape::Zip {
            directory: "/srv/app".into(),
            handler: "run.sh".into(),
            runtime,
        };
        let mut settings = Settings::new(shape);
        settings.inherited = vec![
            ("PATH".into(), "/venv/bin:/usr/bin".into()),
            ("_".into(), "/usr/bin/streamgate-local".into()),
            ("AWS_LAMBDA_RUNTIME_API".into(), "stale:1".into()),
            ("AWS_LAMBDA_MAX_CONCURRENCY".into(), "8".into()),
        ];
        settings.variables = vec![
            ("_SECRET".into(), "x".into()),
            ("MODE".into(), "test".into()),
        ];
        settings
    }

    fn own(api: &str) -> Own<'_> {
        Own {
            number: 1,
            api,
            initialization: Initialization::OnDemand,
            port: None,
        }
    }

    fn get(variables: &BTreeMap<OsString, OsString>, name: &str) -> Option<String> {
        variables
            .get(&OsString::from(name))
            .map(|value| value.to_string_lossy().into_owned())
    }

    #[test]
    fn the_runtime_process_gets_what_lambda_sets_over_what_it_inherits() {
        let variables = of_runtime(
            &zip(ZipRuntime::Managed),
            &own("127.0.0.1:7"),
            Some(Path::new("/o")),
        );
        for (name, value) in [
            ("AWS_LAMBDA_RUNTIME_API", Some("127.0.0.1:7")),
            ("AWS_LAMBDA_EXEC_WRAPPER", Some("/o/bootstrap")),
            ("AWS_LAMBDA_MAX_CONCURRENCY", None),
            ("_HANDLER", Some("run.sh")),
            ("LAMBDA_TASK_ROOT", Some("/srv/app")),
            ("PATH", Some("/venv/bin:/usr/bin")),
            ("TZ", Some(":UTC")),
            ("MODE", Some("test")),
            ("AWS_ACCESS_KEY_ID", Some("AKIALOCALLOCALLOCAL0")),
        ] {
            assert_eq!(get(&variables, name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn an_os_only_function_has_no_wrapper_and_no_execution_environment_name() {
        let variables = of_runtime(&zip(ZipRuntime::OsOnly), &own("127.0.0.1:7"), None);
        assert_eq!(get(&variables, "AWS_LAMBDA_EXEC_WRAPPER"), None);
        assert_eq!(get(&variables, "AWS_EXECUTION_ENV"), None);
    }

    #[test]
    fn extensions_do_not_see_what_lambda_withholds() {
        let settings = zip(ZipRuntime::Managed);
        let variables = of_extension(&of_runtime(&settings, &own("127.0.0.1:7"), None));
        for name in WITHHELD.into_iter().chain(["_SECRET", "_"]) {
            assert_eq!(get(&variables, name), None, "{name}");
        }
        assert_eq!(get(&variables, "MODE").as_deref(), Some("test"));
        assert_eq!(
            get(&variables, "AWS_LAMBDA_RUNTIME_API").as_deref(),
            Some("127.0.0.1:7")
        );
    }

    #[test]
    fn a_function_with_a_snapshot_is_told_so_and_has_no_log_stream() {
        let mut settings = zip(ZipRuntime::Managed);
        settings.snapstart = true;
        let variables = of_runtime(&settings, &own("a:1"), None);
        for (name, value) in [
            ("AWS_LAMBDA_INITIALIZATION_TYPE", Some("snap-start")),
            ("AWS_EXECUTION_ENV", Some("AWS_Lambda_python3.13")),
            ("AWS_LAMBDA_LOG_GROUP_NAME", None),
            ("AWS_LAMBDA_LOG_STREAM_NAME", None),
        ] {
            assert_eq!(get(&variables, name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn a_managed_instance_is_told_its_concurrency_and_its_extensions_are_not() {
        let mut settings = zip(ZipRuntime::Managed);
        settings.concurrency = 4.try_into().unwrap();
        let variables = of_runtime(&settings, &own("a:1"), None);
        for (name, value) in [
            ("AWS_LAMBDA_MAX_CONCURRENCY", "4"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances"),
        ] {
            assert_eq!(get(&variables, name).as_deref(), Some(value), "{name}");
        }
        let extension = of_extension(&variables);
        assert_eq!(get(&extension, "AWS_LAMBDA_MAX_CONCURRENCY"), None);
    }

    #[test]
    fn an_environment_is_told_what_is_its_own() {
        let mut settings = zip(ZipRuntime::Managed);
        settings.variables.push(("PORT".into(), "3000".into()));
        let own = Own {
            number: 3,
            initialization: Initialization::Provisioned,
            port: Some(20_001),
            ..own("a:3")
        };
        let variables = of_runtime(&settings, &own, None);
        for (name, value) in [
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local/[$LATEST]3"),
            ("AWS_LAMBDA_RUNTIME_API", "a:3"),
            ("PORT", "20001"),
        ] {
            assert_eq!(get(&variables, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn credentials_of_the_shell_are_kept() {
        let mut settings = zip(ZipRuntime::Managed);
        settings
            .inherited
            .push(("AWS_PROFILE".into(), "dev".into()));
        assert_eq!(
            get(
                &of_runtime(&settings, &own("a:1"), None),
                "AWS_ACCESS_KEY_ID"
            ),
            None
        );
    }
}
