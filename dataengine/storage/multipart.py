"""Conditional multipart upload: creates a large object from a stream, if none exists, with its checksum verified.

The Rust client has no conditional multipart upload, so boto3 does it: parts in parallel, each with its SHA-256, and If-None-Match
on the request that completes the object. An upload that fails is aborted and was never visible; the parts of a killed process
are left to the bucket's lifecycle rule.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dataengine.errors import RunError
from dataengine.storage import s3
from dataengine.storage.store import Store

#: Smallest part in bytes, parts an object may have, and concurrent parts of one object.
PART = 16 << 20
_MOST_PARTS = 10_000
_AT_ONCE = 3


def create_large(store: Store, key: str, pieces: Iterable[bytes], size: int, sha256: str) -> bool:
    """Create one object of ``pieces`` (``size`` bytes in all) if none exists; False if one does. Raises RunError on a checksum
    mismatch, and then writes nothing."""
    checked = _checked(_parts(pieces, max(PART, -(-size // _MOST_PARTS))), store.uri(key), sha256)
    return _remote(store, key, checked, sha256) if store.remote else _local(Path(store.url, key), checked)


def _parts(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    held: list[bytes] = []
    for piece in pieces:
        held.append(piece)
        if sum(map(len, held)) >= size:
            yield b"".join(held)
            held = []
    if held:
        yield b"".join(held)


def _checked(parts: Iterable[bytes], uri: str, sha256: str) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        yield part
    if digest.hexdigest() != sha256:
        raise RunError(f"checksum mismatch uploading {uri}: got {digest.hexdigest()}, expected {sha256}")


def _local(path: Path, parts: Iterable[bytes]) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part") as file:
        for part in parts:
            file.write(part)
        file.flush()
        try:
            os.link(file.name, path)
        except FileExistsError:
            return False
    path.chmod(0o644)
    return True


def _remote(store: Store, key: str, parts: Iterable[bytes], sha256: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = store.url.removeprefix("s3://").partition("/")
    client, place = s3.boto_client(), {"Bucket": bucket, "Key": f"{prefix}/{key}" if prefix else key}
    try:
        created = client.create_multipart_upload(**place, Metadata={"sha256": sha256}, ChecksumAlgorithm="SHA256")
        upload = place | {"UploadId": created["UploadId"]}
        try:
            done = _send(client, upload, parts)
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": done}, IfNoneMatch="*")
            return True
        except ClientError as error:
            # An upload that no longer exists was completed by an attempt whose response was lost.
            if error.response["Error"]["Code"] == "NoSuchUpload" and store.recorded(key) == sha256:
                return True
            _abort(client, upload)
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
                return False
            raise
        except BaseException:
            _abort(client, upload)
            raise
    except ClientError as error:
        response = error.response
        status, code = response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]
        text = f"status code: {status} <Code>{code}</Code><Message>{response['Error'].get('Message', '')}</Message>"
        raise RunError(f"{store.uri(key)}: {s3.explained(RunError(text))}") from None
    except BotoCoreError as error:
        raise RunError(f"{store.uri(key)}: {error}\nCheck AWS_ENDPOINT_URL and the network.") from None


def _send(client: Any, upload: dict[str, Any], parts: Iterable[bytes]) -> list[dict[str, Any]]:
    def send(number: int, data: bytes) -> dict[str, Any]:
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        part = client.upload_part(**upload, PartNumber=number, Body=data, ChecksumSHA256=checksum)
        return {"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": checksum}

    done: list[dict[str, Any]] = []
    in_flight: list[Future[dict[str, Any]]] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, data in enumerate(parts, 1):
            in_flight.append(pool.submit(send, number, data))
            if len(in_flight) == _AT_ONCE:
                done.append(in_flight.pop(0).result())
        return done + [future.result() for future in in_flight]


def _abort(client: Any, upload: dict[str, Any]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client.abort_multipart_upload(**upload)
    except (BotoCoreError, ClientError):
        return  # the error that led here is more telling
