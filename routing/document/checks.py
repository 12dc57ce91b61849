"""What must hold of the table as a whole. Names are resolved first: a step may say `codex` where only one model is called so."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from routing import upstreams
from routing.credentials import Given
from routing.document.table import Part, Problem, Table, key_of, nearest
from routing.policy.table import TIERS

Where = Callable[[str, str], str]  # (section, key) → the path that the reader knows it by


def model_names(table: Table) -> dict[str, tuple[str, ...]]:
    """Every name of a model → the "provider:model" keys it may mean: the key itself, its slug, its aliases."""
    names: dict[str, set[str]] = {}
    for key, model in table["models"].items():
        for name in (key, model["slug"], *model["aliases"], *(f"{model['provider']}:{a}" for a in model["aliases"])):
            names.setdefault(name, set()).add(key)
    return {name: (name,) if name in keys else tuple(sorted(keys)) for name, keys in names.items()}


def task_names(table: Table) -> dict[str, str]:
    """Every name of a task type → its slug; a slug wins over an alias."""
    names = {alias: slug for slug, task in table["task_types"].items() for alias in task["aliases"]}
    return names | {slug: slug for slug in table["task_types"]}


def resolve(table: Table, where: Where) -> list[Problem]:
    """Replace, in place, every name of a model in routes and explorations by its key. What names none, or several, is a problem."""
    names, problems = model_names(table), []
    for section, field in (("routes", "steps"), ("explorations", "challengers")):
        for key, part in table[section].items():
            for position, name in enumerate(part[field]):
                meant = names.get(name, ())
                if len(meant) == 1:
                    part[field][position] = meant[0]
                    continue
                path = f"{where(section, key)}.{field}[{position}]"
                problems.append(Problem(path, _not_one(name, meant, names), "" if meant else name))
    return problems


def _not_one(name: str, meant: tuple[str, ...], names: Mapping[str, object]) -> str:
    if meant:
        return f"model '{name}' may be {' or '.join(meant)}; say which"
    known = [other for other in names if (":" in other) == (":" in name)]
    return f"no model '{name}'{nearest(name, known)}"


def names_in(raw: object) -> set[str]:
    """The names that the parts of a file give themselves, however broken the rest of them is."""
    names: set[str] = set()
    for parts in raw.values() if isinstance(raw, Mapping) else ():
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, Mapping):
                slug, aliases = part.get("slug"), part.get("aliases")
                own = [str(slug), *map(str, aliases if isinstance(aliases, list) else ())]
                names.update(own, (f"{part.get('provider')}:{name}" for name in own))
    return names


def check(table: Table, where: Where) -> list[Problem]:
    """Every problem of the table, by section. Steps must be resolved."""
    rules = (
        _providers,
        _credentials,
        _models,
        _curves,
        _task_types,
        _rules,
        _routes,
        _budgets,
        _explorations,
    )
    return [problem for rule in rules for problem in rule(table, where)]


def _known(table: Table, section: str, what: str, name: str | None, path: str) -> Iterator[Problem]:
    if name is not None and name not in table[section]:
        yield Problem(path, f"no {what} '{name}'{nearest(name, table[section])}", name)


def _providers(table: Table, where: Where) -> Iterator[Problem]:
    for key, part in table["providers"].items():
        path = where("providers", key)
        yield from _rotation(table, part["rotation"], f"{path}.rotation")
        if key in part["rotation"]:
            position = part["rotation"].index(key)
            yield Problem(f"{path}.rotation[{position}]", f"'{key}' itself: its tier chain would come back to it")
        if part["base_url"]:
            refused = upstreams.refusal(part["base_url"])
            if refused:
                yield Problem(f"{path}.base_url", refused)
        elif part["kind"] == "openai_compatible" and part["enabled"]:
            yield Problem(f"{path}.base_url", "an openai_compatible provider needs one before it can be enabled")


def _credentials(table: Table, where: Where) -> Iterator[Problem]:
    for key, part in table["credentials"].items():
        path = where("credentials", key)
        yield from _known(table, "providers", "provider", part["provider"], f"{path}.provider")
        if part["kind"] == "oauth" and not part["oauth"]:
            yield Problem(f"{path}.oauth", "missing: an oauth credential needs its token_url and client_id")
        if part["oauth"] and (refused := upstreams.refusal(part["oauth"]["token_url"])):
            yield Problem(f"{path}.oauth.token_url", refused)


def misplaced(table: Table, secrets: Mapping[tuple[str, str], Given], where: Where) -> Iterator[Problem]:
    """Secrets of a client that the credential has none for."""
    for (provider, name), given in secrets.items():
        key = key_of("credentials", {"provider": provider, "name": name})
        part = table["credentials"].get(key)
        if given.client_secret and part and part["kind"] != "oauth":
            yield Problem(
                f"{where('credentials', key)}.client_secret", "only an oauth credential has one; use `secret`"
            )


def _models(table: Table, where: Where) -> Iterator[Problem]:
    for key, part in table["models"].items():
        path = where("models", key)
        yield from _known(table, "providers", "provider", part["provider"], f"{path}.provider")
        yield from _known(table, "quotas", "quota", part["quota"], f"{path}.quota")
        if part["tier"] and part["tier"] not in TIERS:
            yield Problem(f"{path}.tier", f"no tier '{part['tier']}': {', '.join(TIERS)}, or empty for none")
        yield from _tiers(part, path)
        if part["deprecated_at"] and part["retire_at"] and part["retire_at"] < part["deprecated_at"]:
            yield Problem(f"{path}.retire_at", "lies before deprecated_at")
    taken = Counter(
        (part["provider"], name) for part in table["models"].values() for name in {part["slug"], *part["aliases"]}
    )
    for key, part in table["models"].items():
        for position, alias in enumerate(part["aliases"]):
            if taken[part["provider"], alias] > 1 or (alias in table["models"] and alias != key):
                yield Problem(f"{where('models', key)}.aliases[{position}]", f"'{alias}' names another model already")
            elif mutual := _points_back(table, part, alias):
                told = (
                    f"'{mutual}' has '{part['slug']}' as an alias: the two point at each other; take one of them away"
                )
                yield Problem(f"{where('models', key)}.aliases[{position}]", told)
    for key, part in table["quotas"].items():
        path = f"{where('quotas', key)}.provider"
        yield from _known(table, "providers", "provider", part["provider"], path)


def _tiers(part: Part, path: str) -> Iterator[Problem]:
    for name in ("price", "next_price"):
        price = part[name] or {"tiers": [], "service_tiers": {}}
        lists = {f"{name}.tiers": price["tiers"]} | {
            f"{name}.service_tiers.{word}.tiers": own["tiers"] for word, own in price["service_tiers"].items()
        }
        for place, tiers in lists.items():
            bounds = [tier["above"] for tier in tiers]
            if bounds != sorted(set(bounds)):
                yield Problem(f"{path}.{place}", "must have growing bounds, each once")


def _points_back(table: Table, part: Part, alias: str) -> str | None:
    """The model elsewhere that bears the alias as its slug, and the part's slug as an alias."""
    return next(
        (
            key
            for key, other in table["models"].items()
            if other["slug"] == alias and other is not part and part["slug"] in other["aliases"]
        ),
        None,
    )


