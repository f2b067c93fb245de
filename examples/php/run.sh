#!/bin/sh
# The handler of the zip. `exec`, so that PHP itself gets the signals.
exec php -S "0.0.0.0:${PORT:-8080}" index.php
