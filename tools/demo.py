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
    output = ROOT / "demo-output"
    output.mkdir(exist_ok=True)
    print("A clean model: weighed, its digests checked, its bill of materials written.", flush=True)
    run("scan", "fixtures/demo/clean", expect=0)
    run("verify", "fixtures/demo/clean", expect=0)
    run("bom", "fixtures/demo/clean", "-o", "demo-output/aibom.cdx.json", expect=0)
    print("\nThe same model, with a trojan in its pickle (an inert one: it names `true`).", flush=True)
    run("scan", "fixtures/demo/trojaned", expect=1)
    print(
        "\nThe clean one passed, the trojan was refused; the AIBOM is demo-output/aibom.cdx.json", flush=True
    )


if __name__ == "__main__":
    main()
