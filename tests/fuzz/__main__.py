"""`python -m tests.fuzz --records 100000 --seed 1`: exit status 0 if nothing broke."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time

from tests.fuzz.targets import into_decoders, into_engine

HANG_S = 900
PART = 2_000


def main(arguments: list[str] | None = None) -> int:
    """Fuzz decoders and engine."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="into each decoder, and into the engine")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    for name, target in (("decoders", into_decoders), ("engine", into_engine)):
        total: dict[str, object] = {}
        for part in range(0, options.records, PART):
            faulthandler.dump_traceback_later(HANG_S, exit=True)  # a hang ends here, with the stack of where
            found = target(min(PART, options.records - part), options.seed * 1_000_003 + part)  # type: ignore[operator]
            for key, value in found.items():
                total[key] = total.get(key, type(value)()) + value  # type: ignore[operator]
        print(f"{name}: {options.records} records, {time.monotonic() - begun:.0f} s")  # noqa: T201
        for key, value in total.items():
            print(f"  {key}: {dict(value.most_common()) if isinstance(value, dict) else value}")  # type: ignore[attr-defined] # noqa: T201
    faulthandler.cancel_dump_traceback_later()
    return 0


if __name__ == "__main__":
    sys.exit(main())
