"""The vendored files are the ones npm published, and a change to any of them is found."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cortex import vendored

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
ICON = '<svg\n  width="24"\n>\n  <path stroke="none" d="M0 0h24v24H0z" fill="none" />\n  <path d="M3 12h4" />\n</svg>\n'


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, Path]:
    """A vendor directory whose manifest names one package and a sprite, and the directory of the package's tarball."""
    root, tarballs = tmp_path / "vendor", tmp_path / "tarballs"
    root.mkdir()
    tarballs.mkdir()
    members = {
        "package/a.js": b"abc",
        "package/b.js": b"b()\n//# sourceMappingURL=b.js.map",
        "package/icons/outline/x.svg": ICON.encode(),
    }
    file = tarballs / "scope-lib-1.0.0.tgz"
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    (root / "LICENSE").write_text("MIT")
    _write_manifest(root, integrity)
    return root, tarballs


def _write_manifest(root: Path, integrity: str) -> None:
    files = [
        {"path": "a.js", "from": "package/a.js", "sha256": ""},
        {"path": "b.js", "from": "package/b.js", "sha256": "", "source_map_removed": True},
    ]
    manifest = {
        "packages": [
            {"name": "@scope/lib", "version": "1.0.0", "licence": "MIT", "integrity": integrity, "files": files}
        ],
        "sprite": {"path": "sprite.svg", "package": "@scope/lib", "icons": ["x"], "sha256": ""},
        "written": [{"path": "LICENSE", "why": "…", "sha256": ""}],
    }
    (root / "manifest.json").write_text(json.dumps(manifest))


def _manifest(root: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((root / "manifest.json").read_text())
    return manifest


def test_the_files_in_this_repository_are_the_ones_the_manifest_names() -> None:
    assert vendored.verify() == []


def test_every_package_of_this_repository_has_a_licence_file_beside_it() -> None:
    manifest = _manifest(vendored.VENDOR)
    folders = {Path(entry["path"]).parent for package in manifest["packages"] for entry in package["files"]}
    assert [str(f) for f in sorted(folders) if not (vendored.VENDOR / f / "LICENSE").exists()] == []


def test_a_rebuild_writes_the_tarballs_bytes_and_their_sha256(world: tuple[Path, Path]) -> None:
    root, tarballs = world
    vendored.rebuild(tarballs, root)
    assert (root / "a.js").read_bytes() == b"abc"
    assert _manifest(root)["packages"][0]["files"][0]["sha256"] == SHA256_OF_ABC
    assert vendored.verify(root) == []


def test_a_reference_to_a_source_map_that_is_not_shipped_is_removed(world: tuple[Path, Path]) -> None:
    root, tarballs = world
    vendored.rebuild(tarballs, root)
    assert (root / "b.js").read_bytes() == b"b()\n"


def test_an_icon_becomes_a_symbol_without_its_empty_frame(world: tuple[Path, Path]) -> None:
    root, tarballs = world
    vendored.rebuild(tarballs, root)
    sprite = (root / "sprite.svg").read_text()
    assert '<symbol id="x"' in sprite
    assert '<path d="M3 12h4"/></symbol>' in sprite
    assert "M0 0h24v24H0z" not in sprite


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        pytest.param(lambda root: (root / "a.js").write_bytes(b"abd"), "a.js: sha256 is", id="changed"),
        pytest.param(lambda root: (root / "a.js").unlink(), "a.js: named in the manifest but missing", id="missing"),
        pytest.param(lambda root: (root / "evil.js").write_text("x"), "evil.js: not named in the manifest", id="added"),
        pytest.param(
            lambda root: (root / "sprite.svg").write_text("<svg/>"), "sprite.svg: sha256 is", id="sprite changed"
        ),
        pytest.param(lambda root: (root / "LICENSE").write_text("?"), "LICENSE: sha256 is", id="licence changed"),
    ],
)
def test_a_file_that_is_not_as_recorded_is_named(world: tuple[Path, Path], harm: Any, problem: str) -> None:
    root, tarballs = world
    vendored.rebuild(tarballs, root)
    harm(root)
    (found,) = vendored.verify(root)
    assert found.startswith(problem)


def test_a_tarball_that_npm_did_not_publish_is_refused_before_anything_is_written(world: tuple[Path, Path]) -> None:
    root, tarballs = world
    _write_manifest(root, "sha512-" + base64.b64encode(bytes(64)).decode())
    with pytest.raises(vendored.VendorError, match="has integrity"):
        vendored.rebuild(tarballs, root)
    assert not (root / "a.js").exists()


def test_a_missing_tarball_says_which_command_makes_it(world: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(vendored.VendorError, match=r"npm pack @scope/lib@1\.0\.0"):
        vendored.rebuild(tmp_path, world[0])


def test_the_command_exits_with_1_and_a_line_a_problem(
    world: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, tarballs = world
    vendored.rebuild(tarballs, root)
    monkeypatch.setattr(vendored.verify, "__defaults__", (root,))
    assert vendored.main([]) == 0
    (root / "a.js").unlink()
    assert vendored.main([]) == 1
    assert capsys.readouterr().err == "a.js: named in the manifest but missing\n"
