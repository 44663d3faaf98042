"""What images/build.py takes for an image's inputs, and what it tells Helm."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]

DOCKERFILE = """\
# comment
FROM debian:bookworm-slim AS base
COPY --chown=1:1 images/one/run.sh \\
  images/one/etc/ /srv/
FROM scratch
COPY --from=base /x /x
FROM base
COPY lib/ /lib/
"""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a tree of its own and a docker that has every base image."""
    spec = importlib.util.spec_from_file_location("image_build", ROOT / "images" / "build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "image_build", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "_image_id", lambda ref: f"id of {ref}")
    for name in ("images/one/run.sh", "images/one/etc/a", "images/one/etc/__pycache__/b", "lib/c", "lib/d/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "images/one/Dockerfile").write_text(DOCKERFILE)
    return module


def _paths(build: ModuleType, tmp_path: Path) -> list[str]:
    return [str(path.relative_to(tmp_path)) for path in build.describe("one").files]


def test_inputs_are_what_is_copied(build: ModuleType, tmp_path: Path) -> None:
    assert _paths(build, tmp_path) == ["images/one/etc/a", "images/one/run.sh", "lib/c", "lib/d/e"]


def test_a_context_line_replaces_what_is_copied(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "images/one/Dockerfile").write_text("# context: lib/*/e images/*/none\n" + DOCKERFILE)
    assert _paths(build, tmp_path) == ["lib/d/e"]


def test_bases_are_images_not_stages(build: ModuleType) -> None:
    assert list(build._bases(DOCKERFILE)) == ["debian:bookworm-slim"]


def test_the_tag_changes_with_content_mode_and_base(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = {build.describe("one").ref}
    assert build.describe("one").ref in refs
    (tmp_path / "lib/c").write_text("changed")
    refs.add(build.describe("one").ref)
    (tmp_path / "images/one/run.sh").chmod(0o755)
    refs.add(build.describe("one").ref)
    monkeypatch.setattr(build, "_image_id", lambda ref: f"another {ref}")
    refs.add(build.describe("one").ref)
    assert len(refs) == 4


def test_a_missing_input_is_named(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "images/one/Dockerfile").write_text("FROM debian:bookworm-slim\nCOPY gone.txt /\n")
    with pytest.raises(SystemExit, match=r"gone\.txt"):
        build.describe("one")


def test_values_put_services_apart(build: ModuleType, tmp_path: Path) -> None:
    plain = build.Image("one", tmp_path, (), "decnet/one:1", False)
    service = build.Image("two", tmp_path, (), "decnet/two:2", True)
    assert yaml.safe_load(build.values([plain, service], "r.example.org/x")) == {
        "images": {"one": "r.example.org/x/decnet/one:1", "services": {"two": "r.example.org/x/decnet/two:2"}}
    }
