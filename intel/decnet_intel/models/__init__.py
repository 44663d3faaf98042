"""The tables, one noun a file. Alembic's migrations, not these classes, make them."""

from decnet_intel.models.artifact import Artifact, ArtifactLoss, ArtifactUsage, Capture
from decnet_intel.models.base import Base
from decnet_intel.models.event import Event, EventCount, File, SourceCount
from decnet_intel.models.inventory import Decky, SwarmHost
from decnet_intel.models.progress import Cursor, DeadLetter, Heartbeat
from decnet_intel.models.user import LoginTry, Role, User

__all__ = [
    "Artifact",
    "ArtifactLoss",
    "ArtifactUsage",
    "Base",
    "Capture",
    "Cursor",
    "DeadLetter",
    "Decky",
    "Event",
    "EventCount",
    "File",
    "Heartbeat",
    "LoginTry",
    "Role",
    "SourceCount",
    "SwarmHost",
    "User",
]
