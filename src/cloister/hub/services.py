"""What the operations need, made once when the hub starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from cloister.hub.database import Database
from cloister.hub.limits import Slots
from cloister.hub.objects import Objects
from cloister.hub.settings import HubSettings
from cloister.hub.signing import SigningKeys
from cloister.hub.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Services:
    """One hub's parts. `closing` is set when the server begins to stop: long answers end then."""

    settings: HubSettings
    database: Database
    objects: Objects
    signing: SigningKeys
    upstream: Upstream
    relayed: Slots
    transfers: Slots
    closing: asyncio.Event = field(default_factory=asyncio.Event)


async def _services(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


Hub = Annotated[Services, Depends(_services)]
"""For the signature of an operation."""
