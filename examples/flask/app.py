"""An ordinary Flask app. It knows nothing about Lambda: gunicorn serves it on $PORT."""

import time
from collections.abc import Iterator

from flask import Flask, Response, request, send_from_directory

PACE = 0.06
WORDS = "Each of these words leaves Flask the moment it is yielded, and reaches you before the next one is.".split()

app = Flask(__name__)


@app.get("/")
def index() -> Response:
    return Response("Flask is up. Try /stream, /sse, /echo and /file.\n", mimetype="text/plain")


@app.get("/stream")
def stream() -> Response:
    return Response((f"{word}\n" for word in paced_words()), mimetype="text/plain")


@app.get("/sse")
def sse() -> Response:
    def events() -> Iterator[str]:
        for word in paced_words():
            yield f"data: {word}\n\n"
        yield "event: done\ndata: complete\n\n"

    return Response(events(), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


@app.post("/echo")
def echo() -> Response:
    return Response(request.get_data(), content_type=request.content_type or "application/octet-stream")


@app.get("/file")
def file() -> Response:
    return send_from_directory("static", "logo.png")


def paced_words() -> Iterator[str]:
    for word in WORDS:
        time.sleep(PACE)
        yield word