def _curves(table: Table, where: Where) -> Iterator[Problem]:
    names = model_names(table)
    for key, part in table["curves"].items():
        path, bounds = where("curves", key), [step["from"] for step in part["steps"]]
        if not bounds or bounds[0] != 0:
            yield Problem(f"{path}.steps", "must begin with a step from 0")
        if bounds != sorted(set(bounds)):
            yield Problem(f"{path}.steps", "must have growing bounds, each once")
        for index, step in enumerate(part["steps"]):
            if not step["allowed"]:
                yield Problem(
                    f"{path}.steps[{index}].allowed", "leaves no model: name at least one, the cheapest or a local"
                )
            for position, name in enumerate(step["allowed"]):
                if name not in names:
                    place = f"{path}.steps[{index}].allowed[{position}]"
                    yield Problem(place, f"no model '{name}'{nearest(name, names)}", name)
    if sum(part["active"] for part in table["curves"].values()) > 1:
        yield Problem("curves", "only one curve can be active")


def _task_types(table: Table, where: Where) -> Iterator[Problem]:
    taken = Counter(name for part in table["task_types"].values() for name in {part["slug"], *part["aliases"]})
    for key, part in table["task_types"].items():
        for position, alias in enumerate(part["aliases"]):
            if taken[alias] > 1:
                path = f"{where('task_types', key)}.aliases[{position}]"
                yield Problem(path, f"'{alias}' names another task type already")


