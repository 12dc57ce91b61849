"""Which answers a provider keeps for calls that go on from them (`previous_response_id`), and for whom.

The attempt's row says it, by half a hash of the answer's name: who served it, with which credential, and its call which client it was for.
Asked for off the loop, and only by calls that name such an answer.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection

from routing.terms.candidate import Kept
from routing.terms.ids import floor_of, stored_name
from routing.terms.words import CredentialKind

KEPT = timedelta(days=30)  # by OpenAI
UNDER_WAY_S = 1.5  # how long the row of an answer that was just given may be on its way
AGAIN_S = 0.15

_FIND = """
SELECT a.provider, a.model, a.credential, a.credential_kind
FROM routing_attempt a JOIN routing_call c ON c.id = a.call_id
WHERE a.stored = %s AND a.call_id >= %s AND c.client = %s
ORDER BY a.call_id DESC LIMIT 1
"""


async def find(answer: str, client: str) -> Kept | None:
    """Who keeps the answer of that name for the client; None where nobody does: another client's is as unknown as none.

    Waits a moment for a row that may be on its way. Raises the database's errors.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + UNDER_WAY_S
    while True:
        found = await sync_to_async(_find)(stored_name(answer), client)
        if found is not None or loop.time() >= until:
            return found
        await asyncio.sleep(AGAIN_S)


def _find(name: str, client: str) -> Kept | None:
    close_old_connections()  # this thread outlives the request
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [name, floor_of(datetime.now(UTC) - KEPT), client])
        row = cursor.fetchone()
    return Kept(row[0], row[1], row[2], CredentialKind(row[3])) if row else None
