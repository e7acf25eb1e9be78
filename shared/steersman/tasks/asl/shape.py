"""The series-parallel shape of a DAG: what a state machine of nested Parallel states can say of it.

An order of stages is series-parallel when it is built of single stages by putting parts one after the other or side
by side; such orders are those without an N (Valdes, Tarjan, Lawler: The recognition of series parallel digraphs,
SIAM J. Comput. 11, 1982). Any other order must be given further waits first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steersman.tasks.asl.order import Order
from steersman.tasks.asl.parts import Cuts, Parallel, Series, Tree


@dataclass(frozen=True)
class AddedJoin:
    """A stage that waits for others than its needs, because its state machine cannot say otherwise."""

    stage: str
    waits_also_for: tuple[str, ...]


@dataclass(frozen=True)
class Shape:
    """The tree of parts, the joins that it adds, and how many pairs of stages wait now that need not."""

    tree: Tree
    joins: tuple[AddedJoin, ...] = ()
    added_waits: int = 0


def shape_of(needs: Mapping[str, Sequence[str]]) -> Shape:
    """Return the shape of a DAG (stage -> the stages that it needs, each before or after it in the mapping).

    A series-parallel DAG keeps its order exactly. To any other the fewest waits are added where its parts are small
    (see `parts`), and few else; among equally few, those with the shorter longest chain.
    """
    order = Order.of(needs)
    tree = Cuts(order).tree(order.all)
    widened_needs = _needs_in(tree, [])
    widened = Order.of({name: widened_needs[name] for name in order.names})
    joins = tuple(join for name in order.names if (join := _join(order, widened, name)).waits_also_for)
    return Shape(tree, joins, widened.pairs - order.pairs)


def stages_in(tree: Tree) -> list[str]:
    """Return the names of all stages of a part, in the order of the tree."""
    if isinstance(tree, str):
        return [tree]
    return [name for part in tree.parts for name in stages_in(part)]


def _needs_in(tree: Tree, before: Sequence[str]) -> dict[str, list[str]]:
    """Return stage -> all stages before it, as a tree has them."""
    match tree:
        case str():
            return {tree: list(before)}
        case Parallel():
            return {name: needs for part in tree.parts for name, needs in _needs_in(part, before).items()}
        case Series():
            found: dict[str, list[str]] = {}
            for part in tree.parts:
                found |= _needs_in(part, [*before, *found])
            return found


def _join(order: Order, widened: Order, name: str) -> AddedJoin:
    """Return what a stage waits for directly and did not need; the other added waits follow from these."""
    added = set(widened.covered_names(name)) - set(order.below_names(name))
    return AddedJoin(name, tuple(other for other in order.names if other in added))
