<?php
// An ordinary PHP app for the built-in server. It knows nothing about Lambda.
declare(strict_types=1);

const PACE_US = 60_000;
const SENTENCE = 'Each of these words leaves PHP the moment it is flushed, and reaches you before the next one is.';

// Debian and Docker's images differ in this: what is echoed is to leave as it is flushed.
while (ob_get_level() > 0) {
    ob_end_flush();
}

$route = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
switch ($route) {
    case 'GET /':
        header('Content-Type: text/plain; charset=utf-8');
        echo "PHP is up. Try /stream, /sse, /echo and /file.\n";
        break;
    case 'GET /stream':
        header('Content-Type: text/plain; charset=utf-8');
        each_word(fn (string $word) => print "$word\n");
        break;
    case 'GET /sse':
        header('Content-Type: text/event-stream');
        header('Cache-Control: no-store');
        each_word(fn (string $word) => print "data: $word\n\n");
        echo "event: done\ndata: complete\n\n";
        break;
    case 'POST /echo':
        header('Content-Type: ' . ($_SERVER['CONTENT_TYPE'] ?? 'application/octet-stream'));
        copy('php://input', 'php://output');
        break;
    case 'GET /file':
        header('Content-Type: image/png');
        readfile(__DIR__ . '/static/logo.png');
        break;
    default:
        http_response_code(404);
        header('Content-Type: text/plain; charset=utf-8');
        echo "There is nothing here.\n";
}

/** Writes and flushes one word after another. PHP itself ends the script when the client has gone. */
function each_word(callable $write): void
{
    foreach (explode(' ', SENTENCE) as $word) {
        usleep(PACE_US);
        $write($word);
        flush();
    }
}
