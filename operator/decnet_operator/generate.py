"""Files that are made from code: `python -m decnet_operator.generate crds|services`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from decnet_operator.domain.catalogue import Catalogue, load_catalogue
from decnet_operator.specs.definitions import definitions
from decnet_operator.specs.policy import policy_objects

_HEADER = (
    "# Written by `decnet-operator crds` from the models in operator/decnet_operator/api. Do not edit.\n"
)


def definition_files(catalogue: Catalogue) -> dict[str, str]:
    """Text by file name."""
    files = {f"{it['spec']['names']['plural']}.yaml": [it] for it in definitions(catalogue)}
    files["decky-policy.yaml"] = policy_objects(catalogue)
    return {name: _HEADER + _yaml(objects) for name, objects in files.items()}


def _yaml(objects: list[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=False, width=110, allow_unicode=True)


def write_definitions(folder: Path) -> None:
    """Write the files into `folder`. Raises OSError, CatalogueError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in definition_files(load_catalogue()).items():
        (folder / name).write_text(text, "utf-8")


def services_page(catalogue: Catalogue) -> str:
    """docs/services.md."""
    lines = [
        "# Services",
        "",
        "Made from each service's `service.yaml`; `decnet services NAME` prints the same. An unknown key or a wrong"
        " value is refused when you apply.",
    ]
    for item in catalogue.values():
        ports = ", ".join(f"{it.port}/{it.protocol.lower()}" for it in item.ports) or "none"
        lines += ["", f"## {item.slug}", "", f"{item.title}, ports {ports}. {item.summary}", ""]
        if item.persona:
            lines += ["| persona key | value | default | |", "|---|---|---|---|"]
            lines += [
                f"| `{key.name}` | {_cell(key.expectation())} | {_cell(_default(key.default))} | {_cell(key.help)} |"
                for key in item.persona
            ]
            lines.append("")
        lines.append(
            f"Captures: {', '.join(f'`{it}`' for it in item.captures)}. Events are explained in [events.md](events.md)."
        )
        if item.security.reason:
            more = f" Capabilities: {', '.join(item.capabilities)}." if item.capabilities else ""
            lines += [
                "",
                f"More privileged than *restricted* because {item.security.reason.rstrip('.')}.{more}",
            ]
    return "\n".join(lines) + "\n"


def _default(value: object) -> str:
    return f"`{value}`" if value not in ("", {}, []) else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Write the CRDs, or print the services page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["crds", "services"])
    parser.add_argument("--out", type=Path, default=Path("crds"))
    options = parser.parse_args()
    if options.what == "crds":
        write_definitions(options.out)
    else:
        sys.stdout.write(services_page(load_catalogue()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
