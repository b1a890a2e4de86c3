"""Finding weights: order of places, verification, assembly from packages, one clear sentence when missing."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models import weights
from models.weights import CorruptWeights, MissingWeights, Part, WeightFile, WeightSet

FIRST, SECOND, CONFIG = b"abc" * 1000, b"def" * 500, b"{}"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def toy(package: str) -> WeightSet:
    return WeightSet(
        name="toy",
        files=(
            WeightFile("model.bin", digest(FIRST + SECOND), (Part(package, "data/one"), Part(package, "data/two"))),
            WeightFile("config.json", digest(CONFIG), (Part(package, "data/config.json"),)),
        ),
        licence="MIT",
        provenance="made for this test",
        packages=("toy-weights",),
        hub="nobody/toy",
    )


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that carries the toy weights in two parts."""
    name = f"toy_weights_{tmp_path.name.replace('-', '_')}"
    data = tmp_path / "site" / name / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise ImportError('weights are found without importing the package')")
    (data / "one").write_bytes(FIRST)
    (data / "two").write_bytes(SECOND)
    (data / "config.json").write_bytes(CONFIG)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return name


def find(package: str, cache: Path, **options):
    return weights.find("toy", cache=cache, known={"toy": toy(package)}, **options)


def test_parts_are_joined_once_and_then_served_from_the_cache(package, tmp_path):
    cache = tmp_path / "cache"
    built = find(package, cache)
    assert built.source == "package"
    assert built.known
    assert (built.directory / "model.bin").read_bytes() == FIRST + SECOND
    again = find(package, cache)
    assert again.source == "cache"
    assert again.fingerprint == built.fingerprint
    assert again.sha256["model.bin"] == digest(FIRST + SECOND)


def test_nothing_is_left_beside_the_weights(package, tmp_path):
    find(package, tmp_path / "cache")
    assert {entry.name for entry in (tmp_path / "cache").iterdir()} == {".lock", "toy"}


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_cache_is_made_anew(package, tmp_path, damage):
    cache = tmp_path / "cache"
    model = find(package, cache).directory / "model.bin"
    if damage == "missing":
        model.unlink()
    else:
        model.write_bytes(FIRST)
    assert find(package, cache).source == "package"
    assert model.read_bytes() == FIRST + SECOND


def test_a_corrupt_package_is_refused_and_leaves_no_cache(package, tmp_path):
    (tmp_path / "site" / package / "data" / "two").write_bytes(b"tampered")
    with pytest.raises(CorruptWeights, match=r"model\.bin has SHA-256 .* install toy-weights again"):
        find(package, tmp_path / "cache")
    assert not (tmp_path / "cache" / "toy").exists()


def test_missing_weights_are_one_sentence_with_the_remedy(tmp_path):
    with pytest.raises(MissingWeights) as caught:
        find("no_such_package_anywhere", tmp_path / "cache")
    assert str(caught.value) == (
        "weights 'toy' are not on this machine: install toy-weights, give a path, or allow the hub"
    )


def test_half_a_package_counts_as_missing(package, tmp_path):
    (tmp_path / "site" / package / "data" / "two").unlink()
    with pytest.raises(MissingWeights, match="install toy-weights"):
        find(package, tmp_path / "cache")


def test_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(MissingWeights, match="name one of whisper-base, give a path, or allow the hub"):
        weights.find("whisper-huge", cache=tmp_path)


def test_an_explicit_path_comes_first_and_is_hashed_but_not_required_to_be_known(package, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "model.bin").write_bytes(b"fine-tuned")
    found = find(package, tmp_path / "cache", path=own)
    assert (found.source, found.known, found.directory) == ("path", False, own)
    assert found.sha256 == {"model.bin": digest(b"fine-tuned")}
    assert not (tmp_path / "cache").exists()


def test_an_explicit_path_with_the_known_files_is_known(package, tmp_path):
    directory = find(package, tmp_path / "cache").directory
    assert find(package, tmp_path / "other", path=directory).known


def test_a_path_without_a_model_is_refused(package, tmp_path):
    with pytest.raises(MissingWeights, match=r"no model\.bin"):
        find(package, tmp_path / "cache", path=tmp_path)


def test_the_hub_is_asked_only_if_allowed_and_what_it_gives_is_verified(tmp_path, monkeypatch):
    import faster_whisper.utils

    asked = []

    def download(repository, cache_dir):
        asked.append(repository)
        target = tmp_path / "download"
        target.mkdir(exist_ok=True)
        (target / "model.bin").write_bytes(FIRST + SECOND)
        (target / "config.json").write_bytes(CONFIG)
        return str(target)

    monkeypatch.setattr(faster_whisper.utils, "download_model", download)
    with pytest.raises(MissingWeights):
        find("no_such_package_anywhere", tmp_path / "cache")
    assert asked == []
    found = find("no_such_package_anywhere", tmp_path / "cache", allow_hub=True)
    assert (asked, found.source, found.known) == (["nobody/toy"], "hub", True)


def test_a_hub_that_fails_is_one_sentence(tmp_path, monkeypatch):
    import faster_whisper.utils

    def refuse(repository, cache_dir):
        raise ConnectionError("https://secret.example/token")

    monkeypatch.setattr(faster_whisper.utils, "download_model", refuse)
    with pytest.raises(MissingWeights, match=r"could not be fetched from the hub \(ConnectionError\)") as caught:
        find("no_such_package_anywhere", tmp_path / "cache", allow_hub=True)
    assert "secret" not in str(caught.value)


def test_an_unusable_cache_is_one_sentence(package, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingWeights, match="name a writable cache directory"):
        find(package, tmp_path / "file" / "cache")


SCRIPT = """
import sys
sys.path[:0] = sys.argv[3:]
from models import weights
from models.weights import Part, WeightFile, WeightSet
package, hashes = sys.argv[1], sys.argv[2].split(",")
entry = WeightSet("toy", (
    WeightFile("model.bin", hashes[0], (Part(package, "data/one"), Part(package, "data/two"))),
    WeightFile("config.json", hashes[1], (Part(package, "data/config.json"),)),
), "MIT", "test")
found = weights.find("toy", cache=sys.stdin.readline().strip(), known={"toy": entry})
print(found.source, found.fingerprint)
"""


def test_processes_that_start_together_build_once(package, tmp_path):
    root = Path(weights.__file__).parents[1]
    command = [
        sys.executable,
        "-c",
        SCRIPT,
        package,
        f"{digest(FIRST + SECOND)},{digest(CONFIG)}",
        str(root),
        str(tmp_path / "site"),
    ]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ.copy())
        for _ in range(4)
    ]
    for racer in racers:  # all are up to the same line before any may go on
        assert racer.stdin is not None
        racer.stdin.write(f"{tmp_path / 'cache'}\n")
        racer.stdin.flush()
    said = [racer.communicate()[0].split() for racer in racers]
    assert sorted(source for source, _ in said) == ["cache", "cache", "cache", "package"]
    assert len({fingerprint for _, fingerprint in said}) == 1


@pytest.mark.weights
def test_whisper_base_is_put_together_from_its_packages(tmp_path):
    found = weights.find("whisper-base", cache=tmp_path)
    assert found.source == "package"
    assert (found.directory / "model.bin").stat().st_size == 145_217_532


def test_every_known_set_states_licence_provenance_and_full_hashes():
    for name, entry in weights.KNOWN.items():
        assert entry.name == name
        assert entry.licence
        assert entry.provenance
        assert all(len(bytes.fromhex(file.sha256)) == 32 for file in entry.files)
