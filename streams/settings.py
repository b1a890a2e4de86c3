"""Settings: ``ROOMWARDEN_*`` variables, a YAML file named by ``ROOMWARDEN_CONFIG``, or flags; in rising precedence
file, environment, flags. ``roomwarden doctor`` prints what is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)


class Settings(BaseSettings):
    """Everything that a worker can be told. Units are in the names."""

    model_config = SettingsConfigDict(env_prefix="ROOMWARDEN_", extra="forbid", yaml_file=None)

    config: Path | None = Field(None, description="YAML file with any of these settings.")

    # Kafka
    kafka: str = Field("127.0.0.1:9092", description="Bootstrap servers, comma separated.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Kafka's own names: SSL is TLS, SASL a login with user name and password."
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How the password is proved; PLAIN sends it, so only over TLS."
    )
    kafka_username: str | None = Field(None, description="User of the SASL login.")
    kafka_password: SecretStr | None = Field(None, description="Password of the SASL login.")
    kafka_ca: Path | None = Field(None, description="Who signed the brokers' certificates (PEM); else the system's.")
    kafka_certificate: Path | None = Field(None, description="Our certificate for mutual TLS (PEM).")
    kafka_key: Path | None = Field(None, description="Its key (PEM); none if it is in the same file.")
    kafka_key_password: SecretStr | None = Field(None, description="Password of that key.")
    group_prefix: str = Field("roomwarden", description="Consumer groups are <prefix>-<stage>.")
    partitions: int = Field(8, ge=1, le=4096, description="Partitions of each scaled topic.")
    replication_factor: int = Field(1, ge=1, le=9, description="Copies of each partition.")
    fetch_max_wait_ms: int = Field(20, ge=1, le=5000, description="How long a fetch waits at the broker for data.")
    session_timeout_ms: int = Field(10_000, ge=1000, description="A silent worker loses its partitions after this.")
    rebalance_timeout_ms: int = Field(3_000, ge=500, description="How long members may take to rejoin.")
    commit_interval_ms: int = Field(500, ge=50, description="How often finished prefixes are committed.")
    producer_batch_bytes: int = Field(
        262_144, ge=1, description="Records sent together, at most; 1 for brokers that misreport the end of a batch."
    )
    heartbeat_ms: int = Field(3_000, ge=200, description="How often a worker tells the group that it lives.")
    buffer_records: int = Field(128, ge=8, le=4096, description="Records buffered for each stage's stream.")
    offset_reset: Literal["earliest", "latest"] = Field("earliest", description="Where a new group begins.")

    # State
    state_dir: Path = Field(Path(".roomwarden"), description="Tables of stateful stages and worker-local files.")
    store: Literal["memory", "rocksdb"] = Field("memory", description="Where tables live; both rebuild from Kafka.")

    # Models
    cache: Path = Field(
        Path("~/.cache/roomwarden"), description="Joined and verified weights, and Kafka's jars for tests."
    )
    whisper: str = Field("whisper-base", description="Recogniser: a known name, or a directory of CTranslate2 weights.")
    allow_hub: bool = Field(False, description="May weights be fetched from a model hub?")
    device: Literal["cpu", "cuda", "auto"] = Field("cpu", description="Where the recogniser runs.")
    threads: int = Field(2, ge=1, le=64, description="Threads of the recogniser on CPU.")
    replicas: int = Field(
        2, ge=1, le=64, description="Batches recognised at once; on CPU they share the threads, best one thread each."
    )
    batch_wait_ms: float = Field(40.0, ge=0, le=1000, description="Longest wait to fill a batch.")
    batch_seconds: float = Field(
        12.0, ge=1, description="Most padded audio in one batch: more is cheaper by the second, and answers later."
    )
    live_wait_ms: float = Field(
        5_000.0,
        ge=600,
        description="A final that waited longer for the recogniser is left to the catch-up group.",
    )
    max_batch: int = Field(16, ge=1, le=256, description="Most utterances in one batch.")

    sounds: bool = Field(True, description="Tell singing, music, screams and blasts from talk.")
    word_times: bool = Field(True, description="Time the words of utterances that hit the lexicon.")
    near_misses: bool = Field(True, description="Listen again where a transcript almost sounds like a lexicon entry.")
    near_miss_bonus: float = Field(
        1.4, ge=0, le=10, description="Nats that an entry may be less likely, for each of its syllables that sounds."
    )
    synthetic: bool = Field(True, description="Assess whether voices are synthetic.")
    synthetic_detectors: list[Path] = Field(
        default_factory=list, description="YAML files that describe further detectors of synthetic voices."
    )

    # segment
    admission: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description='Most tracks that a tenant may send at once, as JSON by tenant ("*": any other); none: no limit.',
    )
    max_chunk_bytes: int = Field(1_048_576, ge=1024, description="Larger chunks go to the dead letters.")
    max_clock_skew_ms: float = Field(
        3_600_000.0,
        ge=1000,
        description="Capture time may differ this much from the record's Kafka timestamp.",
    )

    # Delivery
    window: int = Field(4096, ge=16, description="Unacknowledged records a stage may hold over all partitions.")
    dead_letter_share: float = Field(0.5, gt=0, le=1, description="A worker stops above this share of bad records…")
    dead_letter_minimum: int = Field(200, ge=1, description="…once it has seen this many in the window.")

    # judge
    policy: Path | None = Field(None, description="Policy file; the starter policy if none.")
    lexicons: list[Path] = Field(default_factory=list, description="Lexicon files; the starter lists if none.")
    shared_hours: float = Field(
        24.0, ge=0, le=4320, description="Strikes and suspensions of other rooms count this long; read back at start."
    )
    signing_key: SecretStr | None = Field(None, description="HMAC-SHA256 key that signs takedowns.")
    audit_key: SecretStr | None = Field(
        None, description="HMAC-SHA256 key that seals the record of decisions and takedowns; plain SHA-256 if none."
    )
    audit_old_keys: list[SecretStr] = Field(
        default_factory=list, description="Earlier audit keys, for `roomwarden audit verify`."
    )

    # Health, metrics, logs, traces
    health_port: int = Field(0, ge=0, le=65535, description="/live, /ready, /metrics; 0 serves none.")
    health_host: str = Field("127.0.0.1", description="Address of the health server.")
    stall_ms: float = Field(60_000.0, ge=1000, description="/live fails when work waits this long without progress.")
    tracing: bool = Field(False, description="Export OpenTelemetry traces; where to, the OTEL_* variables say.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "text"

    @model_validator(mode="after")
    def _kafka_access(self) -> Self:
        """A login or a certificate that would silently not be used, or half of one, is refused."""
        protocol = self.kafka_security_protocol
        login = {"kafka_username": self.kafka_username, "kafka_password": self.kafka_password}
        files = {
            "kafka_ca": self.kafka_ca,
            "kafka_certificate": self.kafka_certificate,
            "kafka_key": self.kafka_key,
            "kafka_key_password": self.kafka_key_password,
        }
        problem = None
        if protocol.startswith("SASL") and (missing := [name for name, value in login.items() if not value]):
            problem = f"{' and '.join(missing)}: needed by kafka_security_protocol {protocol}"
        elif not protocol.startswith("SASL") and (unused := [name for name, value in login.items() if value]):
            problem = f"{' and '.join(unused)}: not used by kafka_security_protocol {protocol}; set SASL_SSL"
        elif not protocol.endswith("SSL") and (unused := [name for name, value in files.items() if value]):
            problem = f"{' and '.join(unused)}: not used by kafka_security_protocol {protocol}; set SSL or SASL_SSL"
        elif self.kafka_key and not self.kafka_certificate:
            problem = "kafka_key: of no use without kafka_certificate"
        elif protocol == "SASL_PLAINTEXT" and self.kafka_sasl_mechanism == "PLAIN":
            problem = "kafka_sasl_mechanism: PLAIN over SASL_PLAINTEXT would send the password readable; set SASL_SSL"
        if problem:
            raise PydanticCustomError("kafka_access", "{problem}", {"problem": problem})
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over the file."""
        del dotenv_settings  # a .env in the working directory is not a place for production settings
        named: dict[str, Any] = {**env_settings(), **init_settings()}
        sources = (init_settings, env_settings, file_secret_settings)
        path = named.get("config")
        if path:
            return (*sources, YamlConfigSettingsSource(settings_cls, yaml_file=Path(path)))
        return sources


def load(**flags: Any) -> Settings:
    """Settings with the flags that are not None laid over environment and file.

    Raises:
        pydantic.ValidationError: naming each field that does not fit.
        FileNotFoundError: when the named settings file is not there.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    settings = Settings(**given)
    if settings.config is not None and not settings.config.is_file():
        raise FileNotFoundError(f"settings file {settings.config} not found; correct ROOMWARDEN_CONFIG")
    return settings
