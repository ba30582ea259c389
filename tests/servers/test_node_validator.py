"""Bills held against a second implementation: the CycloneDX library for JavaScript, with ajv."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT, weighbridge

pytestmark = pytest.mark.servers

PACKAGES = (
    "@cyclonedx/cyclonedx-library@10.3.0",
    "ajv@8.20.0",
    "ajv-formats@3.0.1",
    "ajv-formats-draft2019@1.6.1",
)
SCRIPT = """
const { Validation } = require("@cyclonedx/cyclonedx-library");
const text = require("node:fs").readFileSync(0, "utf8");
new Validation.JsonStrictValidator(JSON.parse(text).specVersion).validate(text).then((problems) => {
  console.log(JSON.stringify(problems));
  process.exit(problems === null ? 0 : 1);
});
"""


@pytest.fixture(scope="module")
def node() -> Path:
    folder = ROOT / ".cache" / "node-validator"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / "ajv").is_dir():
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
        subprocess.run(command, check=True, cwd=folder, timeout=300)
    return folder


def _validate(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    command = ["node", "-e", SCRIPT]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, cwd=folder, check=False, timeout=60
    )


@pytest.mark.parametrize("spec", ["1.6", "1.7"])
@pytest.mark.parametrize("folder", ["demo/clean", "demo/trojaned", "gguf/clean"])
def test_a_second_implementation_accepts_our_bills(node, spec: str, folder: str) -> None:
    arguments = ("bom", f"fixtures/{folder}", "--spec", spec, "--timestamp", "2026-01-02T03:04:05Z")
    written = weighbridge(*arguments)
    assert written.stdout, written.stderr
    verdict = _validate(node, written.stdout)
    assert (verdict.returncode, verdict.stdout) == (0, "null\n"), verdict.stdout + verdict.stderr
    broken = json.loads(written.stdout)
    broken["components"][0]["parameterCount"] = 7
    assert _validate(node, json.dumps(broken)).returncode == 1
