"""Pickles, read as text: what torch would do with one is known before torch sees it.

:func:`check_pickle` follows the operations of a pickle without doing them. Only operations that
:func:`torch.save` writes are let pass, only the few names that dense tensors need, and only keys
that are found in no time: torch takes any tuple for the key of a dictionary, and the hash of
``((x, x), (x, x))``, doubled fifty times within a few hundred bytes, takes years.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

LONGEST = 2**26
"""Limit on a pickle [bytes]; 100,000 tensors need a quarter of it."""

_MOST_OPERATIONS = 10**7
_DEEPEST = 16
_LARGEST_KEY = 100
_MOST_UNUSUAL_KEYS = 10_000
_CONTAINERS = {"OrderedDict"}
_REBUILDERS = {
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_sparse_tensor",
}
_TORCH_NAMES = {"Size", "device"}
_QUANTISED = {"torch._utils._rebuild_qtensor"}


class PickleError(Exception):
    """A pickle that is damaged, or does more than weights need; a reason in one line."""


@dataclass(frozen=True)
class CheckedPickle:
    """What is known of a pickle that may be loaded.

    Attributes:
        storages: Number of elements that each storage is said to have, by its key.
        end: Where it ends in the data.
    """

    storages: dict[str, int]
    end: int


def check_pickle(data: bytes, start: int = 0) -> CheckedPickle:
    """Follow the pickle that lies in ``data`` from ``start`` on, without running it.

    Raises:
        PickleError: It names what tensors do not need, is damaged, or would keep torch busy.
    """
    machine = _Machine(data, start)
    try:
        return machine.run()
    except (IndexError, KeyError, UnicodeDecodeError, ValueError, struct.error) as error:
        raise PickleError("its pickle is damaged") from error


class _Other:
    """Some object that need not be known."""


@dataclass(frozen=True)
class _Name:
    """A class or function."""

    name: str


@dataclass(frozen=True, eq=False)
class _Tuple:
    """A tuple: its parts, how deep it is nested, and its parts and theirs, each time they occur."""

    parts: tuple[object, ...]
    depth: int
    size: int

    @classmethod
    def of(cls, parts: list[object]) -> "_Tuple":
        inner = [part for part in parts if isinstance(part, _Tuple)]
        depth = 1 + max((part.depth for part in inner), default=0)
        size = len(parts) + sum(part.size for part in inner)
        if depth > _DEEPEST or size > _MOST_OPERATIONS:
            raise PickleError("its pickle nests tuples without end")
        return cls(tuple(parts), depth, size)


_OTHER = _Other()


@dataclass(eq=False)
class _Machine:
    """The machine that a pickle is a program for, as torch has it."""

    data: bytes
    offset: int = 0
    stack: list[object] = field(default_factory=list)
    marked: list[list[object]] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)
    storages: dict[str, int] = field(default_factory=dict)
    unusual_keys: int = 0

    def run(self) -> CheckedPickle:
        for _ in range(_MOST_OPERATIONS):
            operation = self.take(1)
            if operation == b".":
                self.stack.pop()
                return CheckedPickle(self.storages, self.offset)
            step = _STEPS.get(operation)
            if step is None:
                raise PickleError(
                    f"its pickle does more than torch.save writes (operation {operation!r})"
                )
            step(self)
        raise PickleError(f"its pickle has more than {_MOST_OPERATIONS} operations")

    def take(self, count: int) -> bytes:
        part = self.data[self.offset : self.offset + count]
        if len(part) < count:
            raise ValueError("the pickle ends too early")
        self.offset += count
        return part

    def line(self) -> str:
        end = self.data.index(b"\n", self.offset)
        return self.take(end + 1 - self.offset)[:-1].decode()

    def number(self, layout: str) -> int:
        value: int = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def since_mark(self) -> list[object]:
        parts, self.stack = self.stack, self.marked.pop()
        return parts

    def gather(self, count: int) -> None:
        if count > len(self.stack):
            raise ValueError("the stack is empty")
        parts = self.stack[-count:]
        del self.stack[-count:]
        self.stack.append(_Tuple.of(parts))

    def gather_marked(self) -> None:
        parts = self.since_mark()
        self.stack.append(_Tuple.of(parts))

    def mark(self) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def name(self) -> None:
        module, name = self.line(), self.line()
        full = f"{module}.{name}"
        if full in _QUANTISED:
            raise PickleError("it holds quantised tensors; save them as dequantize()")
        if not is_harmless(module, name):
            raise PickleError(
                f"its pickle asks for {full[:200]!r}, which weights do not need; save the "
                "state_dict() of a model and nothing else"
            )
        self.stack.append(_Name(full))

    def call(self) -> None:
        self.stack.pop()
        self.stack[-1] = _OTHER

    def build(self) -> None:
        self.stack.pop()
        _ = self.stack[-1]

    def storage(self) -> None:
        given = self.stack.pop()
        parts = given.parts if isinstance(given, _Tuple) else ()
        if len(parts) < 5 or parts[0] != "storage":
            raise PickleError("its pickle refers to something else than a storage")
        key, elements = parts[2], parts[4]
        if not isinstance(key, str) or not isinstance(elements, int) or elements < 0:
            raise PickleError("its pickle refers to a storage that cannot be")
        self.storages[key] = max(elements, self.storages.get(key, 0))
        self.stack.append(_OTHER)

    def set_item(self) -> None:
        self.stack.pop()
        self.key(self.stack.pop())
        _ = self.stack[-1]

    def set_items(self) -> None:
        for key in self.since_mark()[::2]:
            self.key(key)
        _ = self.stack[-1]

    def key(self, key: object) -> None:
        """Hashes of texts are secret, those of short numbers differ; others can be made alike."""
        if isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**60):
            return
        self.unusual_keys += 1
        size = key.size if isinstance(key, _Tuple) else 1
        if size > _LARGEST_KEY or self.unusual_keys > _MOST_UNUSUAL_KEYS:
            raise PickleError("its pickle has keys of dictionaries that take long to find")

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def text(self) -> None:
        self.stack.append(self.take(self.number("<I")).decode("utf-8", "surrogatepass"))

    def real(self) -> None:
        self.take(8)
        self.stack.append(_OTHER)

    def bytes(self) -> None:
        self.take(self.number("<B"))
        self.stack.append(_OTHER)

    def long(self) -> None:
        self.stack.append(int.from_bytes(self.take(self.number("<B")), "little", signed=True))


def is_harmless(module: str, name: str) -> bool:
    """Whether a pickle of tensors may name it."""
    if module == "torch":
        is_dtype = isinstance(getattr(torch, name, None), torch.dtype)
        return is_dtype or name in _TORCH_NAMES or name.endswith("Storage")
    return (
        (module == "collections" and name in _CONTAINERS)
        or (module == "torch._utils" and name in _REBUILDERS)
        or (module == "torch.cuda" and name.endswith("Storage"))
        or (module, name) == ("torch.nn.parameter", "Parameter")
        or (module, name) == ("torch.serialization", "_get_layout")
        or (module, name) == ("torch.storage", "UntypedStorage")
    )


def _push(value: object) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(value)


_STEPS: dict[bytes, Callable[[_Machine], object]] = {
    b"\x80": lambda machine: machine.take(1),  # the protocol
    b"c": _Machine.name,
    b"R": _Machine.call,
    b"\x81": _Machine.call,
    b"b": _Machine.build,
    b"a": _Machine.build,  # one item for a list, as one state for an object
    b"e": lambda machine: (machine.since_mark(), machine.stack[-1]),
    b"s": _Machine.set_item,
    b"u": _Machine.set_items,
    b"(": _Machine.mark,
    b"t": _Machine.gather_marked,
    b"\x85": lambda machine: machine.gather(1),
    b"\x86": lambda machine: machine.gather(2),
    b"\x87": lambda machine: machine.gather(3),
    b"N": _push(_OTHER),
    b"\x89": _push(_OTHER),
    b"\x88": _push(_OTHER),
    b")": _push(_Tuple.of([])),
    b"]": _push(_OTHER),
    b"}": _push(_OTHER),
    b"\x8f": _push(_OTHER),
    b"Q": _Machine.storage,
    b"J": lambda machine: machine.stack.append(machine.number("<i")),
    b"K": lambda machine: machine.stack.append(machine.number("<B")),
    b"M": lambda machine: machine.stack.append(machine.number("<H")),
    b"G": _Machine.real,
    b"X": _Machine.text,
    b"U": _Machine.bytes,
    b"\x8a": _Machine.long,
    b"h": lambda machine: machine.stack.append(machine.memo[machine.number("<B")]),
    b"j": lambda machine: machine.stack.append(machine.memo[machine.number("<I")]),
    b"q": lambda machine: machine.remember(machine.number("<B")),
    b"r": lambda machine: machine.remember(machine.number("<I")),
}
"""What torch's own reader of pickles does, operation by operation."""
