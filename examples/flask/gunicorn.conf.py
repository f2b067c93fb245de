"""Gunicorn reads this file by itself, wherever it runs."""

import os

bind = f"0.0.0.0:{os.environ.get('PORT', '8080')}"
# One environment of Lambda gets one request at a time; a thread more answers health checks meanwhile.
workers = 1
threads = 2
# Lambda freezes processes between two requests. A worker that missed its heartbeats for that is no worker that hangs.
timeout = 0
# For `gunicornc`, which nobody runs here; the socket would want a home directory that can be written to.
control_socket_disable = True
