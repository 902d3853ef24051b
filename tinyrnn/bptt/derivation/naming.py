"""Which letters values get: their author's; else a for what goes into a nonlinearity, H for (h₁, …, h_T), δv for ∂L/∂v.

Two values never have one label.  What is told apart by its layer or direction carries a tag, h⁽¹⁾ and h⁽²⁾, h⁺ and h⁻; a
parameter carries the name of its module, W_scores; anything else a prime.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ...tape import Fixed, Operation
from .algebra import Index
from .derive import Derivation
from .structure import is_sequence
from .values import Assembled, loop_of, source, step_of

NONLINEAR = {"tanh", "sigmoid", "relu", "softmax", "exp_shifted"}
LETTERS = "pquvwdksbjm"
INPUTS = "xyuvw"  # what goes in, what is to come out


class Label(NamedTuple):
    """A letter or word, and what stands around it: δaᶠ⁽²⁾."""

    base: str
    block: str = ""  # which gate's block of a wider value
    tag: str = ""  # which layer, which direction
    primes: int = 0
    gradient: str = ""  # δ of a value, ∂ of a leaf
    step: Index | None = None  # of a value that belongs to one step


class Names:
    """The label of everything that equations refer to.

    Attributes
    ----------
    label : dict
        Of operations, inputs and sizes.
    blocks : dict
        For a value that is cut into named blocks, these.
    tags : dict of str to str
        What each tag stands for: a module.
    """

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = d = derivation
        self.label: dict[Any, Label] = {}
        self.tags: dict[str, str] = {}
        self._taken: dict[Label, set] = {}
        self._families: dict[Any, Label] = {}
        self.readers: dict[Operation, list[Operation]] = {}
        for o in d.fold.operations:
            for wire in o.wires:
                for read in _sources(wire):
                    self.readers.setdefault(read, []).append(o)
        self.forward = [o for o in d.needed if not o.backward]
        self.leaves = [o for o in d.fold.operations if o in d.referred and o.op is None]
        self.states = self._initial_leaves()
        self._tag_loops()
        self.blocks = {owner: parts for owner, parts in d.blocks.items() if owner in d.named and owner in d.referred}
        self._name_leaves()
        self._name_forward()
        self._name_rest()

    # -- tags: which layer, which direction ----------------------------------------------------------------------

    def _owner(self, leaf: Operation) -> int | None:
        """The loop that a leaf belongs to, if there is only one."""
        loops = {loop_of(r) for r in self.readers.get(leaf, []) if not r.backward}
        return loops.pop() if len(loops) == 1 else None

    def _tag_loops(self) -> None:
        """Loops in which one name occurs get tags, numbered in their order; those that run backwards a minus."""
        names: dict[int, set[str]] = {}
        for o in self.forward:
            loop = loop_of(o)
            if loop is not None and o.name:
                names.setdefault(loop, set()).add(o.name)
        for leaf in self.leaves:
            owner = self._owner(leaf)
            if owner is not None and leaf.trainable and leaf.name:
                names.setdefault(owner, set()).add(leaf.name)
        counted = Counter(name for of_loop in names.values() for name in of_loop)
        alike = [loop for loop, of_loop in sorted(names.items()) if any(counted[name] > 1 for name in of_loop)]
        scopes = {loop: self._scope(loop) for loop in alike}
        numbers: dict[Any, int] = {}
        self._tag_of: dict[int | None, str] = {}
        pairs = Counter(_undirected(scope) for scope in scopes.values())
        for loop in alike:
            key = _undirected(scopes[loop]) if pairs[_undirected(scopes[loop])] == 2 and _both_ways(scopes, loop) else loop
            number = numbers.setdefault(key, len(numbers) + 1)
            sign = "" if key == loop else "−" if scopes[loop][-1].endswith("_reverse") else "+"
            self._tag_of[loop] = f"({number}{sign})"
        if len(numbers) == 1:
            self._tag_of = {loop: tag.strip("()").lstrip("1") for loop, tag in self._tag_of.items()}
        root = _common([scopes[loop] for loop in alike])
        for number, loop in enumerate(alike, 1):
            self.tags[self._tag_of[loop]] = ".".join(scopes[loop][root:] or scopes[loop]) or f"loop {number}"

    def _scope(self, loop: int) -> tuple[str, ...]:
        """The module that runs in a loop."""
        scopes = [scope for o in self.forward if loop_of(o) == loop and (scope := _modules(o))] or [()]
        return scopes[0][: _common(scopes)] if len(set(scopes)) > 1 else scopes[0]

    # -- blocks: [aⁱ aᶠ aᵍ aᵒ] -----------------------------------------------------------------------------------

    def block_labels(self, parts: Iterable[Operation]) -> list[str]:
        """What each block is for, i, f, g and o; numbers, if that is not told."""
        labels = [self._purpose(part) for part in parts]
        fit = all(label and len(label) <= 3 for label in labels) and len(set(labels)) == len(labels)
        return labels if fit else [str(k) for k in range(1, len(labels) + 1)]

    def _purpose(self, o: Operation) -> str:
        """What a value is for: the name of the first named value that it alone leads to."""
        seen: set[Operation] = set()
        while o not in seen:
            seen.add(o)
            readers = {r for r in self.readers.get(o, []) if not r.backward}
            if len(readers) != 1:
                break
            (o,) = readers
            if o.name:
                return o.name
        return ""

    # -- letters -------------------------------------------------------------------------------------------------

    def _take(self, thing: Any, label: Label, family: Any = None) -> Label:
        """Give a thing this label, or if it is taken, one with a prime."""
        steps = self._steps(thing)
        if family in self._families and label._replace(primes=0) == self._families[family]._replace(primes=0, step=None):
            label = self._families[family]
        while not self._is_free(label, steps):
            label = label._replace(primes=label.primes + 1)
        self._taken.setdefault(label, set()).update(steps)
        if family is not None:
            self._families.setdefault(family, label)
        step = self._single_step(thing)
        self.label[thing] = label if step is None else label._replace(step=step)
        return label

    def _is_free(self, label: Label, steps: set) -> bool:
        taken = self._taken.get(label, set())
        return not taken or not (taken & steps or None in taken | steps)

    def _steps(self, thing: Any) -> set:
        """The steps at which a table has this thing; None for what does not change in time."""
        if isinstance(thing, Operation):
            of = self._value(thing)
            return {*of.steps, *of.initial} if thing.loop is not None else {step_of(thing)}
        return set(thing.wires) if isinstance(thing, Assembled) else {None}

    def _value(self, o: Operation) -> Operation:
        """Whose steps o has: those of the value that it is the gradient of."""
        of = self.derivation.value_of(o)
        return of if of is not None and of in self.label else o

    def _single_step(self, thing: Any) -> Index | None:
        step = step_of(thing) if isinstance(thing, Operation) and thing.loop is None else None
        return None if step is None else self.derivation.clock.at(step, loop_of(thing))

    def _initial_leaves(self) -> dict[Operation, tuple[Operation, int]]:
        """The leaves that are some state before the first step: h₀, and nothing else."""
        found: dict[Operation, list[tuple[Operation, int]]] = {}
        for o in self.forward:
            for step, wire in o.initial.items():
                if isinstance(wire, Fixed) and wire.source.op is None:
                    found.setdefault(wire.source, []).append((o, step))
        return {leaf: starts[0] for leaf, starts in found.items() if len(starts) == 1}

    def _name_leaves(self) -> None:
        """Parameters and inputs first: their names are the author's."""
        parameters = [leaf for leaf in self.leaves if leaf.trainable and leaf.name and leaf not in self.states]
        shared = Counter(leaf.name for leaf in parameters)
        here = Counter((leaf.name, self._owner(leaf)) for leaf in parameters)
        for leaf in sorted(self.leaves, key=lambda leaf: self._owner(leaf) is None):
            if leaf in self.states:
                continue
            tag = self._tag_of.get(self._owner(leaf), "") if leaf.trainable else ""
            base = leaf.name or self._input_name(leaf)
            start = re.fullmatch(r"([^\W\d]+?)_?\d+", base)
            if start and any(start[1] == o.name and o.initial for o in self.forward):
                base = f"{start[1]}_init"  # h_0 would read like the state h at step 0
            owner = self._owner(leaf)
            if leaf.trainable and shared[leaf.name] > 1 and (owner is None or here[leaf.name, owner] > 1):
                scope = next((s for r in self.readers.get(leaf, []) if (s := _modules(r))), ())
                base = f"{base}_{scope[-1].lower()}" if scope else base
            self._take(leaf, Label(_clean(base), tag=tag))
        for given in self.derivation.inputs():
            if given in self.derivation.referred:
                leaf = next(iter(given.leaves.values()))
                self._take(given, Label(_clean(leaf.name or self._input_name(leaf))))

    def _input_name(self, leaf: Operation) -> str:
        """m for a mask; x for what goes in, y for what is to come out."""
        letters = "w" if leaf.trainable else "m" if leaf.dtype.kind == "b" else INPUTS
        taken = {label.base for label in self._taken}
        return next((letter for letter in letters if letter not in taken), letters[0])

    def _name_forward(self) -> None:
        labels = {part: label for parts in self.blocks.values() for part, label in zip(parts, self.block_labels(parts))}
        authored = [o for o in self.forward if o.name]
        for o in [*authored, *(o for o in self.forward if not o.name and o not in labels)]:
            tag = self._tag_of.get(loop_of(o), "")
            family = o.node.key if step_of(o) is not None else None
            if o.name:
                self._take(o, Label(_clean(o.name), tag=tag), ("name", o.name, loop_of(o), o.scope))
            elif family in self._families:
                self._take(o, self._families[family], family)
            else:
                self._take(o, self._joined(o) or self._invent(o, tag), family)
        for owner, parts in self.blocks.items():
            if owner in self.label:
                for part in parts:
                    self._take(part, self.label[owner]._replace(block=labels[part], step=None))
        for leaf, (state, step) in self.states.items():
            if state in self.label:
                self.label[leaf] = self.label[state]._replace(step=self.derivation.clock.at(step, loop_of(state)))

    def _invent(self, o: Operation, tag: str) -> Label:
        """L for the loss, H for all h, a or aʳ for what goes into a nonlinearity, and the next free letter for the rest."""
        candidates = self._fitting(o)
        candidates += [*LETTERS, *(f"{letter}{k}" for k in range(1, 100) for letter in LETTERS)]
        for base in candidates:
            base, _, block = base.partition("^")
            label = Label(base, block, tag)
            beside = re.compile(re.escape(base) + r"(_\w+|\d+)")  # p beside p_i, s beside s1, would read like one of its steps
            alike = not o.name and any(beside.fullmatch(other.base) for other in self._taken)
            if not alike and all(self._is_free(other, {None}) for other in (label, label._replace(block="", tag=""))):
                return label
        return Label("v", tag=tag)

    def _joined(self, o: Operation) -> Label | None:
        """h for [h⁺ h⁻]: what both directions of a layer found."""
        labels = [self.label[s] for wire in o.wires for s in _sources(wire) if s in self.label]
        if o.op != "concatenate" or len(labels) != 2 or len(o.wires) != 2:
            return None
        bare = {label._replace(tag=label.tag.translate({ord("+"): "", ord("−"): ""})) for label in labels}
        (label, *others) = bare
        return label if not others and labels[0] != labels[1] and self._is_free(label, self._steps(o)) else None

    def _fitting(self, o: Operation) -> list[str]:
        if o is self.derivation.loss:
            return ["L", "ℒ", "loss"]
        if o.initial:
            start = next((w.source.name for w in o.initial.values() if isinstance(w, Fixed) and w.source.name), "")
            return [re.sub(r"_?0$", "", start)] * bool(start) + ["s", "h"]
        if is_sequence(o):
            base = self.label.get(source(o.wires[0]), Label("")).base
            return [base.upper()] * (len(base) == 1) + ["Y", "Z"]
        readers = [r for r in self.readers.get(o, []) if not r.backward]
        if readers and all(r.op in NONLINEAR for r in readers):
            others = sum(self._feeds_nonlinearity(p) for p in self.forward if p.loop == o.loop and not p.name)
            return [f"a^{self._purpose(o)}"] * (others > 1 and 0 < len(self._purpose(o)) <= 3) + ["a"]
        if o in self.blocks and all(
            r.op in NONLINEAR for part in self.blocks[o] for r in self.readers.get(part, []) if not r.backward
        ):
            return ["a"]
        return []

    def _feeds_nonlinearity(self, o: Operation) -> bool:
        readers = [r for r in self.readers.get(o, []) if not r.backward]
        return bool(readers) and all(r.op in NONLINEAR for r in readers)

    def _name_rest(self) -> None:
        for o in self.derivation.needed:
            if not o.backward:
                continue
            of = self.derivation.value_of(o)
            if of is not None and of in self.label:
                family: Any = None if step_of(of) is None else ("δ", of.node.key)
                self._take(o, self.label[of]._replace(gradient="δ", step=None), family)
            else:
                family = o.node.key if step_of(o) is not None else None
                self._take(o, self._families.get(family) or self._invent(o, self._tag_of.get(loop_of(o), "")), family)
        for assembled in self.derivation.assembled.values():
            if assembled in self.derivation.referred:
                self._take(assembled, self._invent_free("vuw"))
        for size in self.derivation.sizes.values():
            if size in self.derivation.counted:
                self._take(size, self._invent_free("nmNk"))

    def _invent_free(self, letters: str) -> Label:
        candidates = (*letters, *(f"{letters[0]}{k}" for k in range(1, 100)))
        bases = {label.base for label in self._taken}
        return Label(next((c for c in candidates if c not in bases), letters[0]))


