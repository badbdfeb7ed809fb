"""URIs lose their credentials and nothing else, so that a new signature of a file makes the same id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.text.uris import without_places, without_secrets, without_secrets_inside

SIGNED = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAsesame%2F20261127&X-Amz-Date=20261127T000000Z&X-Amz-Expires=900"
    "&X-Amz-SignedHeaders=host&X-Amz-Security-Token=sesame&X-Amz-Signature=sesame"
)
CASES = {
    "https://h/a.jpg": "https://h/a.jpg",
    "https://h/a.jpg?size=2&x=1#t=0,5": "https://h/a.jpg?size=2&x=1#t=0,5",
    "https://user:sesame@h:8080/a.jpg": "https://h:8080/a.jpg",
    "https://user:se@same@h/a@b.jpg": "https://h/a@b.jpg",
    "https://user:ses/ame@h/a.jpg": "https://h/a.jpg",
    "https://h/@name/a.jpg": "https://h/@name/a.jpg",
    "http://[::1]:80/@x": "http://[::1]:80/@x",
    f"https://b.s3.test/a.jpg?{SIGNED}": "https://b.s3.test/a.jpg",
    f"https://b.s3.test/a.jpg?versionId=3&{SIGNED}": "https://b.s3.test/a.jpg?versionId=3",
    "https://b.test/a?X-Goog-Signature=sesame&X-Goog-Date=1&w=5": "https://b.test/a?w=5",
    "https://b.test/a?AWSAccessKeyId=sesame&Expires=17&Signature=sesame": "https://b.test/a",
    "https://d.test/a?Policy=sesame&Key-Pair-Id=sesame&Signature=sesame&w=5": "https://d.test/a?w=5",
    "https://a.blob.test/c/a?sv=2026&st=1&se=2&sr=b&sp=r&sig=sesame%3D": "https://a.blob.test/c/a",
    "https://h/a?sp=r&st=1&expires=9": "https://h/a?sp=r&st=1&expires=9",
    "https://h/a?w=5&access_token=sesame&h=6": "https://h/a?w=5&h=6",
    "https://h/a?token=sesame;w=5": "https://h/a?w=5",
    "https://h/a?w=5&amp;token=sesame": "https://h/a?w=5&amp",
    "https://h/a?TOKEN=sesame": "https://h/a",
    "https://h/a?%74oken=sesame": "https://h/a",
    "https://h/a?auth[token]=sesame&api-key=sesame&apiKey=sesame": "https://h/a",
    "https://h/a?monkey=1&keyword=2&design=3": "https://h/a?monkey=1&keyword=2&design=3",
    "https://h/a?v=eyJhbGciOiJI.sesame.x&w=1": "https://h/a?w=1",
    "https://h/a;jsessionid=sesame?w=1": "https://h/a?w=1",
    "https://h/a#access_token=sesame": "https://h/a",
    "https://p/?u=https%3A%2F%2Fh%2Fa%3Ftoken%3Dsesame%26w%3D1": "https://p/?u=https%3A%2F%2Fh%2Fa%3Fw%3D1",
    "https://p/?u=https%253A%252F%252Fx%253Asesame%2540h%252Fa": "https://p/?u=https%253A%252F%252Fh%252Fa",
    "https://p/?u=https://x:sesame@h/a": "https://p/?u=https://h/a",
    "https://p/https://x:sesame@h/a": "https://p/https://h/a",
    "https://p/https://h/@x/a": "https://p/https://h/@x/a",
    "HTTPS://x:sesame@h/a": "HTTPS://h/a",
    " https://x:sesame@h/a": " https://h/a",
    "s3://x:sesame@bucket/a": "s3://bucket/a",
    "img/a?token=1.jpg": "img/a?token=1.jpg",
    "/data//a?token=1.jpg": "/data//a?token=1.jpg",
    "t.jsonl#row 5": "t.jsonl#row 5",
}


@pytest.mark.parametrize("uri", CASES)
def test_credentials_leave(uri: str) -> None:
    assert without_secrets(uri) == CASES[uri]
    assert without_secrets(CASES[uri]) == CASES[uri]


@pytest.mark.parametrize("times", [2, 3, 30])
def test_credentials_in_front_of_others_leave_no_remainder(times: int) -> None:
    cleaned = without_secrets("https://u:p@https:/" * times + "h.example/a")
    assert without_secrets(cleaned) == cleaned and "u:p@" not in cleaned


def test_credentials_leave_values() -> None:
    value = {"url": "https://x:y@h/a", "n": 1, "more": [["https://h/a?sig=x", "see https://h/?w=1", None]]}
    assert without_secrets_inside(value) == {
        "url": "https://h/a",
        "n": 1,
        "more": [["https://h/a", "see https://h/?w=1", None]],
    }


@given(st.text(max_size=60))
def test_any_text_is_taken(text: str) -> None:
    cleaned = without_secrets(f"https://{text}")
    assert "sesame" not in without_secrets(f"https://x:sesame@h/{text}")
    assert without_secrets(cleaned) == cleaned and without_secrets(text) is not None


@given(st.text("abc/?&=;#@:%", max_size=40))
def test_a_new_signature_makes_the_same_uri(rest: str) -> None:
    first, second = (without_secrets(f"https://h/a?w=1&X-Amz-Signature={value}&{rest}") for value in ("one", "two"))
    assert first == second


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("a/b#2.jpg", "a/b#2.jpg"),
        ("x.mp4#t=0.000,2.000", "x.mp4#t=0.000,2.000"),
        ("shard-000.tar#key.jpg", "shard-000.tar#key.jpg"),
        ("list.csv#a/b.jpg", "list.csv#a/b.jpg"),
        ("list.csv#https://h/a/../b.jpg?w=1#t=1", "list.csv#https://h/a/../b.jpg?w=1#t=1"),
        ("https://h/a.jpg", "https://h/a.jpg"),
        ("list.csv#row 7", "list.csv#row 7"),
        ("list.csv#/home/jo/secret project/b.jpg", "list.csv#b.jpg"),
        ("2026-11-28/list.csv#/home/jo/b.mp4#t=0.000,2.000", "2026-11-28/list.csv#b.mp4#t=0.000,2.000"),
        ("list.csv#file:///home/jo/b.jpg#2", "list.csv#b.jpg#2"),
        ("list.csv#s3://customer-7/raw/b.jpg", "list.csv#b.jpg"),
        ("list.csv#../customer-7/b.jpg", "list.csv#b.jpg"),
        ("list.csv#a/../../customer-7/b.jpg", "list.csv#b.jpg"),
        ("/home/jo/b.jpg", "b.jpg"),
        ("/home/jo/b.zip#a/b.jpg", "b.jpg"),
        ("list.csv#file:///%2Fhome%2Fjo%2Fb.jpg", "list.csv#b.jpg"),
        ("list.csv#file:///home/jo/customer%207%2Fb%20c.jpg#t=0.000,2.000", "list.csv#b c.jpg#t=0.000,2.000"),
        ("list.csv#file:///home/jo/b.jpg?of=/home/jo#/home/jo", "list.csv#b.jpg"),
        ("list.csv#/home/jo#1/customer-7/b.jpg#2", "list.csv#b.jpg#2"),
        ("run#3/list.csv#/home/jo/b.jpg", "run#3/list.csv#b.jpg"),
        ("run#3/list.csv#https://h/a/b.jpg#/../c", "run#3/list.csv#https://h/a/b.jpg#/../c"),
        ("C:\\Users\\jo\\b.jpg", "b.jpg"),
        ("list.csv#\\\\server\\jo\\b.jpg", "list.csv#b.jpg"),
        ("zip:/home/jo/a.zip!/b.jpg", "b.jpg"),
        ("a/b..c/d:e.jpg", "a/b..c/d:e.jpg"),
    ],
)
def test_published_uris_name_no_folder_or_bucket_of_their_maker(uri: str, public: str) -> None:
    assert without_places(uri) == public == without_places(public)
