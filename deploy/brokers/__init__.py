"""Brokers on this machine behind one interface: `open_broker("embedded")` or `open_broker("apache", nodes=3)`.

Nothing outside this package knows which one it talks to; production gives ROOMWARDEN_KAFKA instead.
"""

from typing import Any, Literal

from deploy.brokers.base import Broker, BrokerMissing, ClientHints
from deploy.brokers.kraft import Listener
from deploy.brokers.probe import wait_ready
from deploy.brokers.process import BrokerFailed

__all__ = [
    "Broker",
    "BrokerFailed",
    "BrokerMissing",
    "ClientHints",
    "Kind",
    "Listener",
    "missing",
    "open_broker",
    "wait_ready",
]

Kind = Literal["embedded", "apache"]


def open_broker(kind: Kind, **options: Any) -> Broker:
    """Return a broker that is not yet started; `options` are those of EmbeddedBroker or ApacheBroker.

    Raises BrokerMissing with what to install, TypeError for an option that this kind does not have,
    ValueError for an unknown kind.
    """
    if kind == "embedded":
        from deploy.brokers.embedded import EmbeddedBroker

        return EmbeddedBroker(**options)
    if kind == "apache":
        from deploy.brokers.apache import ApacheBroker

        return ApacheBroker(**options)
    raise ValueError(f"kind: {kind!r} is not a broker; give embedded or apache")


def missing(kind: Kind) -> str | None:
    """Say what this machine lacks to run `kind`, or None if it lacks nothing; fetches nothing."""
    try:
        if kind == "embedded":
            from deploy.brokers.embedded import tansu_binary

            tansu_binary()
        else:
            from deploy.brokers import jars

            jars.java()
            if not jars.jars_directory().is_dir():
                jars.maven()
    except BrokerMissing as reason:
        return str(reason)
    return None
