"""The files of others that the console serves, and the proof that they are what npm published.

`static/vendor/manifest.json` names every package with its version, licence and npm integrity, and every file with
its sha256.

    python -m cortex.vendored              verify: exit 0 when every file is as recorded, else 1 and a line a problem
    python -m cortex.vendored --from DIR   rebuild from the tarballs of `npm pack NAME@VERSION` in DIR

A new version: put `version` and `integrity` (what `npm view NAME@VERSION dist.integrity` prints) into the manifest,
run `npm pack`, rebuild. One more icon: add its name to `sprite.icons`, rebuild; https://tabler.io/icons (outline).
"""

import argparse
import base64
import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).resolve().parent.parent / "static" / "vendor"

# Source maps are not shipped, and a hashing static storage refuses a reference to a file that is not there.
_SOURCE_MAP = re.compile(rb"\n?(?://# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ \*/)\s*\Z")
_SYMBOL = (
    '<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
    ' stroke-linecap="round" stroke-linejoin="round">{shapes}</symbol>'
)


class VendorError(Exception):
    """A tarball that is missing or is not the one the manifest names."""


def verify(root: Path = VENDOR) -> list[str]:
    """One sentence a problem: a file missing, changed, or present without being named. Empty: all is as recorded."""
    expected = {entry["path"]: entry["sha256"] for entry in _entries(_manifest(root))}
    present = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()} - {"manifest.json"}
    problems = [f"{path}: named in the manifest but missing" for path in sorted(expected.keys() - present)]
    problems += [f"{path}: not named in the manifest" for path in sorted(present - expected.keys())]
    for path in sorted(expected.keys() & present):
        digest = hashlib.sha256((root / path).read_bytes()).hexdigest()
        if digest != expected[path]:
            problems.append(f"{path}: sha256 is {digest}, the manifest says {expected[path]}")
    return problems


def rebuild(tarballs: Path, root: Path = VENDOR) -> None:
    """Write every vendored file anew from the npm tarballs in a directory, and its sha256 into the manifest.

    Raises VendorError, before anything is written, when a tarball is missing or has not the manifest's integrity.
    """
    manifest = _manifest(root)
    members = {package["name"]: _members(package, tarballs) for package in manifest["packages"]}
    for package in manifest["packages"]:
        for entry in package["files"]:
            content = members[package["name"]][entry["from"]]
            _write(root, entry, _SOURCE_MAP.sub(b"\n", content) if entry.get("source_map_removed") else content)
    sprite = manifest["sprite"]
    _write(root, sprite, _sprite(sprite["icons"], members[sprite["package"]]))
    for entry in manifest["written"]:
        entry["sha256"] = hashlib.sha256((root / entry["path"]).read_bytes()).hexdigest()
    (root / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _manifest(root: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((root / "manifest.json").read_text())
    return manifest


def _entries(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    files = [entry for package in manifest["packages"] for entry in package["files"]]
    return [*files, manifest["sprite"], *manifest["written"]]


def _members(package: dict[str, Any], tarballs: Path) -> dict[str, bytes]:
    """The files of one package by their path in its tarball, read only after the tarball's integrity is checked."""
    file = tarballs / f"{package['name'].removeprefix('@').replace('/', '-')}-{package['version']}.tgz"
    if not file.exists():
        raise VendorError(f"{file} is missing: run `npm pack {package['name']}@{package['version']}` there")
    found = "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    if found != package["integrity"]:
        raise VendorError(f"{file} has integrity {found}, the manifest says {package['integrity']}")
    wanted = {entry["from"] for entry in package["files"]}
    with tarfile.open(file) as archive:
        names = [m for m in archive.getmembers() if m.name in wanted or m.name.startswith("package/icons/outline/")]
        contents = {m.name: stream.read() for m in names if (stream := archive.extractfile(m)) is not None}
    if missing := wanted - contents.keys():
        raise VendorError(f"{file} has no {', '.join(sorted(missing))}")
    return contents


def _sprite(icons: list[str], members: dict[str, bytes]) -> bytes:
    """One SVG with a <symbol> an icon, to be used as `<use href="sprite.svg#name">`."""
    symbols = []
    for name in sorted(icons):
        source = members.get(f"package/icons/outline/{name}.svg")
        if source is None:
            raise VendorError(f"there is no icon {name!r} in the package")
        body = re.sub(r"(?s)\A.*?<svg[^>]*>|</svg>\s*\Z", "", source.decode())
        body = body.replace('<path stroke="none" d="M0 0h24v24H0z" fill="none" />', "")
        symbols.append(_SYMBOL.format(name=name, shapes=re.sub(r"\s*\n\s*", "", body).replace(" />", "/>")))
    return ('<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n").encode()


def _write(root: Path, entry: dict[str, Any], content: bytes) -> None:
    file = root / entry["path"]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    entry["sha256"] = hashlib.sha256(content).hexdigest()


def main(argv: list[str] | None = None) -> int:
    """Verify, or rebuild and verify; the exit code says whether every file is the recorded one."""
    parser = argparse.ArgumentParser(prog="python -m cortex.vendored", description="Verify or rebuild static/vendor.")
    parser.add_argument("--from", dest="tarballs", type=Path, help="directory with the tarballs of `npm pack`")
    options = parser.parse_args(argv)
    try:
        if options.tarballs:
            rebuild(options.tarballs)
        problems = verify()
    except VendorError as error:
        problems = [str(error)]
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
