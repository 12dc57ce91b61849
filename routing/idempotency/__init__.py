"""Which Idempotency-Keys are taken, by which call, and how that ended: one key, one provider call.

The claims are rows of PostgreSQL. Where one host does everything (`settings.SINGLE_HOST`) each is also a file in the data dir, made with O_EXCL
before the row: so a key is known to be taken while PostgreSQL is away, whether it was claimed before that or since. Where there are
several hosts nobody can know that, and `take` raises Away.

What is replayed is sealed under the client's own key (`vault`), which is stored nowhere.
"""

from routing.idempotency.claim import KEPT, Claim, Name
from routing.idempotency.claims import begin, purge, release, settle, take
from routing.idempotency.owners import let_go, this_process
from routing.idempotency.rows import Away, KeyGone
from routing.idempotency.threads import close, in_thread
from routing.idempotency.vault import Kept, Unreadable, Vault

__all__ = [
    "KEPT",
    "Away",
    "Claim",
    "Kept",
    "KeyGone",
    "Name",
    "Unreadable",
    "Vault",
    "begin",
    "close",
    "in_thread",
    "let_go",
    "purge",
    "release",
    "settle",
    "take",
    "this_process",
]
