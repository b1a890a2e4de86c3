"""YAML with line numbers: reading it, and saying what is wrong with it where.

Every scalar is read as text (``no`` stays "no", 110 stays "110"); the schema gives it its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

Path = tuple[str | int, ...]
Lines = dict[Path, int]


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a configuration file: where it is, what it is, and what to do about it."""

    file: str
    line: int
    field: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f" ({self.field})" if self.field else ""
        return f"{self.file}:{self.line}{where}: {self.message}; {self.remedy}"


class InvalidSourceError(ValueError):
    """A lexicon or policy that cannot be used; ``problems`` lists why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def read_yaml(text: str, name: str) -> list[tuple[Any, Lines]]:
    """Documents of a YAML text with the line of each field, counted from 1.

    Raises InvalidSourceError where the text is no YAML or repeats a key.
    """
    try:
        nodes = [node for node in _compose(text) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InvalidSourceError(
            [
                Problem(
                    name,
                    mark.line + 1 if mark else 1,
                    "",
                    f"not valid YAML: {error.problem}",
                    "check indentation, colons and quotes there",
                )
            ]
        ) from error
    except yaml.YAMLError as error:
        raise InvalidSourceError(
            [Problem(name, 1, "", "not valid YAML", "remove characters that cannot be printed")]
        ) from error
    documents = []
    for node in nodes:
        lines: Lines = {}
        documents.append((_value(node, (), lines, name), lines))
    return documents


def _compose(text: str) -> Iterator[yaml.Node | None]:
    # An empty document comes as None, which the type stubs do not say.
    yield from yaml.compose_all(text, Loader=yaml.SafeLoader)


def _value(node: yaml.Node, path: Path, lines: Lines, name: str) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, i), lines, name) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key_node, child in node.value:
            key = str(key_node.value)
            if key in out:
                line = key_node.start_mark.line + 1
                raise InvalidSourceError([Problem(name, line, key, "the key is given twice", "remove one of the two")])
            out[key] = _value(child, (*path, key), lines, name)
            lines[(*path, key)] = key_node.start_mark.line + 1
        return out
    if node.tag == "tag:yaml.org,2002:null":
        return None
    return node.value


_ADVICE: Mapping[str, str] = {
    "missing": "add it",
    "extra_forbidden": "remove it, or check its spelling",
    "literal_error": "use one of the values named",
    "enum": "use one of the values named",
    "int_parsing": "write a whole number",
    "float_parsing": "write a number",
    "bool_parsing": "write true or false",
    "list_type": "write a list, as in [a, b]",
    "dict_type": "write a mapping, as in key: value",
    "model_type": "write a mapping, as in key: value",
    "model_attributes_type": "write a mapping, as in key: value",
    "string_type": "write text",
}


def schema_problems(error: ValidationError, lines: Lines, name: str, prefix: Path = ()) -> list[Problem]:
    """A schema's complaints with file, line, field and remedy; values themselves are not repeated."""
    problems = []
    for item in error.errors(include_url=False, include_input=False):
        place = (*prefix, *item["loc"])
        remedy = _ADVICE.get(item["type"], "correct it")
        message = item["msg"].removeprefix("Value error, ")
        if ": " in message and item["type"] == "value_error":
            message, remedy = message.split(": ", 1)
        problems.append(Problem(name, line_of(place, lines), dotted(place, lines), message, remedy))
    return problems


def _known(path: Iterable[str | int], lines: Lines) -> list[Path]:
    """The longest prefix of a schema location that exists in the file, step by step (unions add names of their own)."""
    current: Path = ()
    found = [current]
    for step in path:
        candidate = (*current, step)
        if candidate in lines:
            current = candidate
            found.append(current)
    return found


def line_of(path: Path, lines: Lines) -> int:
    """Line of the innermost part of ``path`` that the file has."""
    return lines.get(_known(path, lines)[-1], 1)


def dotted(path: Path, lines: Lines) -> str:
    """``rules[2].severity`` for a location; names that only the schema knows are left out, save the last."""
    inner = _known(path, lines)[-1]
    steps = list(inner)
    if path and isinstance(path[-1], str) and (not steps or steps[-1] != path[-1]):
        steps.append(path[-1])
    out = ""
    for step in steps:
        out += f"[{step}]" if isinstance(step, int) else (f".{step}" if out else step)
    return out
