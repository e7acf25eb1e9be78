"""The series-parallel shape of DAGs: exact where there is one, with the fewest waits added where there is none."""

import random
from collections.abc import Iterable, Sequence
from itertools import combinations, permutations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from steersman.tasks.asl.parts import Parallel, Series, Tree
from steersman.tasks.asl.shape import AddedJoin, Shape, shape_of, stages_in
from tests.unit.tasks.dags import SHAPES

Needs = dict[str, list[str]]
Pair = tuple[str, str]


@st.composite
def needs_of(draw: st.DrawFn, largest: int) -> Needs:
    """Draw a DAG in one of the shapes that work has, its stages listed in any order."""
    shape, size = draw(st.sampled_from(sorted(SHAPES))), draw(st.integers(1, largest))
    rng = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311 - a drawn seed
    needs = SHAPES[shape](size, rng)
    listed = [(f"s{number}", [f"s{need}" for need in all_of]) for number, all_of in enumerate(needs)]
    rng.shuffle(listed)
    return dict(listed)


@st.composite
def trees(draw: st.DrawFn, largest: int = 20) -> Tree:
    """Draw a series-parallel shape."""
    names = iter(f"s{number}" for number in range(10 * largest))
    rng = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311 - a drawn seed

    def grow(size: int) -> Tree:
        if size == 1:
            return next(names)
        left = rng.randint(1, size - 1)
        return rng.choice([Series, Parallel])((grow(left), grow(size - left)))

    return grow(draw(st.integers(1, largest)))


def pairs_of(tree: Tree) -> set[Pair]:
    """Return (earlier, later) for all pairs of stages that a tree puts in order."""
    if isinstance(tree, str):
        return set()
    found = set().union(*(pairs_of(part) for part in tree.parts))
    if isinstance(tree, Series):
        for first, second in combinations(tree.parts, 2):
            found |= {(one, other) for one in stages_in(first) for other in stages_in(second)}
    return found


def closure(pairs: Iterable[Pair]) -> set[Pair]:
    found = set(pairs)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


def ordered(needs: Needs) -> set[Pair]:
    return closure((need, name) for name, all_of in needs.items() for need in all_of)


def has_n(names: Sequence[str], pairs: set[Pair]) -> bool:
    """Say whether four stages lie as in an N (a<c, b<c, b<d, nothing else): no series-parallel order has one."""
    return any(
        {(a, c), (b, c), (b, d)} == {pair for pair in permutations((a, b, c, d), 2) if pair in pairs}
        for a, b, c, d in permutations(names, 4)
    )


def best_by_trying(needs: Needs) -> tuple[int, int]:
    """Return how many pairs must be put in order before no N is left, and the shortest longest chain with so many."""
    pairs, names = ordered(needs), list(needs)
    free = [pair for pair in permutations(names, 2) if pair not in pairs and pair[::-1] not in pairs]
    for count in range(len(free) + 1):
        orders = [pairs | set(added) for added in combinations(free, count)]
        good = [one for one in orders if closure(one) == one and not has_n(names, one) and not _cyclic(one)]
        if good:
            return count, min(_longest_chain(names, one) for one in good)
    raise AssertionError("a chain is always possible")


def _longest_chain(names: Sequence[str], pairs: set[Pair]) -> int:
    """Return its stages: those before a stage, in a closure, are all there is of its chains."""
    longest: dict[str, int] = {}
    for name in sorted(names, key=lambda name: sum(later == name for _, later in pairs)):
        longest[name] = 1 + max((longest[one] for one, other in pairs if other == name), default=0)
    return max(longest.values())


def _cyclic(pairs: set[Pair]) -> bool:
    return any((later, earlier) in pairs for earlier, later in pairs)


@given(needs_of(30))
@settings(deadline=None)
def test_no_stage_starts_before_its_needs(needs: Needs) -> None:
    """Every stage is in the shape once, and after all of its needs."""
    shape = shape_of(needs)
    assert sorted(stages_in(shape.tree)) == sorted(needs)
    assert pairs_of(shape.tree) >= ordered(needs)


