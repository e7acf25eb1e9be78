"""A tree of parts as nested Parallel states, built from its end to its beginning."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from steersman.tasks.asl.conditions import slot
from steersman.tasks.asl.parts import Parallel, Series, Tree
from steersman.tasks.asl.shape import stages_in
from steersman.tasks.asl.states import After, StageStates, States
from steersman.tasks.template import Template

Answers = frozenset[str]  # stages whose answers are kept


@dataclass
class Nesting:
    """Builds states. What stages answered is carried out of a Parallel only where a later stage reads it."""

    template: Template
    states_of: StageStates
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def whole(self, tree: Tree) -> tuple[str, States]:
        """Return where the states of a whole task begin, and the states."""
        return self._part(tree, {"End": True}, frozenset(), frozenset())

    def _part(self, tree: Tree, after: After, known: Answers, read: Answers) -> tuple[str, States]:
        """Return the states of a part: `known` are the answers from before it, `read` those that are read after it."""
        match tree:
            case str():
                return self.states_of.of(self.template.by_name[tree], after)
            case Series():
                return self._row(tree, after, known, read)
            case Parallel():
                return self._beside(tree, after, known, read)

    def _row(self, tree: Series, after: After, known: Answers, read: Answers) -> tuple[str, States]:
        start, states = "", States()
        for place in reversed(range(len(tree.parts))):
            before = known | self._kept(Series(tree.parts[:place]))
            start, found = self._part(tree.parts[place], after, before, read)
            states = found | states
            after = {"Next": start}
            read |= self.states_of.conditions.read_by(stages_in(tree.parts[place]))
        return start, states

    def _beside(self, tree: Parallel, after: After, known: Answers, read: Answers) -> tuple[str, States]:
        name = f"parallel.{next(self._numbers)}"
        told = [self._kept(part) & read for part in tree.parts]
        branches = [
            self._branch(part, known, read if keeps else None)
            for part, keeps in zip(tree.parts, told, strict=True)
        ]
        state: dict[str, Any] = {"Type": "Parallel", "Branches": branches, "ResultPath": None, **after}
        if any(told):
            witness = next(number for number, keeps in enumerate(told) if keeps)
            found = dict.fromkeys(known & read, witness)
            found |= {stage: number for number, keeps in enumerate(told) for stage in keeps}
            state["ResultSelector"] = {
                f"{stage}.$": slot(stage).replace("$", f"$[{number}]", 1)
                for stage, number in sorted(found.items())
            }
            state["ResultPath"] = "$.freed"
        return name, {name: state}

    def _branch(self, part: Tree, known: Answers, read: Answers | None) -> dict[str, Any]:
        """Return a branch; one that nobody reads (None) ends with nothing, so that states stay small."""
        ends: After = {"End": True} if read is not None else {"OutputPath": None, "End": True}
        start, states = self._part(part, ends, known, read or frozenset())
        return {"StartAt": start, "States": states}

    def _kept(self, part: Tree) -> Answers:
        return self.states_of.kept & frozenset(stages_in(part))
