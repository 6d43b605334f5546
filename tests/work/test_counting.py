import pytest

from tests.work import Work, counted, is_linear, squares, work_of

pytestmark = pytest.mark.without_coverage

SIZES = (100, 200, 400)
counting = counted("tests.work.squares")

SQUARES = {
    "looked_for": lambda size: (["x", "y"] * size, "a" * size),
    "walked_to": lambda size: ("a" * size,),
    "grown": lambda size: (["a"] * size,),
    "eaten": lambda size: ("a" * size,),
    "moved_up": lambda size: ([""] * size,),
    "repeated": lambda size: ([str(number) for number in range(size)],),
    "backtracked": lambda size: (" " * size + "a",),
}


@pytest.mark.parametrize("name", SQUARES)
def test_a_square_is_seen_wherever_it_hides(name):
    function = getattr(counting, name)
    works = [work_of(function, *SQUARES[name](size)) for size in SIZES]

    assert not is_linear(works)


@pytest.mark.parametrize("name", SQUARES)
def test_what_is_counted_does_the_same(name):
    assert getattr(counting, name)(*SQUARES[name](5)) == getattr(squares, name)(*SQUARES[name](5))


def test_a_text_looked_through_once_is_counted_once():
    work = work_of(counting.looked_for, ["no"], "a" * 1_000)

    assert work == Work(steps=2, handed=1_002)


def test_work_that_is_none_of_ours_is_not_counted():
    assert work_of(squares.eaten, "a" * 1_000) == Work(0, 0)


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ((1_000, 2_000, 4_000), True),
        ((1_000, 1_000, 1_000), True),
        ((10, 90, 200), True),
        ((1_000, 4_000, 16_000), False),
        ((1_000, 2_000, 8_000), False),
    ],
    ids=["doubled", "the same", "too little to tell", "a square", "a square from somewhere on"],
)
def test_work_is_linear_where_it_does_no_more_than_double(steps, verdict):
    assert is_linear([Work(each, 0) for each in steps]) is verdict
    assert is_linear([Work(0, each) for each in steps]) is verdict
