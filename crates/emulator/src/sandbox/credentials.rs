// SPDX-License-Identifier: Apache-2.0
//! Credentials of an environment that is restored from a snapshot: served by the Runtime API's address, as keys among
//! the variables would be part of the snapshot (source: AWS page "Working with Lambda environment variables"; RIE
//! `internal/lambda/core/credentials.go`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use uuid::Uuid;

use super::variables::{CREDENTIALS, take};
use crate::clock::{epoch_millis, rfc3339};

/// How long the credentials claim to be good.
const LIFETIME: Duration = Duration::from_hours(6);

/// Keys, and the token by which processes of the environment ask for them.
#[derive(Clone)]
pub(crate) struct Credentials {
    token: String,
    access_key: String,
    secret: String,
    session: String,
}

impl Credentials {
    /// Takes the keys out of the variables and puts the address in their place.
    pub(super) fn instead_of_keys(variables: &mut BTreeMap<OsString, OsString>, api: &str) -> Self {
        let [_, access_key, secret, session] = CREDENTIALS.map(|(name, placeholder)| {
            take(variables, name).unwrap_or_else(|| placeholder.to_owned())
        });
        let token = Uuid::new_v4().to_string();
        let mut set = |name: &str, value: &str| variables.insert(name.into(), value.into());
        set(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &format!("http://{api}/2021-04-23/credentials"),
        );
        set("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token);
        Self {
            token,
            access_key,
            secret,
            session,
        }
    }

    /// The credentials, for whoever has the token.
    pub(crate) fn told_to(&self, token: &str, now: SystemTime) -> Option<Value> {
        (token == self.token).then(|| {
            json!({
                "AccessKeyId": self.access_key,
                "SecretAccessKey": self.secret,
                "Token": self.session,
                "Expiration": rfc3339(epoch_millis(now + LIFETIME)),
            })
        })
    }
}

impl fmt::Debug for Credentials {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_give_way_to_an_address_and_are_told_to_the_token_alone() {
        let mut variables: BTreeMap<OsString, OsString> = [
            ("AWS_ACCESS_KEY_ID", "own"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("OTHER", "stays"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        let credentials = Credentials::instead_of_keys(&mut variables, "127.0.0.1:9");
        let names: Vec<_> = variables
            .keys()
            .map(|name| name.to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "OTHER"
            ]
        );
        assert_eq!(
            variables[&OsString::from("AWS_CONTAINER_CREDENTIALS_FULL_URI")],
            "http://127.0.0.1:9/2021-04-23/credentials"
        );
        let token = &variables[&OsString::from("AWS_CONTAINER_AUTHORIZATION_TOKEN")];
        assert_eq!(credentials.told_to("guess", SystemTime::UNIX_EPOCH), None);
        assert_eq!(
            credentials.told_to(token.to_str().unwrap(), SystemTime::UNIX_EPOCH),
            Some(json!({
                "AccessKeyId": "own",
                "SecretAccessKey": "secret",
                "Token": "local",
                "Expiration": "1970-01-01T06:00:00Z",
            }))
        );
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
