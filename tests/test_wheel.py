"""A wheel built from the tree works in an empty environment, with everything in it that is no code."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CLEAN = str(ROOT / "fixtures" / "demo" / "clean")


def _run(*command: object, **options: object) -> str:
    """What a command that must succeed prints."""
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=120, **options
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built by the build backend itself, without network."""
    folder = tmp_path_factory.mktemp("wheel")
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    build = f"import uv_build; uv_build.build_wheel({str(folder)!r})"
    _run(sys.executable, "-c", build, cwd=ROOT, env={**os.environ, "PATH": path})
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory) -> Path:
    """An environment with our wheel alone; the packages that it needs are borrowed from this one."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    site = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # Only the folder is added: the link to this tree, which lies in it, is not followed.
    (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = _run(python, "-c", "import scanner; print(scanner.__file__)", cwd=folder).strip()
    assert Path(where).is_relative_to(site)
    return scripts


def test_the_wheel_has_everything_that_is_no_code(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for path in (ROOT / "scanner").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert path.relative_to(ROOT).as_posix() in names
    assert {f"scanner/policy/packs/{name}.yaml" for name in ("baseline", "strict")} <= names
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    assert not [name for name in names if not name.startswith(("scanner/", "weighbridge-"))]


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--version"], "weighbridge "),
        (["rules"], "pickle/dangerous-callable"),
        (["policy", "explain", "strict"], "[strict.yaml:"),
        (["scan", CLEAN], "PASS"),
        (["scan", CLEAN, "--policy", "strict", "--format", "json"], '"decision": "pass"'),
        (["scan", CLEAN, "--format", "sarif"], '"name": "Weighbridge"'),
        (["bom", CLEAN, "--spec", "1.7"], '"specVersion": "1.7"'),
    ],
    ids=lambda part: " ".join(part).replace(CLEAN, "clean") if isinstance(part, list) else "",
)
def test_the_command_works_from_the_wheel(
    scripts: Path, tmp_path, arguments: list[str], printed: str
) -> None:
    assert printed in _run(scripts / "weighbridge", *arguments, cwd=tmp_path)
