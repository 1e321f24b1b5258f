"""`match`, as the prover goes through it: see `proof`.

Patterns that compare: values, `None`, `True`, `False`, several of these, names and `_`.
"""

import ast

from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused

__all__ = ["Matching"]


class Matching(Frame):
    """The `match` statements of one function."""

    def _run_Match(self, statement):
        subject = self.value(statement.subject)
        for case in statement.cases:
            if not self._matches(case.pattern, subject):
                continue
            if case.guard is None or self.is_true(self.value(case.guard)):
                self.run(case.body)
                return

    def _matches(self, pattern, subject) -> bool:
        if isinstance(pattern, ast.MatchValue):
            return self.are_equal(subject, self.value(pattern.value))
        if isinstance(pattern, ast.MatchSingleton):
            return self.plain(subject) is pattern.value
        if isinstance(pattern, ast.MatchOr):
            return any(self._matches(each, subject) for each in pattern.patterns)
        if not isinstance(pattern, ast.MatchAs):
            raise Refused(f"a pattern ({ast.unparse(pattern)})")
        if pattern.pattern is not None and not self._matches(pattern.pattern, subject):
            return False
        if pattern.name is not None:
            self.assign_name(pattern.name, subject)
        return True
