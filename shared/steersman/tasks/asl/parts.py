"""Cutting an order of stages into series and parallel parts, with the fewest waits added where it has no such parts.

Whatever waits are added, a part whose stages hang together can only become a series: some stages with all of what
comes before them, then the rest. So the best series-parallel order of a part is its best cut in two, and the best
orders of both sides; parts that are side by side, or in a row already, are ordered one by one, because an order's
restriction to a part of it is series-parallel too and adds no more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from steersman.tasks.asl.order import Order, bits

# Parts of up to so many stages that have no cut of their own get the fewest waits for certain.
EXACT_STAGES = 12


@dataclass(frozen=True)
class Series:
    """Parts one after the other."""

    parts: "tuple[Tree, ...]"


@dataclass(frozen=True)
class Parallel:
    """Parts side by side."""

    parts: "tuple[Tree, ...]"


Tree = str | Series | Parallel


class _Cost(NamedTuple):
    """What an order of a part adds: waits, and then the stages of its longest chain."""

    waits: int
    chain: int


class Cuts:
    """The best cuts of an order, each found once."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._known: dict[int, tuple[_Cost, tuple[int, ...]]] = {}

    def tree(self, mask: int) -> Tree:
        """Return the parts of `mask` (not empty) as a tree; a series has no series and a parallel no parallel in it."""
        order = self._order
        if mask.bit_count() == 1:
            return order.names[mask.bit_length() - 1]
        if len(apart := order.side_by_side(mask)) > 1:
            return Parallel(tuple(self.tree(part) for part in apart))
        _, row = self._row(mask)
        trees = [self.tree(part) for part in row]
        flat = [part for tree in trees for part in (tree.parts if isinstance(tree, Series) else (tree,))]
        return Series(tuple(flat))

    def _cost(self, mask: int) -> _Cost:
        if mask.bit_count() <= 1:
            return _Cost(0, mask.bit_count())
        if len(apart := self._order.side_by_side(mask)) > 1:
            costs = [self._cost(part) for part in apart]
            return _Cost(sum(cost.waits for cost in costs), max(cost.chain for cost in costs))
        return self._row(mask)[0]

    def _row(self, mask: int) -> tuple[_Cost, tuple[int, ...]]:
        """Return the parts that become a series, of a part whose stages hang together, and what that costs."""
        if mask not in self._known:
            row = tuple(self._order.in_a_row(mask))
            if len(row) > 1:
                self._known[mask] = (self._in_a_row(row, 0), row)
            elif mask.bit_count() <= EXACT_STAGES:
                self._known[mask] = self._best_cut(mask)
            else:
                cut = self._sparse_cut(mask)
                halves = (cut, mask & ~cut)
                self._known[mask] = (self._in_a_row(halves, self._order.missing(*halves)), halves)
        return self._known[mask]

    def _in_a_row(self, parts: Iterable[int], missing: int) -> _Cost:
        costs = [self._cost(part) for part in parts]
        return _Cost(missing + sum(cost.waits for cost in costs), sum(cost.chain for cost in costs))

    def _best_cut(self, mask: int) -> tuple[_Cost, tuple[int, ...]]:
        """Try every cut."""
        best: tuple[_Cost, tuple[int, ...]] | None = None
        for first in self._order.down_sets(mask):
            second = mask & ~first
            if not first or not second:
                continue
            missing = self._order.missing(first, second)
            if best is None or missing <= best[0].waits:
                cost = self._in_a_row((first, second), missing)
                if best is None or cost < best[0]:
                    best = (cost, (first, second))
        assert best is not None  # noqa: S101 - a part of two or more stages has a cut
        return best

    def _sparse_cut(self, mask: int) -> int:
        """Return a cut that adds few waits for the many pairs that it puts in order, improved stage by stage."""
        cut = min(self._likely_cuts(mask), key=lambda first: self._sparsity(mask, first))
        while True:
            moves = [first for first in self._moved(mask, cut) if first not in (0, mask)]
            better = min(moves, key=lambda first: self._sparsity(mask, first), default=cut)
            if self._sparsity(mask, better) >= self._sparsity(mask, cut):
                return cut
            cut = better

    def _sparsity(self, mask: int, first: int) -> tuple[float, int]:
        second = mask & ~first
        missing = self._order.missing(first, second)
        return missing / (first.bit_count() * second.bit_count()), missing

    def _likely_cuts(self, mask: int) -> set[int]:
        """Return for each stage what comes before it, with and without it, and all but what comes after it."""
        found = set()
        for number in bits(mask):
            below, above = self._order.below[number] & mask, self._order.above[number] & mask
            found |= {below, below | 1 << number, mask & ~above, mask & ~above & ~(1 << number)}
        return found - {0, mask}

    def _moved(self, mask: int, cut: int) -> Iterable[int]:
        """Return the cuts that differ by one stage, which goes to the other side."""
        order = self._order
        for number in bits(mask):
            bit = 1 << number
            if cut & bit and not order.above[number] & cut:
                yield cut & ~bit
            elif not cut & bit and not order.below[number] & mask & ~cut:
                yield cut | bit
