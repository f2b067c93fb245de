#!/bin/sh
# The handler of the zip. It listens on all addresses of $PORT; `exec`, so that Node itself gets the signals.
export HOSTNAME=0.0.0.0
exec node server.js
