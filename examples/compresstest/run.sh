#!/bin/sh
# The handler of the zip. `exec`, so that the server itself gets the signals.
exec ./server
