#!/bin/sh
# The handler of the zip. `exec`, so that Python itself gets the signals.
exec python3 worker.py
