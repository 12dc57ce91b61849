"""One call: plan it, write it down, try its candidates in order, write down how it ended, answer.

The hot path: no query, no ORM, no thread. All it knows is the snapshot; all it tells goes to the local spool before the answer.
"""

from routing.dispatch.call import Told
from routing.dispatch.embedding import embed
from routing.dispatch.engine import dispatch, stream
from routing.dispatch.outcome import Begun, Opinion, Refused, Result
from routing.dispatch.told import headers_of

__all__ = ["Begun", "Opinion", "Refused", "Result", "Told", "dispatch", "embed", "headers_of", "stream"]
