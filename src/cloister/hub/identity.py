"""Identity tokens over HTTP: binding a device key to the caller's email, and the keys to verify that with."""

from __future__ import annotations

import time

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cloister.hub.access import Account
from cloister.hub.problems import responses
from cloister.hub.services import Hub

router = APIRouter(tags=["identity"])


class IdentityRequest(BaseModel, extra="forbid"):
    """Asks for a token that binds a device key to the caller's email."""

    device_key: str = Field(pattern="^[0-9a-f]{64}$", description="The raw Ed25519 public key, 32 bytes in hex.")


class IdentityAnswer(BaseModel):
    """The token, a JWT for the enclave; it holds for five minutes."""

    token: str


class KeySet(BaseModel):
    """A JSON Web Key Set (RFC 7517), with a member more, as its section 5 allows."""

    keys: list[dict[str, str]]
    issuer: str = Field(description="Who signs with these keys: the tokens' `iss`, and the name that rooms pin.")


@router.get("/.well-known/jwks.json", summary="The keys that verify identity tokens")
async def get_jwks(hub: Hub) -> KeySet:
    return KeySet(keys=hub.issuer.public_keys(), issuer=hub.issuer.name)


@router.post("/v1/identity", summary="Get an identity token", responses=responses(400, 401, 403))
async def make_identity(body: IdentityRequest, account: Account, hub: Hub) -> IdentityAnswer:
    """The client hands it to an enclave inside a sealed request that the device key has signed."""
    token = hub.issuer.issue(account.name, bytes.fromhex(body.device_key), int(time.time()))
    return IdentityAnswer(token=token)
