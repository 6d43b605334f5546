"""Targets, as they stand in a request line, by what must become of them."""

from __future__ import annotations

from typing import Final

LEAVES_THE_BASE: Final = (
    # as it is, and encoded once
    r"""/.. /../ /. /./x /v1/.. /v1/../.. /v1/../../x /../../../etc/passwd /v1/a/../../../x
    /v1/%2e%2e/x /v1/%2E%2E/x /v1/.%2e/x /v1/%2e./x /v1/%2e /%2e/ /%2e%2e /..%2f..%2fx /v1/..%2Fx
    /v1%2f..%2f..%2fx /%2e%2e%2fx /v1/%2e%2e%2f /v1%2F.. /v1//../x //.. //../x /v1/a/.//b """
    # by the other separator
    r"""/..\x /v1\..\..\x /v1/..\ /..%5cx /v1%5c..%5cx /%5c.. /v1/.%5c..%5C /\..\ /v1\%2e%2e\x
    /..%5C..%5Cx /v1/%2e%2e%5cx /v1\.\x /v1\..;\x """
    # where parameters, a query or a fragment cut a name off
    """/..; /..;/x /v1/..;a=b/x /v1/..;/..;/x /.;/x /..%3b/x /%2e%2e;/x /..%3Bx/ /v1/..%3f
    /v1/..%3Fa=b /v1/..%23 /v1/..%23/x /v1/..;%2fx /v1/..?a=b /v1/..#x /..? /v1/../?x """
    # encoded twice, and more often
    f"""/v1/%252e%252e/x /v1/%252E%252e%252fx /v1/..%252fx /v1/..%255cx /%25252e%25252e/
    /v1/%%32%65%%32%65/x /v1/%2%65%2%65/x /v1/%25%32%65%25%32%65/x /v1/.%252e;/x
    /v1/%2525252e%2525252e/x /v1/%252525252525252e./x /v1/%{"25" * 1000}2e./x """
    # white space, and control characters
    """/v1/..%20/x /v1/%20../x /v1/..%09/x /v1/..%00/x /v1/..%0d%0a/x /..%c2%a0/x /v1/x%00 /%00
    /v1/x%0d%0ahost:%20other /v1/x%0a /v1/x%09 /v1/%7f /v1/%1b[0m /v1/x%2500 /v1/x%250d%250a
    /v1/%c2%85 /v1/%08 """
    # no UTF-8, overlong UTF-8, and escapes of IIS
    """/v1/%c0%ae%c0%ae/x /v1/..%c0%afx /v1/%e0%80%ae%e0%80%ae/x /v1/%c1%9c.. /v1/%ff /v1/caf%e9
    /v1/%f0%80%80%ae./x /v1/%25c0%25ae./x /v1/%ed%a0%80 /v1/%u002e%u002e/x /v1/..%u2215x
    /v1/%U002E./x /v1/%25u002e./x /v1/..%u005cx """
    # what looks like a dot, a separator, a semicolon or a percent sign
    """/v1/%ef%bc%8e%ef%bc%8e/x /v1/%e2%80%a5/x /v1/..%ef%bc%8fx /v1/..%ef%bc%bcx
    /v1/%e2%80%a4%e2%80%a4/x /v1/..%e2%88%95x /v1/%ef%bc%852e./x /v1/..%ef%bc%9b/x
    /v1/%ef%b9%92./x /v1/..%e2%81%84x /v1/..%cd%be/x """
    # in other forms of a target
    "http://other.example/../x http://other.example/%2e%2e/x *"
).split()

STAYS_BELOW_IT: Final = r"""
    / /v1/models /v1/models/ /v1//models //v1/models //v1//models// /// /v1/files/a%2Fb
    /v1/files/a%2fb /v1/models/claude%3Alatest /v1/models/claude:latest
    /v1/models/anthropic%2Fclaude-haiku-4.5 /v1/models/us.anthropic.claude-haiku-4-5-v1:0
    /v1/models/claude-haiku-4-5@20251001 /v1/files/report...pdf /v1/files/... /v1/a..b
    /v1/files/..a /v1/files/a.. /v1/files/.hidden /.well-known/x /v1/a./b /v1/....
    /v1/files/%E6%8A%A5%E5%91%8A.pdf /v1/files/caf%C3%A9 /v1/files/%F0%9F%98%80 /v1/%E2%82%AC
    /v1/files/a%E2%80%A6b /v1/files/a%20b /v1/files/a+b /v1/files/a%2Bb /v1/files/100%
    /v1/files/100%25 /v1/files/a;b=c /v1/files/a%3Bb /v1/files/a%3Fb /v1/files/a%23b /v1/~a
    /v1/%7Ea /v1/files/a%5Cb /v1/files/a\b /v1/a|b^`{}<>"' /v1/a!$&'()*+,=b /v1/%zz /v1/%2
    /v1/files/a%252Fb /v1/models?limit=2 /v1/models?a=%2Fb&c=d%20e /v1/x?q=<>"'&r=../..
    /v1/x?a=%0D%0Ab /v1/x?a=../%2e%2e&b=%00&c=;d /v1/x?a=b?c=d /v1/x?http://other.example/
    //other.example/x //user:pw@other.example:1/x /http://other.example/ /@other.example /:80
    /v1/models/holdover /v1/files/metrics /models /v1/models/model/x /v1/complete/x /complete
    /v1/completes
""".split()  # noqa: SIM905 - nobody could read that many quotes

LIKE_OURS: Final = r"""
    /HOLDOVER/ /Holdover/lessons /v1/holdover/ /v1/holdover/lessons /V1/Holdover //holdover
    //holdover/lessons /holdover//lessons /holdover/lessons/ /holdover/x /%68oldover/
    /%68oldover/lessons /%2568oldover/lessons /holdover%2Flessons /holdover;x /holdover;x/lessons
    /holdover%3Bx/lessons /holdover%20/lessons /;/holdover /holdover\lessons /%5choldover
    /\holdover /holdover%3Fx /holdover%23x /v1/v1/holdover //v1//holdover /ho%6cdover/lessons
    /%256%38oldover/lessons /holdover /holdover/ /holdover/lessons%20 /holdover%2flessons
    /holdover/rollout/x
    /readyz/ /READYZ /readyz;x /v1/readyz //readyz /%72eadyz /readyz%2f /readyz/x
    /metrics/ /Metrics /metrics;x /v1/metrics //metrics /%6detrics /metrics%20
    /healthz/ /HealthZ /healthz;x /v1/healthz //healthz /healthz%23 /healthz%3F
""".split()  # noqa: SIM905 - nobody could read that many quotes

LIKE_BEDROCKS: Final = """
    /model/anthropic.claude-v2/invoke /model/anthropic.claude-v2%3A1/invoke
    /model/anthropic.claude-v2:1/invoke-with-response-stream
    /model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprovisioned-model%2Fx/invoke
    /model/us.anthropic.claude-haiku-4-5-20251001-v1:0/converse
    /model/us.anthropic.claude-haiku-4-5-20251001-v1:0/converse-stream
    /model/x/invoke?X-Amz-Signature=abc&X-Amz-Security-Token=def&key=ghi
    //model/x/invoke /Model/x/invoke /%6dodel/x/invoke /model%2Fx%2Finvoke
""".split()  # noqa: SIM905 - nobody could read that many quotes
