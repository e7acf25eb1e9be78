"""A partial order of stages as bit masks: bit i stands for the i-th stage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Order:
    """Who comes before whom: `below[i]` has every stage that ends before stage i starts."""

    names: tuple[str, ...]
    below: tuple[int, ...]

    @classmethod
    def of(cls, needs: Mapping[str, Sequence[str]]) -> "Order":
        """Return the transitive closure of a DAG's needs."""
        names = tuple(needs)
        position = {name: number for number, name in enumerate(names)}
        below: dict[str, int] = {}

        def close(name: str) -> int:
            if name not in below:
                mask = 0
                for need in needs[name]:
                    mask |= 1 << position[need] | close(need)
                below[name] = mask
            return below[name]

        return cls(names, tuple(close(name) for name in names))

    @cached_property
    def all(self) -> int:
        return (1 << len(self.names)) - 1

    @cached_property
    def above(self) -> tuple[int, ...]:
        """Every stage that starts after stage i has ended."""
        above = [0] * len(self.names)
        for number, mask in enumerate(self.below):
            for other in bits(mask):
                above[other] |= 1 << number
        return tuple(above)

    @cached_property
    def pairs(self) -> int:
        """How many pairs of stages have an order."""
        return sum(mask.bit_count() for mask in self.below)

    def below_names(self, name: str) -> list[str]:
        return [self.names[number] for number in bits(self.below[self.names.index(name)])]

    def covered_names(self, name: str) -> list[str]:
        """Return the stages right before one: those with no other in between."""
        below = self.below[self.names.index(name)]
        return [self.names[number] for number in bits(below) if not self.above[number] & below]

    def missing(self, first: int, second: int) -> int:
        """Return how many pairs have no order yet, when all of `second` is to come after all of `first`."""
        return sum((second & ~self.above[number]).bit_count() for number in bits(first))

    def side_by_side(self, mask: int) -> list[int]:
        """Return the parts that nothing orders: the components of what is comparable."""
        return _components(mask, lambda number: self.below[number] | self.above[number])

    def in_a_row(self, mask: int) -> list[int]:
        """Return the parts that follow each other, in order: the components of what is not comparable."""
        found = _components(mask, lambda number: ~(self.below[number] | self.above[number] | 1 << number))
        # All of an earlier part is below each stage of a later one, so one stage of each part tells.
        return sorted(found, key=lambda part: (self.below[lowest(part)] & mask).bit_count())

    def down_sets(self, mask: int) -> Iterator[int]:
        """Yield every part of `mask` that holds all of what comes before its stages, the empty and the whole too."""
        ordered = sorted(bits(mask), key=lambda number: (self.below[number] & mask).bit_count())

        def extend(place: int, taken: int, barred: int) -> Iterator[int]:
            while place < len(ordered) and barred >> ordered[place] & 1:
                place += 1
            if place == len(ordered):
                yield taken
                return
            number = ordered[place]
            yield from extend(place + 1, taken | 1 << number, barred)
            yield from extend(place + 1, taken, barred | self.above[number])

        yield from extend(0, 0, 0)


def bits(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set, lowest first."""
    while mask:
        lowest_bit = mask & -mask
        yield lowest_bit.bit_length() - 1
        mask ^= lowest_bit


def lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _components(mask: int, neighbours: Callable[[int], int]) -> list[int]:
    """Return the connected components of `mask`, by their lowest bits."""
    found = []
    while mask:
        component, frontier = 0, mask & -mask
        while frontier:
            component |= frontier
            reached = 0
            for number in bits(frontier):
                reached |= neighbours(number)
            frontier = reached & mask & ~component
        found.append(component)
        mask &= ~component
    return found
