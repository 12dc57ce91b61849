"""Why a model was chosen, and why each other one was skipped: all of it is here.

Order of precedence: user override → policy (background, the client's models, budgets, what a model cannot do, who keeps the answer that the
call goes on from) → the model that the session began with → the project's route → the global route → the tier chain → the degradation
curve → quota, readiness, cooldown, circuit. What a filter removes is skipped with its reason, a part of a sentence about the model:
"anthropic/opus" "cooling down until 14:05".
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from routing.policy import pins, resolve
from routing.policy.availability import Objection, callers_refusal, credential_for, refusal
from routing.policy.curve import Level, level
from routing.policy.health import Health
from routing.policy.steps import Step, by_author, explored, route_of, steps
from routing.policy.table import Credential, Model, Provider, Table
from routing.policy.thrift import MOST, thrift
from routing.policy.warnings import endings, unheard, warnings
from routing.terms.candidate import Candidate, Plan, Skipped, Warning
from routing.terms.raw import speaks
from routing.terms.request import Ask
from routing.terms.words import CredentialKind, Role, SkipReason, TaskKind

__all__ = ["plan", "route_of"]

_Shares = tuple[tuple[str, float], ...]

DEFAULT_COOLDOWN_S = 300.0
_NAMED = (Role.OVERRIDE, Role.OBSERVED)  # the caller has said the model, by wish or by habit


def plan(table: Table, ask: Ask, health: Health, now: datetime) -> Plan:
    """The candidates in order and every other known model with its reason: the undrawn plan.

    Raises resolve.Unknown or resolve.Ambiguous for an override that names no model, or several.
    """
    return _Planner(table, ask, health, now).plan()


class _Planner:
    def __init__(self, table: Table, ask: Ask, health: Health, now: datetime) -> None:
        if ask.is_observed and ask.override and ask.override not in table.models:
            table = table.with_unlisted(ask.override)
        self.table, self.ask, self.health, self.now = table, ask, health, now
        self.route, self.source = route_of(table, ask)
        task = table.task_types.get(ask.task_type)
        self.kind = task.kind if task else TaskKind.CHAT
        self.level: Level = level(table.curve, health, now)
        self.background = ask.background or (self.route is not None and self.route.background)
        payers = ask.scopes | {f"task:{ask.task_type}", f"project:{ask.project}"}
        self.spent = sorted(payers & health.spent)
        self.override = resolve.model(table, ask.override) if ask.override else None
        self.thrift = thrift(table, ask, health, self.route, self.override)
        self.pin = pins.in_force(table, ask, now)
        self._keeper: Step | None = None
        self.candidates: list[Candidate] = []
        self.skipped: dict[str, Skipped] = {}

    def plan(self) -> Plan:
        replaced = self._replaces()
        chain = tuple(self._steps(replaced=replaced))
        self._place_all(chain)
        if not self.candidates and any(self.thrift.removes(step.model) for step in chain):
            self._place_cheaper(chain)
        if replaced and self.route is not None:
            words = f"replaced by the override {_slug(self.override or '')}"
            self._skip(self.route.steps[0], Objection(SkipReason.OVERRIDDEN, words))
        challengers, stretches, shares = self._shares()
        return Plan(
            candidates=tuple(self.candidates),
            skipped=tuple(self._all_skipped()),
            reason=self._reason(chain),
            source="override" if self.candidates and self.candidates[0].role in _NAMED else self.source,
            revision=self.table.revision,
            cooldown_s=self.route.cooldown_s if self.route else DEFAULT_COOLDOWN_S,
            primary=self.route.steps[0] if self.route and self.route.steps else None,
            shares=shares,
            challengers=challengers,
            stretches=stretches,
            source_route=self.route.name if self.route else "",
            warnings=tuple(self._warnings()),
        )

    def _place_all(self, chain: tuple[Step, ...]) -> None:
        only_first = self._only_first()
        for place, step in enumerate(chain):
            if only_first and place and step != self._keeper:
                self._skip(step.model, Objection(SkipReason.FALLBACK_OFF, only_first))
            else:
                self._place(step)

    def _place_cheaper(self, chain: tuple[Step, ...]) -> None:
        """The reached budget has left nobody: what is cheaper takes the place; where nothing cheaper can be called, all stays as it was."""
        removed = next(step.model for step in chain if self.thrift.removes(step.model))
        for key in self.thrift.instead():
            step = Step(key, Role.FALLBACK)
            if not self.level.removes(key) and self._objection(step) is None:
                self._add(step, f"{_slug(key)} in the place of {_slug(removed)}")
            if len(self.candidates) == (1 if self._only_first() else MOST):
                return
        if not self.candidates:
            self.thrift.is_off, self.skipped = True, {}
            self._place_all(chain)

    def _steps(self, *, replaced: bool) -> Iterator[Step]:
        """The chain; where nobody in it is of the provider that keeps the answer, the model that wrote it."""
        chain = tuple(steps(self.table, self.ask, self.route, self.override, replaced=replaced, pin=self.pin))
        yield from chain
        kept = self.ask.kept
        if kept is not None and not any(step.model.partition(":")[0] == kept.provider for step in chain):
            self._keeper = Step(kept.key, Role.FALLBACK, is_governed=False)
            yield self._keeper

    def _replaces(self) -> bool:
        """Whether the override takes the primary's place: it can be called, and is no step of the route itself, which only comes first then."""
        if self.override is None or self.route is None or self.override in self.route.steps:
            return False
        return bool(self.route.steps) and self._objection(Step(self.override, Role.OVERRIDE)) is None

    def _only_first(self) -> str:
        """Why nothing but the first step may be tried; "" where the others follow."""
        if self.ask.fallback == "none":
            return "not tried: the caller wants no fallback"
        return "not tried: the route's fallback is off" if self.route is not None and not self.route.fallback else ""

    def _warnings(self) -> Iterator[Warning]:
        today = self.now.date()
        if self.override is not None and (self.route is None or self.override not in self.route.steps):
            named = self.table.models.get(self.override)
            yield from endings(self.table, [named] if named else [], today)
        if self.route is not None:
            yield from warnings(self.table, self.route, today)
        if self.ask.context:
            yield from unheard(self.table, self.ask.task_type, self.ask.context)

    def _place(self, step: Step) -> None:
        """Make the step a candidate, or say why not; what the curve removes, the first ready model of the curve replaces."""
        if step.is_governed and self.level.removes(step.model):
            self._skip(step.model, Objection(SkipReason.DEGRADED, self.level.words))
            for key in self.level.allowed:
                replacement = Step(key, Role.FALLBACK)
                if not self._is_candidate(replacement) and self._objection(replacement) is None:
                    self._add(replacement, f"degraded: {_slug(step.model)} is {self.level.words}")
                    return
            return
        objection = self._objection(step)
        if objection is None:
            self._add(step)
        else:
            self._skip(step.model, objection)

    def _objection(self, step: Step) -> Objection | None:
        model = self.table.models.get(step.model)
        if model is None:
            return Objection(SkipReason.DISABLED, "no such model")
        objection = self._policy_objection(model)
        if objection is not None:
            return objection
        provider, zone = self._provider(model), self.table.zone
        if self._is_brought(provider, step):
            return callers_refusal(provider, model, self.health, self.now, self.ask.brings, zone)
        return refusal(provider, model, self.health, self.now, step.credential_kind, zone)

    def _is_brought(self, provider: Provider, step: Step) -> bool:
        """Whether the client's own credential is the one to call the provider with."""
        ask = self.ask
        is_meant = bool(ask.brings) and provider.takes_callers and step.credential_kind is None
        if ask.kept is not None and ask.kept.credential != ask.brings:
            return False
        return is_meant and speaks(provider.spoken_kind, ask.wire)

    def _policy_objection(self, model: Model) -> Objection | None:
        """What speaks against the model whatever its health."""
        ask, provider = self.ask, self.table.providers[model.provider]
        if not (model.enabled and provider.enabled):
            return Objection(
                SkipReason.DISABLED, f"switched off with {provider.slug}" if model.enabled else "switched off"
            )
        if model.retire_at is not None and model.retire_at <= self.now.date():
            return Objection(SkipReason.RETIRED, f"retired on {model.retire_at}")
        if model.kind is not self.kind:
            return Objection(SkipReason.WRONG_KIND, f"made for {model.kind}, not for {self.kind}")
        if self.background and model.interactive_only:
            return Objection(SkipReason.INTERACTIVE_ONLY, "interactive only")
        if ask.allowed_models is not None and model.key not in ask.allowed_models:
            return Objection(SkipReason.NOT_ALLOWED, "not among the client's models")
        if self.spent or f"provider:{provider.slug}" in self.health.spent:
            payer = self.spent[0] if self.spent else f"provider:{provider.slug}"
            return Objection(SkipReason.BUDGET, f"stopped by the budget of {payer}, which is spent")
        if dear := self.thrift.removes(model.key):
            return Objection(SkipReason.DEGRADED, dear)
        if model.lacks & ask.needs:
            return Objection(SkipReason.UNSUPPORTED, f"cannot do: {', '.join(sorted(model.lacks & ask.needs))}")
        if ask.kept is not None and ask.kept.provider != provider.slug:
            return Objection(SkipReason.UNSUPPORTED, f"does not have the stored response: {ask.kept.provider} has it")
        if (
            ask.kept is not None
            and ask.kept.credential_kind is CredentialKind.CALLER
            and ask.kept.credential != ask.brings
        ):
            words = "has the stored response for the client's own credential, which did not come with this call"
            return Objection(SkipReason.NOT_READY, words)
        if ask.bound and not speaks(provider.spoken_kind, ask.wire):
            return Objection(SkipReason.UNSUPPORTED, f"cannot carry: {', '.join(sorted(ask.bound))}")
        if model.context_window is not None and ask.size + (ask.max_tokens or 0) > model.context_window:
            return Objection(SkipReason.WINDOW_TOO_SMALL, f"has a window of {model.context_window:,} tokens")
        if model.key == ask.author:
            return Objection(SkipReason.SAME_AS_AUTHOR, "wrote what is to be reviewed")
        return None

    def _is_candidate(self, step: Step) -> bool:
        """Whether the model is among the candidates already; a hop that names a credential's kind, with that kind."""
        return any(
            each.key == step.model and (step.credential_kind in (None, each.credential_kind) or each.credential is None)
            for each in self.candidates
        )

    def _add(self, step: Step, why: str = "") -> None:
        if self._is_candidate(step):
            return
        self.candidates.append(self._candidate(step, why or self._why(step)))
        self.skipped.pop(step.model, None)

    def _candidate(self, step: Step, why: str) -> Candidate:
        model = self.table.models[step.model]
        provider = self._provider(model)
        credential = credential_for(provider, model, self.health, self.now, step.credential_kind)
        if self._is_brought(provider, step):
            credential = Credential(self.ask.brings, CredentialKind.CALLER)
        return Candidate(
            provider=model.provider,
            model=model.slug,
            upstream_id=model.upstream_id,
            kind=provider.spoken_kind,
            credential=credential.name if credential else None,
            credential_kind=credential.kind if credential else CredentialKind.NONE,
            role=step.role,
            reason=why,
        )

    def _provider(self, model: Model) -> Provider:
        """The model's provider; of one that keeps an answer, as the credential sees it that the answer was given to."""
        provider, kept = self.table.providers[model.provider], self.ask.kept
        if kept is None or kept.provider != provider.slug:
            return provider
        return replace(
            provider, credentials=tuple(each for each in provider.credentials if each.name == kept.credential)
        )

    def _why(self, step: Step) -> str:
        if step == self._keeper:
            return f"{_slug(step.model)} has the stored response"
        if step.role is Role.OVERRIDE:
            return f"override: {_slug(step.model)}"
        if step.role is Role.OBSERVED:
            return f"observed: {_slug(step.model)}, as the client asked"
        if self.pin is not None and step == Step(self.pin.model, self.pin.role):
            return f"session began with {_slug(step.model)}"
        if self.route is None:
            return f"tier chain → {_slug(step.model)}"
        where = f"project {self.route.project}" if self.source == "project" else "route"
        condition = f" ({self.route.condition})" if self.route.condition else ""
        return f"{where}: {self.ask.task_type}{condition} → {_slug(step.model)}{self._opposite(step)}"

    def _opposite(self, step: Step) -> str:
        """Said of a step that stands first because the author is of the primary's provider."""
        author, steps = (self.ask.author or "").partition(":")[0], self.route.steps if self.route else ()
        moved = author and by_author(steps, self.ask.author)[:1] == (step.model,) != steps[:1]
        return f" (the author is of {author})" if moved else ""

    def _skip(self, key: str, objection: Objection) -> None:
        if key in self.skipped or any(each.key == key for each in self.candidates):
            return
        provider, _, model = key.partition(":")
        self.skipped[key] = Skipped(provider, model, objection.reason, objection.detail, objection.until)

    def _all_skipped(self) -> Iterator[Skipped]:
        yield from self.skipped.values()
        named = {*self.skipped, *(each.key for each in self.candidates)}
        for key, model in self.table.models.items():
            if key not in named:
                yield Skipped(model.provider, model.slug, SkipReason.NOT_IN_ROUTE, "not in the route")

    def _reason(self, chain: tuple[Step, ...]) -> str:
        """How the first candidate came to be first."""
        if not chain:
            return f"no route for {self.ask.task_type}"
        passed = []
        for step in chain:
            if self.candidates and step.model == self.candidates[0].key:
                break
            if step.model in self.skipped:
                passed.append(f"{_slug(step.model)}: {self.skipped[step.model].detail}")
        why = f" ({'; '.join(passed)})" if passed else ""
        return (self.candidates[0].reason if self.candidates else "nothing to try") + why

    def _shares(self) -> tuple[tuple[Candidate, ...], _Shares, _Shares]:
        """The challengers that may be drawn, the stretches of the draw, and the probability of each and of the primary.

        All of them () when no draw means anything.
        """
        first = self.candidates[0] if self.candidates else None
        if first is None or first.role is not Role.PRIMARY or self.pin is not None:
            return (), (), ()
        may_explore = not self.background and self.ask.author is None
        exploration = explored(self.table, self.ask.task_type, self.route, self.now.date()) if may_explore else None
        of = exploration.challengers if exploration else ()
        challengers = {key: self._challenger(key) for key in of if self._may_explore(key, first)}
        each = exploration.share / len(of) if exploration and challengers else 0.0
        left = (first.key, 1.0 - each * len(challengers))
        stretches = [(key if key in challengers else first.key, each) for key in of] if challengers else []
        shares = [(key, each) for key in challengers]
        return tuple(challengers.values()), (*stretches, (first.key, 1.0 - each * len(stretches))), (*shares, left)

    def _may_explore(self, key: str, primary: Candidate) -> bool:
        step = Step(key, Role.EXPLORE)
        return key != primary.key and not self.level.removes(key) and self._objection(step) is None

    def _challenger(self, key: str) -> Candidate:
        return self._candidate(Step(key, Role.EXPLORE), f"exploration: {self.ask.task_type} → {_slug(key)}")


def _slug(key: str) -> str:
    return key.partition(":")[2]
