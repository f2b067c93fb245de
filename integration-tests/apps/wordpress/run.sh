#!/bin/bash
# Starts WordPress on $PORT, not as root: nginx before PHP-FPM. All that is written lies in $APP_STATE.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
content=$APP_STATE/wp-content
mkdir -p "$APP_STATE/tmp" "$APP_STATE/nginx" "$content/uploads"
for part in plugins themes languages; do
    [ -e "$content/$part" ] || ln -s "/var/lib/wordpress/wp-content/$part" "$content/$part"
done

cat >"$APP_STATE/nginx.conf" <<NGINX
worker_processes 1;
daemon off;
pid $APP_STATE/nginx/pid;
error_log stderr;
events {}
http {
    include /etc/nginx/mime.types;
    access_log off;
    client_max_body_size 6m;
    client_body_temp_path $APP_STATE/nginx/body;
    fastcgi_temp_path $APP_STATE/nginx/fastcgi;
    proxy_temp_path $APP_STATE/nginx/proxy;
    scgi_temp_path $APP_STATE/nginx/scgi;
    uwsgi_temp_path $APP_STATE/nginx/uwsgi;
    server {
        listen 127.0.0.1:$PORT;
        root /usr/share/wordpress;
        index index.php;
        # A redirect of nginx's own must not name this port, which no client knows.
        absolute_redirect off;
        location / {
            try_files \$uri \$uri/ /index.php?\$args;
        }
        location /wp-content/ {
            root $APP_STATE;
            try_files \$uri /index.php?\$args;
        }
        location ~ \.php\$ {
            try_files \$uri =404;
            include /etc/nginx/fastcgi_params;
            # Debian's file has the host without its port since 2026.
            fastcgi_param HTTP_HOST \$http_host;
            fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;
            fastcgi_param WORDPRESS_CONFIG streamgate;
            fastcgi_pass unix:$APP_STATE/php.sock;
        }
    }
}
NGINX

export PHP_INI_SCAN_DIR=":$here/../php"
# PHP-FPM makes a session of its own, in which a signal to the app's group does not reach it; this one does. Until it is
# ready nginx answers 502, which is no readiness to the adapter.
setpriv --pdeathsig TERM /usr/sbin/php-fpm8.2 --nodaemonize --force-stderr --fpm-config "$here/php-fpm.conf" &
nginx -p "$APP_STATE/nginx" -e stderr -c "$APP_STATE/nginx.conf" &
# Where one of them ends the other is of no use: the adapter starts both anew.
wait -n
