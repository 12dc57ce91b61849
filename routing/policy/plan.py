"""Why a model was chosen, and why each other one was skipped: all of it is here.

Order of precedence: user override → policy (background, the client's models, budgets, what a model cannot do) → the project's route → the
global route → the tier chain → the degradation curve → quota, readiness, cooldown, circuit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from routing.policy import resolve
from routing.policy.availability import Objection, credential_for, refusal
from routing.policy.chain import Hop, chain
from routing.policy.curve import Level, level
from routing.policy.health import Health
from routing.policy.table import LOCAL_ROLE, Model, Route, Table
from routing.terms.candidate import Candidate, Plan, Skipped
from routing.terms.request import Ask
from routing.terms.words import CredentialKind, Role, SkipReason, TaskKind

DEFAULT_COOLDOWN_S = 300.0


@dataclass(frozen=True, slots=True)
class Step:
    """A place in the chain before anything was filtered."""

    model: str
    role: Role
    credential_kind: CredentialKind | None = None  # None: whichever is ready
    is_governed: bool = True  # False: the curve has no say (the user named it)


def plan(table: Table, ask: Ask, health: Health, now: datetime) -> Plan:
    """The candidates in order and every other known model with its reason: the undrawn plan.

    Raises resolve.Unknown or resolve.Ambiguous for an override that names no model, or several.
    """
    return _Planner(table, ask, health, now).plan()


def route_of(table: Table, ask: Ask) -> tuple[Route | None, str]:
    """The route of the ask and where it stands ("project", "global", "default"): the project's before the global one, and in
    each a condition that holds before none."""
    for project in (ask.project, None) if ask.project else (None,):
        for condition in (*sorted(ask.context), ""):
            route = table.routes.get((ask.task_type, project, condition))
            if route is not None:
                return route, "project" if project else "global"
    return None, "default"


class _Planner:
    def __init__(self, table: Table, ask: Ask, health: Health, now: datetime) -> None:
        self.table, self.ask, self.health, self.now = table, ask, health, now
        self.route, self.source = route_of(table, ask)
        task = table.task_types.get(ask.task_type)
        self.kind = task.kind if task else TaskKind.CHAT
        self.level: Level = level(table.curve, health, now)
        self.background = ask.background or (self.route is not None and self.route.background)
        self.candidates: list[Candidate] = []
        self.skipped: dict[str, Skipped] = {}

    def plan(self) -> Plan:
        steps = tuple(self._steps())
        only_first = self.ask.fallback == "none" or (self.route is not None and not self.route.fallback)
        for place, step in enumerate(steps):
            if only_first and place:
                self._skip(step.model, Objection(SkipReason.FALLBACK_OFF, "only the first may be tried"))
            else:
                self._place(step)
        challengers, shares = self._shares()
        return Plan(
            candidates=tuple(self.candidates),
            skipped=tuple(self._all_skipped()),
            reason=self._reason(steps),
            source="override" if self.ask.override else self.source,
            revision=self.table.revision,
            cooldown_s=self.route.cooldown_s if self.route else DEFAULT_COOLDOWN_S,
            primary=self.route.steps[0] if self.route and self.route.steps else None,
            shares=shares,
            challengers=challengers,
            source_route=self.route.name if self.route else "",
        )

    def _steps(self) -> Iterator[Step]:
        """The whole chain as the table has it, before anything is looked at."""
        if self.ask.override:
            yield Step(resolve.model(self.table, self.ask.override), Role.OVERRIDE, is_governed=False)
        route_steps = self.route.steps if self.route else ()
        for key in self._by_author(route_steps):
            is_primary = key == route_steps[0] and not self.ask.override
            kind = self._oauth_first(key) if key == route_steps[0] else None
            yield Step(key, Role.PRIMARY if is_primary else Role.FALLBACK, kind)
        yield from self._tier_steps(route_steps)
        if self.route is not None and self.route.terminal_local:
            for model in self.table.models.values():
                if model.role == LOCAL_ROLE:
                    yield Step(model.key, Role.FALLBACK)

    def _by_author(self, steps: tuple[str, ...]) -> tuple[str, ...]:
        """The steps as they are, or for a review: other providers than the author's first."""
        if self.ask.author is None:
            return steps
        author = self.ask.author.partition(":")[0]
        return tuple(sorted(steps, key=lambda key: key.partition(":")[0] == author))

    def _oauth_first(self, key: str) -> CredentialKind | None:
        """OAuth for a model whose API key is the tier chain's last resort; None where either will do."""
        provider = self.table.providers.get(key.partition(":")[0])
        if self.route is None or not self.route.tier_chain or provider is None:
            return None
        has_oauth = any(each.kind is CredentialKind.OAUTH for each in provider.credentials)
        return CredentialKind.OAUTH if has_oauth else None

    def _tier_steps(self, route_steps: tuple[str, ...]) -> Iterator[Step]:
        origin = route_steps[0] if route_steps else None
        if self.route is None and self.ask.override:
            origin = resolve.model(self.table, self.ask.override)
        if origin is not None and (self.route is None or self.route.tier_chain):
            for hop in self._hops(origin):
                yield Step(hop.model, Role.FALLBACK, hop.credential_kind)

    def _hops(self, origin: str) -> tuple[Hop, ...]:
        if self.route is None:
            return chain(self.table, origin)
        return chain(
            self.table,
            origin,
            rotation=self.route.rotation,
            lower_tier_max_hops=self.route.lower_tier_max_hops,
        )

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
        return self._policy_objection(model) or refusal(
            self.table.providers[model.provider], model, self.health, self.now, step.credential_kind
        )

    def _policy_objection(self, model: Model) -> Objection | None:
        """What speaks against the model whatever its health."""
        ask, provider = self.ask, self.table.providers[model.provider]
        if not (model.enabled and provider.enabled):
            return Objection(SkipReason.DISABLED, "switched off" if model.enabled else "model switched off")
        if model.retire_at is not None and model.retire_at <= self.now.date():
            return Objection(SkipReason.RETIRED, f"retired on {model.retire_at}")
        if model.kind is not self.kind:
            return Objection(SkipReason.WRONG_KIND, f"a model for {model.kind}, not for {self.kind}")
        if self.background and model.interactive_only:
            return Objection(SkipReason.INTERACTIVE_ONLY, "interactive only")
        if ask.allowed_models is not None and model.key not in ask.allowed_models:
            return Objection(SkipReason.NOT_ALLOWED, "not among the client's models")
        if f"provider:{provider.slug}" in self.health.spent:
            return Objection(SkipReason.BUDGET, f"the budget of {provider.slug} is spent")
        if model.lacks & ask.needs:
            return Objection(SkipReason.UNSUPPORTED, f"cannot do: {', '.join(sorted(model.lacks & ask.needs))}")
        if model.context_window is not None and ask.size + (ask.max_tokens or 0) > model.context_window:
            return Objection(SkipReason.WINDOW_TOO_SMALL, f"its window is {model.context_window:,} tokens")
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
        provider = self.table.providers[model.provider]
        credential = credential_for(provider, model, self.health, self.now, step.credential_kind)
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

    def _why(self, step: Step) -> str:
        if step.role is Role.OVERRIDE:
            return f"override: {_slug(step.model)}"
        if self.route is None:
            return f"tier chain → {_slug(step.model)}"
        where = f"project {self.route.project}" if self.source == "project" else "route"
        condition = f" ({self.route.condition})" if self.route.condition else ""
        return f"{where}: {self.ask.task_type}{condition} → {_slug(step.model)}"

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
                yield Skipped(model.provider, model.slug, SkipReason.NOT_IN_ROUTE, "no step of the route")

    def _reason(self, steps: tuple[Step, ...]) -> str:
        """How the first candidate came to be first."""
        if not steps:
            return f"no route for {self.ask.task_type}"
        passed = []
        for step in steps:
            if self.candidates and step.model == self.candidates[0].key:
                break
            if step.model in self.skipped:
                passed.append(f"{_slug(step.model)}: {self.skipped[step.model].detail}")
        why = f" ({'; '.join(passed)})" if passed else ""
        return (self.candidates[0].reason if self.candidates else "nothing to try") + why

    def _shares(self) -> tuple[tuple[Candidate, ...], tuple[tuple[str, float], ...]]:
        """The challengers that may be drawn, and the probability of each and of the primary. () when no draw means anything."""
        first = self.candidates[0] if self.candidates else None
        if first is None or first.role is not Role.PRIMARY:
            return (), ()
        challengers: list[Candidate] = []
        exploration = self.table.explorations.get(self.ask.task_type)
        today = self.now.date()
        # Another route's primary is another incumbent: only the global, unconditional route is compared.
        is_plain = self.source == "global" and self.route is not None and not self.route.condition
        may_explore = is_plain and not self.background and self.ask.author is None
        if exploration and may_explore and exploration.starts_on <= today <= exploration.until:
            challengers = [self._challenger(key) for key in exploration.challengers if self._may_explore(key, first)]
        each = exploration.share / len(exploration.challengers) if exploration and challengers else 0.0
        shares = [(candidate.key, each) for candidate in challengers]
        return tuple(challengers), (*shares, (first.key, 1.0 - each * len(challengers)))

    def _may_explore(self, key: str, primary: Candidate) -> bool:
        step = Step(key, Role.EXPLORE)
        return key != primary.key and not self.level.removes(key) and self._objection(step) is None

    def _challenger(self, key: str) -> Candidate:
        return self._candidate(Step(key, Role.EXPLORE), f"exploration: {self.ask.task_type} → {_slug(key)}")


def _slug(key: str) -> str:
    return key.partition(":")[2]
