"""Django's handler without its threads, for operations that are async from end to end.

Stock ASGIHandler sends request_started and request_finished, whose receivers are sync: two threads a request, a fifth of the CPU of a
dispatch. They look after database connections, which these operations do not use; what asks a database anyway does it in a thread of
its own and looks after that one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import IO, Any

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.exception import convert_exception_to_response
from django.db import InterfaceError, OperationalError
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from cortex.errors import JsonErrors, answer
from routing.callers import NoKey, NotReady
from routing.doors.exchange import Exchange, Gone, whole

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class ApiHandler(ASGIHandler):
    """Django without MIDDLEWARE: routing, views and JSON errors."""

    def load_middleware(self, is_async: bool = True) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        inner = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]  # of BaseHandler; the stubs leave it out
        self._middleware_chain = convert_exception_to_response(JsonErrors(inner))

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """Django's, but an address that is not UTF-8 gets the error body too: here no middleware has run yet."""
        request, _ = super().create_request(scope, body_file)
        return (None, answer(400, "The address is not UTF-8.")) if request is None else (request, None)


class LoopHandler(ApiHandler):
    """As ApiHandler, and never out of the event loop. When the client goes away, the operation is cancelled.

    Only who has a key sends a body: of anybody else it would fill the memory and the places of calls.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            is_known = await _is_known(Exchange(scope, receive, send))
            body = await whole(receive) if is_known else b""
        except Gone:
            return
        set_script_prefix(scope.get("root_path", "") or "/")
        made = self.create_request(scope, BytesIO(body))
        if made[0] is None:
            await self.send_response(made[1], send)
            return
        guard = _Guard(receive) if is_known else None
        try:
            response = await self.run_get_response(made[0])
            await self.send_response(response, send)
            response.close()
        except asyncio.CancelledError:
            if guard is None or not guard.is_gone:
                raise
        finally:
            if guard is not None:
                guard.end()


async def _is_known(exchange: Exchange) -> bool:
    try:
        await exchange.caller()
    except (NoKey, NotReady, OperationalError, InterfaceError):  # as the operation says, where it wants a key
        return False
    return True


class _Guard:
    """Cancels the task that made it when the client disconnects."""

    def __init__(self, receive: Receive) -> None:
        self.is_gone = False
        self._task = asyncio.current_task()
        self._watch = asyncio.create_task(self._cancel_when_gone(receive))

    async def _cancel_when_gone(self, receive: Receive) -> None:
        await receive()  # after the whole body only a disconnect can come
        self.is_gone = True
        if self._task is not None:
            self._task.cancel()

    def end(self) -> None:
        self._watch.cancel()
