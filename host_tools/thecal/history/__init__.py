"""The store: what this computer saw of pumps, in one SQLite file: sessions, programs, logs, refills.

    from thecal.store import Store
    with Store.open() as store:
        added = store.add_log("UNIX-0001", records)

Filled by `thecal program`, `log` and `refill` (`collect`), read by `thecal history`, `trend` and `store
export`. It is a copy for people and programs to look at; the pump's own log stays the record, and no key is
ever in it. Described in docs/store.md. Importing this package loads SQLAlchemy: the command line does so
when it must.
"""

from thecal.history.database import Added, Store, StoreError

__all__ = ["Added", "Store", "StoreError"]
