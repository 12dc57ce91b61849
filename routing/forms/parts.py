"""The forms of the table's parts, but for routes: what stands in the document, in a person's words."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django import forms

from routing.document.form import Model as ModelPart
from routing.document.form import Options
from routing.forms.fields import CurveSteps, Headers, Windows, Words
from routing.forms.part import PartForm
from routing.models import Provider, Quota, TaskType
from routing.policy.table import TIERS
from routing.terms.words import LabelSource, ProviderKind, SuccessFrom, TaskKind

PRICES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
LACKS = ModelPart.model_fields["lacks"].annotation.__args__[0].__args__  # type: ignore[union-attr]


class Suggest(forms.TextInput):
    """A line of text that offers what is usual; anything else may be typed."""

    def __init__(self, options: Iterable[str]) -> None:
        super().__init__()
        self.options = tuple(options)


class Named(forms.ChoiceField):
    """The slug of one of the rows there are, or none of them."""

    def __init__(self, rows: Any, empty: str = "", **kwargs: Any) -> None:
        self.rows, self.empty = rows, empty
        super().__init__(choices=self.there, **kwargs)

    def there(self) -> list[tuple[str, str]]:
        """Asked for whenever the form is shown."""
        first = [] if self.required and not self.empty else [("", self.empty or "none")]
        return first + [(slug, slug) for slug in self.rows.objects.order_by("slug").values_list("slug", flat=True)]

    def clean(self, value: Any) -> str | None:
        return super().clean(value) or None


def _words(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(each, each.replace("_", " ")) for each in values]


OPTIONS = tuple(Options.model_fields)
YES_NO = [("", "as its kind does"), ("yes", "yes"), ("no", "no")]


class ProviderForm(PartForm):
    section = "providers"
    rare = ("max_concurrency", *(f"option_{name}" for name in OPTIONS), "imported")
    places = {f"options.{name}": f"option_{name}" for name in OPTIONS}

    slug = forms.CharField(max_length=120, help_text="What models are named by: the openai of openai:codex.")
    name = forms.CharField(required=False, max_length=120)
    kind = forms.ChoiceField(label="Speaks", choices=_words(ProviderKind))
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
    grant = forms.ChoiceField(choices=_words(("refresh_token", "client_credentials")), required=False)
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


class ModelForm(PartForm):
    section = "models"
    rare = (
        *("price_cache_write_1h", "next_price_from", *(f"next_price_{name}" for name in PRICES)),
        *("lacks", "max_output_tokens", "deprecated_at", "imported"),
    )
    places = {
        **{f"{which}.{name}": f"{which}_{name}" for which in ("price", "next_price") for name in PRICES},
        "price": "price_input",
        "next_price": "next_price_input",
        "next_price.valid_from": "next_price_from",
    }

    provider = Named(Provider, label="Provider")
    slug = forms.CharField(max_length=120, help_text="What routes call it by. It stays when the vendor's name changes.")
    name = forms.CharField(required=False, max_length=120)
    upstream_id = forms.CharField(
        label="Asked for as",
        max_length=200,
        help_text="The vendor's own name. Another one is another model: its evidence begins anew.",
    )
    enabled = forms.BooleanField(label="Calls may go to it", required=False)
    interactive_only = forms.BooleanField(
        label="Kept for interactive use: background work never gets it", required=False
    )
    role = forms.CharField(required=False, max_length=24, widget=Suggest(("T0", "T1", "T2", "T3", "T4")))
    used_for = forms.CharField(label="When it is used", required=False, max_length=200)
    tier = forms.CharField(required=False, max_length=24, widget=Suggest(TIERS), help_text="Of the fallback chain.")
    tags = Words(help_text="Strengths: reasoning, content, code, cheap, fast.")
    aliases = Words(help_text="Other names it answers to.")
    kind = forms.ChoiceField(choices=_words(TaskKind), initial="chat")
    context_window = forms.IntegerField(label="Window, tokens", required=False, min_value=1, max_value=2_000_000_000)
    quota = Named(Quota, required=False)
    retire_at = forms.DateField(
        label="Retires on", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    price_input = forms.DecimalField(
        label="USD per 1M tokens in",
        required=False,
        min_value=0,
        max_digits=20,
        decimal_places=10,
        help_text="Your own price; empty: genai-prices decides.",
    )
    price_output = forms.DecimalField(
        label="USD per 1M tokens out", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    price_cache_read = forms.DecimalField(
        label="… read from a cache", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    price_cache_write = forms.DecimalField(
        label="… written to a cache", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    price_cache_write_1h = forms.DecimalField(
        label="… written to a cache for an hour", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_from = forms.DateField(
        label="Another price of your own, from",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="It takes the place of the one above on that day.",
    )
    next_price_input = forms.DecimalField(
        label="From then, per 1M tokens in", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_output = forms.DecimalField(
        label="From then, out", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_cache_read = forms.DecimalField(
        label="From then, read from a cache", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_cache_write = forms.DecimalField(
        label="From then, written to a cache", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_cache_write_1h = forms.DecimalField(
        label="From then, written for an hour", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    lacks = forms.MultipleChoiceField(
        label="It cannot do", required=False, choices=_words(LACKS), widget=forms.CheckboxSelectMultiple
    )
    max_output_tokens = forms.IntegerField(
        label="Most tokens out", required=False, min_value=1, max_value=2_000_000_000
    )
    deprecated_at = forms.DateField(
        label="Deprecated since", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    imported = forms.BooleanField(label="Came with an import", required=False)

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        own, coming = part["price"] or {}, part["next_price"] or {}
        prices = {f"price_{name}": own.get(name) for name in PRICES}
        prices |= {f"next_price_{name}": coming.get(name) for name in PRICES}
        return {**part, "quota": part["quota"] or "", **prices, "next_price_from": coming.get("valid_from")}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for which, needed in (("price", ("input", "output")), ("next_price", ("input", "output", "from"))):
            given = [data.get(f"{which}_{name}") for name in (*PRICES, "from")]
            for name in needed if any(value is not None for value in given) else ():
                if data.get(f"{which}_{name}") is None and f"{which}_{name}" not in self.errors:
                    whole = "both, in and out" if which == "price" else "its day and both, in and out"
                    self.add_error(f"{which}_{name}", f"A price of your own needs {whole}.")
        return data

    def said(self, data: dict[str, Any]) -> dict[str, Any]:
        own, coming = ({name: data.pop(f"{which}_{name}") for name in PRICES} for which in ("price", "next_price"))
        valid_from = data.pop("next_price_from")
        days = {name: data[name] and data[name].isoformat() for name in ("retire_at", "deprecated_at")}
        prices = {"price": _price(own), "next_price": None}
        if valid_from is not None:
            prices["next_price"] = {**(_price(coming) or {}), "valid_from": valid_from.isoformat()}
        return {**data, **days, **prices}


def _price(amounts: Mapping[str, Decimal | None]) -> dict[str, str | None] | None:
    """As the document says it; tiers of long contexts are left as they are."""
    if amounts["input"] is None:
        return None
    return {name: None if value is None else format(value, "f") for name, value in amounts.items()}


class QuotaForm(PartForm):
    section = "quotas"

    slug = forms.CharField(max_length=120)
    name = forms.CharField(required=False, max_length=120)
    provider = Named(Provider, required=False, help_text="Whose usage its windows count.")
    windows = Windows(required=False)

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        windows = [{**each, "hours": each["hours"] and f"{each['hours']:g}"} for each in part["windows"]]
        return {**part, "provider": part["provider"] or "", "windows": windows}


class CurveForm(PartForm):
    section = "curves"

    name = forms.CharField(max_length=120)
    active = forms.BooleanField(label="In force (one curve can be)", required=False)
    when_unknown = forms.ChoiceField(
        label="When nobody has said lately how full the windows are",
        choices=[("allow", "stay on the first level, and say so"), ("degrade", "stand on the second level")],
    )
    steps = CurveSteps(required=False)

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {**super().fresh(), "steps": [{"from": "0", "allowed": [], "note": ""}]}

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        return {**part, "steps": [{**step, "from": f"{step['from']:g}"} for step in part["steps"]]}


class ProjectForm(PartForm):
    section = "projects"

    slug = forms.CharField(max_length=120)
    name = forms.CharField(required=False, max_length=120)


class TaskTypeForm(PartForm):
    section = "task_types"
    rare = ("kind", "grading_share", "complete_sources", "auto_rollback", "keep_payloads", "imported")

    slug = forms.CharField(max_length=120, help_text="What callers name. It cannot change later.")
    name = forms.CharField(required=False, max_length=120)
    description = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))
    aliases = Words(help_text="Other names that callers may use.")
    enabled = forms.BooleanField(label="Callers may ask for it", required=False)
    wants = Words(label="Wants models tagged", help_text="A primary without these tags is warned about.")
    success_from = forms.ChoiceField(
        label="A success is",
        choices=[
            (SuccessFrom.LABELS, "what somebody or something judged good"),
            (SuccessFrom.TRANSPORT, "any answer: nobody grades these"),
        ],
    )
    label_sources = Words(
        label="Whose word counts",
        help_text=f"The first that spoke decides. Empty: the usual four. Known: {', '.join(LabelSource)}.",
    )
    label_horizon_days = forms.IntegerField(
        label="Labels may come for, days",
        min_value=0,
        max_value=60,
        help_text="Changing what a success is restarts the evidence.",
    )
    target_success = forms.FloatField(label="Aim, share of successes", required=False, min_value=0, max_value=1)
    margin = forms.FloatField(
        label="Margin, share",
        min_value=0.0001,
        max_value=0.5,
        help_text="How much worse still counts as equal: 0.03 is 3 points.",
    )
    four_eyes = forms.BooleanField(label="Who proposed a change may not approve it", required=False)
    kind = forms.ChoiceField(choices=_words(TaskKind), initial="chat")
    grading_share = forms.FloatField(label="Share drawn for grading", min_value=0, max_value=1)
    complete_sources = Words(
        label="Sources that judge everything", help_text="Their silence is told as missing, not as unknown."
    )
    auto_rollback = forms.BooleanField(label="A guard that fires puts the old route back by itself", required=False)
    keep_payloads = forms.BooleanField(label="Keep prompts and answers, encrypted", required=False)
    imported = forms.BooleanField(label="Came with an import", required=False)


class RuleForm(PartForm):
    section = "rules"

    pattern = forms.CharField(
        label="Words", max_length=200, help_text="Where they stand as whole words in what a caller typed."
    )
    task_type = Named(TaskType, label="Task type")
    position = forms.IntegerField(
        min_value=0, max_value=2_000_000_000, initial=0, help_text="The lowest is looked at first."
    )


FORMS: dict[str, type[PartForm]] = {
    form.section: form
    for form in (
        ProviderForm, CredentialForm, ModelForm, QuotaForm, CurveForm, ProjectForm, TaskTypeForm, RuleForm,
    )
}  # fmt: skip
