"""URLs that let a client send one object to the blob store, or fetch one, without passing through the hub.

Sending is allowed only where the store itself checks what it is sent: the URL is signed together with the size and the
SHA-256 that were declared, so that it is good for those very bytes. Of the stores that `obstore` knows S3 and its likes
can do so; `Presigner.able` finds out whether the one at hand does.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
import obstore
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.session import Session
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

logger = logging.getLogger("cloister.hub")

_CHECKSUM = "x-amz-checksum-sha256"
_TRIED_AGAIN_SECONDS = 300.0
_PROBE_SECONDS = 10.0

Signing = S3Store | GCSStore | AzureStore
"""Stores that take signed URLs."""


@dataclass(frozen=True, slots=True)
class SignedPut:
    """Send the bytes there by PUT, with these headers."""

    url: str
    headers: dict[str, str]


class Presigner:
    """Signs URLs of one store with the credentials that the hub's environment has for it."""

    def __init__(self, store: Signing) -> None:
        self._store = store
        self._session = Session()
        self._finding_out = asyncio.Lock()
        self._able: bool | None = None
        self._tried_again_at = 0.0

    async def able(self) -> bool:
        """Whether the store refuses bytes that are not the declared ones, and takes those that are.

        Found out once, by trying; where the store was away, again after a few minutes.
        """
        if self._able is None and time.monotonic() >= self._tried_again_at:
            async with self._finding_out:
                if self._able is None and time.monotonic() >= self._tried_again_at:
                    await self._find_out()
        return self._able is True

    async def get_url(self, key: str, seconds: int) -> str | None:
        """Where to fetch an object for that long; None where the store can't be asked for signed URLs."""
        try:
            return await obstore.sign_async(self._store, "GET", key, timedelta(seconds=seconds))
        except (BaseError, NotImplementedError, OSError):
            return None

    async def put(self, key: str, size: int, sha256: str, seconds: int) -> SignedPut:
        """Where to send the object of that size and SHA-256 (hex), for that long. The store must be `able`.

        Raises what the libraries do: `BaseError`, `BotoCoreError`, `ValueError`.
        """
        # obstore knows where the object lies, and can't sign headers; botocore signs them.
        theirs = urlsplit(await obstore.sign_async(self._store, "PUT", key, timedelta(seconds=seconds)))
        scope = parse_qs(theirs.query)["X-Amz-Credential"][0]
        region = scope.split("/")[-3]
        url = urlunsplit((theirs.scheme, theirs.netloc, theirs.path, "", ""))
        headers = {
            "content-length": str(size),
            _CHECKSUM: base64.b64encode(bytes.fromhex(sha256)).decode("ascii"),
        }
        signed = await asyncio.to_thread(self._sign, url, headers, region, seconds)
        return SignedPut(signed, {_CHECKSUM: headers[_CHECKSUM]})

    def _sign(self, url: str, headers: dict[str, str], region: str, seconds: int) -> str:
        found = self._session.get_credentials()
        if found is None:
            raise ValueError("no credentials")
        request = AWSRequest(method="PUT", url=url, headers=headers)
        S3SigV4QueryAuth(found.get_frozen_credentials(), "s3", region, expires=seconds).add_auth(request)
        return str(request.url)

    async def _find_out(self) -> None:
        if not isinstance(self._store, S3Store):
            self._able = False
            return
        body = secrets.token_bytes(32)
        key = f"probe/{secrets.token_hex(16)}"
        try:
            place = await self.put(key, len(body), hashlib.sha256(body).hexdigest(), 60)
            async with httpx.AsyncClient(timeout=_PROBE_SECONDS) as http:
                wrong = await http.put(place.url, headers=place.headers, content=bytes(len(body)))
                longer = await http.put(place.url, headers=place.headers, content=body + b"x")
                undeclared = await http.put(place.url, content=body)
                right = await http.put(place.url, headers=place.headers, content=body)
            there = (await obstore.head_async(self._store, key))["size"] == len(body)
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            there = False
        except (BaseError, BotoCoreError, httpx.HTTPError, KeyError, ValueError, OSError) as error:
            self._tried_again_at = time.monotonic() + _TRIED_AGAIN_SECONDS
            logger.warning("could not find out whether parts may be sent to the blob store directly: %s", _name(error))
            return
        self._able = (
            there and right.is_success and all(400 <= each.status_code < 500 for each in (wrong, longer, undeclared))
        )
        if not self._able:
            logger.warning(
                "the blob store does not check what it is sent by signed URL: all parts pass through the hub"
            )


def _name(error: Exception) -> str:
    return type(error).__name__
