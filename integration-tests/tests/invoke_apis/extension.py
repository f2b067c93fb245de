#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An external extension that subscribes to telemetry and notes each event in the file $NOTES, a line of JSON each.

What its other calls were answered is noted, too: {"call": NAME, "status": STATUS, "body": TEXT}.
"""

import http.client
import http.server
import json
import os
import sys
import threading

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
LOCK = threading.Lock()
# Since the last INVOKE.
reported = threading.Event()


def note(value):
    with LOCK, open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps(value) + "\n")


def call(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, path, json.dumps(body) if body is not None else None, headers or {})
    response = connection.getresponse()
    return response, response.read().decode()


class Listener(http.server.BaseHTTPRequestHandler):
    refusals = int(os.environ.get("REFUSALS", "0"))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if Listener.refusals > 0:
            Listener.refusals -= 1
            self.send_response(500)
            self.end_headers()
            return
        for event in json.loads(body):
            note(event)
            if event["type"] == "platform.report":
                reported.set()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()

name = os.path.basename(sys.argv[0])
answer, _ = call(
    "POST",
    "/2020-01-01/extension/register",
    {"events": ["INVOKE", "SHUTDOWN"]},
    {"Lambda-Extension-Name": name},
)
identity = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}
subscription = {
    "schemaVersion": "2022-12-13",
    "types": os.environ.get("TYPES", "platform,function,extension").split(","),
    "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": int(os.environ.get("TIMEOUT_MS", "25"))},
    "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{server.server_port}/"},
}


def tried(what, method, path, body, headers):
    answer, text = call(method, path, body, headers)
    note({"call": what, "status": answer.status, "body": text})


TELEMETRY = "/2022-07-01/telemetry"
tried("logs", "PUT", "/2020-08-15/logs", subscription, identity)
tried("tcp", "PUT", TELEMETRY, {**subscription, "destination": {"protocol": "TCP", "port": 1}}, identity)
tried("stranger", "PUT", TELEMETRY, subscription, {"Lambda-Extension-Identifier": "5b5ef0d6-0000-4000-8000-000000000000"})
tried("telemetry", "PUT", TELEMETRY, subscription, identity)
print("the extension starts", flush=True)
while True:
    _, text = call("GET", "/2020-01-01/extension/event/next", None, identity)
    event = json.loads(text)
    if event["eventType"] == "SHUTDOWN":
        # As extensions do: the last events come while the environment goes down.
        reported.wait(1.5)
        sys.exit(0)
    reported.clear()
    tried("late", "PUT", TELEMETRY, subscription, identity)
