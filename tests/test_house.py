"""What holds the house together: the lock, the documents, the chart and the tools say what the code says."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import fnmatch
import json
import os
import re
import shutil
import subprocess
import tomllib
import wave
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Self, get_args

import aiokafka
import jsonschema
import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from agents.judge import SIGNATURE_HEADER, sign
from agents.worker import STOP_BUDGET_S
from deploy import reference
from deploy.cli import app
from models.audio.content_type import CodecName, parse_content_type
from models.audio.errors import AudioFault
from streams import records, topics
from streams.asyncapi import document
from streams.codec import decode, encode
from streams.envelope import BadReason
from streams.settings import Settings
from tests.support import samples

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "roomwarden"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
PACKAGES = {"streams", "agents", "models", "loadtest", "deploy"}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    """Fenced code blocks of one language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)


def tree() -> list[Path]:
    """Every file that is, or could be, committed, relative to the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607  # whichever git is in use
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [Path(name) for name in listed.stdout.decode().split("\0") if name]
    else:  # an unpacked archive: leave out what tools make
        made = re.compile(r"(^|/)(\.(?!ci/|gitignore|pre-commit)|__pycache__/|build/|[^/]+\.egg-info/)")
        every = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        names = [path for path in every if not made.search(path.as_posix())]
    return [path for path in names if (ROOT / path).is_file()]


def texts() -> list[tuple[str, str]]:
    """Name and content of every text file of the tree."""
    found = []
    for path in tree():
        with contextlib.suppress(UnicodeDecodeError):  # audio, weights
            found.append((str(path), (ROOT / path).read_text(encoding="utf-8")))
    return found


PAGES = sorted(ROOT / path for path in tree() if path.suffix == ".md")


# The project and its tools.


def test_top_level_holds_nothing_else() -> None:
    allowed = PACKAGES | {"helm", "docs", "tests"}
    made = {"build", "dist", "out"}
    found = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert {name for name in found if not name.endswith(".egg-info")} - made == allowed


def locked() -> dict[str, str]:
    """Name (normalised) to the first version of each package in the lock, for this Python."""
    found = {}
    for line in page("requirements.lock").splitlines():
        if line and line[0] not in " #":
            requirement = Requirement(line.rstrip("\\ "))
            if requirement.marker is None or requirement.marker.evaluate():
                (pin,) = requirement.specifier
                assert pin.operator == "==", f"{requirement.name} is not pinned"
                found[requirement.name.lower().replace("_", "-")] = pin.version
    return found


def test_lock_is_in_step_with_pyproject() -> None:
    have = locked()
    extras = PROJECT["optional-dependencies"]
    for line in [*PROJECT["dependencies"], *extras["demo"], *extras["dev"]]:
        wanted = Requirement(line)
        version = have.get(wanted.name.lower())
        assert version is not None, f"{wanted.name} is not in requirements.lock; run make lock"
        assert wanted.specifier.contains(Version(version), prereleases=True), f"{line}: run make lock"


def test_lock_has_hashes_and_names_no_index() -> None:
    text = page("requirements.lock")
    assert not re.search(r"://|^-|--(index|extra|find|trusted)", text, re.MULTILINE)
    for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_wheel_takes_every_file_of_the_packages() -> None:
    patterns = ["*.py", *PYPROJECT["tool"]["setuptools"]["package-data"]["*"]]
    files = [path for path in tree() if path.parts[0] in PACKAGES]
    left = [str(path) for path in files if not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)]
    assert not left, "add their pattern to [tool.setuptools.package-data]"


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == PROJECT["version"]
    assert f"## [{PROJECT['version']}]" in page("CHANGELOG.md")


def test_hooks_and_documents_name_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    hooks = yaml.safe_load(page(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    named = {hook["entry"].removeprefix("make ") for hook in hooks}
    for name in [str(path.relative_to(ROOT)) for path in PAGES] + [".ci/run"]:
        named |= set(re.findall(r"(?:^\$ |`|^ *)make ([a-z-]+)", page(name), re.MULTILINE))
    assert {"demo", "test", "check", "check-style"} <= named
    assert named <= targets


FORBIDDEN = {
    "the address of a package index": r"py[p]i\.org|pythonho[s]ted\.|registry\.np[m]js|repo1?\.mav[e]n|deb\.deb[i]an\.",
    "a path of one machine": r"/(wor[k]|roo[t]|farm)/[a-z]|/hom[e]/[a-z]+/",
    "an unfinished mark": r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b|raise NotImplementedErro[r]",
    "a word about who wrote it": r"(?i)\b(chat ?gp[t]|claud[e]|copilo[t]|ai assistan[t])\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [f"{name}: {hit[0]}" for name, text in texts() if (hit := pattern.search(text)) and name != "LICENSE"]
    assert not found, f"{what} stands in {found}"


# Documents.


@pytest.mark.parametrize("file", reference.FILES)
def test_generated_parts_are_in_step(file: str) -> None:
    assert reference.renewed(file) == page(file), "run make docs"


def test_generated_parts_need_their_markers() -> None:
    with pytest.raises(ValueError, match="generated: topics"):
        reference.replaced("no markers here", "topics", "")
    assert reference.replaced("# generated: a\nold\n# end: a", "a", "new") == "# generated: a\nnew\n# end: a"


def test_links_lead_somewhere() -> None:
    broken = []
    for path in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            if not file.exists() or (anchor and anchor not in anchors(file)):
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert not broken


def test_documents_named_in_the_code_exist() -> None:
    named = {(name, where) for name, text in texts() for where in re.findall(r"\bdocs/[a-z-]+\.(?:md|svg)", text)}
    assert named
    assert not {f"{name}: {where}" for name, where in named if not (ROOT / where).exists()}


def anchors(file: Path) -> set[str]:
    """Anchors that headings get: lower case, blanks to hyphens, other punctuation dropped."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_pictures_are_well_formed() -> None:
    for picture in (ROOT / "docs").glob("*.svg"):
        assert ET.parse(picture).getroot().tag.endswith("svg")  # noqa: S314  # our own files


