"""Keys of vendors with a prefix or middle part of their own, as the vendors document them."""

from __future__ import annotations

import re
from typing import Final

from proxy.security.sensitive.kinds import Confirm, Kind, Span, accept_secret, inspected_part
from proxy.security.sensitive.values import is_placeholder

_ANY: Final = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY" * 8
_HEX: Final = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 8
_BIG: Final = "A2BC3DE4FG5HJ6KL7MN2PQ3RS4TU5VW6" * 8
_UUID: Final = "0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0"
"""Invented parts of examples, joined at run time so that no scanner reports this file."""

_L: Final = "[A-Za-z0-9]"
_W: Final = "[A-Za-z0-9_-]"
_H: Final = "[0-9A-Fa-f]"
_U: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_END: Final = "(?![A-Za-z0-9])"
_RANDOM_PART: Final = re.compile(
    r"(?=.{8})(?:[A-Za-z]*\d+[A-Za-z][A-Za-z0-9]*|[A-Za-z]+\d{5,}|[A-Za-z0-9]{24,}|\d{16,})"
)


def _no_placeholder(found: re.Match[str], _: int) -> Span | None:
    return None if is_placeholder(inspected_part(found)) else accept_secret(found)


def _sk(found: re.Match[str], free: int) -> Span | None:
    """Reject words joined by hyphens: at least one part of a key is not a word."""
    parts = re.split("[-_]", inspected_part(found))
    is_key = parts[1] == "ant" or any(map(_RANDOM_PART.fullmatch, parts))
    return _no_placeholder(found, free) if is_key else None


def _key(
    name: str, starts: str, then: str, examples: tuple[str, ...], innocents: tuple[str, ...] = ()
) -> Kind:
    return Kind(
        name,
        "key",
        then,
        starts=tuple(starts.split()),
        confirm=_no_placeholder,
        examples=examples,
        innocents=innocents,
    )


