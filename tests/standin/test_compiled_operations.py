"""torchvision's compiled operations in JAX, beside plain loops over what their papers say."""

import itertools
import math

import numpy as np
import pytest

import kuai
import kuai.library
from kuai.autograd import gradcheck

OPS = kuai.ops.torchvision


def bilinear(picture, y, x):
    """A pixel between pixels; beyond one pixel outside there is nothing."""
    height, width = picture.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    low, left = int(y), int(x)
    high, right = min(low + 1, height - 1), min(left + 1, width - 1)
    down, across = y - low, x - left
    upper = picture[low, left] * (1 - across) + picture[low, right] * across
    lower = picture[high, left] * (1 - across) + picture[high, right] * across
    return upper * (1 - down) + lower * down


def averaged(picture, roi, scale, bins, ratio, aligned, place):
    """The mean of one bin of one rectangle."""
    x, y, right, bottom = (each * scale - (0.5 if aligned else 0) for each in roi[1:])
    height, width = bottom - y, right - x
    if not aligned:
        height, width = max(height, 1), max(width, 1)
    rows = ratio if ratio > 0 else math.ceil(height / bins[0])
    columns = ratio if ratio > 0 else math.ceil(width / bins[1])
    found = [
        bilinear(
            picture,
            y + (place[0] + (row + 0.5) / rows) * height / bins[0],
            x + (place[1] + (column + 0.5) / columns) * width / bins[1],
        )
        for row in range(rows)
        for column in range(columns)
    ]
    return sum(found) / max(rows * columns, 1)


ROIS = np.array(
    [
        [0, 0, 0, 7, 5],
        [1, 2.3, 1.1, 5.9, 4.2],
        [0, -3, -2, 4, 12],
        [1, 5, 5, 5.2, 5.1],
        [1, 20, 20, 30, 30],
    ]
)


@pytest.fixture
def picture():
    return np.random.default_rng(0).normal(size=(2, 4, 6, 8))


@pytest.mark.parametrize("ratio", [-1, 2])
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.6])
def test_roi_align(picture, ratio, aligned, scale):
    bins = 2, 3
    out = OPS.roi_align(
        kuai.tensor(picture), kuai.tensor(ROIS), scale, *bins, ratio, aligned
    ).numpy()
    assert out.shape == (5, 4, 2, 3) and out.dtype == np.float64
    for k, c, *place in itertools.product(range(5), range(4), range(2), range(3)):
        wanted = averaged(picture[int(ROIS[k, 0]), c], ROIS[k], scale, bins, ratio, aligned, place)
        assert out[k, c, place[0], place[1]] == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("ratio", [-1, 2])
def test_ps_roi_align(picture, ratio):
    rois = ROIS[[0, 1, 2, 4]]
    out, mapping = OPS.ps_roi_align(kuai.tensor(picture), kuai.tensor(rois), 0.9, 2, 2, ratio)
    assert mapping.dtype == kuai.int32 and mapping[0].flatten().tolist() == [0, 1, 2, 3]
    for k, h, w in itertools.product(range(4), range(2), range(2)):
        channel = picture[int(rois[k, 0]), 2 * h + w]
        wanted = averaged(channel, rois[k], 0.9, (2, 2), ratio, True, (h, w))
        assert out[k, 0, h, w].item() == pytest.approx(wanted, abs=1e-10)


def whole_bins(roi, scale, bins, more, size, last):
    """The first pixel of every bin and the one after its last, in rows and in columns."""
    x, y, right, bottom = (int(math.floor(abs(v) + 0.5) * (1 if v >= 0 else -1))
                           for v in roi[1:] * scale)  # fmt: skip
    ranges = []
    for start, end, count, top in ((y, bottom, bins[0], last[0]), (x, right, bins[1], last[1])):
        step = max(end - start + more, 1) / count
        clip = lambda v, top=top: min(max(int(v), 0), top)  # noqa: E731
        ranges.append(
            [
                (clip(start + math.floor(i * step)), clip(start + math.ceil((i + 1) * step)))
                for i in range(count)
            ]
        )
    return ranges


def test_roi_pool(picture):
    rois = kuai.tensor(ROIS)
    out, places = OPS.roi_pool(kuai.tensor(picture), rois, 0.7, 2, 3)
    for k, c in itertools.product(range(5), range(4)):
        source = picture[int(ROIS[k, 0]), c]
        rows, columns = whole_bins(ROIS[k], 0.7, (2, 3), 1, None, (6, 8))
        for h, w in itertools.product(range(2), range(3)):
            (top, bottom), (left, right) = rows[h], columns[w]
            part = source[top:bottom, left:right]
            if part.size == 0:
                assert out[k, c, h, w] == 0 and places[k, c, h, w] == -1
                continue
            assert out[k, c, h, w].item() == part.max()
            assert source.reshape(-1)[places[k, c, h, w].item()] == part.max()


