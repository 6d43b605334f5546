from proxy.report.code_listing import code_lines
from tests.proxy.report.factories import call


def lines(code: str) -> list[str]:
    return list(code_lines(call(code=code)))


def test_code_is_shown_line_by_line_with_its_indentation():
    assert lines("def f():\n    g()\n") == ["def f():", "    g()"]


def test_what_a_terminal_would_obey_is_spelled_and_separators_do_not_break_lines():
    assert lines('"\x1b[2J"\n"a\u2028b"') == ['"\\u001b[2J"', '"a\\u2028b"']


def test_a_prompt_as_long_as_a_book_is_cut_and_that_is_said():
    assert lines("x" * 2_001) == ["x" * 2_000 + " ... 2,001 characters"]
    assert lines("x" * 2_000) == ["x" * 2_000]
    assert lines("x\n" * 201)[-2:] == ["x", "... 201 lines"]
    assert len(lines("x\n" * 200)) == 200
