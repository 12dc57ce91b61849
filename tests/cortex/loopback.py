"""An ASGI application for the tests of `serve`: answers its process number; can hold a request, or an answer, until a file appears."""

import asyncio
import os
from pathlib import Path
from typing import Any


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        if os.environ.get("LOOPBACK_FAILS"):
            await send({"type": "lifespan.startup.failed", "message": "told to fail"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    if scope["path"] == "/stream":
        await send(head)
        await send({"type": "http.response.body", "body": b"from ", "more_body": True})
    if scope["path"] in ("/hold", "/stream"):
        folder = Path(os.environ["LOOPBACK_DIR"])
        (folder / "held").touch()
        while not (folder / "release").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
    if scope["path"] != "/stream":
        await send(head)
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
