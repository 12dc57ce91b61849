"""POST /v1/messages/count_tokens: how long a conversation is, estimated as routing estimates it before any model is chosen."""

from routing.doors.converse import refuse
from routing.doors.exchange import Exchange, Gone
from routing.doors.refusal import refusal_of
from routing.terms.words import Scope
from routing.wire import messages


async def count_tokens(exchange: Exchange) -> None:
    """A quarter of the body's bytes: which tokenizer will count is known only when a model has been drawn."""
    try:
        await exchange.caller(Scope.DISPATCH)
        messages.read((await exchange.body()).fields, counting=True)
        await exchange.answer(200, {"input_tokens": max(1, exchange.size // 4)}, {"X-Cortex-Estimated": "true"})
    except Gone:
        return
    except Exception as error:  # noqa: BLE001 - told in the wire's own shape
        await refuse(exchange, messages, refusal_of(error))
