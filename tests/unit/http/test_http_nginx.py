"""What a persona changes in nginx's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from web.nginx import quote, render, worn_by_binary
from web.settings import Settings, SettingsError, load_settings


def settings(**persona: Any) -> Settings:
    return load_settings(json.dumps({"hostname": "h", "seed": "00", "persona": persona}))


def rendered(**persona: Any) -> str:
    return render(settings(**persona), 3, Path("/var/www/html"), Path("/code"))


def test_the_default_persona_changes_nothing_an_attacker_sees() -> None:
    text = rendered()
    for word in ("more_set_headers", "error_page", "proxy_pass"):
        assert word not in text


def test_a_version_of_the_same_length_needs_no_rule() -> None:
    assert worn_by_binary("nginx/1.18.0")
    assert not worn_by_binary("nginx/1.9.15 (Ubuntu)")
    assert "more_set_headers" not in rendered(server_header="nginx/1.18.0")
    assert 'more_set_headers "Server: Apache/2.4"' in rendered(server_header="Apache/2.4")


def test_a_quoted_text_cannot_leave_its_quotes() -> None:
    assert quote('a"; }$x\\') == '"a\\"; }${dollar}x\\\\"'


@pytest.mark.parametrize(
    ("persona", "word"),
    [
        ({"files": {"/../etc/passwd": ""}}, "persona.files"),
        ({"files": {"relative": ""}}, "persona.files"),
        ({"extra_headers": {"Bad Header": "x"}}, "persona.extra_headers"),
        ({"extra_headers": {"X": "a\nb"}}, "persona.extra_headers"),
        ({"response_code": "teapot"}, "SETTINGS"),
    ],
)
def test_wrong_settings_name_the_field(persona: dict[str, Any], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        settings(**persona)
