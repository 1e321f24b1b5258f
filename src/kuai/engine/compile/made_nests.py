"""Lists and dicts that a call makes, as the prover changes them: `append`, `pop`, `update`, `del`.

Only what the call itself has made may be changed, and not on one way only: nobody else has it, and
the next call makes another one.
"""

import ast

from kuai.engine.compile.abstract_values import Items, Known, text_of_value
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused, done

__all__ = ["MadeNests"]

_OF_LISTS = ("append", "extend", "insert", "pop", "reverse", "clear", "sort")
_OF_DICTS = ("update", "pop", "setdefault", "clear")


class MadeNests(Frame):
    """What changes lists and dicts."""

    def change(self, nest, how) -> None:
        """Make sure that a list or dict may be changed: the call has made it.

        Raises:
            Refused: somebody else may have it, or that is done on one way only.
        """
        if not nest.is_made or self.prover.open:
            raise Refused(f"{how} of {text_of_value(nest)}")

    def changes(self, nest, name) -> bool:
        """Whether a method of a list or dict changes it."""
        return name in (_OF_LISTS if nest.kind is list else _OF_DICTS if nest.kind is dict else ())

    def change_nest(self, nest, name, arguments, keywords):
        """What a method gives that changes a list or dict."""
        self.change(nest, name)
        if keywords and name not in ("update", "sort"):
            raise Refused(f"{name} of {text_of_value(nest)}")
        kind = nest.kind.__name__
        try:
            return getattr(self, f"_{kind}_{name}")(nest, *arguments, **keywords) or Known(None)
        except TypeError:
            raise Refused(f"{name} of {text_of_value(nest)}, with such arguments") from None

    def _list_append(self, nest, value):
        nest.values.append(value)

    def _list_extend(self, nest, row):
        nest.values.extend(list(self.elements(row)))

    def _list_insert(self, nest, place, value):
        done(nest.values.insert, [self.plain(place), value])

    def _list_pop(self, nest, place=None):
        return done(nest.values.pop, [-1 if place is None else self.plain(place)])

    def _list_reverse(self, nest):
        nest.values.reverse()

    def _list_clear(self, nest):
        nest.values.clear()

    def _list_sort(self, nest, /, **keywords):
        nest.values[:] = self.call_builtin(sorted, [nest], keywords).values

    def _dict_update(self, nest, given=None, /, **keywords):
        nest.values.update(self.call_builtin(dict, [] if given is None else [given], {}).values)
        nest.values.update(keywords)

    def _dict_pop(self, nest, key, *default):
        return done(nest.values.pop, [self.plain(key), *default])

    def _dict_setdefault(self, nest, key, default=None):
        return nest.values.setdefault(self.plain(key), Known(None) if default is None else default)

    def _dict_clear(self, nest):
        nest.values.clear()

    def delete_element(self, target) -> None:
        """`del nest[key]`."""
        owner = self.value(target.value)
        if not isinstance(owner, Items) or owner.kind not in (list, dict):
            raise Refused(f"a deletion of {ast.unparse(target)}")
        self.change(owner, "a deletion")
        key = self.plain(self.value(target.slice))
        done(owner.values.__delitem__, [key])

    def grow(self, nest, kind, value) -> None:
        """`row += …` or `entries |= …`: that changes it under all of its names."""
        self.change(nest, "a change")
        if nest.kind is list and isinstance(kind, ast.Add):
            self._list_extend(nest, value)
        elif nest.kind is dict and isinstance(kind, ast.BitOr):
            self._dict_update(nest, value)
        else:
            raise Refused(f"an operator ({type(kind).__name__}) on {text_of_value(nest)}")
