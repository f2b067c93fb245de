// A chat room for an API Gateway WebSocket API, as an ordinary HTTP server: each event of a connection comes as a POST.
//
// The adapter POSTs these events to /websocket with a secret; a request without it is somebody's who found a URL of the
// function.
import { timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const SECRET = Buffer.from(process.env.STREAMGATE_EVENT_SECRET ?? "");
const KEPT = 100;

/** Who is here, by connection: a name, and the number of the next saying to be told. */
const members = new Map();
const sayings = [];
let told = 0;

const events = {
  // What is answered by another status than 2xx ends the connection before it is open.
  CONNECT(id, url) {
    const name = url.searchParams.get("name");
    if (!name) return [400, { error: "say who you are: ?name=…" }];
    members.set(id, { name, next: told + sayings.length });
    return [200, {}];
  },

  // The answer is sent back over the connection, if the route has a route response.
  MESSAGE(id, url, text) {
    const member = members.get(id);
    if (!member) return [410, { error: "this room does not know you; connect again" }];
    const news = sayings.slice(Math.max(0, member.next - told));
    if (text) say(member.name, text);
    member.next = told + sayings.length;
    return [200, { room: [...members.values()].map(({ name }) => name), news }];
  },

  DISCONNECT(id) {
    members.delete(id);
    return [200, {}];
  },
};

function say(name, text) {
  sayings.push(`${name}: ${text}`);
  if (sayings.length > KEPT) {
    sayings.shift();
    told++;
  }
}

const server = createServer(async (req, res) => {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const [status, answer] = route(req, Buffer.concat(chunks).toString());
  const body = JSON.stringify(answer);
  res.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body);
});

function route(req, text) {
  const url = new URL(req.url, "http://localhost");
  if (req.method !== "POST" || url.pathname !== "/websocket") return [200, { members: members.size }];
  if (!isOfLambda(req.headers["x-streamgate-event-secret"])) return [403, { error: "this is no event of Lambda's" }];
  const event = events[req.headers["x-streamgate-websocket-event"]];
  return event ? event(req.headers["x-streamgate-websocket-connection-id"], url, text) : [400, { error: "unknown event" }];
}

function isOfLambda(secret = "") {
  const given = Buffer.from(secret);
  return SECRET.length > 0 && given.length === SECRET.length && timingSafeEqual(given, SECRET);
}

server.listen(Number(process.env.PORT ?? 8080));
process.on("SIGTERM", () => server.close());
