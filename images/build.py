#!/usr/bin/env python3
"""Builds every image of ours whose inputs changed and writes their names for Helm.

An image's tag is a short hash of what it is made of: its Dockerfile, the files that the Dockerfile copies
(or that its `# context:` lines name, when it has some) and its base images. Only those files are sent to
docker, so the same Dockerfiles work with BuildKit and with the builder before it, which reads no
per-Dockerfile ignore file. Needs Python's standard library only: it runs before there is a venv.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "log"
IGNORED = {"__pycache__", "node_modules", "dist", "tests", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
TAG_LENGTH = 12
LOG_LINES = 25  # of a failed build, shown on the terminal
BUILDS_AT_ONCE = 2


@dataclass(frozen=True)
class Image:
    """One folder under images/, ready to be built: its tag says what is in it."""

    name: str
    dockerfile: Path
    files: tuple[Path, ...]
    ref: str
    is_service: bool


def main() -> int:
    """Exit status 1 when an image could not be built or pushed."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument(
        "--output", type=Path, default=ROOT / "build" / "images.yaml", help="Helm values file"
    )
    arguments.add_argument(
        "--push", metavar="REGISTRY", default="", help="push there, and name the images so"
    )
    arguments.add_argument("only", nargs="*", help="folders under images/; all of them without")
    options = arguments.parse_args()
    names = sorted(path.parent.name for path in (ROOT / "images").glob("*/Dockerfile"))
    unknown = set(options.only) - set(names)
    if unknown:
        arguments.error(f"no such image: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    images = [describe(name) for name in options.only or names]
    missing = [image for image in images if not _image_id(image.ref)]
    _say(f"{len(images)} images, {len(missing)} to build" + "".join(f" {image.name}" for image in missing))
    with concurrent.futures.ThreadPoolExecutor(BUILDS_AT_ONCE) as pool:
        built = list(pool.map(build, missing))
    if not all(built):
        return 1
    registry = options.push.rstrip("/")
    if registry and not all(push(image, registry) for image in images):
        return 1
    if not options.only:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(values(images, registry))
    return 0


def describe(name: str) -> Image:
    """The image of folder `name` as its inputs are now. SystemExit when a base image is missing."""
    folder = ROOT / "images" / name
    dockerfile = folder / "Dockerfile"
    text = dockerfile.read_text()
    files = tuple(sorted(set(_inputs(text))))
    digest = hashlib.sha256(text.encode())
    for base in _bases(text):
        identity = _image_id(base)
        if not identity:
            raise SystemExit(
                f"images: {name} is built on {base}, which docker lacks\n"
                "  what to do: run cluster/base-images.sh"
            )
        digest.update(identity.encode())
    for path in files:
        mode = "x" if os.access(path, os.X_OK) else "-"
        digest.update(f"\0{path.relative_to(ROOT)}\0{mode}\0".encode())
        digest.update(path.read_bytes())
    ref = f"decnet/{name}:{digest.hexdigest()[:TAG_LENGTH]}"
    return Image(name, dockerfile, files, ref, (folder / "service.yaml").exists())


def build(image: Image) -> bool:
    """Build one image, its output in a log file; false, with the log's end shown, when that fails."""
    started = time.monotonic()
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{image.name}.log"
    command = ["docker", "build", "-t", image.ref, "-f", f"images/{image.name}/Dockerfile", "-"]
    environment = {**os.environ, "BUILDKIT_PROGRESS": "plain"}
    if "DOCKER_BUILDKIT" not in environment and not _has_buildx():
        environment["DOCKER_BUILDKIT"] = "0"
    with log.open("wb") as output:
        done = subprocess.run(
            command,
            input=_context(image),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            env=environment,
        )
    took = f"{time.monotonic() - started:.0f} s"
    if done.returncode == 0:
        _say(f"built {image.ref} ({took})")
        return True
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
    _say(
        f"FAILED {image.name} ({took}); the end of {log}:\n{tail}\n"
        "  what to do: mend the cause, then run make images again"
    )
    return False


def push(image: Image, registry: str) -> bool:
    """Push one image to `registry`; false when docker refuses."""
    target = f"{registry}/{image.ref}"
    for command in (["docker", "tag", image.ref, target], ["docker", "push", "-q", target]):
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            _say(f"FAILED to push {target}\n  what to do: docker login {registry.split('/', 1)[0]}")
            return False
    _say(f"pushed {target}")
    return True


def values(images: list[Image], registry: str) -> str:
    """The images as Helm values of our chart."""
    prefix = f"{registry}/" if registry else ""
    lines = ["# Written by images/build.py.", "images:"]
    lines += [f'  {image.name}: "{prefix}{image.ref}"' for image in images if not image.is_service]
    services = [f'    {image.name}: "{prefix}{image.ref}"' for image in images if image.is_service]
    lines += ["  services:" if services else "  services: {}", *services]
    return "\n".join(lines) + "\n"


def _inputs(text: str) -> Iterator[Path]:
    patterns = re.findall(r"^# context: (.+)$", text, re.MULTILINE)
    for pattern in " ".join(patterns).split() or list(_copied(text)):
        found = sorted(ROOT.glob(pattern.rstrip("/")))
        if not found and "*" not in pattern:
            raise SystemExit(f"images: a Dockerfile names {pattern}, which does not exist")
        for path in found:
            yield from (path,) if path.is_file() else _files_below(path)


def _copied(text: str) -> Iterator[str]:
    for line in _instructions(text):
        words = line.split()
        if words[0].upper() in ("COPY", "ADD"):
            flags = [word for word in words[1:] if word.startswith("--")]
            if not any(flag.startswith("--from=") for flag in flags):
                yield from (word.removeprefix("./") for word in words[1:-1] if word not in flags)


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in IGNORED and not name.endswith(".egg-info")]
        yield from (Path(parent) / name for name in names)


def _bases(text: str) -> Iterator[str]:
    stages: set[str] = set()
    for line in _instructions(text):
        words = [word for word in line.split() if not word.startswith("--")]
        if words[0].upper() == "FROM":
            if words[1] not in stages and words[1] != "scratch":
                yield words[1]
            if len(words) > 3:
                stages.add(words[3])


def _instructions(text: str) -> Iterator[str]:
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    yield from (line for line in joined.splitlines() if line.strip())


def _context(image: Image) -> bytes:
    """A tar of the inputs; times and owners are constant, so that docker's layer cache holds."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted({image.dockerfile, *image.files}):
            entry = tar.gettarinfo(path, str(path.relative_to(ROOT)))
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
            entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            if entry.isfile():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)
    return archive.getvalue()


def _image_id(ref: str) -> str:
    command = ["docker", "image", "inspect", "-f", "{{.Id}}", ref]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _has_buildx() -> bool:
    return subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0


def _say(text: str) -> None:
    print(f"    images: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
