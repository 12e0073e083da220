"""What must hold for the project as a whole: imports, dependencies, the wheel, and documentation that is true."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from hatchling.builders.wheel import WheelBuilder

from gateway import __version__
from gateway.cli.main import BUILTINS, main
from gateway.home import Home

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MODULES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    for path in (ROOT / "gateway").rglob("*.py")
    if path.name != "__main__.py" and "starter" not in path.parts
)
# The only modules that may need the extra `large`; the gateway starts without importing them.
NEEDS_LARGE = ("gateway.tiers.large",)
OUTSIDE_THE_CORE = (
    "torch",
    "transformers",
    "training",
    "onnx",
    "onnxscript",
    "safetensors",
    "peft",
    "scipy",
    "sklearn",
)
DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "starlette": "fastapi",
    "stdnum": "python-stdnum",
}  # import name -> what is declared; starlette is fastapi's own


def imports(path: Path) -> Iterator[str]:
    """Top-level names of everything a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


# --- imports and dependencies ---


def test_every_module_of_the_gateway_imports_without_torch_transformers_and_training() -> None:
    wanted = [module for module in MODULES if not module.startswith(NEEDS_LARGE)]
    assert len(wanted) > 20
    code = f"""
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OUTSIDE_THE_CORE!r}:
            raise ImportError(f"{{name}} is not part of the core", name=name)
sys.meta_path.insert(0, Refuse())
for module in {wanted!r}:
    importlib.import_module(module)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_gateway_never_imports_training() -> None:
    for path in (ROOT / "gateway").rglob("*.py"):
        assert "training" not in set(imports(path)), path


def test_every_import_of_the_gateway_is_a_declared_dependency() -> None:
    core = declared(PROJECT["dependencies"])
    large = core | declared(PROJECT["optional-dependencies"]["large"])
    for path in (ROOT / "gateway").rglob("*.py"):
        names = {name for name in imports(path) if name not in sys.stdlib_module_names and name != "gateway"}
        for name in names:
            # The extras `otel` and `train`: imported only where requests are traced or figures drawn.
            if (name, path.name) in {("opentelemetry", "tracing.py"), ("matplotlib", "figures.py")}:
                continue
            allowed = large if "large" in path.parts or name == "torch" else core
            assert DISTRIBUTIONS.get(name, name).replace("_", "-").lower() in allowed, f"{path} imports {name}"


def test_the_core_does_not_depend_on_torch() -> None:
    assert not declared(PROJECT["dependencies"]) & {"torch", "transformers", "onnx", "scipy"}


def test_constraints_pin_everything_that_is_declared() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert not any("+" in version for version in pins.values())  # no local builds: an index must have them
    pinned = {name.lower().replace("_", "-") for name in pins}
    everything = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    missing = set().union(*map(declared, everything)) - pinned - {"cascade-gateway"}
    assert not missing


# --- the wheel ---


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    [built] = WheelBuilder(str(ROOT)).build(directory=str(directory), versions=["standard"])
    return Path(built)


def test_the_wheel_holds_code_and_the_starter_home_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {item.filename: item.file_size for item in archive.infolist()}
    tops = {name.partition("/")[0] for name in files}
    assert tops == {"gateway", "training", f"cascade_gateway-{__version__}.dist-info"}
    assert {"gateway/starter/models/bases.yaml", "gateway/starter/rules/receipts/task.yaml", "gateway/py.typed"} <= set(
        files
    )
    stray = [name for name in files if re.search(r"(^|/)(\.|__pycache__)|\.(pt|ckpt|pyc)$", name)]
    assert stray == []
    assert max(files.values()) < 30_000_000, "base weights do not belong into the wheel"


def test_the_wheel_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    def run(*arguments: str) -> str:
        code = f"import sys; sys.path.insert(0, {str(site)!r}); from gateway.cli.main import main; main()"
        command = [sys.executable, "-P", "-c", code, *arguments]
        done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert f"wrote {elsewhere}/home/rules" in run("init", "home")
    assert f"bases in {Home(elsewhere).cache}" in run("--home", "home", "models", "list")
    assert (elsewhere / "home/rules/receipts/task.yaml").read_bytes() == (
        ROOT / "rules/receipts/task.yaml"
    ).read_bytes()


def test_the_wheel_s_metadata(wheel: Path) -> None:
    [metadata] = importlib.metadata.distributions(path=[str(wheel)])
    assert (metadata.name, metadata.version) == ("cascade-gateway", __version__)
    assert metadata.metadata["License-Expression"] == "Apache-2.0"
    assert {point.name for point in metadata.entry_points.select(group="console_scripts")} == {"cascade"}


# --- the documentation ---


def shell_lines(name: str) -> list[str]:
    """Commands in the fenced shell blocks of a Markdown file."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / name).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that a line calls, and the words behind it."""
    command: click.Command = main
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no command {words[0]}"
        command, words = found, words[1:]
    return command, words


README_COMMANDS = [line for line in shell_lines("README.md") if line.startswith("cascade ")]


def test_the_readme_shows_commands() -> None:
    assert len(README_COMMANDS) > 5


@pytest.mark.parametrize("line", README_COMMANDS)
def test_cascade_commands_of_the_readme_exist_with_their_options(line: str) -> None:
    command, words = find_command(shlex.split(line, comments=True)[1:])
    options = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options


@pytest.mark.parametrize("line", [line for line in shell_lines("README.md") if line.startswith("make ")])
def test_make_targets_of_the_readme_exist(line: str) -> None:
    target = shlex.split(line, comments=True)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
def test_links_into_the_repository_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text("utf-8")):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("name", BUILTINS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) > 4


# --- what is deployed ---


def test_prometheus_scrapes_the_metrics_path() -> None:
    config: Any = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    [job] = config["scrape_configs"]
    assert job["metrics_path"] == "/metrics"


def test_the_image_gets_every_file_it_copies() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names == kept
    assert all((ROOT / name).exists() for name in names)
