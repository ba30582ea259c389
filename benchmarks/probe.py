"""Run a command; print its wall seconds and the peak MiB of its largest process."""

from __future__ import annotations

import resource
import subprocess
import sys
import time


def main() -> None:
    started = time.perf_counter()
    subprocess.run(
        sys.argv[1:],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - started
    print(f"{seconds:.4f} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.1f}")


if __name__ == "__main__":
    main()
