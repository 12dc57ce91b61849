"""Connect: what to paste into each client so that it speaks to this Cortex."""

from dataclasses import dataclass
from textwrap import dedent

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from routing import snapshot
from routing.terms.words import TaskKind
from routing.views.access import page

PLACEHOLDER = "ck_…"  # a key is shown once, where it is made


@dataclass(frozen=True, slots=True)
class Paste:
    where: str  # the file it goes to, or what it is
    text: str


@dataclass(frozen=True, slots=True)
class Guide:
    """One client's card."""

    slug: str
    name: str
    about: str
    pastes: tuple[Paste, ...]


@page()
def connect(request: HttpRequest) -> HttpResponse:
    url = settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
    task = _routed_task()
    context = {"url": url, "task": task, "guides": guides(url, task or "TASK_TYPE")}
    return render(request, "routing/connect.html", context)


def _routed_task() -> str:
    """A task type of this table to show the way with; "" while none has a route."""
    table = snapshot.fresh().table
    chats = (slug for slug, task in table.task_types.items() if task.enabled and task.kind is TaskKind.CHAT)
    return next((slug for slug in chats if (slug, None, "") in table.routes), "")


def guides(url: str, task: str) -> tuple[Guide, ...]:
    """Every client's settings for the Cortex at `url`, naming the task type `task`."""
    return (
        Guide(
            "openai",
            "openai SDK, Python",
            "Chat completions, responses and embeddings, whole and streamed.",
            (_python(_OPENAI, url, task),),
        ),
        Guide("anthropic", "anthropic SDK, Python", "Messages, whole and streamed.", (_python(_ANTHROPIC, url, task),)),
        Guide(
            "claude-code",
            "Claude Code",
            "Its session is kept with every call, and one session stays one piece of work.",
            (
                Paste("shell", _text(_CLAUDE_CODE, url, task)),
                Paste("shell, with your own subscription or API key for Anthropic's models", _text(_CLAUDE_CODE_OWN, url, task)),
            ),
        ),
        Guide(
            "codex",
            "Codex CLI",
            "Over the Responses wire.",
            (
                Paste("~/.codex/config.toml", _text(_CODEX, url, task)),
                Paste("shell", f'export CORTEX_KEY={PLACEHOLDER}\ncodex exec "What does this repository do?"'),
            ),
        ),
        Guide(
            "llm",
            "llm",
            "Simon Willison's command line; the file stands where llm keeps its own.",
            (
                Paste("extra-openai-models.yaml", _text(_LLM, url, task)),
                Paste("shell", f'llm keys set cortex --value {PLACEHOLDER}\nllm -m cortex "Say hello."'),
            ),
        ),
        Guide("curl", "curl", "The native API tells every attempt and its price.", (Paste("shell", _text(_CURL, url, task)),)),
        Guide(
            "mcp",
            "MCP",
            "Agents get the tools dispatch, explain_route, status and record_verdict, as far as the key's scopes go.",
            (
                Paste("Claude Code", f'claude mcp add --transport http cortex {url}/mcp --header "X-Cortex-Key: {PLACEHOLDER}"'),
                Paste("~/.codex/config.toml", _text(_CODEX_MCP, url, task)),
                Paste("clients that read JSON", _text(_MCP, url, task)),
            ),
        ),
    )  # fmt: skip


def _python(form: str, url: str, task: str) -> Paste:
    return Paste("Python", _text(form, url, task))


def _text(form: str, url: str, task: str) -> str:
    return dedent(form).strip().replace("<url>", url).replace("<task>", task).replace("<key>", PLACEHOLDER)


_OPENAI = """
    from openai import OpenAI

    client = OpenAI(base_url="<url>/v1", api_key="<key>")
    answer = client.chat.completions.create(
        model="task:<task>",
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
_CLAUDE_CODE = """
    export ANTHROPIC_BASE_URL=<url>
    export ANTHROPIC_AUTH_TOKEN=<key>
    export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
    claude --model task:<task>
"""
_CLAUDE_CODE_OWN = """
    export ANTHROPIC_BASE_URL=<url>
    export ANTHROPIC_CUSTOM_HEADERS="X-Cortex-Key: <key>"
    export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
    claude --model task:<task>
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
# Without `required` it begins its work before it knows the tools.
_CODEX_MCP = """
    [mcp_servers.cortex]
    url = "<url>/mcp"
    bearer_token_env_var = "CORTEX_KEY"
    required = true
"""
_LLM = """
    - model_id: cortex
      model_name: task:<task>
      api_base: <url>/v1
      api_key_name: cortex
"""
_CURL = """
    curl <url>/api/v1/dispatch \\
      -H "X-Cortex-Key: <key>" -H "Content-Type: application/json" \\
      -d '{"task_type": "<task>", "prompt": "Say hello."}'
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