def commands(command: Any, prefix: str) -> set[str]:
    """Every command line that the application knows, without arguments."""
    found = {prefix}
    for name, sub in getattr(command, "commands", {}).items():
        found |= commands(sub, f"{prefix} {name}")
    return found


def test_commands_in_documents_exist() -> None:
    known = commands(typer.main.get_command(app), "roomwarden")
    groups = {" ".join(line.split()[:2]) for line in known if len(line.split()) == 3}
    for path in PAGES:
        for line in re.findall(r"(?:`|\$ )roomwarden ([a-z-]+(?: [a-z-]+)?)", path.read_text(encoding="utf-8")):
            first = f"roomwarden {line.split()[0]}"
            assert (f"roomwarden {line}" if first in groups else first) in known, f"{path.name}: roomwarden {line}"


# What a platform writes and reads.


class FakeKafka:
    """Stands in for aiokafka's producer and consumer: keeps what is sent, hands out what it was given."""

    def __init__(self, stored: list[Any]) -> None:
        self.stored = stored

    def __call__(self, *_: str, **__: Any) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def send(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> None:
        self.stored.append((topic, value, key, headers))

    async def commit(self) -> None:
        return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if not self.stored:
            raise StopAsyncIteration
        return self.stored.pop(0)


async def _at_once(_: float) -> None:
    """Instead of asyncio.sleep."""


def test_sender_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sender, _ = blocks("README.md", "python")
    assert len([line for line in sender.splitlines() if line]) <= 18
    with wave.open(str(tmp_path / "a.wav"), "wb") as audio:
        audio.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        audio.writeframes(bytes(range(250)) * 2 * 16)  # 250 ms
    sent: list[Any] = []
    monkeypatch.setattr(aiokafka, "AIOKafkaProducer", FakeKafka(sent))
    monkeypatch.setattr(asyncio, "sleep", _at_once)
    monkeypatch.setattr("sys.argv", ["send", str(tmp_path / "a.wav")])
    exec(compile(sender, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102  # our own page
    chunks = [decode(records.Chunk, headers, value) for _, value, _, headers in sent]
    assert {(topic, key) for topic, _, key, _ in sent} == {(topics.CHUNKS.name, b"tea-room")}
    assert [chunk.sequence for chunk in chunks] == [0, 1]
    assert [(len(chunk.audio) / 32, chunk.duration_ms) for chunk in chunks] == [(100.0, 100.0)] * 2
    assert chunks[0].room == "tea-room"
    assert chunks[0].time_ms <= chunks[1].time_ms
    assert parse_content_type(chunks[0].content_type).rate == 16_000


def test_reader_of_the_readme_carries_out_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, reader = blocks("README.md", "python")

    class Stored:
        value = encode(samples.takedown()).value

    class Trial:
        value = encode(samples.takedown(takedown_id="td_trial", dry_run=True)).value

    monkeypatch.setattr(aiokafka, "AIOKafkaConsumer", FakeKafka([Stored, Trial, Stored]))
    exec(compile(reader, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102  # our own page
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(samples.takedown().action)


def test_signature_check_of_the_documents() -> None:
    (source,) = blocks("docs/integrate.md", "python")
    space: dict[str, Any] = {}
    exec(compile(source, "integrate.md", "exec"), space)  # noqa: S102  # our own page
    value = encode(samples.takedown()).value
    signed = [(SIGNATURE_HEADER, sign(value, "key").encode())]
    assert space["genuine"](value, signed, "key")
    assert not space["genuine"](value, signed, "another key")
    assert not space["genuine"](value + b" ", signed, "key")
    assert not space["genuine"](value, [], "key")


def chunk_headers() -> dict[str, Any]:
    headers: dict[str, Any] = document("0")["components"]["messages"]["chunk"]["headers"]
    return headers


def test_table_of_chunk_headers_is_complete() -> None:
    text = page("docs/integrate.md")
    tables = [part for part in text.split("\n\n") if part.startswith("| header |")]
    named = {name for table in tables for name in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)}
    assert named == set(chunk_headers()["properties"])
    required = {name for table in tables for name in re.findall(r"^\| `([^`]+)` \| yes", table, re.MULTILINE)}
    assert {f"ce_{name}" for name in ("tenant", "roomid", "sessionid", "sequence", "time")} <= required


@pytest.mark.parametrize("language", ["go", "java", "js"])
def test_senders_in_other_languages_set_every_header_needed(language: str) -> None:
    (snippet,) = blocks("docs/integrate.md", language)
    needed = {*chunk_headers()["required"], "ce_time", "content-type", "ce_speakerid", "ce_durationms"}
    assert needed <= set(re.findall(r'"((?:ce_|content-)[a-z]+)"', snippet))
    assert topics.CHUNKS.type in snippet
    assert topics.CHUNKS.name in snippet


def test_table_of_codecs_is_complete() -> None:
    table = next(part for part in page("docs/integrate.md").split("\n\n") if part.startswith("| content-type |"))
    named = [name.replace(";rate=…;channels=…", "") for name in re.findall(r"`(audio/[^`]+)`", table)]
    formats = [parse_content_type(name) for name in named]
    assert {audio.codec for audio in formats} == set(get_args(CodecName))
    assert {audio.framing for audio in formats} == {"single", "length16"}


def test_table_of_reasons_is_complete() -> None:
    table = next(part for part in page("docs/integrate.md").split("\n\n") if part.startswith("| reason |"))
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == {
        *get_args(BadReason),
        *get_args(AudioFault),
    }


# The chart.


def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return loaded


def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return loaded


def changed(path: str, value: Any) -> dict[str, Any]:
    """The chart's values with one of them replaced."""
    result = copy.deepcopy(values())
    *above, last = path.split(".")
    place = result
    for name in above:
        place = place[name]
    place[last] = value
    return result


def test_chart_has_the_topics_of_the_code() -> None:
    chart = {row["name"]: (row["scaled"], row["config"]) for row in values()["topics"]["list"]}
    assert chart == {row.name: (row.scaled, row.config()) for row in topics.TOPICS}


def test_chart_takes_its_own_values() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(values(), schema())
    jsonschema.validate(changed("settings", {"store": "rocksdb", "max_chunk_bytes": 2_000_000}), schema())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kafka.bootstrapServers", "no-port"),
        ("topics.partitions", 0),
        ("topics.replicas", "3"),
        ("topics.strimzi", {"enabled": True, "cluster": ""}),
        ("settings", {"no_such_setting": 1}),
        ("settings", {"max_batch": 0}),
        ("settings", {"store": "redis"}),
        ("settings", {"kafka": "the chart sets it itself:9092"}),
        ("stages.segment.replicas", -1),
        ("stages.judge.state.size", "much"),
        ("lexicons", {"../escape.yaml": "[]"}),
        ("nonsense", True),
    ],
)
def test_chart_refuses(path: str, value: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed(path, value), schema())


def test_chart_sets_or_takes_every_setting() -> None:
    taken = set(schema()["properties"]["settings"]["properties"])
    assert taken | reference.CHART_SETS == set(Settings.model_fields)
    assert not taken & reference.CHART_SETS
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))
    for name in reference.CHART_SETS - {"config"}:
        assert f"ROOMWARDEN_{name.upper()}" in templates


