"""Rows in the text format of PostgreSQL's COPY, and COPY itself."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

_INT4 = 2**31 - 1
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x00": None})
_WORDS = {None: "\\N", True: "t", False: "f"}


def copy(cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Iterable[Iterable[str]]) -> None:
    """Stream rows of fields, as `field` gives them, into a table."""
    copy_lines(cursor, table, columns, map("\t".join, rows))


def copy_lines(cursor: CursorWrapper, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Stream lines of COPY's own text format into a table."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    lines = iter(lines)
    with connection.wrap_database_errors, cursor.copy(statement) as stream:  # COPY goes past Django's own wrapping
        while part := "\n".join(islice(lines, 2_000)):
            stream.write(f"{part}\n".encode("utf-8", "replace"))


def fields(widths: Mapping[str, int | None], row: Mapping[str, Any]) -> list[str]:
    """A row's fields for the columns of `widths`: text cut to its column's width, whole numbers to what an integer holds.

    Text is cleaned of what PostgreSQL refuses: NUL here, lone surrogates when it is written.
    """
    made = []
    for column, width in widths.items():
        value = row[column]
        if isinstance(value, str):
            if width is not None and len(value) > width:
                value = value[:width]
            made.append(value if value.isprintable() and "\\" not in value else value.translate(_ESCAPES))
        elif value is None or value is True or value is False:
            made.append(_WORDS[value])
        else:
            made.append(str(min(value, _INT4) if isinstance(value, int) else value))
    return made


def as_json(value: Any) -> str:
    """JSON that jsonb takes: no NUL, no lone surrogate."""
    return json.dumps(_clean(value), ensure_ascii=False, separators=(",", ":"))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(part) for key, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list | tuple) else value
