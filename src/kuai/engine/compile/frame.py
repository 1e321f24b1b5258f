"""What the parts of the prover's way through one function have in common: see `proof`."""

import abc
from collections.abc import Iterator
from typing import Any

__all__ = ["Frame"]


class Frame(abc.ABC):
    """One function that is gone through; `Any` stands for what is known of a value.

    Attributes:
        variables: what is known of each.
        locals: the names of all of them.
        depth: of the call.
        open: how many decisions are not known on the way to where it is.
        unsure: of how many expressions around it that is not known whether they are reached.
        named: variables that expressions have given a value.
        returned: what it returns where it may have ended before.
        loops: those that it is in.
    """

    prover: Any  # a `proof.Prover`, which stands above this file
    watch: Any
    function: Any  # a `types.FunctionType`
    variables: dict[str, Any]
    locals: set[str]
    tree: Any  # of its syntax
    depth: int
    open: int
    unsure: int
    named: dict[str, Any]
    returned: list[Any]
    loops: list[Any]

    @abc.abstractmethod
    def value(self, node) -> Any:
        """What an expression gives."""

    @abc.abstractmethod
    def operate(self, kind, operands) -> Any:
        """An operator's result."""

    @abc.abstractmethod
    def elements(self, value) -> list:
        """What a loop over a value goes through."""

    @abc.abstractmethod
    def attribute(self, owner, name) -> Any:
        """What an attribute of a value gives."""

    @abc.abstractmethod
    def turns(self, value) -> Iterator:
        """The same one after the other, for code that may change what is gone through."""

    @abc.abstractmethod
    def call_value(self, function, arguments, keywords) -> Any:
        """What a call of a value gives."""

    @abc.abstractmethod
    def assign_name(self, name, value) -> None:
        """Give a variable a value."""

    @abc.abstractmethod
    def pairs(self, targets, value) -> Any:
        """The targets that a value is unpacked to, each with its part of it."""

    @abc.abstractmethod
    def gone_through(self, node) -> Any:
        """What an expression gives where its elements are taken at once, before all else."""

    @abc.abstractmethod
    def change(self, nest, how) -> None:
        """Make sure that a list or dict may be changed."""

    @abc.abstractmethod
    def outline(self, value) -> dict:
        """Shape, dtype and device of an argument, if nothing can have changed them."""

    @abc.abstractmethod
    def slot_at(self, mapping, name) -> Any:
        """The slot in a dictionary, if there is one."""

    @abc.abstractmethod
    def takes_back(self, thing, name) -> bool:
        """Whether assigning to an attribute what it holds changes nothing."""

    @abc.abstractmethod
    def watch_method(self, name) -> None:
        """Watch a method of tensors, which has to be Kuai's own."""

    @abc.abstractmethod
    def argument(self, value) -> None:
        """Make sure that an operation may get a value."""

    @abc.abstractmethod
    def is_tensor(self, value) -> bool:
        """Whether a value is a tensor; one that is known is watched."""

    @abc.abstractmethod
    def is_dict(self, thing) -> bool:
        """Whether a thing is read as all dicts are."""

    @abc.abstractmethod
    def is_true(self, value) -> bool:
        """Which way a decision on a value goes."""

    @abc.abstractmethod
    def plain(self, value) -> Any:
        """A plain value."""

    @abc.abstractmethod
    def lacks(self, owner, name) -> bool:
        """Whether it is sure that a value has no attribute of that name."""

    @abc.abstractmethod
    def is_thing_true(self, owner) -> bool:
        """Whether an object is true."""

    @abc.abstractmethod
    def outline_of(self, owner, name, arguments) -> Any:
        """What a method says of a tensor's shape."""

    @abc.abstractmethod
    def in_set(self, value) -> Any:
        """What is in a set; None of anything else."""

    @abc.abstractmethod
    def lent_elements(self, row) -> list:
        """The elements of something of which the order does not matter."""

    @abc.abstractmethod
    def ordered(self, row, key) -> list:
        """The elements of something that are going to be brought in order."""

    @abc.abstractmethod
    def dict_of_value(self, value) -> Any:
        """The entries of a value that is a dict; None of anything else."""

    @abc.abstractmethod
    def call_builtin(self, function, arguments, keywords) -> Any:
        """What one of Python's own functions gives."""

    @abc.abstractmethod
    def mapped(self, function, rows) -> Any:
        """The elements of `map(function, *rows)`."""

    @abc.abstractmethod
    def map_turns(self, function, rows) -> Iterator:
        """The same, each when it is wanted."""

    @abc.abstractmethod
    def filter_turns(self, function, row) -> Iterator:
        """The elements of `filter(function, row)`, each when it is wanted."""

    @abc.abstractmethod
    def turns_of(self, node) -> Iterator:
        """What a loop over an expression goes through, one after the other."""

    @abc.abstractmethod
    def run(self, statements) -> None:
        """Go through statements."""

    @abc.abstractmethod
    def are_equal(self, one, other) -> bool:
        """Whether two values are the same or equal."""

    @abc.abstractmethod
    def _turns(self, generators, element) -> list:
        """The values of an expression for all turns of some loops inside of each other."""

    @abc.abstractmethod
    def _row(self, nodes) -> list:
        """The values of expressions, among which may be `*expression`."""

    @abc.abstractmethod
    def _dict(self, thing) -> Any:
        """The whole of a dict that is known."""
