"""The store: what this computer saw of pumps, in one SQLite file: sessions, programs, logs, refills.

    from thecal.history.database import Store
    with Store.open() as store:
        added = store.add_log("UNIX-0001", records)

Filled by `thecal program`, `log` and `refill` (`collect`), read by `thecal history`, `trend` and `store
export`. A copy for people and programs to look at: the pump's own log stays the record, and no key is ever
in it. Described in docs/howto/store.md. `database` loads SQLAlchemy: the command line does so when it must.
"""
