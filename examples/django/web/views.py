"""An ordinary Django app. It knows nothing about Lambda: uvicorn serves it on $PORT."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

PACE = 0.06
WORDS = "Each of these words leaves Django the moment it is yielded, and reaches you before the next one is.".split()
LOGO = Path(__file__).parent.parent / "static" / "logo.png"


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Django is up. Try /stream, /sse, /echo and /file.\n", content_type="text/plain")


@require_GET
async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[str]:
        async for word in paced_words():
            yield f"{word}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain; charset=utf-8")


@require_GET
async def sse(request: HttpRequest) -> StreamingHttpResponse:
    async def events() -> AsyncIterator[str]:
        async for word in paced_words():
            yield f"data: {word}\n\n"
        yield "event: done\ndata: complete\n\n"

    return StreamingHttpResponse(
        events(), content_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


# No form of this site: a client that posts here has no token.
@csrf_exempt
@require_POST
async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type=request.headers.get("content-type", "application/octet-stream"))


@require_GET
def file(request: HttpRequest) -> FileResponse:
    return FileResponse(LOGO.open("rb"))


async def paced_words() -> AsyncIterator[str]:
    for word in WORDS:
        await asyncio.sleep(PACE)
        yield word
