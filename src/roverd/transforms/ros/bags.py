"""Bags: files of ROS messages, there only once they are complete."""

import errno
import functools
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Literal, get_args

from roverd.errors import AlreadyExistsError
from roverd.transforms.ros.messages import TOPICS, Messages, Topic

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag1 import Writer as Ros1Writer
    from rosbags.rosbag2 import Writer as Ros2Writer
    from rosbags.typesys.store import Msg, Typestore

Format = Literal["ros1", "ros2"]
"""ROS 1: a file. ROS 2: a folder."""

Storage = Literal["sqlite3", "mcap"]
"""What is in the folder of a ROS 2 bag."""

# 8 is read by every ROS 2 since Humble; 9 writes the quality of service in another way.
_ROS2_BAG_VERSION = 8


class Bag:
    """A bag that is being written.

    Args:
        path: where it will be, for messages to people.
        writer: writes it.
        connections: what the writer knows the topics as.
        typestore: definitions of the messages.
        serialize: turns a message of a type into bytes.

    Attributes:
        messages: makes messages for it.
        counts: messages that were written, by topic name.
    """

    def __init__(
        self,
        path: str,
        writer: "Ros1Writer | Ros2Writer",
        connections: "dict[Topic, Connection]",
        typestore: "Typestore",
        serialize: "Callable[[Msg, str], memoryview]",
    ) -> None:
        self._path = path
        self._writer = writer
        self._connections = connections
        self._serialize = serialize
        self.messages = Messages(typestore)
        self.counts = {topic.name: 0 for topic in connections}

    def write(self, topic: Topic, stamp: int, message: "Msg") -> None:
        """Add a message.

        Args:
            topic: what it goes under.
            stamp: its time, in nanoseconds.
            message: of the topic's type.
        """
        data = self._serialize(message, topic.type)
        with _naming(self._path):
            self._writer.write(self._connections[topic], stamp, data)
        self.counts[topic.name] += 1


def check_format(path: str, format: str, storage: str) -> None:
    """Raise unless there are bags of such a format and storage.

    Args:
        path: of the bag, for the message.
        format: should be a `Format`.
        storage: should be a `Storage`; for a ROS 1 bag, the default.

    Raises:
        ValueError: there are none.
    """
    if format not in get_args(Format):
        raise ValueError(f"{path}: expected format ros1 or ros2, got {format!r}")
    if storage not in get_args(Storage):
        raise ValueError(f"{path}: expected storage sqlite3 or mcap, got {storage!r}")
    if format == "ros1" and storage != "sqlite3":
        raise ValueError(f"{path}: storage {storage} is for bags of format ros2, this one is ros1")


@contextmanager
def new_bag(path: str, format: Format, storage: Storage, overwrite: bool) -> Generator[Bag]:
    """A bag to write to; it appears under its name when the context is left without error.

    Args:
        path: where it will be. Folders that are missing above it are made.
        format: of the bag.
        storage: of a ROS 2 bag.
        overwrite: whether to replace a bag that is there.

    Yields:
        The bag, with all topics and no messages.

    Raises:
        AlreadyExistsError: the path is taken: by a bag, and not to be overwritten; or by something
            that is no bag.
    """
    with _completed(path, overwrite) as place, ExitStack() as stack:
        with _naming(path):
            bag = (
                _ros1_bag(path, place, stack)
                if format == "ros1"
                else _ros2_bag(path, place, storage, stack)
            )
        yield bag
        with _naming(path):
            stack.close()


@functools.cache
def _typestore(release: str) -> "Typestore":
    """Definitions of a ROS release; kept, since it compiles code for each of the messages."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores(release))


def _ros1_bag(path: str, place: str, stack: ExitStack) -> Bag:
    from rosbags.rosbag1 import Writer

    typestore = _typestore("ros1_noetic")
    writer = stack.enter_context(Writer(place))
    connections = {
        topic: writer.add_connection(topic.name, topic.type, typestore=typestore, latching=1)
        for topic in TOPICS
    }
    return Bag(path, writer, connections, typestore, typestore.serialize_ros1)


def _ros2_bag(path: str, place: str, storage: str, stack: ExitStack) -> Bag:
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )
    from rosbags.rosbag2 import StoragePlugin, Writer

    never = QosTime(2**31 - 1, 2**32 - 1)
    # ROS 2's way to say latching. Like a recorder, which is not told of it, we know no history.
    latching = Qos(
        history=QosHistory.UNKNOWN,
        depth=0,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL,
        deadline=never,
        lifespan=never,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=never,
        avoid_ros_namespace_conventions=False,
    )
    typestore = _typestore("ros2_jazzy")
    plugin = StoragePlugin[storage.upper()]
    writer = stack.enter_context(Writer(place, version=_ROS2_BAG_VERSION, storage_plugin=plugin))
    connections = {
        topic: writer.add_connection(
            topic.name, topic.type, typestore=typestore, offered_qos_profiles=[latching]
        )
        for topic in TOPICS
    }
    return Bag(path, writer, connections, typestore, typestore.serialize_cdr)


@contextmanager
def _naming(path: str) -> Generator[None]:
    """Errors of writing a bag, as one that names it: not its temporary name, or no name at all."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), path) from error
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"cannot be written ({error})", path) from error


@contextmanager
def _completed(path: str, overwrite: bool) -> Generator[str]:
    """A place beside `path`; what is there takes its name when the context is left without error.

    Yields:
        The place, whose last component is the final one.
    """
    # What a link points to is replaced, as when one opens the link for writing.
    target = os.path.realpath(path)
    _check_free(path, target, overwrite)
    parent, name = os.path.split(target)
    missing = _missing_folders(parent)
    # A ROS 2 bag has its name inside, too: the name must be the final one from the beginning.
    temporary = os.path.join(parent, f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        with _naming(path):
            os.makedirs(temporary)
        yield os.path.join(temporary, name)
        _check_free(path, target, overwrite)
        _move(os.path.join(temporary, name), target, os.path.join(temporary, "replaced"))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for folder in missing:
            with suppress(OSError):  # somebody else may have put something there
                os.rmdir(folder)
        raise
    shutil.rmtree(temporary, ignore_errors=True)


def _missing_folders(folder: str) -> list[str]:
    """Folders that are not there, the innermost first."""
    missing: list[str] = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def _check_free(path: str, target: str, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise AlreadyExistsError(
            f"{path}: is there already; choose another name, or have it overwritten (--overwrite)"
        )
    if not _is_bag(target):
        raise AlreadyExistsError(
            f"{path}: is there already and no ROS bag, so it is not overwritten; choose another "
            f"name, or remove it"
        )


def _is_bag(target: str) -> bool:
    """Whether it is the file of a ROS 1 bag, or a folder with a ROS 2 bag and nothing else."""
    if os.path.isdir(target):
        names = set(os.listdir(target))
        rest = names - {"metadata.yaml"}
        return rest != names and all(name.endswith((".db3", ".mcap")) for name in rest)
    if not os.path.isfile(target):
        return False
    with open(target, "rb") as file:
        return file.read(8) == b"#ROSBAG "


def _move(source: str, target: str, aside: str) -> None:
    """Give a bag its final name, in one step where it or what has the name is a file."""
    if not os.path.lexists(target) or not (os.path.isdir(source) or os.path.isdir(target)):
        os.replace(source, target)
        return
    os.rename(target, aside)
    try:
        os.rename(source, target)
    except BaseException:
        os.rename(aside, target)
        raise
