#!/bin/sh
# The handler of the zip, whose packages are in a folder of their own. `exec`, so that Python itself gets the signals.
export PYTHONPATH="packages${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m uvicorn web.asgi:application --lifespan off --host 0.0.0.0 --port "${PORT:-8080}"
