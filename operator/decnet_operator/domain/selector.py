"""Label selectors as kubectl -l takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TERM = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<key1>[^\s=!,()]+)"
    r"|(?P<key2>[^\s=!,()]+)\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\)"
    r"|(?P<key3>[^\s=!,()]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[^\s,()!=]*))?)\s*(?:,|$)"
)


class SelectorError(ValueError):
    """Not a label selector; the message says which."""


class Selector:
    """A parsed selector. Raises SelectorError when it cannot be parsed."""

    def __init__(self, text: str) -> None:
        self._terms: list[re.Match[str]] = []
        at = 0
        while at < len(text):
            term = _TERM.match(text, at)
            if term is None or term.end() == at:
                raise SelectorError(f"{text!r} is not a label selector such as key=value,!other")
            self._terms.append(term)
            at = term.end()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether every term holds; true without terms."""
        return all(_holds(term, labels) for term in self._terms)


def _holds(term: re.Match[str], labels: Mapping[str, str]) -> bool:
    if term["absent"]:
        return term["key1"] not in labels
    if term["set"]:
        values = {value.strip() for value in term["values"].split(",")}
        present = labels.get(term["key2"])
        return present in values if term["set"] == "in" else present not in values
    if term["op"] is None:
        return term["key3"] in labels
    equal = labels.get(term["key3"]) == term["value"]
    return not equal if term["op"] == "!=" else equal
