"""Sobol' points are PyTorch's."""

import pytest
import torch.quasirandom

import kuai.quasirandom

ENGINES = torch.quasirandom.SobolEngine, kuai.quasirandom.SobolEngine


@pytest.mark.parametrize("dimension", [1, 3, 40])
def test_points(dimension):
    found = []
    for engine in ENGINES:
        points = engine(dimension)
        first = points.draw(5).tolist()
        points.fast_forward(7)
        second = points.draw(3).tolist()
        points.reset()
        found.append((first, second, points.draw_base2(2).tolist(), points.num_generated))
    assert found[0] == found[1]


def test_printed_and_refused():
    found = []
    for engine in ENGINES:
        points = engine(2)
        points.draw(3)
        with pytest.raises(ValueError) as uneven:
            points.draw_base2(2)
        with pytest.raises(ValueError) as none:
            engine(0)
        errors = str(uneven.value), str(none.value)
        found.append((repr(points), repr(engine(2, scramble=True, seed=1)), errors))
    assert found[0] == found[1]


def test_scrambled_points_lie_inside_and_differ():
    points = [kuai.quasirandom.SobolEngine(2, True, seed=s).draw(8) for s in (1, 2)]
    assert all(((0 <= each) & (each < 1)).all() for each in points)
    assert not points[0].equal(points[1])
