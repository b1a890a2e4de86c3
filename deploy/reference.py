"""Tables in docs/ and in the chart that repeat what the code says, generated from it.

A generated part stands between two marker lines, ``generated: NAME`` and ``end: NAME``, written as comments of the
file around it. ``make docs`` rewrites the parts; a test holds them in step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args, get_origin

import yaml
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from deploy.dashboard import dashboard
from streams.access import ACCESS, acls
from streams.metrics import SPECS
from streams.settings import Settings
from streams.topics import DAY_MS, HOUR_MS, MIB, TOPICS, Topic

ROOT = Path(__file__).resolve().parent.parent
CHART_SETS = {
    *("kafka_security_protocol", "kafka_sasl_mechanism", "kafka_username", "kafka_password", "kafka_ca"),
    *("kafka_certificate", "kafka_key", "kafka_key_password"),
    *("config", "kafka", "partitions", "replication_factor", "health_host", "health_port"),
    *("state_dir", "cache", "policy", "lexicons", "signing_key"),
}
"""Settings that the chart gives itself, from other values."""
_UNITS = ((DAY_MS, "day"), (HOUR_MS, "hour"))


def topics_table() -> str:
    """Markdown table of the topics."""
    return _table(
        ("topic", "type", "key", "value", "kept", "most bytes", "carries"),
        (
            (
                f"`{row.name}`",
                f"`{row.type}`" if row.record else "as received",
                row.key,
                row.content.replace("json", "JSON").replace("-", " "),
                _kept(row),
                f"{row.max_bytes // MIB} MiB",
                row.description,
            )
            for row in TOPICS
        ),
    )


def settings_table() -> str:
    """Markdown table of the settings: variable, default, values taken, meaning."""
    return _table(
        ("variable", "default", "values", "meaning"),
        (
            (f"`ROOMWARDEN_{name.upper()}`", _default(field), _values(field), field.description or "")
            for name, field in Settings.model_fields.items()
        ),
    )


def access_table() -> str:
    """Markdown table of the access lists: one row for each role and kind of resource."""
    rows = []
    for role, access in ACCESS.items():
        grouped: dict[tuple[str, ...], list[str]] = {}
        for rule in acls(role, "roomwarden"):
            name = f"{rule.resource} `{rule.name}{'*' if rule.prefixed else ''}`"
            grouped.setdefault(rule.operations, []).append(name)
        rows += [
            (f"`{role}`", access.purpose, ", ".join(operations), _names(names)) for operations, names in grouped.items()
        ]
    return _table(("account", "for", "operations", "on"), rows)


def metrics_table() -> str:
    """Markdown table of the metrics."""
    return _table(
        ("metric", "kind", "unit", "labels", "meaning"),
        (
            (f"`{name}`", spec.kind, spec.unit, ", ".join(f"`{label}`" for label in spec.labels), spec.help)
            for name, spec in SPECS.items()
        ),
    )


def chart_topics() -> str:
    """The topics as the list ``topics.list`` of the chart's values; ``scaled`` topics take ``topics.partitions``."""
    rows = [
        {"name": row.name, "scaled": row.scaled, "config": row.config(), "description": row.description}
        for row in TOPICS
    ]
    text = yaml.safe_dump({"list": rows}, sort_keys=False, width=1000)
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines())


def chart_users() -> str:
    """The access lists as the list ``topics.users`` of the chart's values; ``{prefix}`` is the group prefix."""
    rows = [
        {
            "role": role,
            "acls": [
                {
                    "resource": rule.resource,
                    "name": rule.name,
                    "pattern": "prefix" if rule.prefixed else "literal",
                    "operations": list(rule.operations),
                }
                for rule in acls(role, "{prefix}")
            ],
        }
        for role in ACCESS
    ]
    text = yaml.safe_dump({"users": rows}, sort_keys=False, width=1000, default_flow_style=None)
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines())


def chart_schema(text: str) -> str:
    """The schema of the chart's values with ``settings`` as the settings class has it, bounds and choices included."""
    schema = json.loads(text)
    settings = Settings.model_json_schema()["properties"]
    schema["properties"]["settings"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {key: value for key, value in field.items() if key not in ("title", "default", "format")}
            for name, field in settings.items()
            if name not in CHART_SETS
        },
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def part(name: str, render: Callable[[], str]) -> Callable[[str], str]:
    """What puts ``render()`` between the markers of part ``name``."""
    return lambda text: replaced(text, name, render())


FILES: dict[str, tuple[Callable[[str], str], ...]] = {
    "docs/integrate.md": (part("topics", topics_table),),
    "docs/operate.md": (part("settings", settings_table), part("access", access_table), part("metrics", metrics_table)),
    "deploy/grafana/roomwarden.json": (lambda _: dashboard(),),
    "helm/roomwarden/values.yaml": (part("chart-topics", chart_topics), part("chart-users", chart_users)),
    "helm/roomwarden/files/alerts.yaml": (lambda _: (ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"),),
    "helm/roomwarden/values.schema.json": (chart_schema,),
}
"""Files with generated parts, relative to the repository, and what renews each part."""


def replaced(text: str, name: str, body: str) -> str:
    """``text`` with ``body`` between the markers of part ``name``.

    Raises:
        ValueError: when the markers are not there, once each and in order.
    """
    pattern = re.compile(
        rf"(^[^\n]*\bgenerated: {name}\b[^\n]*\n).*?(^[^\n]*\bend: {name}\b[^\n]*$)", re.DOTALL | re.MULTILINE
    )
    result, count = pattern.subn(lambda found: f"{found[1]}{body}\n{found[2]}", text)
    if count != 1:
        raise ValueError(f"the markers 'generated: {name}' and 'end: {name}' must stand in the file once")
    return result


def renewed(file: str) -> str:
    """A file of the repository as it should be, with all its generated parts renewed."""
    text = (ROOT / file).read_text(encoding="utf-8")
    for renew in FILES[file]:
        text = renew(text)
    return text


def main() -> None:
    """Renew the generated parts of every file."""
    for file in FILES:
        (ROOT / file).write_text(renewed(file), encoding="utf-8")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(re.sub(r"([|<])", r"\\\1", cell) for cell in line) + " |" for line in lines)


def _names(names: Sequence[str]) -> str:
    """Names joined; all topics of the table are called so."""
    if set(names) == {f"topic `{row.name}`" for row in TOPICS}:
        return "every topic of the table"
    return ", ".join(names)


def _kept(row: Topic) -> str:
    if row.cleanup == "compact":
        return "newest of each key"
    size, unit = next(pair for pair in _UNITS if row.retention_ms % pair[0] == 0)
    count = row.retention_ms // size
    return f"{count} {unit}{'s' if count != 1 else ''}"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value in (None, [], {}):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:.12g}`" if isinstance(value, float) else f"`{value}`"


def _values(field: FieldInfo) -> str:
    """Choices of a literal, bounds of a number, else nothing."""
    kinds = [field.annotation, *get_args(field.annotation)]
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    if SecretStr in [*kinds, *(each for kind in kinds for each in get_args(kind))]:
        return "secret"
    if bool in kinds:
        return "`true`, `false`"
    bounds = [
        f"{word} {bound:g}"
        for item in field.metadata
        for attribute, word in (("ge", "from"), ("gt", "above"), ("le", "to"))
        if (bound := getattr(item, attribute, None)) is not None
    ]
    return " ".join(bounds)


if __name__ == "__main__":
    main()
