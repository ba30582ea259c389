"""A wheel built from the tree works in an empty environment, policies and rule data included."""

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built by the build backend itself, without network."""
    folder = tmp_path_factory.mktemp("wheel")
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    command = [sys.executable, "-c", f"import uv_build; uv_build.build_wheel({str(folder)!r})"]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_has_everything_that_is_no_code(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for path in (ROOT / "scanner").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert path.relative_to(ROOT).as_posix() in names
    assert {f"scanner/policy/packs/{name}.yaml" for name in ("baseline", "strict")} <= names
    assert not [name for name in names if not name.startswith(("scanner/", "weighbridge-"))]


def test_it_weighs_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """The packages that ours needs are borrowed from this environment; ours itself is the wheel's."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    target = ROOT / "fixtures" / "demo" / "clean"
    result = subprocess.run(
        [python, "-m", "scanner", "scan", str(target), "--policy", "strict"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    where = subprocess.run(
        [python, "-c", "import scanner; print(scanner.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert Path(where.strip()).is_relative_to(site)
