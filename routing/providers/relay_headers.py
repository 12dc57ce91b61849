"""Which headers go on, both ways, and what stands in the place of the client's credential."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from routing.providers.base import Endpoint
from routing.terms.raw import Raw
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind, ProviderKind

# Of one connection, of whoever stands between, or ours to say.
_DROPPED = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"),
        *("trailer", "transfer-encoding", "upgrade", "expect", "host", "content-length", "content-encoding"),
        *("accept-encoding", "cookie", "forwarded", "via", "x-real-ip"),
        # It names a call of Cortex, which may be several of a provider's, and none of theirs is that call again.
        "idempotency-key",
    )
)
_DROPPED_PREFIXES = ("x-cortex-", "x-forwarded-")
NAME_CHARS = 100  # no program's name is longer; and names are remembered
CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key"})
# To whose account a call belongs: goes with the credential.
_ACCOUNTS = frozenset({"openai-organization", "openai-project", "chatgpt-account-id"})

_TOLD = frozenset({"content-type", "request-id", "x-request-id", "retry-after", "retry-after-ms", "x-should-retry"})
_TOLD_PREFIXES = ("anthropic-ratelimit-", "x-ratelimit-", "openai-", "x-codex-")
_UNTOLD = frozenset({"openai-organization", "openai-project"})  # whose key it is


def passed_on(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """A client's headers that may go to a provider, without any credential. Those that are no UTF-8 stay behind, and endless names."""
    kept, dropped = [], set[str]()  # by the connection's own word
    for raw_name, value in headers:
        if raw_name.lower() == b"connection":
            dropped |= {each.strip().lower() for each in value.decode("latin-1").split(",")}
        name = _onward(raw_name) if len(raw_name) <= NAME_CHARS else ""
        if name:
            try:
                kept.append((name, value.decode()))
            except UnicodeDecodeError:
                continue
    return tuple(each for each in kept if each[0] not in dropped) if dropped else tuple(kept)


@lru_cache(512)  # programs send the same few
def _onward(raw_name: bytes) -> str:
    """The name of a header that may go on; "" of one that may not."""
    name = raw_name.decode("latin-1").lower()
    return "" if name in _DROPPED or name in CREDENTIALS or name.startswith(_DROPPED_PREFIXES) else name


def headers_of(raw: Raw, endpoint: Endpoint) -> list[tuple[str, str]]:
    """The headers of a relayed request. The row's own replace the client's."""
    is_callers = endpoint.credential_kind is CredentialKind.CALLER
    own = [(name, secret.reveal()) for name, secret in raw.credential] if is_callers else _credential(endpoint)
    of_row = {name.lower(): str(value) for name, value in endpoint.options.get("headers", {}).items()}
    credential = [(name, value) for name, value in own if name not in of_row]
    kept = [
        (name, value) for name, value in raw.headers if name not in of_row and (is_callers or name not in _ACCOUNTS)
    ]
    names = {name for name, _ in kept}
    added = {"content-type": "application/json", "user-agent": "cortex"}
    if endpoint.kind is ProviderKind.ANTHROPIC:
        added["anthropic-version"] = "2023-06-01"
    # Nothing is gained by packing what is read on the way, and a packed stream comes in lumps.
    added["accept-encoding"] = "identity"
    kept += [(name, value) for name, value in added.items() if name not in names and name not in of_row]
    return [*kept, *credential, *of_row.items()]


def secrets_of(raw: Raw, endpoint: Endpoint) -> list[Secret]:
    """What no message or error body may quote: every credential that is sent, the caller's with and without its scheme."""
    if endpoint.credential_kind is not CredentialKind.CALLER:
        return [endpoint.secret] if endpoint.secret else []
    whole = [secret for _, secret in raw.credential]
    return [*whole, *(Secret(token) for each in whole if (token := each.reveal().rpartition(" ")[2]))]


def told(headers: Mapping[str, str]) -> dict[str, str]:
    """A provider's headers that the client gets."""
    return {name: value for each, value in headers.items() if len(each) <= NAME_CHARS and (name := _back(each))}


@lru_cache(512)
def _back(name: str) -> str:
    """The name of a provider's header that the client gets; "" of another."""
    name = name.lower()
    return name if name not in _UNTOLD and (name in _TOLD or name.startswith(_TOLD_PREFIXES)) else ""


def _credential(endpoint: Endpoint) -> list[tuple[str, str]]:
    if endpoint.secret is None:
        return []
    if endpoint.kind is ProviderKind.ANTHROPIC and endpoint.credential_kind is not CredentialKind.OAUTH:
        return [("x-api-key", endpoint.secret.reveal())]
    return [("authorization", f"Bearer {endpoint.secret.reveal()}")]
