"""``make demo``: a clean model passes, a trojaned one is refused, an AIBOM is left behind.

A Hub of our own serves both on 127.0.0.1; the real client talks to it. Nothing else is contacted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.hub import Hub, repository

ROOT = Path(__file__).parent.parent
OUT = ROOT / "demo-output"


def run(*arguments: str, expect: int) -> None:
    """Show the command and its output; stop when the verdict is not the expected one."""
    print(f"\n$ weighbridge {' '.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "scanner", *arguments]
    code = subprocess.run(command, check=False).returncode
    print(f"(exit {code})", flush=True)
    if code != expect:
        sys.exit(f"demo: expected exit {expect}, got {code}")


def main() -> None:
    """Run the demo."""
    OUT.mkdir(exist_ok=True)
    folder = ROOT / "fixtures" / "demo"
    repos = [repository(f"demo/{name}", folder / name) for name in ("clean", "trojaned")]
    with Hub(repos) as hub:
        os.environ.update(HF_ENDPOINT=hub.endpoint, HF_HUB_DISABLE_TELEMETRY="1")
        print("A Hub of our own now serves demo/clean and demo/trojaned on 127.0.0.1.")
        run("scan", "hf://demo/clean", expect=0)
        run("scan", "hf://demo/trojaned", expect=1)
    run("bom", str(folder / "clean"), "-o", str(OUT / "aibom.cdx.json"), expect=0)
    run("scan", str(folder / "trojaned"), "--format", "sarif", "-o", str(OUT / "scan.sarif"), expect=1)
    print(f"\nThe AIBOM is in {OUT.name}/aibom.cdx.json, the SARIF log in {OUT.name}/scan.sarif.")


if __name__ == "__main__":
    main()
