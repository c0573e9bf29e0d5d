"""Files in S3: written once, never changed."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import ClientError

from shared.gateways.clients import Clients, code_of
from shared.ports import Unavailable

CONFLICT = "ConditionalRequestConflict"  # someone else is writing the same key at this moment


class S3Files:
    """Implements shared.ports.Files."""

    def __init__(self, bucket: Callable[[], str], clients: Clients) -> None:
        self._bucket = bucket
        self._clients = clients

    def read(self, key: str) -> bytes | None:
        try:
            answer = self._clients.call("s3", "get_object", {"Bucket": self._bucket(), "Key": key})
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                return None
            raise
        with answer["Body"] as body:
            content: bytes = body.read()
        return content

    def write_once(self, key: str, content: bytes, media_type: str) -> bool:
        request = {
            "Bucket": self._bucket(),
            "Key": key,
            "Body": content,
            "ContentType": media_type,
            "IfNoneMatch": "*",
        }
        try:
            self._clients.call("s3", "put_object", request)
        except ClientError as error:
            if code_of(error) == CONFLICT:
                raise Unavailable(f"s3 put_object: {CONFLICT}") from error
            if code_of(error) != "PreconditionFailed":  # which says that it is there already
                raise
            return False
        return True
