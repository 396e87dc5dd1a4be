"""Matrices of numpy's that stand for a library's own, and say which products are made of them."""

from __future__ import annotations

from typing import Any

import numpy as np


class Matrices:
    """Makes matrices, and counts the products."""

    def __init__(self) -> None:
        self.made: list[tuple[Any, ...]] = []
        self.products = 0

    def full(self, shape: tuple[int, int], value: float, **where: Any) -> Matrix:
        """Return a matrix whose elements are all the value."""
        self.made.append((shape, value, where))
        return Matrix(self, np.full(shape, value, "float32"))


class Matrix:
    """A matrix whose products are counted."""

    def __init__(self, matrices: Matrices, numbers: Any) -> None:
        self._matrices, self._numbers = matrices, numbers

    def __matmul__(self, other: Matrix) -> Matrix:
        self._matrices.products += 1
        return Matrix(self._matrices, self._numbers @ other._numbers)

    def max(self) -> Any:
        """Return the largest element, as an array of one."""
        return self._numbers.max()