def _rules(table: Table, where: Where) -> Iterator[Problem]:
    for key, part in table["rules"].items():
        yield from _known(table, "task_types", "task type", part["task_type"], f"{where('rules', key)}.task_type")


def _routes(table: Table, where: Where) -> Iterator[Problem]:
    for key, part in table["routes"].items():
        path = where("routes", key)
        yield from _known(table, "task_types", "task type", part["task_type"], f"{path}.task_type")
        yield from _known(table, "projects", "project", part["project"], f"{path}.project")
        if not part["steps"]:
            yield Problem(f"{path}.steps", "a route needs at least one step; its tier chain begins at the first")
        yield from _rotation(table, part["rotation"], f"{path}.rotation")
        yield from _steps(table, part, part["steps"], f"{path}.steps")
        yield from _tier_chain(table, part, f"{path}.tier_chain")


def _rotation(table: Table, names: list[str], path: str) -> Iterator[Problem]:
    for position, other in enumerate(names):
        yield from _known(table, "providers", "provider", other, f"{path}[{position}]")
        if other in names[:position]:
            yield Problem(f"{path}[{position}]", f"'{other}' stands earlier in the rotation")


def _tier_chain(table: Table, part: Part, path: str) -> Iterator[Problem]:
    """A tier chain that could never hop anywhere."""
    first = table["models"].get(part["steps"][0]) if part["tier_chain"] and part["steps"] else None
    provider = table["providers"].get(first["provider"]) if first else None
    if first is None or provider is None:
        return
    if not first["tier"]:
        yield Problem(path, f"'{part['steps'][0]}' has no tier to hop within: give it one of {', '.join(TIERS)}")
    elif not (part["rotation"] or provider["rotation"]):
        yield Problem(path, f"'{first['provider']}' has no rotation to hop along: name the providers in `rotation`")
    elif first["tier"] in TIERS:
        tiers = TIERS[TIERS.index(first["tier"]) :][:2]
        if not any(each["tier"] in tiers for each in table["models"].values() if each is not first):
            named = " nor ".join(f"'{tier}'" for tier in tiers)
            yield Problem(path, f"no other model is of tier {named}: there is nothing to hop to")


def _steps(table: Table, part: Part, names: list[str], path: str) -> Iterator[Problem]:
    task = table["task_types"].get(part["task_type"])
    for position, name in enumerate(names):
        model = table["models"].get(name)
        if name in names[:position]:
            yield Problem(f"{path}[{position}]", f"'{name}' stands earlier in the chain")
        elif model and task and model["kind"] != task["kind"]:
            article = {"chat": "a chat", "embedding": "an embedding"}
            message = (
                f"'{name}' is {article[model['kind']]} model, '{task['slug']}' is {article[task['kind']]} task type"
            )
            yield Problem(f"{path}[{position}]", message)


def _budgets(table: Table, where: Where) -> Iterator[Problem]:
    sections = {"provider": "providers", "project": "projects", "task": "task_types"}
    for key, part in table["budgets"].items():
        kind, _, name = part["scope"].partition(":")
        if kind in sections:
            what = "task type" if kind == "task" else kind
            yield from _known(table, sections[kind], what, name, f"{where('budgets', key)}.scope")


def _explorations(table: Table, where: Where) -> Iterator[Problem]:
    for key, part in table["explorations"].items():
        path = where("explorations", key)
        yield from _known(table, "task_types", "task type", part["task_type"], f"{path}.task_type")
        yield from _steps(table, part, part["challengers"], f"{path}.challengers")
        route = table["routes"].get(part["task_type"])
        if route and route["steps"] and route["steps"][0] in part["challengers"]:
            yield Problem(f"{path}.challengers", f"'{route['steps'][0]}' is the primary already")
