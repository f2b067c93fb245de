"""An ordinary FastAPI app. It knows nothing about Lambda: uvicorn serves it on $PORT."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import BackgroundTasks, FastAPI, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel

from background import in_background

PACE = 0.06
WORDS = "Each of these words leaves FastAPI the moment it is yielded, and reaches you before the next one is.".split()
LOGO = Path(__file__).parent / "static" / "logo.png"

app = FastAPI(title="Streamgate example")


@app.get("/", response_class=PlainTextResponse)
async def index() -> str:
    return "FastAPI is up. Try /stream, /sse, /echo, /file, /docs, POST /chat and POST /orders.\n"


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        async for word in paced_words():
            yield f"{word}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@app.get("/sse")
async def sse() -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        async for word in paced_words():
            yield f"data: {word}\n\n"
        yield "event: done\ndata: complete\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


class Chat(BaseModel):
    prompt: str


@app.post("/chat")
async def chat(question: Chat) -> StreamingResponse:
    """Tokens as they are made, in the form that clients of language models read."""

    async def events() -> AsyncIterator[str]:
        async for token in answer_tokens(question.prompt):
            delta = {"choices": [{"index": 0, "delta": {"content": token}}]}
            yield f"data: {json.dumps(delta, ensure_ascii=False)}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


@app.post("/echo")
async def echo(request: Request) -> Response:
    content_type = request.headers.get("content-type", "application/octet-stream")
    # As a header and not as `media_type`, to which a charset would be added.
    return Response(await request.body(), headers={"content-type": content_type})


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(LOGO)


@app.post("/orders", status_code=202, response_class=PlainTextResponse)
async def order(request: Request, tasks: BackgroundTasks) -> str:
    """Answers at once, and packs behind the response."""

    async def pack() -> None:
        for _ in range(5):
            await asyncio.sleep(PACE)
        print("order is packed", flush=True)

    tasks.add_task(await in_background(request, pack))
    return "accepted\n"


async def paced_words() -> AsyncIterator[str]:
    for word in WORDS:
        await asyncio.sleep(PACE)
        yield word


async def answer_tokens(prompt: str) -> AsyncIterator[str]:
    """A model's part, without a model: it says the question again, a token at a time."""
    for token in re.findall(r"\s*\w+|\W+", f"You asked: {prompt}"):
        await asyncio.sleep(PACE)
        yield token
