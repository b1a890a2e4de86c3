"""Free TCP ports on the loopback interface."""

import random
import socket
from pathlib import Path

_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 20_000  # below live the ports that people give their services by hand


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return `count` different ports on which nothing listens at `host`.

    They lie below the range from which the kernel serves outgoing connections: a broker that is stopped and
    started again must find its port free, and a client that retries a closed port inside that range can end
    up connected to itself. Nobody holds the ports after the return, so use them at once.
    Raises OSError when there are too few.
    """
    highest = int(_RANGE_FILE.read_text().split()[0]) if _RANGE_FILE.exists() else 32_768
    candidates = list(range(_LOWEST, highest))
    random.shuffle(candidates)
    found: list[int] = []
    for port in candidates:
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found.append(port)
    if len(found) < count:
        raise OSError(f"no {count} free TCP ports between {_LOWEST} and {highest} at {host}; give --port")
    return found


def taken(address: str) -> bool:
    """Whether "host:port" cannot be bound now, even where connections of its last owner linger."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return True
    return False
