// SPDX-License-Identifier: Apache-2.0
//! `MariaDB`'s server as a database that stands beside the function and is not frozen with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::process::{Mark, Program};
use integration_tests::waiting::within;
use std::time::Duration;

/// How long a server may take to make its tables, or to come up.
const LIMIT: Duration = Duration::from_mins(2);

/// A server with one database, `wordpress`, whose owner has the same name.
#[derive(Debug)]
pub(crate) struct MariaDb {
    // Ends with this value, and takes its folder with it.
    _server: Program,
    socket: PathBuf,
}

impl MariaDb {
    /// Starts one with an empty database.
    pub(crate) fn start(password: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let data = folder.path().join("data");
        let socket = folder.path().join("socket");
        let start = folder.path().join("start.sql");
        std::fs::write(
            &start,
            format!(
                "CREATE DATABASE wordpress;\nCREATE USER wordpress@localhost IDENTIFIED BY '{password}';\n\
                 GRANT ALL ON wordpress.* TO wordpress@localhost;\n"
            ),
        )
        .expect("a file can be written");

        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--skip-test-db", "--user=root"]);
        install.arg("--auth-root-authentication-method=normal");
        install.arg(argument("--datadir", &data));
        let mut install = Program::start(install, &Mark::unique());
        let status = within(LIMIT, &"the tables", || install.exited());
        let _ = install.finish();
        assert!(
            status.is_some_and(|status| status.success()),
            "no database: {}",
            install.transcript()
        );

        let mut server = Command::new("/usr/sbin/mariadbd");
        // No network: nobody else on this machine is meant. A crash may cost what was written last.
        server.args(["--no-defaults", "--user=root", "--skip-networking"]);
        server.arg("--innodb-flush-log-at-trx-commit=0");
        server.arg(argument("--datadir", &data));
        server.arg(argument("--socket", &socket));
        server.arg(argument("--init-file", &start));
        let server = Program::start(server, &Mark::unique());
        // Written when the socket is there and the file above has been carried out.
        let _ = server.any_line("ready for connections");
        Self {
            _server: server.keeping([folder]),
            socket,
        }
    }

    /// What a query answers.
    pub(crate) fn ask(&self, query: &str) -> String {
        let mut client = Command::new("mariadb");
        client.args([
            "--no-defaults",
            "--user=root",
            "--skip-column-names",
            "--batch",
        ]);
        client.arg(argument("--socket", &self.socket));
        client.args(["--execute", query, "wordpress"]);
        let mut client = Program::start(client, &Mark::unique());
        let status = client.finish();
        assert!(status.success(), "{query}: {}", client.transcript());
        client.stdout().join("\n")
    }

    /// Its host as PHP's drivers understand it.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.socket.display())
    }
}

fn argument(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}
