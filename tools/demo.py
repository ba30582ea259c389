"""``make demo``: a clean model passes, a pickled one is not let through. Nothing is contacted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*arguments: str, expect: int) -> None:
    """Show the command and its output; stop when the verdict is not the expected one."""
    print(f"\n$ weighbridge {' '.join(arguments)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "scanner", *arguments], check=False, cwd=ROOT).returncode
    print(f"(exit {code})", flush=True)
    if code != expect:
        sys.exit(f"demo: expected exit {expect}, got {code}")


def main() -> None:
    """Run the demo."""
    run("scan", "fixtures/demo/clean", expect=0)
    (ROOT / "demo-output").mkdir(exist_ok=True)
    run("bom", "fixtures/demo/clean", "-o", "demo-output/aibom.cdx.json", expect=0)
    run("scan", "fixtures/demo/trojaned", expect=1)


if __name__ == "__main__":
    main()