@given(trees())
@settings(deadline=None)
def test_a_series_parallel_dag_keeps_its_order(tree: Tree) -> None:
    """Where a DAG is series-parallel, each stage waits for exactly its ancestors, and no join is added."""
    pairs = pairs_of(tree)
    needs: Needs = {name: [one for one, other in pairs if other == name] for name in stages_in(tree)}
    shape = shape_of(needs)
    assert pairs_of(shape.tree) == pairs
    assert (shape.joins, shape.added_waits) == ((), 0)


@example(
    {"a": [], "b": ["a"], "c": [], "d": ["b", "c"], "e": ["a"], "f": ["b", "e"]}
)  # sparse cuts take 3, not 2
@given(needs_of(6))
@settings(deadline=None, max_examples=400)
def test_small_dags_get_the_fewest_added_waits(needs: Needs) -> None:
    """Up to six stages no series-parallel order adds fewer waits, nor has a shorter longest chain: all are tried."""
    shape = shape_of(needs)
    pairs = pairs_of(shape.tree)
    assert shape.added_waits == len(pairs - ordered(needs))
    assert (shape.added_waits, _longest_chain(list(needs), pairs)) == best_by_trying(needs)


@given(needs_of(30))
@settings(deadline=None)
def test_added_joins_are_all_told(needs: Needs) -> None:
    """The needs and the joins that are told, together, are the order of the shape; none of the joins is a need."""
    shape = shape_of(needs)
    told = {(other, join.stage) for join in shape.joins for other in join.waits_also_for}
    assert closure(ordered(needs) | told) == pairs_of(shape.tree)
    assert not told & ordered(needs)
    assert shape.added_waits == len(pairs_of(shape.tree) - ordered(needs))


@pytest.mark.parametrize(
    ("needs", "shape"),
    [
        ({"a": [], "b": ["a"]}, Shape(Series(("a", "b")))),
        ({"a": [], "b": []}, Shape(Parallel(("a", "b")))),
        ({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, Shape(Series(("a", Parallel(("b", "c")), "d")))),
        ({"a": [], "b": ["a"], "c": ["a", "b"]}, Shape(Series(("a", "b", "c")))),
        (
            {"a": [], "b": ["a"], "c": ["a"], "d": ["b"], "e": ["c", "d"]},
            Shape(Series(("a", Parallel((Series(("b", "d")), "c")), "e"))),
        ),
    ],
    ids=["chain", "apart", "diamond", "a need that follows from others", "branches of other lengths"],
)
def test_shapes_that_work_has(needs: Needs, shape: Shape) -> None:
    """A chain, a fan and a diamond become what one would draw; a branch waits for no other."""
    assert shape_of(needs) == shape


def test_the_join_that_an_n_needs_is_named() -> None:
    """Of the ways to mend an N, all of one wait, the one that makes no chain longer is taken, and is told."""
    shape = shape_of({"a": [], "b": [], "c": ["a", "b"], "d": ["b"]})
    assert shape == Shape(
        Series((Parallel(("a", "b")), Parallel(("c", "d")))), (AddedJoin("d", ("a",)),), added_waits=1
    )


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_the_largest_dags_are_shaped(kind: str) -> None:
    """A template of a hundred stages has a shape too, sound whatever it looks like."""
    needs = SHAPES[kind](100, random.Random(3))  # noqa: S311 - any
    named = {f"s{number}": [f"s{need}" for need in all_of] for number, all_of in enumerate(needs)}
    assert pairs_of(shape_of(named).tree) >= ordered_of_many(named)


def ordered_of_many(needs: Needs) -> set[Pair]:
    """Return the direct needs alone: the closure of a hundred stages takes too long here, and follows from these."""
    return {(need, name) for name, all_of in needs.items() for need in all_of}
