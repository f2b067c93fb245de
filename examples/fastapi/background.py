"""Work that goes on behind the response.

Lambda freezes an environment once it has answered; this tells the adapter to hold it until the work is done. Where there
is no adapter, there is nobody to tell.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection

from fastapi import Request

CONTROL = os.environ.get("STREAMGATE_CONTROL")
TOKEN = "x-streamgate-token"


async def in_background(request: Request, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Announces `work`, which may outlast the response to `request`; returns it for `BackgroundTasks.add_task`."""
    await tell("/background", request)

    async def announced_work() -> None:
        try:
            await work()
        finally:
            await tell("/background/done", request)

    return announced_work


async def tell(path: str, request: Request) -> None:
    if CONTROL and TOKEN in request.headers:
        await asyncio.to_thread(post, path, request.headers[TOKEN])


def post(path: str, token: str) -> None:
    connection = HTTPConnection(CONTROL, timeout=5)
    connection.request("POST", path, headers={TOKEN: token})
    connection.getresponse().close()
