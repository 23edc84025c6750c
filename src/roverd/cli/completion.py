"""Scripts by which shells complete commands and flags."""

import contextlib
import io
from collections.abc import Sequence

from roverd.cli.commands import COMMANDS
from roverd.cli.usage import UsageError, described

SHELLS = ("bash", "zsh", "fish")

_BASH_FILES = """
_roverd_or_files() {
  _tyro_roverd "$@"
  # Without a match, bash completes names of files.
  if [[ -z "${COMPREPLY[*]}" ]]; then COMPREPLY=(); fi
}
complete -o bashdefault -o default -F _roverd_or_files roverd
"""
_FILES = {
    "bash": ('COMPREPLY=($(compgen -f -- "$cur"))', "COMPREPLY=()"),
    "zsh": ('[[ "$completions" ==', '[[ -z "$completions" || "$completions" =='),
    "fish": ("complete --no-files ", "complete "),
}
"""By shell, what keeps the parser's script from completing names of files, and what does not."""


def write_completion(flag: str, words: Sequence[str]) -> None:
    """Print a script, or write it to a file.

    Args:
        flag: `--tyro-print-completion` or `--tyro-write-completion`.
        words: the shell, and for the latter the file.

    Raises:
        UsageError: it is another flag, or the words do not fit.
        OSError: the file cannot be written.
    """
    match flag, *words:
        case "--tyro-print-completion", shell if shell in SHELLS:
            print(_script(shell), end="")
        case "--tyro-write-completion", shell, path if shell in SHELLS:
            script = _script(shell)
            with open(path, "w", encoding="utf-8") as file:
                file.write(script)
        case _:
            raise UsageError(
                f"expected --tyro-print-completion SHELL or --tyro-write-completion SHELL FILE, "
                f"with one of the shells {', '.join(SHELLS)}, got {' '.join([flag, *words])}"
            )


def _script(shell: str) -> str:
    from tyro.extras import SubcommandApp

    commands = SubcommandApp()
    for name, command in COMMANDS.items():
        function = command.load()
        commands.command(name=name)(described(function, function))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        commands.cli(prog="roverd", args=["--tyro-print-completion", shell])
    script = printed.getvalue().replace(*_FILES[shell])
    return script + _BASH_FILES if shell == "bash" else script
