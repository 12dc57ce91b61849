"""What every door does with an Idempotency-Key: claims it, says what became of the one that has it, keeps how its own ended."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from routing import idempotency
from routing.callers import NoKey
from routing.clients import Caller
from routing.dispatch import keyed
from routing.dispatch.keyed import Keyed, Verdict
from routing.doors.refusal import Refusal, refusal_of
from routing.idempotency import KEPT, Claim, Kept, Name, Vault, in_thread
from routing.segments import Full
from routing.terms.ids import uuid7
from routing.terms.words import ClaimState

LONGEST_KEY = 255
RUNNING_RETRY_S, AWAY_RETRY_S = 1, 5

logger = logging.getLogger(__name__)


class NoWord(ValueError):
    """What was sent as an Idempotency-Key is none."""


class Made(StrEnum):
    """What a key is for."""

    CALL = "call"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key as a request brings it."""

    claim: Claim
    vault: Vault
    made: Made = Made.CALL


def is_word(word: bytes) -> bool:
    """Whether it is 1 to LONGEST_KEY visible ASCII characters."""
    return 0 < len(word) <= LONGEST_KEY and all(0x21 <= byte <= 0x7E for byte in word)


async def wanted(caller: Caller, key: str, word: str, asked: Iterable[bytes], made: Made = Made.CALL) -> Wanted:
    """`key` is the client's, as it sent it; `asked` is all that makes this request another than others."""
    vault = Vault(key)
    owner = await in_thread(idempotency.this_process)
    now = datetime.now(UTC)
    claim = Claim(Name(caller.sha256, word), vault.mac(asked), uuid7(now), owner, now + KEPT)
    return Wanted(claim, vault, made)


async def taken(want: Wanted) -> Kept | Refusal | None:
    """None: the key is ours, and the call may be made. Else the answer that was kept under it, or why there is none."""
    found = await in_thread(idempotency.take, want.claim)
    return None if found is None else _opened(want, found)


async def settle(want: Wanted, state: Keyed, status: int | None, kept: Callable[[], Kept | None]) -> None:
    """Write down how it ended, before the last of its answer goes out. Never raises: the answer is worth more.

    `status`: of the answer; None when it never came to its end. `kept`: what is replayed; None for what is too large to keep.
    """

    def write() -> None:
        match keyed.verdict(state, status):
            case Verdict.RELEASE:
                idempotency.release(want.claim)
            case Verdict.UNKNOWN:
                idempotency.settle(want.claim, ClaimState.UNKNOWN)
            case Verdict.KEEP:
                answer = kept()
                sealed = None if answer is None else want.vault.seal(want.claim.name, answer)
                idempotency.settle(want.claim, ClaimState.DONE, sealed)

    try:
        await in_thread(write)
    except Exception:
        logger.exception("How call %s ended cannot be kept under its Idempotency-Key", want.claim.call)


def _opened(want: Wanted, found: Claim) -> Kept | Refusal:
    """The answer that was kept, or why there is none."""
    call = str(found.call)
    if found.body_mac != want.claim.body_mac:
        words = "This Idempotency-Key was used for another request in the last 24 hours. Send another key, or the same request."
        return Refusal(422, "idempotency_key_reused", words, call)
    if found.state is ClaimState.RUNNING:
        doing = "kept" if want.made is Made.BATCH else "made"
        words = f"The {want.made} of this Idempotency-Key is being {doing}. Come back in a moment for its answer."
        return Refusal(409, "call_in_progress", words, call, retry_after_s=RUNNING_RETRY_S)
    if found.state is ClaimState.UNKNOWN:
        return Refusal(409, "outcome_unknown", _unknown(want.made, call), call)
    try:
        if found.replay is not None:
            return want.vault.open(found.name, found.replay)
    except idempotency.Unreadable:
        logger.warning("The kept answer of call %s does not open: it was changed", call)
    words = f"The call of this Idempotency-Key is done, but its answer was too large to keep. GET /api/v1/calls/{call} tells how it went."
    if want.made is Made.BATCH:
        words = "The batch of this Idempotency-Key was kept, but not its answer. GET /api/v1/batches lists it."
    return Refusal(409, "replay_not_kept", words, call)


def _unknown(made: Made, call: str) -> str:
    if made is Made.BATCH:
        return (
            "Cortex broke off while it kept the batch of this Idempotency-Key: nobody knows whether it is there. "
            "GET /api/v1/batches lists what was kept. To have it kept again, send another key."
        )
    return (
        f"Cortex died while it made the call of this Idempotency-Key: a provider may have answered it, and nobody has the answer. "
        f"GET /api/v1/calls/{call} tells what is known. To have it made again, send another key."
    )


def refusal(error: Exception) -> Refusal:
    """What to tell of an exception of all this."""
    if isinstance(error, NoWord):
        return Refusal(400, "invalid_idempotency_key", str(error))
    if isinstance(error, idempotency.KeyGone):
        return refusal_of(NoKey("This key is not known, or was revoked, or has expired."))
    if isinstance(error, idempotency.Away):
        words = "PostgreSQL does not answer now, and without it nobody knows what became of this Idempotency-Key. No provider was called."
        return Refusal(503, "claims_unavailable", words, retry_after_s=AWAY_RETRY_S)
    if isinstance(error, OSError | Full):
        logger.error("An Idempotency-Key cannot be claimed: %s", error)
        words = (
            "The data dir of Cortex cannot be written, so no Idempotency-Key can be claimed. No provider was called."
        )
        return Refusal(503, "recording_unavailable", words, retry_after_s=AWAY_RETRY_S)
    return refusal_of(error)
