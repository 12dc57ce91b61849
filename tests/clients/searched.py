"""Where a text that must be nowhere could be: every file of a folder, and every column of every table."""

from pathlib import Path

from django.db import connection


def found_in_files(text: str, *places: Path) -> list[Path]:
    """The files that hold it."""
    files = [path for place in places for path in ([place] if place.is_file() else place.rglob("*")) if path.is_file()]
    assert files
    return [path for path in files if text.encode() in path.read_bytes()]


def found_in_database(text: str) -> list[str]:
    """The tables whose rows hold it, in whatever type of column: they are read as they are dumped, in their binary form."""
    found = []
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor, include_views=False)
        assert "routing_call" in tables
        for table in tables:
            with cursor.copy(f'COPY (SELECT * FROM "{table}") TO STDOUT (FORMAT binary)') as rows:
                if text.encode() in b"".join(map(bytes, rows)):
                    found.append(table)
    return found
