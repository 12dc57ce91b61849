"""What to paste into each client so that it speaks to this Cortex: with a Cortex key alone, or with its own provider's credential beside."""

from dataclasses import dataclass
from textwrap import dedent

PLACEHOLDER = "ck_…"  # a key is shown once, where it is made


@dataclass(frozen=True, slots=True)
class Paste:
    where: str  # the file it goes to, or what it is
    text: str


@dataclass(frozen=True, slots=True)
class Way:
    """One way to connect a client."""

    title: str
    pastes: tuple[Paste, ...]


@dataclass(frozen=True, slots=True)
class Guide:
    """One client's card."""

    slug: str
    name: str
    about: str
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What the settings name."""

    url: str
    key: str
    task: str
    claude: str  # a model of Anthropic's, as a client names it
    gpt: str  # a model of OpenAI's

    def text(self, form: str) -> str:
        found = dedent(form).strip()
        for name in ("url", "key", "task", "claude", "gpt"):
            found = found.replace(f"<{name}>", getattr(self, name))
        return found

    def alone(self, *pastes: tuple[str, str]) -> Way:
        return self._way("With a Cortex key alone", pastes)

    def beside(self, *pastes: tuple[str, str]) -> Way:
        return self._way("With your own credential beside it", pastes)

    def _way(self, title: str, pastes: tuple[tuple[str, str], ...]) -> Way:
        return Way(title, tuple(Paste(where, self.text(form)) for where, form in pastes))


def guides(told: Told) -> tuple[Guide, ...]:
    """Every client's settings."""
    return (
        Guide(
            "openai",
            "openai SDK, Python",
            "Chat completions, responses and embeddings, whole and streamed.",
            (told.alone(("Python", _OPENAI)), told.beside(("Python", _OPENAI_BESIDE))),
        ),
        Guide(
            "anthropic",
            "anthropic SDK, Python",
            "Messages, whole and streamed.",
            (told.alone(("Python", _ANTHROPIC)), told.beside(("Python", _ANTHROPIC_BESIDE))),
        ),
        Guide(
            "claude-code",
            "Claude Code",
            "Its session is kept with every call, and one session stays one piece of work. "
            "Beside its own credential it names its own models: any that this Cortex knows, by the vendor's name.",
            (
                told.alone(("shell", _CLAUDE_CODE)),
                told.beside(("shell", _CLAUDE_CODE_BESIDE), ("~/.claude/settings.json", _CLAUDE_SETTINGS)),
            ),
        ),
        Guide(
            "codex",
            "Codex CLI",
            "Over the Responses wire. Its session is kept with every call.",
            (
                told.alone(("~/.codex/config.toml", _CODEX), ("shell", _CODEX_SHELL)),
                told.beside(("~/.codex/config.toml", _CODEX_BESIDE)),
            ),
        ),
        Guide(
            "llm",
            "llm",
            "Simon Willison's command line; the file stands where llm keeps its own: llm logs path says where.",
            (
                told.alone(("extra-openai-models.yaml", _LLM), ("shell", _LLM_SHELL)),
                told.beside(("extra-openai-models.yaml", _LLM_BESIDE)),
            ),
        ),
        Guide(
            "curl",
            "curl",
            "The native API tells every attempt and its price; /v1 answers as the vendor would.",
            (told.alone(("shell", _CURL)), told.beside(("shell", _CURL_BESIDE))),
        ),
        Guide(
            "mcp",
            "MCP",
            "Agents get the tools dispatch, explain_route, status and record_verdict, as far as the key's scopes go.",
            (
                told.alone(
                    ("Claude Code", 'claude mcp add --transport http cortex <url>/mcp --header "X-Cortex-Key: <key>"'),
                    ("~/.codex/config.toml", _CODEX_MCP),
                    ("clients that read JSON", _MCP),
                ),
            ),
        ),
    )  # fmt: skip


