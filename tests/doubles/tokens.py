"""A real OAuth 2.0 token server on loopback: Authlib's authorization server over the standard library's HTTP server.

    with token_server(expires_in=120) as server:
        {"token_url": server.url, "client_id": CLIENT_ID, "grant": "refresh_token"}; the secret is server.sign_in()
        assert server.grants == ["refresh_token"]

What a server does wrong (`will`) is played in order, one a request, before Authlib sees it.
"""

import json
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator

CLIENT_ID, CLIENT_SECRET = "cortex", "client-secret canary/+%:é"  # what must be form-encoded stands in it


@dataclass(frozen=True)
class Wrong:
    """An answer that Authlib would not give."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class App(ClientMixin):
    """The one registered client; public when it has no secret."""

    secret: str | None
    auth_methods: tuple[str, ...]

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_allowed_scope(self, scope: str) -> str:
        return scope or "models"

    def check_client_secret(self, client_secret: str) -> bool:
        return self.secret is not None and secrets.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in self.auth_methods

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("client_credentials", "refresh_token")


@dataclass
class Session(TokenMixin):
    """A person's consent, to which refresh tokens belong."""

    scope: str = "models"

    def check_client(self, client: App) -> bool:
        return True

    def get_scope(self) -> str:
        return self.scope

    def is_revoked(self) -> bool:
        return False

    def is_expired(self) -> bool:
        return False


class _Request(OAuth2Request):
    def __init__(self, path: str, headers: dict[str, str], form: dict[str, str]) -> None:
        super().__init__("POST", f"https://tokens.example{path}", headers=headers)  # what stands before it ends TLS
        self.payload = BasicOAuth2Payload(form)
        self._form = form

    @property
    def args(self) -> dict[str, str]:
        return {}

    @property
    def form(self) -> dict[str, str]:
        return self._form


class _Refresh(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]
    server: "TokenServer"

    def issue_token(self, user: Any, refresh_token: Session) -> Any:
        self.INCLUDE_NEW_REFRESH_TOKEN = self.server.rotates
        token = super().issue_token(user, refresh_token)
        if "refresh_token" in token:
            self.server.sessions[token["refresh_token"]] = refresh_token
        return token

    def authenticate_refresh_token(self, refresh_token: str) -> Session | None:
        return self.server.sessions.get(refresh_token)

    def authenticate_user(self, refresh_token: Session) -> str:
        return "anna"

    def revoke_old_credential(self, refresh_token: Session) -> None:
        if self.server.rotates:
            self.server.sessions.pop(self.request.form["refresh_token"], None)


class _Client(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class TokenServer(AuthorizationServer):
    """A running server. `requests` holds the forms it was sent, `issued` the access tokens it gave, in order."""

    def __init__(self, *, expires_in: int | None, rotates: bool, secret: str | None, auth: tuple[str, ...]) -> None:
        super().__init__()
        self.expires_in, self.rotates, self.app = expires_in, rotates, App(secret, auth)
        self.sessions: dict[str, Session] = {}
        self.requests: list[dict[str, str]] = []
        self.issued: list[str] = []
        self.url = ""
        self.gate = threading.Event()  # a cleared gate holds every answer back
        self.gate.set()
        self.asked = threading.Event()  # a request has come
        self._wrong: deque[Wrong] = deque()
        self.register_grant(_Refresh)
        self.register_grant(_Client)
        self.register_token_generator(
            "default",
            BearerTokenGenerator(
                lambda **_: f"access-canary-{secrets.token_hex(12)}",
                lambda **_: f"refresh-canary-{secrets.token_hex(12)}",
                lambda client, grant: self.expires_in or 0,
            ),
        )

    @property
    def grants(self) -> list[str]:
        return [form.get("grant_type", "") for form in self.requests]

    def sign_in(self) -> str:
        """A refresh token, as a person's browser would bring one."""
        token = f"refresh-canary-{secrets.token_hex(12)}"
        self.sessions[token] = Session()
        return token

    def will(self, *wrong: Wrong) -> None:
        self._wrong.extend(wrong)

    def answer(self, path: str, headers: dict[str, str], form: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        self.requests.append(form)
        self.asked.set()
        self.gate.wait(60)
        if self._wrong:
            wrong = self._wrong.popleft()
            return wrong.status, wrong.body, wrong.headers
        found: tuple[int, bytes, dict[str, str]] = self.create_token_response(_Request(path, headers, form))
        return found

    # What Authlib asks a framework for.
    def query_client(self, client_id: str) -> App | None:
        return self.app if client_id == CLIENT_ID else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        if self.expires_in is None:
            token.pop("expires_in", None)
        self.issued.append(token["access_token"])

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, bytes, dict[str, str]]:
        return status, json.dumps(body).encode(), dict(headers)


@contextmanager
def token_server(
    *,
    expires_in: int | None = 3600,
    rotates: bool = True,
    secret: str | None = CLIENT_SECRET,
    auth: tuple[str, ...] = ("client_secret_basic",),
) -> Iterator[TokenServer]:
    """A server that gives tokens of `expires_in` seconds (None: it does not say) and, if it `rotates`, each refresh token once."""
    made = TokenServer(expires_in=expires_in, rotates=rotates, secret=secret, auth=auth)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    http.daemon_threads = True
    made.url = f"http://127.0.0.1:{http.server_address[1]}/token"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, name="tokens", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.gate.set()
        http.shutdown()
        http.server_close()
        thread.join(10)


def _handler(server: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            status, body, headers = server.answer(self.path, dict(self.headers), form)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler
