"""The rows of the table: each has a fault, a condition to pass, and a function that makes the
fault and returns its observations.
"""

import collections

Row = collections.namedtuple("Row", "id fault passes run sink settings")
ROWS = []


def row(name, fault, passes, sink="mda", settings=""):
    """Adds the function below to the table. It gets a Cell and returns a list of words: none is
    a pass.
    """

    def add(run):
        ROWS.append(Row(name, fault, passes, run, sink, settings))
        return run

    return add


def load():
    """The rows in the order of the table."""
    # Each file adds its rows when it is imported.
    import rows_blame, rows_content, rows_links, rows_listing, rows_login  # noqa: E401,F401
    import rows_names, rows_octets, rows_odd, rows_refusals, rows_relay  # noqa: E401,F401

    order = (
        "cut",
        "quit",
        "kill",
        "mda",
        "maildir",
        "relay",
        "list",
        "names",
        "octets",
        "lines",
        "odd",
        "state",
        "content",
        "login",
        "tls",
    )
    return sorted(ROWS, key=lambda one: order.index(one.id.split("-")[0]))
