"""`holdover keys`: tokens, their hashes, and the digests that the log shows."""

import hashlib
import os
import pty
import subprocess
import tomllib

import pytest

from proxy.security.redaction import Digester
from tests.command_line import HOLDOVER, run
from tests.waiting import PATIENCE_SECONDS


def test_a_new_token_is_shown_with_the_lines_that_know_it():
    done = run("keys", "new", "nightly-batch")
    token = done.stdout.split("# ")[2].split()[0]

    written = tomllib.loads(done.stdout)["callers"]["nightly-batch"]["token"]
    assert written == f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def test_a_name_that_cannot_be_one_gets_no_token():
    done = run("keys", "new", "nightly batch")

    assert (done.returncode, done.stdout) == (2, "")
    assert "'nightly batch'" in done.stderr


def test_a_key_is_hashed_without_the_end_of_its_line():
    for given in ("a", "a\n", "a\r\n"):
        done = run("keys", "hash", stdin=given)

        assert done.stdout == f"sha256:{hashlib.sha256(b'a').hexdigest()}\n"
    assert run("keys", "hash").returncode == 2


def test_a_whole_header_is_not_taken_for_a_key():
    for given in ("Bearer a", "bearer\ta", "x-api-key: a", "Authorization: Bearer a"):
        done = run("keys", "hash", stdin=given)

        assert (done.returncode, done.stdout) == (2, ""), given
        assert "alone" in done.stderr
    assert run("keys", "hash", stdin="a:b").returncode == 0


def test_a_digest_is_made_with_the_key_of_the_settings_or_else_the_one_that_is_kept(tmp_path):
    config = tmp_path / "holdover.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n')
    (tmp_path / "digest.key").write_text("kept\n")

    def digest(**environment: str) -> str:
        done = run("keys", "digest", "--config", str(config), stdin="sk-1\n", **environment)
        return done.stdout.strip()

    assert digest() == Digester("kept").caller(b"sk-1")
    assert digest(HOLDOVER_DIGEST_KEY="given") == Digester("given").caller(b"sk-1")


def test_without_a_key_of_digests_it_is_said_what_to_do(tmp_path):
    done = run("keys", "digest", stdin="sk-1", HOLDOVER_STATE_DIR=str(tmp_path))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"holdover: {tmp_path}/digest.key: there is no key of digests")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.unmeasured
def test_a_key_is_not_shown_where_it_is_typed():
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*HOLDOVER, "keys", "digest"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"HOLDOVER_DIGEST_KEY": "k"},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen = b""
        while b"Key: " not in seen:
            seen += os.read(ours, 1024)
        os.write(ours, b"sk-1\n")
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        seen += os.read(ours, 1024)
    os.close(ours)

    assert said.decode().strip() == Digester("k").caller(b"sk-1")
    assert b"sk-1" not in seen