_OPENAI = """
    from openai import OpenAI

    client = OpenAI(base_url="<url>/v1", api_key="<key>")
    answer = client.chat.completions.create(
        model="task:<task>",
        messages=[{"role": "user", "content": "Say hello."}],
    )
    print(answer.choices[0].message.content)
"""
_OPENAI_BESIDE = """
    from openai import OpenAI

    # OPENAI_API_KEY stays as it is, and goes to OpenAI alone.
    client = OpenAI(base_url="<url>/v1", default_headers={"X-Cortex-Key": "<key>"})
    answer = client.chat.completions.create(
        model="<gpt>",
        messages=[{"role": "user", "content": "Say hello."}],
    )
    print(answer.choices[0].message.content)
"""
_ANTHROPIC = """
    from anthropic import Anthropic

    client = Anthropic(base_url="<url>", api_key="<key>")
    message = client.messages.create(
        model="task:<task>",
        max_tokens=1000,
        messages=[{"role": "user", "content": "Say hello."}],
    )
    print(message.content[0].text)
"""
_ANTHROPIC_BESIDE = """
    from anthropic import Anthropic

    # ANTHROPIC_API_KEY stays as it is, and goes to Anthropic alone.
    client = Anthropic(base_url="<url>", default_headers={"X-Cortex-Key": "<key>"})
    message = client.messages.create(
        model="<claude>",
        max_tokens=1000,
        messages=[{"role": "user", "content": "Say hello."}],
    )
    print(message.content[0].text)
"""
_CLAUDE_CODE = """
    export ANTHROPIC_BASE_URL=<url>
    export ANTHROPIC_AUTH_TOKEN=<key>
    export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
    claude --model task:<task>
"""
_CLAUDE_CODE_BESIDE = """
    export ANTHROPIC_BASE_URL=<url>
    export ANTHROPIC_CUSTOM_HEADERS="X-Cortex-Key: <key>"
    export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
    claude --model <claude>
"""
_CLAUDE_SETTINGS = """
    {
      "model": "<claude>",
      "env": {
        "ANTHROPIC_BASE_URL": "<url>",
        "ANTHROPIC_CUSTOM_HEADERS": "X-Cortex-Key: <key>",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"
      }
    }
"""
_CODEX = """
    model = "task:<task>"
    model_provider = "cortex"

    [model_providers.cortex]
    name = "Cortex"
    base_url = "<url>/v1"
    env_key = "CORTEX_KEY"
    wire_api = "responses"
"""
_CODEX_SHELL = """
    export CORTEX_KEY=<key>
    codex exec "What does this repository do?"
"""
_CODEX_BESIDE = """
    model = "<gpt>"
    model_provider = "cortex"

    [model_providers.cortex]
    name = "Cortex"
    base_url = "<url>/v1"
    env_key = "OPENAI_API_KEY"
    http_headers = { "X-Cortex-Key" = "<key>" }
    wire_api = "responses"
"""
_LLM = """
    - model_id: cortex
      model_name: task:<task>
      api_base: <url>/v1
      api_key_name: cortex
"""
_LLM_SHELL = """
    llm keys set cortex --value <key>
    llm -m cortex "Say hello."
"""
_LLM_BESIDE = """
    - model_id: cortex-<gpt>
      model_name: <gpt>
      api_base: <url>/v1
      api_key_name: openai
      headers:
        X-Cortex-Key: <key>
"""
_CURL = """
    curl <url>/api/v1/dispatch \\
      -H "X-Cortex-Key: <key>" -H "Content-Type: application/json" \\
      -d '{"task_type": "<task>", "prompt": "Say hello."}'
"""
_CURL_BESIDE = """
    curl <url>/v1/messages \\
      -H "X-Cortex-Key: <key>" -H "Content-Type: application/json" \\
      -H "x-api-key: $ANTHROPIC_API_KEY" -H "anthropic-version: 2023-06-01" \\
      -d '{"model": "<claude>", "max_tokens": 1000, "messages": [{"role": "user", "content": "Say hello."}]}'
"""
# Without `required` it begins its work before it knows the tools.
_CODEX_MCP = """
    [mcp_servers.cortex]
    url = "<url>/mcp"
    bearer_token_env_var = "CORTEX_KEY"
    required = true
"""
_MCP = """
    {
      "mcpServers": {
        "cortex": {
          "type": "http",
          "url": "<url>/mcp",
          "headers": {"X-Cortex-Key": "<key>"}
        }
      }
    }
"""
