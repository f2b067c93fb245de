"""Makes page.html.deflate of page.html: zlib's format, which is what HTTP means by `deflate` (RFC 9110, section 8.4.1.2)."""

import pathlib
import zlib

page = pathlib.Path(__file__).with_name("page.html")
page.with_name("page.html.deflate").write_bytes(zlib.compress(page.read_bytes(), level=9))
