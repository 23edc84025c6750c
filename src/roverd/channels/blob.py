"""Channel formats `npz` and `jpg`: each frame in a file of its own."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from roverd.channels.abstract import BlobChannel
from roverd.channels.abstract.channel import Path
from roverd.channels.images import ImageDecoder, check_image
from roverd.errors import CorruptFileError
from roverd.formats import jpeg, npz
from roverd.storage import File, is_url, remote_storage

__all__ = ["JPEGBlobChannel", "NPZBlobChannel"]


class _InPlaceBlobChannel(BlobChannel):
    """Blobs of a codec, read into an array that is there already; `_read_blob` follows."""

    _codec: ClassVar[str]

    def _read_blob(self, index: int) -> NDArray[Any]:
        out = np.empty(self._read_shape, self.type)
        self._read_blob_into(index, out)
        return out

    @abstractmethod
    def _read_file_into(self, path: str, out: NDArray[Any]) -> None:
        """Read one frame from its file into `out`."""

    @abstractmethod
    def _decode_into(self, data: bytes, out: NDArray[Any]) -> None:
        """Decode the content of a file into `out`."""

    def _path(self, index: int) -> str:
        return f"{self._filename(index)}{self.extension}"

    def _read_blob_into(self, index: int, out: NDArray[Any]) -> None:
        path = self._path(index)
        if is_url(path):
            # With one request.
            self._take_blob_into(index, self._storage.read(path), out)
        else:
            self._read_file_into(path, out)

    def _begin_blob(self, index: int) -> "Callable[[], Future[bytes]] | None":
        path = self._path(index)
        return partial(remote_storage().begin_read, path) if is_url(path) else None

    def _take_blob_into(self, index: int, data: bytes, out: NDArray[Any]) -> None:
        try:
            self._decode_into(data, out)
        except CorruptFileError as error:
            raise CorruptFileError(f"{self._path(index)}: {error}") from error

    @property
    def codec(self) -> str:
        """`"npz"` or `"jpeg"`: the content of the files."""
        return self._codec

    def _read_encoded(self, index: int) -> bytes:
        path = f"{self._filename(index)}{self.extension}"
        data = self._storage.read(path)
        if not data:
            raise CorruptFileError(f"{path}: expected the {self._codec} of a frame, found no byte")
        return data

    @abstractmethod
    def _encode_blob(self, data: NDArray[Any]) -> bytes:
        """The content of the file of one frame."""

    def _write_blob(self, index: int, data: NDArray[Any]) -> None:
        self._write_encoded(index, self._encode_blob(data))

    def _write_encoded(self, index: int, data: bytes) -> None:
        self._storage.write(f"{self._filename(index)}{self.extension}", data)


class NPZBlobChannel(_InPlaceBlobChannel):
    """One `.npz` file per frame, with the array under the key `data`.

    Args:
        path: the folder.
        dtype: type of the values.
        shape: shape of one frame.
        workers: how many frames may be read or written at a time.
        length: how many frames there are, where the caller knows; otherwise they are counted.
        compress: whether to deflate what is written. Either kind is read.
    """

    extension = ".npz"
    _codec = "npz"

    def __init__(
        self,
        path: Path,
        dtype: Any,
        shape: Sequence[int],
        workers: int = 8,
        length: int | None = None,
        compress: bool = False,
    ) -> None:
        super().__init__(path, dtype, shape, workers, length)
        self.compress = compress
        self._npy = npz.npy_header(self.shape, self.type)

    def _read_file_into(self, path: str, out: NDArray[Any]) -> None:
        file = self._storage.open(path, keep=False)
        begin = npz.stored_at(file.read(0, npz.HEAD_SIZE), file.size, self._npy, self.size)
        if begin is not None:
            # Known to be the bytes themselves: no need to take the file apart.
            if file.read_into(begin, out.data) != out.nbytes:
                raise CorruptFileError(f"{path}: the file was cut while it was read")
            return
        _decode_npz_into(file, out)

    def _decode_into(self, data: bytes, out: NDArray[Any]) -> None:
        npz.decode_into(data, out)

    def read_checked_into(self, index: int, out: NDArray[Any]) -> None:
        """Read one frame, comparing the check sum in its file, which `read` does not always do.

        Args:
            index: number of the frame.
            out: array of the channel's shape and type.

        Raises:
            FileNotFoundError: there is no such file.
            CorruptFileError: it is damaged, or holds another array.
        """
        _decode_npz_into(self._storage.open(f"{self._filename(index)}.npz", keep=False), out)

    def _encode_blob(self, data: NDArray[Any]) -> bytes:
        return npz.encode(data, self.compress)


def _decode_npz_into(file: File, out: NDArray[Any]) -> None:
    try:
        npz.decode_into(file.read(0, file.size), out)
    except CorruptFileError as error:
        raise CorruptFileError(f"{file.path}: {error}") from error


class JPEGBlobChannel(_InPlaceBlobChannel):
    """One JPEG file per frame; frames are RGB, `(height, width, 3)`, or grey, `(height, width)`.

    Args:
        path: the folder.
        dtype: `u1`.
        shape: shape of one frame as it is stored.
        workers: how many frames may be read or written at a time.
        length: how many frames there are, where the caller knows; otherwise they are counted.
        resolution: `(width, height)` that frames are resized to when they are read.
        interp: how they are resized: nearest, linear, cubic, area or lanczos.
        exact: whether `area` always resizes the full image; see `VideoChannel`.
        quality: JPEG quality for writing, 1 to 100.
    """

    extension = ".jpg"
    _codec = "jpeg"

    def __init__(
        self,
        path: Path,
        dtype: Any,
        shape: Sequence[int],
        workers: int = 8,
        length: int | None = None,
        resolution: Sequence[int] | None = None,
        interp: str = "area",
        exact: bool = False,
        quality: int = 95,
    ) -> None:
        super().__init__(path, dtype, shape, workers, length)
        check_image(self, quality)
        self.quality = quality
        self._decoder = ImageDecoder(self, resolution, interp, exact)

    @property
    def _read_shape(self) -> tuple[int, ...]:
        return self._decoder.out_shape

    def unresized(self) -> "JPEGBlobChannel":
        """The channel without its `resolution`."""
        other = self.open_like(self.path)
        other._decoder = ImageDecoder(other, None, "area", False)
        return other

    def _decode_into(self, data: bytes, out: NDArray[Any]) -> None:
        self._decoder.decode_into(data, out)

    def _read_file_into(self, path: str, out: NDArray[Any]) -> None:
        file = self._storage.open(path, keep=False)
        try:
            self._decoder.decode_into(file.read(0, file.size), out)
        except CorruptFileError as error:
            raise CorruptFileError(f"{path}: {error}") from error

    def _encode_blob(self, data: NDArray[Any]) -> bytes:
        return jpeg.encode(data, self.quality)
