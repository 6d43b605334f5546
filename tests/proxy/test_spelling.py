import pytest

from proxy.spelling import nearest, or_rather


def test_a_name_that_is_like_another_is_corrected():
    assert or_rather("prot", ["port", "host"]) == "; did you mean `port`?"


def test_a_name_that_is_like_no_other_is_not_corrected():
    assert or_rather("colour", ["port", "host"]) == ""
    assert or_rather("colour", ["port", "host"], otherwise="; write port or host") == (
        "; write port or host"
    )


@pytest.mark.parametrize("given", ["UPSTREAM_URL", "Upstream_Url", "upstream-url"])
def test_case_and_hyphens_do_not_hide_what_is_meant(given: str):
    assert nearest(given, ["upstream_url", "upstream_key"]) == "upstream_url"


def test_how_alike_names_must_be_can_be_chosen():
    assert nearest("claude-prod", ["claude-2"]) == "claude-2"
    assert nearest("claude-prod", ["claude-2"], alike=0.85) is None
