<?php
// Before every script of DokuWiki: where it finds itself and its settings (https://www.dokuwiki.org/devel:preload). Its
// installer looks for the writable `data` beside its own code, so that is a folder of links to the code.
define( 'DOKU_INC', getenv( 'APP_STATE' ) . '/wiki/' );
define( 'DOKU_CONF', getenv( 'APP_STATE' ) . '/conf/' );
define( 'DOKU_LOCAL', DOKU_CONF );
