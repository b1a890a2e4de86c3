"""An authority and the certificates it signs, made by openssl for one test run; keys in PKCS#8, as Kafka wants them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, and both in one file (PEM)."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """Signs certificates; ``certificate`` is what others trust."""

    def __init__(self, directory: Path, name: str = "Roomwarden test authority") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not on this machine: install it to make the certificates of this test")
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate = directory / "authority.pem"
        self._key = directory / "authority.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def sign(self, name: str, address: str = "127.0.0.1", password: str = "") -> Pair:
        """A certificate for ``name``, valid at an IP address; its key encrypted where a password is given."""
        made = Pair(*(self.directory / f"{name}{ending}" for ending in (".crt", ".key", ".pem")))
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName=IP:{address}\n")
        secrecy = ("-passout", f"pass:{password}") if password else ("-nodes",)
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *secrecy, "-subj", f"/CN={name}",
            "-keyout", made.key, "-out", request,
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", made.certificate,
        )  # fmt: skip
        made.both.write_text(made.key.read_text() + made.certificate.read_text())
        return made

    def _openssl(self, *words: str | Path) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)  # noqa: S607  # whichever openssl is in use
