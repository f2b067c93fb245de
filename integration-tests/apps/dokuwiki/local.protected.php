<?php
// Settings that the wiki's administrator cannot change.
$conf['savedir'] = getenv( 'APP_STATE' ) . '/wiki/data';
