"""The equations of `einsum`: what they say, and what is wrong with them.

Loaded when the first one comes.
"""

from kuai.engine.tensor import Tensor

__all__ = ["check", "from_sublists", "precision", "sums"]


def precision(equation: str, operands) -> str | None:
    """What autocast does: PyTorch takes one operand after the other, and may end with a product of
    matrices, which is computed in the lower precision."""
    terms, arrow, result = equation.partition("->")
    *before, last = [_letters_of(*each) for each in zip(terms.split(","), operands, strict=True)]
    if not arrow:
        result = [letter for letter in terms if terms.count(letter) == 1]
    paired = last & set().union(*before)
    return "lower" if paired - set(result) else None


def _letters_of(term, operand):
    """The letters of an operand's dimensions, but for those that are stretched."""
    left, dots, right = term.partition("...")
    shape = operand.shape
    sizes = (*zip(left, shape, strict=False), *zip(right[::-1], shape[::-1], strict=False))
    return {letter for letter, size in sizes if size != 1}


def sums(equation: str) -> bool:
    """Whether a letter of the only operand is missing in the result."""
    left, arrow, right = equation.partition("->")
    kept = right if arrow else [letter for letter in left if left.count(letter) == 1]
    return any(letter not in kept for letter in left.replace(".", ""))


def from_sublists(args) -> tuple:
    """`(x, [0, 1], y, [1, 2], [0, 2])` as an equation and its operands."""
    operands, subscripts = args[: len(args) // 2 * 2 : 2], args[1::2]
    equation = ",".join(map(_letters, subscripts))
    return (equation + (f"->{_letters(args[-1])}" if len(args) % 2 else ""), *operands)


def _letters(sublist) -> str:
    return "".join("..." if number is Ellipsis else _letter(number) for number in sublist)


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else chr(ord("a") + number - 26)


def check(equation: str, operands) -> None:
    """PyTorch's error for an equation that is none of these operands."""
    left, _, right = equation.partition("->")
    _check_letters(equation, left)
    terms = left.split(",")
    if len(terms) != len(operands):
        which = "more" if len(operands) > len(terms) else "fewer"
        raise RuntimeError(
            f"einsum(): {which} operands were provided than specified in the equation"
        )
    sizes: dict[str, int] = {}
    for number, (term, operand) in enumerate(zip(terms, operands, strict=True)):
        _check_term(term, operand, number, sizes)
    for letter in right.replace("...", ""):
        if right.count(letter) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {letter} appears more than once in the output"
            )
        if letter not in sizes:
            raise RuntimeError(
                f"einsum(): output subscript {letter} does not appear in the equation for any "
                "input operand"
            )


def _check_letters(equation: str, left: str) -> None:
    for place, sign in enumerate(equation):
        is_arrow = equation[place - 1 : place + 1] == "->" or equation[place : place + 2] == "->"
        is_letter = sign.isascii() and (sign.isalpha() or sign in ".," or is_arrow)
        if not is_letter or (is_arrow and place > len(left) + 1):
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {place} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )


def _check_dots(rest: str, number: int, dots: str) -> None:
    if "." in rest:
        which = "for which an ellipsis was already found" if dots else "that is not part of any"
        which = which if dots else f"{which} ellipsis"
        raise RuntimeError(f"einsum(): found '.' for operand {number} {which}")


def _check_repeats(named, number: int) -> None:
    own: dict[str, int] = {}
    for letter, size in named:
        if size != own.setdefault(letter, size):
            raise RuntimeError(
                f"einsum(): subscript {letter} is repeated for operand {number} but the sizes "
                f"don't match, {size} != {own[letter]}"
            )


def _check_term(term: str, operand, number: int, sizes: dict[str, int]) -> None:
    if not isinstance(operand, Tensor):
        raise TypeError(
            f"expected Tensor as element {number} in argument 1, but got {type(operand).__name__}"
        )
    before, dots, after = term.partition("...")
    _check_dots(before + after, number, dots)
    shape, count = tuple(operand.shape), len(before) + len(after)
    if not dots and count != len(shape):
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({count}) does not match the "
            f"number of dimensions ({len(shape)}) for operand {number} and no ellipsis was given"
        )
    last = zip(reversed(after), reversed(shape), strict=False)
    named = [*zip(before, shape, strict=False), *last]
    _check_repeats(named, number)
    for letter, size in named:
        if size != sizes.setdefault(letter, size):
            if 1 not in (size, sizes[letter]):
                raise RuntimeError(
                    f"einsum(): subscript {letter} has size {size} for operand {number} which does "
                    f"not broadcast with previously seen size {sizes[letter]}"
                )
            sizes[letter] = max(size, sizes[letter])
