"""Who may reach a bucket, and what the user reads who may not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataengine.errors import RunError
from dataengine.storage.store import Store


@pytest.fixture
def profile(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Credentials in files instead of variables: a profile ``team`` and no default one."""
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    (tmp_path / "credentials").write_text(f"[team]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    (tmp_path / "config").write_text(f"[profile team]\nregion = us-east-1\nendpoint_url = {endpoint}\n")
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "ENDPOINT_URL", "REGION"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_PROFILE", "team")
    return tmp_path


def test_a_profile_gives_endpoint_region_and_credentials(s3: str, profile: Path) -> None:
    store = Store(s3)
    store.put("k", b"v")
    assert store.get("k") == b"v"


def test_a_profile_that_is_not_there_is_named(s3: str, profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(RunError, match="nobody"):
        Store(s3).get("k")


def test_a_profile_without_credentials_is_named(s3: str, profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (profile / "credentials").write_text("")
    with pytest.raises(RunError, match="profile team"):
        Store(s3).get("k")


def test_variables_go_before_the_profile(s3: str, profile: Path, nanio: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stranger")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    monkeypatch.setenv("AWS_ENDPOINT_URL", nanio)
    with pytest.raises(RunError, match=r"InvalidAccessKeyId|AccessDenied|SignatureDoesNotMatch"):
        Store(s3).get("k")


def test_botocore_is_not_imported_where_no_profile_is_asked_for(s3: str) -> None:
    code = f"import sys; from dataengine.storage.store import Store; Store({s3!r}).put('k', b'v'); "
    code += "print('botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("call", ["get", "put", "create", "list"])
def test_a_missing_bucket_is_named_and_is_no_missing_object(s3: str, call: str) -> None:
    store = Store("s3://no-such-bucket/pre")
    calls = {
        "get": lambda: store.get("k"),
        "put": lambda: store.put("k", b"v"),
        "create": lambda: store.create("k", b"v"),
        "list": lambda: list(store.list()),
    }
    with pytest.raises(RunError, match=r"(?s)s3://no-such-bucket/pre.*NoSuchBucket.*bucket does not exist"):
        calls[call]()


def test_attempts_must_be_a_number(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "many")
    with pytest.raises(RunError, match="AWS_MAX_ATTEMPTS"):
        Store(s3).get("k")


def test_a_forked_process_is_told_instead_of_waiting_for_ever(s3: str) -> None:
    Store(s3).put("k", b"v")
    code = (
        f"import os; from dataengine.storage.store import Store; s = Store({s3!r}); s.get('k')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    try: s.get('k')\n"
        "    except Exception as error: print(error)\n"
        "else: os.waitpid(child, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    assert "spawn" in done.stdout
