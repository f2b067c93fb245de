// SPDX-License-Identifier: Apache-2.0
//! The binary for arm64, under an emulator of the processor; the app beside it is this machine's.

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::Event;
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::gate::Gate;
use integration_tests::http::End;
use integration_tests::wire::find;

use crate::layer;

const EMULATOR: &str = "qemu-aarch64-static";

/// What runs the adapter for arm64 as an extension in front of this app.
fn extension(lambda: &FakeLambda, app: &App) -> Adapter {
    let adapter = layer("arm64").pop().unwrap();
    Adapter::emulated_extension(lambda, app.address(), EMULATOR, &adapter.bytes)
}

#[test]
fn the_adapter_for_arm64_registers_and_streams() {
    let (lambda, gate) = (FakeLambda::bind(), Gate::bind());
    let app = App::start(&[gate.variable()]);
    let _adapter = extension(&lambda, &app).start();
    lambda.wait_for_poll();
    assert!(!lambda.requests("/extension/register").is_empty());

    let id = lambda.queue(Event::get("/gated?chunks=2"));
    let mut keeper = gate.accept();
    for number in 0..2 {
        keeper.open();
        // Each is here before the gate opens for the next.
        let chunk = format!("chunk {number}\n");
        lambda.wait(
            &format!("{chunk:?} on its way to the client"),
            |exchanges| {
                let reply = exchanges
                    .iter()
                    .find(|exchange| exchange.is_reply_to(&id))?;
                find(&reply.raw(), chunk.as_bytes())
            },
        );
    }
    let reply = lambda.reply(&id);
    assert_eq!(
        reply.head.header("lambda-runtime-function-response-mode"),
        Some("streaming")
    );
    assert_eq!(reply.end, Some(End::Complete));
}

#[test]
fn the_adapter_for_arm64_serves_buffered_replies() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let _adapter = extension(&lambda, &app)
        .env("STREAMGATE_INVOKE_MODE", "buffered")
        .start();
    let object = lambda.invoke(Event::get("/cookies")).json();
    assert_eq!(object["statusCode"], 200);
    assert_eq!(object["body"], "three cookies");
}
