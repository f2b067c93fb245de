// SPDX-License-Identifier: Apache-2.0
//! Greets by name, and fails without one.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(greet)).await
}

async fn greet(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let name = event.payload["name"].as_str().ok_or("no name")?;
    Ok(json!({ "greeting": format!("hello, {name}") }))
}
