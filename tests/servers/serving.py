"""Real servers for tests, and the command that reads from them."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from tests.support import weighbridge


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(command: list[str], port: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    raise AssertionError(f"{command[0]} did not start")


def scan(*arguments: str) -> subprocess.CompletedProcess[str]:
    return weighbridge("scan", "--format", "json", *arguments)


def transferred(folder: Path) -> tuple[int, int]:
    """Requests and bytes that the server has logged."""
    lines = (folder / "access.log").read_text().splitlines()
    return len(lines), sum(int(line.split('"')[2].split()[1]) for line in lines)
