"""torchvision's compiled reading and writing of picture files, by Pillow, which it requires.

Pictures are tensors of bytes, channels first; files are tensors of their bytes.
"""

import io
import pathlib

import numpy as np

import kuai

__all__ = [
    "decode_gif",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_webp",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "write_file",
]

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # torchvision's ImageReadMode; 0 is "as it is"


def read_file(filename: str):
    """The bytes of a file."""
    content = pathlib.Path(filename).read_bytes()
    return kuai.tensor(np.frombuffer(content, np.uint8))


def write_file(filename: str, data):
    """Write bytes to a file; the same bytes."""
    if data.dtype != kuai.uint8:
        raise RuntimeError("Input tensor dtype should be uint8")
    pathlib.Path(filename).write_bytes(data.numpy().tobytes())
    return data


def decode_image(data, mode: int = 0, apply_exif_orientation: bool = False):
    """The picture in a file of any kind that Pillow reads: `(C, H, W)`; of several, all."""
    from PIL import Image, ImageOps

    if data.dtype != kuai.uint8 or data.ndim != 1 or data.numel() == 0:
        raise RuntimeError("Expected a non empty 1-dimensional tensor of dtype uint8")
    try:
        image = Image.open(io.BytesIO(data.numpy().tobytes()))
        image.load()
    except OSError as error:  # Pillow's own is one
        raise RuntimeError(f"Unsupported image file. {error}") from error
    if image.format == "GIF":
        return _frames(image)
    if apply_exif_orientation:
        image = ImageOps.exif_transpose(image)
    return _channels_first(_in_mode(image, mode))


def decode_png(data, mode: int = 0, apply_exif_orientation: bool = False):
    """The picture in a PNG file."""
    return decode_image(data, mode, apply_exif_orientation)


def decode_jpeg(data, mode: int = 0, apply_exif_orientation: bool = False):
    """The picture in a JPEG file."""
    return decode_image(data, mode, apply_exif_orientation)


def decode_webp(data, mode: int = 0):
    """The picture in a WebP file."""
    return decode_image(data, mode)


def decode_gif(data):
    """The picture in a GIF file, or all of them: `(N, C, H, W)`."""
    return decode_image(data)


def encode_png(data, compression_level: int = 6):
    """A PNG file of a picture."""
    return _encoded(data, "PNG", compress_level=compression_level)


def encode_jpeg(data, quality: int = 75):
    """A JPEG file of a picture."""
    return _encoded(data, "JPEG", quality=quality)


def _encoded(data, kind, **options):
    from PIL import Image

    if data.dtype != kuai.uint8:
        raise RuntimeError("Input tensor dtype should be uint8")
    if data.ndim != 3:
        raise RuntimeError("Input data should be a 3-dimensional tensor")
    if data.shape[0] not in (1, 3):
        raise RuntimeError(f"The number of channels should be 1 or 3, got: {data.shape[0]}")
    pixels = data.numpy()
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1).copy())
    file = io.BytesIO()
    image.save(file, kind, **options)
    return kuai.tensor(np.frombuffer(file.getvalue(), np.uint8))


def _in_mode(image, mode):
    if mode in _MODES:
        return image.convert(_MODES[mode])
    if image.mode == "P":  # as a palette says
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    return image.convert("L") if image.mode == "1" else image


def _channels_first(image):
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.dtype == np.int32:  # how Pillow holds 16 bits
        pixels = pixels.astype(np.uint16)
    return kuai.from_numpy(np.moveaxis(pixels, -1, 0).copy())


def _frames(image):
    from PIL import ImageSequence

    frames = [_channels_first(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    return frames[0] if len(frames) == 1 else kuai.stack(frames)