def test_pods_get_more_time_to_stop_than_workers_take() -> None:
    (seconds,) = re.findall(r"terminationGracePeriodSeconds: (\d+)", page("helm/roomwarden/templates/stages.yaml"))
    assert int(seconds) > STOP_BUDGET_S


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    binary = os.environ.get("HELM") or shutil.which("helm")
    if binary is None:
        pytest.skip("helm is not on this machine: install it, or name it in HELM, to render the chart")
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_chart_renders() -> None:
    assert (linted := helm("lint", "--strict", str(CHART))).returncode == 0, linted.stdout
    options = ["topics.strimzi.enabled=true", "topics.strimzi.cluster=main", "settings.max_chunk_bytes=2000000"]
    options += ["settings.admission.acme=20"]
    options += ["stages.segment.state.size=5Gi", "signing.existingSecret=signing", r"lexicons.own\.yaml=text"]
    done = helm("template", "demo", str(CHART), *(part for option in options for part in ("--set", option)))
    assert done.returncode == 0, done.stderr
    made = [item for item in yaml.safe_load_all(done.stdout) if item]
    kafka_topics = {
        item["metadata"]["name"]: item["spec"] for item in made if item["apiVersion"] == "kafka.strimzi.io/v1"
    }
    assert set(kafka_topics) == set(topics.BY_NAME)
    for name, spec in kafka_topics.items():
        assert spec["partitions"] == topics.BY_NAME[name].partitions(8)
        assert spec["config"] == topics.BY_NAME[name].config()
    workloads = {item["metadata"]["name"]: item for item in made if item["kind"] in ("Deployment", "StatefulSet")}
    assert {name: item["kind"] for name, item in workloads.items()} == {
        "demo-roomwarden-segment": "StatefulSet",
        "demo-roomwarden-listen": "Deployment",
        "demo-roomwarden-judge": "StatefulSet",
    }
    for name, item in workloads.items():
        (container,) = item["spec"]["template"]["spec"]["containers"]
        assert container["command"] == ["roomwarden", "worker", name.rpartition("-")[2]]
        assert container["livenessProbe"]["httpGet"]["path"] == "/live"
        assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
        assert container["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "signing", "key": "signing-key"}
    environment = next(item["data"] for item in made if item["metadata"]["name"] == "demo-roomwarden-settings")
    parsed = Settings.model_validate(
        {
            key.removeprefix("ROOMWARDEN_").lower(): json.loads(value) if value.startswith(("[", "{")) else value
            for key, value in environment.items()
        }
    )
    assert (parsed.max_chunk_bytes, parsed.admission) == (2_000_000, {"acme": 20})
    assert [str(path) for path in parsed.lexicons] == ["/etc/roomwarden/own.yaml"]


def test_chart_refuses_when_rendered() -> None:
    done = helm("template", "demo", str(CHART), "--set", "topics.partitions=0")
    assert done.returncode != 0
    assert "partitions" in done.stderr
