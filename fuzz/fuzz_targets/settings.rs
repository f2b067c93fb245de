// SPDX-License-Identifier: Apache-2.0
//! Any environment is settings, or an error that can be told.

#![no_main]

use libfuzzer_sys::fuzz_target;
use streamgate::settings::{Environment, VARS};

// Lines of a variable and its value; a first byte that is no letter chooses one of those there are.
fuzz_target!(|data: &str| {
    let own: Vec<String> = VARS
        .iter()
        .map(|var| format!("STREAMGATE_{}", var.name))
        .collect();
    let pairs = data.lines().filter_map(|line| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let first = *name.as_bytes().first()?;
        let name = if first.is_ascii_alphabetic() {
            name
        } else {
            own[usize::from(first) % own.len()].as_str()
        };
        Some((name, value))
    });
    let environment: Environment = pairs.collect();
    match environment.settings() {
        Ok(settings) => {
            for path in [
                &settings.readiness.path,
                &settings.events_path,
                &settings.websocket_path,
            ] {
                assert!(
                    path.starts_with('/') && path.parse::<http::Uri>().is_ok(),
                    "{path:?}"
                );
            }
            let base = settings.base_path.as_deref().unwrap_or("/x");
            assert!(base.starts_with('/') && !base.ends_with('/'), "{base:?}");
            assert!(settings.host_from.is_none() || settings.origin_secret.is_some());
        }
        Err(error) => assert!(error.to_string().contains("is not valid: expected ")),
    }
});
