#!/bin/sh
# The handler of the zip. `exec`, so that Node itself gets the signals.
exec node server.js
