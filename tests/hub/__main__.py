"""`python -m tests.hub FOLDER`: serve a folder as org/name until interrupted."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from tests.hub import Hub, folder


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve FOLDER as a Hub repository on 127.0.0.1.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="org/name")
    parser.add_argument("--dataset", action="store_true", help="as a data set")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cdn", action="store_true", help="answer LFS files by a redirect to another port")
    parser.add_argument("--token", help="make it private: only this token may read")
    parser.add_argument("--gated", action="store_true", help="with --token: gated instead of private")
    parser.add_argument("--page", type=int, default=1000, help="entries of a tree page")
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--where", default="resolve/", help="pattern of the requests that misbehave")
    parser.add_argument("--behave", default="", help="no-range, reset, short, loop, other-bytes, …")
    parser.add_argument("--status", type=int, default=0)
    parser.add_argument("--retry-after", help="with --status 429")
    parser.add_argument("--times", type=int, help="misbehave this many times only")
    given = parser.parse_args()
    with Hub(cdn=given.cdn, page=given.page, port=given.port, delay=given.delay_ms / 1000) as hub:
        traits = {"readers": {given.token}, "gated": given.gated, "private": not given.gated}
        add = hub.dataset if given.dataset else hub.model
        commit = add(given.name, **(traits if given.token else {})).commit(folder(given.folder))
        if given.behave or given.status:
            headers = {"Retry-After": given.retry_after} if given.retry_after else {}
            hub.fault(given.where, given.behave, status=given.status, times=given.times, headers=headers)
        prefix = "datasets/" if given.dataset else ""
        sys.stdout.write(f"hf://{prefix}{given.name}@{commit} --endpoint {hub.url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            for asked in hub.requests():
                sys.stdout.write(f"{asked}\n")


if __name__ == "__main__":
    main()
