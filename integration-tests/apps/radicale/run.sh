#!/bin/sh
# Starts Radicale on $PORT, with its own server. All that is written lies in $APP_STATE.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
echo "$RADICALE_USER" >"$APP_STATE/users"
exec "$APP_HOME/python/bin/radicale" --config "$here/config" --hosts "127.0.0.1:$PORT" \
    --auth-htpasswd-filename "$APP_STATE/users" --storage-filesystem-folder "$APP_STATE/collections"
