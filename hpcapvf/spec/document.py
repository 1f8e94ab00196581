"""YAML text to plain mappings, lists and scalars: a small and strict subset.

Scalars follow YAML 1.2's core schema, since 1.1 reads an unquoted PCI address such as ``0000:06:00.0`` as a
sexagesimal number and ``on`` as a truth value. Repeated keys, aliases, tags, several documents and documents that
are too large or too deep are errors.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from hpcapvf.model.errors import BadSpec

MOST_BYTES = 64 * 1024
MOST_DEPTH = 16


def load_document(text: str) -> dict[str, Any]:
    """The mapping that a spec consists of. BadSpec with the line, or with the key's path, otherwise."""
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise BadSpec(f"longer than {MOST_BYTES // 1024} KiB", hint="a spec is a few dozen lines")
    try:
        loader = _StrictLoader(text)
        try:
            document = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise BadSpec(_said(error), hint="check the indentation and the quotes of that line") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML lets numbers of its own escapes through
        raise BadSpec(f"not YAML: {error}".splitlines()[0]) from None
    if not isinstance(document, dict):
        raise BadSpec(
            f"the whole must be a mapping, not {kind_of(document)}",
            hint="begin with the keys version, guest, network and storage",
        )
    return document


def kind_of(value: Any) -> str:
    """What a value is, in the user's words."""
    if value is None:
        return "nothing"
    names = {bool: "true or false", int: "a number", str: "text", list: "a list", dict: "a mapping"}
    return names.get(type(value), type(value).__name__)


def _said(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{error.problem or error.context or 'not YAML'}"


def _refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader without YAML 1.1's surprises."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own name)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse aliases, tags and deep nesting before anything is built from them."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        if isinstance(event, yaml.AliasEvent):
            raise _refused("aliases are not allowed", event.start_mark)
        if getattr(event, "tag", None) not in (None, "!"):
            raise _refused("tags are not allowed", event.start_mark)
        if any("\ud800" <= letter <= "\udfff" for letter in getattr(event, "value", "")):
            raise _refused("half a surrogate pair is no letter", event.start_mark)  # no file name can have it
        if self._depth > MOST_DEPTH:
            raise _refused(f"nested deeper than {MOST_DEPTH}", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse repeated keys and keys that are not text."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag != "tag:yaml.org,2002:str":
                raise _refused("a key must be text", key_node.start_mark)
            if key_node.value in seen:
                raise _refused(f"the key {key_node.value} is given twice", key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)\Z"), list("tf"))
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)\Z"), ["n", "~", ""])
_INT = re.compile(r"^-?(?:0|[1-9][0-9]{0,17})\Z")
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-0123456789"))
