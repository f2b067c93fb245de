// SPDX-License-Identifier: Apache-2.0
//! `--event`: one invocation, its raw result on standard output.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use streamgate_emulator::{Emulator, Reply};

use crate::RunError;

/// The bytes of the file that this option names, or of standard input.
pub(crate) fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, RunError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    bytes.map_err(|source| RunError::Unreadable {
        option,
        path: path.to_owned(),
        source,
    })
}

/// Standard output for the result alone: whatever app and adapter print there goes to standard error from now on.
pub(crate) fn claim_output() -> Result<File, RunError> {
    let own = std::io::stdout().as_fd().try_clone_to_owned();
    let own = own.map_err(RunError::Output)?;
    rustix::stdio::dup2_stdout(std::io::stderr())
        .map_err(|error| RunError::Output(error.into()))?;
    Ok(own.into())
}

/// Sends the event, writes the result and resolves when the environment is done with it.
pub(crate) async fn send(
    emulator: &Emulator,
    event: Vec<u8>,
    output: &mut File,
) -> Result<(), RunError> {
    let mut reply = emulator.invoke(event).await.map_err(RunError::Function)?;
    let printed = print(&mut reply, output).await;
    reply.settled().await;
    printed
}

async fn print(reply: &mut Reply, output: &mut File) -> Result<(), RunError> {
    while let Some(piece) = reply.next().await.map_err(RunError::Function)? {
        output.write_all(&piece).map_err(RunError::Output)?;
    }
    Ok(())
}
