"""A worker for a queue, as an ordinary HTTP server: each batch comes as a POST. It uses no library of Lambda's.

The adapter POSTs events to /events with a secret; a request without it is somebody's who found the function's URL.
"""

import hmac
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ.get("STREAMGATE_EVENT_SECRET", "")


def pack(order: dict) -> None:
    """The work. What it raises sends its message, and no other, back to the queue."""
    if order["quantity"] < 1:
        raise ValueError(f"an order of {order['quantity']}")
    print(f"packed order {order['id']}", flush=True)


def work_off(batch: dict) -> dict:
    """Works off every message and says which of them failed, as ReportBatchItemFailures wants it."""
    failures = []
    for record in batch["Records"]:
        try:
            pack(json.loads(record["body"]))
        except Exception as error:
            print(f"message {record['messageId']}: {error!r}", flush=True)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200, {"worker": "up"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        secret = self.headers.get("x-streamgate-event-secret", "")
        if self.path != "/events":
            self.answer(404, {"error": "events come to /events"})
        elif not SECRET or not hmac.compare_digest(secret.encode(), SECRET.encode()):
            self.answer(403, {"error": "this is no event of Lambda's"})
        elif self.headers.get("x-streamgate-event") != "sqs":
            # A 5xx fails the invocation: what was sent here by mistake is not to be lost.
            self.answer(500, {"error": "this worker takes messages of a queue"})
        else:
            self.answer(200, work_off(json.loads(body)))

    def answer(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        """Lambda's log has a line for each invocation already."""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("PORT", "8080"))
    ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
