"""Single files: what is not read, keys, other languages, and writing without git."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.migrate import Target
from proxy.migrate.elsewhere import examine
from proxy.migrate.files import FileResult, Skipped, examine_file, write_result
from proxy.migrate.keys import has_key, keys_in, without_keys
from translators import Policy

TARGET = Target(policy=Policy(), today="2026-11-28")
KEY = "sk-ant-api03-abcdefghijkl"


def test_a_file_that_is_gone_is_said():
    found = examine_file(Path("/nowhere/a.py"), TARGET)

    assert isinstance(found, Skipped)
    assert "not readable" in found.reason


def test_a_file_that_is_nested_too_deeply_is_said(tmp_path: Path):
    path = tmp_path / "deep.py"
    path.write_text(f"HUMAN_PROMPT = {'-' * 900}1\n")

    assert examine_file(path, TARGET) == Skipped(path, "nested too deeply")


def test_without_git_a_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    monkeypatch.setenv("PATH", str(tmp_path))

    write_result(FileResult(path, (), b"old", b"new"))

    assert path.read_bytes() == b"new"


def test_keys_are_found_once_a_line_and_never_shown():
    text = f"a\nx = '{KEY}', '{KEY}'\n"

    assert [(each.line, each.column) for each in keys_in(text)] == [(2, 6)]
    assert has_key(text)
    assert KEY not in without_keys(text)
    assert not has_key("sk-ant-...")


@pytest.mark.parametrize("module", ["langchain/chat_models", "langchain/chat_models/anthropic"])
def test_an_object_of_langchain_that_names_no_model_is_found(module: str, tmp_path: Path):
    path = tmp_path / "a.ts"
    path.write_text(
        f'import {{ ChatAnthropic }} from "{module}";\nnew ChatAnthropic().invoke(q);\n'
    )

    found = examine_file(path, TARGET)

    assert isinstance(found, FileResult)
    assert [each.shape for each in found.findings] == ["ChatAnthropic of LangChain"]


def test_words_near_each_other_are_one_use_in_other_languages():
    text = (
        "url = '/v1/complete'\n'max_tokens_to_sample': 1\nmodel claude-2\n"
        + "\n" * 50
        + "maxTokensToSample\n"
        + "\n" * 50
        + "claude-instant-1.2-100k and claude-2-mine\n/v1/completely\n"
    )

    assert [(each.line, each.shape) for each in examine(text, TARGET).findings] == [
        (1, "the path /v1/complete"),
        (54, "the body of a legacy request"),
        (105, "a model that is retired"),
    ]


@pytest.mark.parametrize("suffix", [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs"])
def test_files_of_javascript_and_typescript_keep_their_mark_and_their_line_ends(
    suffix: str, tmp_path: Path
):
    path = tmp_path / f"a{suffix}"
    text = (
        'import { HUMAN_PROMPT, Anthropic } from "@anthropic-ai/sdk";\r\n'
        "const é = HUMAN_PROMPT;\r\n"
        "x = (await new Anthropic().completions.create({ model: 'claude-2', "
        "max_tokens_to_sample: 9, prompt: '\\n\\nHuman: é\\n\\nAssistant:' })).completion;\r\n"
    )
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())

    found = examine_file(path, TARGET)

    assert isinstance(found, FileResult)
    assert found.after.startswith(b"\xef\xbb\xbfimport { HUMAN")
    assert b"messages.create" in found.after
    assert found.after.count(b"\r\n") == found.after.count(b"\n") == 3


@pytest.mark.parametrize("suffix", [".vue", ".svelte", ".astro", ".html", ".ejs", ".gs"])
def test_a_page_with_a_script_is_listed(suffix: str, tmp_path: Path):
    path = tmp_path / f"a{suffix}"
    path.write_text("<script>fetch('https://h/v1/complete')</script>")
    result = examine_file(path, TARGET)

    assert isinstance(result, FileResult)
    assert [each.shape for each in result.findings] == ["the path /v1/complete"]
