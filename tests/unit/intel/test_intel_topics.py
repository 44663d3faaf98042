"""Which topics a pattern matches."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet_intel.consumer.topics import Pattern, Topics, token, topic_of
from decnet_intel.models import Event

_TOKENS = st.lists(st.sampled_from(["host", "web", "a", "b-1", "_"]), min_size=1, max_size=5)
_PATTERNS = st.tuples(
    st.lists(st.sampled_from(["host", "web", "a", "b-1", "_", "*"]), max_size=5), st.booleans()
).filter(lambda pattern: pattern[0] or pattern[1])


def as_regex(tokens: list[str], rest: bool) -> str:
    """What NATS documents, said otherwise."""
    parts = [r"[^.]+" if each == "*" else re.escape(each) for each in tokens]
    return r"\.".join(parts + ([r"[^.]+(\.[^.]+)*"] if rest else []))


@given(_PATTERNS, _TOKENS)
def test_a_pattern_matches_as_its_regular_expression_does(
    pattern: tuple[list[str], bool], topic: list[str]
) -> None:
    tokens, rest = pattern
    text = ".".join([*tokens, *([">"] if rest else [])])
    found = Pattern.parse(text).matches(".".join(topic))
    assert found == bool(re.fullmatch(as_regex(tokens, rest), ".".join(topic)))


@given(_TOKENS)
def test_a_topic_matches_itself_and_anything_of_its_length(topic: list[str]) -> None:
    text = ".".join(topic)
    assert Pattern.parse(text).matches(text)
    assert Pattern.parse(".".join("*" for _ in topic)).matches(text)
    assert Pattern.parse(">").matches(text)
    assert not Pattern.parse(f"{text}.>").matches(text)
    assert not Pattern.parse(f"{text}.*").matches(text)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_name_adds_a_token_or_a_wildcard(decky: str, service: str, event_id: str) -> None:
    topic = topic_of(Event(decky=decky, service=service, event_id=event_id))
    assert re.fullmatch(r"host(\.[A-Za-z0-9_-]+){3}", topic)
    assert Pattern.parse(f"host.*.*.{token(event_id)}").matches(topic)
    assert Topics(topic).match(topic)


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "a.>.b", ">.a", "a*", "a b", "a.**", "ü", ">>"]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no pattern"):
        Pattern.parse(text)


@pytest.mark.parametrize("text", ["attacker.>", "host.*.*", "host.a.b.c.>", "host.a.b.c.d", "host"])
def test_a_pattern_that_no_event_fits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no event has a topic like"):
        Topics(text)
