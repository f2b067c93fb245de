<?php
// An ordinary PHP app behind nginx and php-fpm. It knows nothing about Lambda.
declare(strict_types=1);

require __DIR__ . '/../background.php';

const PACE_US = 60_000;
const SENTENCE = 'Each of these words leaves php-fpm the moment it is flushed, and reaches you before the next one is.';

$route = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
switch ($route) {
    case 'GET /':
        header('Content-Type: text/plain; charset=utf-8');
        echo "php-fpm is up. Try /stream, /sse, /echo, /logo.png and POST /orders.\n";
        break;
    case 'GET /stream':
        header('Content-Type: text/plain; charset=utf-8');
        each_word(fn (string $word) => print "$word\n");
        break;
    case 'GET /sse':
        header('Content-Type: text/event-stream; charset=utf-8');
        header('Cache-Control: no-store');
        each_word(fn (string $word) => print "data: $word\n\n");
        echo "event: done\ndata: complete\n\n";
        break;
    case 'POST /echo':
        header('Content-Type: ' . ($_SERVER['CONTENT_TYPE'] ?: 'application/octet-stream'));
        copy('php://input', 'php://output');
        break;
    case 'POST /orders':
        http_response_code(202);
        header('Content-Type: text/plain; charset=utf-8');
        echo "accepted\n";
        in_background(function (): void {
            for ($step = 1; $step <= 5; $step++) {
                usleep(PACE_US);
            }
            error_log('order is packed');
        });
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
