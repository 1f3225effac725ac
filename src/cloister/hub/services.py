"""What the operations need, made once when the hub starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from cloister.hub.database import Database
from cloister.hub.health import Checks
from cloister.hub.limits import Rate, Slots
from cloister.hub.objects import Objects
from cloister.hub.revocations import Revocations
from cloister.hub.settings import HubSettings
from cloister.hub.sign_in import SignIn
from cloister.hub.signing import SigningKeys
from cloister.hub.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Services:
    """One hub's parts. When the server is to stop `draining` is set: no load balancer should send it any more. Once
    what was under way has ended, or has had its time, `closing` is: long answers end then."""

    settings: HubSettings
    database: Database
    objects: Objects
    signing: SigningKeys
    upstream: Upstream
    checks: Checks
    relayed: Slots
    transfers: Slots
    messages: Rate
    proofs: Rate
    rooms: Rate
    revocations: Revocations
    sign_in: SignIn
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)


async def _services(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


Hub = Annotated[Services, Depends(_services)]
"""For the signature of an operation."""
