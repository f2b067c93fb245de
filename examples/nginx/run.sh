#!/bin/sh
# The handler of the zip. Starts nginx, and ends it on SIGTERM.
set -eu
PATH=$PATH:/usr/sbin
app=$(cd "$(dirname "$0")" && pwd)
# Lambda's file system is read-only but for /tmp: the configuration, which names the port, and temporary files.
dir=$(mktemp -d /tmp/nginx.XXXXXX)
sed -e "s|@PORT@|${PORT:-8080}|" -e "s|@APP@|$app|" -e "s|@DIR@|$dir|" "$app/nginx.conf.in" >"$dir/nginx.conf"

as=
# In a container; nginx would give up root for a user that may not read the files. On Lambda nobody is root.
[ "$(id -u)" -ne 0 ] || as='user root root;'

nginx -e stderr -p "$dir" -c "$dir/nginx.conf" -g "$as" &
nginx=$!
trap 'kill "$nginx" 2>/dev/null || true' TERM INT
status=0
wait "$nginx" || status=$?
# A signal ends the first wait; nginx ends the second.
wait "$nginx" || true
rm -rf "$dir"
exit "$status"
