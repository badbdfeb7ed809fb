"""Programs on a picture in a small part of Python: what they compute, and all that is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from support.cot_corpus import pixels_of

from dataengine.cot.core.pil_tools import MAX_SIDE
from dataengine.cot.core.python_subset import run_python
from dataengine.cot.core.tools import ToolError, run

CHINA = pixels_of("china.jpg")
HEIGHT, WIDTH = CHINA.shape[:2]
PAPER = """
from PIL import Image
img = Image.open("/mnt/data/china.jpg")
width, height = img.size
box = (0.25 * width, 0, width // 2, height // 2)
part = img.crop(box)
part = part.resize((part.width * 2, part.height * 2), Image.LANCZOS)
path = f"/mnt/data/temp_processed_images/part_{width}.webp"
part.save(path)
print(path)
"""


def test_a_program_as_in_the_paper() -> None:
    expected = Image.fromarray(CHINA).crop((WIDTH // 4, 0, WIDTH // 2, HEIGHT // 2))
    expected = expected.resize((expected.width * 2, expected.height * 2), Image.Resampling.LANCZOS)
    output = run(PAPER.strip(), CHINA)
    assert isinstance(output, np.ndarray) and np.array_equal(output, np.asarray(expected))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("image.rotate(90, expand=True).save('a')", np.rot90(CHINA)),
        ("image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)", CHINA[:, ::-1]),
        ("import math\nimage.crop((0, 0, math.ceil(9.2), 10)).show()", CHINA[:10, :10]),
        (
            "from PIL import ImageEnhance as E\ne = E.Contrast(image)\ne.enhance(1.5)",
            np.asarray(ImageEnhance.Contrast(Image.fromarray(CHINA)).enhance(1.5)),
        ),
        ("from PIL import ImageOps\nImageOps.mirror(ImageOps.flip(image)).save('x')", CHINA[::-1, ::-1]),
    ],
)  # fmt: skip
def test_pictures(code: str, expected: np.ndarray) -> None:
    code = f"from PIL import Image\n{code}" if "Image." in code else code
    output = run(code, CHINA)
    assert isinstance(output, np.ndarray) and np.array_equal(output, expected)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print(3 * 4 + 2 ** 3, 7 // 2, -1.5)", "20 3 -1.5"),
        ("total = 0\nfor n in range(1, 5):\n    total += n * n\nprint(total)", "30"),
        ("a, b = 2, 5\nif a < b and not b < 3:\n    print(f'{a} of {b}')\nelse:\n    print('no')", "2 of 5"),
        ("sizes = [3, 1, 2]\nprint(max(sizes), sum(sizes), sorted(sizes), sizes[1], len(sizes))", "3 6 [1, 2, 3] 1 3"),
        ("print(image.width, image.size)", f"{WIDTH} ({WIDTH}, {HEIGHT})"),
        ("print(round(10 / 3, 2) if 1 <= 2 <= 2 else 'x')", "3.33"),
        ("image = image.crop((0, 0, 5, 5))\nprint(image.size)", "(5, 5)"),
        ("print(image.getpixel((7, 4)))", str(tuple(int(n) for n in CHINA[4, 7]))),
        ("print(image.convert('L').crop((0, 0, 1, 1)).getcolors()[0][0])", "1"),
        ("print(image.getcolors(9))", "None"),
        ("from PIL import ImageChops\nprint(ImageChops.difference(image, image).getbbox())", "None"),
        (
            "from PIL import ImageChops, ImageOps\n"
            "print(ImageChops.difference(image, ImageOps.invert(image.crop((0, 0, 6, 4)))).getbbox())",
            "(0, 0, 6, 4)",
        ),
    ],
)
def test_arithmetic(code: str, expected: str) -> None:
    assert run(code, CHINA) == expected


REFUSED = (
    "import os", "from os import path", "import PIL", "from PIL import ImageGrab", "__import__('os')", "open('x')",
    "eval('1')", "image.__class__", "image.tobytes()", "image.im", "Image.open('x')", "print(().__class__)", "x",
    "lambda: 1", "[n for n in range(3)]", "def f(): pass", "class A: pass", "while True: pass", "del image",
    "with image: pass", "try:\n  pass\nexcept: pass", "raise 1", "global x", "x = y = z", "image.size = 3", "a[0] = 1",
    "print(*[1])", "print('%s' % 1)", "print('a' * 10 ** 9)", "print(10 ** 20)", "print(9 ** 9 ** 9)", "print(1 / 0)",
    "print(2 ** 0.5 ** -999)", "print((-8) ** 0.5)", "image.resize((10 ** 6, 10))", "image.crop((9, 9, 3, 3))",
    "image.crop((1, 2, 3))", "image.crop('all')", "image.rotate('left')", "image.convert('CMYK')", "image.filter(3)",
    "for n in range(10 ** 9):\n  pass", "for n in image:\n  pass", "for a in range(999):\n  for b in range(999):\n    a + b",
    "print(1 + 'a')", "print([1][5])", "print('<answer>')", "print('`' * 3)", "x = 1", "", "print(", "print(1)\n print(2)",
    "(" * 200 + ")" * 200, "print(" + "-" * 100 + "1)", "#" * 5000, "print(f'{1:>9999999}')", "print(1 if 2 is 2 else 3)",
    "print(min())", "print(range(3, 1, 0))", "print(True + 1)", "print(image.crop)", "image()", "math.sqrt(2)", "\0",
    "image.getpixel((9999, 0))", "image.getpixel((-1, 0))", "image.getpixel(3)", "image.getcolors(10 ** 6)",
    "image.getdata()", "image.histogram()", "from PIL import ImageChops\nImageChops.add(image, image)",
    "from PIL import ImageChops\nImageChops.difference(image, 3)",
)  # fmt: skip


@pytest.mark.parametrize("code", REFUSED)
def test_refused(code: str) -> None:
    with pytest.raises(ToolError):
        run(code, CHINA)


def test_nothing_grows_without_bound() -> None:
    double = "t = 'aaaaaaaaaa'\nfor n in range(900):\n    t = t + t\nprint(t)"
    with pytest.raises(ToolError, match="characters"):
        run(double, CHINA)
    grown = run(f"image.resize(({MAX_SIDE}, {MAX_SIDE})).save('x')", CHINA)
    assert isinstance(grown, np.ndarray) and grown.shape == (MAX_SIDE, MAX_SIDE, 3)


_names = st.sampled_from(["image", "print", "Image", "range", "x", "__class__", "crop", "size", "open"])
_pieces = st.sampled_from(
    ["(", ")", ".", ",", "=", "+", "**", "[", "]", ":", "\n", " ", "for ", "in ", "if ", "9", "'a'"]
)


@given(st.lists(_names | _pieces, max_size=20).map("".join))
def test_whatever_comes_is_output_or_an_error(code: str) -> None:
    small = CHINA[:8, :8]
    try:
        output = run_python(code, small)
    except ToolError:
        return
    assert isinstance(output, str | np.ndarray)
