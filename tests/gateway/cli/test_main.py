from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway import __version__
from gateway.cli import main as cli
from gateway.errors import FetchFailed, UnknownTask


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds a command to the built-in ones, by its target or its code."""

    def add(name: str, target: str | Callable[[], None]) -> None:
        if callable(target):
            monkeypatch.setattr(cli, f"command_{name}", click.command()(target), raising=False)
            target = f"gateway.cli.main:command_{name}"
        monkeypatch.setitem(cli.BUILTINS, name, cli.Builtin(target, "Test."))

    return add


def test_help_lists_every_command_without_importing_any() -> None:
    code = "import sys; from gateway.cli.main import main; main(['--help'], standalone_mode=False)"
    code += "; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    help_text, _, modules = done.stdout.rpartition("\n[")
    for name, builtin in cli.BUILTINS.items():
        assert f"  {name}" in help_text
        assert f"'{builtin.target.partition(':')[0]}'" not in modules
    for heavy in ("torch", "onnxruntime", "fastapi", "httpx", "training"):
        assert f"'{heavy}'" not in modules


def test_python_m_gateway_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"cascade, version {__version__}\n"


def test_the_installed_version_is_the_code_s() -> None:
    assert importlib.metadata.version("cascade-gateway") == __version__


def test_commands_of_other_packages_join_by_entry_point() -> None:
    listed = CliRunner().invoke(cli.main, ["--help"]).output
    for point in importlib.metadata.entry_points(group=cli.PLUGIN_GROUP):
        assert f"  {point.name} " in listed


@pytest.mark.parametrize(("error", "exit_code"), [(UnknownTask("no task 'x'"), 2), (FetchFailed("nothing works"), 1)])
def test_errors_become_one_line_on_standard_error_and_an_exit_code(
    error: UnknownTask | FetchFailed, exit_code: int, register: Callable[..., None]
) -> None:
    register("fails", raising(error))
    result = CliRunner().invoke(cli.main, ["fails"])
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr == f"error[{error.code}]: {error.message}\n"


def test_an_interruption_is_no_traceback(register: Callable[..., None]) -> None:
    register("long", raising(KeyboardInterrupt()))
    result = CliRunner().invoke(cli.main, ["long"])
    assert (result.exit_code, result.stderr) == (130, "\ninterrupted\n")


def test_a_defect_is_not_hidden(register: Callable[..., None]) -> None:
    register("broken", raising(ZeroDivisionError()))
    assert isinstance(CliRunner().invoke(cli.main, ["broken"]).exception, ZeroDivisionError)


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["models", "no-such-command"], ["--no-such-option"], ["init"]]
)
def test_wrong_use_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli.main, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("gateway.cli.absent:command", "absent"),
        ("gateway.cli.main:absent", "not a command"),
        ("gateway.cli.main:_load", "not a command"),
    ],
)
def test_a_command_that_is_not_there_does_not_break_the_others(
    target: str, says: str, register: Callable[..., None]
) -> None:
    register("absent", target)
    result = CliRunner().invoke(cli.main, ["absent"])
    assert result.exit_code == 1
    assert "error[configuration]: `cascade absent` cannot be loaded" in result.stderr
    assert says in result.stderr
    assert CliRunner().invoke(cli.main, ["models", "--help"]).exit_code == 0


@pytest.mark.parametrize("where", ["on import", "when run"])
def test_a_command_that_needs_an_extra_names_it(
    where: str, register: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = ModuleNotFoundError("No module named 'torch'", name="torch.nn")
    if where == "when run":
        register("needy", raising(absent))
    else:
        (tmp_path / "needs_extra.py").write_text(f"raise ModuleNotFoundError({absent.msg!r}, name={absent.name!r})\n")
        monkeypatch.syspath_prepend(tmp_path)
        register("needy", "needs_extra:command")
    result = CliRunner().invoke(cli.main, ["needy"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error[model-missing]: this needs the package torch")
    assert "pip install 'cascade-gateway[train]'" in result.stderr


def test_a_missing_package_that_is_no_extra_is_a_defect(register: Callable[..., None]) -> None:
    register("broken", raising(ModuleNotFoundError("No module named 'numpy'", name="numpy")))
    assert isinstance(CliRunner().invoke(cli.main, ["broken"]).exception, ModuleNotFoundError)


def test_every_package_that_only_extras_install_is_known(project_root: Path) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    names = {re.split(r"[><=\[]", requirement)[0] for extra in ("large", "train") for requirement in extras[extra]}
    imported = {"scikit-learn": "sklearn", "python-crfsuite": "pycrfsuite"}
    assert {imported.get(name, name) for name in names - {"cascade-gateway"}} == cli.EXTRA_PACKAGES


def test_home_is_an_option_of_every_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["--home", str(tmp_path), "models", "list"])
    assert result.exit_code == 2
    assert f"error[home-not-found]: {tmp_path} (--home)" in result.stderr
