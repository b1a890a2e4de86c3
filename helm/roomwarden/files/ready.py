"""Ask every pod of the stages named in STAGES (headless Services, port 8080) whether it is ready; 1 if one is not."""

import json
import os
import socket
import sys
import urllib.error
import urllib.request


def ready(address: str) -> tuple[bool, str]:
    """Whether the worker at an address is ready, and what it says."""
    try:
        with urllib.request.urlopen(f"http://{address}/ready", timeout=5) as answer:
            body = answer.read()
            fine = True
    except urllib.error.HTTPError as refusal:
        body, fine = refusal.read(), False
    except OSError as problem:
        return False, f"does not answer ({problem})"
    return fine, ", ".join(f"{stage['stage']}: {stage['detail']}" for stage in json.loads(body)["stages"])


def main() -> int:
    """Print a line for each pod; the exit status."""
    port = int(os.environ.get("PORT", "8080"))
    failed = 0
    for name in os.environ["STAGES"].split():
        try:
            found = socket.getaddrinfo(name, port, socket.AF_INET, socket.SOCK_STREAM)
        except socket.gaierror:
            sys.stdout.write(f"{name}: no pod\n")
            failed += 1
            continue
        for address in sorted({item[4][0] for item in found}):
            fine, text = ready(f"{address}:{port}")
            sys.stdout.write(f"{name} {address}: {text}\n")
            failed += not fine
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
