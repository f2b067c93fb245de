#!/bin/sh
# Starts PocketBase on $PORT. All that is written lies in $APP_STATE.
set -eu

data=$APP_STATE/data
if [ ! -e "$data" ]; then
    "$APP_HOME/base" superuser create "$POCKETBASE_EMAIL" "$POCKETBASE_PASSWORD" --dir "$data" --dev=false
fi
exec "$APP_HOME/base" serve --dev=false --http "127.0.0.1:$PORT" --dir "$data" --publicDir "$APP_STATE/public"
