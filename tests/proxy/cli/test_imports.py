"""What commands import: most of the time of a short one is that, and forgetting it at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proxy.cli.harness import settings_with
from tests.recorded_exchanges import numbered
from tests.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.unmeasured, pytest.mark.without_coverage]

NOT_READ = ("jinja2", "pyarrow", "proxy.security.sensitive")
SERVERS = ("httpx", "prometheus_client", "starlette", "structlog", "uvicorn")
OTHER_STORES = ("alembic", "psycopg", "sqlalchemy.dialects.postgresql")
REQUEST = (
    '{"model": "claude-2", "prompt": "\\n\\nHuman: Hi\\n\\nAssistant:", "max_tokens_to_sample": 5}'
)
RUN = f"""
import sys
from proxy.cli import main

unused = [*{(*NOT_READ, *SERVERS, *OTHER_STORES)}, *sys.argv.pop().split(",")]
try:
    main()
finally:
    print("imported:", *(name for name in unused if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.measured
@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        ("log", ""),
        ("log --format json", "rich"),
        ("show req_0001", ""),
        ("report --since 520w", ""),
        ("traffic check", "rich"),
        ("models", "sqlalchemy"),
        ("check holdover.toml", "sqlalchemy,rich"),
        ("explain request.json", "sqlalchemy,rich"),
        ("rollout status --config holdover.toml", "sqlalchemy"),
    ],
)
def test_a_verb_imports_nothing_that_only_others_need(
    tmp_path: Path, arguments: str, unused: str
) -> None:
    config = settings_with(tmp_path, numbered(1))
    (tmp_path / "request.json").write_text(REQUEST)
    run = subprocess.run(
        [sys.executable, "-c", RUN, *arguments.split(), unused],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"HOLDOVER_CONFIG": str(config), "PYTHONPATH": str(Path.cwd())},
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert (run.returncode, run.stderr.splitlines()[-1:]) == (0, ["imported:"]), run.stderr


@pytest.mark.measured
def test_what_was_imported_is_not_searched_for_garbage_at_the_end():
    """Registered earlier, so it is called later."""
    code = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count()));"
        "from proxy.cli import main; main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )

    assert int(run.stdout.splitlines()[-1]) > 1_000
