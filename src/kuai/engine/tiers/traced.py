"""Traces: what a function does, as a closed jaxpr."""

from typing import Any

import jax

from kuai.engine.tiers.plan import Recipe

__all__ = ["Trace"]


class Trace:
    """A traced function.

    Raises:
        NotInterpretable: it has to be compiled.

    Attributes:
        closed: the jaxpr; its results are in one row.
        tree: how they are nested.
        recipe: what plans are made of.
        pattern: the shapes with symbols (see `sizes`), or None.
    """

    pattern: Any = None

    def __init__(self, function, examples, plainly):
        trees = []

        def flat(*values):
            leaves, tree = jax.tree.flatten(function(*values))
            trees.append(tree)
            return leaves

        with plainly():
            self.closed = jax.make_jaxpr(flat)(*examples)
        self.tree = trees[-1]
        self.recipe = Recipe(self.closed)
