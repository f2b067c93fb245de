"""An ordinary MCP server over streamable HTTP. It knows nothing about Lambda: it listens on $PORT and answers at /mcp."""

import asyncio
import os

from mcp.server.mcpserver import Context, MCPServer

PACE = 0.06

server = MCPServer("streamgate-example", instructions="Counts words, and says a sentence word by word.")


@server.tool()
def count_words(text: str) -> int:
    """Counts the words of a text."""
    return len(text.split())


@server.tool()
async def recite(sentence: str, context: Context) -> str:
    """Says a sentence, each word as a progress notification the moment it is said."""
    words = sentence.split()
    for said, word in enumerate(words, start=1):
        await asyncio.sleep(PACE)
        await context.report_progress(said, len(words), word)
    return f"{len(words)} words said"


if __name__ == "__main__":
    server.run(
        "streamable-http",
        host="0.0.0.0",
        port=int(os.environ.get("PORT", "8080")),
        # The next request of a client may come to another environment: none may depend on what one remembers.
        stateless_http=True,
    )
