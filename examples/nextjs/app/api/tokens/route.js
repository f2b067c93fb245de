// A route handler that streams, as one does that passes on the tokens of a model.
import { setTimeout as sleep } from "node:timers/promises";

const PACE_MS = 60;
const WORDS = "Each of these words leaves Next.js the moment it is made, and reaches you before the next one is.".split(" ");

export const dynamic = "force-dynamic";

export function GET() {
  return new Response(ReadableStream.from(events()).pipeThrough(new TextEncoderStream()), {
    headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" },
  });
}

async function* events() {
  for (const word of WORDS) {
    await sleep(PACE_MS);
    yield `data: ${word}\n\n`;
  }
  yield "event: done\ndata: complete\n\n";
}
