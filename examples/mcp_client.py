"""What an agent does over MCP: look what would serve, hand the work over, read the answer.

CORTEX_URL=http://127.0.0.1:8000 CORTEX_KEY=ck_… python examples/mcp_client.py
"""

import asyncio
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main() -> None:
    headers = {"X-Cortex-Key": os.environ["CORTEX_KEY"]}
    async with httpx2.AsyncClient(headers=headers, timeout=600) as http:
        transport = streamable_http_client(f"{os.environ['CORTEX_URL']}/mcp", http_client=http)
        async with Client(transport) as client:
            print("tools:", ", ".join(tool.name for tool in (await client.list_tools()).tools))
            plan = await client.call_tool("explain_route", {"task_type": "code_generation"})
            print("would be served:", plan.structured_content["reason"])
            work = {"task_type": "code_generation", "prompt": "A function that reverses a string."}
            answer = await client.call_tool("dispatch", work)
            print(answer.content[0].text)


asyncio.run(main())
