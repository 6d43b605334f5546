from proxy.redaction import Digester, describe_crash


def test_one_digest_key_gives_one_digest_and_another_gives_another():
    digests = {Digester(key).caller(b"sk-1") for key in ["a", "a", "b"]}

    assert len(digests) == 2
    assert Digester("a").caller(b"sk-1") != Digester("a").caller(b"sk-2")


def test_without_a_key_no_two_processes_agree():
    assert Digester(None).caller(b"sk-1") != Digester(None).caller(b"sk-1")


def test_a_crash_is_described_by_type_and_place_but_not_in_its_own_words():
    try:
        raise ValueError("sk-ant-secret")
    except ValueError as crash:
        described = describe_crash(crash)

    assert described["error"] == "ValueError"
    assert "test_redaction.py" in str(described["where"])
    assert "sk-ant-secret" not in str(described)
