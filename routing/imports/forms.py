"""A file as lines of cells: CSV, NDJSON or a Markdown log, plain or gzipped, read as a stream."""

import csv
import difflib
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import IO, Any, Protocol

from routing.imports import markdown
from routing.imports.columns import ALL, COLUMNS, BadLine, BadValue, Cells, Refused

FORMS = ("csv", "ndjson", "markdown")
SUFFIXES = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".md": "markdown", ".markdown": "markdown"}
LONGEST_LINE = 65_536
_FORMULA = re.compile(r"'+[=+\-@\t\r]")
Lines = Iterator[tuple[int, Cells | BadLine]]


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Source(io.RawIOBase):
    """The bytes of a file, hashed and counted on their way. Raises Refused beyond `limit_bytes`, and for a broken gzip."""

    def __init__(self, raw: Readable, limit_bytes: int) -> None:
        self._raw, self._limit, self.count, self.sha256 = raw, limit_bytes, 0, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            part = self._raw.read(len(buffer))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Refused(f"The gzip file is broken: {error}.") from error
        self.count += len(part)
        if self.count > self._limit:
            raise Refused(f"The file is larger than {self._limit:,} bytes: split it.")
        self.sha256.update(part)
        buffer[: len(part)] = part
        return len(part)


def opened(raw: Readable, limit_bytes: int) -> tuple[Source, "io.BufferedReader[Source]"]:
    """The file to hash, and its content unpacked if it is gzipped. Both are limited: a small gzip may hold terabytes."""
    source = Source(raw, limit_bytes)
    content = io.BufferedReader(source, 256 * 1024)
    if content.peek(2)[:2] == b"\x1f\x8b":
        unpacked = gzip.GzipFile(fileobj=content)
        content = io.BufferedReader(Source(unpacked, limit_bytes), 256 * 1024)
    return source, content


def form_of(name: str, content: "io.BufferedReader[Source]") -> str:
    """The form, by the name's suffix, else by the first character."""
    plain = name.lower().removesuffix(".gz")
    for suffix, form in SUFFIXES.items():
        if plain.endswith(suffix):
            return form
    first = content.peek(4096)[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return {b"{": "ndjson", b"|": "markdown", b"#": "markdown"}.get(first, "csv")


def lines_of(form: str, content: IO[bytes], provider_of: Callable[[str], str | None]) -> Lines:
    """Each record with its line number. `provider_of` names the provider of a model where a Markdown log does not."""
    # Bytes that are not UTF-8 become lone surrogates, which no cell may hold: the line is bad, not the file.
    text = io.TextIOWrapper(content, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from (
            markdown.read(text, provider_of) if form == "markdown" else {"csv": _csv, "ndjson": _ndjson}[form](text)
        )
    finally:
        text.detach()


def _csv(text: Iterable[str]) -> Lines:
    reader = csv.reader(_short_lines(text), strict=True)
    try:
        header = next(reader)
    except (StopIteration, csv.Error):
        raise Refused("The file is empty, or its first line is no CSV header.") from None
    pick, width = _order([name.strip().lower() for name in header]), len(header)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, BadLine(line, f"not CSV: {error}")
            continue
        if len(row) == width:
            row.append("")
            yield line, tuple([_plain(cell) for cell in pick(row)])
        elif row:
            yield line, BadLine(line, f"has {len(row)} cells; the header has {width}")


def _short_lines(text: Iterable[str]) -> Iterator[str]:
    for line in text:
        if len(line) > LONGEST_LINE:
            raise Refused(f"A line is longer than {LONGEST_LINE:,} characters: this is no log of calls.")
        yield line


def _plain(cell: str) -> str:
    """The cell without the quote that an export puts before what a spreadsheet would run as a formula."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell.strip()


def _order(header: Sequence[str]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Picks the cells in the order of ALL. Raises Refused for a header that is not ours."""
    problems = [f"the column {name!r} stands twice" for name in dict.fromkeys(header) if header.count(name) > 1]
    problems += [f"the column {name!r} is missing" for name in COLUMNS if name not in header]
    problems += [f"{unknown(name)}" for name in header if name not in ALL]
    if problems:
        raise Refused(f"The header does not fit: {'; '.join(problems)}.")
    return itemgetter(*(header.index(name) if name in header else len(header) for name in ALL))


def unknown(name: str) -> str:
    near = difflib.get_close_matches(name, ALL, 1)
    return f"there is no column {name[:60]!r}" + (f"; is it {near[0]!r}?" if near else "")


def _ndjson(text: Iterable[str]) -> Lines:
    for line, raw in enumerate(_short_lines(text), 1):
        if not raw.strip():
            continue
        try:
            yield line, _cells(raw)
        except (BadValue, RecursionError) as error:
            yield line, BadLine(line, str(error))


def _cells(raw: str) -> Cells:
    try:
        pairs = json.loads(raw, object_pairs_hook=list, parse_int=str, parse_float=str, parse_constant=str)
    except ValueError as error:
        raise BadValue(f"not JSON: {error}") from None
    if not (raw.lstrip().startswith("{") and isinstance(pairs, list)):
        raise BadValue("not a JSON object")
    record = dict(pairs)
    if len(record) != len(pairs):
        raise BadValue("a name stands twice")
    for name, value in record.items():
        if name not in ALL:
            raise BadValue(unknown(name))
        if not (value is None or isinstance(value, str | bool)):
            raise BadValue(f"{name}: is not a plain value")
    words = {None: "", True: "1", False: "0"}
    return tuple(words[value] if value is None or value is True or value is False else value.strip()
                 for value in (record.get(name) for name in ALL))  # fmt: skip
