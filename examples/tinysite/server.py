"""One page, compressed before it was deployed. An ordinary HTTP server: it listens on $PORT."""

import os
import pathlib
import signal
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = pathlib.Path(__file__).with_name("page.html.deflate").read_bytes()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def answer(self, with_body: bool) -> None:
        if self.path != "/":
            self.send_error(404)
            return
        # A client that says nothing takes any coding (RFC 9110, section 12.5.3).
        deflated = "deflate" in self.headers.get("accept-encoding", "deflate")
        body = PAGE if deflated else zlib.decompress(PAGE)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Vary", "Accept-Encoding")
        if deflated:
            self.send_header("Content-Encoding", "deflate")
        self.end_headers()
        if with_body:
            self.wfile.write(body)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("PORT", "8080"))
    ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
