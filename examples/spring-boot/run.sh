#!/bin/sh
# The handler of the zip. `exec`, so that Java itself gets the signals; the options are for a short start.
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -jar app.jar
