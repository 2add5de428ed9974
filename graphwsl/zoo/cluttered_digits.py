"""Digits in colour before textures, shifted, amid pieces of other digits: harder than MNIST.

Made from grey digits by a seeded program in whole numbers, so that every processor makes the same
bytes. After the cluttered MNIST of Mnih et al., "Recurrent Models of Visual Attention", 2014, with
the colours, weak contrasts and uneven backgrounds that photographs of house numbers have.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, UInt8

from graphwsl.zoo.draws import Draws

SIZE = 32
"""Height and width of the images."""
_SOURCE = 28
"""Height and width of the digits that they are made from."""


@dataclass(frozen=True)
class Clutter:
    """How hard the images are; brightness counts from 0 to 255.

    Attributes:
        shift: Pixels that a digit lies off the centre at most, down and right each.
        contrast: Between digit and background, at least and at most.
        colour: The most by which red, green and blue differ from grey.
        texture: The largest texture of the background.
        noise: The largest noise of every pixel.
        distractors: Pieces of other digits in every image.
        piece: Their height and width.
    """

    shift: int = 2
    contrast: tuple[int, int] = (130, 210)
    colour: int = 30
    texture: int = 40
    noise: int = 8
    distractors: int = 1
    piece: int = 7


def cluttered(
    digits: UInt8[np.ndarray, "digits 28 28"], seed: int, clutter: Clutter = Clutter()
) -> UInt8[np.ndarray, "digits 3 32 32"]:
    """An image of each digit, in clutter that consists of pieces of the same digits.

    Args:
        digits: Brightness of the pixels, the background being 0.
        seed: Seed of the program; the same one gives the same bytes everywhere.
        clutter: How hard they are.
    """
    draws = Draws(seed)
    images = (len(digits), 1, 1, 1)
    channels = (len(digits), 3, 1, 1)
    low, high = clutter.contrast
    darker = draws.whole(images, 0, 2)
    # The grey of the background leaves room for the strongest contrast on the digit's side.
    grey = darker * high + draws.whole(images, 0, 256 - high)
    digit_ink, other_ink = (
        grey
        + (1 - 2 * darker) * draws.whole(images, low, high + 1)
        + draws.around(channels, clutter.colour)
        for _ in range(2)
    )
    canvas = grey + draws.around(channels, clutter.colour) + _texture(draws, len(digits), clutter)
    canvas = _painted(canvas, other_ink, _pieces(draws, digits, clutter))
    canvas = _painted(canvas, digit_ink, _shifted(draws, digits, clutter.shift))
    canvas = canvas + draws.around((len(digits), 1, SIZE, SIZE), clutter.noise)
    return canvas.clip(0, 255).astype(np.uint8)


def _texture(draws: Draws, images: int, clutter: Clutter) -> Int32[np.ndarray, "images 3 32 32"]:
    """Smooth noise of two scales, as strong as drawn for each image."""
    strength = draws.whole((images, 1, 1, 1), 0, clutter.texture + 1)
    noise = []
    for cell in (8, 4):
        knots = draws.around((images, 3, SIZE // cell + 1, SIZE // cell + 1), 127)
        noise.append(_interpolated(_interpolated(knots, cell, 2), cell, 3))
    return (sum(noise) * strength) >> 8


def _interpolated(knots: np.ndarray, cell: int, axis: int) -> np.ndarray:
    """Straight lines between knots that are ``cell`` pixels apart."""
    knot, part = np.divmod(np.arange(SIZE, dtype=np.int32), cell)
    part = part.reshape([-1 if k == axis else 1 for k in range(knots.ndim)])
    below, above = knots.take(knot, axis), knots.take(knot + 1, axis)
    return (below * (cell - part) + above * part) // cell


def _shifted(
    draws: Draws, digits: UInt8[np.ndarray, "images 28 28"], most: int
) -> UInt8[np.ndarray, "images 32 32"]:
    """Digits about the middle; what is shifted out of the image is their empty margin."""
    corners = (SIZE - _SOURCE) // 2 + draws.around((2, len(digits)), most)
    return _pasted(digits, corners, beyond=most)


def _pieces(
    draws: Draws, digits: UInt8[np.ndarray, "images 28 28"], clutter: Clutter
) -> UInt8[np.ndarray, "images 32 32"]:
    """Pieces of digits anywhere, the brighter one where two meet."""
    images = len(digits)
    window = np.arange(clutter.piece)
    canvas = np.zeros((images, SIZE, SIZE), np.uint8)
    for _ in range(clutter.distractors):
        source = draws.whole((images, 1, 1), 0, images)
        # Of the middle of a digit, for its margin is empty.
        row, column = draws.whole((2, images, 1, 1), 4, _SOURCE - 3 - clutter.piece)
        piece = digits[source, row + window[:, None], column + window]
        corners = draws.whole((2, images), 0, SIZE - clutter.piece + 1)
        np.maximum(canvas, _pasted(piece, corners), out=canvas)
    return canvas


def _pasted(
    pieces: UInt8[np.ndarray, "images size size"],
    corners: Int32[np.ndarray, "2 images"],
    beyond: int = 0,
) -> UInt8[np.ndarray, "images 32 32"]:
    """Pieces with their upper left corners at given rows and columns, the rest 0.

    Args:
        pieces: What is copied into the images.
        corners: Rows and columns.
        beyond: Pixels by which pieces lie outside of the image at most.
    """
    images, side = len(pieces), SIZE + 2 * beyond
    canvas = np.zeros((images, side, side), np.uint8)
    window = beyond + np.arange(pieces.shape[1])
    rows, columns = corners[:, :, None] + window
    canvas[np.arange(images)[:, None, None], rows[:, :, None], columns[:, None]] = pieces
    inside = slice(beyond, beyond + SIZE)
    return canvas[:, inside, inside]


def _painted(
    below: np.ndarray, ink: np.ndarray, cover: UInt8[np.ndarray, "images 32 32"]
) -> np.ndarray:
    """Ink over a canvas, as opaque as the cover: 0 leaves what is below, 255 hides it."""
    opaque = cover[:, None].astype(np.int32)
    return below + (((ink - below) * opaque * 257 + 32768) >> 16)
