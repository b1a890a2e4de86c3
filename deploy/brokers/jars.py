"""Java, and the jars of Apache Kafka from Maven Central, fetched once into a cache.

Containers are not needed: `mvn dependency:copy-dependencies` on kafka-pom.xml copies kafka_2.13 and what it
needs (45 files, 43 MB) into one directory, which is the whole broker.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy.brokers.base import BrokerMissing

KAFKA_VERSION = "4.4.0"
JAVA_NEEDED = 17  # Kafka 4 brokers: https://kafka.apache.org/documentation/#java
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FETCH_TIMEOUT_S = 600


def java() -> Path:
    """Return the `java` of JAVA_HOME, or else of PATH. Raises BrokerMissing if absent or older than 17."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if found is None:
        raise BrokerMissing(
            f"Apache Kafka needs Java {JAVA_NEEDED} or newer, and there is no `java` in JAVA_HOME or PATH "
            f"(Debian: `apt-get install openjdk-{JAVA_NEEDED}-jre-headless`)"
        )
    said = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_NEEDED:
        raise BrokerMissing(f"Apache Kafka needs Java {JAVA_NEEDED} or newer, and {found} is older")
    return Path(found)


def maven() -> Path:
    """Return `mvn` of PATH. Raises BrokerMissing."""
    if (found := shutil.which("mvn")) is None:
        raise BrokerMissing(
            "the jars of Apache Kafka are fetched by Maven, and there is no `mvn` in PATH "
            "(Debian: `apt-get install maven`)"
        )
    return Path(found)


def default_cache() -> Path:
    """Return the user's cache directory for this project (XDG_CACHE_HOME or ~/.cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "roomwarden"


def jars_directory(version: str = KAFKA_VERSION, cache: Path | None = None) -> Path:
    """Return where the jars of `version` are, or would be."""
    return (cache or default_cache()) / f"kafka-{version}"


def fetch_jars(version: str = KAFKA_VERSION, cache: Path | None = None) -> Path:
    """Return a directory with all jars of Apache Kafka `version`, fetching them if the cache has none.

    The directory appears whole, by rename: an interrupted fetch leaves nothing, two at once do no harm.
    Maven checks each file against the checksum that the repository publishes, strictly.
    Raises BrokerMissing when Maven is absent, or fails.
    """
    final = jars_directory(version, cache)
    if final.is_dir():
        return final
    mvn = maven()
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{final.name}-", dir=final.parent) as work:
        # A copy, because Maven wants to write beside its project file.
        pom = shutil.copy(Path(__file__).with_name("kafka-pom.xml"), work)
        # fmt: off
        command = [
            str(mvn), "--batch-mode", "--quiet", "--strict-checksums", "--file", str(pom), _PLUGIN,
            f"-Dkafka.version={version}", "-DincludeScope=runtime", f"-DoutputDirectory={work}/jars",
        ]
        # fmt: on
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            said = next((line for line in done.stdout.splitlines() if "[ERROR]" in line), "no reason given")
            raise BrokerMissing(f"Maven could not fetch Apache Kafka {version}: {said}")
        try:
            Path(work, "jars").rename(final)
        except OSError:
            if not final.is_dir():  # else another process was first
                raise
    return final
