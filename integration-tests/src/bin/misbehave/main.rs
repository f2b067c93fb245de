// SPDX-License-Identifier: Apache-2.0
//! An app that misbehaves on request.
//!
//! It listens on 127.0.0.1:`$PORT`, a thread per connection, HTTP by hand so that every byte is its own. The request's
//! path chooses what it does (`answers`), the environment how it starts and stops (`life`).

mod answers;
mod life;
mod request;

use std::io;
use std::net::TcpListener;
use std::thread;

fn main() -> io::Result<()> {
    let events = life::Events::from_env();
    life::obey_at_start(&events);
    life::listen_for_sigterm(&events)?;
    let listener = TcpListener::bind(("127.0.0.1", life::port()))?;
    events.write("listening");
    for (number, stream) in listener.incoming().enumerate() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        let events = events.clone();
        thread::spawn(move || {
            // The peer going away in the middle is one of the things that this app is for.
            if let Err(error) = answers::serve(stream, number, &events) {
                events.write(&format!("connection lost: {error}"));
            }
        });
    }
    Ok(())
}
