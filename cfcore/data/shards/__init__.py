"""Ratings in a folder of shards: files with a range of users each, which are mapped and not read."""

from __future__ import annotations

from cfcore.data.shards.folder import FORMAT, Folder, Shard
from cfcore.data.shards.writing import Saver, cuts, save

__all__ = ["FORMAT", "Folder", "Saver", "Shard", "cuts", "save"]
