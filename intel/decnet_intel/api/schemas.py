"""What goes over HTTP. The dashboard's typed client is generated from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from decnet_intel.models import Event, Role
from decnet_intel.service.overview import DeckyActivity, Stats


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


PlainText = Annotated[str, AfterValidator(_without_nul)]


class Schema(BaseModel):
    """Base of all answers: every field is always there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Request(BaseModel):
    """Base of all bodies: a misspelt field is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(Schema):
    """Why the request was refused, as a sentence."""

    detail: str


class Problem(Schema):
    """One thing wrong with the request: where, and what to do."""

    loc: list[str | int]
    msg: str
    type: str


class InvalidAnswer(Schema):
    """The request does not fit; one entry for each thing wrong with it."""

    detail: list[Problem]


class LoginRequest(Request):
    """Name and password."""

    username: PlainText = Field(min_length=1, max_length=255)
    password: str = Field(min_length=1, max_length=1024)


class ChangePasswordRequest(Request):
    """The new password needs 12 characters, 5 different ones, and none of the obvious words."""

    old_password: str = Field(min_length=1, max_length=1024)
    new_password: str = Field(min_length=1, max_length=1024)


class TokenAnswer(Schema):
    """A token for the `Authorization: Bearer` header.

    While `must_change_password` is true, only `change-password` and `me` accept it.
    """

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (the kind of token)
    must_change_password: bool


class Me(Schema):
    """Whose token it is."""

    username: str
    role: Role
    must_change_password: bool


class LogItem(Schema):
    """One event. Where it comes from (`node`, `namespace`, `decky`, `service`) is certain; the rest
    is what the line says. `raw` is the line itself when it could not be read, null otherwise."""

    id: int
    occurred_at: datetime
    received_at: datetime
    node: str
    namespace: str
    decky: str
    service: str
    event_id: str
    severity: int = Field(ge=0, le=7, description="syslog severity, 0 emergency to 7 debug")
    hostname: str
    src_ip: str | None
    src_port: int | None
    fields: dict[str, str]
    message: str
    raw: str | None
    acknowledged: bool = Field(description="false when the sender could not be told that the line is stored")

    @classmethod
    def of(cls, event: Event) -> LogItem:
        """The event as it is shown."""
        return cls(
            id=event.id,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            node=event.node,
            namespace=event.namespace,
            decky=event.decky,
            service=event.service,
            event_id=event.event_id,
            severity=event.severity,
            hostname=event.hostname,
            src_ip=str(event.src_ip) if event.src_ip is not None else None,
            src_port=event.src_port,
            fields=event.fields,
            message=event.message,
            raw=event.raw,
            acknowledged=event.acknowledged,
        )


class LogPage(Schema):
    """Events, newest first. `next_cursor` asks for what is older; null when there is nothing."""

    items: list[LogItem]
    next_cursor: str | None


class Count(Schema):
    """How often something was seen, and when last."""

    name: str
    events: int
    last_at: datetime


class HourCount(Schema):
    """Events of the hour that begins at `hour`."""

    hour: datetime
    events: int


class StatsAnswer(Schema):
    """Counts over everything that is kept; `last_24_hours` has 24 entries, the current hour last."""

    events: int
    credentials: int
    sources: int = Field(description="different source addresses")
    deckies: int
    deckies_ready: int
    last_event_at: datetime | None
    by_service: list[Count]
    by_decky: list[Count]
    by_event: list[Count]
    top_sources: list[Count]
    last_24_hours: list[HourCount]

    @classmethod
    def of(cls, stats: Stats) -> StatsAnswer:
        """The statistics as they are shown."""

        def shown(counts: list[object]) -> list[Count]:
            return [Count.model_validate(count, from_attributes=True) for count in counts]

        return cls(
            events=stats.totals.events,
            credentials=stats.totals.credentials,
            sources=stats.totals.sources,
            deckies=stats.deckies,
            deckies_ready=stats.deckies_ready,
            last_event_at=stats.totals.last_at,
            by_service=shown([*stats.by_service]),
            by_decky=shown([*stats.by_decky]),
            by_event=shown([*stats.by_event]),
            top_sources=shown([*stats.top_sources]),
            last_24_hours=[HourCount(hour=hour, events=events) for hour, events in stats.last_24_hours],
        )


class DeckyService(Schema):
    """A service of a decky. `ready` is null when that is not known."""

    name: str
    ready: bool | None
    ports: list[str] = Field(description="such as 22/TCP")


class DeckyItem(Schema):
    """A decky as its status says, and what happened to it."""

    namespace: str
    name: str
    node: str | None
    ip: str | None
    mac: str | None
    hostname: str | None
    archetype: str | None
    os: str | None
    distro: str | None
    ready: bool
    reason: str | None = Field(description="of the Ready condition")
    message: str | None = Field(description="of the Ready condition")
    services: list[DeckyService]
    created_at: datetime | None
    events: int
    last_event_at: datetime | None

    @classmethod
    def of(cls, activity: DeckyActivity) -> DeckyItem:
        """The decky as it is shown."""
        decky = activity.decky
        return cls(
            namespace=decky.namespace,
            name=decky.name,
            node=decky.node,
            ip=decky.ip,
            mac=decky.mac,
            hostname=decky.hostname,
            archetype=decky.archetype,
            os=decky.os,
            distro=decky.distro,
            ready=decky.ready,
            reason=decky.reason,
            message=decky.message,
            services=[DeckyService.model_validate(service) for service in decky.services],
            created_at=decky.created_at,
            events=activity.events,
            last_event_at=activity.last_event_at,
        )


class DeckiesAnswer(Schema):
    """All deckies by namespace and name."""

    items: list[DeckyItem]


class ComponentHealth(Schema):
    """Whether a part is well, and a sentence about it."""

    ok: bool
    message: str


class HealthAnswer(Schema):
    """`degraded` when something is not well. `components` is null without a valid token."""

    status: Literal["ok", "degraded"]
    components: dict[str, ComponentHealth] | None
