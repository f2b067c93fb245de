// SPDX-License-Identifier: Apache-2.0
//! `--event`: one invocation, its raw result on standard output.

use std::io::{Read, Write};
use std::path::Path;

use streamgate_emulator::{Emulator, Reply};

use crate::RunError;

/// The bytes of the event, as they are.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    bytes.map_err(|source| RunError::Event {
        path: path.to_owned(),
        source,
    })
}

/// Sends the event and resolves when the environment is done with it.
pub(crate) async fn send(emulator: &Emulator, event: Vec<u8>) -> Result<(), RunError> {
    let mut reply = emulator.invoke(event).await.map_err(RunError::Function)?;
    let printed = print(&mut reply).await;
    reply.settled().await;
    printed
}

async fn print(reply: &mut Reply) -> Result<(), RunError> {
    while let Some(piece) = reply.next().await.map_err(RunError::Function)? {
        let mut out = std::io::stdout().lock();
        out.write_all(&piece)
            .and_then(|()| out.flush())
            .map_err(RunError::Output)?;
    }
    Ok(())
}
