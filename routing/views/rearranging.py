"""What the buttons of a list do, without a script: a form comes back with its list in another order, and nothing is published."""

from django.http import QueryDict


def moved(steps: list[str], act: str, key: str) -> list[str]:
    """The chain after "add", "remove", "up" or "down" of one of its models."""
    found = list(steps)
    if act == "add" and key not in found:
        found.append(key)
    elif act != "add" and key in found:
        place = found.index(key)
        found.remove(key)
        if act != "remove":
            found.insert(max(place + (1 if act == "down" else -1), 0), key)
    return found


def rearranged(data: QueryDict) -> QueryDict | None:
    """The form of a quota or a curve after one of the buttons of its lines; None when another button was pressed."""
    changed = data.copy()
    changed["previewed"] = ""
    if data.get("add-line"):
        _add_line(changed, str(data["add-line"]))
    elif data.get("drop-line"):
        _drop_line(changed, *_place(str(data["drop-line"])))
    else:
        act = next((name for name in ("add", "remove", "up", "down") if data.get(name)), None)
        if act is None:
            return None
        # "2:opus": the model at the third step; to add one, the step alone: the model is picked beside the button.
        place, key = _place(str(data[act]))
        key = str(data.get(f"pick-{place}", "")) if act == "add" else key
        name = f"steps-allowed-{place}"
        changed.setlist(name, [each for each in moved(data.getlist(name), act, key) if each])
    return changed


def _place(text: str) -> tuple[int, str]:
    number, _, rest = text.partition(":")
    return (int(number) if number.isascii() and number.isdecimal() and len(number) < 4 else 0), rest


LINES = {
    "windows": ("windows-name", "windows-limit", "windows-unit", "windows-hours"),
    "steps": ("steps-from", "steps-note"),
}


def _add_line(data: QueryDict, name: str) -> None:
    for column in LINES.get(name, ()):
        data.appendlist(column, "")


def _drop_line(data: QueryDict, place: int, name: str) -> None:
    count = 0
    for column in LINES.get(name, ()):
        values = data.getlist(column)
        count = max(count, len(values))
        data.setlist(column, values[:place] + values[place + 1 :])
    if name == "steps":
        models = [data.getlist(f"steps-allowed-{each}") for each in range(count) if each != place]
        for each, allowed in enumerate([*models, []]):
            data.setlist(f"steps-allowed-{each}", allowed)