def test_ps_roi_pool(picture):
    out, _ = OPS.ps_roi_pool(kuai.tensor(picture), kuai.tensor(ROIS), 0.7, 2, 2)
    for k, h, w in itertools.product(range(5), range(2), range(2)):
        source = picture[int(ROIS[k, 0]), 2 * h + w]
        rows, columns = whole_bins(ROIS[k], 0.7, (2, 2), 0, None, (5, 7))
        (top, bottom), (left, right) = rows[h], columns[w]
        part = source[top:bottom, left:right]
        assert out[k, 0, h, w].item() == pytest.approx(part.mean() if part.size else 0, abs=1e-12)


def corner_sum(picture, y, x):
    """Between pixels, where each pixel outside counts as 0."""
    height, width = picture.shape
    low, left = math.floor(y), math.floor(x)
    total = 0.0
    for row, column in itertools.product((low, low + 1), (left, left + 1)):
        if 0 <= row < height and 0 <= column < width:
            total += picture[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


@pytest.mark.parametrize("masked", [False, True])
def test_deform_conv2d(masked):
    random = np.random.default_rng(1)
    x, weight = random.normal(size=(2, 4, 5, 6)), random.normal(size=(6, 2, 3, 2))
    size = (5 + 2 - 3) // 2 + 1, 6 - 2 * 1
    offset = random.normal(size=(2, 2 * 2 * 6, *size)) * 2
    mask, bias = random.uniform(size=(2, 2 * 6, *size)), random.normal(size=6)
    given = [kuai.tensor(each) for each in (x, weight, offset, mask, bias)]
    out = OPS.deform_conv2d(*given, 2, 1, 1, 0, 1, 2, 2, 2, masked).numpy()
    assert out.shape == (2, 6, *size)
    for b, o, h, w in itertools.product(range(2), range(6), range(size[0]), range(size[1])):
        total = bias[o]
        for c, i, j in itertools.product(range(2), range(3), range(2)):
            channel, point = (o // 3) * 2 + c, i * 2 + j
            part = channel // 2
            dy, dx = offset[b, (part * 6 + point) * 2 : (part * 6 + point) * 2 + 2, h, w]
            found = corner_sum(x[b, channel], 2 * h - 1 + i + dy, w + 2 * j + dx)
            found *= mask[b, part * 6 + point, h, w] if masked else 1
            total += weight[o, c, i, j] * found
        assert out[b, o, h, w] == pytest.approx(total, abs=1e-10)


def slow_nms(boxes, scores, threshold):
    left = sorted(range(len(boxes)), key=lambda i: -scores[i])
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if not overlap(boxes[best], boxes[i]) > threshold]
    return kept


def overlap(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
    return width * height / (area(a) + area(b) - width * height)


@pytest.mark.parametrize("count", [0, 1, 30])
def test_nms(count):
    random = np.random.default_rng(2)
    corners = random.uniform(0, 10, (count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(1, 6, (count, 2))], 1)
    scores = np.round(random.uniform(size=count), 1)  # with ties
    found = OPS.nms(kuai.tensor(boxes), kuai.tensor(scores), 0.3)
    assert found.dtype == kuai.int64
    assert found.tolist() == slow_nms(boxes, scores, 0.3)


def test_boxes_that_are_refused():
    with pytest.raises(RuntimeError, match="boxes should have 4 elements in dimension 1, got 3"):
        OPS.nms(kuai.ones(2, 3), kuai.ones(2), 0.5)
    with pytest.raises(RuntimeError, match="same number of elements in dimension 0, got 2 and 3"):
        OPS.nms(kuai.ones(2, 4), kuai.ones(3), 0.5)
    with pytest.raises(RuntimeError, match="type torch.float32 does not equal torch.float64"):
        OPS.roi_align(kuai.ones(1, 1, 2, 2), kuai.ones(1, 5).double(), 1.0, 1, 1, 1, False)


def test_turned_boxes():
    boxes = kuai.tensor([[0.0, 0, 2, 2, 0], [0, 0, 2, 2, 45], [1, 0, 2, 2, 0], [9, 9, 1, 1, 3]])
    found = OPS.box_iou_rotated(boxes, boxes)
    octagon = 8 * (2**0.5 - 1)
    assert found.diagonal().tolist() == pytest.approx([1] * 4, abs=1e-5)
    assert found[0].tolist() == pytest.approx([1, octagon / (8 - octagon), 1 / 3, 0], abs=1e-5)


def test_gradients(picture):
    x = kuai.tensor(picture[:, :, :4, :4], requires_grad=True)
    rois = kuai.tensor(ROIS[:3])
    for pool in (
        lambda x: OPS.roi_align(x, rois, 0.5, 2, 2, 2, True),
        lambda x: OPS.ps_roi_align(x, rois, 0.5, 2, 2, -1)[0],
        lambda x: OPS.roi_pool(x, rois, 0.5, 2, 2)[0],
        lambda x: OPS.ps_roi_pool(x, rois, 0.5, 2, 2)[0],
    ):
        assert gradcheck(pool, x)
    offset = kuai.tensor(np.random.default_rng(3).normal(size=(1, 8, 3, 3)), requires_grad=True)
    weight = kuai.ones(1, 4, 2, 2, dtype=kuai.float64, requires_grad=True)
    one = kuai.ones(1, dtype=kuai.float64)
    mask = kuai.full((1, 4, 3, 3), 0.5, dtype=kuai.float64, requires_grad=True)
    assert gradcheck(
        lambda *a: OPS.deform_conv2d(*a, one, 1, 1, 0, 0, 1, 1, 1, 1, True),
        (x[:1].detach().requires_grad_(), weight, offset, mask),
    )


def test_backward_operations_are_the_gradients(picture):
    x, rois = kuai.tensor(picture, requires_grad=True), kuai.tensor(ROIS)
    shape = x.shape
    out = OPS.roi_align(x, rois, 0.5, 2, 2, 2, True)
    (wanted,) = kuai.autograd.grad(out.sum(), x)
    given = kuai.ones_like(out)
    assert OPS._roi_align_backward(given, rois, 0.5, 2, 2, *shape, 2, True).allclose(wanted)
    out, places = OPS.roi_pool(x, rois, 0.5, 2, 2)
    (wanted,) = kuai.autograd.grad(out.sum(), x)
    assert OPS._roi_pool_backward(given, rois, places, 0.5, 2, 2, *shape).allclose(wanted)
    out, mapping = OPS.ps_roi_align(x, rois, 0.5, 2, 2, 2)
    (wanted,) = kuai.autograd.grad(out.sum(), x)
    given = kuai.ones_like(out)
    found = OPS._ps_roi_align_backward(given, rois, mapping, 0.5, 2, 2, 2, *shape)
    assert found.allclose(wanted)


def test_compiled_as_eager(picture):
    x, rois = kuai.tensor(picture), kuai.tensor(ROIS)

    def look(x, rois):
        kept = OPS.nms(rois[:, 1:], rois[:, 4], 0.5)
        return OPS.roi_align(x, rois[kept], 0.5, 2, 2, -1, True)

    compiled = kuai.compile(look)
    for _ in range(2):
        assert compiled(x, rois).allclose(look(x, rois))


def test_half_precision_and_nothing(picture):
    x = kuai.tensor(picture).half()
    rois = kuai.tensor(ROIS[:2]).half()
    out = OPS.roi_align(x, rois, 0.5, 2, 2, 2, True)
    wide = OPS.roi_align(x.float(), rois.float(), 0.5, 2, 2, 2, True)
    assert out.dtype == kuai.float16 and out.float().allclose(wide, atol=1e-2)
    for pool in (OPS.roi_pool, OPS.ps_roi_pool):
        assert pool(x, rois[:0], 0.5, 2, 2)[0].shape[0] == 0
    assert OPS.roi_align(x, rois[:0], 0.5, 2, 2, -1, True).shape == (0, 4, 2, 2)


def test_what_a_package_registers_does_not_replace_them():
    operation = kuai._ops.defined["torchvision::nms"]
    before = operation._functions[None]
    library = kuai.library.Library("torchvision", "IMPL")
    library.impl("nms", lambda *a: None, "AutocastCPU")
    kuai.library.register_autograd("torchvision::nms", lambda ctx, g: None)
    assert operation._functions[None] is before and operation._backward is None


def test_pictures_in_files(tmp_path):
    pytest.importorskip("PIL")
    image = kuai.ops.image
    picture = kuai.arange(3 * 4 * 5, dtype=kuai.uint8).reshape(3, 4, 5)
    path = str(tmp_path / "x.png")
    image.write_file(path, image.encode_png(picture, 6))
    assert image.decode_image(image.read_file(path), 0, False).equal(picture)
    assert image.decode_png(image.read_file(path), 1).shape == (1, 4, 5)
    near = image.decode_jpeg(image.encode_jpeg(kuai.full((3, 8, 8), 90).to(kuai.uint8), 90), 3)
    assert (near.int() - 90).abs().max() <= 2
    with pytest.raises(RuntimeError, match="Unsupported image file"):
        image.decode_image(kuai.zeros(9, dtype=kuai.uint8), 0, False)


def test_aten_names_without_a_function():
    x, aten = kuai.arange(6).reshape(2, 3), kuai.ops.aten
    assert aten.slice.Tensor(x, 1, 1, 3).equal(x[:, 1:3])
    assert aten.index.Tensor(x, [None, kuai.tensor([2])]).equal(x[:, [2]])
    assert aten._to_copy.default(x, dtype=kuai.float32).dtype == kuai.float32
    assert aten.alias.default(x).data_ptr() == x.data_ptr()
