<?php
// What every owner of a site writes. The database and the writable folder come from the function's environment.
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', 'wordpress' );
define( 'DB_PASSWORD', getenv( 'WORDPRESS_DB_PASSWORD' ) );
define( 'DB_HOST', getenv( 'WORDPRESS_DB_HOST' ) );
define( 'WP_CONTENT_DIR', getenv( 'APP_STATE' ) . '/wp-content' );

// Sessions are signed with these: every environment of the function has to have the same ones.
foreach ( array( 'AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE' ) as $name ) {
    define( $name . '_KEY', hash_hmac( 'sha256', $name . '_KEY', getenv( 'WORDPRESS_SECRET' ) ) );
    define( $name . '_SALT', hash_hmac( 'sha256', $name . '_SALT', getenv( 'WORDPRESS_SECRET' ) ) );
}

// A request to itself would be a second invocation, while this one waits for it.
define( 'DISABLE_WP_CRON', true );
// No network here, so that nothing waits for wordpress.org.
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'DISALLOW_FILE_MODS', true );
