"""A process that meets the same faults as seven others, at the same time: what shared state is tried on.

    python -m tests.faults.hammer FAILURES NUMBER

Says "ready"; then does what each line of its standard input names, and says how that went.
"""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import django

from routing.terms.candidate import Candidate
from routing.terms.fault import Fault
from routing.terms.words import CredentialKind, ErrorKind, ProviderKind, Role

CODEX = Candidate("openai", "codex", "gpt", ProviderKind.OPENAI, "main", CredentialKind.API_KEY, Role.PRIMARY, "")
SERVED = ("openai", "codex")


def main(failures: int, number: int) -> None:
    from routing import circuits  # after Django is set up
    from routing.audit import SYSTEM

    def meet(kind: ErrorKind, seconds: float | None = None) -> None:
        fault = Fault(kind, f"of process {number}", retry_after_s=seconds)
        circuits.note(CODEX, fault, cooldown_s=300, quota="codex-cli", now=datetime.now(UTC))

    def hammer() -> str:
        for n in range(failures):
            meet(ErrorKind.SERVER)
            if n % 4 == 0:
                meet(ErrorKind.RATE_LIMIT, 1000 + n + number)
            if n % 10 == number:
                meet(ErrorKind.PAYMENT, 2000 + n)
                circuits.reset("anthropic", by=SYSTEM)
            if n % 3 == 0:
                circuits.write_pending()
                circuits.load(datetime.now(UTC))
        circuits.write_pending()
        return "hammered"

    def probe() -> str:
        circuits.load(datetime.now(UTC))
        circuits.want_probe(SERVED)
        circuits.claim_probes(datetime.now(UTC))
        return f"probe {[circuits.may_probe(CODEX) for _ in range(3)].count(True)}"

    acts: dict[str, Callable[[], str]] = {"hammer": hammer, "probe": probe}
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            print(acts[line.strip()](), flush=True)
        except Exception as error:  # noqa: BLE001 - the test reads it
            print(f"failed: {error!r}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cortex.settings")
    django.setup()
    main(int(sys.argv[1]), int(sys.argv[2]))