def _sources(wire: Any) -> Iterator[Operation]:
    if hasattr(wire, "at"):
        yield from dict.fromkeys(w.source for w in wire.at.values() if hasattr(w, "source"))
    elif hasattr(wire, "source"):
        yield wire.source


def _modules(o: Operation) -> tuple[str, ...]:
    """The modules that an operation ran in, without the functions that it ran in."""
    return tuple(name for name in o.scope if not name.endswith("()"))


def _clean(name: str) -> str:
    """A name that reads as one word in a formula."""
    return re.sub(r"\W+", "_", name).strip("_") or "x"


def _undirected(scope: tuple[str, ...]) -> tuple[str, ...]:
    return (*scope[:-1], scope[-1].removesuffix("_reverse")) if scope else scope


def _both_ways(scopes: dict[int, tuple[str, ...]], loop: int) -> bool:
    """Is there the same layer, running the other way?"""
    own = scopes[loop]
    return bool(own) and any(other != own and _undirected(other) == _undirected(own) for other in scopes.values())


def _common(scopes: list[tuple[str, ...]]) -> int:
    """How many modules, from the outermost, all of these scopes have in common."""
    depth = min(map(len, scopes), default=0)
    return next((k for k in range(depth) if len({scope[k] for scope in scopes}) > 1), depth)


def parameter_names(leaves: list[Operation], readers: dict[Operation, list[Operation]]) -> dict[Operation, str]:
    """A name of its own for each leaf: the module that reads it, as `named_parameters` of the whole model would say it.

    What all of them have in common, the model, is left out.
    """
    paths: dict[Operation, tuple[str, ...]] = {}
    for leaf in leaves:
        scope = next((s for r in readers.get(leaf, []) if not r.backward and (s := _modules(r))), ())
        paths[leaf] = (*scope, leaf.name or "leaf")
    root = 1 if paths and all(len(path) > 1 for path in paths.values()) and len({path[0] for path in paths.values()}) == 1 else 0
    names: dict[Operation, str] = {}
    for leaf, path in paths.items():
        name = free = ".".join(path[root:])
        for k in range(2, len(paths) + 2):
            if free not in names.values():
                break
            free = f"{name} ({k})"
        names[leaf] = free
    return names
