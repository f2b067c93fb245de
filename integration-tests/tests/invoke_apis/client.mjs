// SPDX-License-Identifier: Apache-2.0
// The AWS SDK for JavaScript, unmodified: calls an operation with the arguments of argv and prints what comes as lines
// of JSON. $SDK is the folder where it is installed.
import { createRequire } from "node:module";

const sdk = createRequire(`${process.env.SDK}/`)("@aws-sdk/client-lambda");
const [endpoint, operation, text] = process.argv.slice(2);
const input = JSON.parse(text);
if ("PayloadSize" in input) {
  input.Payload = JSON.stringify("x".repeat(input.PayloadSize - 2));
  delete input.PayloadSize;
}
const client = new sdk.LambdaClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "any", secretAccessKey: "any" },
  maxAttempts: 1,
});
const tell = (members) => process.stdout.write(`${JSON.stringify(members)}\n`);
const utf8 = (bytes) => Buffer.from(bytes).toString();
const commands = {
  invoke: sdk.InvokeCommand,
  invoke_with_response_stream: sdk.InvokeWithResponseStreamCommand,
};

let answer;
try {
  answer = await client.send(new commands[operation](input));
} catch (error) {
  if (!error.$metadata) throw error;
  tell({ exception: error.name, status: error.$metadata.httpStatusCode, message: error.message });
  process.exit();
}
tell({
  status: answer.StatusCode,
  version: answer.ExecutedVersion,
  error: answer.FunctionError,
  type: answer.ResponseStreamContentType,
  log: answer.LogResult && Buffer.from(answer.LogResult, "base64").toString(),
  payload: answer.Payload && utf8(answer.Payload),
});
for await (const event of answer.EventStream ?? []) {
  if (event.PayloadChunk) {
    tell({ chunk: utf8(event.PayloadChunk.Payload) });
  } else {
    const complete = { ...event.InvokeComplete };
    if (complete.LogResult) complete.LogResult = Buffer.from(complete.LogResult, "base64").toString();
    tell({ complete });
  }
}
