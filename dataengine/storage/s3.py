"""S3 configuration and error messages: endpoint, region, profile, credentials, retries.

The Rust client (obstore) signs, retries and pools connections itself, but knows neither profiles nor SSO: with a profile or a
credentials file botocore supplies the credentials, and is not imported otherwise.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from obstore.store import S3Store

from dataengine.errors import RunError, UsageError
from dataengine.text.uris import without_secrets

#: Attempts at 5xx, broken connections and truncated bodies, retried by the client. AWS_MAX_ATTEMPTS replaces it.
_ATTEMPTS = 8
_BACKOFF = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=10), "base": 2}

_HINTS = {
    "SignatureDoesNotMatch": "the secret key is wrong: check AWS_SECRET_ACCESS_KEY or the profile",
    "InvalidAccessKeyId": "the server does not know the key: check AWS_ACCESS_KEY_ID or the profile",
    "ExpiredToken": "the session token has expired: get new credentials and rerun",
    "RequestTimeTooSkewed": "the clock of this machine is off: set it and rerun",
    "NoSuchBucket": "the bucket does not exist: check its name and AWS_ENDPOINT_URL",
    "SlowDown": "the server limits the request rate: lower --workers, or rerun later",
    "AccessDenied": "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, and their rights on the bucket",
}
_STATUS = {
    "401": _HINTS["AccessDenied"],
    "403": _HINTS["AccessDenied"],
    "429": _HINTS["SlowDown"],
    "503": _HINTS["SlowDown"],
    "500": "an internal error of the server: rerun later",
}


def connect(url: str) -> S3Store:
    """The client of ``s3://bucket/prefix``. Raises UsageError for another form (a user, a password, no bucket), RunError if a
    profile or its credentials cannot be read."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if "@" in bucket or ":" in bucket:
        raise UsageError(
            f"{without_secrets(url)}: write s3://bucket/prefix alone; server and credentials come from AWS_ENDPOINT_URL, "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
        )
    if not bucket:
        raise UsageError(f"{url} names no bucket; write s3://bucket/prefix")
    configured = settings()
    options: dict[str, Any] = {"client_options": {"timeout": "300s"}}
    if configured["endpoint"]:
        options["endpoint"] = configured["endpoint"]
        options["client_options"]["allow_http"] = configured["endpoint"].startswith("http://")
    if configured["session"] is not None:
        options["credential_provider"] = _provider(configured["session"])
    # The checksum is the signed payload's digest, so it costs nothing, and the server stores it.
    options["checksum_algorithm"] = os.environ.get("AWS_CHECKSUM_ALGORITHM") or "SHA256"
    retry: Any = {"max_retries": attempts() - 1, "retry_timeout": timedelta(minutes=3), "backoff": _BACKOFF}
    return S3Store(bucket, prefix=prefix or None, region=configured["region"], retry_config=retry, **options)


def boto_client() -> Any:
    """A boto3 client with the same settings, for the few calls that the Rust client lacks."""
    import boto3
    from botocore.config import Config

    configured = settings()
    session = configured["session"] or boto3.Session()
    config = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": attempts(), "mode": "standard"},
        s3={"addressing_style": "path"} if configured["endpoint"] else None,
        max_pool_connections=32,
    )
    return session.client("s3", endpoint_url=configured["endpoint"], region_name=configured["region"], config=config)


def settings() -> dict[str, Any]:
    """``endpoint``, ``region`` and, if a profile or file holds the credentials, a boto3 ``session`` (else None)."""
    env = os.environ.get
    session = _session() if _from_profile() else None
    profile = session._session.get_scoped_config() if session is not None else {}
    endpoint = env("AWS_ENDPOINT_URL_S3") or env("AWS_ENDPOINT_URL") or profile.get("endpoint_url")
    region = env("AWS_REGION") or env("AWS_DEFAULT_REGION") or profile.get("region") or "us-east-1"
    return {"endpoint": endpoint, "region": region, "session": session}


def attempts() -> int:
    """Attempts at a request before its error is raised. Raises RunError if AWS_MAX_ATTEMPTS is not a number."""
    text = os.environ.get("AWS_MAX_ATTEMPTS") or str(_ATTEMPTS)
    if not text.isdigit() or not int(text):
        raise RunError(f"AWS_MAX_ATTEMPTS is {text!r}; set it to a whole number from 1")
    return int(text)


def transient(error: Exception) -> bool:
    """True for errors that a retry may clear and the client does not retry itself: a broken page of a listing, a conditional
    write whose response was lost."""
    text = _first(error)
    return "response body" in text or ("error sending request" in text and not _retried(text))


def broken_refusal(error: Exception) -> bool:
    """True where the body of an error response (a 404, say) broke: the client asks again for the bodies of objects alone."""
    text = _first(error)
    return "Error performing" in text and "response body" in text


def missing_bucket(error: Exception) -> bool:
    return "NoSuchBucket" in str(error)


def explained(error: Exception) -> str:
    """Message of an S3 error in one or two lines: the server's or network's error, and what to check."""
    text = _first(error)
    status = re.search(r"status code: (\d+)", text)
    code, message = re.search(r"<Code>(\w+)</Code>", str(error)), re.search(r"<Message>([^<]*)</Message>", str(error))
    if status is None:
        lost = "HTTP error" in text
        return f"{text[:300]}{_retried(text)}" + ("\nCheck AWS_ENDPOINT_URL and the network." if lost else "")
    reply = " ".join(m[1] for m in (status, code) if m) + (f": {message[1].rstrip('.')}" if message else "")
    hint = _HINTS.get(code[1] if code else "") or _STATUS.get(status[1], "")
    return f"{reply}{_retried(text)}" + (f"\n{hint[0].upper()}{hint[1:]}." if hint else "")


def _retried(text: str) -> str:
    match = re.search(r"after (\d+) retries", text)
    return f" (tried {int(match[1]) + 1} times)" if match else ""


def _first(error: Exception) -> str:
    return str(error).split("\n\n")[0].replace("\n", " ")


def _from_profile() -> bool:
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return False
    if os.environ.get("AWS_PROFILE"):
        return True
    return any(
        Path(os.environ.get(variable) or f"~/.aws/{name}").expanduser().is_file()
        for variable, name in (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config"))
    )


def _session() -> Any:
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.Session()
    except BotoCoreError as error:
        raise RunError(f"AWS_PROFILE={os.environ.get('AWS_PROFILE')}: {error}") from None


def _provider(session: Any) -> Any:
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider(session)
    except ValueError as error:
        profile = os.environ.get("AWS_PROFILE") or "default"
        raise RunError(
            f"profile {profile} has no credentials ({error}): add them with `aws configure` or choose another AWS_PROFILE"
        ) from None
