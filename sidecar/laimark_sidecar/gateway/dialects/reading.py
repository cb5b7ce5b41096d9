"""Reads an answer as it comes, in pieces of any size."""

from __future__ import annotations

from laimark_sidecar.gateway.dialects.dialect import Dialect
from laimark_sidecar.gateway.dialects.draft import Answer, Draft
from laimark_sidecar.gateway.dialects.encoding import decoder_of
from laimark_sidecar.gateway.dialects.framing import framing_of
from laimark_sidecar.gateway.observing import Ending, Head


class AnswerReader:
    """One answer.

    Args:
        dialect: of its request.
        head: of the answer; names its encoding and framing.

    Raises:
        DataError: its encoding is not known.
    """

    def __init__(self, dialect: Dialect, head: Head) -> None:
        self._fold = dialect.fold
        self._decoder = decoder_of(head.header("content-encoding"))
        self._framing = framing_of(head.header("content-type"))
        self._draft = Draft()
        self.size = 0
        """Bytes of the body so far, decompressed."""

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body, of the size that it has on the wire.

        Raises:
            DataError: damaged, too long, or not in the dialect.
        """
        piece = self._decoder.feed(chunk)
        self.size += len(piece)
        for content in self._framing.feed(piece):
            self._fold(self._draft, content)

    def finish(self, how: Ending) -> Answer:
        """Return the answer.

        Raises:
            DataError: what remained is not in the dialect.
        """
        for content in self._framing.end(whole=how == "complete"):
            self._fold(self._draft, content)
        return self._draft.settled(how)
