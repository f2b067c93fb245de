"""Calls the server's tools as any MCP client does: `python client.py URL`, with the /mcp at the URL's end."""

import asyncio
import sys

from mcp.client import Client


async def main(url: str) -> None:
    async with Client(url) as client:

        async def said(progress: float, total: float | None, message: str | None) -> None:
            print(f"{progress:.0f} of {total:.0f}: {message}", flush=True)

        tools = await client.list_tools()
        print("tools:", ", ".join(tool.name for tool in tools.tools))
        sentence = {"sentence": "word by word"}
        result = await client.call_tool("recite", sentence, progress_callback=said)
        print(result.content[0].text)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
