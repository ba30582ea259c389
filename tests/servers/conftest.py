"""nginx, which answers ranges and writes down what it was asked for."""

from __future__ import annotations

import os

import pytest

from tests.servers.serving import free_port, serve

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@pytest.fixture
def nginx(tmp_path):
    port = free_port()
    # A worker of root's nginx is nobody, who may not read below pytest's folders.
    user = "user root;\n" if os.geteuid() == 0 else ""
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"{user}daemon off; worker_processes 1; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        "events {}\n"
        f"http {{ access_log {tmp_path}/access.log;\n"
        # The usual places for temporary files are root's.
        f"{''.join(f'{kind}_temp_path {tmp_path}/{kind}; ' for kind in _TEMPORARY)}\n"
        f"server {{ listen 127.0.0.1:{port}; root {tmp_path}/www; }} }}\n"
    )
    (tmp_path / "www").mkdir()
    process = serve(["nginx", "-p", str(tmp_path), "-c", str(config)], port)
    yield tmp_path, f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()
