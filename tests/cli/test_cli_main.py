"""What all commands share: help, errors, exit statuses, completion, what is loaded."""

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from roverd.cli.commands import COMMANDS
from support.command_line import ENTRY_POINT, expect_one_line_error, run_roverd
from support.traces import SHORT

NAMES = sorted(COMMANDS)


def test_help_names_every_command_with_its_summary():
    done = run_roverd("--help")
    assert (done.status, done.err) == (0, "")
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.summary)}$", done.out, re.MULTILINE)
    assert max(map(len, done.lines)) <= 80


def test_without_a_command_the_help_is_on_stderr():
    done = run_roverd()
    assert (done.status, done.out) == (2, "")
    assert done.err == run_roverd("--help").out


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_explains_every_parameter(name: str):
    done = run_roverd(name, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"usage: roverd {name} ")
    assert "Example:" in done.out
    function = COMMANDS[name].load()
    described = re.findall(r"^    (?:    )?(\w+): ", inspect.getdoc(function) or "", re.MULTILINE)
    assert described == list(inspect.signature(function).parameters)


def example(name: str, sandbox: Path) -> list[str]:
    """The words of a command's example, with its paths below a sandbox, and stores in memory."""
    text = " ".join((inspect.getdoc(COMMANDS[name].load()) or "").split())
    match = re.search(r"Example: `roverd (.*?)`", text)
    assert match, name
    words = match[1].replace("s3://", "memory://")
    return shlex.split(re.sub(r"(?<!\S)/(data|tmp)/", rf"{sandbox}/\1/", words))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"demo"}))
def test_example_of_a_command_works(name: str, tmp_path: Path):
    recordings = tmp_path / "data" / "recordings"
    shutil.copytree(SHORT, recordings / "walk")
    (tmp_path / "tmp").mkdir()
    if name == "unblobify":
        assert run_roverd(*example("blobify", tmp_path), cwd=recordings).status == 0
    words = example(name, tmp_path)
    assert words[0] == name
    done = run_roverd(*words, cwd=recordings)
    assert done.status == 0, done.err


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"cache", "demo"}))
def test_path_that_is_not_there_is_an_error_in_one_line(name: str, tmp_path: Path):
    paths = [tmp_path / "nowhere", *([tmp_path / "dst"] if takes_two(name) else [])]
    needed = {
        "extract": ["--start", 0, "--length", 1],
        "transcode": ["--preset", "small"],
        "upload": ["memory://dst"],
    }
    flags = needed.get(name, [])
    expect_one_line_error(run_roverd(name, *paths, *flags), tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def takes_two(name: str) -> bool:
    return "dst" in inspect.signature(COMMANDS[name].load()).parameters


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_knows_all_commands_and_their_flags(shell: str):
    done = run_roverd("--tyro-print-completion", shell)
    assert (done.status, done.err) == (0, "")
    assert all(f"{name}" in done.out for name in NAMES)
    assert all(flag in done.out for flag in ("--length", "--deep", "--include", "--min-range"))


COMPLETED = [
    ("roverd ext", ["extract"]),
    ("roverd extract demo --st", ["--start"]),
    ("roverd checksum --algorithm ", ["md5", "sha256", "xxh3_128"]),
    ("roverd unblobify demo new --format ", ["lzma", "lzmaf", "pcof", "raw", "zstdf"]),
]
NOT_COMPLETED = ["roverd info wa", "roverd checksum --include ", "roverd extract demo ne"]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    for shell in ("bash", "zsh"):
        done = run_roverd("--tyro-write-completion", shell, folder / shell)
        assert (done.status, done.out, done.err) == (0, "", "")
    return folder


def asked(*command: object) -> list[str]:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="the shell bash is not there")
@pytest.mark.parametrize(
    ("line", "expected"), COMPLETED + [(line, []) for line in NOT_COMPLETED], ids=str
)
def test_bash_completes_words_and_leaves_the_rest_to_names_of_files(
    line: str, expected: list[str], scripts: Path
):
    ask = (
        'source "$1"; COMP_LINE=$2; COMP_POINT=${#2}; read -ra COMP_WORDS <<< "$2"; '
        "[[ $2 == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
        "spec=$(complete -p roverd); [[ $spec == *'-o default'* ]] || echo no files; "
        "[[ $spec =~ -F\\ ([^ ]*) ]]; ${BASH_REMATCH[1]} roverd; "
        'for word in "${COMPREPLY[@]}"; do echo "$word"; done'
    )
    assert sorted(asked("bash", "-c", ask, "bash", scripts / "bash", line)) == expected


@pytest.mark.skipif(shutil.which("zsh") is None, reason="the shell zsh is not there")
@pytest.mark.parametrize(
    ("line", "expected"), COMPLETED + [(line, ["files"]) for line in NOT_COMPLETED], ids=str
)
def test_zsh_completes_words_and_otherwise_names_of_files(
    line: str, expected: list[str], scripts: Path
):
    ask = (
        "_files() { print files }; _describe() { print -l -- ${${(@P)2}%%:*} }; "
        'words=("${(@s: :)2}"); CURRENT=$#words; source $1'
    )
    assert sorted(asked("zsh", "-f", "-c", ask, "zsh", scripts / "zsh", line)) == expected


@pytest.mark.parametrize(
    "words",
    [["--tyro-print-completion", "csh"], ["--tyro-write-completion", "bash"], ["--tyro-magic"]],
    ids=str,
)
def test_completion_for_what_is_no_shell_is_an_error_in_one_line(words: list[str]):
    done = run_roverd(*words)
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert line.startswith("roverd: error: ") and words[0] in line and "bash, zsh" in line


def test_help_loads_nothing_that_takes_long():
    code = "import sys; from roverd.cli.main import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    slow = {"numpy", "tyro", "tqdm", "cv2", "av", "yaml", "rosbags", "xxhash", "roverd.ops"}
    assert not slow & loaded


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_loads_no_arrays(name: str):
    code = f"import sys; sys.argv = ['roverd', {name!r}, '--help']\n"
    code += "from roverd.cli.main import run\nrun(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "roverd.ops"} & set(done.stdout.splitlines()[-1].split())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_output_that_cannot_be_written_is_an_error_in_one_line():
    command = [sys.executable, "-c", ENTRY_POINT, "info", str(SHORT)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment
        )
    assert done.stderr == "roverd: error: standard output: no space left on device\n"
    assert done.returncode == 1


def test_program_stops_when_its_reader_does(tmp_path: Path):
    for number in range(2000):
        (tmp_path / f"{number:0100}").mkdir()
        (tmp_path / f"{number:0100}" / "config.yaml").touch()
    command = [sys.executable, "-c", ENTRY_POINT, "list", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
