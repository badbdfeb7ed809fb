from __future__ import annotations

import pytest

from dataengine.errors import InputError
from dataengine.media.image.decode import decode_rgb
from dataengine.media.limits import Limits
from dataengine.text.quotations import without_quotations


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("Token too long in file header: root:x:0:0"), "Token too long in file header"),
        (SyntaxError("broken PNG file (chunk b'se\\'cret')"), "broken PNG file (chunk …)"),
        (ValueError('invalid literal for int() with base 10: "12a"'), "invalid literal for int() with base 10"),
        (OSError("begins 'with no end"), "begins …"),
        (KeyError("secret"), "…"),
        (ValueError(""), "ValueError"),
    ],
)
def test_what_a_message_quotes_is_left_out(error: Exception, text: str) -> None:
    assert without_quotations(error) == text


@pytest.mark.parametrize(
    "data", [b"root:x:0:0:root", b"P6 secretsecret 1 255\n", b"P6 12secret 1 255\n", b"secret = 1\n"]
)
def test_a_file_that_is_no_picture_is_not_quoted(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        decode_rgb(data, Limits())
    assert "secret" not in caught.value.message and "root" not in caught.value.message
