#!/bin/sh
# Starts DokuWiki on $PORT, not as root, in Apache. All that is written lies in $APP_STATE.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
if [ ! -e "$APP_STATE/prepend.php" ]; then
    mkdir -p "$APP_STATE/conf" "$APP_STATE/tmp" "$APP_STATE/wiki"
    ln -s /usr/share/dokuwiki/* "$APP_STATE/wiki/"
    # The pages with which a wiki begins.
    cp -R /var/lib/dokuwiki/data "$APP_STATE/wiki/data"
    cp "$here/local.protected.php" /etc/dokuwiki/license.php "$APP_STATE/conf/"
    cp "$here/prepend.php" "$APP_STATE/prepend.php"
fi
export PHP_INI_SCAN_DIR=":$here/../php"
exec /usr/sbin/apache2 -D FOREGROUND -d "$APP_STATE" -f "$here/apache.conf"