VENDORS: Final = (
    Kind(
        "Anthropic, OpenAI and others",
        "key",
        f"{_W}{{8,}}+",
        starts=("sk-",),
        confirm=_sk,
        examples=(
            "sk-" + "ant-api03-" + _ANY[:93],
            "sk-" + _ANY[:48],
            "sk-" + "proj-" + _ANY[:40] + "_" + _ANY[:60],
            "sk-" + "or-v1-" + _HEX[:64],
            "sk-" + "lf-" + _UUID,
        ),
        innocents=(
            "sk-learn-extensions",
            "sk-estimator-pipeline-2",
            "sk-fading-circle",
            "sk-" + 32 * "x",
            "sk-...",
            "sk-ant-...",
            "task-runner-" + _HEX[:12],
            "sk-your-key-of-2024abc",
        ),
    ),
    _key("Holdover", "holdover-", f"{_W}{{20,}}+", ("holdover-" + _ANY[:43],), ("holdover-proxy",)),
    _key("Groq", "gsk_", f"{_L}{{32,}}+", ("gsk_" + _ANY[:52],)),
    _key("xAI", "xai-", f"{_L}{{40,}}+", ("xai-" + _ANY[:80],)),
    _key(
        "Perplexity, Cerebras, NVIDIA, Tavily",
        "pplx- csk- nvapi- tvly-",
        f"(?={_W}{{0,40}}\\d){_W}{{24,}}+",
        ("pplx-" + _ANY[:48], "nvapi-" + _ANY[:64]),
    ),
    _key("Replicate", "r8_", f"{_L}{{30,}}+", ("r8_" + _ANY[:37],)),
    _key(
        "Hugging Face", "hf_ api_org_", f"{_L}{{30,}}+", ("hf_" + _ANY[:34],), ("hf_hub_download",)
    ),
    _key(
        "Pinecone", "pcsk_", f"{_L}{{2,12}}_{_L}{{32,}}+", ("pcsk_" + _ANY[:6] + "_" + _ANY[:62],)
    ),
    _key(
        "LangSmith",
        "lsv2_pt_ lsv2_sk_",
        f"{_H}{{32}}_{_H}{{10}}",
        ("lsv2_pt_" + _HEX[:32] + "_" + _HEX[:10],),
    ),
    _key("ElevenLabs", "sk_", f"{_H}{{40,}}+", ("sk_" + _HEX[:48],)),
    _key(
        "Firecrawl, Jina, Fireworks, Together",
        "fc- jina_ fw_ tgp_v1_",
        f"{_L}{{22,}}+",
        ("fc-" + _HEX[:32], "jina_" + _ANY[:60]),
        ("fw_configuration_of_the_day",),
    ),
    # Clouds.
    _key(
        "AWS access key id",
        "AKIA ASIA ABIA ACCA",
        f"[A-Z0-9]{{16}}{_END}",
        ("AKIA" + _BIG[:16], "ASIA" + _BIG[:16]),
        ("AKIAB", "ASIAN MARKETS"),
    ),
    _key("AWS Bedrock", "ABSK", "[A-Za-z0-9+/]{80,}+=*+", ("ABSK" + _ANY[:108],)),
    _key("Google API key", "AIza", f"{_W}{{30,}}+", ("AIza" + "Sy" + _ANY[:33],)),
    _key("Google OAuth token", "ya29.", f"{_W}{{20,}}+", ("ya29." + "a0Af" + _ANY[:160],)),
    _key("Google OAuth refresh token", "1//0", f"{_W}{{30,}}+", ("1//0" + "e" + _ANY[:60],)),
    _key("Google OAuth secret", "GOCSPX-", f"{_W}{{20,}}+", ("GOCSPX-" + _ANY[:28],)),
    _key("DigitalOcean", "dop_v1_ doo_v1_ dor_v1_", f"{_H}{{32,}}+", ("dop_v1_" + _HEX[:64],)),
    _key(
        "Alibaba, Tencent", "LTAI AKID", f"{_L}{{12,40}}{_END}", ("LTAI" + _ANY[:20],), ("AKIDA",)
    ),
    _key("Yandex", "AQVN y0_", f"{_W}{{35,}}+", ("AQVN" + _ANY[:36],)),
    _key(
        "Cloudflare",
        "v1.0-",
        f"{_H}{{24}}-{_H}{{100,}}+",
        ("v1.0-" + _HEX[:24] + "-" + _HEX[:146],),
        ("v1.0-beta",),
    ),
    _key("Heroku", "HRKU-", f"{_W}{{30,}}+", ("HRKU-" + _UUID,)),
    _key("Fly", "fo1_ fm2_ fm1r_ fm1a_", "[A-Za-z0-9_+/=-]{32,}+", ("fo1_" + _ANY[:43],)),
    _key(
        "Netlify, Render, Supabase, Vercel",
        "nfp_ nfc_ rnd_ sbp_ sb_secret_ vcp_ vci_ vck_",
        f"{_W}{{24,}}+",
        ("nfp_" + _ANY[:36], "sbp_" + _HEX[:40]),
        ("rnd_number",),
    ),
    _key(
        "PlanetScale",
        "pscale_tkn_ pscale_pw_ pscale_oauth_",
        "[A-Za-z0-9_.=-]{30,}+",
        ("pscale_tkn_" + _ANY[:43],),
    ),
    _key("OpenShift", "sha256~", f"{_W}{{43}}", ("sha256~" + _ANY[:43],)),
    # Hosting, building and publishing of code.
    _key(
        "GitHub",
        "ghp_ gho_ ghu_ ghs_ ghr_",
        f"{_L}{{20,}}+",
        ("ghp_" + _ANY[:36], "ghr_" + _ANY[:76]),
        ("ghp_", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    ),
    _key(
        "GitHub, fine-grained",
        "github_pat_",
        "[A-Za-z0-9_]{30,}+",
        ("github_pat_" + _ANY[:22] + "_" + _ANY[:59],),
    ),
    _key(
        "GitLab",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- gloas- glsoat- glffct-",
        "[A-Za-z0-9_.-]{16,}+",
        ("glpat-" + _ANY[:20], "glrt-" + _ANY[:20]),
    ),
    _key("npm", "npm_", f"{_L}{{30,}}+", ("npm_" + _ANY[:36],), ("npm_config_registry",)),
    _key(
        "PyPI",
        "pypi-AgE",
        f"{_W}{{30,}}+",
        ("pypi-AgE" + "IcHlwaS5vcmc" + _ANY[:120],),
        ("pypi-publish",),
    ),
    _key("RubyGems", "rubygems_", f"{_H}{{40,}}+", ("rubygems_" + _HEX[:48],)),
    _key("Clojars, Adobe", "CLOJARS_ p8e-", f"{_L}{{32,}}+", ("CLOJARS_" + _HEX[:60],)),
    _key("Docker", "dckr_pat_ dckr_oat_", f"{_W}{{20,}}+", ("dckr_pat_" + _ANY[:27],)),
    _key("NuGet", "oy2", f"[a-z0-9]{{43}}{_END}", ("oy2" + _ANY[:43].lower(),)),
    _key("Vault", "hvs. hvb. hvr.", f"{_W}{{20,}}+", ("hvs." + _ANY[:95],)),
    _key(
        "Doppler",
        "dp.pt. dp.st. dp.ct. dp.sa. dp.said. dp.scim. dp.audit.",
        "[A-Za-z0-9_.-]{20,}+",
        ("dp.pt." + _ANY[:43],),
    ),
    _key("Pulumi, Infracost", "pul- ico-", f"{_L}{{32,}}+", ("pul-" + _HEX[:40],)),
    _key("Artifactory", "AKCp", f"{_L}{{50,}}+", ("AKCp" + "8" + _ANY[:68],)),
    _key("SonarQube", "squ_ sqp_ sqa_", f"{_H}{{40}}", ("squ_" + _HEX[:40],)),
    _key(
        "Buildkite, CircleCI, Sourcegraph, Prefect",
        "bkua_ CCIPAT_ CCIPRJ_ sgp_ pnu_ pnb_",
        f"{_W}{{30,}}+",
        ("bkua_" + _HEX[:40],),
    ),
    _key(
        "Tailscale",
        "tskey-",
        f"[a-z]{{3,10}}-{_W}{{16,}}+",
        ("tskey-auth-" + _ANY[:12] + "CNTRL-" + _ANY[:32],),
    ),
    _key("age", "AGE-SECRET-KEY-1", "[A-Z0-9]{50,}+", ("AGE-SECRET-KEY-1" + _BIG[:58],)),
    _key("1Password", "ops_eyJ", "[A-Za-z0-9_=-]{60,}+", ("ops_eyJ" + _ANY[:200],)),
    # Services.
    _key(
        "Slack",
        "xoxb- xoxp- xoxa- xoxo- xoxe- xoxr- xoxs- xoxc- xoxd- xoxe.",
        "(?=.{0,40}\\d)[A-Za-z0-9.%+/_-]{10,}+",
        ("xoxb-" + "123456789012-1234567890123-" + _ANY[:24],),
        ("xoxb-...", "xoxb-your-token-2024"),
    ),
    _key(
        "Slack app",
        "xapp-",
        f"\\d-{_W}{{16,}}+",
        ("xapp-1-" + _BIG[:11] + "-1234567890123-" + _HEX[:64],),
    ),
    _key(
        "Stripe",
        "sk_live_ sk_test_ rk_live_ rk_test_ sk_org_",
        f"{_W}{{10,}}+",
        ("sk_live_" + _ANY[:24], "rk_live_" + _ANY[:99]),
        ("sk_live_...",),
    ),
    _key("webhook secret", "whsec_", "[A-Za-z0-9+/_-]{16,}+=*+", ("whsec_" + _ANY[:32],)),
    _key("Twilio", "SK AC", f"[0-9a-f]{{32}}{_END}", ("SK" + _HEX[:32], "AC" + _HEX[:32])),
    _key(
        "SendGrid", "SG.", f"{_W}{{16,64}}\\.{_W}{{16,}}+", ("SG." + _ANY[:22] + "." + _ANY[:43],)
    ),
    _key("Mailgun", "key-", f"[0-9a-f]{{32}}{_END}", ("key-" + _HEX[:32],)),
    _key(
        "Brevo",
        "xkeysib- xsmtpsib-",
        f"{_H}{{32,}}+-{_L}{{8,}}+",
        ("xkeysib-" + _HEX[:64] + "-" + _ANY[:16],),
    ),
    _key(
        "Resend",
        "re_",
        f"(?=[A-Za-z0-9_]{{0,30}}\\d){_L}{{6,12}}_{_L}{{16,}}+",
        ("re_" + _ANY[:8] + "_" + _ANY[:24],),
        ("re_compile_expressions",),
    ),
    _key(
        "Shopify", "shpat_ shpca_ shppa_ shpss_ shptka_", f"{_H}{{24,}}+", ("shpat_" + _HEX[:32],)
    ),
    _key("Square", "sq0atp- sq0csp- sq0idp- sq0ids-", f"{_W}{{20,}}+", ("sq0atp-" + _ANY[:22],)),
    _key(
        "Square, Facebook",
        "EAA",
        f"{_L}{_W}{{48,}}+(?![+/=])",
        ("EAA" + "A" + _ANY[:60], "EAA" + _ANY[:150]),
    ),
    _key("Notion, older", "secret_", f"{_L}{{40,}}+", ("secret_" + _ANY[:43],)),
    _key("Notion", "ntn_", f"{_L}{{32,}}+", ("ntn_" + _ANY[:46],)),
    _key("Linear", "lin_api_ lin_oauth_", f"{_L}{{30,}}+", ("lin_api_" + _ANY[:40],)),
    _key("Postman", "PMAK-", f"{_H}{{24}}-{_H}{{30,}}+", ("PMAK-" + _HEX[:24] + "-" + _HEX[:34],)),
    _key("New Relic", "NRAK- NRJS- NRII- NRIQ- NRRA-", f"{_W}{{16,}}+", ("NRAK-" + _BIG[:27],)),
    _key(
        "Grafana",
        "glc_ glsa_",
        "[A-Za-z0-9+/_=-]{30,}+",
        ("glsa_" + _ANY[:32] + "_" + _HEX[:8], "glc_" + _ANY[:100]),
    ),
    _key("Sentry", "sntrys_ sntryu_ sntrya_", "[A-Za-z0-9+/_=-]{40,}+", ("sntryu_" + _HEX[:64],)),
    _key("Figma", "figd_ figo_ figu_", f"{_W}{{30,}}+", ("figd_" + _ANY[:40],)),
    _key(
        "Atlassian",
        "ATATT3x ATCTT3x ATBB",
        "[A-Za-z0-9_=-]{28,}+",
        ("ATATT3x" + "Ff" + _ANY[:175] + "=" + _BIG[:8],),
    ),
    _key("HubSpot", "pat-na1- pat-na2- pat-eu1-", _U, ("pat-na1-" + _UUID,)),
    _key("Razorpay", "rzp_live_ rzp_test_", f"{_L}{{12,}}+", ("rzp_live_" + _ANY[:14],)),
    _key(
        "Plaid",
        "access-production- access-sandbox- access-development-",
        _U,
        ("access-sandbox-" + _UUID,),
    ),
    _key(
        "Flutterwave, Shippo, Duffel",
        "FLWSECK- FLWSECK_TEST- shippo_live_ shippo_test_ duffel_live_ duffel_test_",
        f"{_W}{{24,}}+",
        ("shippo_live_" + _HEX[:40],),
    ),
    _key(
        "Dynatrace",
        "dt0c01. dt0s16.",
        "[A-Z0-9]{24}\\.[A-Z0-9]{40,}+",
        ("dt0c01." + _BIG[:24] + "." + _BIG[:64],),
    ),
    _key(
        "Contentful, Typeform, PostHog, ReadMe, Braintrust",
        "CFPAT- tfp_ phx_ phs_ rdme_",
        f"{_W}{{36,}}+",
        ("CFPAT-" + _ANY[:43], "phx_" + _ANY[:43]),
    ),
    _key("EasyPost", "EZAK EZTK", f"{_L}{{54}}{_END}", ("EZAK" + _ANY[:54],)),
    _key("Amazon MWS", "amzn.mws.", _U, ("amzn.mws." + _UUID,)),
    _key("Dropbox", "sl.", f"(?:[a-z]\\.)?{_W}{{120,}}+", ("sl." + _ANY[:135],)),
)


def _with_letters_before(letters: str, least: int, most: int) -> Confirm:
    """Accept a match after `least` to `most` of these letters, and include them."""
    before = re.compile(rf"[{letters}]{{{least},{most}}}+(?![{letters}])")

    def confirm(found: re.Match[str], free: int) -> Span | None:
        start = found.start()
        word = before.match(found.string[max(free, start - most - 1) : start][::-1])
        return (start - word.end(), accept_secret(found)[1]) if word else None

    return confirm


VENDORS_BY_INFIX: Final = (
    Kind(
        "Databricks",
        "key",
        rf"dapi(?<![A-Za-z0-9]dapi){_H}{{32}}(?:-\d)?{_END}",
        needs=("dapi",),
        examples=("dapi" + _HEX[:32], "dapi" + _HEX[:32] + "-2"),
        innocents=("dapi" + _HEX[:31],),
    ),
    Kind(
        "Telegram",
        "key",
        rf":(?<=\d{{8}}:)(?=[A-Za-z0-9_-]{{0,30}}[A-Z]){_W}{{33,37}}+(?!{_W})",
        needs=(":",),
        confirm=_with_letters_before("0-9", 8, 11),
        examples=("1234567890" + ":AA" + _ANY[:33],),
        innocents=("12345678:" + _HEX[:35],),
    ),
    Kind(
        "Terraform",
        "key",
        rf"\.atlasv1\.{_W}{{40,100}}+",
        needs=(".atlasv1.",),
        confirm=_with_letters_before("A-Za-z0-9", 12, 16),
        examples=(_ANY[:14] + ".atlasv1." + _ANY[:67],),
    ),
    Kind(
        "Azure client secret",
        "key",
        r"Q~[A-Za-z0-9_.~-]{28,40}+",
        needs=("Q~",),
        confirm=_with_letters_before("A-Za-z0-9_.~-", 4, 4),
        examples=(_ANY[:3] + "8Q~" + _ANY[:34],),
    ),
    Kind(
        "Discord bot",
        "key",
        rf"\.{_W}{{6}}\.{_W}{{27,48}}+",
        needs=(".",),
        confirm=_with_letters_before("A-Za-z0-9_-", 23, 30),
        examples=("MT" + _ANY[:22] + "." + _ANY[:6] + "." + _ANY[:38],),
        innocents=("www.cookie.example-of-a-long-name-of-a-host",),
    ),
    Kind(
        "Airtable",
        "key",
        rf"\.[0-9a-f]{{64}}{_END}",
        needs=(".",),
        confirm=_with_letters_before("A-Za-z0-9", 17, 17),
        examples=("pat" + _ANY[:14] + "." + _HEX[:64],),
    ),
    Kind(
        "Mailchimp",
        "key",
        rf"-us\d{{1,2}}{_END}",
        needs=("-us",),
        confirm=_with_letters_before("0-9a-f", 32, 32),
        examples=(_HEX[:32] + "-us14",),
        innocents=("en-us1",),
    ),
    Kind(
        "New Relic licence",
        "key",
        rf"NRAL{_END}",
        needs=("NRAL",),
        confirm=_with_letters_before("0-9a-f", 36, 36),
        examples=(_HEX[:36] + "NRAL",),
    ),
    Kind(
        "Firebase messaging",
        "key",
        rf":APA91b{_W}{{100,200}}+",
        needs=(":APA91b",),
        confirm=_with_letters_before("A-Za-z0-9_-", 11, 22),
        examples=("AAAA" + _ANY[:7] + ":APA91b" + _ANY[:134],),
    ),
)
