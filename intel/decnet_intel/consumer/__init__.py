"""Doing something with every event, once: what workers that react to events are built on."""

from decnet_intel.consumer.consumer import Consumer, Handler
from decnet_intel.consumer.pace import Pace
from decnet_intel.consumer.topics import Delivery, Topics

__all__ = ["Consumer", "Delivery", "Handler", "Pace", "Topics"]
