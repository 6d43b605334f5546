"""Find legacy uses in files of any language by their words; they are listed, never rewritten."""

from __future__ import annotations

import re
from typing import Final

from proxy.migrate.findings import Examined, Finding, Verdict
from proxy.migrate.planning import Target

_PATH: Final = re.compile(r"/v1/complete(?![\w/])")
_BODY: Final = re.compile(r"max_tokens_to_sample|maxTokensToSample")
RETIRED_MODEL: Final = re.compile(
    r"(?<![\w.-])claude-(?:v1(?:\.\d)?|1(?:\.\d)?|2(?:\.[01])?|instant-v?1(?:\.\d)?)(?:-100k)?(?![\w.-])"
)
_NEAR: Final = 40
"""Lines within which several words are taken for one use."""

_CURL: Final = """\
curl https://api.anthropic.com/v1/messages \\
  -H "x-api-key: $ANTHROPIC_API_KEY" \\
  -H "anthropic-version: 2023-06-01" \\
  -H "content-type: application/json" \\
  -d '{{"model": "{model}", "max_tokens": 300,
       "messages": [{{"role": "user", "content": "..."}}]}}'"""


def examine(text: str, target: Target) -> Examined:
    """List the legacy uses of a file."""
    findings: list[Finding] = []
    last = -_NEAR
    for number, line in enumerate(text.split("\n"), 1):
        shape = None
        if _PATH.search(line):
            shape = "the path /v1/complete"
        elif _BODY.search(line):
            shape = "the body of a legacy request"
        if shape is not None:
            if number - last >= _NEAR:
                findings.append(_request(number, shape, target.example_model))
            last = number
        elif (model := RETIRED_MODEL.search(line)) is not None and number - last >= _NEAR:
            findings.append(
                Finding(
                    line=number,
                    column=model.start() + 1,
                    shape="a model that is retired",
                    verdict=Verdict.BY_HAND,
                    reasons=(f"{model[0]} is retired; name a model that is served today.",),
                )
            )
    return Examined(tuple(findings))


def _request(line: int, shape: str, model: str) -> Finding:
    return Finding(
        line=line,
        shape=shape,
        verdict=Verdict.BY_HAND,
        reasons=(
            "Ask the Messages API: text before the first `Human:` becomes `system`, turns become "
            "`messages`, and the answer's text is in `content`. `holdover explain FILE --code curl`"
            " says it for a request's body.",
        ),
        code=_CURL.format(model=model),
    )
