// An ordinary Hono app on Node.js. It knows nothing about Lambda: it listens on $PORT and answers.
import { serve } from "@hono/node-server";
import { serveStatic } from "@hono/node-server/serve-static";
import { Hono } from "hono";
import { stream, streamSSE, streamText } from "hono/streaming";

const PACE_MS = 60;
const WORDS = "Each of these words leaves Hono the moment it is written, and reaches you before the next one is.".split(" ");

const app = new Hono();

app.get("/", (c) => c.text("Hono is up. Try /stream, /sse, /echo and /file.\n"));

app.get("/stream", (c) =>
  streamText(c, async (out) => {
    for (const word of WORDS) {
      await out.sleep(PACE_MS);
      if (out.aborted) return;
      await out.writeln(word);
    }
  }),
);

app.get("/sse", (c) =>
  streamSSE(c, async (out) => {
    for (const word of WORDS) {
      await out.sleep(PACE_MS);
      if (out.aborted) return;
      await out.writeSSE({ data: word });
    }
    await out.writeSSE({ event: "done", data: "complete" });
  }),
);

// As it comes, without the whole of it in memory.
app.post("/echo", (c) => {
  c.header("Content-Type", c.req.header("Content-Type") ?? "application/octet-stream");
  return stream(c, async (out) => {
    if (c.req.raw.body) await out.pipe(c.req.raw.body);
  });
});

app.get("/file", serveStatic({ path: "static/logo.png" }));

const port = Number(process.env.PORT ?? 8080);
const server = serve({ fetch: app.fetch, port }, () => console.log(`listening on port ${port}`));

process.on("SIGTERM", () => {
  console.log("stopping");
  server.close();
});
