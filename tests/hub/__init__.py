"""Our own Hub: the routes that huggingface_hub needs, on 127.0.0.1, with switches for every misbehaviour.

`python -m tests.hub FOLDER --port P` serves a folder as a repository. In tests:

    hub = Hub()
    commit = hub.model("org/name").commit({"config.json": b"{}", "m.bin": sparse(8 << 30, {0: head})})
    hub.fault("resolve/", status=503, times=2)
    ...
    hub.requests("resolve/")  # what was asked, with the bytes that were sent
"""

from __future__ import annotations

from tests.hub.faults import Fault
from tests.hub.repository import Blob, Repository, blob, folder, sparse
from tests.hub.server import Asked, Hub

__all__ = ["Asked", "Blob", "Fault", "Hub", "Repository", "blob", "folder", "sparse"]
