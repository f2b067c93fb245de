#!/bin/bash
# The handler of the zip. Starts php-fpm and nginx, and ends both on SIGTERM or as soon as one of them ends.
set -eu
PATH=$PATH:/usr/sbin:/usr/local/sbin
app=$(cd "$(dirname "$0")" && pwd)
# Lambda's file system is read-only but for /tmp: configurations, which name the port, sockets and temporary files.
dir=$(mktemp -d /tmp/php-fpm.XXXXXX)
for file in nginx.conf php-fpm.conf; do
    sed -e "s|@PORT@|${PORT:-8080}|" -e "s|@APP@|$app|" -e "s|@DIR@|$dir|" "$app/$file.in" >"$dir/$file"
done

as=
if [ "$(id -u)" -eq 0 ]; then
    # In a container; both would give up root for a user that may not read the app. On Lambda nobody is root.
    printf 'user = root\ngroup = root\n' >>"$dir/php-fpm.conf"
    as='user root root;'
fi

# Debian's php-fpm has a version in its name.
for fpm in php-fpm php-fpm8.4 php-fpm8.2; do
    ! command -v "$fpm" >/dev/null || break
done
"$fpm" --allow-to-run-as-root --nodaemonize --fpm-config "$dir/php-fpm.conf" &
fpm_pid=$!
# Until php-fpm listens nginx answers 502, which the adapter takes for not being ready.
nginx -e stderr -p "$dir" -c "$dir/nginx.conf" -g "$as" &
nginx_pid=$!
trap 'kill "$fpm_pid" "$nginx_pid" 2>/dev/null || true' TERM INT

status=0
# A signal ends this wait too.
wait -n || status=$?
kill "$fpm_pid" "$nginx_pid" 2>/dev/null || true
wait || true
rm -rf "$dir"
exit "$status"
