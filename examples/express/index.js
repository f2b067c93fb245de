// An ordinary Express app. It knows nothing about Lambda: it listens on $PORT and answers.
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

import express from "express";

import { inBackground } from "./background.js";

const PACE_MS = 60;
const WORDS = "Each of these words leaves Express the moment it is written, and reaches you before the next one is.".split(" ");

const app = express();
app.disable("x-powered-by");

app.get("/", (req, res) => {
  res.type("text/plain").send("Express is up. Try /stream, /sse, /echo, /file and POST /orders.\n");
});

app.get("/stream", async (req, res) => {
  res.type("text/plain");
  for await (const word of wordsUntilGone(res)) {
    res.write(`${word}\n`);
  }
  res.end();
});

app.get("/sse", async (req, res) => {
  res.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  for await (const word of wordsUntilGone(res)) {
    res.write(`data: ${word}\n\n`);
  }
  res.end("event: done\ndata: complete\n\n");
});

app.post("/echo", async (req, res) => {
  // Node's own setter: Express's would add a charset, and an echo adds nothing.
  res.setHeader("Content-Type", req.headers["content-type"] ?? "application/octet-stream");
  await pipeline(req, res);
});

app.get("/file", (req, res) => {
  res.sendFile(path.join(import.meta.dirname, "static", "logo.png"));
});

// Answers at once, and packs behind the response.
app.post("/orders", async (req, res) => {
  await inBackground(req, async () => {
    for (let step = 1; step <= 5; step++) await sleep(PACE_MS);
    console.log("order is packed");
  });
  res.status(202).type("text/plain").send("accepted\n");
});

async function* wordsUntilGone(res) {
  for (const word of WORDS) {
    await sleep(PACE_MS);
    if (res.destroyed) return;
    yield word;
  }
}

const port = Number(process.env.PORT ?? 8080);
const server = app.listen(port, (error) => {
  if (error) throw error;
  console.log(`listening on port ${port}`);
});

process.on("SIGTERM", () => {
  console.log("stopping");
  server.close();
});
