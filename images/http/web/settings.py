"""What the machine is told about itself, checked before anything starts."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

INSTALLED = "nginx/1.22.1"
"""What Debian's nginx calls itself."""


class SettingsError(ValueError):
    """SETTINGS is not usable; the message names the field."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The persona of this web server; `server` is its Server header."""

    hostname: str
    seed: bytes
    address: str = ""
    server: str = INSTALLED
    fake_app: str = "none"
    response_code: int = 200
    custom_body: str = ""
    extra_headers: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def has_own_front(self) -> bool:
        """Whether the front page is not the stock one."""
        return bool(self.custom_body) or self.response_code != HTTPStatus.OK

    @property
    def has_bare_status(self) -> bool:
        """Whether the front page is the server's own error page."""
        return not self.custom_body and self.response_code >= HTTPStatus.BAD_REQUEST

    @property
    def installed_at(self) -> int:
        """When the site was put there, in seconds since 1970: between July 2023 and December 2024.

        It shows in Last-Modified and ETag, which the image's own files would make alike everywhere.
        """
        return 1_688_300_000 + int(self.derive("installed", 8), 16) % 46_000_000

    def derive(self, label: str, size: int = 16) -> str:
        """`size` hex digits that only this machine has, the same after every start."""
        return hmac.new(self.seed, label.encode(), hashlib.sha256).hexdigest()[:size]


def load_settings(text: str) -> Settings:
    """The settings in the JSON `text`. Raises SettingsError naming the wrong field."""
    try:
        given: dict[str, Any] = json.loads(text)
        persona: dict[str, Any] = given.get("persona", {})
        settings = Settings(
            hostname=str(given["hostname"]),
            seed=bytes.fromhex(given["seed"]),
            address=str(given.get("address", "")),
            server=persona.get("server_header") or INSTALLED,
            fake_app=persona.get("fake_app") or "none",
            response_code=int(persona.get("response_code", 200)),
            custom_body=persona.get("custom_body") or "",
            extra_headers=dict(persona.get("extra_headers") or {}),
            files=dict(persona.get("files") or {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"SETTINGS: {error!r}") from error
    for path in settings.files:
        if not path.startswith("/") or ".." in path.split("/") or path.endswith("/") or "\0" in path:
            raise SettingsError(f"persona.files: {path!r} is not an absolute path of a file")
    for name, value in settings.extra_headers.items():
        if not name.replace("-", "").isalnum() or not str(value).isprintable():
            raise SettingsError(f"persona.extra_headers: {name!r} is not a header")
    return settings
