"""The forms of a provider and of the ways into it."""

from collections.abc import Mapping
from typing import Any

from django import forms

from routing.document.form import Options
from routing.forms.fields import Headers, Named, Words, words
from routing.forms.part import PartForm
from routing.models import Provider
from routing.terms.words import ProviderKind

OPTIONS = tuple(Options.model_fields)
YES_NO = [("", "as its kind does"), ("yes", "yes"), ("no", "no")]


class ProviderForm(PartForm):
    section = "providers"
    rare = ("max_concurrency", "max_waiting", *(f"option_{name}" for name in OPTIONS), "imported")
    places = {f"options.{name}": f"option_{name}" for name in OPTIONS}

    slug = forms.CharField(max_length=120, help_text="What models are named by: the openai of openai:codex.")
    name = forms.CharField(required=False, max_length=120)
    kind = forms.ChoiceField(label="Speaks", choices=words(ProviderKind))
    base_url = forms.CharField(
        label="Address",
        required=False,
        max_length=500,
        help_text="Empty: the vendor's own. A stored secret never follows to another address: it is forgotten.",
    )
    enabled = forms.BooleanField(label="Calls may go there", required=False)
    rotation = Words(help_text="Other providers, in the order in which the tier chain asks them.")
    max_concurrency = forms.IntegerField(
        label="Calls at a time, per process", min_value=1, max_value=10_000, initial=64
    )
    max_waiting = forms.IntegerField(
        label="Calls that may wait for a place",
        required=False,
        min_value=0,
        max_value=10_000,
        help_text="Empty: as many as may be on their way. The next goes to another model, or is told to come back.",
    )
    option_headers = Headers(
        label="Headers of every request", help_text="A line each, Name: value. Never a credential."
    )
    option_max_tokens_field = forms.ChoiceField(
        label="Limits the answer by",
        required=False,
        choices=[
            ("", "what its kind says"),
            ("max_tokens", "max_tokens"),
            ("max_completion_tokens", "max_completion_tokens"),
        ],
    )
    option_max_tokens = forms.IntegerField(label="Most tokens, where a call names none", required=False, min_value=1)
    option_reasoning = forms.ChoiceField(label="Its models take a reasoning effort", required=False, choices=YES_NO)
    option_stream_usage = forms.ChoiceField(label="Tells the usage of a stream", required=False, choices=YES_NO)
    option_thinking = forms.ChoiceField(
        label="Thinks",
        required=False,
        choices=[("", "as the model does"), ("adaptive", "adaptively"), ("budget", "by a budget")],
    )
    option_seed = forms.IntegerField(label="Seed of simulated answers", required=False, min_value=0)
    option_latency_scale = forms.FloatField(
        label="Simulated answers take", required=False, min_value=0, max_value=100, help_text="1: as long as real ones."
    )
    imported = forms.BooleanField(label="Came with an import", required=False)

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        options = Options.model_validate(part["options"]).model_dump()
        words = {True: "yes", False: "no"}
        told = {
            f"option_{name}": words.get(value, value) if isinstance(value, bool) else value
            for name, value in options.items()
        }
        return {**part, **told, "base_url": part["base_url"] or ""}

    def said(self, data: dict[str, Any]) -> dict[str, Any]:
        options = {name: data.pop(f"option_{name}") for name in OPTIONS}
        for name in ("reasoning", "stream_usage"):
            options[name] = {"yes": True, "no": False}.get(options[name])
        plain = {name: None if value == "" else value for name, value in options.items()}
        return {**data, "options": plain, "base_url": data["base_url"].strip() or None}


OAUTH = ("token_url", "client_id", "grant", "scope", "audience", "client_auth")


class CredentialForm(PartForm):
    """A way in. Its secret is stored by another form: it is no part of the table, and no revision holds it."""

    section = "credentials"
    rare = ("priority",)
    places = {f"oauth.{name}": name for name in OAUTH} | {"oauth": "token_url"}

    provider = Named(Provider, label="Provider")
    name = forms.CharField(max_length=120, initial="main")
    kind = forms.ChoiceField(choices=[("api_key", "API key"), ("oauth", "OAuth 2.0")])
    token_url = forms.CharField(label="Token address", required=False, max_length=500, help_text="OAuth only.")
    client_id = forms.CharField(label="Client ID", required=False, max_length=200)
    grant = forms.ChoiceField(choices=words(("refresh_token", "client_credentials")), required=False)
    scope = forms.CharField(required=False, max_length=200)
    audience = forms.CharField(required=False, max_length=200)
    client_auth = forms.ChoiceField(
        label="Shows its client secret", choices=[("basic", "in a header"), ("post", "in the body")], required=False
    )
    priority = forms.IntegerField(min_value=0, max_value=1000, initial=0, help_text="The lowest is tried first.")

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        return {**part, **(part["oauth"] or {"grant": "refresh_token", "client_auth": "basic"})}

    def said(self, data: dict[str, Any]) -> dict[str, Any]:
        oauth = {name: data[name] for name in OAUTH}
        oauth |= {"grant": data["grant"] or "refresh_token", "client_auth": data["client_auth"] or "basic"}
        plain = {name: value for name, value in data.items() if name not in OAUTH}
        return {**plain, "oauth": oauth if data["kind"] == "oauth" else None}
