"""Replace this process by a broker that dies with the process that asked for it.

Run as a script, `python -I -S tether.py PARENT_PID COMMAND...`, never imported by the service. It asks Linux
for SIGKILL when its parent goes (prctl PR_SET_PDEATHSIG, see prctl(2); the request outlives exec) and then
becomes COMMAND, so the process id is the broker's own. A `preexec_fn` would do the same in fewer lines, but
runs Python between fork and exec of a threaded parent, which is not safe. On systems without prctl the
broker ends with its context manager or with `stop()` only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, command: list[str]) -> None:
    """Tie this process to `parent` (a process id) and become `command`; exits 1 if the parent is gone."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    if os.getppid() != parent:  # it went before the request above was in force
        raise SystemExit("tether: the process that asked for this broker is gone")
    # Python ignores these at start-up, and an ignored signal stays ignored across exec.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - the whole purpose; the command comes from this package


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
