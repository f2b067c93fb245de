<?php
// Work that goes on behind the response. Lambda freezes an environment once it has answered; this tells the adapter to
// hold it until the work is done. Where there is no adapter, there is nobody to tell.
declare(strict_types=1);

/** Sends the response as it is, and does the work behind it. */
function in_background(callable $work): void
{
    tell_adapter('/background');
    fastcgi_finish_request();
    try {
        $work();
    } finally {
        tell_adapter('/background/done');
    }
}

function tell_adapter(string $path): void
{
    $control = getenv('STREAMGATE_CONTROL');
    $token = $_SERVER['HTTP_X_STREAMGATE_TOKEN'] ?? null;
    if ($control === false || $token === null) {
        return;
    }
    $request = ['method' => 'POST', 'header' => ["x-streamgate-token: $token", 'content-length: 0']];
    file_get_contents("http://$control$path", false, stream_context_create(['http' => $request]));
}
