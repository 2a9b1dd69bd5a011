"""What an agent keeps from one of its processes to the next, in SQLite: a cache, of which nothing is needed.

Whatever matters is on the chain (docs/decisions/0011). The store saves a restarted agent time: it knows which
transactions are its own, and which claims it need not run again. So a store that is corrupt, of another version or on a
full disk is said, set aside and rebuilt; it never ends an agent and never loses a game.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgpack
import structlog

from contracts.outbox import Sent

VERSION = 1
_log = structlog.get_logger()

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS transactions (nonce INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS agreed (claim BLOB PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS owner (name TEXT NOT NULL) STRICT;
PRAGMA user_version = {VERSION};
"""

Found = TypeVar("Found")


class Store:
    """The store of one account on one deployment; `owner` names them.

    Every method is safe from any thread. None raises: what cannot be read is empty, what cannot be written is said.
    """

    def __init__(self, directory: Path, owner: str) -> None:
        self.path = directory / "agent.sqlite"
        self._owner = owner
        self._turn = threading.Lock()
        self._silent = False
        self._database = self._opened()

    # What is kept

    def transactions(self) -> list[Sent]:
        """Transactions that were on their way when the last process ended, by nonce."""
        rows = self._read("SELECT content FROM transactions ORDER BY nonce")
        return [_sent(content) for (content,) in rows]

    def keep_transactions(self, sent: Iterable[Sent]) -> None:
        """These are on their way, and no others."""
        rows = [(each.nonce, _packed(each)) for each in sent]

        def write(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM transactions")
            database.executemany("INSERT INTO transactions VALUES (?, ?)", rows)

        self._write(write)

    def agreed(self) -> set[bytes]:
        """Claims that were verified and found right."""
        return {claim for (claim,) in self._read("SELECT claim FROM agreed")}

    def note_agreed(self, claim: bytes) -> None:
        self._write(lambda database: database.execute("INSERT OR IGNORE INTO agreed VALUES (?)", (claim,)))

    def forget_agreed(self, claims: Iterable[bytes]) -> None:
        """Nobody needs to know about these any more."""
        rows = [(claim,) for claim in claims]
        if rows:
            self._write(lambda database: database.executemany("DELETE FROM agreed WHERE claim = ?", rows))

    def close(self) -> None:
        with self._turn:
            self._database.close()

    # The database

    def _opened(self) -> sqlite3.Connection:
        """The database, a new one in place of what is none or another's."""
        try:
            return self._connected()
        except sqlite3.OperationalError as error:
            self._say_unwritten(error)
        except sqlite3.DatabaseError as error:
            self._set_aside(str(error))
            try:
                return self._connected()
            except sqlite3.Error as again:
                self._say_unwritten(again)
        return self._in_memory()

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=5.0, check_same_thread=False, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("its pages are damaged")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError(f"it is of version {version}, this program writes {VERSION}")
            database.executescript(_SCHEMA)
            for (owner,) in database.execute("SELECT name FROM owner"):
                if owner != self._owner:
                    raise sqlite3.DatabaseError(f"it belongs to {owner}, not to {self._owner}")
            database.execute("DELETE FROM owner")
            database.execute("INSERT INTO owner VALUES (?)", (self._owner,))
            for (content,) in database.execute("SELECT content FROM transactions"):
                _sent(content)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            database.close()
            raise sqlite3.DatabaseError(f"a transaction in it cannot be read: {error}") from error
        except BaseException:
            database.close()
            raise
        return database

    def _in_memory(self) -> sqlite3.Connection:
        database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        database.executescript(_SCHEMA)
        return database

    def _set_aside(self, reason: str) -> None:
        """Rename the files; nothing is deleted that a person may want to look at."""
        kept = next(
            path for n in itertools.count(1) if not (path := self.path.with_name(f"{self.path.name}.bad-{n}")).exists()
        )
        _log.warning("store_rebuilt", reason=reason, kept=str(kept))
        try:
            self.path.rename(kept)
            for ending in ("-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        except OSError as error:
            self._say_unwritten(error)

    def _read(self, query: str) -> list[tuple[bytes, ...]]:
        with self._guarded():
            return self._database.execute(query).fetchall()
        return []

    def _write(self, change: Callable[[sqlite3.Connection], object]) -> None:
        with self._guarded():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                change(self._database)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
            if self._silent:
                self._silent = False
                _log.info("store_written_again")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Whatever the database does, the agent goes on without it."""
        with self._turn:
            try:
                yield
            except sqlite3.OperationalError as error:
                self._say_unwritten(error)
            except sqlite3.DatabaseError as error:
                self._database.close()
                self._set_aside(str(error))
                self._database = self._opened()

    def _say_unwritten(self, error: Exception) -> None:
        if not self._silent:
            self._silent = True
            _log.error("store_not_written", path=str(self.path), reason=str(error))


def _packed(sent: Sent) -> bytes:
    fields = sent.nonce, sent.data, str(sent.value), sent.gas, sent.price, sent.tip, sent.hashes
    packed: bytes = msgpack.packb(fields)
    return packed


def _sent(content: bytes) -> Sent:
    nonce, data, value, gas, price, tip, hashes = msgpack.unpackb(content)
    return Sent(bytes(data), int(value), gas, nonce, price, tip, [bytes(h) for h in hashes])
