#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A custom runtime that does what its event says: the adapter of these tests is none.

The event is {"do": WORD, ...}; each is noted in the file $NOTES. A gated step waits for a byte from $GATE_SOCKET.
"""

import base64
import http.client
import json
import os
import socket
import sys

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY = "Lambda-Runtime-Function-Error-Body"


class Gate:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.environ["GATE_SOCKET"])

    def wait(self):
        if not self.socket.recv(1):
            sys.exit("the gate is gone")


def report(message):
    return json.dumps({"errorMessage": message, "errorType": "Runtime.AsAsked", "stackTrace": []})


def post(connection, path, body, headers=None):
    connection.request("POST", PREFIX + path, body, headers or {})
    connection.getresponse().read()


def stream(connection, path, event):
    """Sends chunks; the gate is before each but the first, and before the end."""
    gate = Gate() if event.get("gated") else None
    connection.putrequest("POST", PREFIX + path)
    for name, value in [
        ("Lambda-Runtime-Function-Response-Mode", "streaming"),
        ("Content-Type", event.get("type", "application/octet-stream")),
        ("Transfer-Encoding", "chunked"),
        ("Trailer", f"{ERROR_TYPE}, {ERROR_BODY}"),
    ]:
        connection.putheader(name, value)
    connection.endheaders()
    for number, chunk in enumerate(event["chunks"]):
        if gate and number > 0:
            gate.wait()
        data = chunk.encode() * event.get("times", 1)
        connection.send(b"%x\r\n%s\r\n" % (len(data), data))
    if gate:
        gate.wait()
    end = event.get("end")
    if end == "exit":
        os._exit(7)
    if end == "cut":
        connection.close()
        return
    trailers = b""
    if end == "trailers":
        body = base64.b64encode(report("in the middle").encode()).decode()
        trailers = f"{ERROR_TYPE}: Runtime.StreamError\r\n{ERROR_BODY}: {body}\r\n".encode()
    connection.send(b"0\r\n" + trailers + b"\r\n")
    connection.getresponse().read()


def serve(connection, request_id, headers, body):
    event = json.loads(body)
    path = f"/invocation/{request_id}"
    do = event.get("do", "echo")
    for line in event.get("print", []):
        print(line, flush=True)
    if do == "echo":
        answer = {
            "event": event,
            "arn": headers["Lambda-Runtime-Invoked-Function-Arn"],
            "client_context": headers.get("Lambda-Runtime-Client-Context"),
            "variables": {name: os.environ.get(name) for name in event.get("variables", [])},
        }
        post(connection, path + "/response", json.dumps(answer))
    elif do == "wait":
        Gate().wait()
        post(connection, path + "/response", '"waited"')
    elif do == "fail":
        if event.get("gated"):
            Gate().wait()
        post(connection, path + "/error", report("as asked"), {ERROR_TYPE: "Runtime.AsAsked"})
    elif do == "exit":
        os._exit(7)
    elif do == "sleep":
        Gate().wait()
    elif do == "large":
        post(connection, path + "/response", json.dumps("x" * event["size"]))
    elif do == "stream":
        stream(connection, path + "/response", event)


def main():
    print("the runtime starts", flush=True)
    while True:
        connection = http.client.HTTPConnection(API)
        connection.request("GET", PREFIX + "/invocation/next")
        response = connection.getresponse()
        body = response.read()
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        if "NOTES" in os.environ:
            with open(os.environ["NOTES"], "a") as notes:
                notes.write(f"{request_id} {body.decode()}\n")
        serve(connection, request_id, response.headers, body)


main()
