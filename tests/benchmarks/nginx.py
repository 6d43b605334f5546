"""
nginx, twice: as the upstream that is no bottleneck, and as the proxy that nothing beats.

The upstream answers any POST with a file: what the path begins with says which (`/whole/`,
`/stream/`), or else the `accept` header does.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.canned import WHOLE, burst

_FRAME = """
daemon off; master_process off; pid {folder}/{name}.pid; error_log {folder}/{name}.error.log;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 100000000; client_max_body_size 0;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  {rest}
}}
"""
_UPSTREAM = """
  types {{ }}
  map $http_accept $canned {{ default whole; text/event-stream stream; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {folder}/canned;
    add_header request-id req_018EeWyXxfu5pfWkrYcMdjWG always;
    error_page 405 =200 $uri;  # a static file is not for POST; here it is
    location ~ ^/(whole|stream)/ {{ rewrite ^/(whole|stream)/ /$1 last; }}
    location /v1/ {{ rewrite .* /$canned last; }}
    location = /whole {{ default_type application/json; }}
    location = /stream {{ default_type text/event-stream; }}
  }}
"""
_PROXY = """
  upstream there {{ server {upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off;
    proxy_read_timeout 600s;
    location / {{ proxy_pass http://there; }}
  }}
"""


def upstream_command(folder: Path, port: int) -> tuple[str, ...]:
    """Writes what it needs into `folder`."""
    canned = folder / "canned"
    canned.mkdir()
    (canned / "whole").write_bytes(WHOLE)
    (canned / "stream").write_bytes(burst())
    return _command(folder, "upstream", _UPSTREAM.format(folder=folder, port=port))


def proxy_command(folder: Path, port: int, upstream: str) -> tuple[str, ...]:
    address = upstream.removeprefix("http://")
    return _command(folder, "nginx", _PROXY.format(port=port, upstream=address))


def _command(folder: Path, name: str, rest: str) -> tuple[str, ...]:
    config = folder / f"{name}.conf"
    config.write_text(_FRAME.format(folder=folder, name=name, rest=rest))
    return ("nginx", "-c", str(config))
