"""The command `roverd`, run as a program of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass

ENTRY_POINT = "from roverd.cli import main; main()"


@dataclass
class Finished:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


_MEASURED = """
import resource, sys
from roverd.cli.main import run
status = run(sys.argv[1:])
try:
    # What `resource` says counts what the process was forked from, too.
    with open("/proc/self/status", encoding="ascii") as file:
        (peak,) = [int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:")]
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak <<= 0 if sys.platform == "darwin" else 10
print(peak)
sys.exit(status)
"""


def run_measured(*arguments: object) -> tuple[Finished, float]:
    """Run `roverd`, and measure the most memory that it has had, in megabytes."""
    done = run_roverd(*arguments, program=_MEASURED, timeout=600)
    *lines, peak = done.out.splitlines(keepends=True)
    return Finished(done.status, "".join(lines), done.err), int(peak) / 1e6


def run_roverd(
    *arguments: object, cwd: object = None, program: str = ENTRY_POINT, timeout: float = 60
) -> Finished:
    """Run `roverd` with these arguments; other warnings than those for its user are errors."""
    flags = ["-W", "error", "-W", "default::UserWarning"]
    command = [sys.executable, *flags, "-c", program, *map(str, arguments)]
    # Absolute, for `cwd`; and as text in any locale.
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(":") if path]
    environment = {**os.environ, "PYTHONPATH": ":".join(paths), "PYTHONUTF8": "1"}
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        env=environment,
        cwd=str(cwd) if cwd else None,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def expect_one_line_error(finished: Finished, *names: object) -> None:
    """Assert that a command failed with one line on stderr that has these names in it."""
    assert finished.status == 1
    assert finished.out == ""
    (line,) = finished.err.splitlines()
    assert all(str(name) in line for name in names)
    assert "Traceback" not in line
